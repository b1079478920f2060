"""Which workers are alive: each says a word from time to time; one whose word stands still is gone.

Clocks of hosts differ, and jump, so that nobody may judge another's time by their own: each worker measures, by a clock
of its own that only goes forward, how long another's last word has stood unchanged. Of several that see a worker gone,
one takes over from it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from pipeline import schema
from pipeline.connect import writing

if TYPE_CHECKING:
    from datetime import datetime

    from pipeline.db import Records

SILENT_S: Final = 60.0  # a worker that says nothing for this long is gone


@dataclass(slots=True)
class Neighbours:
    """The workers as one of them hears them.

    Args:
        records: where they say their words.
        worker_id: who listens.
    """

    records: Records = field(repr=False)
    worker_id: str
    _heard: dict[str, tuple[datetime, float]] = field(default_factory=dict)

    def beat(self, now: datetime, steady_s: float) -> list[str]:
        """Say that this worker is alive; gives those that fell silent, each to one worker only.

        Args:
            now: the word: any time that is not the one before.
            steady_s: of a clock that never jumps, whatever it began with.
        """
        table = schema.workers
        with writing(self.records.engine) as connection:
            connection.execute(table.delete().where(table.c.worker_id == self.worker_id))
            connection.execute(table.insert().values(worker_id=self.worker_id, seen_at=now))
            others = {row.worker_id: row.seen_at for row in connection.execute(sa.select(table))}
            del others[self.worker_id]
            before = self._heard
            self._heard = {
                each: before[each] if each in before and before[each][0] == word else (word, steady_s)
                for each, word in others.items()
            }
            silent = [each for each, (_, since_s) in self._heard.items() if steady_s - since_s > SILENT_S]
            connection.execute(table.delete().where(table.c.worker_id.in_(silent)))
        return silent

    def leave(self) -> None:
        """Say that this worker ended; nobody needs to take over from it."""
        table = schema.workers
        with writing(self.records.engine) as connection:
            connection.execute(table.delete().where(table.c.worker_id == self.worker_id))
