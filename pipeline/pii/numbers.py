"""Runs of digits, and of digits with letters, as they were said: found, measured and labelled.

Takes: the tokens of a stream. Gives: ``Run`` objects, and a label for each from checksum, length and the words before
it. Promises: a checksum chooses the label and never whether a run is redacted; a long run that nothing explains is
redacted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.pii.lexicon import lexicon, words
from pipeline.pii.quantity import has_unit, is_measured, is_quantity, is_sum, is_year

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.pii.lines import Token

_VIN = re.compile(r"(?=.*\d)[A-HJ-NPR-Z0-9]{17}")
_IBAN = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}")
_POSTCODE = re.compile(r"[A-Z]{1,2}\d[A-Z\d]?\d[A-Z]{2}")
_NINO = re.compile(r"[A-Z]{2}\d{6}[A-D]")
_PLATE = re.compile(r"[A-Z]{2}\d{2}[A-Z]{3}")
"""Great Britain's registration marks since 2001: an area, the half year, three letters (DVLA INF104), as heard."""
_MIXED = re.compile(r"\d+[A-Z]+\d+[A-Z\d]*|[A-Z]+\d+[A-Z]+[A-Z\d]*")
"""Letters between figures, or figures between letters: a code, whatever follows ("43B7")."""
_COUNTING = "12345678910111213"
LISTED = 5
SPELLED = 3
MAX_GAP = 4
"""Fillers that may stand between two parts of one number."""


@dataclass(frozen=True, slots=True)
class Run:
    """Numbers said one after the other, with at most fillers between.

    Args:
        tokens: the parts, fillers left out.
        text: letters and digits in capitals.
        before: folded words before it, nearest last.
        quantity: it plainly counts or measures something.
        measured: so it does by its own sign or the unit after it, whatever stands before.
        unit: so it does by the unit after it.
        summed: it is short and a word of money stands right before it.
        single: it was said digit by digit.
    """

    tokens: tuple[Token, ...]
    text: str = field(repr=False)
    before: tuple[str, ...] = field(repr=False)
    quantity: bool
    measured: bool
    unit: bool
    summed: bool
    single: bool

    @property
    def digits(self) -> str:
        """The digits alone."""
        return "".join(char for char in self.text if char.isdecimal())

    @property
    def listed(self) -> bool:
        """Whether it is a few short numbers with commas between, which count things rather than spell one out."""
        short = len(self.digits) <= LISTED and all(
            token.fold.isdecimal() and len(token.fold) <= 2 for token in self.tokens
        )
        return short and not self.single and any(token.pause for token in self.tokens[:-1])


def runs(stream: Sequence[Token]) -> Iterator[Run]:
    """Every run of a stream, in order. Tokens that are quantities by themselves do not join a run with others."""
    position = 0
    while position < len(stream):
        if not _starts(stream, position):
            position += 1
            continue
        end = _end_of_run(stream, position)
        yield _run(stream, position, end)
        position = end


def _starts(stream: Sequence[Token], position: int) -> bool:
    token = stream[position]
    if token.number:
        return True
    if _is_head(stream, position):
        return True
    return (token.letters or _is_letter(token)) and _next_part(stream, position + 1) is not None


def _is_head(stream: Sequence[Token], at: int) -> bool:
    """Whether two or three letters that are no word stand right before figures ("Pj 139 QH")."""
    token, after = stream[at], stream[at + 1 : at + 2]
    beside = bool(after) and after[0].number and after[0].fold[0].isdecimal() and not (token.pause or token.stop)
    beside = beside and not after[0].quantity and (not after[0].fold.isdecimal() or len(after[0].fold) >= LISTED)
    plain = token.fold in words("abbreviations") or lexicon().is_common(token.fold) or token.fold in words("brands")
    short = (
        token.capital
        and token.fold.isalpha()
        and (len(token.fold) == 2 or (token.upper and len(token.fold) == SPELLED))
    )
    return beside and short and not plain


