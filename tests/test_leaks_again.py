"""What was heard again is read in the light of the talk: what is left of a value leaks, what is ordinary stays."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.fakes import FakeRecognizer, FakeTagger, spoken
from pipeline.pii import detect, load_policy
from pipeline.placeholders import mask
from pipeline.redact import plan
from pipeline.types import Action, Channel, Redaction, Turn
from pipeline.verify.leaks import Understood, leaks, masked, values
from pipeline.verify.listen import Hearing
from pipeline.verify.spans import middle_in, middles_in, without
from tests.factories import span, turn, word

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.types import TimeSpan, Word

AGENT, CUSTOMER = Channel.AGENT, Channel.CUSTOMER
POLICY = load_policy()
RECOGNIZER = FakeRecognizer({"Dana Whitfield": "PERSON"})
NUMBER = "my card number is four one one one one one one one one one one one one one one one thank you"
CALL = (
    turn("what is your card number please", 0.0, AGENT),
    turn(NUMBER, 3.0, CUSTOMER),
    turn("and your name please", 12.0, AGENT),
    turn("Dana Whitfield and I live in the garden", 15.0, CUSTOMER),
)


def understood(turns: tuple[Turn, ...] = CALL, known: Mapping[str, Sequence[str]] | None = None) -> Understood:
    """A call as the product understands it, with its speech where its words are."""
    findings = detect(turns, RECOGNIZER, known or {}, POLICY)
    speech = {on: tuple(w.span for t in turns if t.channel is on for w in t.words) for on in (AGENT, CUSTOMER)}
    return Understood(turns, findings, speech, "en", known or {})


def heard_again(
    before: Understood,
    words: Sequence[Word],
    part: TimeSpan,
    redactions: tuple[Redaction, ...] | None = None,
    tagger: FakeTagger | None = None,
) -> tuple[Understood, tuple[Redaction, ...]]:
    """What leaks when the customer's part is heard as these words."""
    done = plan(before.turns, before.findings, before.speech, POLICY) if redactions is None else redactions
    gone = [each.span for each in done if each.channel is CUSTOMER]
    audible = tuple(each for each in words if not middle_in(each.span, gone))
    hearing = Hearing({CUSTOMER: audible}, {CUSTOMER: tuple(without([part], gone))}, ())
    return leaks(before, done, hearing, RECOGNIZER, POLICY, tagger)


def test_a_clean_recording() -> None:
    """The same ordinary words as the first time are no leak, though they stand beside a number."""
    after, found = heard_again(understood(), spoken("my card number is", 3.0), span(3.0, 4.4))
    assert found == ()
    assert [w.text for w in after.words(CUSTOMER)] == [w.text for w in understood().words(CUSTOMER)]


def test_what_the_talk_tells_must_be_likelier_when_heard_again() -> None:
    """What would go when the whole talk is audible is not enough beside a redaction; so many times that is."""
    rules, said = POLICY.rules, spoken("the big new bicycle", 15.8)
    call = (*CALL[:3], turn("Dana Whitfield um zyglor quorbel", 15.0, CUSTOMER))
    for likely, taken in ((rules.talk_sure * 2, False), (rules.again().talk_sure * 1.1, True)):
        tagger = FakeTagger(otherwise=likely)
        _, found = heard_again(understood(call), said, span(15.8, 17.6), tagger=tagger)
        assert bool(found) is taken
        assert len(detect((turn("the big new bicycle", 0.0, CUSTOMER),), RECOGNIZER, {}, POLICY, "en", tagger)) == 1


