"""Placeholders: what stands in the transcript for redacted words and, where the policy allows it, the way back.

Takes turns and findings, gives turns in which one word such as ``[CREDIT_CARD]`` stands for every run of found words.
Where the policy numbers a kind, each distinct value of a call has its own: ``[PERSON]``, ``[PERSON_2]``. Where it makes
a kind reversible, the values are given as well, to be sealed by themselves. Presidio's operators do the replacing.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from pipeline.pii.numbers import luhn
from pipeline.pii.written import write
from pipeline.types import TimeSpan, Turn, Word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from presidio_anonymizer import AnonymizerEngine

    from pipeline.pii.policy import RedactionPolicy
    from pipeline.types import PiiSpan

CARD_DIGITS = range(13, 20)
_PLACEHOLDER = re.compile(r"\[[A-Z][A-Z0-9_]*\]")


@dataclass(frozen=True, slots=True)
class Original:
    """A value that may be shown again, as it was recognised; what stands for it, and where it was first said."""

    placeholder: str
    entity_type: str
    value: str = field(repr=False)
    span: TimeSpan


@dataclass(frozen=True, slots=True)
class Masked:
    """The turns without what was found, and the values of reversible kinds, each form of them once."""

    turns: tuple[Turn, ...] = field(repr=False)
    originals: tuple[Original, ...] = field(repr=False)


def mask(turns: Sequence[Turn], findings: Sequence[PiiSpan], policy: RedactionPolicy) -> Masked:
    """Replace every found run of words by one word.

    Args:
        turns: in order of time, for numbers count from the start of the call.
        findings: which words must go.
        policy: what stands for each kind, whether values are numbered, and which kinds are reversible.
    """
    by_turn: dict[int, list[PiiSpan]] = defaultdict(list)
    for found in findings:
        by_turn[found.turn].append(found)
    placeholders = _Placeholders(policy)
    masked = tuple(_masked(turn, by_turn.get(index, []), placeholders) for index, turn in enumerate(turns))
    return Masked(masked, placeholders.originals)


def is_placeholder(word: str) -> bool:
    """Whether a word of a redacted transcript stands for something else."""
    return _PLACEHOLDER.fullmatch(word) is not None


def standing(originals: Sequence[Original], turns: Sequence[Turn]) -> tuple[Original, ...]:
    """The values whose placeholders are still in the turns, of which some may have been cut off."""
    words = {(word.text, word.span) for turn in turns for word in turn.words}
    return tuple(each for each in originals if (each.placeholder, each.span) in words)


def _masked(turn: Turn, findings: Sequence[PiiSpan], placeholders: _Placeholders) -> Turn:
    words: list[Word] = []
    position = 0
    for found in sorted(findings, key=lambda f: f.words):
        first = max(found.words.first, position)
        if first >= found.words.end:
            continue
        words.extend(turn.words[position:first])
        gone = turn.words[first : found.words.end]
        span = TimeSpan(gone[0].span.start_s, max(w.span.end_s for w in gone))
        text = placeholders.of(found.entity_type, " ".join(word.text for word in gone), span)
        words.append(Word(text, span, min(w.probability for w in gone)))
        position = found.words.end
    return replace(turn, words=(*words, *turn.words[position:]))


class _Placeholders:
    """The placeholders of one call; remembers which value has which number."""

    def __init__(self, policy: RedactionPolicy) -> None:
        self._policy = policy
        self._known: dict[str, list[_Value]] = defaultdict(list)
        self._seen: dict[tuple[str, str], Original] = {}

    def of(self, entity_type: str, value: str, span: TimeSpan) -> str:
        """What stands for a value that was said there."""
        from presidio_anonymizer import RecognizerResult

        whole = RecognizerResult(entity_type, 0, len(value), 1.0)
        return str(_engine().anonymize(value, [whole], {"DEFAULT": self._operator(entity_type, span)}).text)

    def _operator(self, entity_type: str, span: TimeSpan) -> Any:
        from presidio_anonymizer import OperatorConfig

        rule = self._policy.rule(entity_type)
        if rule.numbered or rule.reversible:
            return OperatorConfig("custom", {"lambda": partial(self._numbered, entity_type, span)})
        return OperatorConfig("replace", {"new_value": rule.replacement})

    def _numbered(self, entity_type: str, span: TimeSpan, value: str) -> str:
        rule = self._policy.rule(entity_type)
        number = _number(self._known[entity_type], _Value.of(value), alike=entity_type == "PERSON")
        placeholder = rule.replacement if number == 1 else f"{rule.replacement[:-1]}_{number}]"
        if rule.reversible and not _may_be_a_card(value):
            self._seen.setdefault((placeholder, value), Original(placeholder, entity_type, value, span))
        return placeholder

    @property
    def originals(self) -> tuple[Original, ...]:
        """Each form of each value that may be kept, in the order they were said."""
        return tuple(self._seen.values())


@dataclass(frozen=True, slots=True)
class _Value:
    """A value without case, punctuation and way of saying: its letters and digits, and the words they stand in."""

    joined: str
    words: frozenset[str]

    @classmethod
    def of(cls, value: str) -> _Value:
        written = write(value.split()).text.casefold().replace("'s", "")
        words = ["".join(char for char in word if char.isalnum()) for word in written.split()]
        return cls("".join(words), frozenset(filter(None, words)))


def _number(known: list[_Value], value: _Value, *, alike: bool) -> int:
    """Which distinct value this is, from 1 on; ``alike`` takes a part of a value, a first name, for the same."""
    for index, each in enumerate(known):
        part = alike and (value.words <= each.words or each.words <= value.words)
        if value.joined == each.joined or part:
            known[index] = value if len(value.words) > len(each.words) else each
            return index + 1
    known.append(value)
    return len(known)


def _may_be_a_card(value: str) -> bool:
    """Whether a value has the digits of a payment card, whatever it was taken for: such a one is never kept."""
    digits = "".join(char for char in write(value.split()).text if char.isdigit())
    return len(digits) in CARD_DIGITS and luhn(digits)


@cache
def _engine() -> AnonymizerEngine:
    from presidio_anonymizer import AnonymizerEngine

    return AnonymizerEngine()  # type: ignore[no-untyped-call]
