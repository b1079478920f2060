"""Detection as a whole: known values, the model's findings, languages, and what always holds."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.pii import detect
from pipeline.pii.merge import merge
from pipeline.pii.numbers import luhn
from pipeline.pii.sound import close, distance, sound
from pipeline.types import PiiSpan, WordRange
from tests.pii_calls import POLICY, Scripted, Unmodelled, found_in, said, turns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.pii import TextEntity

KNOWN = {"PERSON": ["Dana Whitfield"], "ACCOUNT_NUMBER": ["88231907"]}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("C: So eight eight two three one nine oh seven then", "eight eight two three one nine oh seven"),
        ("C: it is 88-23-19-07 okay", "88-23-19-07"),
        ("C: with dana again", "dana"),
        ("C: for Dena Whitefield please", "Dena Whitefield"),
    ],
)
def test_known_values_are_found_in_any_grouping_and_spelling(line: str, expected: str) -> None:
    """Digits match however they are grouped, names also when misheard."""
    assert [words for _, words in found_in(line, known=KNOWN)] == [expected]


def test_a_known_number_is_found_across_turns() -> None:
    """The other side's "mm hmm" does not hide the second half."""
    found = found_in("C: 88 23\nA: mm hmm\nC: 19 07", known=KNOWN)
    assert [words for _, words in found] == ["88 23", "19 07"]


def test_a_known_value_is_certain() -> None:
    """Its score is 1.0 whatever else found it."""
    call = turns("A: Your account number?\nC: 88231907.")
    assert [span.score for span in detect(call, Unmodelled(), KNOWN, POLICY)] == [1.0]


@pytest.mark.parametrize(
    ("line", "taken", "believed"),
    [
        ("C: I spoke to Ngozi Okonkwo yesterday.", "Ngozi Okonkwo", True),
        ("C: I drive a Honda Civic.", "Honda Civic", False),
        ("C: Okay. Thanks.", "Okay", False),
        ("C: It was Zimone again.", "Zimone", True),
        ("C: I take my Sertraline again.", "Sertraline", False),
        ("C: I saw my Jacqueline again.", "Jacqueline", True),
        ("C: Perfect, that works.", "Perfect", False),
    ],
)
def test_the_model_is_believed_only_where_a_name_is_possible(line: str, taken: str, believed: bool) -> None:  # noqa: FBT001
    """Brands, everyday words and the first word of a sentence need better reasons."""
    call = turns(line)
    assert bool(detect(call, Scripted("PERSON", taken), {}, POLICY)) is believed


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("A: It went up in April and our rates in Missouri did too.", []),
        ("A: We had that before June 4, and since April too.", []),
        ("A: Okay, April, how can I help?", ["April,"]),
        ("C: My name is June. I moved to Missouri.", ["June."]),
        ("C: Ask Virginia about it.", ["Virginia"]),
    ],
)
def test_a_month_or_a_state_is_no_name_unless_somebody_is_called_so(line: str, named: list[str]) -> None:
    """People bear the names of months, and states those of people."""
    assert [words for kind, words in found_in(line) if kind == "PERSON"] == named


def test_a_place_alone_is_kept_unless_the_policy_says_otherwise() -> None:
    """A city is not PII by default."""
    call = turns("C: I am calling about the store in Springfield today.")
    strict = POLICY.model_copy(update={"rules": POLICY.rules.model_copy(update={"place_alone": True})})
    model = Scripted("LOCATION", "Springfield")
    assert detect(call, model, {}, POLICY) == ()
    assert said(call, detect(call, model, {}, strict)) == [("LOCATION", "Springfield")]


def test_the_model_is_asked_only_where_it_could_be_believed() -> None:
    """Turns without an odd capitalised word, or without a figure, cost no time of the model's."""
    asked: list[list[str]] = []

    class Listening(Unmodelled):
        def people(self, texts: Sequence[str]) -> list[list[TextEntity]]:
            asked.append(list(texts))
            return super().people(texts)

        def forms(self, texts: Sequence[str]) -> list[list[TextEntity]]:
            asked.append(list(texts))
            return super().forms(texts)

    detect(turns("A: How are you today?\nC: I spoke to Ngozi.\nA: It is 40 dollars."), Listening(), {}, POLICY)
    assert asked == [["I spoke to Ngozi."], ["It is 40 dollars."]]


