"""Numbers, said in words or written in figures, read into digits.

Takes atoms and a place, gives a ``Unit``: the digits that one number stands for and the atoms it took.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

from pipeline.pii.spoken import words as vocabulary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.pii.spoken.tokens import Atom


class Sureness(Enum):
    """How far a unit can be trusted to be a digit or a letter when nothing stands beside it."""

    SURE = auto()
    OH = auto()  # "oh" and "o": zero, the letter, or an exclamation
    HOMOPHONE = auto()  # "to", "for", "ate"
    ARTICLE = auto()  # "a" and "I"
    SOUND = auto()  # "bee", "are", "you"
    NATO = auto()  # "november", "mike"
    CAPITALS = auto()  # "PB": a part of a code, or an abbreviation


@dataclass(frozen=True, slots=True)
class Unit:
    """Digits or letters that were said in one go.

    Args:
        text: the digits, or the letters in upper case, or both.
        first: its first atom.
        end: the atom after its last.
        sureness: how far it can be trusted on its own.
        spelled: said or written digit by digit, so it is no quantity.
        quantity: said with "hundred" or "thousand", or written with a thousands comma.
        phonetic: a letter that was explained ("B as in boy") or multiplied ("double L").
    """

    text: str = field(repr=False)
    first: int
    end: int
    sureness: Sureness = Sureness.SURE
    spelled: bool = False
    quantity: bool = False
    phonetic: bool = False

    @property
    def is_digits(self) -> bool:
        """Whether it holds digits only."""
        return self.text.isdigit()

    @property
    def is_letters(self) -> bool:
        """Whether it holds letters only."""
        return self.text.isalpha()


_GROUPED = re.compile(r"[1-9][0-9]{0,2}(?:,[0-9]{3})+")
_SEPARATED = re.compile(r"[0-9]+(?:(?:[-,]|\)-?|\.)\(?[0-9]+)+")
_DATE_LIKE = re.compile(r"[0-9]{1,2}([-./])[0-9]{1,2}\1(?:18|19|20)[0-9]{2}|(?:18|19|20)[0-9]{2}-[0-9]{2}-[0-9]{2}")
_IP_LIKE = re.compile(r"(?:[12]?[0-9]{1,2}\.){3}[12]?[0-9]{1,2}")
_DIGITS = re.compile(r"[0-9]+")
_MAX_ATOMS = 12
_MIN_DOTTED = 5  # figures with a full stop between each; a version or an address of a computer has fewer


def numeral(atom: Atom, place: int) -> Unit | None:
    """Read figures: "4111", "1-1-1-1", "4,111", "555)019-9"; None for amounts, ranges, dates and times."""
    text = atom.text.replace("(", "")
    if not text or not text[0].isascii() or not text[0].isdigit():
        return None
    if _DIGITS.fullmatch(text):
        return Unit(text, place, place + 1, spelled=len(text) == 1)
    if _GROUPED.fullmatch(text):
        return Unit(text.replace(",", ""), place, place + 1, quantity=True)
    if not _SEPARATED.fullmatch(text) or _DATE_LIKE.fullmatch(text) or _IP_LIKE.fullmatch(text):
        return None
    groups = _DIGITS.findall(text)
    return Unit("".join(groups), place, place + 1, spelled=True) if _reads_as_code(text, groups) else None


def _reads_as_code(text: str, groups: list[str]) -> bool:
    if len(groups) > 2:
        return "." not in text or len("".join(groups)) >= 7 or len(groups) >= _MIN_DOTTED
    left, right = groups
    if "." in text:
        return False
    if len(left) > 4 or len(right) > 4 or right.startswith("0") or ")" in text:
        return True
    if len(left) != len(right):
        return len(left) == 3 and len(right) == 4
    years = left[:2] in {"19", "20"} and right[:2] in {"19", "20"}
    return int(left) >= int(right) or (len(left) == 4 and not years)


def cardinal(atoms: Sequence[Atom], place: int) -> Unit | None:
    """Read a number in words at ``place``: "sixty three", "one hundred and five", "two thousand six", "seven".

    "Hundred" takes what follows only when that is no longer row of digits: "eight hundred five" is 805,
    "eight hundred five five five" is 800 and then three fives.
    """
    below, end = _below_hundred(atoms, place)
    if below is None:
        return None
    spelled = end == place + 1 and (atoms[place].text in vocabulary.DIGITS or len(atoms[place].text) == 1)
    if atoms[place].text in {"zero", "nought", "naught"}:
        return Unit("0", place, end, spelled=True)
    scaled = _scaled(atoms, below, end)
    if scaled is not None:
        total, end = scaled
        return Unit(str(total), place, end, quantity=True)
    if end < len(atoms) and atoms[end].text in vocabulary.ORDINALS and _tight(atoms, end) and below % 10 == 0:
        return None
    return Unit(str(below), place, end, spelled=spelled)


def _scaled(atoms: Sequence[Atom], below: int, end: int) -> tuple[int, int] | None:
    if not _is(atoms, end, "hundred") and not _is(atoms, end, "thousand"):
        return None
    total = below
    if _is(atoms, end, "hundred"):
        total, end = _rest(atoms, below * 100, end + 1, limit=100)
    if _is(atoms, end, "thousand"):
        thousands = total * 1000
        total, end = thousands, end + 1
        small, after = _below_hundred(atoms, _skip_and(atoms, end))
        if small is not None and small > 0 and _is(atoms, after, "hundred"):
            total, end = _rest(atoms, total + small * 100, after + 1, limit=100)
        else:
            total, end = _rest(atoms, total, end, limit=1000)
    return total, end


def _rest(atoms: Sequence[Atom], total: int, end: int, limit: int) -> tuple[int, int]:
    start = _skip_and(atoms, end)
    small, after = _below_hundred(atoms, start)
    if small is None or small == 0 or small >= limit:
        return total, end
    if small < 10 and _starts_digit(atoms, after):
        return total, end
    return total + small, after


def _below_hundred(atoms: Sequence[Atom], place: int) -> tuple[int | None, int]:
    if place >= len(atoms):
        return None, place
    text = atoms[place].text
    if text in vocabulary.DIGITS:
        return int(vocabulary.DIGITS[text]), place + 1
    if text in vocabulary.TENS:
        digit = _digit_after(atoms, place)
        return vocabulary.TENS[text] + digit, place + (2 if digit else 1)
    value = vocabulary.TEENS.get(text)
    if value is None and _is(atoms, place + 1, "hundred", "thousand"):
        if text == "a" and atoms[place].whole:
            value = 1
        elif len(text) <= 3 and text.isascii() and text.isdigit():
            value = int(text)
    return value, place if value is None else place + 1


def _digit_after(atoms: Sequence[Atom], place: int) -> int:
    """Return the digit that joins the tens at ``place``, 0 if none does."""
    if place + 1 >= len(atoms) or not _tight(atoms, place + 1):
        return 0
    text = atoms[place + 1].text
    digit = vocabulary.DIGITS.get(text, text)
    return int(digit) if len(digit) == 1 and digit.isascii() and digit.isdigit() else 0


def _skip_and(atoms: Sequence[Atom], place: int) -> int:
    return place + 1 if _is(atoms, place, "and") else place


def _starts_digit(atoms: Sequence[Atom], place: int) -> bool:
    if place >= len(atoms) or not _tight(atoms, place):
        return False
    text = atoms[place].text
    return text in vocabulary.DIGITS or text in vocabulary.ZERO_SOUNDS or (text.isascii() and text.isdigit())


def _is(atoms: Sequence[Atom], place: int, *texts: str) -> bool:
    return 0 < place < len(atoms) and atoms[place].text in texts and _tight(atoms, place)


def _tight(atoms: Sequence[Atom], place: int) -> bool:
    return not atoms[place - 1].trail
