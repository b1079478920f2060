"""Consent: what the call shows, what the law of the places asks, and the verdict of the two. Pure.

``signals`` reads the evidence from turns, tones and metadata; ``judge`` finds the places whose rules apply
(``places``) and weighs evidence against rules for every purpose (``decide``); ``silenced`` and ``without`` say what an
objection takes away. Rules and phrases are data: ``configs/consent.toml`` and ``configs/consent.<language>.toml``.
"""

from __future__ import annotations

from pipeline.consent.effect import silenced, without
from pipeline.consent.judge import judge
from pipeline.consent.places import places
from pipeline.consent.policy import ConsentPolicy, load_consent_policy
from pipeline.consent.signals import signals
from pipeline.consent.verdict import decide, objected_at, strictest

__all__ = [
    "ConsentPolicy",
    "decide",
    "judge",
    "load_consent_policy",
    "objected_at",
    "places",
    "signals",
    "silenced",
    "strictest",
    "without",
]
