"""Withdrawing: what a withdrawal that is on record does to calls that are stored. Safe to die in and to repeat.

By policy their recording and transcript are destroyed and the consent record stays as the proof, or they are kept and
their purposes closed. What was done before stays lawful, and the record says so (GDPR Art. 7(3)). A call that is held
is left as it is, remembered, and taken up when the hold is released.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from pipeline import summary
from pipeline.connect import writing
from pipeline.retention import deferrals
from pipeline.retention.deferrals import Work
from pipeline.retention.holds import held_in
from pipeline.types import ArtifactKind, Purpose, Status, Verdict
from pipeline.withdrawals import CLOSING, closes, standing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.engine import Engine

    from pipeline.custody import Custody
    from pipeline.db import CallRecord
    from pipeline.types import Artifact
    from pipeline.withdrawals import Withdrawal

_PROOF: Final = frozenset({ArtifactKind.CONSENT_RECORD})
_WHY: Final = "the caller withdrew consent later; what was done before stays lawful"


@dataclass(frozen=True, slots=True)
class Applied:
    """What a withdrawal did to stored calls, by id: changed, and left because a hold covers them."""

    changed: tuple[str, ...]
    held: tuple[str, ...]


def apply(custody: Custody, subject_id: str, now: datetime) -> Applied:
    """Carries the caller's withdrawals out on stored calls; done before, it changes nothing more.

    Raises:
        Refused: the caller restricts the use of their calls.
        StoreUnavailable: store or database failed; apply again.
    """
    engine = custody.records.engine
    in_force = standing(engine, subject_id)
    changed: list[str] = []
    held: list[str] = []
    for call in custody.records.calls_of_subject(subject_id):
        due = [each for each in in_force if not _is_done(call, each)]
        if call.status is None or not due:
            continue
        if _defer(engine, call, now):
            held.append(call.call_id)
            continue
        _carry_out(custody, call, due, now)
        changed.append(call.call_id)
    return Applied(tuple(changed), tuple(held))


def _carry_out(custody: Custody, call: CallRecord, due: Sequence[Withdrawal], now: datetime) -> None:
    discard = closes(due) and any(each.stored == "discard" for each in due if each.purpose in CLOSING)
    had = custody.records.artifacts(call.call_id)
    kept = tuple(each for each in had if not discard or each.sealed.kind in _PROOF)
    status = Status.DISCARDED if discard else call.status
    after = replace(call, status=status, summary=_summary(call, status, due, kept))
    for gone in custody.records.finish_call(after, kept, now):
        custody.archive.destroy(gone)
    detail = {
        "purposes": sorted(each.purpose for each in due),
        "requested_at": summary.stamp(due[0].requested_at),
        "channel": due[0].channel,
        "artifacts_destroyed": len(had) - len(kept),
        "lawful_before": bool(call.summary.get("consent", {}).get("lawful")),
    }
    custody.records.note(call.call_id, "consent withdrawn", detail, now)


def _summary(
    call: CallRecord, status: Status | None, due: Sequence[Withdrawal], kept: Sequence[Artifact]
) -> dict[str, Any]:
    """The call's summary with the purposes closed that were withdrawn; the verdict of the call itself stays."""
    closed = {str(purpose) for each in due for purpose in (Purpose if each.purpose in CLOSING else (each.purpose,))}
    consent = dict(call.summary.get("consent", {}))
    shut = {"verdict": Verdict.WITHDRAWN.value, "lawful": False, "reason": _WHY}
    consent["purposes"] = {**consent.get("purposes", {}), **dict.fromkeys(sorted(closed), shut)}
    if closes(due):
        consent["withdrawn_at"] = summary.stamp(min(each.requested_at for each in due if each.purpose in CLOSING))
    done = [*call.summary.get("withdrawal_ids", []), *(each.withdrawal_id for each in due)]
    return {
        **call.summary,
        "status": status.value if status else None,
        "consent": consent,
        "withdrawal_ids": done,
        "artifacts": summary.artifacts(kept),
    }


def _is_done(call: CallRecord, withdrawal: Withdrawal) -> bool:
    """Whether the call was changed by the withdrawal already, came after it, or has nothing to change."""
    done = withdrawal.withdrawal_id in call.summary.get("withdrawal_ids", ())
    return done or call.status is Status.DISCARDED or call.received_at > withdrawal.recorded_at


def _defer(engine: Engine, call: CallRecord, now: datetime) -> bool:
    """Whether a hold covers the call; then the caller's withdrawals wait for its release."""
    with writing(engine) as connection:
        holds = held_in(connection, [call.call_id]).get(call.call_id, ())
        if holds:
            deferrals.defer_in(connection, Work.WITHDRAWAL, {call.subject_id: [h.hold_id for h in holds]}, now)
    return bool(holds)
