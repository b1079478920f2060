"""Sets of time spans: joined, cut out of each other, cut to each other. Pure; what comes out is in order, disjoint."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from typing import TYPE_CHECKING

from pipeline.types import TimeSpan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


def joined(spans: Iterable[TimeSpan], gap_s: float = 0.0) -> list[TimeSpan]:
    """The union, with gaps no longer than ``gap_s`` closed; spans without length are left out."""
    union: list[TimeSpan] = []
    for span in sorted(spans):
        if span.duration_s <= 0:
            continue
        if union and span.start_s - union[-1].end_s <= gap_s:
            union[-1] = TimeSpan(union[-1].start_s, max(union[-1].end_s, span.end_s))
        else:
            union.append(span)
    return union


def without(spans: Iterable[TimeSpan], removed: Iterable[TimeSpan]) -> list[TimeSpan]:
    """The union of ``spans`` less the union of ``removed``."""
    cuts = joined(removed)
    left: list[TimeSpan] = []
    first = 0
    for span in joined(spans):
        start_s = span.start_s
        first = bisect_right(cuts, start_s, lo=first, key=_end)
        for cut in itertools.islice(cuts, first, None):
            if cut.start_s >= span.end_s:
                break
            if cut.start_s > start_s:
                left.append(TimeSpan(start_s, cut.start_s))
            start_s = cut.end_s
        if start_s < span.end_s:
            left.append(TimeSpan(start_s, span.end_s))
    return left


def within(spans: Iterable[TimeSpan], frame: Iterable[TimeSpan]) -> list[TimeSpan]:
    """What both unions share."""
    union = joined(spans)
    return without(union, without(union, frame))


def widened(spans: Iterable[TimeSpan], by_s: float) -> list[TimeSpan]:
    """The union of the spans, each longer by ``by_s`` at both ends, none before 0."""
    return joined(TimeSpan(max(span.start_s - by_s, 0.0), span.end_s + by_s) for span in spans)


def middle_in(span: TimeSpan, spans: Sequence[TimeSpan]) -> bool:
    """Whether the middle of a span lies in one of the others."""
    middle_s = _middle(span)
    return any(each.start_s <= middle_s < each.end_s for each in spans)


def middles_in(spans: Iterable[TimeSpan]) -> Callable[[TimeSpan], bool]:
    """What tells of any span whether its middle lies in one of these, however many they are."""
    union = joined(spans)

    def told(span: TimeSpan) -> bool:
        middle_s = _middle(span)
        at = bisect_right(union, middle_s, key=_end)
        return at < len(union) and union[at].start_s <= middle_s

    return told


def _middle(span: TimeSpan) -> float:
    return (span.start_s + span.end_s) / 2


def _end(span: TimeSpan) -> float:
    return span.end_s
