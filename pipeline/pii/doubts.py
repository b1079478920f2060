"""Names that the recogniser garbled: told by where they stand and by how unsure it was.

Takes: lines, whose tokens know how sure the recogniser was, and names that were found. Gives: spans. Promises: only a
place where a name is usual counts ("thank you, ..., your balance is"), or the sound of a name known from this call.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline.pii.lexicon import lexicon, words
from pipeline.pii.lines import spans
from pipeline.pii.names import looks_like_name
from pipeline.pii.sound import distance, sound

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.pii.lines import Line, Token
    from pipeline.types import PiiSpan

UNSURE = 0.4
"""Probability below which a word may be anything."""
MADE_UP = 0.3
SURE = 0.7
"""Probability from which on an odd word is what it says."""
MAX_GARBLE = 4
MAX_JOINED = 3
_INTERJECTION = re.compile(r"[aehmouw-]+|y[aeu]+[hps]?|.+ly|s\u00ed")
LONG_KEY = 4
"""Consonants in a name from which on its sound is unlikely to come about by chance."""


def garbled(lines: Sequence[Line]) -> Iterator[PiiSpan]:
    """Spans of unsure words where a name is usual, and of odd words that a turn opens with and pauses after."""
    for line in lines:
        for start in range(len(line.tokens)):
            if _after_address(line.tokens, start):
                yield from spans(
                    _unsure_run(line.tokens, start), "PERSON", 0.45, "an unsure word where a name is usual"
                )
            elif start == 0 and (opening := _unsure_opening(line.tokens)):
                yield from spans(opening, "PERSON", 0.45, "unsure where a turn opens")
            elif _calls_out(line.tokens, start):
                yield from spans(line.tokens[start : start + 1], "PERSON", 0.45, "an odd word called out first")


def _after_address(tokens: Sequence[Token], start: int) -> bool:
    said = " ".join(token.fold for token in tokens[max(0, start - 4) : start])
    return any(match.end() == len(said) for match in lexicon().name_garbled_follows.finditer(said))


def _unsure_run(tokens: Sequence[Token], start: int) -> Sequence[Token]:
    """Words up to the clause that goes on; nothing if the recogniser was sure of them."""
    end = start
    while end < len(tokens) and end - start < MAX_GARBLE and not tokens[end].number:
        if _opens_clause(tokens[end]) and not (end == start and _unsure(tokens[end + 1 : end + 2])):
            break
        end += 1
        if tokens[end - 1].stop or tokens[end - 1].pause:
            break
    return tokens[start:end] if _unsure(tokens[start:end]) else ()


def _unsure_opening(tokens: Sequence[Token]) -> Sequence[Token]:
    """Two words at the start of a turn that the recogniser all but made up, and what is before them."""
    first = next((at for at, token in enumerate(tokens) if not lexicon().lead.fullmatch(token.fold)), 0)
    opening = tokens[first : first + MAX_GARBLE - 1]
    odd = [at for at, token in enumerate(opening) if token.sure < MADE_UP and not _is_empty(token)]
    run = opening[: odd[-1] + 1] if len(odd) > 1 else ()
    return () if any(token.number for token in run) else run


def _is_empty(token: Token) -> bool:
    return _opens_clause(token) or _INTERJECTION.fullmatch(token.fold) is not None


def _opens_clause(token: Token) -> bool:
    return token.fold in words("clause_openers")


def _unsure(run: Sequence[Token]) -> bool:
    return any(token.sure < UNSURE and not _opens_clause(token) for token in run)


def _calls_out(tokens: Sequence[Token], start: int) -> bool:
    token = tokens[start]
    odd = looks_like_name(token) and not lexicon().is_common(token.fold) and not _INTERJECTION.fullmatch(token.fold)
    alone = token.opens and (token.pause or (token.stop and not token.question))
    return alone and odd and token.sure < SURE and not token.upper


def spelled_with_words(lines: Sequence[Line]) -> Iterator[PiiSpan]:
    """Spans of "D as in dog" where the letter was misheard, so that nothing took it for a letter."""
    for line in lines:
        for at in range(1, len(line.tokens) - 2):
            if (line.tokens[at].fold, line.tokens[at + 1].fold) == ("as", "in"):
                run = line.tokens[at - 1 : at + 3]
                kind = "ACCOUNT_NUMBER" if any(token.number for token in line.tokens) else "PERSON"
                if len(run[0].fold) == 1 or run[0].fold in words("heard_letters"):
                    yield from spans(run, kind, 0.5, "spelled with a word")


def sounding_alike(lines: Sequence[Line], names: Sequence[str]) -> Iterator[PiiSpan]:
    """Spans of two or three words that together sound like a name known from this call."""
    keys = {key for name in names if len((key := sound(name)).lstrip("a")) >= LONG_KEY}
    for line in lines:
        for start in range(len(line.tokens)):
            for size in range(MAX_JOINED, 1, -1):
                run = line.tokens[start : start + size]
                if len(run) == size and any(_alike(run, key) for key in keys):
                    yield from spans(run, "PERSON", 0.45, "sounds like a name found elsewhere")
                    break


def _alike(run: Sequence[Token], key: str) -> bool:
    if any(token.number or not token.fold.isalpha() for token in run) or any(token.stop for token in run[:-1]):
        return False
    if all(token.sure >= UNSURE for token in run):
        return False
    return distance(sound("".join(token.fold for token in run)), key) <= 1
