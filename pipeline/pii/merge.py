"""Overlapping findings become one: pure, and idempotent."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.types import PiiSpan, WordRange

if TYPE_CHECKING:
    from collections.abc import Iterable


_PLACES = frozenset(("ADDRESS", "ZIP_CODE", "LOCATION"))
PLACE_GAP = 2
"""Words that may stand between two parts of one address: a town that was misheard, "zip code"."""


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


def join_places(merged: Iterable[PiiSpan]) -> tuple[PiiSpan, ...]:
    """The spans with those of one address, in one turn and hardly apart, made one; ``merged`` is in order."""
    joined: list[PiiSpan] = []
    for span in merged:
        last = joined[-1] if joined else None
        if last is not None and _one_address(last, span):
            joined[-1] = _union(last, span)
        else:
            joined.append(span)
    return tuple(joined)


def _one_address(first: PiiSpan, second: PiiSpan) -> bool:
    near = first.turn == second.turn and second.words.first - first.words.end <= PLACE_GAP
    return near and {first.entity_type, second.entity_type} <= _PLACES


def _belong_together(first: PiiSpan, second: PiiSpan) -> bool:
    if first.turn != second.turn:
        return False
    touching = second.words.first == first.words.end and first.entity_type == second.entity_type
    return touching or first.words.overlaps(second.words)


def _union(first: PiiSpan, second: PiiSpan) -> PiiSpan:
    words = WordRange(min(first.words.first, second.words.first), max(first.words.end, second.words.end))
    lead = max((first, second), key=lambda s: (s.score, s.words.end - s.words.first, s.entity_type, s.reason))
    return replace(lead, words=words)
