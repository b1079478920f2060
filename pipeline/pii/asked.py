"""Numbers that were asked for, announced, or that nothing explains: the digits of a call.

Takes: the talk and its windows. Gives: spans. Promises: an answer counts although it comes in parts, is repeated,
corrected or read back; a quantity with its unit does not count; what is long and unexplained counts (fail closed).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline.pii.dates import Date, dates
from pipeline.pii.dialogue import Talk, Window, gives, says_amount
from pipeline.pii.lexicon import Shape, lexicon, words
from pipeline.pii.lines import spans, streams
from pipeline.pii.numbers import Run, label, luhn, runs, trailing_oh, unexplained
from pipeline.pii.quantity import is_year

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pipeline.pii.lines import Line, Token
    from pipeline.pii.policy import DetectionRule
    from pipeline.types import PiiSpan

_COUNTED = frozenset((Shape.DIGITS, Shape.CODE, Shape.DATE))
_READ_OUT = frozenset(("DATE_OF_BIRTH", "CARD_EXPIRY"))
"""Dates that a question itself may hold: "your birthday's in October?", "it expires 05 27, is that still right?"."""
UNEXPLAINED = "digits that nothing explains as a quantity"
_EXPIRY = re.compile(r"(?:0?[1-9]|1[0-2])(?:2[4-9]|3\d)")
CARD, NEAR_CARD = 13, 30
"""Digits of a card's number, and the tokens after it within which the month and year of its expiry are said."""
MIN_READ_BACK = 3
MAX_MONTH = 2
MAX_MISHEARD = 6
SHORT = 4
MAX_SUM = 5
MAX_SAID = 24
MAX_TALK = 60
"""Words before four figures in which figures may be spoken of."""
MAX_KEYED = 5
MAX_READING = 6
"""Words before a number in which the thing that it is the name of may be named."""
TOLD, SURE = 2, 0.7
"""Words that say what a number is that ends their sentence, and how surely they must be heard."""
_HOMOPHONES = ("to", "for")
"""Words before a number that may be its first figure."""
_CONTEXT = (
    (("social", "ssn"), "US_SSN"),
    (("card", "visa", "mastercard", "ending"), "CREDIT_CARD"),
    (("phone", "call", "reach", "cell", "mobile", "dial", "text"), "PHONE_NUMBER"),
    (("zip", "postal", "postcode"), "ZIP_CODE"),
    (("pin", "code", "passcode"), "PIN"),
)


def numbers(call: Talk, found: Sequence[Window], rules: DetectionRule) -> Iterator[PiiSpan]:
    """Spans of every run of digits or letters that is PII."""
    given: dict[Window, str] = {}
    dated_at = _dated_at(call, found)
    paid_at = -2 * NEAR_CARD - 1
    for run in sorted((run for stream in streams(call.lines) for run in runs(stream)), key=lambda r: r.tokens[0].line):
        position = call.position(run.tokens[0])
        open_now = [each for each in found if position < dated_at.get(each, position + 1) or _may_date(run)]
        window = _window_of(call, run, position, open_now, given)
        if _is_amount(call, run, position, window) or _is_reading(call, run, position, window):
            continue
        if window is not None:
            kind = _kind(run, window, given.get(window, ""))
            given[window] = given.get(window, "") + run.digits
            score = 0.9 if window.strong else 0.7
            reason = "number after a request or announcement" if window.strong else "number near its name"
            yield from spans((*_misheard_digits(call, run, position, window), *run.tokens), kind, score, reason)
        elif _ends_card(run):
            kind = "CREDIT_CARD"
            yield from spans(run.tokens, kind, 0.7, "the four figures that a number ends in")
        elif _is_keyed(call, run, position):
            kind = "PIN"
            yield from spans(run.tokens, kind, 0.6, "a number with a key to press after it")
        elif position - paid_at <= NEAR_CARD and _EXPIRY.fullmatch(run.text) and not run.measured:
            kind = "CARD_EXPIRY"
            yield from spans(run.tokens, kind, 0.6, "month and year after the number of a card")
        elif position - paid_at <= 2 * NEAR_CARD and _may_verify(run):
            kind = "CVV"
            yield from spans(run.tokens, kind, 0.5, "a short number after the number of a card")
        elif _is_unexplained(call, run, position, rules.unexplained_digits):
            kind = _by_context(run)
            yield from spans(run.tokens, kind, 0.5, UNEXPLAINED)
        else:
            continue
        if kind == "CREDIT_CARD" and len(run.digits) >= CARD:
            paid_at = position


