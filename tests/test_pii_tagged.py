"""What a model that read the whole talk says of words becomes spans, or speaks against those that rules found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.fakes import FakeTagger
from pipeline.pii import WordTag, detect
from pipeline.pii.lines import read
from pipeline.pii.policy import DetectionRule
from pipeline.pii.tagged import standing, tagged
from pipeline.types import PiiSpan, WordRange
from tests.pii_calls import POLICY, Unmodelled, said, turns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.types import Turn

RULES = DetectionRule(talk_sure=0.5, talk_near=0.3, talk_secret=0.8, talk_unlikely=0.01)
TAGS = st.lists(
    st.lists(st.builds(WordTag, st.sampled_from(["PERSON", "ADDRESS"]), st.floats(0, 1)), min_size=1, max_size=8),
    min_size=1,
    max_size=4,
)


def tags(*probabilities: float) -> list[list[WordTag]]:
    """One turn whose words have these probabilities."""
    return [[WordTag("PERSON", each) for each in probabilities]]


def found(first: int, end: int, score: float = 0.8) -> PiiSpan:
    """What a rule found in the first turn."""
    return PiiSpan("POLICY_NUMBER", 0, WordRange(first, end), score, "a rule")


def stands(span: PiiSpan, call: Sequence[Turn], words: Sequence[Sequence[WordTag]]) -> PiiSpan | None:
    """What stands of a finding in the first turn."""
    return standing(span, read(call)[0], words[0], RULES)


def ranges(probabilities: Sequence[float], *spans: PiiSpan) -> list[WordRange]:
    """The spans that the talk adds to those of rules."""
    return [span.words for span in tagged(tags(*probabilities), spans, RULES)]


def test_a_sure_word_takes_the_possible_words_beside_it() -> None:
    """What is possible beside a sure word goes with it; what is possible alone stays."""
    assert ranges([0.1, 0.35, 0.9, 0.31, 0.2]) == [WordRange(1, 4)]
    assert ranges([0.35, 0.45, 0.1]) == []
    assert ranges([0.6, 0.0, 0.6]) == [WordRange(0, 1), WordRange(2, 3)]


def test_a_possible_word_beside_what_a_rule_found_goes_with_it() -> None:
    """The rest of a value of which a rule knew a part; what the rule found is not found again."""
    assert ranges([0.1, 0.35, 0.0, 0.35, 0.35], found(2, 3)) == [WordRange(1, 2), WordRange(3, 5)]
    assert ranges([0.35, 0.1, 0.0], found(2, 3)) == []


def test_a_secret_must_be_likelier_than_other_words() -> None:
    """Any word may be a password: one goes only where the talk leaves little doubt, alone and beside what was found."""
    words = [[WordTag("PASSWORD", each) for each in (0.79, 0.0, 0.81, 0.79, 0.0, 0.79)]]
    assert [span.words for span in tagged(words, [found(4, 5)], RULES)] == [WordRange(2, 3)]


def test_a_span_is_of_the_kind_of_its_likeliest_word() -> None:
    """One span has one kind."""
    words = [WordTag("ADDRESS", 0.6), WordTag("PERSON", 0.9), WordTag("ADDRESS", 0.7)]
    assert [span.entity_type for span in tagged([words], (), RULES)] == ["PERSON"]


@given(TAGS, st.integers(0, 7))
def test_every_sure_word_is_taken_once_and_no_improbable_one(words: Sequence[Sequence[WordTag]], first: int) -> None:
    """Spans do not overlap each other or what was found, hold every sure word and none that is not even possible."""
    known = [found(first, first + 1)] if first < len(words[0]) else []
    spans = list(tagged(words, known, RULES))
    taken = [(span.turn, at) for span in spans for at in range(span.words.first, span.words.end)]
    sure = {(turn, at) for turn, each in enumerate(words) for at, tag in enumerate(each) if tag.probability >= 0.5}
    assert len(set(taken)) == len(taken)
    assert sure <= {*taken, *((0, first) for _ in known)}
    assert not known or (0, first) not in taken
    assert all(words[turn][at].probability >= 0.3 for turn, at in taken)


def against(text: str, score: float, *probabilities: float) -> bool:
    """Whether the talk speaks against all of one turn as found by a rule."""
    call = turns(f"C: {text}")
    return stands(found(0, len(call[0].words), score), call, tags(*probabilities)) is None


def test_a_talk_speaks_against_what_no_word_of_is_likely() -> None:
    """One likely word is enough to stand; a guess needs more than a rule that was sure."""
    assert against("row 22", 0.8, 0.009, 0.009)
    assert not against("row 22", 0.8, 0.0, 0.02)
    assert against("row 22", 0.5, 0.0, 0.02)
    assert not against("row 22", 0.5, 0.0, 0.06)


def test_unlikely_words_at_the_edges_of_a_finding_are_cut_off() -> None:
    """From both ends up to the first likely word or figure; what is unlikely in the middle stays."""
    call = turns("C: So it's Dana the second that is 4 okay bye.")
    likely = tags(0.0, 0.0, 0.9, 0.0, 0.2, 0.0, 0.0, 0.0, 0.0, 0.0)
    assert stands(found(0, 10), call, likely) == found(2, 8)
    assert stands(found(0, 7), call, likely) == found(2, 5)
    assert stands(found(2, 3), call, likely) == found(2, 3)


@given(TAGS, st.data())
def test_what_stands_of_a_finding_holds_its_likely_words(
    words: Sequence[Sequence[WordTag]], data: st.DataObject
) -> None:
    """Nothing is added, and no word that is likely enough is lost."""
    call = turns("C: " + " ".join(["word"] * len(words[0])))
    first = data.draw(st.integers(0, len(words[0]) - 1))
    span = found(first, data.draw(st.integers(first + 1, len(words[0]))))
    left = stands(span, call, words)
    inside = range(span.words.first, span.words.end)
    stood = range(left.words.first, left.words.end) if left else range(0)
    assert set(stood) <= set(inside)
    assert {at for at in inside if words[0][at].probability >= RULES.talk_unlikely} <= set(stood)


def test_no_talk_speaks_against_a_form_or_a_long_number() -> None:
    """An e-mail address, a card's number and a value known beforehand go whatever is said around them."""
    assert not against("ana@example.com", 0.95, 0.0)
    assert against("123 456", 0.5, 0.0, 0.0)
    assert not against("123 4567", 0.5, 0.0, 0.0)
    call = turns("A: Nothing to it.\nC: Write to violet@example.com or 4111 1111 1111 1111 or my Zebra.")
    kept = said(call, detect(call, Unmodelled(), {"PASSWORD": ["Zebra"]}, POLICY, "en", FakeTagger(otherwise=0.0)))
    assert [value for _, value in kept] == ["violet@example.com", "4111 1111 1111 1111", "Zebra."]


