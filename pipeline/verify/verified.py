"""The redacted recording: written, checked, listened to, and written again until nothing is heard in it.

Takes a draft; gives the sealed recording and the draft with everything that was found on the way, or, where the
recording did not come clean or could not be listened to, the draft with that doubt and no recording.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pipeline import audio, encode
from pipeline.consent.clips import Clips
from pipeline.errors import VerificationFailed
from pipeline.guards import UNHEARD
from pipeline.redact import apply_to_audio, muted, shadows
from pipeline.types import ArtifactKind, Redaction, ReviewItem, TimeSpan
from pipeline.verify import correlation
from pipeline.verify.leaks import leaks, masked
from pipeline.verify.listen import GIVE_UP, Ground, hear, where
from pipeline.verify.sentinel import sentinel
from pipeline.verify.spans import middles_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.archive import ArtifactWriter
    from pipeline.audio import Recording
    from pipeline.keys import OpenSubjectKey
    from pipeline.publish import Draft
    from pipeline.run import Rooms
    from pipeline.speech import Signal
    from pipeline.stopwatch import Stopwatch
    from pipeline.store import Label
    from pipeline.types import Channel, SealedObject
    from pipeline.verify.listen import Hearing
    from pipeline.verify.sentinel import Sentinel


@dataclass(frozen=True, slots=True)
class Verification:
    """How listening again went.

    Args:
        rounds: how often the recording was listened to.
        listened_s: seconds that were, all rounds and channels together.
        heard_again: spans that had to be redacted besides.
        clean: whether nothing was heard in the last round.
    """

    rounds: int = 0
    listened_s: float = 0.0
    heard_again: int = 0
    clean: bool = False


UNVERIFIED = Verification()
MAX_DEAF = 0.25  # of what was listened to; beyond, the recogniser was not able to hear
STUBBORN_ROUNDS, REACH_S = 2, 1.0  # what is heard after so many rounds goes with what is around it
_NOT_HEARD = "listening again, nothing could be heard"


@dataclass(frozen=True, slots=True)
class Written:
    """The redacted recording, and the evidence that can be heard in it."""

    sealed: SealedObject
    clips: Clips


def verified(
    draft: Draft, label: Label, subject: OpenSubjectKey, rooms: Rooms, watch: Stopwatch
) -> tuple[Draft, Written | None]:
    """Write, check and listen, for as many rounds as the settings allow.

    Args:
        draft: what is known of the call.
        label: what the store may show beside the recording.
        subject: under whose key it is sealed.
        rooms: models, policies and store.
        watch: told of each stage.

    Raises:
        VerificationFailed: what was written is not what was planned; nothing of it stays.
        StoreUnavailable: likewise.
    """
    known = sentinel(draft.language)
    if known is None:
        return _doubted(draft, f"nothing shows that language {draft.language} is heard"), None
    planted = (known, known.carried(draft.fmt))
    targets = [(each.channel, each.span) for each in draft.redactions]
    targets += [(each.channel, each.span) for each in draft.review]
    for _ in range(rooms.verify.rounds):
        written = _written(draft, label, subject, rooms, watch)
        try:
            with watch.stage("verify"):
                draft, new, deaf = _round(draft, written, targets, planted, subject, rooms)
        except BaseException:
            rooms.archive.destroy(written.sealed)
            raise
        if not new and not deaf:
            return replace(draft, verification=replace(draft.verification, clean=True)), written
        rooms.archive.destroy(written.sealed)
        if deaf:
            return _doubted(draft, "listening again, too much could not be heard", deaf), None
        targets = [(each.channel, each.span) for each in new]
    return _doubted(draft, f"still heard after {rooms.verify.rounds} rounds of listening again", targets), None


def _round(
    draft: Draft,
    written: Written,
    targets: Sequence[tuple[Channel, TimeSpan]],
    planted: tuple[Sentinel, Signal],
    subject: OpenSubjectKey,
    rooms: Rooms,
) -> tuple[Draft, tuple[Redaction, ...], tuple[tuple[Channel, TimeSpan], ...]]:
    """Check what was written, listen to it; gives the draft with what was found, that alone, and what was not heard.

    A little that could not be heard is redacted like speech without words; where it is much, nothing was shown, and it
    is given back.
    """
    recording = audio.Recording((lambda: rooms.archive.open(written.sealed, draft.record.call_id, subject),))
    _check(draft, recording, written.clips, rooms)
    hearing = _heard(draft, recording, targets, planted, rooms)
    so_far = draft.verification
    verification = replace(so_far, rounds=so_far.rounds + 1, listened_s=so_far.listened_s + hearing.listened_s)
    if len(hearing.deaf) >= GIVE_UP or _seconds(hearing.deaf) > MAX_DEAF * hearing.listened_s:
        return replace(draft, verification=verification), (), hearing.deaf
    understood, heard = leaks(
        draft.understood, draft.redactions, hearing, rooms.recognizer(), rooms.redaction, rooms.tagger()
    )
    action = rooms.redaction.rule(UNHEARD).action
    unheard = tuple(Redaction(UNHEARD, channel, span, action, _NOT_HEARD) for channel, span in hearing.deaf)
    if so_far.rounds >= STUBBORN_ROUNDS:
        heard = tuple(_with_surroundings(each, draft.record.duration_s or each.span.end_s) for each in heard)
    new = (*heard, *unheard, *shadows((*heard, *unheard), understood.speech))
    after = replace(
        draft,
        turns=masked(draft.turns, new, rooms.redaction),
        redactions=(*draft.redactions, *new),
        review=(*draft.review, *(ReviewItem(channel, span, _NOT_HEARD) for channel, span in hearing.deaf)),
        understood=understood,
        verification=replace(verification, heard_again=so_far.heard_again + len(heard)),
    )
    return after, new, ()


def _with_surroundings(heard: Redaction, duration_s: float) -> Redaction:
    """Words beside a redaction are cut off and misheard, which is found as something else in every round."""
    start_s, end_s = max(heard.span.start_s - REACH_S, 0.0), min(heard.span.end_s + REACH_S, duration_s)
    return replace(heard, span=TimeSpan(start_s, max(end_s, heard.span.end_s)))


def _seconds(spans: Sequence[tuple[Channel, TimeSpan]]) -> float:
    return sum(span.duration_s for _, span in spans)


def _heard(
    draft: Draft,
    written: Recording,
    targets: Sequence[tuple[Channel, TimeSpan]],
    planted: tuple[Sentinel, Signal],
    rooms: Rooms,
) -> Hearing:
    grounds, audible = {}, {}
    for channel in draft.channels:
        gone = tuple(each.span for each in draft.redactions if each.channel is channel)
        redacted = middles_in(gone)
        words = [word for word in draft.understood.words(channel) if not redacted(word.span)]
        around = tuple(span for on, span in targets if on is channel)
        speech = draft.understood.speech.get(channel, ())
        grounds[channel] = Ground(around, gone, speech, tuple(words), unsure=draft.verification.rounds == 0)
        audible[channel] = words
    parts = where(grounds, rooms.verify.context_s)
    blocks = audio.decode_speech(written, rooms.audio.max_duration_s)
    return hear(blocks, parts, audible, rooms.listener(), draft.language, planted)


def _written(draft: Draft, label: Label, subject: OpenSubjectKey, rooms: Rooms, watch: Stopwatch) -> Written:
    """Decode the original again, redact, encode, seal."""

    def redacted() -> Any:
        blocks = audio.decode_native(draft.intake.recording, draft.fmt, rooms.audio.max_duration_s)
        return apply_to_audio(blocks, draft.redactions, draft.channels, draft.fmt, rooms.redaction.audio)

    writer: ArtifactWriter
    with (
        watch.stage("redact"),
        rooms.archive.write(draft.record.call_id, ArtifactKind.REDACTED_AUDIO, subject, label=label) as writer,
    ):
        encode.encode(redacted, draft.fmt, writer.write)
    return Written(writer.sealed, Clips(draft.decision.evidence, draft.channels, draft.fmt.rate_hz))


def _check(draft: Draft, written: Recording, clips: Clips, rooms: Rooms) -> None:
    fmt = audio.probe(written)
    if (fmt.rate_hz, fmt.channels) != (draft.fmt.rate_hz, draft.fmt.channels):
        raise VerificationFailed("the recording that was written has another rate or channel count")
    original = audio.decode_native(draft.intake.recording, draft.fmt, rooms.audio.max_duration_s)
    correlation.check_audio(
        # What stands for speech that was gone before is the same in both, and no speech.
        apply_to_audio(original, muted(draft.gone), draft.channels, draft.fmt, rooms.redaction.audio),
        clips.listen(audio.decode_native(written, fmt, rooms.audio.max_duration_s)),
        draft.redactions,
        draft.channels,
        fmt.rate_hz,
    )


def _doubted(draft: Draft, reason: str, where: Sequence[tuple[Channel, TimeSpan]] = ()) -> Draft:
    review = tuple(ReviewItem(channel, span, reason) for channel, span in where)
    return replace(draft, doubts=(*draft.doubts, reason), review=(*draft.review, *review))
