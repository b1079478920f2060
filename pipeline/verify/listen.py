"""Listening again: parts of the redacted recording go through the recogniser once more, cut and packed differently.

:func:`where` decides what is worth it: the surroundings of every redaction and of every span for review, then words of
which the recogniser was not sure, as far as they fit the windows that are needed anyway. :func:`hear` takes blocks of
the recording that was written, packs those parts into as few windows as it can, each with the sentinel at its end, and
gives what was heard. A part is heard when the sentinel behind it was, and when it did not fall silent; what was not is
tried in smaller windows, and then reported as deaf. At most one block and a window per channel are in memory.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pipeline.audio import SPEECH_RATE_HZ
from pipeline.speech import WINDOW_S, Piece, Window
from pipeline.types import TimeSpan, Word
from pipeline.verify.spans import joined, widened, within, without

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pipeline.audio import Speech
    from pipeline.speech import Signal
    from pipeline.transcribe import Transcriber
    from pipeline.types import Channel
    from pipeline.verify.sentinel import Sentinel

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


def where(ground: Ground, context_s: float) -> tuple[TimeSpan, ...]:
    """The parts of one channel to listen to again, in order: audible, spoken, none longer than LONGEST_PART_S."""
    spoken = without(joined(widened(ground.speech, PAD_S), PAUSE_S), ground.redacted)
    needed = within(widened(ground.targets, context_s), spoken)
    if ground.unsure:
        needed = _with_unsure(needed, spoken, ground.words)
    return tuple(part for span in needed for part in _cut(span, ground.words) if part.duration_s >= SHORTEST_PART_S)


def _with_unsure(needed: list[TimeSpan], spoken: Sequence[TimeSpan], words: Sequence[Word]) -> list[TimeSpan]:
    """What is needed and the surroundings of the least certain words, as far as that takes no further window."""
    windows = max(_windows_for(needed, words), 1)
    unsure = [word for word in words if word.probability < UNSURE]
    for word in sorted(unsure, key=lambda word: word.probability):
        more = joined((*needed, *within(widened((word.span,), UNSURE_AROUND_S), spoken)))
        if _windows_for(more, words) > windows:
            break
        needed = more
    return needed


def _windows_for(spans: Sequence[TimeSpan], words: Sequence[Word]) -> int:
    """How many windows the parts of these spans fill, packed in order."""
    windows, held_s = 0, PACKED_S
    for part_s in (part.duration_s + GAP_S for span in spans for part in _cut(span, words)):
        if held_s + part_s > PACKED_S:
            windows, held_s = windows + 1, 0.0
        held_s += part_s
    return windows


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
    rounds = [listener.listen(_windows(blocks, parts, listener.sound))]
    while rounds and len(listener.deaf) < GIVE_UP:
        smaller = list(itertools.islice(rounds[-1], GIVE_UP))
        if smaller:
            rounds.append(listener.listen(smaller))
        else:
            rounds.pop()
    words = {channel: tuple(sorted(heard, key=lambda word: word.span)) for channel, heard in listener.words.items()}
    return Hearing(words, parts, tuple(listener.deaf))


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

    def listen(self, windows: Iterable[Window]) -> Iterator[Window]:
        """Smaller windows of what was not heard through."""
        for window, raw in self.transcriber.transcribe(windows, self.language):
            at = self.sentinel.begins(raw)
            if at is None:
                yield from self._smaller(window, window.pieces)
                continue
            for piece, heard in _by_piece(window, raw[:at]):
                if not heard and self._said_in(piece.span, window.channel) >= WORDS_MISSED:
                    yield from self._smaller(window, (piece,))
                else:
                    self.words[window.channel].extend(heard)

    def _said_in(self, span: TimeSpan, channel: Channel) -> int:
        middles = self.expected[channel]
        return bisect_left(middles, span.end_s) - bisect_left(middles, span.start_s)

    def _smaller(self, window: Window, pieces: Sequence[Piece]) -> Iterator[Window]:
        cut = [(piece.span, _samples(window, piece)) for piece in pieces]
        if len(pieces) == 1 < len(window.pieces):
            yield _window(window.channel, cut, self.sound)
            return
        if len(pieces) == 1:
            cut = _halves(*cut[0])
        if len(cut) == 1:
            self.deaf.append((window.channel, pieces[0].span))
            return
        middle = len(cut) // 2
        yield _window(window.channel, cut[:middle], self.sound)
        yield _window(window.channel, cut[middle:], self.sound)


def _halves(span: TimeSpan, samples: Signal) -> list[tuple[TimeSpan, Signal]]:
    """A part in two; one that is short already as it is."""
    if span.duration_s < 2 * SHORTEST_HALF_S:
        return [(span, samples)]
    half = len(samples) // 2
    cut_s = span.start_s + half / SPEECH_RATE_HZ
    return [(TimeSpan(span.start_s, cut_s), samples[:half]), (TimeSpan(cut_s, span.end_s), samples[half:])]


def _by_piece(window: Window, words: Sequence[Word]) -> Iterator[tuple[Piece, list[Word]]]:
    """Each piece with its words, at call time: those that end in it or in the silence behind it.

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
    yield from zip(window.pieces, heard, strict=True)


