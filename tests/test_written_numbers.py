"""Spoken digits and numbers become figures, in one run where they are one number."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.pii.written import digits_of, number_runs, write

DIGIT_RUNS = {
    "four one one one one one one one": "41111111",
    "four one 1 1": "4111",
    "4 one 1 1 1 1 eleven 1 1": "4111111111",
    "41 11": "4111",
    "4111-1111": "41111111",
    "1-1-1-1, 2-2-2-2.": "11112222.",
    "four one 1 1 , uh 41 11": "41114111",
    "four one one one dash two two two two": "41112222",
    "four one one one space two two two two": "41112222",
    "four one one one and two two two two": "41112222",
    "four one one one and then two two two two": "41112222",
    "four one one one that's four one one one": "41114111",
    "4111 and 1111 and 1111 and 1111": "4111111111111111",
    "4111, 1111, 1111, 1111": "4111111111111111",
    "4111. 1111. 1111. 1111.": "4111111111111111.",
    "4111 1111 1111 1111": "4111111111111111",
    "double seven": "77",
    "double seven triple oh double-oh": "7700000",
    "triple nine": "999",
    "double 5 three": "553",
    "five zero nought naught": "5000",
    "in five oh one": "in 501",
    "five o one": "501",
    "nine-one-one": "911",
    "call nine one one now": "call 911 now",
    "my pin is 4, 7, 2, 9": "my pin is 4729",
    "the cvv is 1, 2, 3.": "the cvv is 123.",
    "Four, seven, two.": "472.",
    "one two three dash four five dash six seven eight nine": "123456789",
    "123-45-6789": "123456789",
    "1-800-555-0199.": "18005550199.",
    "(555) 555-0199": "5555550199",
    "the number is (202)555-0143.": "the number is 2025550143.",
    "202.555.0143": "2025550143",
    "+1 202 555 0143": "+12025550143",
    "+12025550143": "+12025550143",
    "area code 202, 555, 0143": "area code 2025550143",
    "one eight hundred five five five oh one nine nine": "18005550199",
    "4,111": "4111",
    "4,111 1111": "41111111",
    "555-0199 to 555-0198": "5550199 to 5550198",
    "my number is five five five oh one nine nine to": "my number is 55501992",
    "four one for two seven": "41427",
    "five five ate five": "5585",
    "transfer 5 5 5 to my account": "transfer 555 to my account",
    "5 5 5 0 1 9 too.": "5550192.",
}
NUMBERS = {
    "nineteen eighty two": "1982",
    "fourteen fifty": "1450",
    "forty two twenty": "4220",
    "twenty twenty four": "2024",
    "one hundred and five": "105",
    "a hundred and five": "105",
    "two thousand and six": "2006",
    "two thousand twenty four": "2024",
    "nineteen oh five": "1905",
    "nineteen hundred": "1900",
    "twelve hundred": "1200",
    "sixty-three": "63",
    "seven hundred": "700",
    "forty-one eleven": "4111",
    "one thousand two hundred and thirty four": "1234",
    "one hundred twenty three thousand four hundred fifty six": "123456",
    "two hundred fifty dollars": "250 dollars",
    "twenty five percent": "25 percent",
    "one percent": "1 percent",
    "one fifty": "150",
    "ten fifteen minutes": "10 15 minutes",
    "two three days": "2 3 days",
    "in 2019 43 stores": "in 2019 43 stores",
}
CASES = {**DIGIT_RUNS, **NUMBERS}


@pytest.mark.parametrize(("said", "expected"), CASES.items())
def test_numbers_are_written_in_figures(said: str, expected: str) -> None:
    """Digits said one by one, in pairs or in groups are one number; amounts and years are those that were said."""
    assert write(said.split()).text == expected


@pytest.mark.parametrize("said", CASES)
def test_a_number_stays(said: str) -> None:
    """A number that is written already stays as it is."""
    once = write(said.split()).text
    assert write(once.split()).text == once


def test_digits_of_keeps_digits_only() -> None:
    """Digits of any script come out in ASCII; nothing else does."""
    assert digits_of("+1 (202) 555-0143 ext. \u0661\u00b2") == "120255501431"


def test_number_runs_are_filtered_by_length() -> None:
    """Only numbers with enough digits are runs; dates and amounts are none."""
    written = write(["two", "of", "AB12", "3CD", "and", "4111", "1111", "on", "March", "5", "1982", "for", "$1,250.00"])
    assert [piece.text for piece in number_runs(written, 4)] == ["41111111"]
    assert [piece.text for piece in number_runs(written, 3)] == ["AB123CD", "41111111"]


NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
TEENS = ["ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def _one(digit: str, style: int) -> str:
    if style == 0:
        return digit
    return "oh" if style == 1 and digit == "0" else NAMES[int(digit)]


def _pair(pair: str) -> str:
    if pair[0] == "0":
        return f"oh {NAMES[int(pair[1])]}" if pair[1] != "0" else "double oh"
    if pair[0] == "1":
        return TEENS[int(pair[1])]
    tens = TENS[int(pair[0]) - 2]
    return tens if pair[1] == "0" else f"{tens}-{NAMES[int(pair[1])]}"


@st.composite
def spoken_digits(draw: st.DrawFn) -> tuple[str, str]:
    """Draw digits and one way to say them, digit by digit, by pairs, grouped or with multiples."""
    digits = draw(st.text("0123456789", min_size=4, max_size=24))
    way = draw(st.sampled_from(["single", "pairs", "groups", "hyphens", "multiples"]))
    if way == "single":
        said = [_one(digit, draw(st.integers(0, 2))) for digit in digits]
        joint = draw(st.sampled_from([" ", ", ", " uh ", " um, "]))
        said[0] = "zero" if said[0] == "oh" else said[0]  # "oh, two" is an exclamation
        return digits, joint.join(said) if len(digits) > 4 else " ".join(said)
    if way == "pairs":
        digits = digits[: len(digits) // 2 * 2]
        return digits, " ".join(_pair(digits[place : place + 2]) for place in range(0, len(digits), 2))
    size = draw(st.integers(3, 4))
    if way == "groups":
        return digits, " ".join(re.findall(rf"\d{{1,{size}}}", digits))
    if way == "hyphens":
        return digits, "-".join(digits)
    runs = [match[0] for match in re.finditer(r"(\d)\1?", digits)]
    return digits, " ".join(_one(run[0], 2) if len(run) == 1 else f"double {_one(run[0], 2)}" for run in runs)


@given(spoken_digits())
@settings(deadline=None, max_examples=400)
def test_any_digit_string_comes_back(case: tuple[str, str]) -> None:
    """Digits said in any common way are written as the same digits, in one number."""
    digits, said = case
    written = write(["number", "is", *said.split()])
    assert digits_of(written.text) == digits
    assert [piece.text for piece in number_runs(written)] == [digits]
