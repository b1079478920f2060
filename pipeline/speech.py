"""Where somebody speaks: speech probabilities become speech spans, and spans become windows for the recogniser.

Works on one channel, block by block, and keeps no more than the speech that is still open. A window holds pieces of
speech with the silence between them left out, so that a channel costs as much as its owner talks; each piece knows
where in the call it came from.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np

from pipeline.audio import SPEECH_RATE_HZ
from pipeline.types import Channel, TimeSpan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

Signal: TypeAlias = "NDArray[np.float32]"
"""(time,) float32 in [-1, 1] at SPEECH_RATE_HZ: one channel."""

Probabilities: TypeAlias = "NDArray[np.float32]"
"""(frames,) speech probability of each VAD_FRAME samples."""

VAD_FRAME = 512
FRAME_S = VAD_FRAME / SPEECH_RATE_HZ

# Low on purpose: speech that is taken for silence is never transcribed, so never redacted.
ENTER_PROBABILITY, LEAVE_PROBABILITY = 0.30, 0.20
# A channel that is this much quieter than the other one, and than its own speech, carries the other one's echo.
ECHO_DB = 15.0
MIN_SPEECH_S, MIN_SILENCE_S = 0.09, 0.25
PIECE_PAD_S = 0.30
JOIN_GAP_S = 0.80  # a pause this short stays in the piece
WINDOW_S = 28.0
OPEN_WINDOWS = 2  # what does not fit into the one may fit into the other: a window costs the same however full it is
MIN_PART_S = 0.3
ENTERED_S = 0.15  # a word that reaches less far into a piece is not of it
_PAUSE_FRAMES = 5  # a cut is in the middle of the quietest stretch this long


@dataclass(frozen=True, slots=True)
class VadState:
    """What a detector remembers from one block to the next: the last samples it heard."""

    context: Signal = field(repr=False)


class Vad(Protocol):
    """A voice activity detector."""

    def probabilities(self, samples: Signal, state: VadState | None) -> tuple[Probabilities, VadState]:
        """One probability per VAD_FRAME of (time,) samples, and the state for the samples that follow."""
        ...


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of a window: ``offset_s`` in the window is ``span.start_s`` in the call."""

    channel: Channel
    offset_s: float
    span: TimeSpan


@dataclass(frozen=True, slots=True)
class Window:
    """At most WINDOW_S seconds for the recogniser."""

    pieces: tuple[Piece, ...]
    samples: Signal = field(repr=False)

    @property
    def channel(self) -> Channel:
        """Whose the first piece is; a window that is not listened to again is of one channel."""
        return self.pieces[0].channel

    def part(self, span: TimeSpan) -> Window | None:
        """The part of the window that lies in a span of call time, from one piece; None if no piece holds it."""
        for piece in self.pieces:
            start_s, end_s = max(span.start_s, piece.span.start_s), min(span.end_s, piece.span.end_s)
            if end_s - start_s >= MIN_PART_S:
                first = round((piece.offset_s + start_s - piece.span.start_s) * SPEECH_RATE_HZ)
                samples = self.samples[first : first + round((end_s - start_s) * SPEECH_RATE_HZ)]
                return Window((Piece(piece.channel, 0.0, TimeSpan(start_s, end_s)),), samples)
        return None

    def in_call(self, span: TimeSpan, *, paused: bool = False) -> TimeSpan:
        """Where a span of window time lies in the call: within the piece that it ends in.

        Alignment has a word after a pause begin where the pause begins, so its end says in which piece it was said.

        Args:
            span: of a word.
            paused: whether the word may have a pause in it, as a number has: it begins in the piece that it begins in.
        """
        last = self._piece_at(span.end_s - ENTERED_S)
        first = self._piece_at(min(span.start_s + ENTERED_S, span.end_s)) if paused else last
        start_s = max(span.start_s - first.offset_s, 0.0) + first.span.start_s
        end_s = min(max(span.end_s - last.offset_s, 0.0) + last.span.start_s, last.span.end_s)
        return TimeSpan(min(start_s, end_s), end_s)

    def _piece_at(self, at_s: float) -> Piece:
        return next((piece for piece in reversed(self.pieces) if piece.offset_s <= at_s), self.pieces[0])


