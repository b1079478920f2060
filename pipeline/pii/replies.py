"""Answers that no rule took: something personal was asked for, and what came back was misheard.

Takes: the talk, its windows and what was found. Gives: spans. Promises: only the first thing said to a request that
nothing was found for, and only if a word of it is odd or unsure; a refusal and a quantity are no answers. A name that
one side says makes the other side's next words a reply to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.pii.answers import MAX_ODD
from pipeline.pii.coded import measures
from pipeline.pii.dialogue import Talk, Window, sentences
from pipeline.pii.doubts import UNSURE
from pipeline.pii.lexicon import Shape, lexicon, words
from pipeline.pii.lines import spans
from pipeline.pii.repeats import CERTAIN
from pipeline.pii.segments import refuses, segments, without_lead

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from pipeline.pii.lines import Line, Token
    from pipeline.types import PiiSpan

_FIGURES = frozenset((Shape.CODE, Shape.DIGITS, Shape.DATE))
MAX_PARTS = 2
MAX_WHOLE = 8
"""A doubtful answer of up to this many words is taken whole; of a longer one, from the first doubt to the last."""
MAX_REPLY = 6
DOUBT = 0.6
"""Probability below which a word of a short question back to a request may be the answer."""


def replies(call: Talk, windows_: Sequence[Window], found: Sequence[PiiSpan]) -> Iterator[PiiSpan]:
    """Spans of answers to requests that nothing in ``found`` answers."""
    given: dict[int, list[PiiSpan]] = {}
    for span in found:
        if span.score >= CERTAIN:
            given.setdefault(span.turn, []).append(span)
    for window in windows_:
        if window.strong and window.asker is not None:
            answer = _misheard(segments(call, window)[:MAX_PARTS], given, figures=window.field.shape in _FIGURES)
            yield from spans(answer, window.kind, 0.5, "an answer that was not understood")


def _misheard(
    parts: Sequence[tuple[Token, ...]], found: Mapping[int, Sequence[PiiSpan]], *, figures: bool
) -> Sequence[Token]:
    """The first thing said, if it is doubtful; a name alone is what short figures may have been heard as."""
    for part in parts:
        kinds = {span.entity_type for token in part for span in found.get(token.line, ()) if _covers(span, token)}
        if kinds and not (figures and kinds == {"PERSON"} and len(part) <= MAX_ODD):
            return () if figures else _first_clause(part, found)
        for first, end in sentences(part):
            content = without_lead(part[first:end])
            if refuses(content):
                misheard = not figures and len(content) <= MAX_ODD and any(t.sure < DOUBT for t in content)
                return content if misheard else ()
            if content:
                return () if measures(content) else _doubtful(content)
    return ()


def _first_clause(part: Sequence[Token], found: Mapping[int, Sequence[PiiSpan]]) -> Sequence[Token]:
    """What is said up to the first pause, if only what comes after it was found and a word of it was hardly heard."""
    end = next((at + 1 for at, token in enumerate(part) if token.pause or token.stop), len(part))
    clause = without_lead(part[:end])
    taken = any(_covers(span, token) for token in part[:end] for span in found.get(token.line, ()))
    unsure = sum(token.sure < UNSURE for token in clause)
    brief = 1 < len(clause) <= (MAX_WHOLE if unsure > 1 else MAX_ODD) and unsure > 0
    return clause if brief and not taken and not refuses(clause) else ()


def _doubtful(content: Sequence[Token]) -> Sequence[Token]:
    doubts = [at for at, token in enumerate(content) if token.sure < UNSURE or _is_odd(token)]
    if not doubts or (content[0].fold in words("pronouns") and len(content) > MAX_ODD):
        return ()
    if len(content) <= MAX_WHOLE:
        return content
    pause = next((at + 1 for at, token in enumerate(content) if token.pause), len(content))
    return content[:pause] if doubts[0] < pause <= MAX_WHOLE else content[doubts[0] : doubts[-1] + 1]


def _is_odd(token: Token) -> bool:
    return not lexicon().is_common(token.fold) and any(char.isalnum() for char in token.fold)


def _covers(span: PiiSpan, token: Token) -> bool:
    return span.turn == token.line and span.words.overlaps(token.words)


def confirmed(call: Talk, windows_: Sequence[Window], found: Sequence[PiiSpan]) -> Iterator[PiiSpan]:
    """Spans of the name said back in reply to a line in which a name was found: unsure words, or its first word."""
    asking = {window.start - 1 for window in windows_ if window.strong and window.asker is not None}
    for span in found:
        if span.entity_type != "PERSON":
            continue
        line = call.turns[span.turn]
        reply = next((each for each in call.turns[span.turn + 1 :] if each.speaker != line.speaker), None)
        if reply is not None:
            name = {token.fold for token in line.tokens if token.words.overlaps(span.words)}
            first = reply.tokens[:1] if reply.tokens[0].fold in name and reply.tokens[0].pause else ()
            yield from spans(_said_back(call, reply, asking) or first, "PERSON", 0.45, "said back in reply to a name")


def _said_back(call: Talk, line: Line, asking: AbstractSet[int]) -> Sequence[Token]:
    """The unsure words of the first thing said, unless that asks for something else."""
    first, end = next((each for each in sentences(line.tokens) if without_lead(line.tokens[each[0] : each[1]])), (0, 0))
    content = without_lead(line.tokens[first:end])
    here = call.firsts[line.index]
    if not asking.isdisjoint(range(here + first, here + end)):
        return ()
    if not 0 < len(content) <= MAX_REPLY or any(token.number for token in content):
        return ()
    unsure = [at for at, token in enumerate(content) if token.sure < UNSURE and token.fold not in _empty()]
    return content[unsure[0] : unsure[-1] + 1] if unsure else ()


def _empty() -> frozenset[str]:
    return words("clause_openers") | words("pronouns") | words("exclamations")
