"""Settling: words are drawn in to the sound they were heard in, and none is lost."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.loudness import HOP_S
from pipeline.settle import settle
from pipeline.transcribe import Heard
from pipeline.types import Channel, Segment, TimeSpan, Word
from tests.factories import span, word

NEAR_S = 3 * HOP_S


def levels(*sounds: TimeSpan) -> np.ndarray[tuple[int], np.dtype[np.float16]]:
    """(hops,) of six seconds: -20 dB in the sounds, -60 dB elsewhere."""
    out = np.full(600, -60.0, np.float16)
    for each in sounds:
        out[round(each.start_s / HOP_S) : round(each.end_s / HOP_S)] = -20.0
    return out


def settled(words: list[Word], *sounds: TimeSpan) -> tuple[Word, ...]:
    """The words of one channel after settling into these sounds."""
    speech = {Channel.CUSTOMER: (TimeSpan(0.0, 6.0),)}
    heard = Heard((Segment(Channel.CUSTOMER, tuple(words)),), speech, "en", 6.0)
    (segment,) = settle(heard, {Channel.CUSTOMER: levels(*sounds)}).segments
    return segment.words


@pytest.mark.parametrize(
    ("heard", "sounds", "expected"),
    [
        (word("name", 1.0, 2.9), [span(2.5, 2.9)], span(2.5, 2.9)),
        (word("name", 1.0, 2.8), [span(0.5, 1.4), span(2.5, 2.9)], span(2.5, 2.9)),
        (word("name", 2.55, 2.7), [span(2.5, 2.9)], span(2.5, 2.9)),
        (word("5550142", 1.0, 3.9), [span(1.2, 2.0), span(2.4, 3.1), span(3.5, 4.0)], span(1.2, 4.0)),
        (word("42", 0.2, 3.9), [span(0.3, 1.0), span(3.0, 4.0)], span(3.0, 4.0)),
        (word("dana@example.com", 1.0, 3.4), [span(1.1, 2.0), span(2.4, 3.5)], span(1.1, 3.5)),
        (word("name", 4.0, 4.4), [span(1.0, 2.0)], span(4.0, 4.4)),
    ],
    ids=[
        "a pause before",
        "another word before",
        "to the edges",
        "a number has pauses",
        "but not so long",
        "an address",
        "no sound",
    ],
)
def test_where_a_word_is(heard: Word, sounds: list[TimeSpan], expected: TimeSpan) -> None:
    """A word is where its sound is; a pause ends a word, but not a number or an address."""
    (found,) = settled([heard], *sounds)
    assert (found.text, found.probability) == (heard.text, heard.probability)
    assert (found.span.start_s, found.span.end_s) == pytest.approx((expected.start_s, expected.end_s), abs=NEAR_S)


def test_a_word_ends_where_the_next_begins() -> None:
    """Two words in one sound share it."""
    first, second = settled([word("my", 1.0, 1.3), word("name", 1.3, 1.6)], span(1.0, 2.0))
    assert first.span.end_s <= second.span.start_s + NEAR_S
    assert (first.span.start_s, second.span.end_s) == pytest.approx((1.0, 2.0), abs=NEAR_S)


def test_a_word_laid_over_a_pause_belongs_to_what_follows() -> None:
    """A word that begins in the tail of the one before and ends where the next begins was said just before that one."""
    words = [word("birthday", 0.9, 1.8), word("thank", 1.8, 3.3), word("you", 4.4, 4.8)]
    found = settled(words, span(1.0, 2.0), span(4.0, 4.3), span(4.4, 4.9))
    assert [(w.text, round(w.span.start_s)) for w in found] == [("birthday", 1), ("thank", 4), ("you", 4)]


def test_speech_comes_back_without_its_pauses() -> None:
    """What counts as speech afterwards is what can be heard."""
    heard = Heard((), {Channel.CUSTOMER: (TimeSpan(0.0, 6.0),)}, "en", 6.0)
    speech = settle(heard, {Channel.CUSTOMER: levels(span(1, 2), span(3, 4))}).speech[Channel.CUSTOMER]
    edges = [edge for each in speech for edge in (each.start_s, each.end_s)]
    assert edges == pytest.approx([1, 2, 3, 4], abs=NEAR_S)
