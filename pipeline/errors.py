"""Every error that callseal raises on purpose.

    CallsealError                    exit 1
    ├── UsageError                   exit 2   the command or its settings make no sense
    ├── BadInput                     exit 3   the call cannot be processed as delivered
    │   ├── BadAudio                          not audio, truncated, empty, silent, wrong channels, too long
    │   └── BadMetadata                       unknown key, wrong type, contradiction with the audio
    ├── Refused                      exit 4   policy or authorisation says no
    │   └── Locked                            the store itself holds the object until a date
    ├── NotFound                     exit 5   no such call, caller or artifact
    ├── VerificationFailed           exit 6   what was checked is not what it must be
    │   └── CannotOpen                        wrong key, or a sealed object that was changed
    ├── Temporary                    exit 10  nothing changed, trying again is safe
    │   └── StoreUnavailable                  disk full, store unreachable
    ├── MissingModel                 exit 1   weights are not in the cache
    └── MissingExtra                 exit 1   an optional dependency is not installed

Messages hold ids, counts and file suffixes, never a word, a digit or a name from a call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from datetime import datetime


class CallsealError(Exception):
    """Anything callseal raises on purpose; the message is fit for a terminal and a log."""

    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = False


class UsageError(CallsealError):
    """The command line, a setting or a policy file makes no sense."""

    exit_code = 2


class BadInput(CallsealError):
    """The call cannot be processed as delivered; the input is left untouched."""

    exit_code = 3


class BadAudio(BadInput):
    """The recording is not audio, is damaged, silent, too long or has unusable channels."""


class BadMetadata(BadInput):
    """The metadata has an unknown key, a wrong type, or contradicts the recording."""


class Refused(CallsealError):
    """Policy or authorisation forbids the request."""

    exit_code = 4


class Locked(Refused):
    """The store holds the object: a lock with a date, or a legal hold that somebody has to lift.

    Args:
        key: name of the object.
        until: when the lock ends (UTC); None for a legal hold.
    """

    def __init__(self, key: str, until: datetime | None) -> None:
        end = f"until {until:%Y-%m-%d %H:%M} UTC" if until else "by a legal hold"
        super().__init__(f"the store holds object {key} {end}")
        self.key = key
        self.until = until


class NotFound(CallsealError):
    """Nothing is held under the id, number or path that was asked for."""

    exit_code = 5


class VerificationFailed(CallsealError):
    """A check of something already produced or stored came out wrong."""

    exit_code = 6


class CannotOpen(VerificationFailed):
    """A sealed object does not open: wrong or destroyed key, or changed bytes."""


class Temporary(CallsealError):
    """The request failed for a reason that may pass; nothing was changed."""

    exit_code = 10
    retryable = True


class StoreUnavailable(Temporary):
    """The store cannot be reached or has no space left."""


class CommitInDoubt(StoreUnavailable):
    """The database failed while a transaction was committed: what it wrote is there, whole, or is not."""


class MissingModel(CallsealError):
    """Model weights are not in the cache; the message names the command that fetches them."""


class MissingExtra(CallsealError):
    """An optional dependency is not installed.

    Args:
        extra: name of the extra in ``pyproject.toml``.
    """

    def __init__(self, extra: str) -> None:
        super().__init__(f"this needs an optional part: pip install 'callseal[{extra}]'")