def _dated_at(call: Talk, found: Sequence[Window]) -> dict[Window, int]:
    """Past the first date, with its day and month at least, that answers each window for one."""
    ends: dict[Window, int] = {}
    for line in call.lines:
        for date in dates(line.tokens) if any(window.field.shape is Shape.DATE for window in found) else ():
            first = call.firsts[line.index] + date.first
            for window in found:
                awaits = window.field.shape is Shape.DATE and window.start <= first < window.end
                whole = date.full or (date.month and any(t.digits for t in line.tokens[date.first : date.end]))
                if awaits and whole and window not in ends and _dates(call, window, line, first):
                    ends[window] = call.firsts[line.index] + date.end
    return ends


def _may_date(run: Run) -> bool:
    """Whether a number said after a date may still be one, corrected: a year, or figures enough for a whole date."""
    spelt = run.single and run.text.isdecimal() and len(run.digits) >= SHORT
    return spelt or is_year(run.digits) or len(run.digits) > MAX_SUM


def _is_amount(call: Talk, run: Run, position: int, window: Window | None) -> bool:
    """Whether a short number, not said digit by digit, is the first one said to "how much ...?" of the other side."""
    line = call.line(position)
    later = any(token.number for token in call.tokens[call.firsts[line.index] : position])
    return len(run.digits) <= MAX_SUM and not (run.single or later) and says_amount(call, line, window)


def _is_reading(call: Talk, run: Run, position: int, window: Window | None) -> bool:
    """Whether a number is what a meter shows: one is spoken of before it, and no number of the meter or the like."""
    said = {token.fold.removesuffix("'s") for token in call.tokens[max(0, position - MAX_SAID) : position]}
    read = len(run.text) <= MAX_READING and run.text.isdecimal() and not said.isdisjoint(words("readings"))
    other = window is not None and window.kind != "ACCOUNT_NUMBER"
    return read and not other and said.isdisjoint(words("figures_of"))


def _ends_card(run: Run) -> bool:
    """Whether four figures, read as a price or not, are said to be the end of a longer number."""
    said = run.before[-2:] if run.before[-1:] in (("in",), ("with",)) else run.before[-1:]
    return len(run.digits) == SHORT and not {"ending", "ends"}.isdisjoint(said) and not run.unit


def _is_keyed(call: Talk, run: Run, position: int) -> bool:
    """Whether the pound, star or hash key is to be pressed after a number."""
    line = call.line(position)
    end = line.tokens.index(run.tokens[-1]) + 1 if run.tokens[-1] in line.tokens else len(line.tokens)
    said = " ".join(token.fold for token in line.tokens[end : end + MAX_KEYED])
    return len(run.digits) >= MIN_READ_BACK and lexicon().keyed.match(said) is not None


def _may_verify(run: Run) -> bool:
    """Whether a number is as long as a card's verification code and counts nothing."""
    long = len(run.text) == MIN_READ_BACK or (len(run.text) == SHORT and run.single)
    return run.text.isdecimal() and long and not (run.quantity or run.listed)


def _is_unexplained(call: Talk, run: Run, position: int, least: int) -> bool:
    before = {token.fold for token in call.tokens[max(0, position - MAX_TALK) : position]}
    spoken_of = not words("figures_of").isdisjoint(before)
    return unexplained(run, least, spoken_of=spoken_of) and not _names_thing(call, run, position)


def _names_thing(call: Talk, run: Run, position: int) -> bool:
    """Whether "the 8710" is a model, a train or the like, of which this sentence or the one before speaks."""
    if len(run.text) > SHORT or run.single or run.before[-1:] != ("the",) or call.tokens[position - 1].pause:
        return False
    said: set[str] = set()
    ended = 0
    for token in reversed(call.tokens[max(0, position - MAX_SAID) : position]):
        ended += token.stop
        if ended > 1:
            break
        said |= {token.fold, token.fold.removesuffix("s"), token.fold.removesuffix("'s")}
    return not said.isdisjoint(words("numbered"))


