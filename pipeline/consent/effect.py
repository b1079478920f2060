"""Effect: what an objection in mid-call takes away. Pure.

Everything after the objection goes, on every channel, whoever speaks; the objection itself stays, as the proof.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pipeline.consent.verdict import objected_at
from pipeline.types import Action, Redaction, TimeSpan, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.types import Channel, ConsentDecision, Turn

WITHDRAWN: Final = "CONSENT_WITHDRAWN"
_REASON: Final = "the caller objected to the recording"


def silenced(decision: ConsentDecision, channels: Sequence[Channel], duration_s: float) -> tuple[Redaction, ...]:
    """Silence from the end of the objection to the end of the call, on every channel; nothing for other verdicts."""
    from_s = _from(decision)
    if from_s is None or from_s >= duration_s:
        return ()
    span = TimeSpan(from_s, duration_s)
    return tuple(Redaction(WITHDRAWN, channel, span, Action.SILENCE, _REASON) for channel in channels)


def without(turns: Sequence[Turn], decision: ConsentDecision) -> tuple[Turn, ...]:
    """The turns up to the end of the objection; a turn that goes on is cut there."""
    from_s = _from(decision)
    if from_s is None:
        return tuple(turns)
    kept = (
        replace(turn, words=tuple(word for word in turn.words if word.span.end_s <= from_s))
        for turn in turns
        if any(word.span.end_s <= from_s for word in turn.words)
    )
    return tuple(kept)


def _from(decision: ConsentDecision) -> float | None:
    return objected_at(decision.evidence) if decision.verdict is Verdict.WITHDRAWN else None