def test_a_value_that_was_doubtful_is_still_known_after_another_round() -> None:
    """What is redacted stays a value of the call, though beside redactions as little would be no leak."""
    call = (*CALL[:3], turn("Dana Whitfield um zyglor quorbel", 15.0, CUSTOMER))
    tagger = FakeTagger(otherwise=POLICY.rules.talk_sure * 2)
    before = understood(call)
    before = replace(before, findings=detect(before.turns, RECOGNIZER, {}, POLICY, "en", tagger))
    after, _ = heard_again(before, spoken("um", 15.8), span(15.8, 16.2), tagger=tagger)
    assert any("quorbel" in value for value in values(before)["PERSON"])
    assert set(values(before)["PERSON"]) <= set(values(after)["PERSON"])


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("one one", "CREDIT_CARD"),  # the rest of a number is part of it
        ("4111", "CREDIT_CARD"),
        ("Whitfield", "PERSON"),  # a value of the call
        ("Whitfeld", "PERSON"),  # nearly one
        ("it is sam at example dot com", "EMAIL_ADDRESS"),  # something that nobody heard the first time
    ],
)
def test_what_is_left_of_a_value(said: str, kind: str) -> None:
    """Digits at the edge of a number, a name heard again and anything new that is personal are leaks of their kind."""
    _, found = heard_again(understood(), spoken(said, 11.0), span(10.9, 13.5))
    assert kind in {each.entity_type for each in found}
    assert all(each.reason.startswith("heard again: ") for each in found)
    assert all(each.span.end_s > 11.0 for each in found)


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 9)), max_size=8),
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 9)), max_size=8),
)
def test_sets_of_spans(ones: list[tuple[int, int]], others: list[tuple[int, int]]) -> None:
    """What is cut out of spans, and where a middle lies, are the same as for each tenth of a second by itself."""
    spans, cuts = ([span(a / 10, (a + n) / 10) for a, n in each] for each in (ones, others))
    left, told = without(spans, cuts), middles_in(cuts)
    for tenth in range(50):
        at = span(tenth / 10, (tenth + 1) / 10)
        assert any(s.overlaps(at) for s in left) is (middle_in(at, spans) and not middle_in(at, cuts))
        assert told(at) is middle_in(at, cuts)


def test_what_is_redacted_is_no_leak() -> None:
    """The number itself, which stays in the talk for context, is not reported again with its rest."""
    _, (found,) = heard_again(understood(), spoken("one one", 11.0), span(10.9, 12.4))
    assert found.span.start_s >= 10.0  # where the number ends


@pytest.mark.parametrize("said", ["yes", "okay thank you", "the garden is lovely", "it is raining"])
def test_what_is_ordinary_stays(said: str) -> None:
    """Small talk, and a word that only says that one listens, are no leaks."""
    assert heard_again(understood(), spoken(said, 18.2), span(18.0, 20.0))[1] == ()


@pytest.mark.parametrize(
    ("first", "said", "sure", "taken"),
    [
        (0.5, "I", 0.9, False),  # heard so before, and left out of the name
        (0.5, "Ida", 0.9, True),
        (0.5, "strong", 0.2, False),  # cut off, and tells nothing
        (0.5, "strong", 0.8, True),
        (0.5, "mark", 0.2, True),  # a name
        (0.5, "for", 0.2, True),  # a figure
        (0.9, "Ida", 0.9, True),
        (0.9, "Ida", 0.6, False),  # "and I" was heard there more surely
        (0.7, "Ida", 0.6, True),
        (0.9, "whitfield", 0.6, True),  # the value itself
    ],
)
def test_what_is_heard_beside_a_redaction(first: float, said: str, sure: float, *, taken: bool) -> None:
    """With a value out of hearing, what is beside it may read as a part of it; the first hearing tells what it was."""
    whole = understood()
    before = replace(whole, turns=(*whole.turns[:3], _heard_with(whole.turns[3], first)))
    done = plan(before.turns, before.findings, before.speech, POLICY)
    gone = [each.span for each in done if each.channel is CUSTOMER]
    words = [replace(w, probability=sure) for w in spoken(f"{said} live in the garden", 15.92)]
    hearing = Hearing({CUSTOMER: tuple(words)}, {CUSTOMER: tuple(without([span(15.6, 18.0)], gone))}, ())
    _, found = leaks(before, done, hearing, FakeRecognizer({f"Whitfield and {said}": "PERSON"}), POLICY)
    assert bool(found) is taken


