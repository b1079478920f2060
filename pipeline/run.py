"""The story of a call: taken in and sealed, heard, understood, judged, redacted, checked, and only then kept.

:func:`process` is that story; each step is a room. What it writes appears all at once, when everything is verified;
whatever fails on the way leaves the store as it was.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline import audio, encode, summary, withdrawals
from pipeline.consent import judge, signals, silenced, without
from pipeline.cover import cover
from pipeline.db import CallRecord
from pipeline.doubts import doubts
from pipeline.errors import BadAudio, BadInput, BadMetadata, NotFound, Temporary, UsageError
from pipeline.intake import ingest
from pipeline.intake.arrival import as_waiting, open_held, open_waiting
from pipeline.keypresses import marked
from pipeline.keys import anonymous_subject_id
from pipeline.loudness import Loudness
from pipeline.pii import detect
from pipeline.placeholders import mask, standing
from pipeline.publish import Draft, forgo, publish
from pipeline.retention.retain import Context, check_context
from pipeline.settle import settle
from pipeline.speakers import attribute
from pipeline.stopwatch import Stopwatch
from pipeline.tones import ToneListener
from pipeline.transcribe import transcribe
from pipeline.types import Channel, Status
from pipeline.unclaimed import destroy_unclaimed
from pipeline.verify.leaks import Understood

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from pipeline.archive import Archive
    from pipeline.audio import AudioFormat, Speech
    from pipeline.config import AudioSettings, VerifySettings
    from pipeline.consent import ConsentPolicy
    from pipeline.db import Records
    from pipeline.erasure.ledger import Ledger
    from pipeline.errors import CallsealError
    from pipeline.intake.ingest import Delivery, Intake, Source
    from pipeline.keys import OpenSubjectKey, RootKey
    from pipeline.keys.signing import SigningKey
    from pipeline.metadata import CallMetadata
    from pipeline.pii import PiiRecognizer, RedactionPolicy, Tagger
    from pipeline.retention.retain import RetentionPolicy
    from pipeline.speakers import Diarizer
    from pipeline.speech import Vad
    from pipeline.transcribe import Heard, Transcriber
    from pipeline.types import Artifact, SpeakerSpan


@dataclass(frozen=True, slots=True)
class Rooms:
    """Everything a call passes through, joined by :func:`pipeline.build.build`.

    Models are given as functions that load them once, when they are first needed.
    """

    vad: Callable[[], Vad]
    transcriber: Callable[[], Transcriber]
    listener: Callable[[], Transcriber]
    diarizer: Callable[[], Diarizer]
    recognizer: Callable[[], PiiRecognizer]
    tagger: Callable[[], Tagger]
    redaction: RedactionPolicy
    consent: ConsentPolicy
    retention: RetentionPolicy
    context: Context
    audio: AudioSettings
    verify: VerifySettings
    archive: Archive
    records: Records
    root: RootKey
    ledger: Ledger
    signer: SigningKey
    fingerprint: str
    provenance: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a call; ``summary`` is DESIGN.md section 4's, ``repeated`` says that it was done before."""

    status: Status
    summary: Mapping[str, Any] = field(repr=False)
    repeated: bool = False


