"""Tones on the line: telephone keys (DTMF) and the beep of a recorder, found while the call is read.

Takes blocks of all channels at 16 kHz, gives :class:`Tone`. Works on one spectrum per 8 ms and keeps only the runs of
frames that may be tones, so memory does not grow with the blocks. A key is two steady sines at the frequencies of
ITU-T Q.23, held for 40 ms or more and true within 1.8 % (ITU-T Q.24); how much else may sound beside them depends on
how long and how true they are, because a voice passes through such a pair of frequencies but does not stay there.
Beside a key that is certain, fainter ones count as well: people press them in rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from pipeline.audio import SPEECH_RATE_HZ
from pipeline.types import TimeSpan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from pipeline.audio import Speech
    from pipeline.speech import Signal
    from pipeline.types import Channel

    Floats = NDArray[np.float32]

KEYPAD = "123A456B789C*0#D"
ROWS_HZ = np.array([697.0, 770.0, 852.0, 941.0], np.float32)
COLUMNS_HZ = np.array([1209.0, 1336.0, 1477.0, 1633.0], np.float32)
# The recorder warning tone of the former 47 CFR 64.501 and of California's General Order 107-B: 1400 Hz +- 10 %, for
# 0.17 to 0.25 s; Federal Standard 1037C says half a second.
BEEP_HZ, BEEP_S = (1260.0, 1540.0), (0.14, 0.65)

FRAME, HOP = 512, 128
HOP_S, FRAME_S = HOP / SPEECH_RATE_HZ, FRAME / SPEECH_RATE_HZ
_BIN_HZ = SPEECH_RATE_HZ / FRAME
_WINDOW = np.hanning(FRAME + 1)[:FRAME].astype(np.float32)
_SCALE = np.float32(4 / _WINDOW.sum() ** 2)
_LOBE = 2  # a sine's power lies in this many bins on either side of its peak
_LINE_HZ = (200.0, 3800.0)  # what a telephone line carries
_LOW_HZ, _HIGH_HZ = (640.0, 1010.0), (1150.0, 1720.0)

_OFF, _TWIST_DB, _LEAST_DB, _SHARE = 0.025, 15.0, -55.0, 0.2  # a frame beyond any of these is no key
_BEEP_SHARE = 0.7
_BEEP = len(KEYPAD)
_GAP = 2  # frames that another sound may hide within one key
# What makes a key certain: at least this many frames, this share of the line's power, this near to the frequencies.
# Set by benchmarks/tones.py, on speech in five languages and music on hold, and on keys in eight codecs.
_CERTAIN = ((5, 0.85, 0.018), (9, 0.65, 0.006), (12, 0.35, 0.005))
_FAINT = (3, 0.3, 0.012)
_STEADY = 0.0075  # median deviation of the frequencies within one key, as a share of them
BESIDE_S, BESIDE_DB = 2.0, 10.0  # how near a faint key is to a certain one, in time and in loudness


class ToneKind(StrEnum):
    """What a tone is."""

    KEY = "key"
    BEEP = "beep"


@dataclass(frozen=True, slots=True)
class Tone:
    """A tone on one channel. ``key`` is what was pressed, one of KEYPAD, and "" for a beep; it stays in memory."""

    channel: Channel
    span: TimeSpan
    kind: ToneKind
    level_db: float  # of its weaker sine, full scale = 0
    key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class _Run:
    """Consecutive frames with the same tone, by the number of the first frame and of the one after the last."""

    first: int
    end: int
    tone: int
    share: float
    off: float
    spread: float
    level_db: float

    @property
    def span(self) -> TimeSpan:
        """Seconds; a frame counts from its first sample to its last."""
        return TimeSpan(self.first * HOP_S, (self.end - 1) * HOP_S + FRAME_S)

    def passes(self, bar: tuple[int, float, float]) -> bool:
        """Whether it is long, pure and true enough."""
        frames, share, off = bar
        return self.end - self.first >= frames and self.share >= share and self.off <= off and self.spread <= _STEADY


@dataclass(frozen=True, slots=True)
class _Frames:
    """One row per frame: which tone it may be (-1 for none), and what was measured of it."""

    tone: NDArray[np.int8]
    measured: Floats
    """(frames, 4): share of the line's power, level of the weaker sine in dB, each frequency, how far off."""

    def joined(self, after: _Frames) -> _Frames:
        """These frames and those that follow."""
        return _Frames(np.concatenate([self.tone, after.tone]), np.concatenate([self.measured, after.measured]))

    def since(self, first: int) -> _Frames:
        """The frames from ``first`` on."""
        return _Frames(self.tone[first:], self.measured[first:])


