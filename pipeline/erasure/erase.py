"""Erasure: takes a plan, gives a report that nothing of the person can be read any more. Ids and counts only.

The order is what makes it safe to die at any point and start again::

    begun            the ids of calls, objects and keys are in the records, and the calls in the ledger, so that
                     nothing takes them in again
    sampled          some ciphertexts and the wrapped keys are in memory, to be tried at the end
    silenced         where only a leg goes, the rest is sealed again for the other party
    shredded         the keys have left the database; what stays of theirs is wrapped under new ones
    revoked          their shares are destroyed: from here on nothing can be read, not with an old copy of the
                     database either, whatever else goes wrong
    objects_deleted  every object is gone from the store, with all its versions; so are unfinished writes
    rows_deleted     no row is left
    backups_reached  the copies of the key side and the objects in every backup that can be reached are as they are here
    verified         the listing has none of the objects, the database none of the rows, and what was kept aside does
                     not open
    finished         the records have the report

``plan_erasure`` after a crash finds the attempt and goes on with its ids. Every step can be done twice. A call that is
in flight meanwhile is refused at its end, for its key is gone; one that comes in later finds its id in the ledger.

NIST SP 800-88 Rev. 2 calls this cryptographic erase; it holds because an object never existed in the store other than
sealed. docs/erasure.md says what is promised, and what is not.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pipeline.backups.backup import Residual, after_erasure
from pipeline.db import ErasureRecord
from pipeline.erasure.ledger import CALL, LEG, SOURCE, SUBJECT, Entry
from pipeline.erasure.leg import silence_leg
from pipeline.erasure.plan import ErasurePlan, from_report, refreshed, to_report, with_behind
from pipeline.erasure.proof import Proof, keep_aside, prove
from pipeline.erasure.rows import calls_of_party, delete_rows, replace_key, subject_keys
from pipeline.errors import Locked, Refused
from pipeline.retention.deferrals import Work, defer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pipeline.custody import Custody
    from pipeline.db import CallRecord

METHOD: Final = "cryptographic erase of the subject keys, then deletion of every object and row"
AT_ONCE: Final = 8  # deletions under way at the same time; each waits for the store
_UNFINISHED: Final = timedelta(hours=24)  # no write takes longer


@dataclass(frozen=True, slots=True)
class ErasureReport:
    """What an erasure has removed, and how that was checked.

    Args:
        plan: what was removed.
        requested_at: when it was begun.
        keys_destroyed_at: when the last share was destroyed; nothing opened from then on.
        finished_at: when it was verified.
        method: in one sentence.
        proof: what was tried.
        residual: copies in backups that are left, and until when.
    """

    plan: ErasurePlan
    requested_at: datetime
    keys_destroyed_at: datetime
    finished_at: datetime
    method: str
    proof: Proof
    residual: tuple[Residual, ...] = ()


def carry_out(
    plan: ErasurePlan,
    held: Custody,
    clock: Callable[[], datetime],
    *,
    observe: Callable[[str], None] = lambda _step: None,
) -> ErasureReport:
    """Erases what the plan says and whatever of the person has come since; see the module for the order.

    Done already, it gives the same report again.

    Args:
        plan: from ``plan_erasure``.
        held: store, records and keys.
        clock: gives the time; asked at the request, when the keys are destroyed, and at the end.
        observe: called with the name of each step when it is done.

    Raises:
        Refused: everything that was asked for is held; it is erased when the last hold on it is released.
        VerificationFailed: something is still there or still opens; the erasure stays in the records as not finished.
        Temporary: the store or the database failed; plan and carry out again.
    """
    done = finished_report(held, plan.erasure_id)
    if done is not None:
        return done
    known = held.records.erasure(plan.erasure_id)
    plan = refreshed(plan, held.records)
    requested_at = clock() if known is None else known.requested_at
    _defer(plan, held, requested_at)
    _enter(plan, held, requested_at)
    observe("begun")
    aside = keep_aside(plan, held)
    observe("sampled")
    for call_id in plan.leg_call_ids:
        silence_leg(held, call_id, plan.subject_id, requested_at)
    observe("silenced")
    plan = _without_keys(plan, held, requested_at)
    _enter(plan, held, requested_at)
    observe("shredded")
    held.shares.destroy(plan.key_ids)
    keys_destroyed_at = clock()
    observe("revoked")
    locked = _delete_objects(plan, held, requested_at)
    observe("objects_deleted")
    delete_rows(held.records, plan.call_ids, plan.object_keys, plan.owner_ids)
    observe("rows_deleted")
    residual = (*locked, *after_erasure(held, plan.object_keys, clock(), rekeyed=_rekeyed(plan, held)))
    observe("backups_reached")
    proof = prove(plan, held, aside, {each.place_id for each in locked})
    observe("verified")
    report = ErasureReport(plan, requested_at, keys_destroyed_at, clock(), METHOD, proof, residual)
    held.records.finish_erasure(plan.erasure_id, _to_records(report), report.finished_at)
    observe("finished")
    return report


def finished_report(held: Custody, erasure_id: str) -> ErasureReport | None:
    """The report of an erasure that is finished; None where there is none of that id, or it is under way."""
    known = held.records.erasure(erasure_id)
    return None if known is None or known.finished_at is None else _from_records(known, known.finished_at)


def _defer(plan: ErasurePlan, held: Custody, at: datetime) -> None:
    """What is held is remembered, and erased when the last hold on it is released. Raises Refused if that is all."""
    hold_ids = dict.fromkeys(hold_id for kept in plan.kept for hold_id in kept.hold_ids)
    defer(held.records.engine, Work.ERASURE, plan.subject_id, hold_ids, at)
    if plan.empty and plan.kept:
        raise Refused(f"all of it is held, and erased when that ends: {'; '.join({k.reason: 0 for k in plan.kept})}")


def _enter(plan: ErasurePlan, held: Custody, at: datetime) -> None:
    """Into the records and the ledger, before anything is destroyed, and again when more was found."""
    held.records.begin_erasure(ErasureRecord(plan.erasure_id, plan.subject_id, at, None, to_report(plan)))
    calls = {call.call_id: call for call in calls_of_party(held.records, plan.subject_id)}
    entries = [Entry(CALL, call_id) for call_id in plan.call_ids] + [
        Entry(LEG, call_id) for call_id in plan.leg_call_ids
    ]
    entries += [Entry(SOURCE, calls[entry.value].source_sha256) for entry in entries if entry.value in calls]
    if plan.as_customer:
        entries.append(Entry(SUBJECT, plan.subject_id))
    held.ledger.enter(plan.erasure_id, entries, at)


def _without_keys(plan: ErasurePlan, held: Custody, now: datetime) -> ErasurePlan:
    """Takes the keys out of the database; the plan then knows all that was sealed under them and does not stay."""
    for owner in plan.owner_ids:
        behind = replace_key(held.records, held.root, owner, partial(_stays, plan, owner), now)
        plan = with_behind(plan, behind)
    held.ledger.withdraw([Entry(CALL, kept.call_id) for kept in plan.kept])
    return plan


def _stays(plan: ErasurePlan, owner: str, call: CallRecord) -> bool:
    """Of the person's own calls none stays, also when the plan does not know of it yet; unless only a leg goes."""
    if owner == plan.subject_id and not plan.leg_call_ids:
        return False
    return call.call_id not in plan.call_ids


