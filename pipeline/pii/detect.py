"""The story of detection: read the lines, collect what every rule finds, follow it through the call, merge."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pipeline.pii.answers import answers
from pipeline.pii.asked import dated, numbers
from pipeline.pii.bare import bare_names, house_numbers, odd_capitals
from pipeline.pii.dialogue import Talk, Window, talk, windows
from pipeline.pii.doubts import garbled, spelled_with_words
from pipeline.pii.edges import between, edges
from pipeline.pii.known import known_values
from pipeline.pii.lines import read, spans, streams
from pipeline.pii.mail import mail, net_addresses
from pipeline.pii.merge import join_places, merge
from pipeline.pii.names import (
    beside,
    credible,
    first_of,
    introduced,
    introducing,
    is_articled,
    is_firm,
    looks_like_name,
    without_title,
)
from pipeline.pii.partly import partly_coded, partly_heard, torn_names
from pipeline.pii.placed import placed
from pipeline.pii.places import addresses, is_of_somebody
from pipeline.pii.quantity import is_measured
from pipeline.pii.repeats import CERTAIN, repeats
from pipeline.pii.replies import confirmed, replies
from pipeline.pii.shapes import shaped
from pipeline.pii.spellings import spelled_in_clauses, spelled_with_ties
from pipeline.pii.tagged import standing, tagged
from pipeline.pii.volunteered import expiries, volunteered

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pipeline.pii.lines import Line
    from pipeline.pii.policy import RedactionPolicy
    from pipeline.pii.tagged import Tagger
    from pipeline.types import CharSpan, PiiSpan, Turn

_RENAMED = {"UK_POSTCODE": "ZIP_CODE"}
_FORMED = re.compile(r"[\d/:]")
"""What every text holds in which a number, a code or an address of the net is told by its form."""
_WITH_NAMES = frozenset(
    ("PHONE_NUMBER", "CREDIT_CARD", "ACCOUNT_NUMBER", "US_SSN", "DATE_OF_BIRTH", "POLICY_NUMBER", "ADDRESS")
)
_NUMERIC = frozenset(
    (
        "PHONE_NUMBER",
        "US_SSN",
        "US_ITIN",
        "US_BANK_NUMBER",
        "US_PASSPORT",
        "ABA_ROUTING_NUMBER",
        "UK_NHS",
        "US_DRIVER_LICENSE",
    )
)


@dataclass(frozen=True, slots=True)
class TextEntity:
    """What a model found in one text; ``chars`` are code points of that text, ``score`` is in [0, 1]."""

    entity_type: str
    chars: CharSpan
    score: float
    recognizer: str


class PiiRecognizer(Protocol):
    """A model of named entities in written English; every method gives one list per text, in the same order."""

    def people(self, texts: Sequence[str]) -> list[list[TextEntity]]:
        """Who and what place is named."""
        ...

    def forms(self, texts: Sequence[str]) -> list[list[TextEntity]]:
        """Numbers, codes and addresses that their form tells."""
        ...


def detect(
    turns: Sequence[Turn],
    recognizer: PiiRecognizer,
    known: Mapping[str, Sequence[str]],
    policy: RedactionPolicy,
    language: str = "en",
    tagger: Tagger | None = None,
) -> tuple[PiiSpan, ...]:
    """Every span of words that the policy wants redacted, merged and in order.

    Args:
        turns: the whole call in order of time; the spans index into it.
        recognizer: asked once each, with the written form of the turns that may hold what it finds; only for English.
        known: values known beforehand by entity type.
        policy: kinds, thresholds and rules.
        language: of the call, a BCP 47 tag; rules on digits work in every language.
        tagger: asked once, for English; without one only what rules and recognizer find is found.
    """
    lines = read(turns)
    call = talk(lines)
    awaited = windows(call, policy.rules)
    found = list(_rules(call, awaited, policy))
    if language.casefold().startswith("en"):
        found += _modelled(lines, recognizer, policy)
        found += (*bare_names(call), *odd_capitals(call))
    wanted = [span for span in found if policy.wants(span.entity_type, span.score)]
    wanted += [named for span in wanted for named in _beside(call, span)]
    doubtful = (
        *replies(call, awaited, wanted),
        *confirmed(call, awaited, wanted),
        *edges(call, wanted),
        *between(call, wanted),
        *house_numbers(call, wanted),
        *expiries(call, wanted),
        *partly_coded(call.lines),
        *partly_heard(call, wanted),
        *torn_names(call, wanted),
    )
    wanted += [span for span in doubtful if policy.wants(span.entity_type, span.score)]
    tags = tagger.tag(turns) if tagger is not None and language.casefold().startswith("en") else None
    if tags is not None:
        stood = (standing(span, lines[span.turn], tags[span.turn], policy.rules) for span in wanted)
        wanted = [span for span in stood if span is not None]
    again = [span for span in repeats(call, wanted) if policy.wants(span.entity_type, span.score)]
    wanted += (*again, *known_values(call, known))
    told = tagged(tags, wanted, policy.rules) if tags is not None else ()
    wanted += [span for span in told if policy.wants(span.entity_type, span.score)]
    return join_places(merge(wanted))


def _rules(call: Talk, awaited: Sequence[Window], policy: RedactionPolicy) -> Iterator[PiiSpan]:
    joined = tuple(streams(call.lines))
    yield from numbers(call, awaited, policy.rules)
    yield from dated(call, awaited)
    yield from answers(call, awaited)
    yield from introduced(call.lines)
    yield from garbled(call.lines)
    yield from placed(call.lines)
    yield from volunteered(call)
    yield from spelled_with_words(call.lines)
    yield from spelled_in_clauses(call.lines)
    yield from spelled_with_ties(call.lines)
    yield from shaped(call.lines)
    yield from mail(call.lines, joined)
    for stream in joined:
        yield from net_addresses(stream)
        yield from addresses(stream)


def _beside(call: Talk, span: PiiSpan) -> Iterator[PiiSpan]:
    if span.entity_type in _WITH_NAMES:
        yield from spans(beside(call.turns[span.turn], span.words), "PERSON", 0.6, "a name before a number")
    if span.entity_type == "PERSON" and span.score >= CERTAIN:
        yield from spans(introducing(call.turns[span.turn], span.words), "PERSON", 0.6, "between introduction and name")
        yield from spans(first_of(call.turns[span.turn], span.words), "PERSON", 0.6, "a capital before a name")


def _modelled(lines: Sequence[Line], recognizer: PiiRecognizer, policy: RedactionPolicy) -> Iterator[PiiSpan]:
    """What the model finds, less what the talk shows to be something else."""
    lower = frozenset(t.fold for line in lines for t in line.tokens if not t.capital)
    naming = [line for line in lines if _may_name(line, lower, policy)]
    formed = [line for line in lines if _FORMED.search(line.written.text)]
    results = (
        *zip(naming, recognizer.people([line.written.text for line in naming]), strict=True),
        *zip(formed, recognizer.forms([line.written.text for line in formed]), strict=True),
    )
    for line, entities in results:
        for entity in entities:
            if _believable(line, entity, lower, policy):
                words = line.words(entity.chars)
                kind = _RENAMED.get(entity.entity_type, entity.entity_type)
                reason = f"recognised as {kind} by the model"
                said = [token for token in line.tokens if token.words.overlaps(words)]
                named = without_title(said) if kind == "PERSON" else said
                yield from spans(named, kind, min(1.0, max(0.0, entity.score)), reason)


def _may_name(line: Line, lower: frozenset[str], policy: RedactionPolicy) -> bool:
    """Whether anything that the model could find in a line would be believed."""
    if policy.rules.place_alone:
        return any(token.capital for token in line.tokens)
    return any(
        (looks_like_name(token) and token.fold not in lower) or is_of_somebody(line.tokens, at)
        for at, token in enumerate(line.tokens)
        if token.capital
    )


def _believable(line: Line, entity: TextEntity, lower: frozenset[str], policy: RedactionPolicy) -> bool:
    words = line.words(entity.chars)
    at = [index for index, token in enumerate(line.tokens) if token.words.overlaps(words)]
    if not at:
        return False
    if entity.entity_type == "PERSON":
        named = without_title(line.tokens[at[0] : at[-1] + 1])
        first, end = at[-1] + 1 - len(named), at[-1] + 1
        thing = is_articled(line.tokens, first, end) or is_firm(line.tokens, first, end)
        return credible(named, lower) and not thing
    if entity.entity_type == "LOCATION":
        return policy.rules.place_alone or is_of_somebody(line.tokens, at[0])
    if entity.entity_type in _NUMERIC:
        return not is_measured(line.tokens, at[0], at[-1] + 1)
    return True