def speech_spans(probabilities: Probabilities, *, goes_on: bool = False) -> list[TimeSpan]:
    """Spans of speech, from entering ENTER_PROBABILITY until MIN_SILENCE_S below LEAVE_PROBABILITY.

    Args:
        probabilities: one per frame.
        goes_on: whether more will follow, so that a span which is open at the end counts however short it is.
    """
    spans: list[TimeSpan] = []
    start: int | None = None
    last = 0
    min_silence = round(MIN_SILENCE_S / FRAME_S)
    for frame, probability in enumerate(probabilities.tolist()):
        if probability >= (ENTER_PROBABILITY if start is None else LEAVE_PROBABILITY):
            start = frame if start is None else start
            last = frame
        elif start is not None and frame - last > min_silence:
            spans.append(TimeSpan(start * FRAME_S, (last + 1) * FRAME_S))
            start = None
    closed = [span for span in spans if span.duration_s >= MIN_SPEECH_S]
    if start is not None:
        at_end = TimeSpan(start * FRAME_S, (last + 1) * FRAME_S)
        closed += [at_end] if goes_on or at_end.duration_s >= MIN_SPEECH_S else []
    return closed


@dataclass(slots=True)
class SpeechCutter:
    """Cuts one channel into windows while it is read; the only state is speech that is still open.

    Args:
        channel: which channel.
        vad: the detector.
        window_s: no window is longer, and no speech without a pause is waited for longer.
    """

    channel: Channel
    vad: Vad
    window_s: float = WINDOW_S
    speech: list[TimeSpan] = field(default_factory=list)
    _state: VadState | None = None
    _speech_db: float = -90.0  # how loud this channel's own speech is
    _start_frame: int = 0  # of what is held, counted from the start of the call
    _done_s: float = 0.0  # speech before this is cut already; in call time
    _cut_s: float = 0.0  # where a monologue was cut last; nothing is heard on both sides of it
    _samples: Signal = field(default_factory=lambda: np.zeros(0, np.float32))
    _probabilities: Probabilities = field(default_factory=lambda: np.zeros(0, np.float32))
    _open: list[list[tuple[TimeSpan, Signal]]] = field(default_factory=list)  # windows that may still get a piece

    def feed(self, samples: Signal, other: Signal | None = None, *, last: bool = False) -> Iterator[Window]:
        """Windows that are complete now; ``last`` closes everything. Blocks but the last are whole VAD frames.

        Args:
            samples: (time,) of this channel.
            other: (time,) of the other channel, whose echo is not to be heard as speech.
            last: whether the call ends with these samples.
        """
        if len(samples):
            found, self._state = self.vad.probabilities(samples, self._state)
            if other is not None:
                found = self._without_echo(found, samples, other)
            self._samples = np.concatenate([self._samples, samples])
            self._probabilities = np.concatenate([self._probabilities, found])
        spans = self._spans(goes_on=not last)
        end_s = self._base_s + len(self._probabilities) * FRAME_S
        keep_from_s, until_s = end_s, math.inf
        if not last and spans and spans[-1].end_s > end_s - JOIN_GAP_S - PIECE_PAD_S:
            still_open = spans.pop()
            keep_from_s = still_open.start_s
            while still_open.end_s - keep_from_s > self.window_s:
                cut_s = self._quietest_s(keep_from_s + self.window_s / 2, keep_from_s + self.window_s - 1.0)
                spans.append(TimeSpan(keep_from_s, cut_s))
                keep_from_s = until_s = cut_s
        self.speech[-1:] = _joined((*self.speech[-1:], *spans), gap_s=0.0)
        for piece in _joined(spans, JOIN_GAP_S):
            for part in self._parts(piece, until_s):
                yield from self._add(part)
        self._done_s, self._cut_s = keep_from_s, self._cut_s if until_s == math.inf else until_s
        if last:
            yield from self.release()
        else:
            self._forget(keep_from_s)

    def release(self) -> Iterator[Window]:
        """The windows that may still get a piece, as they are."""
        yield from map(self._window, self._open)
        self._open = []

    @property
    def pending_s(self) -> float:
        """Everything said before this, in call time, is in windows that were given out."""
        return min((self._done_s, *(pieces[0][0].start_s for pieces in self._open)))

    def _without_echo(self, found: Probabilities, samples: Signal, other: Signal) -> Probabilities:
        level_db, other_db = _levels_db(samples), _levels_db(other)
        if len(speaking := level_db[found >= ENTER_PROBABILITY]):
            self._speech_db = max(self._speech_db, float(np.percentile(speaking, 90)))
        echo = (level_db < other_db - ECHO_DB) & (level_db < self._speech_db - ECHO_DB)
        return np.where(echo, 0.0, found).astype(np.float32)

    @property
    def _base_s(self) -> float:
        return self._start_frame * FRAME_S

    def _spans(self, *, goes_on: bool) -> list[TimeSpan]:
        """Speech in what is held and not yet cut, in call time."""
        base_s, done_s = self._base_s, self._done_s
        found = speech_spans(self._probabilities, goes_on=goes_on)
        held = (TimeSpan(s.start_s + base_s, s.end_s + base_s) for s in found)
        return [TimeSpan(max(s.start_s, done_s), s.end_s) for s in held if s.end_s > done_s]

    def _quietest_s(self, from_s: float, to_s: float) -> float:
        first, end = (round((each - self._base_s) / FRAME_S) for each in (from_s, to_s))
        around = np.convolve(self._probabilities[first:end], np.ones(_PAUSE_FRAMES), "valid")
        return self._base_s + (first + int(np.argmin(around)) + _PAUSE_FRAMES // 2) * FRAME_S

    def _parts(self, piece: TimeSpan, until_s: float) -> Iterator[TimeSpan]:
        """A piece of speech with a little of the silence around it, cut where it is quietest if it is too long."""
        start_s, end_s = max(piece.start_s - PIECE_PAD_S, self._cut_s), min(piece.end_s + PIECE_PAD_S, until_s)
        while end_s - start_s > self.window_s:
            self._cut_s = self._quietest_s(start_s + self.window_s / 2, start_s + self.window_s - 1.0)
            yield TimeSpan(start_s, self._cut_s)
            start_s = self._cut_s
        yield TimeSpan(start_s, end_s)

    def _add(self, part: TimeSpan) -> Iterator[Window]:
        """Put a part of the call into an open window; gives the fullest one when there is room in none."""
        first = max(round((part.start_s - self._base_s) * SPEECH_RATE_HZ), 0)
        samples = self._samples[first : round((part.end_s - self._base_s) * SPEECH_RATE_HZ)].copy()
        start_s = self._base_s + first / SPEECH_RATE_HZ
        span = TimeSpan(start_s, start_s + len(samples) / SPEECH_RATE_HZ)
        fitting = [pieces for pieces in self._open if _length_s(pieces) + span.duration_s <= self.window_s]
        if fitting:
            max(fitting, key=_length_s).append((span, samples))
            return
        if len(self._open) == OPEN_WINDOWS:
            yield self._window(self._open.pop(max(range(OPEN_WINDOWS), key=lambda each: _length_s(self._open[each]))))
        self._open.append([(span, samples)])

    def _window(self, held: Sequence[tuple[TimeSpan, Signal]]) -> Window:
        pieces, offset_s = [], 0.0
        for span, _ in held:
            pieces.append(Piece(self.channel, offset_s, span))
            offset_s += span.duration_s
        return Window(tuple(pieces), np.concatenate([samples for _, samples in held]))

    def _forget(self, keep_from_s: float) -> None:
        """Drop what lies before, but for the padding that the next piece may want."""
        drop = max(int((keep_from_s - self._base_s - PIECE_PAD_S) / FRAME_S), 0)
        self._samples = self._samples[drop * VAD_FRAME :].copy()
        self._probabilities = self._probabilities[drop:].copy()
        self._start_frame += drop


def _length_s(held: Iterable[tuple[TimeSpan, Signal]]) -> float:
    return sum(span.duration_s for span, _ in held)


def _levels_db(samples: Signal) -> Signal:
    """Loudness of each VAD frame, dB full scale, the loudest of three neighbours."""
    frames = np.pad(samples, (0, -len(samples) % VAD_FRAME)).reshape(-1, VAD_FRAME)
    levels = 10 * np.log10(np.mean(frames**2, axis=1) + 1e-9)
    around = np.pad(levels, 1, constant_values=-90.0)
    loudest: Signal = np.maximum(np.maximum(around[:-2], around[2:]), levels)
    return loudest


def _joined(spans: Iterable[TimeSpan], gap_s: float) -> list[TimeSpan]:
    """Spans with pauses no longer than ``gap_s`` closed."""
    joined: list[TimeSpan] = []
    for span in spans:
        if joined and span.start_s - joined[-1].end_s <= gap_s:
            joined[-1] = TimeSpan(joined[-1].start_s, span.end_s)
        else:
            joined.append(span)
    return joined
