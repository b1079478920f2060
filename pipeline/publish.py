"""Publishing: what was understood of a call becomes sealed artifacts and one row, by what the consent allows.

Order of writes: artifacts are sealed; the redacted recording is opened again and checked; then the row appears, and
with it everything; then what it replaces is destroyed. A failure before the row destroys what was sealed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pipeline import audio, encode, retain, summary, verify
from pipeline.errors import VerificationFailed
from pipeline.redact import apply_to_audio
from pipeline.types import Artifact, ArtifactKind, Status

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from pipeline.audio import AudioFormat, Recording
    from pipeline.db import CallRecord
    from pipeline.ingest import Intake
    from pipeline.keys import OpenSubjectKey
    from pipeline.run import Rooms
    from pipeline.stopwatch import Stopwatch
    from pipeline.types import Channel, ConsentDecision, Redaction, ReviewItem, SealedObject, Turn

_STATUS = {
    "keep": Status.STORED,
    "keep_before": Status.STORED,
    "discard": Status.DISCARDED,
    "quarantine": Status.QUARANTINED,
}


@dataclass(frozen=True, slots=True)
class Draft:
    """Everything known of a call before anything is kept.

    ``turns`` are redacted already; ``doubts`` are reasons why the call must not be stored before a person looked at it.
    """

    record: CallRecord
    intake: Intake
    fmt: AudioFormat
    channels: tuple[Channel, ...]
    language: str
    turns: tuple[Turn, ...] = field(repr=False)
    redactions: tuple[Redaction, ...]
    review: tuple[ReviewItem, ...]
    decision: ConsentDecision
    doubts: tuple[str, ...] = ()


def publish(
    draft: Draft, subject: OpenSubjectKey, rooms: Rooms, now: datetime, watch: Stopwatch
) -> tuple[Status, Mapping[str, Any]]:
    """Keep, discard or quarantine the call; gives the status and the summary.

    Raises:
        VerificationFailed: what was written is not what was planned; nothing of it stays.
        Refused: the caller was erased meanwhile; likewise.
        StoreUnavailable: likewise.
    """
    status = _STATUS[rooms.consent.outcome_of(draft.decision)]
    if status is Status.STORED and draft.doubts:
        status = Status.QUARANTINED
    sealed: list[SealedObject] = []
    try:
        if status is Status.STORED:
            sealed.append(_redacted_audio(draft, subject, rooms, watch))
        with watch.stage("seal"):
            sealed.extend(_documents(draft, status, sealed, subject, rooms, now))
        kept = sealed + (list(draft.intake.objects) if status is Status.QUARANTINED else [])
        artifacts = _retained(kept, status, draft, rooms, now)
        result = summary.call(draft, status, artifacts, watch.seconds)
        finished = replace(draft.record, status=status, summary=result)
        replaced = rooms.records.finish_call(finished, artifacts, now)
    except BaseException:
        for each in sealed:
            rooms.archive.destroy(each)
        raise
    for old in replaced:
        rooms.archive.destroy(old)
    return status, result


def _redacted_audio(draft: Draft, subject: OpenSubjectKey, rooms: Rooms, watch: Stopwatch) -> SealedObject:
    """Decode again, redact, encode, seal, open and check."""
    call_id, original, limit_s = draft.record.call_id, draft.intake.recording, rooms.audio.max_duration_s

    def redacted() -> Any:
        blocks = audio.decode_native(original, draft.fmt, limit_s)
        return apply_to_audio(blocks, draft.redactions, draft.channels, draft.fmt, rooms.redaction.audio)

    with watch.stage("redact"), rooms.archive.write(call_id, ArtifactKind.REDACTED_AUDIO, subject) as writer:
        encode.encode(redacted, draft.fmt, writer.write)
    try:
        with watch.stage("verify"):
            written = audio.Recording((lambda: rooms.archive.open(writer.sealed, call_id, subject),))
            _check(draft, original, written, limit_s)
    except BaseException:
        rooms.archive.destroy(writer.sealed)
        raise
    return writer.sealed


def _check(draft: Draft, original: Recording, written: Recording, limit_s: float) -> None:
    fmt = audio.probe(written)
    if (fmt.rate_hz, fmt.channels) != (draft.fmt.rate_hz, draft.fmt.channels):
        raise VerificationFailed("the recording that was written has another rate or channel count")
    verify.check_audio(
        audio.decode_native(original, draft.fmt, limit_s),
        audio.decode_native(written, fmt, limit_s),
        draft.redactions,
        draft.channels,
        fmt.rate_hz,
    )


def _documents(
    draft: Draft, status: Status, sealed: list[SealedObject], subject: OpenSubjectKey, rooms: Rooms, now: datetime
) -> list[SealedObject]:
    """Transcript (only of a call that is kept), consent record and manifest; the manifest names all the others."""
    call_id = draft.record.call_id
    made: list[SealedObject] = []

    def put(kind: ArtifactKind, document: Mapping[str, Any]) -> None:
        made.append(rooms.archive.put(call_id, kind, subject, json.dumps(document, ensure_ascii=False).encode()))

    try:
        if status is Status.STORED:
            put(ArtifactKind.TRANSCRIPT, summary.transcript(call_id, draft.language, draft.turns))
        put(ArtifactKind.CONSENT_RECORD, {"version": 1, "call_id": call_id, **summary.consent(draft.decision)})
        put(ArtifactKind.MANIFEST, summary.manifest(draft, rooms.provenance, [*sealed, *made], now))
    except BaseException:
        for each in made:
            rooms.archive.destroy(each)
        raise
    return made


def _retained(
    sealed: list[SealedObject], status: Status, draft: Draft, rooms: Rooms, now: datetime
) -> tuple[Artifact, ...]:
    dates = retain.plan({s.kind for s in sealed}, rooms.retention, status, started_at=draft.record.started_at, now=now)
    return tuple(Artifact(s, now, dates[s.kind].retain_until, dates[s.kind].rule) for s in sealed)
