"""Personal data told by the talk around it: what a model that read question and answer says of every word.

Takes: for each word of each turn how likely it is personal data and of what sort, and what rules found. Gives: more
spans, and which findings the talk speaks against. Promises: card data, a long number and a value with a form of its
own stand, whatever the model thinks of them.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from pipeline.types import PiiSpan, WordRange

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.pii.lines import Line
    from pipeline.pii.policy import DetectionRule
    from pipeline.types import Turn

SCORE, REASON = 0.5, "told by the talk around it"
KEPT_TO_ONESELF = "PASSWORD"
"""Sort of passwords, logins and answers to security questions."""
WEAK, UNLIKELY = 0.5, 5
"""Findings of a score up to this must be so many times likelier than others to stand: they were guesses."""
FORMED = 0.95
"""Score from which on a finding rests on a form, which no talk speaks against."""
LONG = 7
"""Figures in a number that no talk speaks against: a telephone's, an account's, a card's."""
CARD_DATA = frozenset(("CREDIT_CARD", "CARD_EXPIRY", "CVV", "PIN"))
"""Said in parts or short, and never let go on a model's word."""


@dataclass(frozen=True, slots=True)
class WordTag:
    """What a model says of one word: the likeliest sort of personal data, and in [0, 1] how likely it is any."""

    entity_type: str
    probability: float


class Tagger(Protocol):
    """A model that reads a whole English talk."""

    def tag(self, turns: Sequence[Turn]) -> list[list[WordTag]]:
        """One tag for each word of each turn."""
        ...


def standing(span: PiiSpan, line: Line, tags: Sequence[WordTag], rules: DetectionRule) -> PiiSpan | None:
    """A finding less the words at its edges that are not even remotely likely personal; None where no word is likely.

    Figures are never cut off, however they are said, and card data, long numbers and values with a form of their own
    stand as they are.

    Args:
        span: the finding.
        line: the turn that it is in.
        tags: of every word of that turn.
        rules: how unlikely a word must be.
    """
    numbers = [token for token in line.tokens if token.digits and token.words.overlaps(span.words)]
    long = sum(len(token.digits) for token in numbers) >= LONG
    if long or span.score >= FORMED or span.entity_type in CARD_DATA:
        return span
    figures = {at for token in numbers for at in range(token.words.first, token.words.end)}
    first, end = span.words.first, span.words.end
    least = rules.talk_unlikely * (UNLIKELY if span.score <= WEAK else 1)
    likely = {at for at in range(first, end) if tags[at].probability >= least}
    if not likely:
        return None
    while first not in likely | figures:
        first += 1
    while end - 1 not in likely | figures:
        end -= 1
    return replace(span, words=WordRange(first, end))


def tagged(tags: Sequence[Sequence[WordTag]], found: Sequence[PiiSpan], rules: DetectionRule) -> Iterator[PiiSpan]:
    """Spans of likely words and of possible ones beside those or beside what was found, none of them found already."""
    taken = {(span.turn, at) for span in found for at in range(span.words.first, span.words.end)}
    for turn, words in enumerate(tags):
        known = [(turn, at) in taken for at in range(len(words))]
        possible = [tag.probability >= _least(tag, rules.talk_near, rules) for tag in words]
        for first, end in _runs([k or each for k, each in zip(known, possible, strict=True)]):
            sure = any(tag.probability >= _least(tag, rules.talk_sure, rules) for tag in words[first:end])
            if sure or any(known[first:end]):
                for start, stop in _runs([not each for each in known[first:end]]):
                    at = WordRange(first + start, first + stop)
                    likeliest = max(words[at.first : at.end], key=lambda tag: tag.probability)
                    yield PiiSpan(likeliest.entity_type, turn, at, SCORE, REASON)


def _least(tag: WordTag, least: float, rules: DetectionRule) -> float:
    """How likely a word must be; a secret more than others, for it may be any word, and so may an answer."""
    return rules.talk_secret if tag.entity_type == KEPT_TO_ONESELF else least


def _runs(wanted: Sequence[bool]) -> Iterator[tuple[int, int]]:
    """Half-open ranges of neighbours that are all wanted, as long as they can be."""
    first = 0
    for same, group in itertools.groupby(wanted):
        end = first + sum(1 for _ in group)
        if same:
            yield first, end
        first = end
