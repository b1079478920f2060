"""Street addresses and postcodes in free speech.

Takes: tokens of a stream. Gives: ranges that read as "1420 Maple Street, Apartment 5, Springfield". Promises: a
distance or a duration ("10 minutes drive") is no address.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline.pii.lexicon import lexicon, words
from pipeline.pii.lines import spans
from pipeline.pii.names import looks_like_name
from pipeline.pii.quantity import is_measured

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.pii.lines import Token
    from pipeline.types import PiiSpan

MAX_STREET_WORDS = 4
MAX_TAIL = 12
MAX_NAMED = 2
MIN_NAME = 3
UNSURE_KIND = 0.7
UNSURE = 0.4
"""Probability below which a word may be a part of any name, or of any street's."""
_BOX = re.compile(r"p ?\.?o\.? ?box|post office box")


def is_address_word(token: Token) -> bool:
    """Whether a token by itself says that an address is given: a number, spelled letters, a kind of street, a state."""
    named = token.fold in words("streets") or token.fold in words("units") or token.fold in words("states")
    return token.number or token.letters or named


def is_place_word(token: Token) -> bool:
    """Whether a token of an answer to "what is your address" belongs to the address."""
    if is_address_word(token):
        return True
    if not any(char.isalnum() for char in token.fold) or token.fold == "i" or token.fold.startswith("i'"):
        return False
    everyday = lexicon().is_common(token.fold)
    return not everyday or (token.capital and not token.opens)


def is_of_somebody(tokens: Sequence[Token], at: int) -> bool:
    """Whether the place at a position is where somebody says that a person is from, lives or is."""
    before = tokens[max(0, at - 5) : at]
    cut = max((place + 1 for place, token in enumerate(before) if token.stop), default=0)
    said = " ".join(token.fold for token in before[cut:])
    return any(match.end() == len(said) for match in lexicon().place_of_somebody.finditer(said))


def addresses(stream: Sequence[Token]) -> Iterator[PiiSpan]:
    """Spans of street addresses in a stream, each with unit, city, state and postcode as far as they follow."""
    position = 0
    while position < len(stream):
        end = _street_end(stream, position) or _box_end(stream, position) or _unit_end(stream, position)
        if not end:
            position += 1
            continue
        end = _tail_end(stream, end)
        position = _house_before(stream, position)
        yield from spans(stream[position:end], "ADDRESS", 0.75, "a street address")
        position = end


def _street_end(stream: Sequence[Token], start: int) -> int:
    """Past the last token of "number, up to four words, kind of street"; 0 if there is none."""
    token = stream[start]
    if end := _named_end(stream, start):
        return end
    if not token.number or len(token.digits) > 6 or (is_measured(stream, start, start + 1) and token.fold[-2:] != "00"):
        return 0
    first = start + 1
    while first < len(stream) and first - start < 6 and stream[first].number:
        first += 1
    home = stream[first : first + 2]
    articled = len(home) > 1 and home[0].fold == "the" and all(t.capital for t in home) and not stream[first - 1].stop
    if articled or _is_number_of(stream, first):
        return first + 1 + articled
    for end in range(first, min(first + MAX_STREET_WORDS + 1, len(stream))):
        word = stream[end]
        kinds = {word.fold, word.fold.removesuffix("s")} if word.sure < UNSURE_KIND else {word.fold}
        if kinds & words("streets") and end > first and not _measures(stream, end):
            named = any(_may_name(token) for token in stream[first:end])
            plain = word.fold in ("street", "avenue", "road", "lane", "drive", "boulevard")
            return end + 1 if named or plain or len(kinds) > 1 else 0
        named = word.fold == "the" and word.capital  # "The Spinney"
        ends = (word.fold in words("never_in_street") and not named) or (word.stop and end > first)
        if ends or _measures(stream, end):
            return 0
    return 0


def _measures(stream: Sequence[Token], at: int) -> bool:
    """Whether a kind of street is none beside a number ("2500 square feet", "four point eleven")."""
    area = stream[at].fold == "square" and at + 1 < len(stream) and stream[at + 1].fold in words("areas")
    return area or (stream[at].fold == "point" and stream[at - 1].number)


