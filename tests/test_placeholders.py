"""Placeholders: one word for each found value, the same for the same value, and a way back only where it is allowed."""

from __future__ import annotations

import pytest

from models.fakes import spoken
from pipeline.pii import load_policy
from pipeline.pii.policy import NEVER_REVERSIBLE, EntityRule, RedactionPolicy
from pipeline.placeholders import Original, mask, standing
from pipeline.types import Channel, PiiSpan, TimeSpan, Turn, WordRange
from tests.factories import turn

SHIPPED = load_policy()


def policy(**rules: dict[str, bool]) -> RedactionPolicy:
    """A policy of the named kinds."""
    kinds = {kind: EntityRule(threshold=0.0, replacement=f"[{kind}]", **rule) for kind, rule in rules.items()}
    return SHIPPED.model_copy(update={"entities": SHIPPED.entities | kinds})


def found(number: int, first: int, end: int, kind: str = "PERSON") -> PiiSpan:
    """A finding."""
    return PiiSpan(kind, number, WordRange(first, end), 0.9, "a rule")


def said(kind: str, values: list[str], using: RedactionPolicy) -> tuple[list[str], tuple[Original, ...]]:
    """What stands for each of the values, said one after the other in turns of their own."""
    turns = [turn(f"it is {value} okay", 10.0 * index) for index, value in enumerate(values)]
    masked = mask(turns, [found(i, 2, len(each.words) - 1, kind) for i, each in enumerate(turns)], using)
    assert all(each.text.startswith("it is [") and each.text.endswith("] okay") for each in masked.turns)
    return [each.words[2].text for each in masked.turns], masked.originals


def test_one_placeholder_stands_for_a_run() -> None:
    """A run of found words is one placeholder with the span of the run, named as the policy says."""
    words = spoken("my card is four one one one thank you Wilhelmina", 1.0)
    turns = (Turn("customer", Channel.CUSTOMER, words),)
    (masked,) = mask(turns, [found(0, 3, 7, "CREDIT_CARD"), found(0, 9, 10)], SHIPPED).turns
    assert masked.text == "my card is [CREDIT_CARD] thank you [PERSON]"
    assert masked.words[3].span == TimeSpan(words[3].span.start_s, words[6].span.end_s)


def test_overlapping_findings_leave_nothing_between_them() -> None:
    """Findings that overlap leave no word of either."""
    turns = (Turn("customer", Channel.CUSTOMER, spoken("one two three four five", 1.0)),)
    (masked,) = mask(turns, [found(0, 0, 3, "CREDIT_CARD"), found(0, 1, 2), found(0, 2, 4)], SHIPPED).turns
    assert masked.text == "[CREDIT_CARD] [PERSON] five"


def test_values_that_are_not_numbered() -> None:
    """Every value of a kind reads alike by default, and nothing is kept of any."""
    values = ["4111 1111 1111 1111", "5555 5555 5555 4444", "4111 1111 1111 1111"]
    assert said("CREDIT_CARD", values, SHIPPED) == (["[CREDIT_CARD]"] * 3, ())


@pytest.mark.parametrize(
    ("kind", "values", "numbers"),
    [
        ("ACCOUNT_NUMBER", ["88231907", "eight eight two three one nine oh seven", "8823-1907"], [1, 1, 1]),
        ("ACCOUNT_NUMBER", ["88231907", "88231908", "88231907", "4"], [1, 2, 1, 3]),
        ("EMAIL_ADDRESS", ["dana@example.com", "Dana at example dot com", "lee@example.com"], [1, 1, 2]),
        ("PERSON", ["Dana Whitfield", "dana", "Whitfield's", "Lee", "D A N A"], [1, 1, 1, 2, 1]),
        ("PERSON", ["Dana", "Dana Whitfield", "Whitfield", "Dana Miller"], [1, 1, 1, 2]),
        ("ACCOUNT_NUMBER", ["ab 12", "12"], [1, 2]),
    ],
)
def test_numbers(kind: str, values: list[str], numbers: list[int]) -> None:
    """The same value keeps its number however it is said; a part of a name is the same person."""
    expected = [f"[{kind}]" if number == 1 else f"[{kind}_{number}]" for number in numbers]
    assert said(kind, values, policy(**{kind: {"numbered": True}}))[0] == expected


def test_people_are_told_apart_by_default() -> None:
    """The shipped policy numbers people, and makes nothing reversible."""
    assert said("PERSON", ["Dana", "Lee", "Dana"], SHIPPED) == (["[PERSON]", "[PERSON_2]", "[PERSON]"], ())
    assert not any(rule.reversible for rule in SHIPPED.entities.values())


def test_a_reversible_kind() -> None:
    """Each form of each value is given once, under its own placeholder, and is in no representation."""
    values = ["Dana Whitfield", "Lee", "Dana Whitfield", "Dana"]
    placeholders, originals = said("PERSON", values, policy(PERSON={"reversible": True}))
    assert placeholders == ["[PERSON]", "[PERSON_2]", "[PERSON]", "[PERSON]"]
    assert [(each.placeholder, each.value) for each in originals] == [
        ("[PERSON]", "Dana Whitfield"),
        ("[PERSON_2]", "Lee"),
        ("[PERSON]", "Dana"),
    ]
    assert "Dana" not in repr(originals)


@pytest.mark.parametrize(
    "value",
    ["4111111111111111", "4111 1111 1111 1111", "four one one one one one one one one one one one one one one one"],
)
def test_a_card_is_never_kept(value: str) -> None:
    """The digits of a payment card are not kept, whatever they were taken for."""
    placeholders, originals = said("ACCOUNT_NUMBER", [value, "88231907"], policy(ACCOUNT_NUMBER={"reversible": True}))
    assert placeholders == ["[ACCOUNT_NUMBER]", "[ACCOUNT_NUMBER_2]"]
    assert [each.value for each in originals] == ["88231907"]


@pytest.mark.parametrize("kind", sorted(NEVER_REVERSIBLE))
def test_secrets_cannot_be_made_reversible(kind: str) -> None:
    """A policy that would keep card data, a PIN, a password or keys that were pressed does not load."""
    rule = {"threshold": 0.3, "replacement": f"[{kind}]", "reversible": True}
    rest = {each: old.model_dump() for each, old in SHIPPED.entities.items()}
    with pytest.raises(ValueError, match=f"{kind} can never be reversible"):
        RedactionPolicy.model_validate({"version": "1", "entities": {**rest, kind: rule}})


def test_odd_words() -> None:
    """Words without a letter, and values with brackets and line breaks of their own, are replaced like others."""
    for value in ("...", "\N{SNOWMAN}", "[PERSON]", "{x} \\1 <b>"):
        assert said("PERSON", [value], policy(PERSON={"numbered": True}))[0] == ["[PERSON]"]


def test_what_is_cut_off_is_not_kept() -> None:
    """A value whose words were cut off the call, for the caller objected before, is not shown again."""
    turns = [turn("I am Dana", 0.0), turn("my wife is Lee", 10.0), turn("and Dana again", 20.0)]
    findings = [found(0, 2, 3), found(1, 3, 4), found(2, 1, 2)]
    masked = mask(turns, findings, policy(PERSON={"reversible": True}))
    assert [each.value for each in standing(masked.originals, masked.turns)] == ["Dana", "Lee"]
    assert [each.value for each in standing(masked.originals, masked.turns[:1])] == ["Dana"]
    assert standing(masked.originals, ()) == ()
