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


class Store(Protocol):
    """A place for sealed objects.

    Every method raises StoreUnavailable when the place cannot be reached, is full or fails; trying again is then safe.
    A name that is not of the form ``new_key`` gives raises ValueError: it cannot come from us.
    """

    def put(self, key: str) -> AbstractContextManager[BinaryIO]:
        """A writer whose bytes become the object ``key`` when the block ends well, and nothing when it does not.

        Raises ValueError if the object exists: names are never used twice.
        """

    def open(self, key: str) -> BinaryIO:
        """A reader at the object's start. Raises NotFound if there is no such object."""

    def stat(self, key: str) -> ObjectStat | None:
        """Size and time of an object, None if there is none."""

    def list(self, prefix: str = "") -> Iterator[ObjectStat]:
        """The complete objects whose name starts with ``prefix``, in no order; all their versions."""

    def delete(self, key: str) -> None:
        """Removes an object with all its versions for good; no error if there is none."""

    def remove_partial(self, before: datetime) -> int:
        """Removes what writers that died before ``before`` (UTC) left behind; gives how many."""


def new_key() -> str:
    """A fresh random object name."""
    return secrets.token_hex(16)


def check_key(key: str) -> str:
    """``key`` itself. Raises ValueError if it is not of the form that ``new_key`` gives."""
    if _KEY.fullmatch(key) is None:
        raise ValueError("an object name is 32 hex digits")
    return key