def _is_letter(token: Token) -> bool:
    return len(token.fold) == 1 and token.fold.isalpha() and (token.capital or token.fold not in "ai")


def _end_of_run(stream: Sequence[Token], start: int) -> int:
    end = start + 1
    first = stream[start]
    if first.number and (is_measured(stream, start, end) or _is_asked(first) or _is_said_year(first)):
        return end
    while (part := _next_part(stream, end)) is not None:
        if stream[end].fold == "so" and is_quantity(stream, start, end):
            break
        if stream[part].number and is_quantity(stream, part, part + 1) and not _is_plain(stream, part):
            break
        end = part + 1
    while end - 1 > start and _begins_clause(stream, end - 1):
        end -= 1
    return end + len(trailing_oh(stream, end))


def _is_asked(token: Token) -> bool:
    """Whether a single figure ends a question ("and the last four?"): what follows is its answer."""
    return token.question and len(token.digits) == 1


def _is_said_year(token: Token) -> bool:
    """Whether a year, not said digit by digit, ends a sentence: what follows is another number."""
    return token.stop and is_year(token.digits) and token.singly < len(token.digits)


def _begins_clause(stream: Sequence[Token], at: int) -> bool:
    """Whether an "I" or "a" after a number is no letter of it but a word ("62704, I think")."""
    return stream[at].fold in ("i", "a") and not stream[at].stop and at + 1 < len(stream) and not stream[at + 1].number


def trailing_oh(stream: Sequence[Token], end: int) -> Sequence[Token]:
    """The "oh" that a number ends in, cut off by the recogniser; not the one that a new sentence begins with."""
    last = stream[end : end + 1]
    alone = bool(last) and last[0].fold in ("oh", "o") and (last[0].stop or end + 1 == len(stream))
    return last if alone else ()


def _is_plain(stream: Sequence[Token], part: int) -> bool:
    """A part in the middle of a number is not a quantity for what stands before it, only for itself and its unit."""
    return not is_quantity(stream[part:], 0, 1)


def _next_part(stream: Sequence[Token], position: int) -> int | None:
    filler = lexicon().filler
    for gap in range(MAX_GAP + 1):
        at = position + gap
        if at >= len(stream):
            return None
        token = stream[at]
        if token.number or (gap == 0 and (token.letters or _is_letter(token) or _ends_code(stream, at))):
            return at
        if gap and stream[at - 1].fold in words("code_glue") and (token.letters or _is_letter(token)):
            return at
        if not filler.fullmatch(token.fold) and token.fold not in ("", "-", "."):
            return None
    return None


def _ends_code(stream: Sequence[Token], at: int) -> bool:
    """Whether a few capitals that are no word go on with a code of figures and letters ("BX68 KFE")."""
    token, before = stream[at], stream[at - 1] if at else None
    code = before is not None and before.number and not (before.stop or before.pause)
    code = code and (not stream[at - 1].fold.isdecimal() or (at > 1 and _is_head(stream, at - 2)))
    plain = token.fold in words("abbreviations") or lexicon().is_common(token.fold)
    return code and token.upper and token.fold.isalpha() and len(token.fold) <= SPELLED and not plain


def _run(stream: Sequence[Token], start: int, end: int) -> Run:
    filler = lexicon().filler
    parts = tuple(
        t
        for at, t in enumerate(stream[start:end], start)
        if t.number or t.letters or _is_letter(t) or not filler.fullmatch(t.fold) or at == end - 1 > start
    )
    text = "".join(char for token in parts for char in token.fold.upper() if char.isalnum())
    said = sum(token.singly for token in parts if token.number)
    digits = sum(len(token.digits) for token in parts)
    return Run(
        tokens=parts,
        text=text,
        before=tuple(token.fold for token in stream[max(0, start - 8) : start]),
        quantity=is_quantity(stream, start, end) or _is_decade(stream, start, end),
        measured=is_measured(stream, start, end),
        unit=is_measured(stream, start, end) and (has_unit(stream, end) or "%" in stream[end - 1].fold),
        summed=digits <= LISTED and is_sum(stream, start),
        single=digits > 0 and said >= digits - 1 and not any(token.compound for token in parts),
    )


