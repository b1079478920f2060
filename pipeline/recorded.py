"""What callseal wrote about a call, read back: the inverse of ``pipeline.summary``. Pure.

Spans come back in the milliseconds they were written in.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from pipeline.placeholders import Original
from pipeline.types import (
    Action,
    Channel,
    ConsentDecision,
    ConsentSignal,
    Evidence,
    Purpose,
    PurposeDecision,
    Redaction,
    TimeSpan,
    Turn,
    Verdict,
    Word,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def redactions_of(found: Iterable[Mapping[str, Any]]) -> tuple[Redaction, ...]:
    """What ``summary.redactions`` wrote."""
    return tuple(
        Redaction(each["entity_type"], Channel(each["channel"]), _span(each), Action(each["action"]), each["reason"])
        for each in found
    )


def turns_of(transcript: Mapping[str, Any]) -> tuple[Turn, ...]:
    """What ``summary.transcript`` wrote; how sure the recogniser was is not in it, so every word counts as certain."""
    return tuple(
        Turn(
            turn["speaker"],
            Channel(turn["channel"]),
            tuple(Word(word["text"], _span(word), 1.0) for word in turn["words"]),
        )
        for turn in transcript["turns"]
    )


def originals_of(document: Mapping[str, Any]) -> tuple[Original, ...]:
    """What ``summary.originals`` wrote; where a value was said is not in it."""
    nowhere = TimeSpan(0.0, 0.0)
    return tuple(
        Original(each["placeholder"], each["entity_type"], each["value"], nowhere) for each in document["originals"]
    )


def decision_of(consent: Mapping[str, Any]) -> ConsentDecision:
    """What ``summary.consent`` wrote; whether nobody told the caller, which is not in it, counts as told."""
    return ConsentDecision(
        verdict=Verdict(consent["verdict"]),
        lawful=consent["lawful"],
        rule=consent["rule"],
        reason=consent["reason"],
        policy_version=consent["policy_version"],
        evidence=tuple(_evidence(each) for each in (*consent["evidence"], *consent.get("observed", ()))),
        decided_at=datetime.fromisoformat(consent["decided_at"]),
        purposes={
            Purpose(name): PurposeDecision(Verdict(each["verdict"]), each["lawful"], each["reason"])
            for name, each in consent.get("purposes", {}).items()
        },
        privacy_policy=consent.get("privacy_policy"),
    )


def _evidence(found: Mapping[str, Any]) -> Evidence:
    return Evidence(
        signal=ConsentSignal(found["signal"]),
        rule=found["rule"],
        channel=Channel(found["channel"]) if "channel" in found else None,
        span=_span(found) if "start_s" in found else None,
        speaker=found.get("speaker"),
        confidence=found.get("confidence"),
        purposes=frozenset(map(Purpose, found.get("purposes", ()))),
        version=found.get("version"),
        at=datetime.fromisoformat(found["at"]) if "at" in found else None,
    )


def _span(found: Mapping[str, Any]) -> TimeSpan:
    return TimeSpan(found["start_s"], found["end_s"])
