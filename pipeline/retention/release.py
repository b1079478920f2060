"""Release: takes what holds have set free, carries out the deletions that waited. Safe to die in and to repeat."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from pipeline import withdraw
from pipeline.erasure.erase import carry_out
from pipeline.erasure.plan import plan_erasure
from pipeline.errors import NotFound, Refused
from pipeline.retention import deferrals, expire
from pipeline.retention.deferrals import Work
from pipeline.retention.retain import Fate

if TYPE_CHECKING:
    from datetime import datetime

    from pipeline.custody import Custody
    from pipeline.retention.retain import RetentionPolicy


def carry_out_freed(custody: Custody, policy: RetentionPolicy, now: datetime) -> dict[str, int]:
    """Carries out the deferred deletions that no longer wait for a hold; gives how many, by kind of work.

    Raises:
        CallsealError: a deletion failed; it stays freed, and the next release or retention run takes it up again.
    """

    def erase_subjects(subject_ids: tuple[str, ...]) -> int:
        done = 0
        for subject_id in subject_ids:
            with suppress(NotFound, Refused):  # gone by another way, or held by another hold
                carry_out(plan_erasure(custody.records, subject_id), custody, lambda: now)
                done += 1
        return done

    def expire_objects(object_keys: tuple[str, ...]) -> int:
        done = 0
        for start in range(0, len(object_keys), expire.PORTION):
            portion = object_keys[start : start + expire.PORTION]
            found = expire.expire(custody.archive, custody.records, policy, now, only=portion)
            done += sum(each.fate is Fate.DELETE for each in found.artifacts)
        return done

    def apply_withdrawals(subject_ids: tuple[str, ...]) -> int:
        done = 0
        for subject_id in subject_ids:
            with suppress(Refused):  # restricted, which has its own release
                withdraw.apply(custody, subject_id, now)
                done += 1
        return done

    run = {
        Work.ERASURE: erase_subjects,
        Work.EXPIRY: expire_objects,
        Work.WITHDRAWAL: apply_withdrawals,
    }
    done = deferrals.carry_out(custody.records.engine, run)
    return {work.value: count for work, count in done.items()}
