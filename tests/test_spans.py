"""Sets of spans: what comes out is in order, disjoint, and has the right points in it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.types import TimeSpan
from pipeline.verify.spans import joined, middle_in, widened, within, without
from tests.factories import span

SPANS = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 10)).map(lambda pair: TimeSpan(pair[0], pair[0] + pair[1])), max_size=6
)
POINTS = [step + 0.5 for step in range(52)]


def _holds(spans: list[TimeSpan], point: float) -> bool:
    return any(each.start_s <= point < each.end_s for each in spans)


@given(SPANS, SPANS)
def test_points(one: list[TimeSpan], two: list[TimeSpan]) -> None:
    """A point is in the union, the rest and the common part when it should be; spans neither touch nor overlap."""
    union, rest, common = joined([*one, *two]), without(one, two), within(one, two)
    for point in POINTS:
        a, b = _holds(one, point), _holds(two, point)
        assert (_holds(union, point), _holds(rest, point), _holds(common, point)) == (a or b, a and not b, a and b)
    assert all(left.end_s < right.start_s for left, right in pairwise(union))
    for spans in (union, rest, common):
        assert all(each.duration_s > 0 for each in spans)
        assert spans == sorted(spans)


def test_gaps_are_closed() -> None:
    """A gap as long as allowed is closed, a longer one stays."""
    assert joined([span(3, 4), span(0, 1), span(1.5, 2)], 0.5) == [span(0, 2), span(3, 4)]


def test_widened_spans_begin_in_the_call() -> None:
    """Spans grow at both ends, together where they meet, and never before the start."""
    assert widened([span(1, 2), span(3, 4)], 2.0) == [span(0, 6)]


@pytest.mark.parametrize(("start_s", "inside"), [(0.0, False), (0.5, True), (1.4, True), (1.5, False)])
def test_middle(start_s: float, inside: bool) -> None:  # noqa: FBT001
    """A span counts where its middle lies; the end of a span is outside."""
    assert middle_in(span(start_s, start_s + 1), [span(1, 2)]) is inside
