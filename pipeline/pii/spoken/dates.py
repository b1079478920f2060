"""Dates, said or written, read into month, day and year.

Takes atoms and a place, gives a draft: "March 5 1982", "5 March 1982" or "3/5/1982". A year of two digits is taken
to lie between 1931 and 2030: what was said cannot tell more.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.pii.spoken import words as vocabulary
from pipeline.pii.spoken.numerals import Sureness
from pipeline.pii.spoken.spelling import unit_at
from pipeline.pii.spoken.tokens import Draft, PieceKind, trail_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.pii.spoken.numerals import Unit
    from pipeline.pii.spoken.tokens import Atom

_ORDINAL = re.compile(r"([0-9]{1,2})(?:st|nd|rd|th)")
_FIGURES = re.compile(r"([0-9]{1,2})([-./])([0-9]{1,2})\2([0-9]{4}|[0-9]{2})")
_ISO = re.compile(r"(?:18|19|20)[0-9]{2}-([0-9]{2})-([0-9]{2})")
_PAIR = re.compile(r"([0-9]{1,2})/([0-9]{1,2}|20[0-9]{2})")
_SLASHES = frozenset({"slash", "/", "stroke"})
_GAPS = frozenset({"uh", "um", "er", "erm", "of", "the", "in", "and", "year"})
_LAST_DAY, _LAST_MONTH, _PIVOT = 31, 12, 30
_FIRST_EXPIRY = 19


@dataclass(frozen=True, slots=True)
class _Part:
    text: str = field(repr=False)
    end: int
    ordinal: bool = False


def date_at(atoms: Sequence[Atom], place: int) -> Draft | None:
    """Read the date that starts at ``place``, the first atom of a word; None if there is none."""
    text = atoms[place].text
    if text in vocabulary.MONTHS:
        found = _month_first(atoms, place)
    elif text[:1].isdigit() or text in vocabulary.NUMBER_WORDS or text in vocabulary.ORDINALS:
        found = _figures(atoms, place) or _day_first(atoms, place) or _numbers(atoms, place)
    else:
        return None
    if found is None or not atoms[found.end - 1].closes:
        return None
    last = atoms[found.end - 1]
    return Draft(found.text, PieceKind.DATE, atoms[place].word, last.word + 1, trail=trail_of(last))


def _month_first(atoms: Sequence[Atom], place: int) -> _Part | None:
    month = atoms[place]
    after = _skip(atoms, place + 1, {"the", "of"})
    day = _day(atoms, after) if "." not in month.trail or len(month.text) <= 4 else None
    is_verb = month.text in {"may", "march"} and month.shape.islower()
    whole_year = _year(atoms, place + 1, strict=True)
    if day is not None and (day.ordinal or whole_year is None):
        year = _year(atoms, day.end, strict=False)
        if year is not None:
            return _Part(f"{month.shape} {day.text} {year.text}", year.end)
        if not _code_follows(atoms, day.end) and (day.ordinal or not is_verb):
            return _Part(f"{month.shape} {day.text}", day.end)
    return None if whole_year is None else _Part(f"{month.shape} {whole_year.text}", whole_year.end)


def _day_first(atoms: Sequence[Atom], place: int) -> _Part | None:
    day = _day(atoms, place)
    if day is None or day.end >= len(atoms):
        return None
    spoken_of = atoms[day.end].text == "of"
    after = _skip(atoms, day.end, {"of", "the", "day", "uh", "um"})
    if after < len(atoms) and atoms[after].text in vocabulary.MONTHS and atoms[after].whole:
        month = atoms[after]
        year = _year(atoms, after + 1, strict=False)
        if year is not None:
            return _Part(f"{day.text} {month.shape} {year.text}", year.end)
        is_verb = month.text in {"may", "march"} and month.shape.islower()
        if (spoken_of or not is_verb) and not _day_follows(atoms, after + 1):
            return _Part(f"{day.text} {month.shape}", after + 1)
        return None
    return _of_the(atoms, day, after)


def _of_the(atoms: Sequence[Atom], day: _Part, after: int) -> _Part | None:
    """Read "the fifth of the third eighty two"."""
    month = _day(atoms, after) if day.ordinal else None
    if month is None or not month.ordinal or int(month.text) > _LAST_MONTH:
        return None
    year = _year(atoms, month.end, strict=False)
    return None if year is None else _Part(f"{day.text}/{month.text}/{year.text}", year.end)


def _numbers(atoms: Sequence[Atom], place: int) -> _Part | None:
    """Read "three slash five slash eighty two"."""
    parts: list[str] = []
    for _ in range(2):
        number = _day(atoms, place)
        if number is None or number.end >= len(atoms) or atoms[number.end].text not in _SLASHES:
            return _expiry(atoms, parts, place)
        parts.append(number.text)
        place = number.end + 1
    year = _year(atoms, place, strict=False)
    if year is None or not _plausible(*parts):
        return None
    return _Part(f"{parts[0]}/{parts[1]}/{year.text}", year.end)


def _expiry(atoms: Sequence[Atom], parts: list[str], place: int) -> _Part | None:
    """Read "oh four slash twenty seven" as month and year."""
    year = _number_at(atoms, place) if parts and int(parts[0]) <= _LAST_MONTH else None
    if year is None or not _ends_card(year.text):
        return None
    return _Part(f"{parts[0]}/{year.text}", year.end)


def _ends_card(year: str) -> bool:
    return (len(year) == 2 and int(year) > _FIRST_EXPIRY) or (len(year) == 4 and year.startswith("20"))


def _figures(atoms: Sequence[Atom], place: int) -> _Part | None:
    """Read "03/05/82", "3-5-1982", "1982-03-05", "31/12 1940" and the expiry "04/27"."""
    text = atoms[place].text
    if iso := _ISO.fullmatch(text):
        return _Part(text, place + 1) if _plausible(iso[1], iso[2]) else None
    if parts := _FIGURES.fullmatch(text):
        left, sign, right, year = parts.groups()
        is_date = _plausible(left, right) and (_is_year(year) if len(year) == 4 else sign == "/")
        return _Part(f"{left}/{right}/{_full(year)}", place + 1) if is_date else None
    pair = _PAIR.fullmatch(text)
    if pair is None:
        return None
    if 0 < int(pair[1]) <= _LAST_MONTH and _ends_card(pair[2]):
        return _Part(text, place + 1)
    after = _year(atoms, place + 1, strict=True) if len(pair[2]) < 3 and _plausible(pair[1], pair[2]) else None
    return None if after is None else _Part(f"{text}/{after.text}", after.end)


def _plausible(left: str, right: str) -> bool:
    low, high = sorted((int(left), int(right)))
    return 0 < low <= _LAST_MONTH and high <= _LAST_DAY


def _day(atoms: Sequence[Atom], place: int) -> _Part | None:
    """Read the number of a day or month: "fifth", "twenty first", "22nd", "five", "oh five"."""
    if place >= len(atoms):
        return None
    day = _ordinal(atoms, place)
    if day is None:
        unit = _number_at(atoms, place)
        if unit is None:
            return None
        text, end = unit.text, unit.end
        following = _number_at(atoms, end) if text == "0" and not atoms[place].trail else None
        if following is not None and len(following.text) == 1:
            text, end = "0" + following.text, following.end
        day = _Part(text, end)
    return day if len(day.text) <= 2 and 0 < int(day.text) <= _LAST_DAY else None


def _ordinal(atoms: Sequence[Atom], place: int) -> _Part | None:
    text = atoms[place].text
    if found := _ORDINAL.fullmatch(text):
        return _Part(found[1], place + 1, ordinal=True)
    if text in vocabulary.ORDINALS:
        return _Part(str(vocabulary.ORDINALS[text]), place + 1, ordinal=True)
    if text in {"twenty", "thirty"} and place + 1 < len(atoms) and not atoms[place].trail:
        digit = vocabulary.ORDINALS.get(atoms[place + 1].text, 0)
        if 0 < digit < 10:
            return _Part(str(vocabulary.TENS[text] + digit), place + 2, ordinal=True)
    return None


def _year(atoms: Sequence[Atom], place: int, *, strict: bool) -> _Part | None:
    """Read a year. Strict: four digits only, and no gap but a comma or "of"."""
    place = _skip(atoms, place, {"of"} if strict else _GAPS)
    text, end = "", place
    while len(text) < 4 and end < len(atoms):
        if text and atoms[end - 1].trail and not (atoms[end - 1].trail == "," and _is_year(text)):
            break
        unit = _number_at(atoms, end)
        if unit is None or len(text) + len(unit.text) > 4:
            break
        text, end = text + unit.text, unit.end
    if not text or not atoms[end - 1].closes:
        return None
    if len(text) == 4:
        return _Part(text, end) if _is_year(text) and not _digits_follow(atoms, end) else None
    if strict or len(text) != 2 or _digits_follow(atoms, end):
        return None
    closed = end >= len(atoms) or bool(atoms[end - 1].trail)
    return _Part(_full(text), end) if closed or int(text) > _LAST_DAY else None


def _number_at(atoms: Sequence[Atom], place: int) -> Unit | None:
    unit = unit_at(atoms, place) if place < len(atoms) else None
    return unit if unit and unit.is_digits and unit.sureness in {Sureness.SURE, Sureness.OH} else None


def _is_year(text: str) -> bool:
    return text[:2] in {"18", "19", "20"}


def _full(year: str) -> str:
    if len(year) == 4:
        return year
    return ("20" if int(year) <= _PIVOT else "19") + year


def _digits_follow(atoms: Sequence[Atom], end: int) -> bool:
    if end >= len(atoms) or atoms[end - 1].trail:
        return False
    text = atoms[end].text
    return text in vocabulary.NUMBER_WORDS - {"o", "oh", "double", "triple"} or (text.isascii() and text.isdigit())


def _code_follows(atoms: Sequence[Atom], end: int) -> bool:
    """Whether what was taken for a day goes on as a code: "November 5 Delta 2"."""
    if _digits_follow(atoms, end):
        return True
    if end >= len(atoms) or atoms[end - 1].trail:
        return False
    text = atoms[end].text
    return (text in vocabulary.NATO and text not in vocabulary.MONTHS) or (
        text.isalpha() and len(text) == 1 and text not in "ai"
    )


def _day_follows(atoms: Sequence[Atom], end: int) -> bool:
    return (
        end < len(atoms) and not atoms[end - 1].trail and atoms[end].text in vocabulary.TEENS.keys() | vocabulary.TENS
    )


def _skip(atoms: Sequence[Atom], place: int, fillers: set[str] | frozenset[str]) -> int:
    for _ in range(3):
        if place < len(atoms) and atoms[place].whole and atoms[place].text in fillers and "." not in atoms[place].trail:
            place += 1
    return place
