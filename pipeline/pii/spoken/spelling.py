"""Letters said one by one, with or without a word to explain them, read into letters.

Takes atoms and a place, gives a ``Unit`` of letters, or of letters and digits for a written code ("AB12").
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline.pii.spoken import words as vocabulary
from pipeline.pii.spoken.numerals import Sureness, Unit, cardinal, numeral

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.pii.spoken.tokens import Atom

_CODE = re.compile(r"(?=[A-Za-z0-9]*[0-9])(?=[A-Za-z0-9]*[A-Za-z])[A-Za-z0-9]{2,20}")
_LOWER_CODE = re.compile(r"[a-z]{1,2}[0-9]+[a-z0-9]*|[0-9]+[a-z]{1,2}")
_NO_CODE = re.compile(r"[0-9]+(?:st|nd|rd|th|am|pm)")
_MEASURE = re.compile(r"[0-9]+(?:a|p|k|kg|g|mg|ml|m|mm|cm|km|s|x|d|b|bn|hz|gb|mb|h|hr|c|f|ft|lb|v|w)")
_MAX_PARTS = 32  # of a word that are looked at
_PERIOD = re.compile(r"(?:q|h|fy|cy)[0-9]{1,4}|[0-9]q|[0-9]h")


def unit_at(atoms: Sequence[Atom], place: int) -> Unit | None:
    """Read the digits or letters that start at ``place``; None if a plain word does."""
    atom = atoms[place]
    text = atom.text
    if text in vocabulary.MULTIPLES:
        return _multiplied(atoms, place)
    number = _number(atoms, place)
    if number is not None:
        return number
    if text in vocabulary.ZERO_SOUNDS and not _among_letters(atoms, place):
        sureness = Sureness.OH if atom.whole else Sureness.SURE
        return _explained(atoms, place) or Unit("0", place, place + 1, sureness, spelled=True)
    if len(text) == 1:
        return _letter(atoms, place)
    if not atom.whole:
        return None
    tied = _explained(atoms, place) if text in vocabulary.LETTERS_BY_SOUND else None
    return tied or _cased(atoms, place) or _named(atom, place)


def _among_letters(atoms: Sequence[Atom], place: int) -> bool:
    """Whether every part of a word is a letter ("N-O-V-A-K"): no digit stands in a name."""
    word = atoms[place].word
    around = [atom for atom in atoms[max(place - _MAX_PARTS, 0) : place + _MAX_PARTS] if atom.word == word]
    return len(around) > 1 and all(len(atom.text) == 1 and atom.text.isalpha() for atom in around)


def _number(atoms: Sequence[Atom], place: int) -> Unit | None:
    text = atoms[place].text
    figures = numeral(atoms[place], place) if text[:1].isdigit() else None
    return figures if figures is not None and len(text) > 3 else cardinal(atoms, place) or figures


def _cased(atoms: Sequence[Atom], place: int) -> Unit | None:
    """Read "capital J"."""
    named = atoms[place].text in vocabulary.CASES and not atoms[place].trail
    if not named or place + 1 >= len(atoms) or len(atoms[place + 1].text) != 1:
        return None
    letter = unit_at(atoms, place + 1)
    return Unit(letter.text, place, letter.end, phonetic=True) if letter is not None and letter.is_letters else None


def _named(atom: Atom, place: int) -> Unit | None:
    text = atom.text
    for table, sureness in (
        (vocabulary.NATO, Sureness.NATO),
        (vocabulary.LETTER_NAMES, Sureness.SOUND),
        (vocabulary.LETTER_SOUNDS, Sureness.SOUND),
    ):
        if text in table and not (atom.shape.isupper() and text.upper() in vocabulary.SHORT_WORDS):
            return Unit(table[text], place, place + 1, sureness)
    if text in vocabulary.HOMOPHONES:
        return Unit(vocabulary.HOMOPHONES[text], place, place + 1, Sureness.HOMOPHONE, spelled=True)
    if _CODE.fullmatch(atom.shape) and not _NO_CODE.fullmatch(text):
        return _code(atom, place)
    if atom.shape.isascii() and atom.shape.isalpha() and atom.shape.isupper() and len(text) <= 3:
        known = atom.shape in vocabulary.SHORT_WORDS
        return None if known else Unit(atom.shape, place, place + 1, Sureness.CAPITALS)
    return None


def _code(atom: Atom, place: int) -> Unit | None:
    upper = not any(letter.islower() for letter in atom.shape)
    if not upper and not _LOWER_CODE.fullmatch(atom.shape) and not _LOWER_CODE.fullmatch(atom.text):
        return None
    measure = _MEASURE.fullmatch(atom.text) or _PERIOD.fullmatch(atom.text)
    return Unit(atom.shape.upper(), place, place + 1, Sureness.CAPITALS if measure else Sureness.SURE)


def _letter(atoms: Sequence[Atom], place: int) -> Unit | None:
    atom = atoms[place]
    if not (atom.text.isascii() and atom.text.isalpha()):
        return None
    explained = _explained(atoms, place)
    if explained is not None:
        return explained
    if atom.text == "x" and place + 1 < len(atoms) and atoms[place + 1].text == "ray":
        return Unit("X", place, place + 2, phonetic=True)
    sureness = Sureness.ARTICLE if atom.whole and atom.text in {"a", "i"} else Sureness.SURE
    return Unit(atom.text.upper(), place, place + 1, sureness)


def _explained(atoms: Sequence[Atom], place: int) -> Unit | None:
    """Read "B as in boy", "J for Juliet", "B, bravo", "why for yacht" and the like; the word begins with the letter."""
    letter = vocabulary.LETTER_SOUNDS.get(atoms[place].text, atoms[place].text)[0].lower()
    if not atoms[place].whole:
        return None
    after = [atom.text for atom in atoms[place + 1 : place + 6]]
    if after[:2] == ["as", "in"] or after[:2] == ["like", "in"]:
        skip = 4 if after[2:4] == ["the", "word"] else 2
        if len(after) > skip and after[skip].startswith(letter) and atoms[place + 1 + skip].closes:
            return Unit(letter.upper(), place, place + skip + 2, phonetic=True)
    if len(after) > 1 and after[0] in {"for", "like"} and after[1].startswith(letter) and len(after[1]) > 1:
        plain = letter in "ai" and after[1] not in vocabulary.PHONETIC_A_I
        if not plain and atoms[place + 2].whole:
            return Unit(letter.upper(), place, place + 3, phonetic=True)
    if after and vocabulary.NATO.get(after[0]) == letter.upper() and letter != "i":
        return Unit(letter.upper(), place, place + 2, phonetic=True)
    return None


def _multiplied(atoms: Sequence[Atom], place: int) -> Unit | None:
    if place + 1 >= len(atoms) or atoms[place].trail not in {"", ","}:
        return None
    times = vocabulary.MULTIPLES[atoms[place].text]
    atom = atoms[place + 1]
    text = atom.text
    if times == 2 and text in {"u", "you"} and not atoms[place].trail:
        return Unit("W", place, place + 2, Sureness.SURE if text == "u" else Sureness.SOUND)
    digit = vocabulary.DIGITS.get(text, "0" if text in vocabulary.ZERO_SOUNDS else text)
    if len(digit) == 1 and digit.isascii() and digit.isdigit():
        return Unit(digit * times, place, place + 2, spelled=True)
    if len(text) == 1 and text.isascii() and text.isalpha() and text not in {"a", "i"}:
        return Unit(text.upper() * times, place, place + 2, phonetic=True)
    return None