@pytest.mark.parametrize("kind", ["CREDIT_CARD", "CARD_EXPIRY", "CVV", "PIN"])
@pytest.mark.parametrize("likely", [(0.0,) * 4, (0.9, 0.0, 0.0, 0.0), (0.0, 0.0, 0.9, 0.0)])
def test_no_talk_speaks_against_card_data(kind: str, likely: Sequence[float]) -> None:
    """A card is said in parts of four figures and a code has three: no word of either is let go on a model's word."""
    for text in ("4111 1111 and so", "four one one one", "november twenty seven please"):
        call = turns(f"C: {text}")
        span = PiiSpan(kind, 0, WordRange(0, len(call[0].words)), 0.5, "a rule")
        assert stands(span, call, tags(*likely[: len(call[0].words)])) == span


def test_no_figure_is_cut_off_however_it_is_said() -> None:
    """Spoken figures count like written ones, at the edge of a number and for how long it is."""
    call = turns("C: so it's seven three nine okay.")
    assert stands(found(0, 6), call, tags(0.0, 0.0, 0.0, 0.9, 0.0, 0.0)) == found(2, 5)
    call = turns("C: two oh seven nine four six one one two.")
    assert stands(found(0, 9), call, tags(*[0.0] * 9)) == found(0, 9)
    call = turns("C: oh one two and oh double four okay.")
    assert stands(found(0, 8), call, tags(0.0, 0.0, 0.9, *[0.0] * 5)) == found(0, 7)
    call = turns("C: dana dot smith at example dot com")
    assert stands(found(0, 7, 0.95), call, tags(*[0.0] * 6, 0.9)) == found(0, 7, 0.95)


def test_detection_takes_what_the_talk_tells_in_english_alone() -> None:
    """The model has read English: in another language it is not asked."""
    call = turns("A: Which one is yours?\nC: The big new bicycle.")
    tagger = FakeTagger({"bicycle.": "PERSON"})
    assert said(call, detect(call, Unmodelled(), {}, POLICY, "en-GB", tagger)) == [("PERSON", "bicycle.")]
    assert detect(call, Unmodelled(), {}, POLICY, "es", tagger) == detect(call, Unmodelled(), {}, POLICY, "es")
    assert detect(call, Unmodelled(), {}, POLICY, "en") == ()


def test_a_policy_may_keep_what_the_talk_tells() -> None:
    """A kind that the policy keeps is not taken on the model's word."""
    call = turns("C: The big new bicycle.")
    rule = POLICY.rule("PERSON").model_copy(update={"redact": False})
    keeping = POLICY.model_copy(update={"entities": {**POLICY.entities, "PERSON": rule}})
    assert detect(call, Unmodelled(), {}, keeping, "en", FakeTagger({"bicycle.": "PERSON"})) == ()