def _may_name(token: Token) -> bool:
    """Whether a token between the number of a house and the kind of its street is a name, however it was heard."""
    return token.capital or token.number or token.fold in words("sides") or token.sure < UNSURE


def _is_number_of(stream: Sequence[Token], at: int) -> bool:
    """Whether a word after the number of a house names its street: a capital out of no dictionary."""
    side = int(at < len(stream) and stream[at].capital and stream[at].fold in words("sides"))
    named = stream[at + side : at + side + 1]
    if not named or any(token.stop or token.pause for token in stream[at - 1 : at + side]):
        return False
    word = named[0].fold
    odd = looks_like_name(named[0]) and len(word) > MIN_NAME and not lexicon().is_common(word) and not named[0].upper
    return odd and word not in words("months") and not word.endswith("day")


def _house_before(stream: Sequence[Token], start: int) -> int:
    """Where an address begins: with the name of the house before it ("The Vicarage, Sloe Lane")."""
    first = start - 1
    if first < 1 or not stream[first].pause:
        return start
    while first and start - first < MAX_NAMED and stream[first - 1].capital and not stream[first - 1].pause:
        first -= 1
    named = start - first == MAX_NAMED and all(t.capital and not t.number for t in stream[first:start])
    return first if named and not any(t.stop for t in stream[first:start]) else start


def _named_end(stream: Sequence[Token], start: int) -> int:
    """Past the last token of a street without a number: a capital or two within a sentence, then a kind of street."""
    end = start
    while end < len(stream) and end - start < MAX_NAMED and _names_street(stream[end]):
        end += 1
        if stream[end - 1].stop or stream[end - 1].pause:
            return 0
        kind = stream[end] if end < len(stream) else None
        if kind is not None and kind.capital and kind.fold in words("street_kinds"):
            return end + 1
    return 0


def _names_street(token: Token) -> bool:
    word = token.fold
    inside = token.capital and not token.number and (not token.opens or not lexicon().is_common(word))
    return inside and word not in words("brands") and word not in words("no_streets")


def _box_end(stream: Sequence[Token], start: int) -> int:
    for size in (1, 2, 3, 4):
        said = " ".join(token.fold for token in stream[start : start + size])
        if _BOX.fullmatch(said) and start + size < len(stream) and stream[start + size].number:
            return start + size + 1
    return 0


def _unit_end(stream: Sequence[Token], start: int) -> int:
    """Past "apartment 5", "unit 37B"."""
    if (
        stream[start].fold not in ("apartment", "apt", "flat", "unit", "suite")
        or stream[start].stop
        or start + 1 == len(stream)
    ):
        return 0
    if not (stream[start + 1].number or stream[start + 1].letters):
        return 0
    return _garbled_street(stream, start + 2) or start + 2


def _garbled_street(stream: Sequence[Token], first: int) -> int:
    """Past the number and name of a street of which a word was hardly heard, right after a unit; 0 if there is none."""
    house = next((at for at in range(first, min(first + MAX_NAMED, len(stream))) if stream[at].number), 0)
    if not house or any(token.stop for token in stream[first - 1 : house]) or is_measured(stream, house, house + 1):
        return 0
    for end in range(house + 1, min(house + 1 + MAX_STREET_WORDS, len(stream))):
        if stream[end].stop or stream[end].pause:
            return end + 1 if any(token.sure < UNSURE for token in stream[house + 1 : end + 1]) else 0
    return 0


def _tail_end(stream: Sequence[Token], end: int) -> int:
    last = end
    for position in range(end, min(end + MAX_TAIL, len(stream))):
        token = stream[position]
        if street := _street_end(stream, position):
            last = max(last, street)
        if position < last:
            continue
        part = (
            token.fold in words("units")
            or token.fold in words("states")
            or token.fold in words("sides")
            or token.fold in words("streets")
        )
        named = token.capital and not token.opens and not lexicon().is_common(token.fold)
        if part or named or (token.number and not is_measured(stream, position, position + 1)) or token.letters:
            last = position + 1
        elif token.fold not in (
            "in",
            "and",
            "um",
            "uh",
            "the",
            "it's",
            "that's",
            "zip",
            "code",
            "is",
            "of",
            "-",
            "comma",
        ):
            break
    return last
