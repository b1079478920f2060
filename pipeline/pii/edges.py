"""Values whose edge was cut off or misheard: what belongs to a value in figures or letters, beside it and between.

Takes: the talk and findings. Gives: spans that take in the figures, letters and code words ("Alpha, India") right
beside a finding, letters that were heard as words there, and what stands between two parts. Promises: never beyond a
sentence, never over a quantity, and over other words only if the recogniser was unsure of one of them.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from pipeline.pii.lexicon import lexicon, words
from pipeline.pii.lines import spans
from pipeline.pii.quantity import is_measured

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from collections.abc import Set as AbstractSet

    from pipeline.pii.dialogue import Talk
    from pipeline.pii.lines import Token
    from pipeline.types import PiiSpan

DOUBT = 0.6
"""Probability below which a word beside a value may be a letter of it."""
UNSURE = 0.4
MAX_EDGE = 3
MAX_LETTERS = 2
MAX_BETWEEN = 4


def edges(call: Talk, found: Sequence[PiiSpan]) -> Iterator[PiiSpan]:
    """Spans that reach from what was found in figures or letters over its edges."""
    for span in found:
        tokens = call.turns[span.turn].tokens
        inside = [at for at, token in enumerate(tokens) if token.words.overlaps(span.words)]
        if not any(_coded(tokens[at]) for at in inside):
            continue
        glue = words("mail_glue" if span.entity_type == "EMAIL_ADDRESS" else "code_glue")
        first = _misheard_before(tokens, _part_before(tokens, inside[0], glue))
        end = _misheard_after(tokens, _part_after(tokens, inside[-1] + 1, glue))
        first, end = _spelt_before(tokens, first), _spelt_after(tokens, end)
        if (first, end) != (inside[0], inside[-1] + 1):
            yield from spans(tokens[first:end], span.entity_type, span.score, span.reason)


def between(call: Talk, found: Sequence[PiiSpan]) -> Iterator[PiiSpan]:
    """Spans of a few words, not all surely heard, between two findings of one kind in one sentence."""
    inside = sorted(found, key=lambda span: (span.turn, span.words.first))
    for one, two in itertools.pairwise(inside):
        tokens = call.turns[one.turn].tokens
        gap = [t for t in tokens if one.words.end <= t.words.first and t.words.end <= two.words.first]
        alike = one.turn == two.turn and one.entity_type == two.entity_type
        if alike and 0 < len(gap) < MAX_BETWEEN and not any(t.stop for t in gap) and any(t.sure < UNSURE for t in gap):
            yield from spans(gap, one.entity_type, min(one.score, two.score), one.reason)


def _coded(token: Token) -> bool:
    return token.number or token.letters or len(token.fold) == 1 or token.fold in words("code_words")


def _part(tokens: Sequence[Token], at: int) -> bool:
    """Whether a token is a figure, a letter or a code word that measures nothing."""
    token = tokens[at]
    if token.number:
        return _torn(token) or (not token.quantity and not is_measured(tokens, at, at + 1))
    if token.fold in ("i", "a", "one"):
        return token.pause
    if token.letters or len(token.fold) == 1 or token.fold in words("code_words"):
        return True
    beside = [t for t in (*tokens[max(at - 1, 0) : at], *tokens[at + 1 : at + 2]) if t.number]
    short = token.upper or (token.capital and len(token.fold) <= MAX_LETTERS)
    plain = lexicon().is_common(token.fold) or token.fold in words("abbreviations")
    return bool(beside) and short and token.fold.isalpha() and not plain


def _torn(token: Token) -> bool:
    """Whether figures with a point in them were hardly heard ("J650. 5.3" for J65053)."""
    return token.sure < DOUBT and "." in token.fold and token.fold.replace(".", "", 1).isdecimal()


def _part_before(tokens: Sequence[Token], first: int, glue: AbstractSet[str]) -> int:
    while first and not tokens[first - 1].stop:
        glued = first > 1 and tokens[first - 1].fold in glue and _part(tokens, first - 2)
        if not (glued or _part(tokens, first - 1) or tokens[first - 1].fold == "a"):
            break
        first -= 1
    return first


def _part_after(tokens: Sequence[Token], end: int, glue: AbstractSet[str]) -> int:
    while end < len(tokens) and (not tokens[end - 1].stop or _torn(tokens[end])):
        glued = end + 1 < len(tokens) and tokens[end].fold in glue and _part(tokens, end + 1)
        if not (glued or _part(tokens, end)):
            break
        end += 1
    return end


def _spelt_before(tokens: Sequence[Token], first: int) -> int:
    """Where a value begins, with the sentence before it if that is nothing but letters ("NGUI-E. 8-O-L").

    Letters that were heard as words count if the sentence ends in capitals ("Why is the SCA? 2965H").
    """
    start = first
    while start and (start == first or not tokens[start - 1].stop) and _is_capitals(tokens[start - 1]):
        start -= 1
    spelt, heard = start, words("heard_letters") | words("letter_words") | words("misheard_leads") | {"is"}
    while (
        first > start > 0
        and spelt - start < MAX_EDGE + 1
        and not tokens[start - 1].stop
        and tokens[start - 1].fold in heard
    ):
        start -= 1
    whole = start == 0 or tokens[start - 1].stop
    return start if whole and first and tokens[first - 1].stop else first


def _spelt_after(tokens: Sequence[Token], end: int) -> int:
    """Where a value ends, with the sentence after it if that is nothing but letters."""
    stop = end
    while stop < len(tokens) and _is_capitals(tokens[stop]):
        stop += 1
        if tokens[stop - 1].stop:
            break
    whole = stop == len(tokens) or tokens[stop - 1].stop
    return stop if whole and tokens[end - 1].stop else end


def _is_capitals(token: Token) -> bool:
    odd = token.upper and not lexicon().is_common(token.fold) and token.fold not in words("abbreviations")
    mixed = token.number and not token.fold.isdecimal()
    return token.letters or (odd and (mixed or not token.number))


def _misheard_before(tokens: Sequence[Token], first: int) -> int:
    """Where a value begins: with the letters right before it that were heard as words, fillers between."""
    begins = first
    for at in range(first - 1, max(first - MAX_EDGE, 0) - 1, -1):
        token = tokens[at]
        letter = token.fold in words("heard_letters") or token.fold in words("letter_words")
        if token.stop or not (letter or token.sure < UNSURE or lexicon().filler.fullmatch(token.fold)):
            break
        if letter and token.sure < DOUBT:
            begins = at
    return begins


def _misheard_after(tokens: Sequence[Token], end: int) -> int:
    """Where a value ends: with the next letter or figure of its sentence, if what stands between was hardly heard."""
    for at in range(end, min(end + MAX_BETWEEN + 1, len(tokens))):
        if tokens[at - 1].stop:
            break
        if _part(tokens, at):
            return at + 1 if any(token.sure < UNSURE for token in tokens[end:at]) else end
    return end
