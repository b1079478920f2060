"""Judging: from everything that is known of a call to its consent decision. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.consent.places import places
from pipeline.consent.signals import signals
from pipeline.consent.verdict import decide

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from pipeline.consent.policy import ConsentPolicy
    from pipeline.metadata import CallMetadata
    from pipeline.tones import Tone
    from pipeline.types import ConsentDecision, Evidence, Turn


def judge(
    turns: Sequence[Turn],
    tones: Sequence[Tone],
    metadata: CallMetadata,
    language: str,
    policy: ConsentPolicy,
    now: datetime,
    known: Sequence[Evidence] = (),
) -> ConsentDecision:
    """The decision about a call.

    Args:
        turns: what was said.
        tones: what was pressed, and beeps.
        metadata: what the platform says.
        language: ISO 639-1.
        policy: phrases and rules.
        now: when the decision is made; the time of the call where that is unknown.
        known: evidence from before the call, such as a withdrawal.
    """
    at = metadata.started_at or now
    evidence = (*known, *signals(turns, metadata, policy, language, at, tones))
    conditions = metadata.consent.conditions
    return decide(evidence, places(metadata, policy), policy, now, at=at, conditions=conditions)