@pytest.mark.parametrize(
    ("said", "taken"), [("the account number next to it", False), ("the count of Umbria is", True)]
)
def test_a_doubt_that_the_first_hearing_settles(said: str, *, taken: bool) -> None:
    """An answer of which a word is hardly heard now is no leak if it was heard in the same everyday words before."""
    asked = turn("what is the routing number please", 0.0, AGENT)
    before = understood((asked, turn("the account number next to it", 3.0, CUSTOMER)))
    assert before.findings == ()
    words = [replace(w, probability=0.3 if w.text in ("account", "Umbria") else 0.9) for w in spoken(said, 3.0)]
    assert bool(heard_again(before, words, span(2.9, 6.0))[1]) is taken


@pytest.mark.parametrize(("known", "taken"), [({}, False), ({"PASSWORD": ["garlic paper"]}, True)])
def test_a_known_value_is_a_leak_whatever_was_heard_before(known: dict[str, list[str]], *, taken: bool) -> None:
    """Surer everyday words of the first hearing do not let off what the platform said must not stay."""
    before = understood(tuple(_heard_with(each, 0.95) for each in CALL), known)
    words = [replace(w, probability=0.6) for w in spoken("garlic paper and so on", 16.5)]
    assert bool(heard_again(before, words, span(16.4, 18.6))[1]) is taken


def _heard_with(turn: Turn, probability: float) -> Turn:
    return replace(turn, words=tuple(replace(each, probability=probability) for each in turn.words))


def test_a_list_of_numbers_is_no_value() -> None:
    """The digits of a value, picked out of a list of other numbers, are not the value."""
    before = understood((turn("what is your PIN", 0.0, AGENT), turn("it is one two two four", 3.0)))
    assert values(before) == {"PIN": ["1224"]}
    _, found = heard_again(before, spoken("twelve of the small ones and twenty four large ones", 9.0), span(8.9, 13.0))
    assert not any("a value that was redacted" in each.reason for each in found)


def test_a_value_known_beforehand() -> None:
    """What the platform said must not stay is a leak when it is heard."""
    before = understood(known={"PASSWORD": ["rhubarb"]})
    _, (found,) = heard_again(before, spoken("rhubarb", 16.5), span(16.4, 18.0))
    assert found.entity_type == "PASSWORD"


def test_words_that_were_replaced_do_not_come_back() -> None:
    """What was recognised in a part the first time gives way to what is heard in it now."""
    after, _ = heard_again(understood(), spoken("kitchen", 17.0), span(15.7, 19.0))
    texts = [w.text for w in after.words(CUSTOMER)]
    assert texts[-1] == "kitchen"
    assert "garden" not in texts
    assert {"Dana", "Whitfield"} < set(texts)


def test_values_are_what_would_tell_something() -> None:
    """Digits count from four on, words if they are uncommon; whatever else a finding covers is nobody's secret."""
    assert values(understood()) == {"CREDIT_CARD": ["4111111111111111"], "PERSON": ["Dana Whitfield"]}
    short = understood((turn("and the CVV", 0.0, AGENT), turn("it is four one two", 2.0)))
    assert short.findings
    assert values(short) == {}


def test_marks_in_the_transcript() -> None:
    """Every word in the middle of a further redaction goes, those of one redaction together; marks stay as they are."""
    before = understood()
    turns = mask(before.turns, before.findings, POLICY).turns
    more = (
        Redaction("PERSON", CUSTOMER, span(16.3, 17.1), Action.TONE, "heard again"),
        Redaction("CVV", AGENT, span(0.0, 0.6), Action.TONE, "heard again"),
        Redaction("PIN", CUSTOMER, span(3.0, 10.0), Action.TONE, "heard again"),
    )
    texts = [each.text for each in masked(turns, more, POLICY)]
    assert texts == [
        "[CVV] your card number please",
        "[PIN] [CREDIT_CARD] thank you",
        "and your name please",
        "[PERSON] and I [PERSON_2] the garden",
    ]


