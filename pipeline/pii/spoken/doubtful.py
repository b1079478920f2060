"""Doubtful words in a row of digits and letters: "oh", "to", "a", "you", "november".

Takes a tight row of units and a place in it, says whether that unit is a digit, a letter or a plain word. Looks at
the row only, and at whether the clause ends.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.pii.spoken import words as vocabulary
from pipeline.pii.spoken.numerals import Sureness

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.pii.spoken.numerals import Unit
    from pipeline.pii.spoken.tokens import Atom

_MIN_LETTERS = 3
_REACH = 16  # how far a doubtful word looks for digits


def is_nato(row: Sequence[Unit]) -> bool:
    """Whether a tight row is spelled with the NATO alphabet, so that "mike" and "november" are letters."""
    nato = sum(unit.sureness is Sureness.NATO for unit in row)
    other = sum(unit.sureness is Sureness.SURE for unit in row)
    return nato >= 2 and nato + other >= _MIN_LETTERS


def settle(atoms: Sequence[Atom], row: Sequence[Unit], index: int) -> Unit | None:
    """Decide a unit of a tight row by its neighbours; None if it is a plain word. "Oh" may become a letter."""
    unit = row[index]
    if unit.sureness is Sureness.OH:
        return _settle_oh(atoms, row, index)
    tests = {
        Sureness.HOMOPHONE: _is_digit_word,
        Sureness.ARTICLE: _is_letter_a_or_i,
        Sureness.CAPITALS: _is_part_of_code,
        Sureness.SOUND: _is_letter_sound,
    }
    test = tests.get(unit.sureness)
    if test is None:
        return unit if unit.sureness is Sureness.SURE else None
    return unit if test(atoms, row, index) else None


def _around(row: Sequence[Unit], index: int) -> tuple[Unit | None, Unit | None]:
    return row[index - 1] if index else None, row[index + 1] if index + 1 < len(row) else None


def _is_part_of_code(_: Sequence[Atom], row: Sequence[Unit], index: int) -> bool:
    """Whether "PB" or "5G" belongs to a code beside it; three letters only end one, as on a number plate."""
    unit = row[index]
    left, right = _around(row, index)
    near = [other for other in (left, right) if other is not None and other.sureness is Sureness.SURE]
    if not unit.is_letters:
        return any(not other.is_digits for other in near)
    ends_plate = left is not None and not left.is_digits and not left.is_letters
    return (len(unit.text) == 2 or ends_plate) and any(not other.quantity for other in near)


def _is_letter_sound(atoms: Sequence[Atom], row: Sequence[Unit], index: int) -> bool:
    """Whether "you" or "zed" stands for a letter: between sure units, or at the end of a code."""
    left, right = _around(row, index)
    if atoms[row[index].first].text in vocabulary.LETTER_NAMES:
        return left is not None or right is not None
    sure = sum(other.sureness is Sureness.SURE for other in row)
    if left is None or left.sureness is not Sureness.SURE:
        return False
    if right is None:
        code = left.is_letters and sure > _MIN_LETTERS and any(other.is_digits for other in row)
        return code and ends_clause(atoms, row[index].end)
    return right.sureness is Sureness.SURE and sure >= _MIN_LETTERS and (left.is_letters or right.is_letters)


def _settle_oh(atoms: Sequence[Atom], row: Sequence[Unit], index: int) -> Unit | None:
    """Decide "oh" and "o": a zero beside digits, the letter O beside letters, or an exclamation."""
    left, right = _around(row, index)
    sures = [other for other in row if other.sureness is Sureness.SURE]
    digits = sum(len(other.text) for other in sures if other.is_digits)
    is_letter = right is not None and right.is_letters and len(sures) > 1
    if digits == 0:
        spoken = sum(other.sureness is not Sureness.HOMOPHONE for other in row)
        named = any(other.is_letters for other in sures) and atoms[row[index].first].text == "o"
        is_letter, is_zero = named and spoken >= _MIN_LETTERS, False
    elif left is None or left.sureness in {Sureness.HOMOPHONE, Sureness.ARTICLE}:
        is_zero = right is not None and right.is_digits and _leads_digits(atoms, row, index, digits)
    elif left.is_letters:
        is_letter, is_zero = True, False
    else:
        is_letter, is_zero = False, right is not None or _trails_digits(atoms, row, index, digits)
    if is_letter and not is_zero:
        return replace(row[index], text="O", spelled=False)
    return row[index] if is_zero else None


def _leads_digits(atoms: Sequence[Atom], row: Sequence[Unit], index: int, digits: int) -> bool:
    """Whether "oh" begins a number and is no exclamation: "oh, five days"."""
    listed = [bool(atoms[unit.end - 1].trail) for unit in row[index : index + 2]]
    ends_turn = atoms[row[-1].end - 1].word == atoms[-1].word
    zeros = sum(other.sureness is Sureness.OH for other in row)
    return listed != [True, False] and (digits + zeros >= _MIN_LETTERS or ends_turn)


def _trails_digits(atoms: Sequence[Atom], row: Sequence[Unit], index: int, digits: int) -> bool:
    """Whether "oh" ends a number and begins no exclamation: "one, two, three, oh I see"."""
    is_listed = bool(atoms[row[index - 1].end - 1].trail)
    return ends_clause(atoms, row[index].end) or (digits >= _MIN_LETTERS - 1 and not is_listed)


def _is_digit_word(atoms: Sequence[Atom], row: Sequence[Unit], index: int) -> bool:
    """Whether "to", "for" and their like stand for a digit: inside a row of single digits, never in "three to five"."""
    before = _row_of_digits(row[max(0, index - _REACH) : index][::-1])
    after = _row_of_digits(row[index + 1 : index + 1 + _REACH])
    word = atoms[row[index].first]
    left = row[index - 1] if index else None
    right = row[index + 1] if index + 1 < len(row) else None
    if left and right:
        zero = (left.is_digits and left.text[0] == "0") or (right.is_digits and right.text[0] == "0")
        single = before and after and max(before, after) >= 2 and min(len(left.text), len(right.text)) == 1
        return zero or bool(single) or _is_within_code(row, index)
    if word.text in vocabulary.INNER_HOMOPHONES:
        return False
    if before >= 2:
        return ends_clause(atoms, row[index].end)
    return after >= _MIN_LETTERS and word.word == 0 and word.text in {"ate", "won"}


def _is_within_code(row: Sequence[Unit], index: int) -> bool:
    """Whether a doubtful word stands inside a code of letters and digits, as "for" does in "T N 1 1 for L D"."""
    kinds = {Sureness.SURE, Sureness.NATO} if is_nato(row) else {Sureness.SURE}
    near = row[index - 1].sureness in kinds and row[index + 1].sureness in kinds
    parts = [unit for unit in row if unit.sureness in kinds]
    letters = sum(unit.is_letters for unit in parts)
    return near and letters >= 2 and len(parts) > _MIN_LETTERS


def _row_of_digits(units: Sequence[Unit]) -> int:
    """Return how many digits stand next to a doubtful word, said one by one; other doubtful ones do not count."""
    count = 0
    for unit in units:
        if unit.sureness is Sureness.HOMOPHONE:
            continue
        zero = unit.sureness is Sureness.OH
        if not (zero or (unit.sureness is Sureness.SURE and unit.is_digits and unit.spelled)):
            break
        count += len(unit.text)
    return count


def _is_letter_a_or_i(atoms: Sequence[Atom], row: Sequence[Unit], index: int) -> bool:
    sures = [unit for unit in row if unit.sureness is Sureness.SURE]
    letters = sum(unit.is_letters for unit in sures)
    articles = sum(unit.sureness is Sureness.ARTICLE for unit in row)
    is_first, is_last = index == 0, index == len(row) - 1
    if letters == 0:
        near = [other for other in _around(row, index) if other is not None and other.sureness is Sureness.ARTICLE]
        return atoms[row[index].first].shape == "A" and any(atoms[other.first].shape == "A" for other in near)
    if is_first and is_last:
        return False
    if is_first:
        same_case = atoms[row[0].first].shape.isupper() == atoms[row[1].first].shape.isupper()
        digits = any(unit.is_digits for unit in sures)
        tight = row[1].first == row[0].end and "," not in atoms[row[0].first].trail
        return (
            (tight or (letters > 1 and same_case))
            and row[1].is_letters
            and (letters + articles - 1 >= 2 or (digits and same_case))
        )
    if is_last:
        word = row[index]
        next_text = atoms[word.end].text if word.end < len(atoms) else ""
        if atoms[word.first].text == "i" and next_text in vocabulary.AFTER_I and not atoms[word.end - 1].trail:
            return False
        return ends_clause(atoms, word.end) or len(row) > _MIN_LETTERS
    return True


def ends_clause(atoms: Sequence[Atom], end: int) -> bool:
    """Whether the turn, or a part of its sentence, ends before the atom ``end``."""
    return end >= len(atoms) or bool(atoms[end - 1].trail)
