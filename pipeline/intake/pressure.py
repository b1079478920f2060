"""Back-pressure: no more calls are taken in where there is no room for them, while there is room for the workers.

The hook tells senders to come later, the watched folder keeps its files, a live call is heard and not kept.

Takes what the settings allow, gives the reason for which a call has to come later. A disk that intake has filled to the
last byte would stop the workers too, who need room for a result before the original goes; so intake stops earlier.
Calls are counted once in EVERY_S at most; disks are asked each time, for large calls fill much of one in a second.
"""

from __future__ import annotations

import shutil
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from pipeline import schema
from pipeline.connect import reading
from pipeline.errors import StoreUnavailable, Temporary

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path

    from pipeline.config import Settings
    from pipeline.db import Records

EVERY_S: Final = 1.0


@dataclass(slots=True)
class Pressure:
    """How much room there is.

    Args:
        reserve_bytes: that have to stay free on every disk.
        max_waiting: calls that may wait.
        free_bytes: how much is free on the fullest disk.
        waiting: how many calls wait.
    """

    reserve_bytes: int
    max_waiting: int
    free_bytes: Callable[[], int] = field(repr=False)
    waiting: Callable[[], int] = field(repr=False)
    _counted_at: datetime | None = None
    _full: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def admit(self, now: datetime) -> None:
        """Raises StoreUnavailable where a disk has too little room, Temporary where too many calls wait."""
        reason = self.lack(now)
        if reason == "disk":
            raise StoreUnavailable("the disk has no room for more calls: send again later")
        if reason == "queue":
            raise Temporary("too many calls wait: send again later")

    def lack(self, now: datetime) -> str | None:
        """Why there is no room: ``disk`` or ``queue``; None where there is."""
        if self.free_bytes() < self.reserve_bytes:
            return "disk"
        with self._lock:
            if self._counted_at is None or abs((now - self._counted_at).total_seconds()) >= EVERY_S:
                self._counted_at, self._full = now, self.waiting() >= self.max_waiting
            return "queue" if self._full else None


def pressure(settings: Settings, records: Records) -> Pressure:
    """Of the disks and the records that the settings name."""
    folders = [settings.data_dir, *([settings.store_folder] if settings.store.kind == "folder" else [])]
    limit = settings.api.max_waiting
    return Pressure(
        settings.api.reserve_bytes, limit, lambda: _free_bytes(folders), lambda: waiting_calls(records, limit)
    )


def waiting_calls(records: Records, at_most: int) -> int:
    """How many calls wait; more than ``at_most`` are not counted."""
    few = sa.select(schema.calls.c.call_id).where(schema.calls.c.status.is_(None)).limit(at_most).subquery()
    with reading(records.engine) as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(few)).scalar_one()


def _free_bytes(folders: Sequence[Path]) -> int:
    """Of a folder that is not made yet, the disk that it will be on."""
    there = [next(each for each in (folder, *folder.parents) if each.exists()) for folder in folders]
    return min(shutil.disk_usage(folder).free for folder in there)
