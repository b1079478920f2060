"""Words pulled to the sound they were heard in: what was heard, with times that can be cut at.

Takes what ``transcribe`` heard and the levels of the call; gives the same words, none longer than before, and the
detector's speech without its pauses. A recogniser's alignment begins a word after a pause at the pause's start, or
lays it over another sentence; its sound shows where it is. Pure.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from itertools import islice, zip_longest
from typing import TYPE_CHECKING

from pipeline.gaps import longest_s
from pipeline.loudness import carries_echo, sounds
from pipeline.types import Segment, TimeSpan, Word

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from pipeline.transcribe import Heard
    from pipeline.types import Channel

LONG_PAUSE_S = 0.15  # nobody pauses this long inside a word
SHORTEST_S = 0.03  # what a letter takes at least
TRAIL_S = 0.3  # and one that ends this soon before its sound does ends with it
SNAP_S = 0.2  # a word that begins this soon after its sound began, began with it
LAID_OVER_S = 0.8  # a word whose sound ends this long before it does was laid over a pause
AHEAD_S = 0.1  # alignment by cross-attention runs ahead of the sound; the median of measured words


def settle(heard: Heard, levels: Mapping[Channel, NDArray[np.float16]]) -> Heard:
    """The same words with their spans drawn in to the sound, the speech as sounds, and which channels carry an echo.

    Args:
        heard: words and speech.
        levels: per channel, dB of every ``loudness.HOP_S``.
    """
    speech = {channel: sounds(levels[channel], spans) for channel, spans in heard.speech.items()}
    words = {channel: iter(drawn_in(spoken, speech[channel])) for channel, spoken in _lines(heard.segments).items()}
    segments = [Segment(each.channel, tuple(islice(words[each.channel], len(each.words)))) for each in heard.segments]
    pairs = ((one, other) for one in speech for other in speech if one is not other)
    echoing = frozenset(one for one, other in pairs if carries_echo(levels[one], speech[one], speech[other]))
    return replace(heard, segments=tuple(sorted(segments, key=lambda each: each.span)), speech=speech, echoing=echoing)


def _lines(segments: Sequence[Segment]) -> dict[Channel, list[Word]]:
    """Each channel's words, segment by segment."""
    lines: dict[Channel, list[Word]] = {}
    for each in segments:
        lines.setdefault(each.channel, []).extend(each.words)
    return lines


def drawn_in(words: Sequence[Word], speech: Sequence[TimeSpan]) -> tuple[Word, ...]:
    """Words of one channel, in order, drawn in to its sounds."""
    settled = [_settled(word, after, speech) for word, after in zip_longest(words, words[1:])]
    return tuple(_trailed(settled, speech))


def _settled(word: Word, after: Word | None, speech: Sequence[TimeSpan]) -> Word:
    """The word from the first sound in it that can be its own to the last sound in it.

    A word that was laid over a pause belongs to the sound before the next word.
    """
    late = TimeSpan(word.span.start_s + AHEAD_S, word.span.end_s + AHEAD_S)
    parts = _inside(late, speech) or _inside(word.span, speech)
    if after is not None and (not parts or word.span.end_s - parts[-1].end_s >= LAID_OVER_S):
        parts = _inside(TimeSpan(word.span.end_s, max(after.span.start_s, word.span.end_s)), speech)[-1:] or parts
    if not parts:
        return word
    while (at := _first_pause(parts)) and _too_long(word.text, parts, at):
        parts = parts[at:]
    return replace(word, span=TimeSpan(_onset(parts[0].start_s, speech), parts[-1].end_s))


def _too_long(text: str, parts: Sequence[TimeSpan], at: int) -> bool:
    """Whether what stands before a pause cannot be the word's: only long numbers and addresses have pauses."""
    if not text.strip(".,?!").isalpha() and len(text.strip(".,?!")) > 1:
        return parts[-1].end_s - parts[0].start_s > longest_s(text)
    return parts[-1].end_s - parts[at].start_s >= SHORTEST_S * len(text)


def _onset(start_s: float, speech: Sequence[TimeSpan]) -> float:
    """The onset of the sound that a word starts in, if it is near."""
    at = bisect_left(speech, start_s, key=lambda each: each.end_s)
    if at < len(speech) and 0 < start_s - speech[at].start_s <= SNAP_S:
        return speech[at].start_s
    return start_s


def _trailed(words: Sequence[Word], speech: Sequence[TimeSpan]) -> Iterator[Word]:
    """Words that end where their sound does or the next word begins."""
    for word, after in zip_longest(words, words[1:]):
        at = bisect_left(speech, word.span.end_s, key=lambda each: each.end_s)
        end_s = word.span.end_s
        if at < len(speech) and speech[at].start_s < end_s and speech[at].end_s - end_s <= TRAIL_S:
            end_s = speech[at].end_s
        if after is not None:
            end_s = max(min(end_s, after.span.start_s), word.span.end_s)
        yield replace(word, span=TimeSpan(word.span.start_s, end_s))


def _inside(span: TimeSpan, speech: Sequence[TimeSpan]) -> list[TimeSpan]:
    first = bisect_left(speech, span.start_s, key=lambda each: each.end_s)
    inside = []
    for each in speech[first:]:
        if each.start_s >= span.end_s:
            break
        inside.append(TimeSpan(max(each.start_s, span.start_s), min(each.end_s, span.end_s)))
    return [each for each in inside if each.duration_s > 0]


def _first_pause(parts: Sequence[TimeSpan]) -> int:
    """Where the parts go on after their first long pause; 0 if they have none."""
    for at in range(1, len(parts)):
        if parts[at].start_s - parts[at - 1].end_s >= LONG_PAUSE_S:
            return at
    return 0
