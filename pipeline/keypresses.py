"""What tones mean for a call: keys are redacted on every channel and marked in the transcript; beeps are evidence.

Pure. A redaction of keys says where they were pressed, never which.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.tones import ToneKind
from pipeline.types import ConsentSignal, Evidence, Redaction, TimeSpan, Turn, Word

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pipeline.pii import RedactionPolicy
    from pipeline.tones import Tone
    from pipeline.types import Channel

DTMF = "DTMF"
COLLAR_S = 0.05  # a codec rings this long
APART_S = 0.5  # keys that follow each other within this are one redaction
ECHO_DB, ECHO_LATE_S = 6.0, 0.5  # an echo is at least so much weaker and at most so late
_TOGETHER_S = 0.05  # what the times of one tone on two channels may differ by
# A recorder's beep comes every 12 to 15 s (former 47 CFR 64.501, California General Order 107-B); one may be missed.
BEEP_EVERY_S = (10.0, 31.0)


def pressed(tones: Sequence[Tone], policy: RedactionPolicy) -> tuple[Redaction, ...]:
    """Redactions of all keys on the channels they were pressed on, in order of time."""
    spans: dict[Channel, list[TimeSpan]] = {}
    for tone in tones:
        if tone.kind is ToneKind.KEY and not is_echo(tone, tones):
            spans.setdefault(tone.channel, []).append(_collared(tone.span))
    return _redactions(spans, "keys pressed", policy)


def echoes(
    tones: Sequence[Tone], keys: Sequence[Redaction], channels: Sequence[Channel], policy: RedactionPolicy
) -> tuple[Redaction, ...]:
    """Redactions of what the other channel may hold of the keys, whoever speaks there.

    Two steady sines can be read under a voice, so the time of the keys goes on both channels, and wherever an echo of
    them was heard, for it comes late.
    """
    spans: dict[Channel, list[TimeSpan]] = {}
    for channel in channels:
        own = [key.span for key in keys if key.channel is channel]
        heard = [_collared(tone.span) for tone in tones if tone.channel is channel and is_echo(tone, tones)]
        for span in _joined([*(key.span for key in keys if key.channel is not channel), *heard]):
            spans.setdefault(channel, []).extend(_less(span, own))
    return _redactions(spans, "echo of keys pressed", policy)


def between_keys(
    speech: Mapping[Channel, Sequence[TimeSpan]], keys: Sequence[Redaction]
) -> dict[Channel, tuple[TimeSpan, ...]]:
    """Where a voice was heard, less the keys, which a voice activity detector takes for one."""
    return {
        channel: tuple(part for span in spans for part in _less(span, [k.span for k in keys if k.channel is channel]))
        for channel, spans in speech.items()
    }


def marked(turns: Sequence[Turn], keys: Sequence[Redaction], policy: RedactionPolicy) -> tuple[Turn, ...]:
    """The turns with one word such as ``[DTMF]`` where keys were pressed, in place of what was heard in them.

    Args:
        turns: in order of time.
        keys: from :func:`pressed`.
        policy: what stands in the transcript.
    """
    result = [kept for turn in turns if (kept := _without(turn, keys)) is not None]
    for key in keys:
        mark = Word(policy.rule(DTMF).replacement, key.span, 1.0)
        at = next((i for i, turn in enumerate(result) if turn.channel is key.channel and _holds(turn, key.span)), None)
        if at is None:
            result.append(Turn(_speaker(turns, key), key.channel, (mark,)))
        else:
            words = sorted((*result[at].words, mark), key=lambda word: word.span)
            result[at] = replace(result[at], words=tuple(words))
    return tuple(sorted(result, key=lambda turn: (turn.span, turn.channel)))


def beeps(tones: Iterable[Tone]) -> tuple[Evidence, ...]:
    """Evidence that a recorder's warning tone was heard: beeps that come at its interval, in order of time."""
    heard = [tone for tone in tones if tone.kind is ToneKind.BEEP]
    regular = [one for one in heard if any(_at_interval(one, other) for other in heard)]
    return tuple(Evidence(ConsentSignal.BEEP, "tone:recorder", one.channel, one.span) for one in regular)


def _at_interval(one: Tone, other: Tone) -> bool:
    apart_s = abs(one.span.start_s - other.span.start_s)
    return one.channel is other.channel and BEEP_EVERY_S[0] <= apart_s <= BEEP_EVERY_S[1]


def is_echo(tone: Tone, tones: Sequence[Tone]) -> bool:
    """Whether the same key sounded louder on another channel, at most ECHO_LATE_S before."""
    return tone.kind is ToneKind.KEY and any(
        other.channel is not tone.channel
        and other.key == tone.key
        and other.level_db >= tone.level_db + ECHO_DB
        and -_TOGETHER_S <= tone.span.start_s - other.span.start_s <= ECHO_LATE_S
        for other in tones
    )


def _redactions(
    spans: Mapping[Channel, Sequence[TimeSpan]], reason: str, policy: RedactionPolicy
) -> tuple[Redaction, ...]:
    if not policy.wants(DTMF, 1.0):
        return ()
    action = policy.rule(DTMF).action
    found = [Redaction(DTMF, channel, span, action, reason) for channel in spans for span in _joined(spans[channel])]
    return tuple(sorted(found, key=lambda each: (each.span, each.channel)))


def _collared(span: TimeSpan) -> TimeSpan:
    return TimeSpan(max(span.start_s - COLLAR_S, 0.0), span.end_s + COLLAR_S)


def _joined(spans: Iterable[TimeSpan]) -> list[TimeSpan]:
    joined: list[TimeSpan] = []
    for span in sorted(spans):
        if joined and span.start_s - joined[-1].end_s <= APART_S:
            joined[-1] = TimeSpan(joined[-1].start_s, max(joined[-1].end_s, span.end_s))
        else:
            joined.append(span)
    return joined


def _less(span: TimeSpan, gone: Iterable[TimeSpan]) -> Iterator[TimeSpan]:
    """Parts of a span that lie in none of the others, which are in order and apart."""
    start_s = span.start_s
    for each in gone:
        if each.overlaps(span):
            if each.start_s > start_s:
                yield TimeSpan(start_s, each.start_s)
            start_s = max(start_s, each.end_s)
    if start_s < span.end_s:
        yield TimeSpan(start_s, span.end_s)


def _without(turn: Turn, keys: Sequence[Redaction]) -> Turn | None:
    """The turn without the words that were heard in key tones; None if nothing is left."""
    spans = [key.span for key in keys if key.channel is turn.channel]
    middles_s = ((word, (word.span.start_s + word.span.end_s) / 2) for word in turn.words)
    words = tuple(word for word, at_s in middles_s if not any(s.start_s <= at_s <= s.end_s for s in spans))
    return replace(turn, words=words) if words else None


def _holds(turn: Turn, span: TimeSpan) -> bool:
    return turn.span.start_s <= span.start_s and span.end_s <= turn.span.end_s


def _speaker(turns: Sequence[Turn], key: Redaction) -> str:
    """Whoever speaks nearest to the keys on their channel."""
    near = [turn for turn in turns if turn.channel is key.channel]
    if not near:
        return key.channel.value
    return min(
        near, key=lambda turn: max(turn.span.start_s - key.span.end_s, key.span.start_s - turn.span.end_s)
    ).speaker