def _windows(
    blocks: Iterable[Speech], parts: Mapping[Channel, tuple[TimeSpan, ...]], sound: Signal
) -> Iterator[Window]:
    """Windows of the parts as they complete, each with the sentinel's sound at its end."""
    packers = [_Packer(channel, list(wanted), sound) for channel, wanted in parts.items()]
    position = 0
    for block in blocks:
        for row, packer in enumerate(packers):
            yield from packer.feed(block[row], position)
        position += block.shape[1]
    for packer in packers:
        yield from packer.flush()


@dataclass(slots=True)
class _Packer:
    """Cuts the parts of one channel out of its blocks and packs them; ``wanted`` are those that are not complete."""

    channel: Channel
    wanted: list[TimeSpan]
    sound: Signal = field(repr=False)
    _open: list[Signal] = field(default_factory=list, repr=False)
    _packed: list[tuple[TimeSpan, Signal]] = field(default_factory=list, repr=False)

    def feed(self, samples: Signal, position: int) -> Iterator[Window]:
        """Windows that are full with these (time,) samples, the first of which stands at ``position``."""
        end = position + len(samples)
        while self.wanted and (first := round(self.wanted[0].start_s * SPEECH_RATE_HZ)) < end:
            last = round(self.wanted[0].end_s * SPEECH_RATE_HZ)
            self._open.append(samples[max(first - position, 0) : last - position].copy())
            if last > end:
                return
            yield from self._close()

    def flush(self) -> Iterator[Window]:
        """What is left at the end of the recording."""
        if self._open:
            yield from self._close()
        if self._packed:
            yield _window(self.channel, self._packed, self.sound)
            self._packed = []

    def _close(self) -> Iterator[Window]:
        span, samples = self.wanted.pop(0), np.concatenate(self._open)
        self._open = []
        held_s = sum(each.duration_s + GAP_S for each, _ in self._packed)
        if self._packed and held_s + span.duration_s + GAP_S + len(self.sound) / SPEECH_RATE_HZ > WINDOW_S:
            yield _window(self.channel, self._packed, self.sound)
            self._packed = []
        self._packed.append((span, samples))


def _samples(window: Window, piece: Piece) -> Signal:
    first = round(piece.offset_s * SPEECH_RATE_HZ)
    return window.samples[first : first + round(piece.span.duration_s * SPEECH_RATE_HZ)]


def _window(channel: Channel, packed: Sequence[tuple[TimeSpan, Signal]], sound: Signal) -> Window:
    """The parts with silence after each, and the sentinel, as loud as they are: a louder voice would be heard alone."""
    gap = np.zeros(round(GAP_S * SPEECH_RATE_HZ), np.float32)
    pieces, samples, position = [], [], 0
    for span, part in packed:
        pieces.append(Piece(position / SPEECH_RATE_HZ, span))
        samples += [part, gap]
        position += len(part) + len(gap)
    loud = max(_loudness(part) for _, part in packed)
    return Window(channel, tuple(pieces), np.concatenate([*samples, sound * np.float32(loud / _loudness(sound))]))


def _loudness(samples: Signal) -> float:
    """Root mean square of the louder tenths of a second."""
    frames = np.pad(samples, (0, -len(samples) % _FRAME)).reshape(-1, _FRAME)
    return float(np.percentile(np.sqrt(np.mean(frames**2, axis=1)), 80)) + _FAINT
