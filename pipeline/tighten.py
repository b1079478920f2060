"""The story of a stored call whose original is gone: heard again as it was kept, and redacted further where it must be.

:func:`tighten` is that story. Words are heard anew in the redacted recording, and those of the stored transcript are
read anew; what today's models and policies find in either goes, in the recording and in the transcript. It promises:

* every moment that was redacted stays redacted, and no value comes back, for nothing that is read here holds any;
* consent stays as it was decided, and artifacts expire when they would have: what both rest on went with the original;
* what is kept is replaced only once the new recording is verified as a first one is, and stays if nothing is found.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from pipeline import audio, summary, withdrawals
from pipeline.audio import SPEECH_RATE_HZ
from pipeline.consent import signals
from pipeline.errors import NotFound, VerificationFailed
from pipeline.guards import guard
from pipeline.intake.ingest import Intake
from pipeline.kept import open_kept
from pipeline.keypresses import between_keys, echoes, marked, pressed
from pipeline.loudness import Loudness
from pipeline.metadata import CallMetadata
from pipeline.pii import detect
from pipeline.placeholders import is_placeholder
from pipeline.publish import Draft, Verdict, documents
from pipeline.redact import apply_to_audio, muted, plan, shadows
from pipeline.retention.retain import Retention
from pipeline.run import Outcome
from pipeline.settle import settle
from pipeline.speakers import attribute
from pipeline.stopwatch import Stopwatch
from pipeline.tones import ToneListener
from pipeline.transcribe import transcribe
from pipeline.types import ArtifactKind, Channel, ConsentSignal, Redaction, ReviewItem, SpeakerSpan, Status, Turn
from pipeline.unclaimed import undo
from pipeline.verify.leaks import Understood, masked, parts
from pipeline.verify.spans import middle_in, without
from pipeline.verify.verified import verified

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from pipeline.kept import Kept
    from pipeline.keys import OpenSubjectKey
    from pipeline.run import Rooms
    from pipeline.tones import Tone
    from pipeline.transcribe import Heard
    from pipeline.types import Artifact, PiiSpan, SealedObject, TimeSpan, Word
    from pipeline.verify.verified import Written

UNKNOWN: Final = "Zqxjvk"  # like a name, and no word of any language
_OBJECTION: Final = "an objection to the recording that was not heard before"


@dataclass(frozen=True, slots=True)
class _Found:
    """What is to be redacted besides, and why; ``in_text`` says that the stored transcript shows some of it.

    ``turns`` are the talk that was judged, ``shown`` what of it can be heard, with the placeholders.
    """

    turns: tuple[Turn, ...] = field(repr=False)
    shown: tuple[Turn, ...] = field(repr=False)
    findings: tuple[PiiSpan, ...]
    redactions: tuple[Redaction, ...]
    review: tuple[ReviewItem, ...]
    in_text: bool


def tighten(call_id: str, rooms: Rooms, now: datetime) -> Outcome:
    """Judge a stored call once more, by its redacted recording.

    Args:
        call_id: of the call.
        rooms: models, policies, keys, store and records.
        now: time of processing.

    Raises:
        NotFound: there is no such call, or no redacted recording of it any more.
        Refused: it is held, was erased, or its caller restricts processing.
        VerificationFailed: what was written did not come clean; the call stays as it was.
        CallsealError: see ``pipeline.errors``; likewise.
    """
    record = rooms.records.call(call_id)
    if record is None or record.status is None:
        raise NotFound(f"there is no stored call {call_id}")
    withdrawn = withdrawals.standing(rooms.records.engine, record.subject_id)
    if record.fingerprint == rooms.fingerprint or withdrawals.closes(withdrawn):
        return Outcome(record.status, record.summary, repeated=True)
    kept = open_kept(record, rooms, now)
    if kept.language not in rooms.verify.languages:
        raise VerificationFailed(f"no rules of detection for language {kept.language}")
    rooms.records.start_call(replace(record, fingerprint=rooms.fingerprint, status=None, summary={}))
    watch = Stopwatch(lambda _: None)
    with watch.stage("transcribe"):
        heard, tones = _hear(kept, rooms)
    with watch.stage("detect"):
        found = _judge(kept, heard, tones, rooms, now)
    verdict = Verdict(Status.STORED, _dates(kept), now)
    draft = _draft(kept, heard, found, rooms)
    draft, written = verified(draft, verdict.label(ArtifactKind.REDACTED_AUDIO), kept.subject, rooms, watch)
    if written is None:
        raise VerificationFailed(draft.doubts[-1])
    if draft.redactions == kept.redactions and draft.originals == kept.originals and not found.in_text:
        rooms.archive.destroy(written.sealed)
        return _leave(kept, draft, rooms, now, watch)
    return _replace(kept, draft, written, verdict, rooms, watch)


def added(before: Iterable[Redaction], found: Iterable[Redaction]) -> tuple[Redaction, ...]:
    """The parts of what was found that were not redacted before on their channel, in order of time.

    Spans of one kind that touch, as two hearings of one word do, become one.
    """
    gone, alike = _by_channel(before), defaultdict[tuple[Channel, str], list[Redaction]](list)
    for each in found:
        alike[each.channel, each.entity_type].append(each)
    parts = (
        replace(same[0], span=part, reason=next(each.reason for each in same if each.span.overlaps(part)))
        for (channel, _), same in alike.items()
        for part in without([each.span for each in same], gone[channel])
    )
    return tuple(sorted(parts, key=lambda each: (each.span, each.channel)))


def _hear(kept: Kept, rooms: Rooms) -> tuple[Heard, tuple[Tone, ...]]:
    """The words and tones outside of what is redacted; what stands in its place is taken for silence."""
    loudness, listener = Loudness(), ToneListener(kept.channels)
    blocks = audio.decode_speech(kept.recording, rooms.audio.max_duration_s)
    fmt = replace(kept.fmt, rate_hz=SPEECH_RATE_HZ)
    quiet = apply_to_audio(blocks, muted(kept.redactions), kept.channels, fmt, rooms.redaction.audio)
    audible = listener.listen(loudness.watch(quiet))
    heard = transcribe(audible, kept.channels, rooms.vad(), rooms.transcriber(), kept.language)
    heard = settle(heard, dict(zip(kept.channels, loudness.levels(), strict=True)))
    gone = _by_channel(kept.redactions)
    clear = (
        replace(each, words=tuple(w for w in each.words if not middle_in(w.span, gone[each.channel])))
        for each in heard.segments
    )
    speech = {channel: tuple(without(spans, gone[channel])) for channel, spans in heard.speech.items()}
    return replace(heard, segments=tuple(each for each in clear if each.words), speech=speech), listener.tones()


def _judge(kept: Kept, heard: Heard, tones: Sequence[Tone], rooms: Rooms, now: datetime) -> _Found:
    """What must go of what was heard now, and of what the stored transcript says."""
    policy = rooms.redaction
    gone, spoken_now, before = _by_channel(kept.redactions), attribute(heard.segments, _speakers(kept)), kept.turns
    # As when a first recording is listened to again, what was said where nothing can be heard stays part of the talk.
    turns = _with_stored(
        spoken_now, before, lambda word, on: is_placeholder(word.text) or middle_in(word.span, gone[on])
    )
    findings, in_text = _found_in(turns, kept, rooms), _found_in(before, kept, rooms)
    planned = (*plan(turns, findings, heard.speech, policy), *plan(before, in_text, heard.speech, policy))
    keys = pressed(tones, policy)
    echoed = echoes(tones, keys, kept.channels, policy)
    spoken = between_keys(heard.speech, (*keys, *echoed))
    guarded, review = guard(_plain((*turns, *before)), spoken, (*kept.redactions, *planned), policy)
    new = added(kept.redactions, (*planned, *guarded))
    beside = (*shadows(new, heard.speech), *keys, *echoed)
    return _Found(
        turns=turns,
        shown=_with_stored(spoken_now, before, lambda word, _: is_placeholder(word.text)),
        findings=findings,
        redactions=(*new, *added((*kept.redactions, *new), beside)),
        review=(*review, *_objections(kept, turns, rooms, now)),
        in_text=bool(in_text),
    )


def _found_in(turns: Sequence[Turn], kept: Kept, rooms: Rooms) -> tuple[PiiSpan, ...]:
    """What must go of a redacted talk, beside what is gone."""
    read = _answered(turns)
    found = detect(read, rooms.recognizer(), _known(kept), rooms.redaction, kept.language)
    return tuple(parts(read, found, lambda word, _: word.text != UNKNOWN))


def _answered(turns: Iterable[Turn]) -> tuple[Turn, ...]:
    """The turns with a word that nobody knows for every placeholder, so that what was asked for has been answered."""
    return tuple(
        replace(turn, words=tuple(replace(w, text=UNKNOWN) if is_placeholder(w.text) else w for w in turn.words))
        for turn in turns
    )


def _draft(kept: Kept, heard: Heard, found: _Found, rooms: Rooms) -> Draft:
    """The call as it was kept, with what was found besides."""
    shown = masked(found.shown, found.redactions, rooms.redaction)
    keys = [each for each in found.redactions if each.entity_type == "DTMF"]
    return Draft(
        record=replace(kept.record, fingerprint=rooms.fingerprint),
        intake=Intake((), kept.recording),
        fmt=kept.fmt,
        channels=kept.channels,
        language=kept.language,
        turns=marked(shown, keys, rooms.redaction),
        originals=tuple(each for each in kept.originals if rooms.redaction.rule(each.entity_type).reversible),
        redactions=(*kept.redactions, *found.redactions),
        gone=kept.redactions,
        review=found.review,
        decision=kept.decision,
        understood=Understood(
            _answered(found.turns), found.findings, heard.speech, kept.language, _known(kept), _speakers(kept)
        ),
    )


def _replace(kept: Kept, draft: Draft, written: Written, verdict: Verdict, rooms: Rooms, watch: Stopwatch) -> Outcome:
    """Put what was made in the place of what was kept, in one transaction; whatever fails leaves the latter."""
    call_id, sealed = draft.record.call_id, [written.sealed]
    try:
        with watch.stage("seal"):
            sealed.extend(documents(draft, verdict, written, kept.subject, _from(kept, rooms)))
        artifacts = tuple(verdict.artifact(each) for each in sealed)
        for artifact in artifacts:
            rooms.archive.lock(artifact)
        result = _summary(kept, draft, artifacts, watch)
        finished = replace(draft.record, summary=result)
        beside = _amendments(call_id, kept.subject, rooms)
        replaced = rooms.records.finish_call(finished, (*artifacts, *beside), verdict.now)
    except BaseException as exc:
        undo(sealed, rooms.archive, rooms.records, exc)
        raise
    _destroy(replaced, rooms)
    return Outcome(Status.STORED, result)


def _leave(kept: Kept, draft: Draft, rooms: Rooms, now: datetime, watch: Stopwatch) -> Outcome:
    """Note that the call was judged once more and nothing was found to redact; its artifacts stay."""
    artifacts = rooms.records.artifacts(draft.record.call_id)
    result = _summary(kept, draft, list(kept.artifacts.values()), watch)
    _destroy(rooms.records.finish_call(replace(draft.record, summary=result), artifacts, now), rooms)
    return Outcome(Status.STORED, result)


def _summary(kept: Kept, draft: Draft, artifacts: Sequence[Artifact], watch: Stopwatch) -> dict[str, Any]:
    """What was told of the call before, with what is new; consent and doubts stay as they were."""
    told = kept.record.summary
    return {
        **told,
        "redactions": summary.redactions(draft.redactions),
        "review": [*told.get("review", ()), *summary.review(draft.review)],
        "verification": summary.verification(draft.verification),
        "tightened": told.get("tightened", 0) + len(draft.redactions) - len(kept.redactions),
        "artifacts": summary.artifacts(artifacts),
        "timings_s": {stage: round(seconds, 3) for stage, seconds in watch.seconds.items()},
    }


def _from(kept: Kept, rooms: Rooms) -> Rooms:
    """The rooms with a provenance that says what was listened to, in the place of an original."""
    before = {
        kind.value: kept.artifacts[kind].sealed.sha256 for kind in (ArtifactKind.REDACTED_AUDIO, ArtifactKind.MANIFEST)
    }
    return replace(rooms, provenance={**rooms.provenance, "tightened_from": before})


def _dates(kept: Kept) -> dict[ArtifactKind, Retention]:
    return {kind: Retention(kind, each.retain_until, each.retention_rule) for kind, each in kept.artifacts.items()}


def _amendments(call_id: str, subject: OpenSubjectKey, rooms: Rooms) -> tuple[Artifact, ...]:
    """What the caller had corrected; it stays."""
    held = rooms.records.artifacts(call_id)
    own = (each for each in held if each.sealed.subject_key_id == subject.key_id)
    return tuple(each for each in own if each.sealed.kind is ArtifactKind.AMENDMENT)


def _known(kept: Kept) -> dict[str, list[str]]:
    """Values of the call that may be shown again: they are looked for wherever the placeholder does not stand."""
    known: dict[str, list[str]] = defaultdict(list)
    for each in kept.originals:
        known[each.entity_type].append(each.value)
    return dict(known)


def _speakers(kept: Kept) -> dict[Channel, tuple[SpeakerSpan, ...]]:
    """Who speaks when on a mixed channel, by the stored transcript, so that everybody keeps his name."""
    if kept.channels != (Channel.MIXED,):
        return {}
    return {Channel.MIXED: tuple(SpeakerSpan(turn.speaker, turn.span) for turn in sorted(kept.turns, key=_start_s))}


def _start_s(turn: Turn) -> float:
    return turn.span.start_s


def _plain(turns: Iterable[Turn]) -> tuple[Turn, ...]:
    """The turns of a redacted transcript without its placeholders."""
    left = (replace(turn, words=tuple(w for w in turn.words if not is_placeholder(w.text))) for turn in turns)
    return tuple(turn for turn in left if turn.words)


def _with_stored(
    turns: Sequence[Turn], kept: Iterable[Turn], stays: Callable[[Word, Channel], bool]
) -> tuple[Turn, ...]:
    """The turns as they were heard now, with those words of the stored transcript that stay, where they stood."""
    result = list(turns)
    for turn in kept:
        for word in turn.words:
            if not stays(word, turn.channel):
                continue
            near = (i for i, each in enumerate(result) if each.channel is turn.channel and _in(word.span, each.span))
            at = next(near, None)
            if at is None:
                result.append(Turn(turn.speaker, turn.channel, (word,)))
            else:
                words = sorted((*result[at].words, word), key=lambda each: each.span)
                result[at] = replace(result[at], words=tuple(words))
    return tuple(sorted(result, key=lambda each: (each.span, each.channel)))


def _in(span: TimeSpan, turn: TimeSpan) -> bool:
    return turn.start_s <= span.start_s <= turn.end_s


def _objections(kept: Kept, turns: Sequence[Turn], rooms: Rooms, now: datetime) -> tuple[ReviewItem, ...]:
    """Objections to the recording where none was heard before: consent cannot be judged anew, so a person has to."""
    if any(each.signal is ConsentSignal.OBJECTION for each in kept.decision.evidence):
        return ()
    heard = signals(turns, CallMetadata(), rooms.consent, kept.language, kept.record.started_at or now)
    return tuple(
        ReviewItem(each.channel, each.span, _OBJECTION)
        for each in heard
        if each.signal is ConsentSignal.OBJECTION and each.channel and each.span
    )


def _by_channel(redactions: Iterable[Redaction]) -> Mapping[Channel, list[TimeSpan]]:
    spans: dict[Channel, list[TimeSpan]] = defaultdict(list)
    for each in redactions:
        spans[each.channel].append(each.span)
    return spans


def _destroy(objects: Iterable[SealedObject], rooms: Rooms) -> None:
    for each in objects:
        rooms.archive.destroy(each)