class ToneListener:
    """Hears the blocks that pass through :meth:`listen`; :meth:`tones` tells what it heard so far.

    Args:
        channels: names of the rows.
    """

    def __init__(self, channels: Sequence[Channel]) -> None:
        self._lines = {channel: _Line() for channel in channels}

    def listen(self, blocks: Iterable[Speech]) -> Iterator[Speech]:
        """The (channels, time) blocks at 16 kHz as they are."""
        for block in blocks:
            for line, samples in zip(self._lines.values(), block, strict=True):
                line.feed(samples)
            yield block

    def tones(self) -> tuple[Tone, ...]:
        """Keys and beeps in order of time."""
        found = [
            Tone(channel, run.span, kind, run.level_db, KEYPAD[run.tone : run.tone + 1])
            for channel, line in self._lines.items()
            for kind, runs in ((ToneKind.KEY, _keys(line.runs())), (ToneKind.BEEP, _beeps(line.runs())))
            for run in runs
        ]
        return tuple(sorted(found, key=lambda tone: (tone.span, tone.channel)))


@dataclass(slots=True)
class _Line:
    """One channel while it is read: the samples of a frame that is not whole, the frames of a run that is open."""

    _samples: Signal = field(default_factory=lambda: np.zeros(0, np.float32))
    _open: _Frames = field(default_factory=lambda: _frames(np.zeros(0, np.float32)))
    _first: int = 0  # number of the first open frame
    _closed: list[_Run] = field(default_factory=list)

    def feed(self, samples: Signal) -> None:
        held = np.concatenate([self._samples, samples])
        fresh = _frames(held)
        self._samples = held[len(fresh.tone) * HOP :].copy()
        frames = self._open.joined(fresh)
        runs = _runs(frames, self._first)
        end = self._first + len(frames.tone)
        goes_on = runs.pop().first if runs and runs[-1].end >= end - _GAP else end
        self._closed += filter(_worth_keeping, runs)
        self._open, self._first = frames.since(goes_on - self._first), goes_on

    def runs(self) -> list[_Run]:
        return [*self._closed, *filter(_worth_keeping, _runs(self._open, self._first))]


