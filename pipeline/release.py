"""Release: takes what holds have set free, carries out the deletions that waited. Safe to die in and to repeat."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from pipeline import deferrals, erase
from pipeline.deferrals import Work
from pipeline.errors import NotFound

if TYPE_CHECKING:
    from datetime import datetime

    from pipeline.build import Custody


def carry_out_freed(custody: Custody, now: datetime) -> dict[str, int]:
    """Carries out the deferred deletions that no longer wait for a hold; gives how many, by kind of work.

    Raises:
        CallsealError: a deletion failed; it stays freed, and the next release or retention run takes it up again.
    """

    def erase_subjects(subject_ids: tuple[str, ...]) -> None:
        for subject_id in subject_ids:
            with suppress(NotFound):  # gone by another way
                plan = erase.plan_erasure(custody.records, subject_id)
                erase.carry_out(plan, custody.records, custody.archive, custody.root, now)

    done = deferrals.carry_out(custody.records.engine, {Work.ERASURE: erase_subjects})
    return {work.value: count for work, count in done.items()}
