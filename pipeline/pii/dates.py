"""Dates as they are said: "the fifth of April nineteen seventy three", "oh eight twenty seven", "March 3rd".

Takes: the tokens of a line. Gives: ``Date`` ranges. Promises: a number with a unit of its own ("twenty seven years")
is no date.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.pii.lexicon import words
from pipeline.pii.quantity import is_year
from pipeline.pii.written import PieceKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.pii.lines import Token

_ORDINAL = re.compile(r"\d{1,2}(?:st|nd|rd|th)")
MAX_DIGITS = 12
"""Two dates in a row; more digits are another kind of number."""
MAX_DAY = 2
"""Digits of a day."""
TOO_YOUNG = 2013
"""A full date with a year before this one is more likely somebody's birthday than an appointment."""
_AGE = re.compile(r"years?|months?|weeks?|days?|hours?|minutes?|percent|dollars?|pounds|a\.?m|p\.?m|o'clock")


@dataclass(frozen=True, slots=True)
class Date:
    """A range of tokens of one line that reads as a date.

    Args:
        first: first token; ``end`` is past the last.
        full: it has a month or three parts, and a year.
        weak: it is one short number among other words.
        month: it names a month.
        past: it is full and its year is long past.
    """

    first: int
    end: int
    full: bool
    weak: bool
    month: bool
    past: bool


def dates(tokens: Sequence[Token]) -> Iterator[Date]:
    """Every date of a line, in order."""
    position = 0
    while position < len(tokens):
        if not _part(tokens, position):
            position += 1
            continue
        end = _end(tokens, position)
        date = _date(tokens, position, end)
        if date is not None:
            yield date
        position = end


def _part(tokens: Sequence[Token], position: int) -> bool:
    token = tokens[position]
    if token.kind is PieceKind.DATE:
        return True
    if token.fold in words("months"):
        return token.fold not in ("may", "march", "mar", "sep", "dec", "jan") or token.capital
    if token.fold in words("ordinals") or _ORDINAL.fullmatch(token.fold):
        return True
    if token.fold in ("twenty", "thirty") and not (token.stop or token.pause):
        return position + 1 < len(tokens) and tokens[position + 1].fold in words("ordinals")
    if not token.number or token.quantity or len(token.digits) > 8:
        return False
    following = tokens[position + 1].fold if position + 1 < len(tokens) and not token.stop else ""
    return not _AGE.fullmatch(following) and not any(sign in token.fold for sign in "$£€%:")


def _end(tokens: Sequence[Token], start: int) -> int:
    end = position = start + 1
    while position < len(tokens) and position - end <= 2:
        if _part(tokens, position):
            end = position + 1
        elif tokens[position].fold not in words("date_glue") or _is_share(tokens, position):
            break
        position += 1
    return end


def _is_share(tokens: Sequence[Token], at: int) -> bool:
    """Whether "of" follows a number that is too long for a day ("400 of the 1500")."""
    return tokens[at].fold == "of" and tokens[at - 1].number and len(tokens[at - 1].digits) > MAX_DAY


def _date(tokens: Sequence[Token], first: int, end: int) -> Date | None:
    parts = tokens[first:end]
    digits = "".join(token.digits for token in parts)
    month = any(token.fold in words("months") or token.kind is PieceKind.DATE for token in parts)
    days = sum(1 for token in parts if token.fold in words("ordinals"))
    year = next((token.digits[-4:] for token in reversed(parts) if is_year(token.digits[-4:])), "")
    if not year and is_year(digits[-4:]):
        year = digits[-4:]
    counted = len(digits) + 2 * days
    if not (counted or month) or len(digits) > MAX_DIGITS:
        return None
    full = bool(year) and (counted >= 5 or (month and counted > 4) or counted >= 6)
    weak = not month and counted < 4 and len(parts) < 2 and end - first < len(tokens) - 3
    past = full and (month or counted >= 6) and int(year) < TOO_YOUNG
    return Date(first, end, full or counted >= 6, weak, month, past)