def process(
    delivery: Delivery, rooms: Rooms, now: datetime, observe: Callable[[str], None] = lambda _: None
) -> Outcome:
    """Carry one finished call from its recording to its stored result.

    Args:
        delivery: files and metadata.
        rooms: models, policies, keys, store and records.
        now: time of processing.
        observe: told the name of each stage as it begins.

    Raises:
        BadInput: the call cannot be processed as delivered; its record says why, and nothing else is left.
        Refused: the call was erased, before or meanwhile.
        CallsealError: see ``pipeline.errors``; the store is as it was.
    """
    watch = Stopwatch(observe)
    source = ingest.inspect(delivery, rooms.audio.max_bytes)
    call_id = delivery.metadata.call_id or f"call-{source.sha256[:32]}"
    done = _done_before(call_id, source, rooms)
    if done:
        return done
    subject = _subject(delivery, call_id, source, rooms, now)
    agent = delivery.metadata.agent_number
    record = CallRecord(
        call_id=call_id,
        subject_id=subject.subject_id,
        source_sha256=source.sha256,
        fingerprint=rooms.fingerprint,
        received_at=now,
        started_at=delivery.metadata.started_at,
        agent_subject_id=rooms.root.subject_id(agent) if agent else None,
    )
    before = rooms.records.start_call(record)
    unheard = _unheard(record, before, delivery.metadata, subject, rooms, now)
    if unheard:
        return unheard
    with watch.stage("intake"):
        intake = ingest.seal_intake(delivery, source, call_id, rooms.archive, subject)
    try:
        draft = _understand(delivery, intake, record, rooms, now, watch)
        return Outcome(*publish(draft, subject, rooms, now, watch))
    except BadInput as exc:
        if before is None or _was_refused(before):
            _quarantine(record, exc, (), rooms, now)  # there is nothing of it to keep, for the sender still has it
        raise
    finally:
        destroy_unclaimed(intake.objects, rooms.archive, rooms.records)


def process_waiting(
    call_id: str, rooms: Rooms, now: datetime, observe: Callable[[str], None] = lambda _: None
) -> Outcome:
    """Carry a call that was handed in (``pipeline.intake.arrival``) to its result; done already, it gives that one.

    Raises:
        BadInput: the call cannot be processed as delivered; it is quarantined with its originals, the record says why.
        NotFound: it was erased, or waited for longer than an original may be kept.
        CallsealError: see ``pipeline.errors``; the call waits as before.
    """
    watch = Stopwatch(observe)
    waiting = open_waiting(call_id, rooms.records, rooms.archive, rooms.root, now)
    if waiting is None:
        return _result(call_id, rooms)
    record = replace(waiting.record, fingerprint=rooms.fingerprint)
    rooms.records.start_call(record)
    unheard = _unheard(record, None, waiting.delivery.metadata, waiting.subject, rooms, now)
    if unheard:
        return unheard
    try:
        draft = _understand(waiting.delivery, waiting.intake, record, rooms, now, watch)
        return Outcome(*publish(draft, waiting.subject, rooms, now, watch))
    except BadInput as exc:
        _quarantine(record, exc, as_waiting(waiting.intake.objects, rooms.retention, rooms.context, now), rooms, now)
        raise


def process_again(call_id: str, rooms: Rooms, now: datetime) -> Outcome:
    """Carry a call through once more whose originals are still held: one that was quarantined.

    What is held stays until the new result is verified and takes its place; done already under the same models and
    policies, it is left as it is.

    Raises:
        BadInput: the call cannot be processed; it stays as it was.
        NotFound: there is no such call, or no original of it any more.
        Refused: the call is held, or its caller restricts processing.
        CallsealError: see ``pipeline.errors``; it stays as it was.
    """
    before = rooms.records.call(call_id)
    if before is None:
        raise NotFound(f"there is no call {call_id}")
    if before.status is not None and before.fingerprint == rooms.fingerprint and not _was_refused(before):
        return Outcome(before.status, before.summary, repeated=True)
    again = open_held(before, rooms.records, rooms.archive, rooms.root, now)
    record = replace(before, fingerprint=rooms.fingerprint, status=None, summary={})
    rooms.records.start_call(record)
    unheard = _unheard(record, before, again.delivery.metadata, again.subject, rooms, now)
    if unheard:
        return unheard
    watch = Stopwatch(lambda _: None)
    draft = _understand(again.delivery, again.intake, record, rooms, now, watch)
    return Outcome(*publish(draft, again.subject, rooms, now, watch))


