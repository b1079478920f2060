"""From the local speakers of every window to the speakers of the call: pure numpy, the clustering is passed in.

A segmentation model numbers the speakers of each window on its own. Windows are joined by voice: the voices heard long
enough alone are clustered, every local speaker then goes to the nearest cluster, and overlapping windows vote on
each frame. Times are seconds; a frame is one output step of the segmentation model.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

import numpy as np

from pipeline.types import SpeakerSpan, TimeSpan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class DiarizeOptions:
    """How mono calls are diarized; the defaults were chosen with ``benchmarks/diarization.py``.

    Args:
        step_s: seconds from one window to the next, at most the 10 s of a window. Smaller is slower.
        threshold: how far apart, in cosine distance, two groups of voices may be and still be one speaker.
        min_train_s: seconds that a local speaker must be heard alone for its voice to found a cluster.
        max_train: number of voices that are clustered, evenly spaced over the call, so that memory stays bounded.
        min_cluster_size: voices below which a group is no speaker of its own and joins the nearest one; in short
            calls it shrinks to a tenth of all voices.
        min_cluster_share: the same as a share of all voices; the greater counts, as stray voices add up in long calls.
        max_speakers: upper limit; the closest speakers are merged until it holds.
        max_voice_s: seconds of speech that a voice is computed from, at most.
        windows_per_batch: windows that are segmented at once.
        voices_per_batch: voices that are computed at once.
    """

    step_s: float = 2.5
    threshold: float = 0.48
    min_train_s: float = 1.0
    max_train: int = 1_500
    min_cluster_size: int = 5
    min_cluster_share: float = 0.04
    max_speakers: int = 6
    max_voice_s: float = 6.0
    windows_per_batch: int = 16
    voices_per_batch: int = 4


@dataclass(frozen=True, slots=True)
class Frames:
    """Where the frames of a window lie: frame ``i`` is centred ``center_s + i * step_s`` after the window starts."""

    step_s: float
    center_s: float


@dataclass(frozen=True, slots=True)
class WindowSpeakers:
    """What was heard in one window.

    Args:
        start_s: where the window starts.
        active: (frames, local speakers) bool.
        voices: (local speakers, dimension) float32 of unit length; a row of NaN where there is no voice to compare.
    """

    start_s: float
    active: NDArray[np.bool_]
    voices: NDArray[np.float32]


class Clustering(Protocol):
    """Groups voices."""

    def __call__(self, voices: NDArray[np.float32]) -> NDArray[np.int_]:
        """(voices,) group numbers 0..k-1 of (voices, dimension) unit vectors."""
        ...


def exclusive_spans(
    windows: Sequence[WindowSpeakers], frames: Frames, options: DiarizeOptions, cluster: Clustering
) -> tuple[SpeakerSpan, ...]:
    """Exclusive speaker spans of a call, in time order, exact to half a frame.

    Args:
        windows: all windows of the call, in order.
        frames: where the frames of a window lie.
        options: see ``DiarizeOptions``.
        cluster: groups the voices that found the speakers.
    """
    if not any(window.active.any() for window in windows):
        return ()
    assigned = assign(windows, frames, options, cluster)
    speaker = vote(windows, assigned, frames)
    offset_s = frames.center_s - frames.step_s / 2
    spans = [
        (number, first * frames.step_s + offset_s, end * frames.step_s + offset_s)
        for number, first, end in runs(speaker)
    ]
    return named(spans)


def assign(
    windows: Sequence[WindowSpeakers], frames: Frames, options: DiarizeOptions, cluster: Clustering
) -> NDArray[np.int_]:
    """(windows, local speakers) speaker of the call, or -1 where a local speaker is silent."""
    voices = np.stack([window.voices for window in windows])
    heard = np.stack([window.active.any(axis=0) for window in windows])
    alone_s = np.stack([_alone(window.active).sum(axis=0) for window in windows]) * frames.step_s
    usable = heard & np.isfinite(voices).all(axis=2)
    assigned = np.where(heard, 0, -1)
    if not usable.any():
        return assigned
    founding = usable & (alone_s >= min(options.min_train_s, alone_s[usable].max()))
    founders = voices[founding]
    founders = founders[np.linspace(0, len(founders) - 1, min(len(founders), options.max_train)).astype(int)]
    groups = merged(founders, cluster(founders), options.max_speakers)
    centers = _centers(founders, groups)
    assigned[usable] = np.argmax(voices[usable] @ centers.T, axis=1)
    return assigned


def merged(voices: NDArray[np.float32], groups: NDArray[np.int_], limit: int) -> NDArray[np.int_]:
    """The groups, the two closest joined until there are at most ``limit``; numbered from 0 without gaps."""
    groups = np.unique(groups, return_inverse=True)[1]
    while groups.max() >= limit:
        centers = _centers(voices, groups)
        likeness = np.triu(centers @ centers.T, k=1) + np.tril(np.full((len(centers),) * 2, -np.inf))
        kept, gone = np.unravel_index(np.argmax(likeness), likeness.shape)
        groups = np.unique(np.where(groups == gone, kept, groups), return_inverse=True)[1]
    return groups


def vote(windows: Sequence[WindowSpeakers], assigned: NDArray[np.int_], frames: Frames) -> NDArray[np.int_]:
    """(frames of the call,) who speaks, -1 for nobody.

    A frame is speech if the windows that cover it count more than half a speaker on average (pyannote's rule for the
    number of speakers), and belongs to the speaker whom most of them hear. A vote weighs less near the edge of its
    window, where the segmentation has little to go by.
    """
    firsts = [round(window.start_s / frames.step_s) for window in windows]
    total = firsts[-1] + windows[-1].active.shape[0]
    weight = np.hamming(windows[0].active.shape[0]).astype(np.float32)
    votes = np.zeros((total, int(assigned.max()) + 1), dtype=np.float32)
    balance = np.zeros(total, dtype=np.float32)
    for first, window, speakers in zip(firsts, windows, assigned, strict=True):
        covered = slice(first, first + window.active.shape[0])
        balance[covered] += weight * (window.active.sum(axis=1) - 0.5)
        for speaker in np.unique(speakers[speakers >= 0]):
            votes[covered, speaker] += weight * window.active[:, speakers == speaker].any(axis=1)
    return np.where(balance > 0, votes.argmax(axis=1), -1)


def runs(speaker: NDArray[np.int_]) -> list[tuple[int, int, int]]:
    """(speaker, first frame, frame after the last) of every unbroken run of one speaker."""
    edges = np.flatnonzero(np.diff(speaker, prepend=-1, append=-1))
    return [(int(speaker[a]), int(a), int(b)) for a, b in pairwise(edges) if speaker[a] >= 0]


def named(spans: Sequence[tuple[int, float, float]]) -> tuple[SpeakerSpan, ...]:
    """The spans with their speakers called ``SPEAKER_00``, ``SPEAKER_01``, ... in order of first appearance."""
    names: dict[int, str] = {}
    for number, _, _ in spans:
        names.setdefault(number, f"SPEAKER_{len(names):02d}")
    return tuple(SpeakerSpan(names[number], TimeSpan(start_s, end_s)) for number, start_s, end_s in spans)


def _alone(active: NDArray[np.bool_]) -> NDArray[np.bool_]:
    alone: NDArray[np.bool_] = active & (active.sum(axis=1, keepdims=True) == 1)
    return alone


def _centers(voices: NDArray[np.float32], groups: NDArray[np.int_]) -> NDArray[np.float32]:
    centers = np.stack([voices[groups == group].mean(axis=0) for group in range(groups.max() + 1)])
    unit: NDArray[np.float32] = centers / np.maximum(np.linalg.norm(centers, axis=1, keepdims=True), np.float32(1e-12))
    return unit