@pytest.mark.parametrize(
    ("line", "times"),
    [
        ("C: I'm originally from Springfield, it's raining in Springfield.", 2),
        ("C: This is Violet and Springfield.", 1),
        ("C: We live near Springfield.", 1),
        ("C: The train to Springfield is late.", 0),
        ("A: I'm calling. Springfield is closed.", 0),
    ],
)
def test_a_place_somebody_is_from_goes(line: str, times: int) -> None:
    """A place that is said of a person is theirs, and so it is when it is said again."""
    call = turns(line)
    found = said(call, detect(call, Scripted("LOCATION", "Springfield"), {}, POLICY))
    assert [kind for kind, _ in found].count("LOCATION") == times


def test_a_kind_that_the_policy_keeps_is_kept() -> None:
    """``redact = false`` leaves the words alone."""
    rules = {**POLICY.entities, "ZIP_CODE": POLICY.rule("ZIP_CODE").model_copy(update={"redact": False})}
    call = turns("A: And the zip code?\nC: 62704.")
    assert detect(call, Unmodelled(), {}, POLICY.model_copy(update={"entities": rules})) == ()


def test_the_model_is_not_asked_in_another_language() -> None:
    """The rules on digits work in every language; the English model does not."""
    call = turns("C: Mi número es 4111 1111 1111 1111 gracias Ngozi")
    found = said(call, detect(call, Scripted("PERSON", "gracias Ngozi"), {}, POLICY, "es"))
    assert found == [("CREDIT_CARD", "4111 1111 1111 1111")]


def test_words_cut_at_a_sign_are_read_as_one() -> None:
    """A recogniser may give "149" and ".99": together they are a price; "555" and "-0143" are a number."""
    assert found_in("A: It's 149 .99 for the year, or 300 ,000 points.") == []
    assert found_in("A: Your phone number?\nC: 202 -555 -0143.") == [("PHONE_NUMBER", "202 -555 -0143.")]


def test_an_empty_call_has_no_pii() -> None:
    """No turns, no spans."""
    assert detect((), Unmodelled(), {}, POLICY) == ()


@pytest.mark.parametrize(("digits", "good"), [("4111111111111111", True), ("4111111111111112", False), ("", False)])
def test_the_check_digit_of_a_card(digits: str, good: bool) -> None:  # noqa: FBT001
    """The test numbers of the card schemes pass; one digit off fails."""
    assert luhn(digits) is good


@pytest.mark.parametrize(("first", "second"), [("whitfield", "whitefield"), ("kalim", "callum"), ("dana", "dena")])
def test_names_that_sound_alike_are_close(first: str, second: str) -> None:
    """A misheard name is the same name."""
    assert close(first, second)


@pytest.mark.parametrize(("first", "second"), [("dana", "peter"), ("ann", "ana"), ("martin", "farrow")])
def test_other_names_are_not(first: str, second: str) -> None:
    """Short names and different names are not."""
    assert not close(first, second)


WORDS = st.text("abcdefgh", max_size=8)


@given(WORDS, WORDS, WORDS)
def test_the_distance_of_words_is_symmetric_and_zero_only_for_the_same(first: str, second: str, third: str) -> None:
    """What one expects of a distance; swapped neighbours cost one."""
    assert distance(first, second) == distance(second, first)
    assert (distance(first, second) == 0) is (first == second)
    assert distance(first, second) <= max(len(first), len(second))
    assert sound(third) == sound(third * 1)


SPANS = st.lists(
    st.builds(
        lambda kind, turn, first, size, score: PiiSpan(kind, turn, WordRange(first, first + size), score, "test"),
        st.sampled_from(["PERSON", "PIN", "ADDRESS"]),
        st.integers(0, 2),
        st.integers(0, 12),
        st.integers(0, 5),
        st.sampled_from([0.3, 0.5, 0.9]),
    ),
    max_size=12,
)


