"""How loud a call is, moment by moment, where in its speech there is sound, and which channels carry an echo.

Takes blocks on their way to the recogniser and passes them on; gives, per channel, the level of every HOP_S, and the
detector's spans of speech trimmed to what can be heard in them. A voice activity detector closes no pause shorter
than a quarter of a second and rounds its edges; levels show the pauses between words. Keeps 200 bytes a second.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pipeline.audio import SPEECH_RATE_HZ
from pipeline.types import TimeSpan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from pipeline.audio import Speech

HOP_S = 0.01
_HOP = round(HOP_S * SPEECH_RATE_HZ)
_CHUNK = 50  # hops whose loudest and quietest parts are taken together
_AROUND = 2  # chunks on either side that count as well
_STAYS, _REACHES = 0.35, 0.5  # of the way from the noise to the voice: a sound stays above one and reaches the other
_QUIETER_DB = 20.0  # nobody drops his voice further below what is usual on the channel
_RANGE_DB, _LEAST_DB = 45.0, 8.0  # of that way, however quiet or loud the line
_SLACK_S = 0.1  # sound this near to detected speech belongs to it
_BESIDE_S, _ENOUGH = 0.3, 50  # a voice rings on this long; hops that a median needs
_AUDIBLE_DB = 3.0  # an echo is heard from so far above the noise
SHORTEST_PAUSE_S = 0.06  # a shorter one is a stop consonant
SHORTEST_SOUND_S = 0.03  # a shorter one is a click


@dataclass(slots=True)
class Loudness:
    """Levels of all channels, gathered while the blocks pass."""

    _parts: list[NDArray[np.float16]] = field(default_factory=list, repr=False)
    _rest: Speech | None = field(default=None, repr=False)

    def watch(self, blocks: Iterable[Speech]) -> Iterator[Speech]:
        """The (channels, time) blocks at 16 kHz, unchanged."""
        for block in blocks:
            held = block if self._rest is None else np.concatenate([self._rest, block], axis=1)
            whole = held.shape[1] // _HOP
            hops = held[:, : whole * _HOP].reshape(len(held), whole, _HOP)
            self._parts.append((10 * np.log10(np.mean(hops**2, axis=2) + 1e-10)).astype(np.float16))
            self._rest = held[:, whole * _HOP :].copy()
            yield block

    def levels(self) -> NDArray[np.float16]:
        """(channels, hops) in dB full scale."""
        return np.concatenate(self._parts, axis=1) if self._parts else np.zeros((0, 0), np.float16)


def carries_echo(own: NDArray[np.float16], speech: Sequence[TimeSpan], other: Sequence[TimeSpan]) -> bool:
    """Whether a channel is louder while only the other side speaks than while nobody does.

    Args:
        own: (hops,) of the channel, dB.
        speech: sounds of its owner.
        other: sounds of the other side.
    """
    near = _during(speech, len(own), _BESIDE_S)
    there = _during(other, len(own), 0.0)
    alone, nobody = own[there & ~near], own[~_during(other, len(own), _BESIDE_S) & ~near]
    if len(alone) < _ENOUGH or len(nobody) < _ENOUGH:
        return False
    return bool(np.median(alone.astype(np.float32)) - np.median(nobody.astype(np.float32)) >= _AUDIBLE_DB)


def _during(spans: Sequence[TimeSpan], count: int, beside_s: float) -> NDArray[np.bool_]:
    """Which hops lie in the spans or so near to them."""
    inside = np.zeros(count, np.bool_)
    for span in spans:
        inside[max(int((span.start_s - beside_s) / HOP_S), 0) : int((span.end_s + beside_s) / HOP_S) + 1] = True
    return inside


def sounds(levels: NDArray[np.float16], speech: Sequence[TimeSpan]) -> tuple[TimeSpan, ...]:
    """Speech without the pauses in it.

    Args:
        levels: (hops,) of the channel, dB.
        speech: where a voice was heard, in order.
    """
    rise = _rise(levels.astype(np.float32), speech)
    heard = [sound for span in speech for sound in _runs(rise, span)]
    return tuple(_closed(heard))


def _rise(levels: NDArray[np.float32], speech: Sequence[TimeSpan]) -> NDArray[np.float32]:
    """How far each hop rises from the noise around it (0) to the voice around it (1)."""
    if not len(levels) or not speech:
        return levels
    chunks = np.pad(levels, (0, -len(levels) % _CHUNK), mode="edge").reshape(-1, _CHUNK)
    quiet, voice = np.percentile(chunks, (10, 90), axis=1)
    spoken = [voice[int(s.start_s / HOP_S) // _CHUNK : int(s.end_s / HOP_S) // _CHUNK + 1] for s in speech]
    usual = np.percentile(np.concatenate(spoken), 90)
    peak = np.maximum(_around(voice), usual - _QUIETER_DB)
    floor = np.maximum(-_around(-quiet), peak - _RANGE_DB)
    peak = np.maximum(peak, floor + _LEAST_DB)
    smooth = np.convolve(np.pad(levels, 1, mode="edge"), np.ones(3) / 3, "valid")
    floor, peak = (np.repeat(each, _CHUNK)[: len(levels)] for each in (floor, peak))
    rise: NDArray[np.float32] = ((smooth - floor) / (peak - floor)).astype(np.float32)
    return rise


def _around(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The greatest of each value and its neighbours."""
    padded = np.pad(values, _AROUND, mode="edge")
    greatest: NDArray[np.float64] = np.lib.stride_tricks.sliding_window_view(padded, 2 * _AROUND + 1).max(axis=1)
    return greatest


def _runs(rise: NDArray[np.float32], span: TimeSpan) -> Iterator[TimeSpan]:
    """Runs that stay above the lower threshold and somewhere reach the higher one."""
    first = max(round((span.start_s - _SLACK_S) / HOP_S), 0)
    here = rise[first : round((span.end_s + _SLACK_S) / HOP_S)]
    edges = np.flatnonzero(np.diff((here > _STAYS).astype(np.int8), prepend=0, append=0))
    for start, end in edges.reshape(-1, 2).tolist():
        if here[start:end].max() > _REACHES:
            yield TimeSpan((first + start) * HOP_S, (first + end) * HOP_S)


def _closed(found: Iterable[TimeSpan]) -> list[TimeSpan]:
    """Sounds with the shortest pauses between them closed; clicks left out."""
    joined: list[TimeSpan] = []
    for span in found:
        if joined and span.start_s - joined[-1].end_s < SHORTEST_PAUSE_S:
            joined[-1] = TimeSpan(joined[-1].start_s, max(joined[-1].end_s, span.end_s))
        else:
            joined.append(span)
    return [span for span in joined if span.duration_s >= SHORTEST_SOUND_S]