def give_up(call_id: str, error: CallsealError, rooms: Rooms, now: datetime) -> None:
    """Quarantine a waiting call, with its originals and the reason, that would fail again however often it is tried."""
    waiting = rooms.records.call(call_id)
    if waiting is not None and waiting.status is None:
        originals = [artifact.sealed for artifact in rooms.records.artifacts(call_id)]
        _quarantine(waiting, error, as_waiting(originals, rooms.retention, rooms.context, now), rooms, now)


def _unheard(
    record: CallRecord,
    before: CallRecord | None,
    metadata: CallMetadata,
    subject: OpenSubjectKey,
    rooms: Rooms,
    now: datetime,
) -> Outcome | None:
    """What becomes of a call that must not be listened to, for its caller withdrew consent; None for any other."""
    withdrawn = withdrawals.standing(rooms.records.engine, subject.subject_id, metadata)
    if not withdrawals.closes(withdrawn):
        return None
    if before is not None and before.status is not None and not _was_refused(before):
        return Outcome(before.status, before.summary, repeated=True)  # it stays as the withdrawal left it
    decision = judge(withdrawals.evidence(withdrawn), metadata, rooms.consent, now)
    return Outcome(*forgo(record, decision, _context(metadata, rooms), subject, rooms, now))


def _result(call_id: str, rooms: Rooms) -> Outcome:
    done = rooms.records.call(call_id)
    if done is None or done.status is None:
        raise Temporary(f"call {call_id} was taken in again meanwhile")
    return Outcome(done.status, done.summary, repeated=True)


def _understand(
    delivery: Delivery, intake: Intake, record: CallRecord, rooms: Rooms, now: datetime, watch: Stopwatch
) -> Draft:
    """Hear the call, find what must go, judge the consent; changes nothing."""
    metadata = delivery.metadata
    context = _context(metadata, rooms)
    fmt = audio.probe(intake.recording)
    encode.suffix(fmt)  # a codec that cannot be written is refused before anything is done for it
    channels = _channels(delivery, fmt, rooms)
    loudness, listener = Loudness(), ToneListener(channels)
    with watch.stage("transcribe"):
        blocks = watch.time_of("decode", audio.decode_speech(intake.recording, rooms.audio.max_duration_s))
        blocks = watch.marks("transcribe", blocks, audio.BLOCK_S)
        audible = listener.listen(loudness.watch(_audible(blocks, rooms.audio.silence_peak)))
        heard = transcribe(audible, channels, rooms.vad(), rooms.transcriber(), metadata.language)
        heard = settle(heard, dict(zip(channels, loudness.levels(), strict=True)))
    tones = listener.tones()
    with watch.stage("diarize"):
        speakers = _speakers(intake, channels, heard, rooms)
        turns = attribute(heard.segments, speakers)
    with watch.stage("detect"):
        findings = detect(
            turns, rooms.recognizer(), metadata.known_pii, rooms.redaction, heard.language, rooms.tagger()
        )
    with watch.stage("consent"):
        known = withdrawals.evidence(withdrawals.standing(rooms.records.engine, record.subject_id, metadata))
        heard_of = signals(turns, metadata, rooms.consent, heard.language, metadata.started_at or now, tones)
        decision = judge((*known, *heard_of), metadata, rooms.consent, now)
        withdrawn = silenced(decision, channels, heard.duration_s)
    covered = cover(turns, findings, heard, tones, channels, rooms.redaction)
    masked = mask(turns, findings, rooms.redaction)
    left = without(marked(masked.turns, covered.keys, rooms.redaction), decision)
    why, whole = doubts(heard, channels, rooms.verify)
    return Draft(
        record=replace(record, duration_s=heard.duration_s),
        intake=intake,
        fmt=fmt,
        channels=channels,
        language=heard.language,
        turns=left,
        originals=standing(masked.originals, left),
        redactions=(*covered.redactions, *withdrawn),
        review=(*covered.review, *whole),
        decision=decision,
        understood=Understood(turns, findings, heard.speech, heard.language, metadata.known_pii, speakers),
        doubts=why,
        context=context,
    )