def _covered(spans: tuple[PiiSpan, ...] | list[PiiSpan]) -> set[tuple[int, int]]:
    return {(span.turn, at) for span in spans for at in range(span.words.first, span.words.end)}


@given(SPANS)
def test_merging_covers_the_same_words_once_and_is_idempotent(spans: list[PiiSpan]) -> None:
    """Merged spans do not overlap, cover what was covered, and merge to themselves."""
    merged = merge(spans)
    assert _covered(merged) == _covered(spans)
    assert sum(span.words.end - span.words.first for span in merged) == len(_covered(spans))
    assert merge(merged) == merged


SAID = st.lists(
    st.sampled_from(
        [
            "okay",
            "my",
            "card",
            "number",
            "is",
            "4111",
            "1111",
            "what's",
            "your",
            "name",
            "Dana",
            "Whitfield.",
            "five",
            "oh",
            "one",
            "dollars",
            "at",
            "dot",
            "com",
            "street",
            "12",
            "Maple",
            "born",
            "1982,",
            "yes?",
            "um",
            "no",
            "social",
            "zip",
        ]
    ),
    min_size=1,
    max_size=25,
)


@given(st.lists(st.tuples(st.sampled_from("AC"), SAID), min_size=1, max_size=6), st.booleans())
def test_spans_lie_inside_their_turns_and_never_show_a_word(lines: list[tuple[str, list[str]]], mixed: bool) -> None:  # noqa: FBT001
    """Whatever is said: ranges are valid, in order, apart, and a reason holds no digit of the call."""
    call = turns("\n".join(f"{who}: {' '.join(words)}" for who, words in lines), mixed=mixed)
    found = detect(call, Unmodelled(), {}, POLICY)
    for span in found:
        assert 0 <= span.words.first < span.words.end <= len(call[span.turn].words)
        assert 0.0 <= span.score <= 1.0
        assert not any(char.isdigit() for char in span.reason)
    assert merge(found) == found


@given(st.lists(st.tuples(st.sampled_from("AC"), SAID), min_size=1, max_size=5), SAID)
def test_a_turn_at_the_end_hides_nothing_said_before(lines: list[tuple[str, list[str]]], last: list[str]) -> None:
    """More talk after the fact may add redactions of what came before, and never removes one that is certain."""
    script = "\n".join(f"{who}: {' '.join(words)}" for who, words in lines)
    known = {"PERSON": ["Dana Whitfield"]}
    before = detect(turns(script), Unmodelled(), known, POLICY)
    after = detect(turns(f"{script}\nA: {' '.join(last)}"), Unmodelled(), known, POLICY)
    assert _covered([span for span in before if span.score == 1.0]) <= _covered(after)


@given(st.integers(0, 8))
def test_turns_of_a_speaker_may_be_cut_anywhere_in_a_long_number(at: int) -> None:
    """Where the recogniser ends a turn inside an asked-for number does not matter from three digits on each side."""
    digits = "4 1 1 1 2 2 2 2 3 3 3 3 4 4 4 4".split()  # noqa: SIM905
    cut = at + 4
    script = f"A: The card number please?\nC: {' '.join(digits[:cut])}\nC: {' '.join(digits[cut:])}"
    call = turns(script)
    assert len(_covered(detect(call, Unmodelled(), {}, POLICY))) == len(digits)


def test_detection_does_not_depend_on_absolute_time() -> None:
    """A call that starts an hour later has the same PII."""
    from pipeline.types import TimeSpan

    call = turns("A: And the card number?\nC: 4111 1111 1111 1111.")
    later = tuple(
        replace(
            turn, words=tuple(replace(w, span=TimeSpan(w.span.start_s + 3600, w.span.end_s + 3600)) for w in turn.words)
        )
        for turn in call
    )
    assert detect(call, Unmodelled(), {}, POLICY) == detect(later, Unmodelled(), {}, POLICY)