def test_a_word_that_looks_like_a_mark() -> None:
    """Only a whole mark is left alone."""
    said = (Turn("customer", CUSTOMER, (word("[4111", 0.0, 0.5),)),)
    redaction = Redaction("PIN", CUSTOMER, span(0.0, 1.0), Action.TONE, "heard again")
    assert masked(said, (redaction,), POLICY)[0].text == "[PIN]"


@pytest.mark.parametrize(
    ("said", "taken"),
    [
        ("one hundred twelve nine breakfast fourteen", False),  # "a night" was heard as "nine"
        ("four four seven one nine two eight", True),  # other digits
    ],
)
def test_digits_that_were_told_from_a_value(said: str, *, taken: bool) -> None:
    """Digits that were a price the first time are no leak where the words that said so are misheard the second time."""
    before = understood(
        (turn("it is one hundred twelve dollars a night breakfast is fourteen dollars", 3.0, CUSTOMER),)
    )
    assert before.findings == ()
    _, found = heard_again(before, spoken(said, 3.8), span(2.9, 8.0))
    assert bool(found) is taken


@pytest.mark.parametrize(("at", "taken"), [(6.0, False), (12.0, True)])
def test_digits_of_a_value_that_were_something_else(at: float, *, taken: bool) -> None:
    """A year with the digits of a house number, heard as before, was told from it then; elsewhere it is that number."""
    before = understood((turn("2019 alder street is my address", 0.0), turn("is it the 2019 model", 6.0)))
    assert [found.turn for found in before.findings] == [0]
    _, found = heard_again(before, spoken("is it the 2019 model", at), span(5.9, 15.0))
    assert any("a value that was redacted" in each.reason for each in found) is taken


@pytest.mark.parametrize("said", ["and then jtorvald42", "eight eight one star two four zero"])
def test_what_has_figures_in_it_and_was_not_heard_before(said: str) -> None:
    """A value that its shape tells is a leak, however few figures it has."""
    before = understood((turn("we went to the garden and then we went back to the house", 3.0, CUSTOMER),))
    assert heard_again(before, spoken(said, 5.0), span(4.9, 9.0))[1]


@pytest.mark.parametrize(
    ("said", "taken"),
    [
        ("zorble minutes it is", False),  # a word that is none, cut off
        ("five one five seven four four", True),  # digits that nothing explains
    ],
)
def test_what_is_only_odd_is_no_leak(said: str, *, taken: bool) -> None:
    """Beside a redaction words are cut off and sound odd: an odd word stays, digits go."""
    before = understood((turn("we went to the garden and then we went back to the house", 3.0, CUSTOMER),))
    _, found = heard_again(before, [replace(w, probability=0.1) for w in spoken(said, 5.0)], span(4.9, 9.0))
    assert bool(found) is taken


@pytest.mark.parametrize(
    ("again", "known", "leaked"),
    [
        ("415", {}, False),
        ("416", {}, True),
        ("415", {"PIN": ["84150"]}, True),
        ("415", {"PIN": ["84 1 50"]}, True),
        ("415 415", {}, True),
    ],
    ids=[
        "the same",
        "another",
        "a part of what is known",
        "a part of what is known in pieces",
        "more than a short one",
    ],
)
def test_a_short_figure_that_stood_the_first_time(again: str, known: dict[str, list[str]], *, leaked: bool) -> None:
    """Written the same both times it was told then; with the answer out of hearing it would be taken for one."""
    call = (turn("what is your pin please", 0.0, AGENT), turn("it was 415 more last year", 3.0, CUSTOMER))
    speech = {on: tuple(w.span for t in call if t.channel is on for w in t.words) for on in (AGENT, CUSTOMER)}
    before = Understood(call, (), speech, "en", known)
    _, found = heard_again(before, spoken(f"it was {again} more last year", 3.0), span(3.0, 6.0))
    assert bool(found) is leaked
