"""Guards: what nobody understood goes, is shown to a reviewer, and nothing goes twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings

from models.fakes import spoken
from pipeline.gaps import drawn_out, unworded
from pipeline.guards import UNHEARD, guard
from pipeline.pii.policy import DetectionRule, EntityRule, RedactionPolicy
from pipeline.types import Action, Channel, Redaction, TimeSpan, Turn, Word
from tests.factories import span, turn, word
from tests.test_gaps import said, timeline

if TYPE_CHECKING:
    from collections.abc import Sequence

POLICY = RedactionPolicy(
    version="test",
    rules=DetectionRule(order_number=""),
    entities={UNHEARD: EntityRule(threshold=0.0, action=Action.NOISE, replacement="[UNHEARD]")},
)
MIN_S = POLICY.audio.unworded_s


def turns(words: Sequence[Word]) -> tuple[Turn, ...]:
    """One turn of these words, if there are any."""
    return (Turn("customer", Channel.CUSTOMER, tuple(words)),) if words else ()


def test_swallowed_speech_is_redacted_and_shown() -> None:
    """Speech without words is replaced as the policy says, and the same span is on the review list with a reason."""
    speech = {Channel.AGENT: (), Channel.CUSTOMER: (span(1.0, 4.0),)}
    redactions, review = guard(turns([word("so", 1.0, 1.4)]), speech, (), POLICY)
    (found,) = redactions
    assert (found.entity_type, found.channel, found.action) == (UNHEARD, Channel.CUSTOMER, Action.NOISE)
    assert found.span.start_s <= 1.65
    assert found.span.end_s >= 4.0
    assert [(r.channel, r.span, r.reason) for r in review] == [(found.channel, found.span, "speech with no words")]


def test_words_of_the_other_channel_cover_nothing() -> None:
    """That the agent was understood says nothing about the customer who spoke meanwhile."""
    speech = {Channel.AGENT: (span(1.0, 2.0),), Channel.CUSTOMER: (span(1.0, 2.0),)}
    redactions, _ = guard((turn("this is the agent", 1.0, Channel.AGENT),), speech, (), POLICY)
    assert {found.channel for found in redactions} == {Channel.CUSTOMER}


def test_words_of_a_loop_cover_nothing() -> None:
    """What a recogniser says over and over was not said: the voice under it goes like speech without words."""
    once = turn("I would like to pay my bill now please", 1.0)
    loop = turn("I am going to see it " * 4, 5.0)
    speech = {Channel.CUSTOMER: (once.span, loop.span)}
    redactions, _ = guard((once, loop), speech, (), POLICY)
    assert not any(r.span.overlaps(once.span) for r in redactions)
    assert any(r.span.start_s <= loop.span.start_s and r.span.end_s >= loop.span.end_s for r in redactions)


def test_what_was_understood_is_left_alone() -> None:
    """Speech in which word follows word gives no redaction and nothing to review."""
    line = turn("I would like to change the date of my appointment please", 1.0)
    assert guard((line,), {Channel.CUSTOMER: (line.span,)}, (), POLICY) == ((), ())


def test_a_word_that_lasts_too_long_is_redacted() -> None:
    """A word laid over a sentence goes with all that it covers."""
    redactions, review = guard(turns([word("so", 1.0, 7.0)]), {Channel.CUSTOMER: (span(1.0, 7.0),)}, (), POLICY)
    assert min(found.span.start_s for found in redactions) <= 1.0
    assert max(found.span.end_s for found in redactions) >= 7.0
    assert len(review) == len(redactions) == 1


def test_a_doubt_reaches_over_the_pause_to_the_next_redaction() -> None:
    """Between what was not understood and what is redacted nothing stays audible, unless a word stands there."""
    speech = {Channel.CUSTOMER: (span(1.0, 2.0), span(2.6, 3.0))}
    before = [Redaction("PERSON", Channel.CUSTOMER, span(2.4, 3.2), Action.TONE, "a name")]
    ((found,), _) = guard((), speech, before, POLICY)
    assert found.span.end_s == 2.4
    (found, *_), _ = guard(turns([word("so", 2.25, 2.39)]), speech, before, POLICY)
    assert found.span.end_s < 2.3


@pytest.mark.parametrize(
    ("channel", "covered", "repeated"),
    [
        (Channel.CUSTOMER, span(0.5, 4.5), False),
        (Channel.CUSTOMER, span(0.5, 2.0), True),
        (Channel.AGENT, span(0.5, 4.5), True),
    ],
    ids=["covered", "covered in part", "on the other channel"],
)
def test_what_is_redacted_already_is_not_repeated(channel: Channel, covered: TimeSpan, repeated: bool) -> None:  # noqa: FBT001
    """A gap inside a redaction of its channel is not redacted again, any other one is."""
    speech = {Channel.AGENT: (), Channel.CUSTOMER: (span(1.0, 4.0),)}
    redactions, _ = guard((), speech, [Redaction("PERSON", channel, covered, Action.TONE, "a name")], POLICY)
    assert bool(redactions) is repeated


@settings(max_examples=100)
@given(timeline(), timeline(), timeline())
def test_every_gap_is_covered_in_the_end(
    speech: list[TimeSpan], spans: list[TimeSpan], redacted: list[TimeSpan]
) -> None:
    """Whatever was said, heard and redacted before: afterwards each gap lies in one redaction of its channel."""
    words = said(spans)
    before = [Redaction("PERSON", Channel.CUSTOMER, each, Action.TONE, "drawn") for each in redacted]
    found, _ = guard(turns(words), {Channel.CUSTOMER: tuple(speech)}, before, POLICY)
    doubtful = [*unworded(speech, words, MIN_S)]
    doubtful += [w.span for w in words if drawn_out(w) and any(w.span.overlaps(s) for s in speech)]
    for gap in doubtful:
        assert any(r.span.start_s <= gap.start_s and r.span.end_s >= gap.end_s for r in (*before, *found))
    again, _ = guard(turns(words), {Channel.CUSTOMER: tuple(speech)}, (*before, *found), POLICY)
    assert again == ()


def test_reasons_hold_no_words() -> None:
    """Neither a reason nor a repr of the result says what was said."""
    found = guard(turns(spoken("Quackenbush", 1.0, word_s=9.0)), {Channel.CUSTOMER: (span(1.0, 10.0),)}, (), POLICY)
    assert found[0]
    assert "Quackenbush" not in repr(found)
