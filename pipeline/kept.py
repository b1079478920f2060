"""What is kept of a stored call, opened to be judged once more: its redacted recording and what was written of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pipeline import audio
from pipeline.errors import NotFound
from pipeline.recorded import decision_of, originals_of, redactions_of, turns_of
from pipeline.types import ArtifactKind, Channel, Status

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from pipeline.audio import AudioFormat, Recording
    from pipeline.db import CallRecord
    from pipeline.keys import OpenSubjectKey
    from pipeline.placeholders import Original
    from pipeline.run import Rooms
    from pipeline.types import Artifact, ConsentDecision, Redaction, Turn

_WHOLE = (
    *(ArtifactKind.REDACTED_AUDIO, ArtifactKind.TRANSCRIPT),
    *(ArtifactKind.CONSENT_RECORD, ArtifactKind.MANIFEST),
)
_DOCUMENTS = frozenset((*_WHOLE, ArtifactKind.PII_MAP))


@dataclass(frozen=True, slots=True)
class Kept:
    """A stored call.

    Args:
        record: its row.
        subject: its caller's key.
        artifacts: what is kept of it, by kind; amendments are not among it.
        recording: the redacted one.
        fmt: of that recording.
        channels: names of its rows.
        language: ISO 639-1 code.
        turns: the transcript, redacted.
        redactions: what is redacted.
        originals: what may be shown again.
        decision: what was decided about consent.
    """

    record: CallRecord
    subject: OpenSubjectKey
    artifacts: Mapping[ArtifactKind, Artifact]
    recording: Recording = field(repr=False)
    fmt: AudioFormat
    channels: tuple[Channel, ...]
    language: str
    turns: tuple[Turn, ...] = field(repr=False)
    redactions: tuple[Redaction, ...]
    originals: tuple[Original, ...] = field(repr=False)
    decision: ConsentDecision


def open_kept(record: CallRecord, rooms: Rooms, now: datetime) -> Kept:
    """The stored call of a row.

    Raises:
        NotFound: it is not stored, or a part of it has expired.
        CannotOpen: a part of it does not open.
        StoreUnavailable: the store failed.
    """
    call_id, told = record.call_id, record.summary
    found = rooms.records.artifacts(call_id)
    held: dict[ArtifactKind, Artifact] = {each.sealed.kind: each for each in found if each.sealed.kind in _DOCUMENTS}
    if record.status is not Status.STORED or not held.keys() >= set(_WHOLE):
        raise NotFound(f"no redacted recording of call {call_id} is held with what belongs to it")
    subject = rooms.records.subject_for(record.subject_id, rooms.root, now)

    def document(kind: ArtifactKind) -> dict[str, Any]:
        read: dict[str, Any] = json.loads(rooms.archive.read(held[kind].sealed, call_id, subject))
        return read

    redacted = held[ArtifactKind.REDACTED_AUDIO].sealed
    recording = audio.Recording((lambda: rooms.archive.open(redacted, call_id, subject),))
    return Kept(
        record=record,
        subject=subject,
        artifacts=held,
        recording=recording,
        fmt=audio.probe(recording),
        channels=tuple(map(Channel, told["channels"])),
        language=told["language"],
        turns=turns_of(document(ArtifactKind.TRANSCRIPT)),
        redactions=redactions_of(told["redactions"]),
        originals=originals_of(document(ArtifactKind.PII_MAP)) if ArtifactKind.PII_MAP in held else (),
        decision=decision_of(told["consent"]),
    )
