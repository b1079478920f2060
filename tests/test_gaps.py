"""Gaps: speech that no word accounts for is found, and speech that is accounted for is left alone."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.fakes import spoken
from pipeline.gaps import WORD_SLACK_S, drawn_out, unworded
from pipeline.types import TimeSpan, Word
from tests.factories import span, word

MIN_S = 0.35


@st.composite
def timeline(draw: st.DrawFn) -> list[TimeSpan]:
    """Spans in order that do not overlap."""
    at_s, spans = 0.0, []
    for _ in range(draw(st.integers(0, 6))):
        start_s = at_s + draw(st.floats(0.05, 3.0))
        at_s = start_s + draw(st.floats(0.05, 4.0))
        spans.append(TimeSpan(start_s, at_s))
    return spans


def said(spans: list[TimeSpan]) -> list[Word]:
    """One word per span."""
    return [Word("something", each, 0.9) for each in spans]


@pytest.mark.parametrize(
    ("speech", "words", "missed"),
    [
        ([], [], []),
        ([span(1, 2)], [], [span(1, 2)]),
        ([span(1, 1.3)], [], []),
        ([span(1, 4)], [word("so", 1.0, 1.4)], [span(1.65, 4)]),
        ([span(1, 4)], [word("so", 3.6, 4.0)], [span(1, 3.35)]),
        ([span(1, 4)], [word("so", 1.0, 1.4), word("then", 3.6, 4.0)], [span(1.65, 3.35)]),
        ([span(1, 2), span(5, 6)], [word("so", 1.2, 1.8)], [span(5, 6)]),
        ([span(1, 2)], [word("so", 7.0, 7.5)], [span(1, 2)]),
    ],
    ids=["nothing", "all", "too short", "the end", "the start", "the middle", "another stretch", "a word elsewhere"],
)
def test_swallowed_speech(speech: list[TimeSpan], words: list[Word], missed: list[TimeSpan]) -> None:
    """What the voice detector heard and no word covers is reported, to within the slack around words."""
    found = unworded(speech, words, MIN_S)
    assert [edge for s in found for edge in (s.start_s, s.end_s)] == pytest.approx(
        [edge for s in missed for edge in (s.start_s, s.end_s)]
    )


def test_fully_worded_speech_leaves_nothing() -> None:
    """Speech in which word follows word has no gap."""
    words = spoken("I would like to change the date of my appointment please", 1.0)
    assert unworded([span(1.0, words[-1].span.end_s)], words, MIN_S) == []


@pytest.mark.parametrize(
    ("text", "longest_s"), [("a", 0.9), ("so", 1.0), ("appointment", 2.1), ("responsibilities", 2.6)]
)
def test_drawn_out(text: str, longest_s: float) -> None:
    """A word may last as long as somebody takes to say it slowly, and no longer."""
    assert not drawn_out(word(text, 10.0, 10.0 + longest_s))
    assert drawn_out(word(text, 10.0, 10.0 + longest_s + 0.5))


def test_a_number_in_one_word_may_last() -> None:
    """A long number that the recogniser writes as one word takes as long as its digits."""
    assert not drawn_out(word("5550142", 0.0, 3.5))


def test_a_drawn_out_word_covers_nothing() -> None:
    """A word that the recogniser laid over a whole sentence hides none of it."""
    assert unworded([span(1.0, 7.0)], [word("so", 1.0, 7.0)], MIN_S) == [span(1.0, 7.0)]


@settings(max_examples=100)
@given(timeline(), timeline())
def test_gaps_are_exactly_the_speech_away_from_words(speech: list[TimeSpan], spans: list[TimeSpan]) -> None:
    """Every moment of speech is near a word, in a gap, or in a remainder that is too short to be one; none is both."""
    words = said(spans)
    gaps = unworded(speech, words, MIN_S)
    assert all(gap.duration_s >= MIN_S - 1e-9 for gap in gaps)
    edges = sorted(
        {edge for s in (*speech, *gaps) for edge in (s.start_s, s.end_s)}
        | {e for w in words for e in (w.span.start_s - WORD_SLACK_S, w.span.end_s + WORD_SLACK_S)}
    )
    free: list[TimeSpan] = []
    for start_s, end_s in pairwise(edges):
        at_s = (start_s + end_s) / 2
        in_gap = any(gap.start_s < at_s < gap.end_s for gap in gaps)
        in_speech = next((s for s in speech if s.start_s < at_s < s.end_s), None)
        near = any(
            w.span.start_s - WORD_SLACK_S < at_s < w.span.end_s + WORD_SLACK_S for w in words if not drawn_out(w)
        )
        assert not (in_gap and near)
        assert not (in_gap and in_speech is None)
        if in_speech and not near and not in_gap:
            joined = free and free[-1].end_s == start_s and free[-1].start_s >= in_speech.start_s
            free = [*free[:-1], TimeSpan(free[-1].start_s, end_s)] if joined else [*free, TimeSpan(start_s, end_s)]
    assert all(left.duration_s < MIN_S + 1e-9 for left in free)