def _delete_objects(plan: ErasurePlan, held: Custody, now: datetime) -> tuple[Residual, ...]:
    """Gives the objects that the store keeps locked: unreadable, and swept up once the lock has ended."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        locked = tuple(filter(None, pool.map(partial(_delete_object, held, now), plan.object_keys)))
    held.archive.store.remove_partial(now - _UNFINISHED)
    return locked


def _delete_object(held: Custody, now: datetime, object_key: str) -> Residual | None:
    try:
        held.archive.store.delete(object_key)
    except Locked as exc:
        return Residual("object under a lock of the store", object_key, now, exc.until)
    return None


def _rekeyed(plan: ErasurePlan, held: Custody) -> bool:
    """Whether somebody whose key went has calls that stayed."""
    return bool(subject_keys(held.records, plan.owner_ids))


def _to_records(report: ErasureReport) -> dict[str, Any]:
    return to_report(report.plan) | {
        "method": report.method,
        "keys_destroyed_at": report.keys_destroyed_at.isoformat(),
        "proof": asdict(report.proof),
        "residual": [
            asdict(each)
            | {"taken_at": each.taken_at.isoformat(), "expires_at": each.expires_at and each.expires_at.isoformat()}
            for each in report.residual
        ],
    }


def _from_records(record: ErasureRecord, finished_at: datetime) -> ErasureReport:
    return ErasureReport(
        plan=from_report(record.report, resumed=bool(record.report["resumed"])),
        requested_at=record.requested_at,
        keys_destroyed_at=datetime.fromisoformat(record.report["keys_destroyed_at"]),
        finished_at=finished_at,
        method=record.report["method"],
        proof=Proof(**record.report["proof"]),
        residual=tuple(_residual(each) for each in record.report["residual"]),
    )


def _residual(value: Mapping[str, Any]) -> Residual:
    expires_at = value["expires_at"] and datetime.fromisoformat(value["expires_at"])
    return Residual(**{**value, "taken_at": datetime.fromisoformat(value["taken_at"]), "expires_at": expires_at})
