"""Values whose edge was misheard: letters heard as words before, between and after what was found.

Takes: lines and findings. Gives: spans of the words that belong to a finding, findings included. Promises: never beyond
a sentence, and only over words that the recogniser was unsure of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.pii.lexicon import lexicon, words
from pipeline.pii.lines import spans

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.pii.dialogue import Talk
    from pipeline.pii.lines import Token
    from pipeline.types import PiiSpan

DOUBT = 0.6
"""Probability below which a word beside a value may be a letter of it."""
UNSURE = 0.4
MAX_EDGE = 3
MAX_BETWEEN = 4


def edges(call: Talk, found: Sequence[PiiSpan]) -> Iterator[PiiSpan]:
    """Spans that reach from what was found in figures or letters over its misheard edges."""
    for span in found:
        tokens = call.turns[span.turn].tokens
        inside = [at for at, token in enumerate(tokens) if token.words.overlaps(span.words)]
        if not inside or not any(_coded(tokens[at]) for at in inside):
            continue
        first = _before(tokens, inside[0])
        end = _after(tokens, inside[-1] + 1)
        if (first, end) != (inside[0], inside[-1] + 1):
            yield from spans(tokens[first:end], span.entity_type, span.score, span.reason)


def _coded(token: Token) -> bool:
    return token.number or token.letters or len(token.fold) == 1


def _before(tokens: Sequence[Token], first: int) -> int:
    """Where a value begins: with the letters right before it that were heard as words, fillers between."""
    begins, at = first, first - 1
    while at >= 0 and first - at <= MAX_EDGE and not tokens[at].stop and tokens[at].sure < DOUBT:
        if tokens[at].fold in words("heard_letters") or tokens[at].fold in words("letter_words"):
            begins = at
        elif not (lexicon().filler.fullmatch(tokens[at].fold) or tokens[at].sure < UNSURE):
            break
        at -= 1
    return begins


def _after(tokens: Sequence[Token], end: int) -> int:
    """Where a value ends: with the next letter or figure of its sentence, if what stands between was hardly heard."""
    for at in range(end, min(end + MAX_BETWEEN + 1, len(tokens))):
        if tokens[at - 1].stop:
            break
        if _coded(tokens[at]) and not tokens[at].quantity and tokens[at].fold not in ("a", "i"):
            return at + 1 if any(token.sure < UNSURE for token in tokens[end:at]) else end
    return end
