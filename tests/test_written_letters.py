"""Spelled letters become words and codes."""

from __future__ import annotations

import pytest

from pipeline.pii.written import write

LETTERS = {
    "D A N A": "DANA",
    "D-A-N-A": "DANA",
    "D-A-N-A,": "DANA,",
    "d. a. n. a.": "DANA.",
    "D, A, N, A": "DANA",
    "D.A.N.A.": "DANA.",
    "I A N": "IAN",
    "A D A M": "ADAM",
    "B as in boy": "B",
    "A as in apple": "A",
    "J for Juliet": "J",
    "J like John": "J",
    "B, bravo": "B",
    "capital J": "J",
    "capital D small a n a": "DANA",
    "double L": "LL",
    "S M I double T": "SMITT",
    "alpha bravo charlie": "ABC",
    "D as in dog A N as in Nancy A": "DANA",
    "K-A-T-H-Y": "KATHY",
    "S M I T H, first name D A N A": "SMITH, first name DANA",
    "my name's D A N I and I live here": "my name's DANI and I live here",
    "z e zed": "ZEZ",
    "bravo seven alpha tango": "B7AT",
    "Tango November 11 for Lima Delta": "TN114LD",
    "November 5 Delta 2 bravo bravo": "N5D2BB",
    "okay Charlie 6 7 golf Juliet": "okay C67GJ",
    "alpha 1 x ray 2": "alpha 1X2",
    "A B 1 2 3": "AB123",
    "the 5th W Z": None,
    "AB12 3CD": "AB123CD",
    "AB12 CDE": "AB12CDE",
    "s w one a two a a": "SW1A2AA",
    "S W 1 A, 2 A A": "SW1A2AA",
    "policy A B C 1 2 3 4": "policy ABC1234",
    "P as in Peter 7 7 Q for Queen": "P77Q",
    "n 4 double u 6": "N4W6",
}


@pytest.mark.parametrize(("said", "expected"), LETTERS.items())
def test_letters_are_written_together(said: str, expected: str | None) -> None:
    """Letters, code words for them and explained ones are written as what they spell, with figures between them."""
    assert write(said.split()).text == (said if expected is None else expected)


@pytest.mark.parametrize("said", LETTERS)
def test_what_is_spelled_stays(said: str) -> None:
    """A word or code that is written already stays as it is."""
    once = write(said.split()).text
    assert write(once.split()).text == once
