"""What callseal says about a call, as JSON values: the summary, the transcript, the consent record, the manifest.

The forms are DESIGN.md section 4's. Only :func:`transcript` holds words, and those after redaction;
:func:`originals` holds what the policy lets be shown again, and is sealed by itself.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pipeline import encode
from pipeline.consent.clips import intact
from pipeline.types import ConsentSignal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from pipeline.consent.clips import Clips
    from pipeline.errors import CallsealError
    from pipeline.placeholders import Original
    from pipeline.publish import Draft
    from pipeline.types import (
        Artifact,
        ConsentDecision,
        Evidence,
        Redaction,
        ReviewItem,
        SealedObject,
        Status,
        TimeSpan,
        Turn,
    )
    from pipeline.verify.verified import Verification

TRANSCRIPT_VERSION = 1
CONSENT_VERSION = 2
_QUOTED = {
    *(ConsentSignal.NOTICE, ConsentSignal.REQUEST, ConsentSignal.YES, ConsentSignal.NO),
    *(ConsentSignal.OBJECTION, ConsentSignal.CONFIRMATION),
}
_OBSERVED = {ConsentSignal.SILENCE, ConsentSignal.CONTINUED, ConsentSignal.CONFIRMATION}


def stamp(when: datetime) -> str:
    """A UTC time as ``2026-11-20T14:03:00Z``."""
    return when.replace(microsecond=0).isoformat().replace("+00:00", "Z")


def _seconds(span: TimeSpan | None) -> dict[str, float]:
    return {} if span is None else {"start_s": round(span.start_s, 3), "end_s": round(span.end_s, 3)}


def consent(
    decision: ConsentDecision, beside: Callable[[int, Evidence], Mapping[str, Any]] = lambda _index, _found: {}
) -> dict[str, Any]:
    """The consent decision, for every purpose, with its evidence.

    ``evidence`` has the kinds that DESIGN.md section 4 names; ``observed`` the rest: silence, going on, a confirmation.

    Args:
        decision: what was decided.
        beside: what else is said of a piece of evidence, by its place in ``decision.evidence``.
    """
    shown = [(each, _evidence(each) | dict(beside(index, each))) for index, each in enumerate(decision.evidence)]
    return {
        "verdict": decision.verdict.value,
        "lawful": decision.lawful,
        "rule": decision.rule,
        "reason": decision.reason,
        "policy_version": decision.policy_version,
        "privacy_policy": decision.privacy_policy,
        "decided_at": stamp(decision.decided_at),
        "purposes": {
            purpose.value: {"verdict": each.verdict.value, "lawful": each.lawful, "reason": each.reason}
            for purpose, each in decision.purposes.items()
        },
        "evidence": [value for each, value in shown if each.signal not in _OBSERVED],
        "observed": [value for each, value in shown if each.signal in _OBSERVED],
    }


def consent_record(call_id: str, decision: ConsentDecision, turns: Sequence[Turn]) -> dict[str, Any]:
    """``consent.json``: the decision, and with each piece of evidence the words that were said; ``turns`` are redacted.

    Of an unclear answer, of silence and of going on there are no words: they are about the caller's own matter.
    """

    def words(_index: int, found: Evidence) -> dict[str, str]:
        return {"said": _said(found, turns)} if found.signal in _QUOTED and found.span is not None else {}

    return {"version": CONSENT_VERSION, "call_id": call_id, **consent(decision, words)}


def _said(found: Evidence, turns: Sequence[Turn]) -> str:
    words = [
        word
        for turn in turns
        if turn.channel is found.channel  # on one channel a diarizer may have cut a sentence into voices
        for word in turn.words
        if found.span and word.span.overlaps(found.span)
    ]
    return " ".join(word.text for word in sorted(words, key=lambda word: word.span))


def _evidence(found: Evidence) -> dict[str, Any]:
    return {
        "kind": found.kind.value,
        "signal": found.signal.value,
        "rule": found.rule,
        **({"channel": found.channel.value} if found.channel else {}),
        **({"speaker": found.speaker} if found.speaker else {}),
        **({"confidence": found.confidence} if found.confidence is not None else {}),
        **({"purposes": sorted(found.purposes)} if found.purposes else {}),
        **({"version": found.version} if found.version else {}),
        **({"at": stamp(found.at)} if found.at else {}),
        **_seconds(found.span),
    }


def redactions(found: Sequence[Redaction]) -> list[dict[str, Any]]:
    """What was replaced, and why."""
    return [
        {
            "entity_type": each.entity_type,
            "channel": each.channel.value,
            **_seconds(each.span),
            "action": each.action.value,
            "reason": each.reason,
        }
        for each in found
    ]


def review(items: Sequence[ReviewItem]) -> list[dict[str, Any]]:
    """What a person should look at."""
    return [{"channel": each.channel.value, **_seconds(each.span), "reason": each.reason} for each in items]


def verification(how: Verification) -> dict[str, Any]:
    """How the recording that was written was listened to again."""
    return {
        "rounds": how.rounds,
        "listened_s": round(how.listened_s, 3),
        "heard_again": how.heard_again,
        "clean": how.clean,
    }


def originals(call_id: str, kept: Sequence[Original], salt: str) -> dict[str, Any]:
    """The sealed map from placeholders to values; ``salt`` keeps its hash from telling what a guess is worth."""
    return {
        "version": 1,
        "call_id": call_id,
        "salt": salt,
        "originals": [
            {"placeholder": each.placeholder, "entity_type": each.entity_type, "value": each.value} for each in kept
        ],
    }


def artifacts(kept: Sequence[Artifact]) -> list[dict[str, Any]]:
    """What is kept, until when and by which rule."""
    return [
        {
            "kind": each.sealed.kind.value,
            "sha256": each.sealed.sha256,
            "size_bytes": each.sealed.size_bytes,
            "retain_until": stamp(each.retain_until),
            "retention_rule": each.retention_rule,
        }
        for each in kept
    ]


def call(draft: Draft, status: Status, kept: Sequence[Artifact], timings_s: Mapping[str, float]) -> dict[str, Any]:
    """The summary that ``process`` prints."""
    return {
        "call_id": draft.record.call_id,
        "status": status.value,
        "duration_s": round(draft.record.duration_s or 0.0, 3),
        "channels": [channel.value for channel in draft.channels],
        "language": draft.language,
        "consent": consent(draft.decision),
        "redactions": redactions(draft.redactions),
        "review": review(draft.review),
        "doubts": list(draft.doubts),
        "verification": verification(draft.verification),
        "artifacts": artifacts(kept),
        "timings_s": {stage: round(seconds, 3) for stage, seconds in timings_s.items()},
    }


def unheard(call_id: str, decision: ConsentDecision, kept: Sequence[Artifact]) -> dict[str, Any]:
    """The summary of a call that was not listened to."""
    return {
        "call_id": call_id,
        "status": "discarded",
        "duration_s": 0.0,
        "channels": [],
        "consent": consent(decision),
        "redactions": [],
        "review": [],
        "artifacts": artifacts(kept),
        "timings_s": {},
    }


def error(exc: CallsealError) -> dict[str, Any]:
    """An error as the command prints it; its message holds ids and counts only."""
    return {"kind": type(exc).__name__, "message": str(exc), "exit_code": exc.exit_code, "retryable": exc.retryable}


def transcript(call_id: str, language: str, turns: Sequence[Turn]) -> dict[str, Any]:
    """``transcript.json``; ``turns`` are redacted."""
    return {
        "version": TRANSCRIPT_VERSION,
        "call_id": call_id,
        "language": language,
        "turns": [
            {
                "speaker": turn.speaker,
                "channel": turn.channel.value,
                **_seconds(turn.span),
                "text": turn.text,
                "words": [{"text": word.text, **_seconds(word.span)} for word in turn.words],
            }
            for turn in turns
        ],
    }


def document(value: Mapping[str, Any]) -> bytes:
    """A JSON document as it is sealed or handed over."""
    return json.dumps(value, ensure_ascii=False).encode()


def vtt(document: Mapping[str, Any]) -> str:
    """``transcript.vtt`` of a ``transcript.json``, with the speaker as voice (W3C WebVTT)."""
    cues = [
        f"{_clock(turn['start_s'])} --> {_clock(turn['end_s'])}\n<v {turn['speaker']}>{_escaped(turn['text'])}\n"
        for turn in document["turns"]
    ]
    return "\n".join(["WEBVTT\n", *cues])


def _clock(seconds: float) -> str:
    millis = round(seconds * 1000)
    return f"{millis // 3_600_000:02d}:{millis // 60_000 % 60:02d}:{millis // 1000 % 60:02d}.{millis % 1000:03d}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def manifest(
    draft: Draft,
    provenance: Mapping[str, Any],
    sealed: Sequence[SealedObject],
    clips: Clips | None,
    created_at: datetime,
) -> dict[str, Any]:
    """``manifest.json``: what was made of which recording, by which code, models and policies.

    Evidence of consent comes with a digest of its samples in the recording that was made, and with whether any of
    them were redacted.
    """
    fmt = draft.fmt

    def clip(index: int, found: Evidence) -> dict[str, Any]:
        digest = clips.sha256(index) if clips else None
        return {"clip_sha256": digest, "intact": intact(found, draft.redactions)} if digest else {}

    return {
        "version": 1,
        "call_id": draft.record.call_id,
        "created_at": stamp(created_at),
        "source": {
            "sha256": draft.record.source_sha256,
            "container": fmt.container,
            "codec": fmt.codec,
            "rate_hz": fmt.rate_hz,
            "channels": [channel.value for channel in draft.channels],
            "duration_s": round(draft.record.duration_s or 0.0, 3),
        },
        "made_by": dict(provenance),
        "audio_suffix": encode.suffix(fmt),
        "artifacts": [{"kind": s.kind.value, "sha256": s.sha256, "size_bytes": s.size_bytes} for s in sealed],
        "redactions": redactions(draft.redactions),
        "consent": consent(draft.decision, clip),
    }
