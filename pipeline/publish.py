"""Publishing: what was understood of a call becomes sealed artifacts and one row, by what the consent allows.

Order of writes: the redacted recording is sealed, checked and listened to again; the documents are sealed; then the row
appears, and with it everything; then what it replaces is destroyed. A failure before the row destroys what was sealed;
after one that leaves the row in doubt only what no row claims goes (``unclaimed``).
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pipeline import summary
from pipeline.keys.signing import signed
from pipeline.retention import retain
from pipeline.retention.retain import Context
from pipeline.store import Label
from pipeline.types import Artifact, ArtifactKind, Status
from pipeline.unclaimed import undo
from pipeline.verify.verified import UNVERIFIED, Verification, Written, verified

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from pipeline.audio import AudioFormat
    from pipeline.db import CallRecord
    from pipeline.intake.ingest import Intake
    from pipeline.keys import OpenSubjectKey
    from pipeline.placeholders import Original
    from pipeline.retention.retain import Retention
    from pipeline.run import Rooms
    from pipeline.stopwatch import Stopwatch
    from pipeline.types import Channel, ConsentDecision, Redaction, ReviewItem, SealedObject, Turn
    from pipeline.verify.leaks import Understood

_STATUS = {
    "keep": Status.STORED,
    "keep_before": Status.STORED,
    "discard": Status.DISCARDED,
    "quarantine": Status.QUARANTINED,
}


@dataclass(frozen=True, slots=True)
class Draft:
    """Everything known of a call before anything is kept.

    ``turns`` are redacted already, and ``understood`` is not; ``doubts`` are reasons why the call must not be stored
    before a person looked at it; ``originals`` are what the policy lets be shown again; ``verification`` says how the
    recording that was written came through; ``gone`` is what the recording that came in lacked already.
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
    understood: Understood = field(repr=False)
    context: Context = field(default_factory=Context)
    doubts: tuple[str, ...] = ()
    originals: tuple[Original, ...] = field(default=(), repr=False)
    verification: Verification = UNVERIFIED
    gone: tuple[Redaction, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a call, and until when each kind of artifact of it is kept."""

    status: Status
    dates: Mapping[ArtifactKind, Retention]
    now: datetime

    def label(self, kind: ArtifactKind) -> Label:
        """What the store may show beside an artifact."""
        return Label(self.dates[kind].rule, self.dates[kind].retain_until)

    def artifact(self, sealed: SealedObject) -> Artifact:
        """The row of a sealed object."""
        found = self.dates[sealed.kind]
        return Artifact(sealed, self.now, found.retain_until, found.rule)


def publish(
    draft: Draft, subject: OpenSubjectKey, rooms: Rooms, now: datetime, watch: Stopwatch
) -> tuple[Status, Mapping[str, Any]]:
    """Keep, discard or quarantine the call; gives the status and the summary.

    Raises:
        VerificationFailed: what was written is not what was planned; nothing of it stays.
        Refused: the caller was erased meanwhile; likewise.
        StoreUnavailable: likewise.
    """
    verdict = _verdict(_status(draft, rooms), draft.record, draft.context, rooms, now)
    written: Written | None = None
    sealed: list[SealedObject] = []
    try:
        if verdict.status is Status.STORED:
            draft, written = verified(draft, verdict.label(ArtifactKind.REDACTED_AUDIO), subject, rooms, watch)
            verdict = _verdict(_status(draft, rooms), draft.record, draft.context, rooms, now)
        if written:
            sealed.append(written.sealed)
        with watch.stage("seal"):
            sealed.extend(documents(draft, verdict, written, subject, rooms))
        status = verdict.status
        kept = sealed + (list(draft.intake.objects) if status is Status.QUARANTINED else [])
        artifacts = _retained(kept, verdict)
        for artifact in artifacts:
            rooms.archive.lock(artifact)
        result = summary.call(draft, status, artifacts, watch.seconds)
        finished = replace(draft.record, status=status, summary=result)
        corrected = _corrections(draft.record.call_id, subject, rooms) if status is Status.STORED else ()
        replaced = rooms.records.finish_call(finished, (*artifacts, *corrected), now)
    except BaseException as exc:
        undo(sealed, rooms.archive, rooms.records, exc)
        raise
    for old in replaced:
        rooms.archive.destroy(old)
    return status, result


def _corrections(call_id: str, subject: OpenSubjectKey, rooms: Rooms) -> tuple[Artifact, ...]:
    """What the caller had corrected before; it stays beside a new result."""
    held = rooms.records.artifacts(call_id)
    own = (each for each in held if each.sealed.subject_key_id == subject.key_id)
    return tuple(each for each in own if each.sealed.kind is ArtifactKind.AMENDMENT)


def forgo(
    record: CallRecord,
    decision: ConsentDecision,
    context: Context,
    subject: OpenSubjectKey,
    rooms: Rooms,
    now: datetime,
) -> tuple[Status, Mapping[str, Any]]:
    """Record that a call was not listened to, for its caller had withdrawn consent; only the decision is kept.

    Raises:
        Refused: the caller was erased meanwhile, or what is held of the call must stay as it is.
        StoreUnavailable: nothing was kept.
    """
    verdict = _verdict(Status.DISCARDED, record, context, rooms, now)
    raw = json.dumps(summary.consent_record(record.call_id, decision, ()), ensure_ascii=False).encode()
    kind = ArtifactKind.CONSENT_RECORD
    sealed = rooms.archive.put(record.call_id, kind, subject, raw, label=verdict.label(kind))
    try:
        artifact = verdict.artifact(sealed)
        rooms.archive.lock(artifact)
        result = summary.unheard(record.call_id, decision, [artifact])
        finished = replace(record, status=Status.DISCARDED, summary=result)
        replaced = rooms.records.finish_call(finished, [artifact], now)
    except BaseException as exc:
        undo([sealed], rooms.archive, rooms.records, exc)
        raise
    for old in replaced:
        rooms.archive.destroy(old)
    return Status.DISCARDED, result


def _status(draft: Draft, rooms: Rooms) -> Status:
    """What the consent allows; what is in doubt waits for a person, unless it holds what the caller objected to."""
    outcome = rooms.consent.outcome_of(draft.decision)
    if draft.doubts and outcome == "keep":
        return Status.QUARANTINED
    return Status.DISCARDED if draft.doubts and outcome == "keep_before" else _STATUS[outcome]


def documents(
    draft: Draft, verdict: Verdict, written: Written | None, subject: OpenSubjectKey, rooms: Rooms
) -> list[SealedObject]:
    """A consent record of every call; a transcript and a map of one that is stored; a manifest unless discarded."""
    call_id, status = draft.record.call_id, verdict.status
    made: list[SealedObject] = []

    def put(kind: ArtifactKind, document: Mapping[str, Any]) -> None:
        data = json.dumps(document, ensure_ascii=False).encode()
        made.append(rooms.archive.put(call_id, kind, subject, data, label=verdict.label(kind)))

    try:
        put(ArtifactKind.CONSENT_RECORD, summary.consent_record(call_id, draft.decision, draft.turns))
        if status is Status.STORED:
            put(ArtifactKind.TRANSCRIPT, summary.transcript(call_id, draft.language, draft.turns))
            if draft.originals:
                put(ArtifactKind.PII_MAP, summary.originals(call_id, draft.originals, secrets.token_hex(16)))
        if status is not Status.DISCARDED:
            sealed = [written.sealed, *made] if written else made
            clips = written.clips if written else None
            manifest = summary.manifest(draft, rooms.provenance, sealed, clips, verdict.now)
            put(ArtifactKind.MANIFEST, signed(manifest, rooms.signer))
    except BaseException:
        for each in made:
            rooms.archive.destroy(each)
        raise
    return made


def _verdict(status: Status, record: CallRecord, context: Context, rooms: Rooms, now: datetime) -> Verdict:
    dates = retain.plan(ArtifactKind, rooms.retention, status, context, started_at=record.started_at, now=now)
    return Verdict(status, dates, now)


def _retained(sealed: list[SealedObject], verdict: Verdict) -> tuple[Artifact, ...]:
    dates, now = verdict.dates, verdict.now
    kept = (s for s in sealed if s.kind is not ArtifactKind.INTAKE or dates[s.kind].retain_until > now)
    return tuple(verdict.artifact(s) for s in kept)