def _misheard_digits(call: Talk, run: Run, position: int, window: Window) -> Sequence[Token]:
    """Words between "my social is" and a number that is too short for one: its first digits, heard as words."""
    line, first = call.line(position), call.firsts[run.tokens[0].line]
    missing = window.field.expected - len(run.digits)
    told = window.strong and window.giver is not None and window.field.shape is Shape.DIGITS
    if not told or missing <= 0 or not first < window.start < position:
        return ()
    between = line.tokens[window.start - first : position - first]
    plain = all(t.sure >= SURE and _empty(t, lexicon().lead) and t.fold not in _HOMOPHONES for t in between)
    given = any(token.number for token in between)
    return () if plain or given or len(between) > MAX_MISHEARD else between


def _window_of(
    call: Talk, run: Run, position: int, found: Sequence[Window], given: Mapping[Window, str]
) -> Window | None:
    """The window that makes the run PII: strong before weak, late before early, still awaiting before satisfied."""
    covering = [
        window
        for window in found
        if window.start <= position < window.end and (window.field.shape in _COUNTED or _is_house(window, run))
    ]
    covering.sort(key=lambda w: (w.strong and not _satisfied(w, given), w.start), reverse=True)
    answered = {window.kind for window in covering if given.get(window)}
    for window in covering:
        strong = window.strong and not _satisfied(window, given)
        known = run.digits in given.get(window, "") and len(run.digits) >= MIN_READ_BACK and not run.measured
        told = window.kind in answered and _told_later(call.line(position), run)
        if known or (not told and _counts(call, run, position, window, strong=strong, first=not given.get(window))):
            return window
    return None


def _is_house(window: Window, run: Run) -> bool:
    return window.field.shape is Shape.ADDRESS and len(run.digits) >= 3


def _satisfied(window: Window, given: Mapping[Window, str]) -> bool:
    return window.field.expected > 0 and _full(window, given.get(window, ""))


def _counts(call: Talk, run: Run, position: int, window: Window, *, strong: bool, first: bool) -> bool:
    line = call.line(position)
    digits = len(run.digits)
    if strong and gives(window, line, call.speakers):
        if run.measured:  # a ZIP code may be heard as a price, and then is all that is said
            return _ends_card(run) or (first and digits >= SHORT and not run.unit and _dominates(line, run))
        if _tells_when(run, window) or _tells_sum(line, run) or _is_numbered(line, run, window):
            return False
        if digits == 0:
            return window.field.shape is Shape.CODE or _dominates(line, run)
        return digits >= 3 or _follows(window, position) or _dominates(line, run)
    least = 3
    if run.quantity or digits < least or (is_year(run.digits) and not run.single and not strong):
        return False
    return digits >= 4 or position < window.near or (strong and (run.single or gives(window, line, call.speakers)))


def _told_later(line: Line, run: Run) -> bool:
    """Whether a quantity ends a sentence of other words without a pause ("it renews in October at 410")."""
    rounded = len(run.digits) == SHORT and run.digits.endswith("00") and not run.single
    if not (run.quantity or rounded) or len(run.digits) > SHORT or run.tokens[0] not in line.tokens:
        return False
    first = line.tokens.index(run.tokens[0])
    if first and line.tokens[first - 1].fold in _HOMOPHONES and not rounded:
        return False
    start = first
    while start and not (line.tokens[start - 1].stop or line.tokens[start - 1].pause or line.tokens[start - 1].number):
        start -= 1
    return sum(token.sure >= SURE and token.fold.isalpha() for token in line.tokens[start:first]) >= TOLD


def _follows(window: Window, position: int) -> bool:
    """Whether a number is right behind the words that announce a date ("I was born fifty eight")."""
    return window.giver is not None and window.field.shape is Shape.DATE and position <= window.start + 1


def _tells_when(run: Run, window: Window) -> bool:
    """Whether a number is an hour or a year by the word before it ("after ten", "opened in 2019")."""
    before = run.before[-1] if run.before else ""
    if len(run.digits) <= SHORT and before in words("before_hour"):
        return True
    year = is_year(run.digits) and not run.single and window.field.shape is not Shape.DATE
    return year and before in words("before_year") and run.before[-2:-1] != ("ending",)


def _is_numbered(line: Line, run: Run, window: Window) -> bool:
    """Whether a number, not said digit by digit, is a thing's or an amount by the word before it, amid other words."""
    if _dominates(line, run):
        return False
    short = len(run.digits) <= SHORT and not run.single and window.field.shape is not Shape.DATE
    return short and bool(run.before) and lexicon().quantity_before.fullmatch(run.before[-1]) is not None