def _frames(samples: Signal) -> _Frames:
    """What each whole frame of (time,) samples holds."""
    count = max((len(samples) - FRAME) // HOP + 1, 0)
    if count == 0:
        return _Frames(np.zeros(0, np.int8), np.zeros((0, 4), np.float32))
    windows = np.lib.stride_tricks.sliding_window_view(samples, FRAME)[::HOP]
    spectrum = np.fft.rfft(windows * _WINDOW, axis=1)
    power = np.asarray((spectrum.real**2 + spectrum.imag**2) * _SCALE, np.float32)
    first, last = (round(hz / _BIN_HZ) for hz in _LINE_HZ)
    line = power[:, first:last].sum(axis=1) + np.float32(1e-12)
    low_hz, low = _peak(power, _LOW_HZ)
    high_hz, high = _peak(power, _HIGH_HZ)
    row, row_off = _nearest(low_hz, ROWS_HZ)
    column, column_off = _nearest(high_hz, COLUMNS_HZ)
    share = (low + high) / line
    is_key = (
        (np.abs(row_off) < _OFF)
        & (np.abs(column_off) < _OFF)
        & (share > _SHARE)
        & (np.minimum(low, high) > 10 ** (_LEAST_DB / 10))
        & (np.abs(_db(high) - _db(low)) < _TWIST_DB)
    )
    is_beep = (high_hz >= BEEP_HZ[0]) & (high_hz <= BEEP_HZ[1]) & (high / line > _BEEP_SHARE) & ~is_key
    is_beep &= high > 10 ** (_LEAST_DB / 10)
    tone = np.where(is_key, row * len(COLUMNS_HZ) + column, np.where(is_beep, _BEEP, -1))
    keys = np.stack([share, _db(np.minimum(low, high)), row_off, column_off], axis=1)
    beep_off = high_hz * np.float32(2 / sum(BEEP_HZ)) - 1
    beeps = np.stack([high / line, _db(high), beep_off, beep_off], axis=1)
    return _Frames(tone.astype(np.int8), np.where(is_beep[:, None], beeps, keys))


def _peak(power: Floats, band_hz: tuple[float, float]) -> tuple[Floats, Floats]:
    """Frequency of each frame's strongest sine in a band, from the parabola through its bins, and its power."""
    first, last = int(band_hz[0] / _BIN_HZ), int(np.ceil(band_hz[1] / _BIN_HZ))
    peak = power[:, first : last + 1].argmax(axis=1) + first
    around = np.take_along_axis(power, peak[:, None] + np.arange(-_LOBE, _LOBE + 1), axis=1)
    left, middle, right = (_db(around[:, _LOBE + side]) for side in (-1, 0, 1))
    bend = left - 2 * middle + right
    shift = np.where(bend < 0, (left - right) / np.where(bend < 0, 2 * bend, 1), 0).clip(-0.5, 0.5)
    hertz: Floats = ((peak + shift) * _BIN_HZ).astype(np.float32)
    total: Floats = around.sum(axis=1)
    return hertz, total


def _nearest(hertz: Floats, wanted_hz: Floats) -> tuple[NDArray[np.intp], Floats]:
    """Which of the wanted frequencies is nearest, and how far off as a share of it."""
    off = hertz[:, None] / wanted_hz - 1
    which = np.abs(off).argmin(axis=1)
    return which, np.take_along_axis(off, which[:, None], axis=1)[:, 0]


def _db(power: Floats) -> Floats:
    decibels: Floats = 10 * np.log10(power + np.float32(1e-20))
    return decibels


def _runs(frames: _Frames, number: int) -> list[_Run]:
    """Runs of one tone each, short gaps bridged; ``number`` is the first frame's."""
    edges = np.flatnonzero(np.diff(frames.tone)) + 1
    stretches: list[tuple[int, int, int]] = []
    for first, end in zip((0, *edges.tolist()), (*edges.tolist(), len(frames.tone)), strict=True):
        tone = int(frames.tone[first]) if end > first else -1
        if tone < 0:
            continue
        if stretches and stretches[-1][2] == tone and first - stretches[-1][1] <= _GAP:
            stretches[-1] = (stretches[-1][0], end, tone)
        else:
            stretches.append((first, end, tone))
    return [_run(frames, first, end, tone, number) for first, end, tone in stretches]


def _run(frames: _Frames, first: int, end: int, tone: int, number: int) -> _Run:
    here = frames.measured[first:end][frames.tone[first:end] == tone]
    off = here[:, 2:]
    middle = np.median(off, axis=0)
    return _Run(
        first=number + first,
        end=number + end,
        tone=tone,
        share=float(here[:, 0].mean()),
        off=float(np.abs(middle).max()),
        spread=float(np.median(np.abs(off - middle), axis=0).max()),
        level_db=float(np.median(here[:, 1])),
    )


def _worth_keeping(run: _Run) -> bool:
    return run.tone == _BEEP or run.passes(_FAINT) or any(run.passes(bar) for bar in _CERTAIN)


def _keys(runs: Sequence[_Run]) -> list[_Run]:
    """Certain keys, and the faint ones near them."""
    keys = [run for run in runs if run.tone < _BEEP]
    certain = [run for run in keys if any(run.passes(bar) for bar in _CERTAIN)]
    return [run for run in keys if any(_of_one_row(run, sure) for sure in certain)]


def _of_one_row(one: _Run, other: _Run) -> bool:
    """Whether two keys are pressed one after the other on the same telephone."""
    apart_s = (max(one.first, other.first) - min(one.end, other.end)) * HOP_S
    return apart_s <= BESIDE_S and abs(one.level_db - other.level_db) <= BESIDE_DB


def _beeps(runs: Sequence[_Run]) -> list[_Run]:
    return [
        run
        for run in runs
        if run.tone == _BEEP and BEEP_S[0] <= run.span.duration_s <= BEEP_S[1] and run.spread <= _STEADY
    ]
