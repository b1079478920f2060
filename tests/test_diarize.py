"""The parts of diarization that need no weights: windows, voting, naming, the limit on speakers."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.diarize import DiarizeOptions, PyannoteDiarizer
from models.diarize.attribute import Frames, WindowSpeakers, assign, exclusive_spans, merged, runs, vote
from models.diarize.windows import WindowBatch, window_batches
from pipeline.errors import MissingModel

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

FRAMES = Frames(step_s=0.1, center_s=0.05)  # ten frames of 0.1 s make a window of 1 s
ANNE, BORIS, CARLA = np.eye(3, dtype=np.float32)
SILENT = np.full(3, np.nan, dtype=np.float32)
OPTIONS = DiarizeOptions(step_s=0.5, min_train_s=0.3)


def by_direction(voices: NDArray[np.float32]) -> NDArray[np.int_]:
    """A clustering that is exact for the unit vectors of these tests."""
    return np.unique(voices.argmax(axis=1), return_inverse=True)[1]


def window(start_s: float, *speakers: tuple[str, NDArray[np.float32]]) -> WindowSpeakers:
    """A window whose local speakers are written as ten characters, ``x`` where active."""
    active = np.array([[mark == "x" for mark in marks] for marks, _ in speakers], dtype=bool).T
    return WindowSpeakers(start_s, active, np.stack([voice for _, voice in speakers]))


def said(*windows: WindowSpeakers, options: DiarizeOptions = OPTIONS) -> list[tuple[str, float, float]]:
    """Speaker, start and end of every span."""
    spans = exclusive_spans(windows, FRAMES, options, by_direction)
    return [(each.speaker, round(each.span.start_s, 6), round(each.span.end_s, 6)) for each in spans]


@given(
    lengths=st.lists(st.integers(0, 60), max_size=12),
    step=st.integers(1, 10),
    batch=st.integers(1, 4),
)
def test_windows_cover_a_recording_whatever_its_blocks(lengths: list[int], step: int, batch: int) -> None:
    """Windows put back in their places give every sample of the recording, and no window is padding only."""
    total = sum(lengths)
    recording = np.arange(1, total + 1, dtype=np.float32)
    blocks = np.split(recording, np.cumsum(lengths)[:-1]) if lengths else []
    heard = np.zeros(total, dtype=np.float32)
    first = 0
    for part in window_batches(blocks, window=10, step=step, batch=batch):
        assert part.samples.shape[0] == (part.count - 1) * step + 10
        for index in range(part.count):
            start = (first + index) * step
            samples = part.samples[index * step : index * step + 10]
            assert samples[0] == start + 1
            heard[start : start + 10] = samples[: total - start]
        first += part.count
    assert np.array_equal(heard, recording)


def test_windows_hold_one_batch_of_audio() -> None:
    """Ten minutes in blocks of 0.1 s are never held for longer than a batch and a block span."""
    held: list[int] = []

    def blocks() -> list[NDArray[np.float32]]:
        return [np.ones(10, dtype=np.float32) for _ in range(6_000)]

    batches = list(window_batches(blocks(), window=100, step=25, batch=4))
    held = [part.samples.shape[0] for part in batches]
    assert max(held) == 3 * 25 + 100
    assert all(part.samples.base is None or part.samples.base.shape[0] <= 2 * (3 * 25 + 100) for part in batches)


def test_the_last_window_says_what_is_padding() -> None:
    """Zeros past the end of the recording are not counted as recording."""
    (only,) = window_batches([np.ones(7, dtype=np.float32)], window=10, step=5, batch=4)
    assert (only.count, only.valid, only.samples.tolist()) == (1, 7, [1.0] * 7 + [0.0] * 3)
    assert isinstance(only, WindowBatch)


def test_local_speakers_are_joined_by_voice() -> None:
    """Two windows that number the same two people differently agree on who speaks."""
    spans = said(
        window(0.0, ("xxxxx.....", ANNE), (".....xxxxx", BORIS)),
        window(0.5, ("xxxxx.....", BORIS), (".....xxxxx", ANNE)),
    )
    assert spans == [("SPEAKER_00", 0.0, 0.5), ("SPEAKER_01", 0.5, 1.0), ("SPEAKER_00", 1.0, 1.5)]


def test_speakers_are_numbered_in_order_of_appearance() -> None:
    """The first to speak is SPEAKER_00, whatever the clustering called it."""
    assert [each[0] for each in said(window(0.0, ("xxxx......", CARLA), (".....xxxx.", ANNE)))] == [
        "SPEAKER_00",
        "SPEAKER_01",
    ]


@pytest.mark.parametrize(
    ("windows", "speech"),
    [
        pytest.param((), [], id="no audio"),
        pytest.param((window(0.0, ("..........", SILENT)),), [], id="nobody speaks"),
        pytest.param((window(0.0, ("xxxx......", SILENT)),), [("SPEAKER_00", 0.0, 0.4)], id="no voice to compare"),
        pytest.param((window(0.0, ("x.........", ANNE)),), [("SPEAKER_00", 0.0, 0.1)], id="shorter than any training"),
    ],
)
def test_little_speech_is_still_speech(
    windows: tuple[WindowSpeakers, ...], speech: list[tuple[str, float, float]]
) -> None:
    """What cannot be told apart belongs to one speaker; silence belongs to nobody."""
    assert said(*windows) == speech


def test_a_voice_heard_briefly_joins_the_nearest_speaker() -> None:
    """A local speaker below the training limit founds no speaker of its own."""
    near_boris = np.array([0.0, 0.9, 0.44], dtype=np.float32)
    spans = said(
        window(0.0, ("xxxxx.....", ANNE), (".....xxxx.", BORIS)),
        window(1.0, ("xx........", near_boris), ("..........", SILENT)),
    )
    assert [each[0] for each in spans] == ["SPEAKER_00", "SPEAKER_01", "SPEAKER_01"]


def test_never_more_speakers_than_allowed() -> None:
    """The two closest groups are joined first."""
    near_anne = np.array([0.8, 0.0, 0.6], dtype=np.float32)
    voices = np.stack([ANNE, BORIS, near_anne, BORIS])
    assert merged(voices, np.array([0, 1, 2, 1]), 2).tolist() == [0, 1, 0, 1]
    assert merged(voices, np.array([0, 1, 2, 1]), 1).tolist() == [0, 0, 0, 0]


def test_clustering_sees_a_bounded_number_of_voices() -> None:
    """However long the call, at most ``max_train`` voices are clustered; all others are assigned."""
    windows = [window(0.5 * i, ("xxxxxxxxxx", (ANNE, BORIS)[i % 2])) for i in range(50)]
    sizes: list[int] = []

    def counting(voices: NDArray[np.float32]) -> NDArray[np.int_]:
        sizes.append(len(voices))
        return by_direction(voices)

    assigned = assign(windows, FRAMES, DiarizeOptions(max_train=9), counting)
    assert sizes == [9]
    assert assigned[:, 0].tolist() == [0, 1] * 25


@given(
    st.lists(
        st.tuples(st.lists(st.integers(0, 7), min_size=10, max_size=10), st.permutations([0, 1, 2])),
        min_size=1,
        max_size=8,
    )
)
def test_spans_are_exclusive_ordered_and_inside(drawn: list[tuple[list[int], list[int]]]) -> None:
    """Whatever the windows say, spans come in order, do not overlap, and lie inside what the windows cover."""
    people = np.eye(3, dtype=np.float32)
    windows = [
        WindowSpeakers(
            0.5 * index,
            np.array([[code >> local & 1 for local in range(3)] for code in codes], dtype=bool),
            people[order],
        )
        for index, (codes, order) in enumerate(drawn)
    ]
    spans = exclusive_spans(windows, FRAMES, OPTIONS, by_direction)
    assert all(each.span.start_s < each.span.end_s for each in spans)
    assert all(one.span.end_s <= two.span.start_s + 1e-9 for one, two in pairwise(spans))
    if spans:
        assert spans[0].span.start_s >= -1e-9
        assert spans[-1].span.end_s <= 0.5 * (len(windows) - 1) + 1.0 + 1e-9
        assert spans[0].speaker == "SPEAKER_00"


def test_a_frame_needs_more_than_half_of_its_windows() -> None:
    """One of two windows that cover a frame equally well does not make speech of it."""
    twice = [window(0.0, ("xxxxxxxxxx", ANNE)), window(0.0, ("..........", SILENT))]
    assert runs(vote(twice, np.array([[0], [-1]]), FRAMES)) == []
    assert runs(vote(twice[:1], np.array([[0]]), FRAMES)) == [(0, 0, 10)]


def test_missing_weights_say_how_to_get_them(tmp_path: Path) -> None:
    """Without weights nothing is imported or downloaded; the error names the command."""
    with pytest.raises(MissingModel, match="callseal models fetch"):
        PyannoteDiarizer(tmp_path, tmp_path)


def test_importing_the_adapter_imports_neither_torch_nor_pyannote() -> None:
    """Both are loaded when a diarizer is built."""
    code = "import sys, models.diarize; print(sorted({'torch', 'pyannote.audio', 'pyannote'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
