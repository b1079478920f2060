"""The gate: whether the consent that was shown so far lets a live call out, for what it is listened to. Pure.

Closed until there is evidence where the rule that applies asks for some; open before an objection where a finished call
would be kept up to it, and closed from its end on. What came before the gate opened has come out as silence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.consent import objected_at
from pipeline.types import Purpose

if TYPE_CHECKING:
    from pipeline.consent import ConsentPolicy
    from pipeline.types import ConsentDecision


@dataclass(frozen=True, slots=True)
class Gate:
    """What may come out: audio and, with ``words``, turns up to ``until_s``; nothing from there on, for ``reason``."""

    until_s: float
    words: bool
    reason: str = ""


def gate(decision: ConsentDecision, policy: ConsentPolicy, purpose: Purpose) -> Gate:
    """The gate by a decision about the call so far.

    Args:
        decision: so far.
        policy: what becomes of a finished call with that decision.
        purpose: what the live call is listened to for.
    """
    outcome = policy.outcome_of(decision)
    closed_for = _closed_for(decision, purpose)
    if outcome == "keep_before" and purpose in (Purpose.RECORDING, Purpose.TRANSCRIPTION):
        return Gate(objected_at(decision.evidence) or 0.0, words=True, reason="the caller objected to the recording")
    if outcome != "keep":
        return Gate(0.0, words=False, reason=f"consent so far: {decision.verdict.value}")
    if closed_for:
        return Gate(0.0, words=False, reason=f"no consent so far to {closed_for.value}")
    return Gate(math.inf, words=_closed_for(decision, Purpose.TRANSCRIPTION) is None)


def _closed_for(decision: ConsentDecision, purpose: Purpose) -> Purpose | None:
    found = decision.purposes.get(purpose)
    return None if found is not None and found.lawful else purpose
