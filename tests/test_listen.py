"""Listening again: what is worth it, how it is packed, and when a part counts as heard."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.fakes import FakeTranscriber, spoken
from pipeline.audio import SPEECH_RATE_HZ
from pipeline.speech import WINDOW_S, Window
from pipeline.types import Channel, SpokenLanguage, TimeSpan, Word
from pipeline.verify.listen import GAP_S, GIVE_UP, LONGEST_PART_S, PACKED_S, Ground, Hearing, hear, where
from pipeline.verify.sentinel import sentinel
from tests.factories import span, speaking, word

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

AGENT, CUSTOMER = Channel.AGENT, Channel.CUSTOMER
PLANTED = sentinel("en")
LATER = {AGENT: 0, CUSTOMER: 1}
SOUND = np.full(2 * SPEECH_RATE_HZ, 0.3, np.float32)


def ground(targets: Sequence[TimeSpan] = (), words: Sequence[Word] = (), *, unsure: bool = False) -> Ground:
    """A channel on which somebody speaks from 0 to 30 s and from 60 to 70 s; the targets are redacted."""
    return Ground(tuple(targets), tuple(targets), (span(0, 30), span(60, 70)), tuple(words), unsure=unsure)


def alone(one: Ground, context_s: float = 3.0) -> tuple[TimeSpan, ...]:
    """What is listened to of a channel that is the only one."""
    return where({AGENT: one}, context_s)[AGENT]


@pytest.mark.parametrize(
    ("targets", "parts"),
    [
        ((), ()),
        ((span(10, 12),), (span(7, 10), span(12, 15))),
        ((span(10, 12), span(14, 15)), (span(7, 10), span(12, 14), span(15, 18))),
        ((span(29, 31),), (span(26, 29),)),  # nobody speaks after 30.3 s
        ((span(1, 2),), (span(0, 1), span(2, 5))),
        ((span(10, 12), span(12.1, 13)), (span(7, 10), span(13, 16))),  # a tenth of a second says nothing
        ((span(40, 50),), ()),
    ],
)
def test_around_what_is_redacted(targets: tuple[TimeSpan, ...], parts: tuple[TimeSpan, ...]) -> None:
    """Speech on both sides of a redaction is listened to, silence and the redaction itself are not."""
    assert where({AGENT: ground(targets), CUSTOMER: ground()}, 3.0) == {AGENT: parts, CUSTOMER: ()}


def test_what_is_not_redacted_is_listened_to() -> None:
    """A span for review that was left in is listened to with its surroundings."""
    assert alone(replace(ground((span(10, 12),)), redacted=())) == (span(7, 15),)


def test_unsure_words_fill_the_window() -> None:
    """Words that the recogniser was not sure of are listened to, the least certain first, while there is room."""
    words = [word("sure", 5, 6, 0.9), *(word("hm", at, at + 1, 0.1 + at / 1000) for at in (15, 22, 64))]
    assert alone(ground((), words)) == ()
    assert alone(ground((), words, unsure=True)) == (span(13.5, 17.5), span(20.5, 24.5), span(62.5, 66.5))
    many = [word("hm", at, at + 1, 0.1 + at / 1000) for at in (*range(0, 30, 2), *range(60, 70, 2))]
    full = alone(ground((), many, unsure=True))
    assert 20.0 < sum(each.duration_s + GAP_S for each in full) <= PACKED_S
    assert full[0].start_s == 0.0


def test_unsure_words_of_both_sides_share_the_room() -> None:
    """The least certain word goes first, whoever said it, and both sides fill the same windows."""
    said = {on: [word("hm", at, at + 1, (at + late) / 100) for at in range(0, 30, 6)] for on, late in LATER.items()}
    parts = where({on: ground((), words, unsure=True) for on, words in said.items()}, 3.0)
    assert (parts[AGENT][0], parts[CUSTOMER][0]) == (span(0, 2.5), span(0, 2.5))
    assert abs(len(parts[AGENT]) - len(parts[CUSTOMER])) <= 1
    assert 20.0 < sum(each.duration_s + GAP_S for each in (*parts[AGENT], *parts[CUSTOMER])) <= PACKED_S


@given(
    *[st.lists(st.tuples(st.sampled_from([AGENT, CUSTOMER]), st.integers(0, 28)), max_size=most) for most in (8, 20)]
)
def test_unsure_words_take_no_further_window(
    targets: list[tuple[Channel, int]], unsure: list[tuple[Channel, int]]
) -> None:
    """What is only unsure is listened to in windows that are needed anyway; it never makes one by itself."""

    def windows(*, listens: bool) -> list[Window]:
        grounds = {
            channel: ground(
                [span(at, at + 1) for on, at in targets if on is channel],
                [word("hm", at, at + 0.5, 0.1) for on, at in unsure if on is channel],
                unsure=listens,
            )
            for channel in (AGENT, CUSTOMER)
        }
        return listened(FakeTranscriber({}), where(grounds, 1.0), QUIET)[1]

    assert len(windows(listens=True)) <= max(len(windows(listens=False)), 1)


def test_long_parts_are_cut_between_words() -> None:
    """No part is longer than a window takes, and none is cut inside a word while there is a pause."""
    words = [word("well", at, at + 0.9) for at in range(30)]
    parts = alone(replace(ground((span(0, 30),), words), redacted=()), 0.5)
    assert all(each.duration_s <= LONGEST_PART_S for each in parts)
    assert parts[0].end_s == pytest.approx(19.9)
    assert parts[1].start_s == parts[0].end_s


@dataclass
class Recording:
    """Keeps the windows that a recogniser is given."""

    inner: FakeTranscriber
    windows: list[Window] = field(default_factory=list)

    def detect_language(self, windows: Sequence[Window]) -> SpokenLanguage:
        """Never asked."""
        raise AssertionError

    def transcribe(self, windows: Iterable[Window], language: str) -> Iterator[tuple[Window, tuple[Word, ...]]]:
        """Passed on."""
        for window in windows:
            self.windows.append(window)
            yield from self.inner.transcribe([window], language)


QUIET: dict[Channel, tuple[Word, ...]] = {AGENT: (), CUSTOMER: ()}
SCRIPT = {AGENT: spoken("how can I help you today", 1.0), CUSTOMER: spoken("four one one one and no more", 40.0)}
PARTS = {AGENT: (span(0.5, 4), span(50, 52)), CUSTOMER: (span(39, 41.38), span(41.38, 44))}


@cache
def script_rows() -> NDArray[np.float32]:
    """(channels, time) at 16 kHz: a minute of the script."""
    rows = [speaking([w.span for w in words], 60.0) for words in SCRIPT.values()]
    return np.stack(rows).astype(np.float32)


def listened(
    transcriber: FakeTranscriber,
    parts: dict[Channel, tuple[TimeSpan, ...]] | None = None,
    expected: dict[Channel, tuple[Word, ...]] | None = None,
    *,
    block_s: int = 7,
    rows: NDArray[np.float32] | None = None,
) -> tuple[Hearing, list[Window]]:
    """What is heard in a minute of the script, in blocks of so many seconds, and the windows that were made."""
    assert PLANTED is not None
    rows = script_rows() if rows is None else rows
    length = block_s * SPEECH_RATE_HZ
    blocks = [rows[:, at : at + length] for at in range(0, rows.shape[1], length)]
    recorder = Recording(transcriber)
    hearing = hear(blocks, parts or PARTS, expected or SCRIPT, recorder, "en", (PLANTED, SOUND))
    for window in recorder.windows:
        for piece in window.pieces:
            first, last = (round(at * SPEECH_RATE_HZ) for at in (piece.span.start_s, piece.span.end_s))
            at = round(piece.offset_s * SPEECH_RATE_HZ)
            spoken_there = rows[list(SCRIPT).index(piece.channel), first:last]
            heard = window.samples[at : at + last - first]
            assert np.allclose(heard * np.abs(spoken_there).max(), spoken_there * np.abs(heard).max(), atol=1e-6)
        assert window.samples[-len(SOUND) :].any()
        assert len(window.samples) <= WINDOW_S * SPEECH_RATE_HZ
    return hearing, recorder.windows


def test_words_come_back_at_call_time() -> None:
    """What is said in the parts is heard at its time and on its channel, without the sentinel."""
    hearing, _ = listened(FakeTranscriber(SCRIPT))
    for channel, words in SCRIPT.items():
        assert [w.text for w in hearing.words[channel]] == [w.text for w in words]
        for heard, said in zip(hearing.words[channel], words, strict=True):
            assert heard.span.start_s == pytest.approx(said.span.start_s, abs=0.001)
    assert (hearing.deaf, hearing.listened_s) == ((), pytest.approx(10.5))


@pytest.mark.parametrize("block_s", [1, 7, 60])
def test_both_sides_share_a_window_in_the_order_of_the_talk(block_s: int) -> None:
    """Parts of both channels are packed together, by when they end, however the recording is cut into blocks."""
    _, windows = listened(FakeTranscriber(SCRIPT), block_s=block_s)
    assert [[(p.channel, p.span) for p in window.pieces] for window in windows] == [
        [(AGENT, span(0.5, 4)), (CUSTOMER, span(39, 41.38)), (CUSTOMER, span(41.38, 44)), (AGENT, span(50, 52))]
    ]


def test_no_side_drowns_the_other_in_a_window() -> None:
    """Both channels of a window are as loud as the louder of them, and so is the sentinel; one alone stays as it is."""
    tone = np.sin(np.arange(60 * SPEECH_RATE_HZ, dtype=np.float32))
    rows = np.stack([0.5 * tone, 0.05 * tone])
    both = listened(FakeTranscriber({}), {AGENT: (span(1, 4),), CUSTOMER: (span(5, 9),)}, QUIET, rows=rows)[1][0]
    agent, customer, planted = (both.samples[round(at * SPEECH_RATE_HZ) :][:SPEECH_RATE_HZ] for at in (0, 4, 8.5))
    levels = [float(np.sqrt(np.mean(each**2))) for each in (agent, customer, planted)]
    assert levels == pytest.approx([levels[0]] * 3, rel=0.2)
    assert levels[0] == pytest.approx(0.5 / 2**0.5, rel=0.01)
    alone = listened(FakeTranscriber({}), {AGENT: (), CUSTOMER: (span(5, 9),)}, QUIET, rows=rows)[1][0]
    assert np.array_equal(alone.samples[: 4 * SPEECH_RATE_HZ], rows[1, 5 * SPEECH_RATE_HZ : 9 * SPEECH_RATE_HZ])


def test_parts_are_packed_to_the_brim() -> None:
    """As many parts share a window as fit in with the sentinel and the silence between them."""
    parts = {AGENT: tuple(span(at, at + 3) for at in range(0, 54, 4)), CUSTOMER: ()}
    _, windows = listened(FakeTranscriber(SCRIPT), parts)
    assert [len(window.pieces) for window in windows] == [7, 7]
    assert windows[0].pieces[1].offset_s == pytest.approx(3 + GAP_S)


def test_a_deaf_listener_is_found_out() -> None:
    """Parts behind which the sentinel is not heard are tried by themselves, and then reported."""
    hearing, windows = listened(FakeTranscriber(SCRIPT, deaf=True))
    assert sorted(hearing.deaf) == sorted((channel, part) for channel in PARTS for part in PARTS[channel])
    assert hearing.words == {AGENT: (), CUSTOMER: ()}
    assert [len(window.pieces) for window in windows] == [4, 2, 2, 1, 1, 1, 1]
    assert all(len({piece.channel for piece in window.pieces}) == 1 for window in windows[1:])  # each side by itself


def test_a_part_that_falls_silent_is_found_out() -> None:
    """A part in which several words were heard the first time, and none is now, was not listened to; few may go."""
    hearing, _ = listened(FakeTranscriber({}))
    assert hearing.deaf == ((AGENT, PARTS[AGENT][0]), (CUSTOMER, PARTS[CUSTOMER][0]), (CUSTOMER, PARTS[CUSTOMER][1]))
    few = {AGENT: SCRIPT[AGENT][:2], CUSTOMER: ()}
    assert listened(FakeTranscriber({}), None, few)[0].deaf == ()


def test_what_is_missed_in_a_crowd_is_heard_alone() -> None:
    """A part that a full window drowns is heard when it is tried by itself."""
    swallowing = FakeTranscriber(SCRIPT, swallows={CUSTOMER: (span(39, 41.38),)})
    hearing, windows = listened(swallowing)
    assert hearing.deaf == ()
    assert [w.text for w in hearing.words[CUSTOMER]] == [w.text for w in SCRIPT[CUSTOMER]]
    assert [len(window.pieces) for window in windows] == [4, 1]


def test_nobody_goes_on_for_ever() -> None:
    """After a number of deaf parts the rest is not tried: the call is not stored in any case."""
    parts = {AGENT: tuple(span(at / 2, at / 2 + 0.4) for at in range(100)), CUSTOMER: ()}
    hearing, windows = listened(FakeTranscriber(SCRIPT, deaf=True), parts)
    assert GIVE_UP <= len(hearing.deaf) < 3 * GIVE_UP
    assert len(windows) < 40
