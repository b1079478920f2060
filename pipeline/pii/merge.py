"""Overlapping findings become one: pure, and idempotent."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.types import PiiSpan, WordRange

if TYPE_CHECKING:
    from collections.abc import Iterable


def merge(found: Iterable[PiiSpan]) -> tuple[PiiSpan, ...]:
    """The same words, in spans that do not overlap, in order of turn and word.

    Spans of one turn that share a word become their union, and so do neighbours of one kind; the union takes kind,
    score and reason from its most certain part, from the longest among equals.
    """
    merged: list[PiiSpan] = []
    for span in sorted(found, key=lambda s: (s.turn, s.words.first, -s.words.end, -s.score, s.entity_type, s.reason)):
        if span.words.end <= span.words.first:
            continue
        last = merged[-1] if merged else None
        if last is not None and _belong_together(last, span):
            merged[-1] = _union(last, span)
        else:
            merged.append(span)
    return tuple(merged)


def _belong_together(first: PiiSpan, second: PiiSpan) -> bool:
    if first.turn != second.turn:
        return False
    touching = second.words.first == first.words.end and first.entity_type == second.entity_type
    return touching or first.words.overlaps(second.words)


def _union(first: PiiSpan, second: PiiSpan) -> PiiSpan:
    words = WordRange(min(first.words.first, second.words.first), max(first.words.end, second.words.end))
    lead = max((first, second), key=lambda s: (s.score, s.words.end - s.words.first, s.entity_type, s.reason))
    return replace(lead, words=words)