def _tells_sum(line: Line, run: Run) -> bool:
    """Whether a number is an amount by the word of money before it, in a clause of other words."""
    return run.summed and not run.single and not _dominates(line, run)


def _dominates(line: Line, run: Run) -> bool:
    """Whether the clause of a short number says little else."""
    first = line.tokens.index(run.tokens[0]) if run.tokens[0] in line.tokens else 0
    start, end = first, first + 1
    while start and not (line.tokens[start - 1].stop or line.tokens[start - 1].pause):
        start -= 1
    while end < len(line.tokens) and not (line.tokens[end - 1].stop or line.tokens[end - 1].pause):
        end += 1
    clause = line.tokens[start:end]
    counted = sum(1 for token in clause if token.number or token.letters)
    rest = [t for t in clause if not (t.number or t.letters or _empty(t, lexicon().lead, lexicon().filler))]
    return len(rest) <= max(1, counted)


def _empty(token: Token, *patterns: re.Pattern[str]) -> bool:
    return any(pattern.fullmatch(token.fold) for pattern in patterns)


def _kind(run: Run, window: Window, given: str) -> str:
    digits = run.digits
    if len(digits) in range(13, 20) and luhn(digits):
        return "CREDIT_CARD"
    if window.kind == "CREDIT_CARD" and len(digits) in (3, 4) and digits not in given and _full(window, given):
        return "CVV"
    return window.kind


def _full(window: Window, given: str) -> bool:
    return len(given) >= window.field.expected


def _by_context(run: Run) -> str:
    for said, kind in _CONTEXT:
        if any(word in run.before for word in said) and len(run.digits) <= 10:
            return kind
    return label(run)


def dated(call: Talk, found: Sequence[Window]) -> Iterator[PiiSpan]:
    """Spans of dates that were asked for or announced, and of full dates that can only be a birthday."""
    counted = [window for window in found if window.field.shape in _COUNTED and window.strong]
    dated_at = _dated_at(call, counted)
    for line in call.lines:
        for date in dates(line.tokens):
            position = call.firsts[line.index] + date.first
            open_now = [window for window in counted if window.start <= position < window.end]
            if not (date.past or date.month):
                open_now = [window for window in open_now if position < dated_at.get(window, position + 1)]
            window = _awaits_date(
                open_now, date, answered=bool(open_now) and _dates(call, open_now[-1], line, position)
            )
            first = date.first if window is None else _misheard_start(line.tokens, date)
            if first and line.tokens[first - 1].fold == "the" and not line.tokens[first - 1].pause:
                first -= 1
            tokens = (*line.tokens[first : date.end], *trailing_oh(line.tokens, date.end))
            if window is not None:
                yield from spans(tokens, window.kind, 0.9, "date after a request or announcement")
            elif date.past:
                yield from spans(tokens, "DATE_OF_BIRTH", 0.5, "a full date long past")


def _dates(call: Talk, window: Window, line: Line, position: int) -> bool:
    """Whether a date can be the one that is asked for: an answer, or read out in the question itself."""
    named = window.kind in _READ_OUT and not any(t.stop for t in call.tokens[window.start - 1 : position])
    return named or gives(window, line, call.speakers)


def _misheard_start(tokens: Sequence[Token], date: Date) -> int:
    """Where a date that was asked for begins: with the words before it if its year has no month or no day with it."""
    digits = "".join(token.digits for token in tokens[date.first : date.end])
    first = date.first
    ordinal = any(token.fold in words("ordinals") for token in tokens[date.first : date.end])
    if not is_year(digits[-4:]) or len(digits) > (SHORT if date.month else 6) or ordinal:
        return first
    while first and date.first - first < MAX_MONTH and not (tokens[first - 1].stop or tokens[first - 1].pause):
        if _empty(tokens[first - 1], lexicon().lead, lexicon().filler):
            break
        first -= 1
    return first


def _awaits_date(open_now: Sequence[Window], date: Date, *, answered: bool) -> Window | None:
    """The window that a date answers: of those open, the latest, or any if it can be nothing but a date."""
    if not open_now or date.weak:
        return None
    latest = open_now[-1]
    if latest.field.shape is Shape.DATE:
        return latest if answered or date.full else None
    dated = [window for window in open_now if window.field.shape is Shape.DATE]
    return dated[-1] if dated and date.month else None
