"""Listening again: parts of the redacted recording go through the recogniser once more, cut and packed differently.

:func:`where` decides what is worth it: the surroundings of every redaction and of every span for review, then words of
which the recogniser was not sure, as far as they fit the windows that are needed anyway. :func:`hear` takes blocks of
the recording that was written, packs those parts of all channels into as few windows as it can, each with the sentinel
at its end, and gives what was heard. A part is heard when the sentinel behind it was, and when it did not fall silent;
what was not is tried in smaller windows, and then reported as deaf.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from pipeline.audio import SPEECH_RATE_HZ
from pipeline.speech import WINDOW_S, Piece, Window
from pipeline.types import TimeSpan, Word
from pipeline.verify.spans import joined, widened, within, without

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from pipeline.audio import Speech
    from pipeline.speech import Signal
    from pipeline.transcribe import Transcriber
    from pipeline.types import Channel
    from pipeline.verify.sentinel import Sentinel

T = TypeVar("T")

GAP_S = 0.4  # silence between the parts of a window, so that words of two parts do not become one
LONGEST_PART_S = 20.0
SHORTEST_PART_S = 0.2  # nothing can be said in less
PACKED_S = 25.5  # of parts in a window with the silence behind each; the sentinel has the rest
PAD_S, PAUSE_S = 0.3, 0.8  # around speech, and between what is heard in one part
UNSURE = 0.5  # a word below this probability may have been another one
UNSURE_AROUND_S = 1.5
SHORTEST_HALF_S = 2.0  # a part is not cut smaller to be heard
WORDS_MISSED = 3  # so many words were there and none is heard: the part was not listened to
GIVE_UP = 8  # deaf parts after which nobody goes on
_LEAST_S = 0.05  # of a word
_FRAME, _FAINT = SPEECH_RATE_HZ // 10, 1e-3


@dataclass(frozen=True, slots=True)
class Ground:
    """One channel before it is listened to again.

    Args:
        targets: what to listen around.
        redacted: what is gone, and not listened to.
        speech: where a voice was heard.
        words: what was recognised there the first time.
        unsure: whether to listen to words the recogniser was not sure of as well, where there is room.
    """

    targets: tuple[TimeSpan, ...]
    redacted: tuple[TimeSpan, ...]
    speech: tuple[TimeSpan, ...]
    words: tuple[Word, ...] = field(repr=False)
    unsure: bool


@dataclass(frozen=True, slots=True)
class Hearing:
    """What was heard again.

    Args:
        words: by channel, in order, at call time.
        parts: by channel, what was listened to.
        deaf: parts that could not be heard through.
    """

    words: Mapping[Channel, tuple[Word, ...]] = field(repr=False)
    parts: Mapping[Channel, tuple[TimeSpan, ...]]
    deaf: tuple[tuple[Channel, TimeSpan], ...]

    @property
    def listened_s(self) -> float:
        """Seconds listened to, all channels together."""
        return sum(part.duration_s for parts in self.parts.values() for part in parts)


def where(grounds: Mapping[Channel, Ground], context_s: float) -> dict[Channel, tuple[TimeSpan, ...]]:
    """The parts of each channel to listen to again, in order: audible, spoken, none longer than LONGEST_PART_S.

    Args:
        grounds: of every channel.
        context_s: how much is listened to on either side of a target.
    """
    spoken = {
        channel: without(joined(widened(ground.speech, PAD_S), PAUSE_S), ground.redacted)
        for channel, ground in grounds.items()
    }
    needed = {
        channel: within(widened(ground.targets, context_s), spoken[channel]) for channel, ground in grounds.items()
    }
    return _cut_up(_with_unsure(needed, spoken, grounds), grounds)


def _with_unsure(
    needed: dict[Channel, list[TimeSpan]],
    spoken: Mapping[Channel, Sequence[TimeSpan]],
    grounds: Mapping[Channel, Ground],
) -> dict[Channel, list[TimeSpan]]:
    """What is needed and the surroundings of the least certain words, as far as that takes no further window."""
    windows = max(_windows_for(_cut_up(needed, grounds)), 1)
    unsure = [
        (word.probability, channel, word.span)
        for channel, ground in grounds.items()
        for word in ground.words
        if ground.unsure and word.probability < UNSURE
    ]
    for _, channel, span in sorted(unsure):
        around = within(widened((span,), UNSURE_AROUND_S), spoken[channel])
        more = {**needed, channel: joined((*needed[channel], *around))}
        if _windows_for(_cut_up(more, grounds)) > windows:
            break
        needed = more
    return needed


def _windows_for(parts: Mapping[Channel, Sequence[TimeSpan]]) -> int:
    """How many windows these parts fill, packed as they will be."""
    return sum(1 for _ in _packed(_in_order(parts), lambda part: part[1].duration_s, PACKED_S))


def _in_order(parts: Mapping[Channel, Sequence[TimeSpan]]) -> list[tuple[Channel, TimeSpan]]:
    """Parts of all channels by when they end, so that both sides of a talk are heard as they took turns."""
    return sorted(((channel, part) for channel, each in parts.items() for part in each), key=lambda part: part[1].end_s)


def _packed(parts: Iterable[T], length_s: Callable[[T], float], room_s: float) -> Iterator[tuple[T, ...]]:
    """The parts in order, as many together as fit into ``room_s`` with the silence behind each."""
    held: list[T] = []
    held_s = 0.0
    for part in parts:
        part_s = length_s(part) + GAP_S
        if held and held_s + part_s > room_s:
            yield tuple(held)
            held, held_s = [], 0.0
        held.append(part)
        held_s += part_s
    if held:
        yield tuple(held)


def _cut_up(
    spans: Mapping[Channel, Sequence[TimeSpan]], grounds: Mapping[Channel, Ground]
) -> dict[Channel, tuple[TimeSpan, ...]]:
    """The parts of these spans that something can be said in."""
    return {
        channel: tuple(
            part for span in each for part in _cut(span, grounds[channel].words) if part.duration_s >= SHORTEST_PART_S
        )
        for channel, each in spans.items()
    }


def _cut(span: TimeSpan, words: Sequence[Word]) -> Iterator[TimeSpan]:
    """Parts of a long span, cut between two words where there are any."""
    start_s = span.start_s
    while span.end_s - start_s > LONGEST_PART_S:
        latest_s = start_s + LONGEST_PART_S
        ends = [w.span.end_s for w in words if start_s + LONGEST_PART_S / 2 < w.span.end_s < latest_s]
        cut_s = max(ends, default=latest_s)
        yield TimeSpan(start_s, cut_s)
        start_s = cut_s
    yield TimeSpan(start_s, span.end_s)


def hear(
    blocks: Iterable[Speech],
    parts: Mapping[Channel, tuple[TimeSpan, ...]],
    expected: Mapping[Channel, Sequence[Word]],
    transcriber: Transcriber,
    language: str,
    planted: tuple[Sentinel, Signal],
) -> Hearing:
    """Listen to parts of a recording.

    Args:
        blocks: (channels, time) at 16 kHz of the recording that was written; channels in the order of ``parts``.
        parts: by channel, in order; see :func:`where`.
        expected: by channel, words that are still audible, as they were recognised the first time.
        transcriber: recogniser; the windows are cut and packed differently from the first time.
        language: ISO 639-1 code.
        planted: the sentinel and its sound after the call's codec.
    """
    middles = {on: sorted((w.span.start_s + w.span.end_s) / 2 for w in words) for on, words in expected.items()}
    listener = _Listener(transcriber, language, *planted, middles, {channel: [] for channel in parts})
    room_s = WINDOW_S - len(listener.sound) / SPEECH_RATE_HZ
    rounds = [listener.listen(_packed(_parts(blocks, parts), lambda part: part.span.duration_s, room_s))]
    while rounds and len(listener.deaf) < GIVE_UP:
        smaller = list(itertools.islice(rounds[-1], GIVE_UP))
        if smaller:
            rounds.append(listener.listen(smaller))
        else:
            rounds.pop()
    words = {channel: tuple(sorted(heard, key=lambda word: word.span)) for channel, heard in listener.words.items()}
    return Hearing(words, parts, tuple(listener.deaf))


@dataclass(frozen=True, slots=True)
class _Part:
    """What is listened to of a channel without a break: (time,) samples at 16 kHz."""

    channel: Channel
    span: TimeSpan
    samples: Signal = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Listener:
    """Gathers in ``words`` what is recognised before the sentinel, and in ``deaf`` what is not, however it is cut."""

    transcriber: Transcriber
    language: str
    sentinel: Sentinel
    sound: Signal = field(repr=False)
    expected: Mapping[Channel, Sequence[float]]  # middles of words, in order, s
    words: dict[Channel, list[Word]] = field(repr=False)
    deaf: list[tuple[Channel, TimeSpan]] = field(default_factory=list)

    def listen(self, packed: Iterable[tuple[_Part, ...]]) -> Iterator[tuple[_Part, ...]]:
        """Listen to windows of these parts; gives what was not heard through in smaller ones."""
        ours, theirs = itertools.tee(packed)
        heard = self.transcriber.transcribe((_window(parts, self.sound) for parts in theirs), self.language)
        for parts, (window, raw) in zip(ours, heard, strict=True):
            at = self.sentinel.begins(raw)
            if at is None:
                yield from self._smaller(parts, of=len(parts))
                continue
            for part, words in zip(parts, _by_piece(window, raw[:at]), strict=True):
                if not words and self._said_in(part) >= WORDS_MISSED:
                    yield from self._smaller((part,), of=len(parts))
                else:
                    self.words[part.channel].extend(words)

    def _said_in(self, part: _Part) -> int:
        middles = self.expected[part.channel]
        return bisect_left(middles, part.span.end_s) - bisect_left(middles, part.span.start_s)

    def _smaller(self, parts: Sequence[_Part], of: int) -> Iterator[tuple[_Part, ...]]:
        """These parts of a window of so many: one by itself, several in two windows, each channel in its own."""
        if len(parts) == 1 < of:
            yield tuple(parts)
            return
        cut = _halves(parts[0]) if len(parts) == 1 else parts
        if len(cut) == 1:
            self.deaf.append((parts[0].channel, parts[0].span))
            return
        first = [part for part in cut if part.channel is cut[0].channel]
        rest = [part for part in cut if part.channel is not cut[0].channel]
        if not rest:
            first, rest = list(cut[: len(cut) // 2]), list(cut[len(cut) // 2 :])
        yield tuple(first)
        yield tuple(rest)


def _halves(part: _Part) -> Sequence[_Part]:
    """A part in two; one that is short already as it is."""
    span, samples = part.span, part.samples
    if span.duration_s < 2 * SHORTEST_HALF_S:
        return (part,)
    half = len(samples) // 2
    cut_s = span.start_s + half / SPEECH_RATE_HZ
    return (
        _Part(part.channel, TimeSpan(span.start_s, cut_s), samples[:half]),
        _Part(part.channel, TimeSpan(cut_s, span.end_s), samples[half:]),
    )


def _by_piece(window: Window, words: Sequence[Word]) -> list[list[Word]]:
    """The words of each piece, at call time: those that end in it or in the silence behind it.

    Alignment begins a word after a pause where the pause begins, so its end says where it was.
    """
    heard: list[list[Word]] = [[] for _ in window.pieces]
    for word in words:
        index = max(sum(piece.offset_s < word.span.end_s for piece in window.pieces) - 1, 0)
        piece = window.pieces[index]
        shift_s = piece.span.start_s - piece.offset_s
        start_s = min(max(word.span.start_s + shift_s, piece.span.start_s), piece.span.end_s - _LEAST_S)
        end_s = min(max(word.span.end_s + shift_s, start_s + _LEAST_S), piece.span.end_s)
        heard[index].append(Word(word.text, TimeSpan(start_s, end_s), word.probability))
    return heard


def _parts(blocks: Iterable[Speech], wanted: Mapping[Channel, tuple[TimeSpan, ...]]) -> Iterator[_Part]:
    """The parts of all channels, in the order of :func:`_in_order`, as the blocks in which they end are read."""
    cutters = [_Cutter(channel, list(parts)) for channel, parts in wanted.items()]
    position = 0
    for block in blocks:
        done = [part for row, cutter in enumerate(cutters) for part in cutter.feed(block[row], position)]
        yield from sorted(done, key=lambda part: part.span.end_s)
        position += block.shape[1]
    for cutter in cutters:
        yield from cutter.flush()


@dataclass(slots=True)
class _Cutter:
    """Cuts the parts of one channel out of its blocks; ``wanted`` are those that are not complete."""

    channel: Channel
    wanted: list[TimeSpan]
    _open: list[Signal] = field(default_factory=list, repr=False)

    def feed(self, samples: Signal, position: int) -> Iterator[_Part]:
        """Parts that are complete with these (time,) samples, the first of which stands at ``position``."""
        end = position + len(samples)
        while self.wanted and (first := round(self.wanted[0].start_s * SPEECH_RATE_HZ)) < end:
            last = round(self.wanted[0].end_s * SPEECH_RATE_HZ)
            self._open.append(samples[max(first - position, 0) : last - position].copy())
            if last > end:
                return
            yield self._close()

    def flush(self) -> Iterator[_Part]:
        """What is left at the end of the recording."""
        if self._open:
            yield self._close()

    def _close(self) -> _Part:
        part = _Part(self.channel, self.wanted.pop(0), np.concatenate(self._open))
        self._open = []
        return part


def _window(parts: Sequence[_Part], sound: Signal) -> Window:
    """The parts with silence after each, and the sentinel, as loud as they are: a louder voice would be heard alone."""
    gap = np.zeros(round(GAP_S * SPEECH_RATE_HZ), np.float32)
    loudness = {
        channel: max(_loudness(p.samples) for p in parts if p.channel is channel)
        for channel in {p.channel for p in parts}
    }
    loud = max(loudness.values())
    pieces, samples, position = [], [], 0
    for part in parts:
        pieces.append(Piece(part.channel, position / SPEECH_RATE_HZ, part.span))
        samples += [part.samples * np.float32(loud / loudness[part.channel]), gap]
        position += len(part.samples) + len(gap)
    return Window(tuple(pieces), np.concatenate([*samples, sound * np.float32(loud / _loudness(sound))]))


def _loudness(samples: Signal) -> float:
    """Root mean square of the louder tenths of a second."""
    frames = np.pad(samples, (0, -len(samples) % _FRAME)).reshape(-1, _FRAME)
    return float(np.percentile(np.sqrt(np.mean(frames**2, axis=1)), 80)) + _FAINT
