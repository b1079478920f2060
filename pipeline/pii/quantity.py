"""Is a number a quantity? Prices, times, dates, ages, counts, years and model names are not PII.

Takes: tokens in order and a position. Gives: yes or no. Looks at the number itself (a currency sign, "hundred"), at
the word after it (a unit), at the word before it ("about", "model") and at the clock or calendar around it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.pii.lexicon import lexicon, words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.pii.lines import Token

SPELLED = 4
"""A number of at least this many digits that was said digit by digit measures nothing."""
LONG = 7
"""From this many digits on, only a sign of measure on the number itself, or a unit right after it, makes a quantity."""


def is_quantity(tokens: Sequence[Token], start: int, end: int) -> bool:
    """Whether the number in ``tokens[start:end]`` plainly counts or measures something, or is a time or a date."""
    digits = "".join(token.digits for token in tokens[start:end])
    if is_measured(tokens, start, end):
        return True
    if len(digits) >= LONG:
        return _is_calendar(tokens, start, end)
    before = tokens[start - 1] if start else None
    if _ends_a_value(tokens, start):
        return False
    if before is not None and not before.stop:
        if lexicon().quantity_before.fullmatch(before.fold):
            return True
        if len(digits) <= 3 and lexicon().quantity_before_short.fullmatch(before.fold):
            return True
    told = _is_price(tokens, start, len(digits)) or _is_clock(tokens, start, end) or _is_share(tokens, start, end)
    return told or _is_result(tokens, start) or _is_calendar(tokens, start, end)


def _ends_a_value(tokens: Sequence[Token], start: int) -> bool:
    """Whether it is said to be the end of a longer number ("the one ending in 2019")."""
    before = [token.fold for token in tokens[max(0, start - 2) : start]]
    return before[-1:] in (["ending"], ["ends"]) or (
        before[:1] in (["ending"], ["ends"]) and before[1] in ("in", "with")
    )


def is_measured(tokens: Sequence[Token], start: int, end: int) -> bool:
    """Whether the number carries a sign of measure or is followed by a unit."""
    number = tokens[start:end]
    digits = sum(len(token.digits) for token in number)
    if any(token.quantity for token in number) and digits < 2 * LONG:
        return digits < LONG or not number[0].digits.startswith("0")
    if digits >= SPELLED and sum(token.singly for token in number) >= digits and not any(t.compound for t in number):
        return False
    if digits <= 2 and _is_small_coin(tokens, start):
        return True
    return digits < LONG and (has_unit(tokens, end) or _is_pronoun(tokens, start, end))


def _is_small_coin(tokens: Sequence[Token], start: int) -> bool:
    """Whether it reads as in "thirty pounds fifty", "five dollars and ten"."""
    before = [token for token in tokens[max(0, start - 3) : start] if token.fold != "and"][-2:]
    return len(before) == 2 and before[0].number and before[1].fold in words("currency") and not before[1].stop


def is_sum(tokens: Sequence[Token], start: int) -> bool:
    """Whether a number follows right on a word of money ("a bill for 1800", "you paid 1420")."""
    before = tokens[max(0, start - 2) : start]
    if before and before[-1].fold in ("about", "around", "at", "for", "of"):
        before = before[:-1]
    return bool(before) and before[-1].fold in words("money")


def _is_price(tokens: Sequence[Token], start: int, digits: int) -> bool:
    """Whether a word of money stands shortly before ("your payment of eighty four sixty")."""
    near = tokens[max(0, start - 4) : start]
    cut = max((at + 1 for at, token in enumerate(near) if token.stop), default=0)
    return digits <= 5 and any(token.fold in words("money") for token in near[cut:])


def has_unit(tokens: Sequence[Token], end: int) -> bool:
    """Whether a unit follows."""
    if end >= len(tokens) or tokens[end - 1].stop or tokens[end - 1].pause:
        return False
    unit = lexicon().quantity_after
    following = [token.fold for token in tokens[end : end + 4]]
    if any(unit.fullmatch(" ".join(following[:size])) for size in range(1, len(following) + 1)):
        return True
    # "five to seven days", "two and a half hours", "one or two weeks"
    if following[0] in words("range_words") and len(following) > 1:
        rest = tokens[end + 1 : end + 5]
        for position, token in enumerate(rest):
            if token.number or token.fold in ("half", "quarter", "a", "few"):
                continue
            return position > 0 and unit.fullmatch(token.fold) is not None
    return False


def _is_share(tokens: Sequence[Token], start: int, end: int) -> bool:
    """Whether it is the part or the whole where both are told ("400 of the 1500")."""
    said = [token for token in tokens[max(0, start - 3) : end + 3] if token.fold != "the"]
    own = tokens[start:end]
    return any(
        of.fold == "of" and part.fold.isdecimal() and whole.fold.isdecimal() and (part in own or whole in own)
        for part, of, whole in zip(said, said[1:], said[2:], strict=False)
        if not (part.stop or part.pause)
    )


def _is_result(tokens: Sequence[Token], start: int) -> bool:
    """Whether two numbers were reckoned up before it ("16 at 598 is 9568")."""
    before = tokens[max(0, start - 4) : start]
    if len(before) < 4 or any(token.stop for token in before) or not (before[0].number and before[2].number):
        return False
    reckoned = before[1].fold in ("at", "times", "by", "plus", "minus", "less")
    return reckoned and before[3].fold in ("is", "are", "makes", "equals", "that's")


def _is_clock(tokens: Sequence[Token], start: int, end: int) -> bool:
    digits = "".join(token.digits for token in tokens[start:end])
    before = tokens[start - 1].fold if start else ""
    if len(digits) not in (3, 4) or before not in (
        "at",
        "by",
        "for",
        "around",
        "until",
        "till",
        "before",
        "after",
        "from",
    ):
        return False
    return int(digits[:-2]) <= 24 and int(digits[-2:]) % 5 == 0 and int(digits[-2:]) < 60


def _is_calendar(tokens: Sequence[Token], start: int, end: int) -> bool:
    near = {token.fold for token in tokens[max(0, start - 3) : start]} | {token.fold for token in tokens[end : end + 2]}
    digits = "".join(token.digits for token in tokens[start:end])
    if len(digits) <= 2:
        return bool(near & words("months"))
    if len(digits) == 8 and is_year(digits[:4]) and is_year(digits[4:]) and tokens[start].singly < len(digits):
        return True
    return is_year(digits) or (len(digits) <= 6 and is_year(digits[-4:]) and bool(near & words("months")))


def is_year(digits: str) -> bool:
    """Whether four digits read as a year that people talk about."""
    return len(digits) == 4 and 1900 <= int(digits) <= 2099


def _is_pronoun(tokens: Sequence[Token], start: int, end: int) -> bool:
    if end - start != 1 or tokens[start].digits not in ("1", "2"):
        return False
    before = tokens[start - 1] if start else None
    after = tokens[end] if end < len(tokens) else None
    if before is not None and not before.stop and before.fold in words("before_one"):
        return True
    apart = tokens[start].stop or tokens[start].pause
    return after is not None and not apart and after.fold in words("after_one")
