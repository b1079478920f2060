"""Judging: from the evidence of a call and what the platform says about it to its decision. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.consent.places import places
from pipeline.consent.verdict import decide

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from pipeline.consent.policy import ConsentPolicy
    from pipeline.metadata import CallMetadata
    from pipeline.types import ConsentDecision, Evidence


def judge(
    evidence: Sequence[Evidence], metadata: CallMetadata, policy: ConsentPolicy, now: datetime
) -> ConsentDecision:
    """The decision about a call, by the rules of both of its ends and of its kind.

    Args:
        evidence: everything that bears on consent.
        metadata: where the call was made, when, and what it was about.
        policy: the rules.
        now: when the decision is made; the time of the call where that is unknown.
    """
    at = metadata.started_at or now
    conditions = metadata.consent.conditions
    return decide(evidence, places(metadata, policy), policy, now, at=at, conditions=conditions)
