"""Who speaks: words become turns. The channel tells where there are two; on a mixed one a diarizer does.

Gives turns in order of their start. Nothing about a voice is kept but who spoke when.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import groupby
from typing import TYPE_CHECKING, Protocol

from pipeline.types import Channel, Turn

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pipeline.speech import Signal
    from pipeline.types import Segment, SpeakerSpan, Word

TURN_GAP_S = 0.8  # a longer pause ends a turn, so that the other side's words can stand between


class Diarizer(Protocol):
    """Tells voices on one channel apart."""

    def diarize(self, blocks: Iterable[Signal]) -> tuple[SpeakerSpan, ...]:
        """Exclusive speaker spans, in order, of consecutive (time,) blocks at 16 kHz.

        Speakers are named ``SPEAKER_00``, ``SPEAKER_01`` in order of appearance.
        """
        ...


def attribute(segments: Sequence[Segment], speakers: Mapping[Channel, Sequence[SpeakerSpan]]) -> tuple[Turn, ...]:
    """The turns of a call.

    Args:
        segments: words of all channels.
        speakers: who speaks when, for each channel that more than one person is on.
    """
    words: dict[Channel, list[Word]] = {}
    for segment in segments:
        words.setdefault(segment.channel, []).extend(segment.words)
    turns = [
        turn
        for channel, spoken in words.items()
        for turn in _turns(channel, sorted(spoken, key=lambda word: word.span), speakers.get(channel, ()))
    ]
    return tuple(sorted(turns, key=lambda turn: (turn.span, turn.channel)))


def _turns(channel: Channel, words: Sequence[Word], speakers: Sequence[SpeakerSpan]) -> Iterator[Turn]:
    starts = [each.span.start_s for each in speakers]
    named = [(_speaker(word, channel, speakers, starts), word) for word in words]
    for speaker, run in groupby(named, key=lambda pair: pair[0]):
        open_turn: list[Word] = []
        for _, word in run:
            if open_turn and word.span.start_s - open_turn[-1].span.end_s > TURN_GAP_S:
                yield Turn(speaker, channel, tuple(open_turn))
                open_turn = []
            open_turn.append(word)
        yield Turn(speaker, channel, tuple(open_turn))


def _speaker(word: Word, channel: Channel, speakers: Sequence[SpeakerSpan], starts: Sequence[float]) -> str:
    """The speaker whose span the middle of the word lies in, else the nearest one."""
    if not speakers:
        return channel.value
    middle_s = (word.span.start_s + word.span.end_s) / 2
    after = bisect_left(starts, middle_s)
    near = speakers[max(after - 1, 0) : after + 1]
    return min(near, key=lambda each: max(each.span.start_s - middle_s, middle_s - each.span.end_s, 0.0)).speaker
