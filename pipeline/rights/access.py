"""Access: takes a person, gives what is held of them and why (GDPR Art. 15(1), Cal. Civ. Code 1798.110). No content.

What was said is handed over by ``pipeline.rights.bundle``; this page says what there is, for what purpose, until when,
who has had it, and what the person asked for before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline import withdrawals
from pipeline.retention import holds
from pipeline.rights import register
from pipeline.summary import stamp

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from pipeline.db import CallRecord, Records
    from pipeline.retention.holds import Hold
    from pipeline.rights.policy import RightsPolicy
    from pipeline.rights.register import Request


def access(records: Records, subject_id: str, policy: RightsPolicy, now: datetime) -> dict[str, Any]:
    """What is held of this person; with nothing held, that is the answer (GDPR Art. 15(1): "whether or not").

    Gives JSON values: ``calls``, each with its consent, artifacts (kind, size, retain_until, why) and history;
    ``holds`` in force; ``withdrawals``, ``requests`` and ``erasures`` so far; and what the controller tells everybody.
    """
    calls = records.calls_of_subject(subject_id)
    asked = register.requests(records.engine, closed=True, subject_id=subject_id)
    held = holds.held_calls(records.engine, [call.call_id for call in calls])
    return {
        "subject_id": subject_id,
        "answered_at": stamp(now),
        "told": policy.told.model_dump(),
        "calls": [_call(call, records, held.get(call.call_id, ())) for call in calls],
        "withdrawals": [
            {"purpose": each.purpose.value, "channel": each.channel, "requested_at": stamp(each.requested_at)}
            for each in withdrawals.standing(records.engine, subject_id)
        ],
        "requests": [request_value(each) for each in asked],
        "erasures": [
            {"requested_at": stamp(each.requested_at), "finished_at": each.finished_at and stamp(each.finished_at)}
            for each in records.erasures_of_subject(subject_id)
        ],
    }


def request_value(request: Request) -> dict[str, Any]:
    """A request as ``--json`` prints it."""
    return {
        "request_id": request.request_id,
        "right": request.right.value,
        "subject_id": request.subject_id,
        "law": request.law,
        "received_at": stamp(request.received_at),
        "due_at": stamp(request.due_at),
        "extension_reason": request.extension_reason,
        "identity": request.identity,
        "verified_at": request.verified_at and stamp(request.verified_at),
        "outcome": request.outcome and request.outcome.value,
        "reason": request.reason,
        "closed_at": request.closed_at and stamp(request.closed_at),
    }


def _call(call: CallRecord, records: Records, held: Sequence[Hold]) -> dict[str, Any]:
    consent = call.summary.get("consent", {})
    return {
        "call_id": call.call_id,
        "started_at": call.started_at and stamp(call.started_at),
        "received_at": stamp(call.received_at),
        "duration_s": call.duration_s,
        "status": call.status.value if call.status else "in_progress",
        "consent": {key: consent[key] for key in ("verdict", "lawful", "rule", "reason") if key in consent},
        "redactions": len(call.summary.get("redactions", ())),
        "artifacts": [
            {
                "kind": each.sealed.kind.value,
                "size_bytes": each.sealed.size_bytes,
                "retain_until": stamp(each.retain_until),
                "because": each.retention_rule,
            }
            for each in records.artifacts(call.call_id)
        ],
        "held_by": [
            {"hold_id": each.hold_id, "kind": each.kind.value, "review_at": stamp(each.review_at)} for each in held
        ],
        "history": [{"at": stamp(event.at), "what": event.what} for event in records.events(call.call_id)],
    }
