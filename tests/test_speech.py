"""Cutting: every bit of speech reaches the recogniser, at its own time, in windows of a length that it was made for."""

# ruff: noqa: SLF001 -- bounded memory and order of writes are seen from inside only

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.fakes import FakeVad
from pipeline.audio import BLOCK_S, SPEECH_RATE_HZ
from pipeline.speech import (
    ENTER_PROBABILITY,
    FRAME_S,
    LEAVE_PROBABILITY,
    MIN_PART_S,
    MIN_SILENCE_S,
    MIN_SPEECH_S,
    OPEN_WINDOWS,
    PIECE_PAD_S,
    VAD_FRAME,
    WINDOW_S,
    SpeechCutter,
    VadState,
    Window,
    speech_spans,
)
from pipeline.types import Channel, TimeSpan
from tests.factories import span, speaking

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.speech import Probabilities, Signal

LOUD, QUIET = 0.1, 0.0


class ScriptedVad:
    """Gives the scripted probabilities, one after the other."""

    def __init__(self, probabilities: Sequence[float]) -> None:
        self._coming = list(probabilities)

    def probabilities(self, samples: Signal, state: VadState | None) -> tuple[Probabilities, VadState]:
        """The next ones."""
        count = -(-len(samples) // VAD_FRAME)
        found, self._coming = self._coming[:count], self._coming[count:]
        return np.array(found, np.float32), state or VadState(np.zeros(0, np.float32))


def noise(runs: Sequence[tuple[bool, int]], seed: int = 0) -> Signal:
    """Frames of noise, loud or silent by runs, so that every stretch of it is told from every other."""
    loud = np.repeat([each for each, _ in runs], [count * VAD_FRAME for _, count in runs])
    sounds = np.random.default_rng(seed).uniform(0.05, LOUD, len(loud)).astype(np.float32)
    return np.where(loud, sounds, np.float32(QUIET))


def windows(signal: Signal, block_frames: Sequence[int] = (960,), vad: FakeVad | None = None) -> list[Window]:
    """All windows of a channel that is fed in blocks of these many frames, over and over."""
    cutter = SpeechCutter(Channel.CUSTOMER, vad or FakeVad())
    found: list[Window] = []
    at = turn = 0
    while at < len(signal):
        size = block_frames[turn % len(block_frames)] * VAD_FRAME
        found.extend(cutter.feed(signal[at : at + size]))
        at, turn = at + size, turn + 1
    found.extend(cutter.feed(np.zeros(0, np.float32), last=True))
    return found


def heard(found: Sequence[Window], length: int) -> Sequence[int]:
    """How many windows hold each sample."""
    counts = np.zeros(length, int)
    for window in found:
        for piece in window.pieces:
            first = round(piece.span.start_s * SPEECH_RATE_HZ)
            counts[first : first + round(piece.span.duration_s * SPEECH_RATE_HZ)] += 1
    return counts.tolist()


RUNS = st.lists(st.tuples(st.booleans(), st.integers(1, 700)), min_size=1, max_size=12)
BLOCKS = st.lists(st.integers(1, 1200), min_size=1, max_size=4)


@settings(max_examples=30)
@given(RUNS, BLOCKS)
def test_all_speech_is_in_a_window_whatever_the_blocks(runs: list[tuple[bool, int]], blocks: list[int]) -> None:
    """Every loud stretch that is long enough to be speech is in exactly one window, whatever the blocks."""
    signal = noise(runs)
    found = windows(signal, blocks)
    counts = np.array(heard(found, len(signal)))
    for each in speech_spans(FakeVad().probabilities(signal, None)[0]):
        first, end = round(each.start_s * SPEECH_RATE_HZ), round(each.end_s * SPEECH_RATE_HZ)
        assert counts[first:end].min() == 1
        # The silence around may be heard from both sides, and with it a frame of speech.
        assert (counts[first:end] > 1).sum() <= (2 * PIECE_PAD_S - MIN_SILENCE_S) * SPEECH_RATE_HZ
    assert counts.max(initial=0) <= 2


@settings(max_examples=30)
@given(RUNS, BLOCKS)
def test_windows_are_short_and_in_order(runs: list[tuple[bool, int]], blocks: list[int]) -> None:
    """No window is longer than the recogniser takes, its samples are its pieces', and time goes forward in it."""
    found = windows(noise(runs), blocks)
    for window in found:
        length_s = len(window.samples) / SPEECH_RATE_HZ
        assert 0 < length_s <= WINDOW_S
        assert length_s == pytest.approx(sum(piece.span.duration_s for piece in window.pieces))
        starts = [piece.span.start_s for piece in window.pieces]
        assert starts == sorted(starts)


@settings(max_examples=30)
@given(RUNS, BLOCKS, st.floats(0, 1), st.floats(0.01, 0.5))
def test_times_of_a_window_are_times_of_the_call(
    runs: list[tuple[bool, int]], blocks: list[int], share: float, length_s: float
) -> None:
    """The samples of each piece are those of the call at the piece's span, and a span inside it maps there."""
    signal = noise(runs)
    for window in windows(signal, blocks):
        for piece in window.pieces:
            first, at = round(piece.span.start_s * SPEECH_RATE_HZ), round(piece.offset_s * SPEECH_RATE_HZ)
            count = round(piece.span.duration_s * SPEECH_RATE_HZ)
            assert np.array_equal(window.samples[at : at + count], signal[first : first + count])
            start_s = piece.offset_s + share * (piece.span.duration_s - length_s)
            if start_s > piece.offset_s:
                mapped = window.in_call(span(start_s, start_s + length_s))
                assert mapped.start_s - piece.span.start_s == pytest.approx(start_s - piece.offset_s)
                assert mapped.duration_s == pytest.approx(length_s)


def test_a_short_piece_fills_the_window_that_a_long_one_left_open() -> None:
    """Speech of 20, 20 and 6 s takes two windows, though the two before the last do not fit together."""
    long, pause, short = (True, round(20 / FRAME_S)), (False, 100), (True, round(6 / FRAME_S))
    assert len(windows(noise([long, pause, long, pause, short]))) == 2


def test_a_word_over_the_joint_of_two_pieces_stays_in_one() -> None:
    """A word that the recogniser lays over the seam belongs to the piece that it ends in; a number may be in both."""
    found = windows(noise([(True, 60), (False, 100), (True, 60)]))
    (window,) = found
    first, second = window.pieces
    seam_s = second.offset_s
    assert window.in_call(span(seam_s - 0.5, seam_s + 0.1)).end_s == pytest.approx(first.span.end_s)
    assert window.in_call(span(seam_s - 0.1, seam_s + 0.5)).start_s == pytest.approx(second.span.start_s)
    long_before = window.in_call(span(seam_s - 1.2, seam_s + 0.3))
    assert (long_before.start_s, long_before.end_s) == pytest.approx((second.span.start_s, second.span.start_s + 0.3))
    number = window.in_call(span(seam_s - 1.2, seam_s + 0.3), paused=True)
    assert number.start_s == pytest.approx(first.span.end_s - 1.2)
    assert number.end_s == pytest.approx(second.span.start_s + 0.3)
    assert window.in_call(span(seam_s - 0.1, seam_s + 0.5), paused=True).start_s == pytest.approx(second.span.start_s)


def test_a_part_of_a_window_is_the_same_sound() -> None:
    """A part holds the samples of its span, clipped to one piece; where there is too little, there is no part."""
    signal = noise([(False, 50), (True, 100), (False, 100), (True, 100), (False, 50)])
    (window,) = windows(signal)
    second = window.pieces[1]
    part = window.part(span(second.span.start_s + 0.4, second.span.start_s + 1.4))
    assert part is not None
    (piece,) = part.pieces
    assert piece.offset_s == 0.0
    assert piece.span.duration_s == pytest.approx(1.0)
    first = round(piece.span.start_s * SPEECH_RATE_HZ)
    assert np.array_equal(part.samples, signal[first : first + len(part.samples)])
    clipped = window.part(span(second.span.end_s - 0.5, second.span.end_s + 9.0))
    assert clipped is not None
    assert clipped.pieces[0].span.end_s == second.span.end_s
    assert window.part(span(second.span.end_s - MIN_PART_S / 2, second.span.end_s + 9.0)) is None
    assert window.part(span(1000.0, 1001.0)) is None


@pytest.mark.parametrize("pause_at_frame", [500, 640, 760])
def test_a_monologue_is_cut_where_it_is_quietest(pause_at_frame: int) -> None:
    """Speech without a pause long enough to end it is cut in the one short pause it has."""
    pause = 5
    assert pause * FRAME_S < MIN_SILENCE_S
    found = windows(noise([(True, pause_at_frame), (False, pause), (True, 700)]))
    cut_s = found[1].pieces[0].span.start_s
    quiet = span(pause_at_frame * FRAME_S, (pause_at_frame + pause) * FRAME_S)
    assert quiet.start_s <= cut_s < quiet.end_s


@pytest.mark.parametrize("block_frames", [31, 960])
def test_memory_does_not_grow_with_the_call(block_frames: int) -> None:
    """Somebody who never stops, or music on hold, is held no longer than somebody who does."""
    cutter = SpeechCutter(Channel.CUSTOMER, FakeVad())
    block = noise([(True, block_frames)])
    most = 0
    for _ in range(round(600 / (block_frames * FRAME_S))):
        for window in cutter.feed(block):
            assert len(window.samples) <= (WINDOW_S) * SPEECH_RATE_HZ
        held = sum(len(samples) for pieces in cutter._open for _, samples in pieces)
        most = max(most, len(cutter._samples) + held)
    assert most <= ((OPEN_WINDOWS + 1) * WINDOW_S + block_frames * FRAME_S + 1.0) * SPEECH_RATE_HZ


def test_silence_is_forgotten() -> None:
    """A channel on which nobody speaks gives no window and keeps no samples."""
    cutter = SpeechCutter(Channel.AGENT, FakeVad())
    for _ in range(10):
        assert list(cutter.feed(noise([(False, 960)]))) == []
    assert len(cutter._samples) <= 2 * PIECE_PAD_S * SPEECH_RATE_HZ
    assert list(cutter.feed(np.zeros(0, np.float32), last=True)) == []


@pytest.mark.parametrize("silence_s", [0.0, 0.1])
def test_nothing_at_all(silence_s: float) -> None:
    """A call without samples has no windows."""
    assert windows(np.zeros(int(silence_s * SPEECH_RATE_HZ), np.float32)) == []


def test_the_echo_of_the_other_channel_is_no_speech() -> None:
    """What is heard faintly while the other end speaks, far below this end's own voice, is not transcribed again."""
    own, others = span(0.5, 3.0), span(5.0, 9.0)
    agent = speaking([own], 12.0).astype(np.float32)
    customer = speaking([others], 12.0, seed=9).astype(np.float32)
    agent += 0.1 * customer
    deaf = SpeechCutter(Channel.AGENT, FakeVad())
    list(deaf.feed(agent, last=True))
    assert any(each.overlaps(others) for each in deaf.speech), "the echo is loud enough to be heard"
    cutter = SpeechCutter(Channel.AGENT, FakeVad())
    list(cutter.feed(agent, customer, last=True))
    assert any(each.overlaps(own) for each in cutter.speech)
    assert not any(each.overlaps(others) for each in cutter.speech)


def test_a_soft_voice_is_no_echo() -> None:
    """Two people who speak at the same time are both heard, also when one of them is softer."""
    both = span(1.0, 4.0)
    agent = 0.25 * speaking([both], 6.0).astype(np.float32)
    customer = speaking([both], 6.0, seed=9).astype(np.float32)
    cutter = SpeechCutter(Channel.AGENT, FakeVad())
    list(cutter.feed(agent, customer, last=True))
    assert any(each.overlaps(both) for each in cutter.speech)


@pytest.mark.parametrize(
    ("probabilities", "frames"),
    [
        ([], []),
        ([0.0] * 20, []),
        ([1.0] * 20, [(0, 20)]),
        ([0.0] * 3 + [1.0] * 10 + [0.0] * 20, [(3, 13)]),
        ([1.0] * 5 + [0.0] * 5 + [1.0] * 5, [(0, 15)]),
        ([1.0] * 5 + [0.0] * 20 + [1.0] * 5, [(0, 5), (25, 30)]),
        ([0.0] * 9 + [1.0] * 2 + [0.0] * 20, []),
        ([0.25] * 20, []),
        ([1.0] * 3 + [0.25] * 20 + [0.0] * 20, [(0, 23)]),
    ],
    ids=["nothing", "silence", "speech", "a stretch", "short pause", "long pause", "click", "doubt", "fading"],
)
def test_speech_spans(probabilities: list[float], frames: list[tuple[int, int]]) -> None:
    """Speech begins where it is likely, lasts while it is not unlikely, and a click is none."""
    assert LEAVE_PROBABILITY < 0.25 < ENTER_PROBABILITY
    assert 2 * FRAME_S < MIN_SPEECH_S
    expected = [TimeSpan(first * FRAME_S, end * FRAME_S) for first, end in frames]
    assert speech_spans(np.array(probabilities, np.float32)) == expected


@settings(max_examples=30)
@given(
    st.lists(st.floats(0, 1, width=32), min_size=1, max_size=2000), st.lists(st.integers(1, 40), min_size=1, max_size=3)
)
def test_speech_that_was_heard_does_not_depend_on_blocks(probabilities: list[float], blocks: list[int]) -> None:
    """The spans a cutter reports are those of the whole call at once, whatever the blocks."""
    cutter = SpeechCutter(Channel.CUSTOMER, ScriptedVad(probabilities))
    silence = np.zeros(len(probabilities) * VAD_FRAME, np.float32)
    at = turn = 0
    while at < len(silence):
        size = blocks[turn % len(blocks)] * VAD_FRAME
        list(cutter.feed(silence[at : at + size]))
        at, turn = at + size, turn + 1
    list(cutter.feed(np.zeros(0, np.float32), last=True))
    whole = speech_spans(np.array(probabilities, np.float32))
    assert [(round(s.start_s, 6), round(s.end_s, 6)) for s in cutter.speech] == [
        (round(s.start_s, 6), round(s.end_s, 6)) for s in whole
    ]


def test_blocks_are_whole_frames() -> None:
    """Decoding gives blocks that a detector's frames divide, as the cutter asks for."""
    assert BLOCK_S * SPEECH_RATE_HZ % VAD_FRAME == 0
