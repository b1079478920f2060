"""Values known beforehand (``known_pii``): always found.

Takes: the talk and the values. Gives: spans of score 1.0. Digits match in any grouping and across turns of one speaker;
words match folded, joined or apart, and names also by a small edit distance or by sound.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.pii.lexicon import lexicon
from pipeline.pii.lines import fold, spans, streams
from pipeline.pii.sound import close

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pipeline.pii.dialogue import Talk
    from pipeline.pii.lines import Token
    from pipeline.types import PiiSpan

MIN_PART = 4
_REASON = "a value known beforehand"


def known_values(call: Talk, known: Mapping[str, Sequence[str]]) -> Iterator[PiiSpan]:
    """Spans of every value of the mapping, by entity type."""
    joined = tuple(streams(call.lines))
    for kind, values in known.items():
        for value in values:
            plain = "".join(char for char in value.casefold() if char.isalnum())
            if not plain:
                continue
            for stream in joined:
                yield from _whole(stream, plain, kind)
                yield from _digits(stream, value, kind)
            if kind == "PERSON" or not any(char.isdecimal() for char in value):
                yield from _words(call, value, kind)


def _whole(stream: Sequence[Token], plain: str, kind: str) -> Iterator[PiiSpan]:
    """Occurrences of all letters and digits of the value, whatever stands between them."""
    text, at = "", []
    for position, token in enumerate(stream):
        part = "".join(char for char in token.fold if char.isalnum())
        text += part
        at.extend([position] * len(part))
    start = text.find(plain)
    while start >= 0:
        first, last = at[start], at[start + len(plain) - 1]
        whole_words = len(plain) > 3 or last == first
        if whole_words:
            yield from spans(stream[first : last + 1], kind, 1.0, _REASON)
        start = text.find(plain, start + 1)


def _digits(stream: Sequence[Token], value: str, kind: str) -> Iterator[PiiSpan]:
    """The digits of the value, whole or from four on in part, over any tokens in between that are no digits."""
    wanted = "".join(char for char in value if char.isdecimal())
    if len(wanted) < MIN_PART:
        return
    numbers = [token for token in stream if token.digits]
    text = "".join(token.digits for token in numbers)
    at = [position for position, token in enumerate(numbers) for _ in token.digits]
    start = text.find(wanted)
    while start >= 0:
        yield from _each(numbers[at[start] : at[start + len(wanted) - 1] + 1], kind)
        start = text.find(wanted, start + 1)
    yield from _each([token for token in numbers if len(token.digits) >= MIN_PART and token.digits in wanted], kind)


def _each(tokens: Sequence[Token], kind: str) -> Iterator[PiiSpan]:
    for token in tokens:
        yield from spans((token,), kind, 1.0, _REASON)


def _words(call: Talk, value: str, kind: str) -> Iterator[PiiSpan]:
    """Single words of a name: exact from three letters on, alike from four; a common word needs a capital."""
    for name in filter(None, map(fold, value.split())):
        if len(name) < 3:
            continue
        for token in call.tokens:
            word = token.fold.removesuffix("'s")
            common = lexicon().is_common(word)
            same = word == name and (token.capital or not common)
            alike = kind == "PERSON" and not token.number and not common and close(word, name)
            if same or alike:
                yield from spans((token,), kind, 1.0, _REASON)
