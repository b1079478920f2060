"""Names spelled with a word for every letter, where the recogniser tore the letters from their words.

Takes: lines. Gives: spans from the first letter to the last ("M like Mike, are like Apple, em like Mother"). Promises:
at least two clauses in a row have to explain a letter; one between them that was misheard goes with them.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from pipeline.pii.dialogue import clauses
from pipeline.pii.lexicon import lexicon, words
from pipeline.pii.lines import spans

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.pii.lines import Line, Token
    from pipeline.types import PiiSpan

MAX_CLAUSE = 4
MAX_LETTER = 2
MIN_CLAUSES = 2
MAX_APART = 7


def spelled_in_clauses(lines: Sequence[Line]) -> Iterator[PiiSpan]:
    """Spans of clauses in a row that each explain a letter."""
    for line in lines:
        kind = "ACCOUNT_NUMBER" if any(token.number for token in line.tokens) else "PERSON"
        run: list[Sequence[Token]] = []
        gap: list[Sequence[Token]] = []
        for clause in (*clauses(line.tokens), ()):
            if clause and (explained := _explained(clause)):
                run += [*gap, explained]
                gap = []
            elif clause and run and not gap and len(clause) <= MAX_LETTER:
                gap = [clause]
            else:
                if len(run) >= MIN_CLAUSES:
                    yield from spans(
                        [t for part in run for t in part], kind, 0.5, "spelled with a word for each letter"
                    )
                run, gap = [], []


def spelled_with_ties(lines: Sequence[Line]) -> Iterator[PiiSpan]:
    """Spans from the first to the last of "as in Kilo, as in Alpha, V, as in Victor", though letters were not heard."""
    for line in lines:
        tied = [at for at in range(len(line.tokens) - 2) if _is_tied(line.tokens[at : at + 3])]
        for one, two in itertools.pairwise(tied):
            if two - one <= MAX_APART:
                first = max(one - MAX_LETTER - 1, 0)
                while any(token.stop or token.pause for token in line.tokens[first : one - 1]):
                    first += 1
                yield from spans(line.tokens[first : two + 3], "PERSON", 0.5, "spelled with a word for each letter")


def _is_tied(tokens: Sequence[Token]) -> bool:
    said = [token.fold for token in tokens]
    return said[:2] == ["as", "in"] and (tokens[2].capital or said[2] in words("code_words")) and not tokens[2].number


def _explained(clause: Sequence[Token]) -> Sequence[Token]:
    """The letter, what ties its word to it and the word, at the end of a clause; nothing if no letter is explained."""
    last = clause[-1]
    dated = last.fold in words("months") or last.fold.endswith("day")
    if dated or last.number or len(last.fold) <= MAX_LETTER or not (last.capital or len(clause) <= MAX_CLAUSE):
        return ()
    joined = clause[-2:-1]
    if joined and joined[0].fold.endswith("like") and joined[0].fold not in ("like", "alike", "unlike", "dislike"):
        return clause[-2:]
    before = [token.fold for token in clause[-4:-1]]
    if before[-1:] == ["like"]:
        letter = before[-2:-1]
        return clause[-3:] if not letter or _is_letter(letter[0]) else ()
    if before[-2:] == ["as", "in"] or before[-1:] == ["for"]:
        tie = 2 if before[-1] == "in" else 1
        letter = before[-tie - 1 : -tie]
        return clause[-tie - 2 :] if letter and _is_letter(letter[0]) else ()
    return ()


def _is_letter(word: str) -> bool:
    short = len(word) == 1 or (len(word) == MAX_LETTER and not lexicon().is_common(word))
    return short or word in words("heard_letters") or word in words("letter_words")
