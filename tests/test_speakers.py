"""Speakers: every word stands in one turn, under the one who said it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from models.fakes import FakeDiarizer, spoken
from pipeline.speakers import TURN_GAP_S, attribute
from pipeline.types import Channel, Segment, SpeakerSpan, TimeSpan, Word
from tests.factories import span, word

ONE, TWO = "SPEAKER_00", "SPEAKER_01"


def mixed(*words: Word) -> tuple[Segment, ...]:
    """One segment of a mono recording."""
    return (Segment(Channel.MIXED, words),)


def test_the_channel_names_the_speaker() -> None:
    """With one person on each channel the channel is the speaker, and turns follow each other in time."""
    segments = (
        Segment(Channel.AGENT, (*spoken("good morning", 0.0), *spoken("go on", 6.0))),
        Segment(Channel.CUSTOMER, spoken("hello there", 2.0)),
    )
    turns = attribute(segments, {})
    assert [(turn.speaker, turn.channel, turn.text) for turn in turns] == [
        ("agent", Channel.AGENT, "good morning"),
        ("customer", Channel.CUSTOMER, "hello there"),
        ("agent", Channel.AGENT, "go on"),
    ]


def test_a_pause_ends_a_turn() -> None:
    """A pause longer than a turn's gap ends it, a shorter one does not."""
    short = word("so", 1.0 + TURN_GAP_S - 0.05, 2.0)
    assert len(attribute(mixed(word("well", 0.5, 1.0), short), {})) == 1
    long = word("so", 1.0 + TURN_GAP_S + 0.05, 2.5)
    assert len(attribute(mixed(word("well", 0.5, 1.0), long), {})) == 2


def test_on_a_mixed_channel_the_diarizer_tells() -> None:
    """Each word goes to the speaker in whose span its middle lies."""
    speakers = FakeDiarizer((SpeakerSpan(ONE, span(0.0, 1.0)), SpeakerSpan(TWO, span(1.0, 2.0)))).diarize([])
    turns = attribute(mixed(*spoken("is it you yes it is", 0.0, word_s=0.3, gap_s=0.03)), {Channel.MIXED: speakers})
    assert [(turn.speaker, turn.text) for turn in turns] == [(ONE, "is it you"), (TWO, "yes it is")]


def test_a_word_outside_all_spans_goes_to_the_nearest() -> None:
    """A word before, between or after the spans belongs to the nearest of them, so that no word is lost."""
    speakers = (SpeakerSpan(ONE, span(2.0, 3.0)), SpeakerSpan(TWO, span(6.0, 7.0)))
    words = [word("first", 0.0, 0.4), word("second", 3.4, 3.8), word("third", 5.2, 5.6), word("last", 9.0, 9.4)]
    turns = attribute(mixed(*words), {Channel.MIXED: speakers})
    assert [(turn.speaker, turn.text) for turn in turns] == [
        (ONE, "first"),
        (ONE, "second"),
        (TWO, "third"),
        (TWO, "last"),
    ]


def test_nobody_told_apart() -> None:
    """A mixed channel on which the diarizer heard nobody is one speaker, named by the channel."""
    (turn,) = attribute(mixed(*spoken("good morning", 0.0)), {Channel.MIXED: ()})
    assert turn.speaker == "mixed"


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.sampled_from([Channel.AGENT, Channel.CUSTOMER]), st.floats(0, 60), st.floats(0, 2)), max_size=30
    ),
    st.lists(st.floats(0, 60), max_size=8, unique=True),
)
def test_no_word_is_lost_or_doubled(words: list[tuple[Channel, float, float]], edges: list[float]) -> None:
    """However words and speakers lie, each word is in one turn of its channel, and turns are in order."""
    segments = tuple(Segment(c, (Word(str(n), TimeSpan(s, s + d), 0.9),)) for n, (c, s, d) in enumerate(words))
    cuts = sorted(edges)
    spans = tuple(SpeakerSpan((ONE, TWO)[n % 2], TimeSpan(*cuts[n : n + 2])) for n in range(len(cuts) - 1))
    turns = attribute(segments, {Channel.AGENT: spans})
    assert sorted((t.channel.value, w.text) for t in turns for w in t.words) == sorted(
        (c.value, str(n)) for n, (c, _, _) in enumerate(words)
    )
    assert all(turn.words for turn in turns)
    assert [turn.span.start_s for turn in turns] == sorted(turn.span.start_s for turn in turns)
    assert {turn.speaker for turn in turns if turn.channel is Channel.CUSTOMER} <= {"customer"}
