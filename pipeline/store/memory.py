"""A store in memory, for tests and demonstrations; see ``pipeline.store`` for the promises (all but the power cut)."""

from __future__ import annotations

import io
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, BinaryIO

from pipeline.errors import NotFound
from pipeline.store import Label, ObjectStat, check_key

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class MemoryStore:
    """Objects as bytes in a dictionary."""

    _objects: dict[str, tuple[bytes, datetime]] = field(default_factory=dict, repr=False)

    @contextmanager
    def put(self, key: str, label: Label | None = None) -> Iterator[BinaryIO]:
        """See Store; shows no labels."""
        del label
        if check_key(key) in self._objects:
            raise ValueError("an object of this name exists")
        buffer = io.BytesIO()
        yield buffer
        mine = (buffer.getvalue(), datetime.now(UTC))
        if self._objects.setdefault(key, mine) is not mine:
            raise ValueError("an object of this name exists")

    def lock(self, key: str, until: datetime) -> None:
        """See Store; there are no locks here."""
        del key, until

    def open(self, key: str) -> BinaryIO:
        """See Store."""
        if check_key(key) not in self._objects:
            raise NotFound(f"there is no stored object {key}")
        return io.BytesIO(self._objects[key][0])

    def stat(self, key: str) -> ObjectStat | None:
        """See Store."""
        found = self._objects.get(check_key(key))
        return None if found is None else ObjectStat(key, len(found[0]), found[1])

    def list(self, prefix: str = "") -> Iterator[ObjectStat]:
        """See Store."""
        for key, (content, modified_at) in tuple(self._objects.items()):
            if key.startswith(prefix):
                yield ObjectStat(key, len(content), modified_at)

    def delete(self, key: str) -> None:
        """See Store."""
        self._objects.pop(check_key(key), None)

    def remove_partial(self, before: datetime) -> int:
        """See Store; nothing partial is ever kept here."""
        del before
        return 0