def _context(metadata: CallMetadata, rooms: Rooms) -> Context:
    """What the rules of retention ask of the call; raises BadMetadata for a name that they do not know."""
    sectors = rooms.context.sectors if metadata.sectors is None else metadata.sectors
    context = Context(sectors, metadata.purpose or rooms.context.purpose, metadata.jurisdictions)
    try:
        check_context(context, rooms.retention)
    except UsageError as exc:
        raise BadMetadata(str(exc)) from exc
    return context


def _subject(delivery: Delivery, call_id: str, source: Source, rooms: Rooms, now: datetime) -> OpenSubjectKey:
    """The caller's key, for a call that was not erased.

    The ledger is asked again once the key is there: an erasure is entered before it takes a key away, so a call that
    holds a key from before it is refused at its end, and one that holds a key from after it is refused here.
    """
    number = delivery.metadata.customer_number
    subject_id = rooms.root.subject_id(number) if number else anonymous_subject_id()
    rooms.ledger.refuse_erased(call_id, source.sha256, subject_id, delivery.metadata.started_at)
    subject = rooms.records.subject_for(subject_id, rooms.root, now)
    rooms.ledger.refuse_erased(call_id, source.sha256, subject_id, delivery.metadata.started_at)
    return subject


def _done_before(call_id: str, source: Source, rooms: Rooms) -> Outcome | None:
    """The stored result of the same recording under the same models and policies.

    Raises:
        BadMetadata: the id belongs to another recording.
    """
    before = rooms.records.call(call_id)
    if before is None or before.status is None or _was_refused(before):
        return None
    if before.source_sha256 != source.sha256:
        raise BadMetadata(f"call_id: {call_id} is held already, with another recording")
    if before.fingerprint == rooms.fingerprint and before.summary.get("artifacts"):
        return Outcome(before.status, before.summary, repeated=True)
    return None


def _was_refused(before: CallRecord) -> bool:
    """Whether nothing is held of the call but the reason it was refused for, so that it may come again, whole."""
    return "error" in before.summary


def _channels(delivery: Delivery, fmt: AudioFormat, rooms: Rooms) -> tuple[Channel, ...]:
    """Who is heard on each channel: the legs' names, else the metadata's, else the settings'."""
    stated = delivery.legs or delivery.metadata.channels
    if stated is None:
        return (Channel.MIXED,) if fmt.channels == 1 else rooms.audio.two_channels
    if len(stated) != fmt.channels:
        raise BadMetadata(f"channels: {len(stated)} are named and the recording has {fmt.channels}")
    return tuple(stated)


def _speakers(
    intake: Intake, channels: tuple[Channel, ...], heard: Heard, rooms: Rooms
) -> dict[Channel, tuple[SpeakerSpan, ...]]:
    if channels != (Channel.MIXED,) or not heard.segments:
        return {}
    blocks = (block[0] for block in audio.decode_speech(intake.recording, rooms.audio.max_duration_s))
    return {Channel.MIXED: rooms.diarizer().diarize(blocks)}


def _audible(blocks: Iterator[Speech], silence_peak: float) -> Iterator[Speech]:
    """The blocks; raises BadAudio at their end if there never was a sound."""
    peak = 0.0
    for block in blocks:
        peak = max(peak, float(np.abs(block).max()))
        yield block
    if peak <= silence_peak:
        raise BadAudio("the recording is silent")


def _quarantine(
    record: CallRecord, error: CallsealError, originals: Sequence[Artifact], rooms: Rooms, now: datetime
) -> None:
    """Record that the call was refused and why, with the originals that are kept for whoever looks into it."""
    why = {"call_id": record.call_id, "status": Status.QUARANTINED.value, "error": summary.error(error)}
    rooms.records.finish_call(replace(record, status=Status.QUARANTINED, summary=why), originals, now)