def _is_decade(stream: Sequence[Token], start: int, end: int) -> bool:
    return end - start == 1 and re.fullmatch(r"\d+'?s", stream[start].fold) is not None


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of ISO/IEC 7812-1 annex B."""
    total = 0
    for place, char in enumerate(reversed(digits)):
        value = int(char) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return bool(digits) and total % 10 == 0


_FORMS = (
    ("VEHICLE_ID", _VIN),
    ("VEHICLE_ID", _PLATE),
    ("IBAN_CODE", _IBAN),
    ("UK_NINO", _NINO),
    ("ZIP_CODE", _POSTCODE),
)


def _formed(text: str) -> str:
    """The kind that a code of letters and digits has by its form, or nothing."""
    return next((kind for kind, form in _FORMS if form.fullmatch(text)), "")


def label(run: Run) -> str:
    """The likeliest kind of a run by its form alone."""
    text, digits = run.text, run.digits
    if len(text) != len(digits):
        return _formed(text) or "ACCOUNT_NUMBER"
    if len(digits) in range(13, 20) and luhn(digits):
        return "CREDIT_CARD"
    by_length = {9: "US_SSN", 10: "PHONE_NUMBER", 15: "CREDIT_CARD", 16: "CREDIT_CARD"}
    if len(digits) == 11 and digits[0] in "01":
        return "PHONE_NUMBER"
    return by_length.get(len(digits), "ACCOUNT_NUMBER")


def _spells(run: Run) -> bool:
    letters = sum(len(token.fold) for token in run.tokens if token.letters or _is_letter(token))
    return letters >= SPELLED or any(
        t.singly >= len(t.fold) > 2 * SPELLED - 1 and not t.fold.isdecimal() for t in run.tokens
    )


def unexplained(run: Run, least: int, *, spoken_of: bool) -> bool:
    """Whether a run that nobody asked for is redacted all the same.

    ``least`` digits always, unless they count up from one or were said as a price is ("ninety five sixty eight");
    four only if said digit by digit, or if figures are ``spoken_of`` before them ("card", "code") and they are no year,
    no round figure and follow no name of a thing: four alone are a price or the time of a train more often than not.
    Digits with letters from six characters on, if at least three are digits, or two and three letters were spelled;
    and what has the form of a postcode, a registration mark, an IBAN or the like.
    """
    spelled = _spells(run)
    if len(run.text) >= SPELLED + 1 and any(_MIXED.fullmatch(token.fold.upper()) for token in run.tokens):
        return True
    if _formed(run.text) and (spelled or not run.measured):
        return True
    return (spelled or not run.quantity) and not run.listed and _is_long(run, least, spoken_of=spoken_of)


def _is_long(run: Run, least: int, *, spoken_of: bool) -> bool:
    digits, text = run.digits, run.text
    if (_COUNTING.startswith(digits) and not spoken_of) or (
        len(digits) <= 6 and any(token.compound for token in run.tokens)
    ):
        return False
    if len(digits) >= least:
        return True
    if any(token.singly >= len(token.fold) > LISTED - 2 and not token.fold.isdecimal() for token in run.tokens):
        return True
    if len(text) > len(digits):
        return len(digits) >= 2 and len(text) >= 6 and (len(digits) >= 3 or _spells(run))
    if len(digits) != 4:
        return False
    told = run.single or spoken_of
    named = bool(run.before) and run.before[-1] not in words("before_value") and not lexicon().is_common(run.before[-1])
    return told and (run.single or not (is_year(digits) or digits.endswith("00"))) and not named
