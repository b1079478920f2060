"""The store: takes bytes under opaque names, gives them back whole, and forgets them when told.

Promises, for every store (``tests/store_suite.py`` holds them to it): an object is visible complete or not at all,
and once ``put`` has returned it survives a power cut. Names are 32 random hex digits: they say nothing about the call.
What is stored is ciphertext already; a store never sees a key or a plaintext byte.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from datetime import datetime

_KEY: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class ObjectStat:
    """What a store knows about an object; ``modified_at`` is in UTC."""

    key: str
    size_bytes: int
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class Label:
    """What a store may show beside an object to whoever manages it: the rule it is kept by, and until when (UTC)."""

    rule: str
    retain_until: datetime


class Store(Protocol):
    """A place for sealed objects.

    Every method raises StoreUnavailable when the place cannot be reached, is full or fails; trying again is then safe.
    A name that is not of the form ``new_key`` gives raises ValueError: it cannot come from us.
    """

    def put(self, key: str, label: Label | None = None) -> AbstractContextManager[BinaryIO]:
        """A writer whose bytes become the object ``key`` when the block ends well, and nothing when it does not.

        Raises ValueError if the object exists, or came to exist while this one was written: names are never used twice.
        """

    def lock(self, key: str, until: datetime) -> None:
        """Makes the object impossible to remove before ``until``, in a store that was set up to lock; else nothing.

        Raises NotFound if it was to lock and there is no such object.
        """

    def open(self, key: str) -> BinaryIO:
        """A reader at the object's start. Raises NotFound if there is no such object."""

    def stat(self, key: str) -> ObjectStat | None:
        """Size and time of an object, None if there is none."""

    def list(self, prefix: str = "") -> Iterator[ObjectStat]:
        """The complete objects whose name starts with ``prefix``, in no order.

        Every version and every delete marker is one of them: what is not listed is not there.
        """

    def delete(self, key: str) -> None:
        """Removes an object with all its versions, markers and unfinished writes for good; no error if there is none.

        Raises Locked if the store holds it until a date.
        """

    def remove_partial(self, before: datetime) -> int:
        """Removes what writers that died before ``before`` (UTC) left behind; gives how many."""


def new_key() -> str:
    """A fresh random object name."""
    return secrets.token_hex(16)


def is_key(name: str) -> bool:
    """Whether a name has the form that ``new_key`` gives."""
    return _KEY.fullmatch(name) is not None


def check_key(key: str) -> str:
    """``key`` itself. Raises ValueError if it is not of the form that ``new_key`` gives."""
    if not is_key(key):
        raise ValueError("an object name is 32 hex digits")
    return key
