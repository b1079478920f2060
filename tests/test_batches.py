"""Batches that several calls share: every item is done once, for its own caller, with items of its own kind only."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.batches import SharedBatches

if TYPE_CHECKING:
    from collections.abc import Hashable


class Work:
    """Doubles numbers, and remembers the batches; fails for a negative number. The first batch waits for ``go``."""

    def __init__(self) -> None:
        self.batches: list[tuple[list[int], Hashable]] = []
        self.begun, self.go = threading.Event(), threading.Event()

    def __call__(self, items: list[int], kind: Hashable) -> list[int]:
        """As SharedBatches asks."""
        self.batches.append((items, kind))
        self.begun.set()
        assert self.go.wait(10.0)
        if min(items) < 0:
            raise ValueError("a number below zero")
        return [2 * item for item in items]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.lists(st.integers(0, 99), max_size=9), st.sampled_from("ab")), max_size=6),
    st.integers(1, 3),
    st.integers(1, 5),
)
def test_every_item_is_done_for_its_caller(calls: list[tuple[list[int], str]], workers: int, size: int) -> None:
    """Whoever hands in what, each gets their own results in order, and no batch is too large or of two kinds."""
    work = Work()
    work.go.set()
    shared = SharedBatches(work, workers, size)

    def call(items: list[int], kind: str) -> list[int]:
        return [each for _, done in shared.hand_in(items, kind) for each in done.result(10.0)]

    with ThreadPoolExecutor(6) as pool:
        got = list(pool.map(call, *zip(*calls, strict=True))) if calls else []
    assert got == [[2 * item for item in items] for items, _ in calls]
    assert all(0 < len(items) <= size for items, _ in work.batches)
    assert sorted(item for items, _ in work.batches for item in items) == sorted(i for items, _ in calls for i in items)


def waiting(*calls: tuple[list[int], str], size: int = 4) -> tuple[Work, list[Any]]:
    """One thread that is busy with a batch, and what the calls handed in meanwhile; then it goes on."""
    work = Work()
    shared = SharedBatches(work, 1, size)
    shared.hand_in([0], "busy")
    assert work.begun.wait(10.0)
    handed = [shared.hand_in(items, kind) for items, kind in calls]
    return work, [done for lots in handed for _, done in lots]


def test_calls_share_a_batch() -> None:
    """What waits for a busy thread goes together, of one kind and as much as a batch holds."""
    work, lots = waiting(([1, 2], "en"), ([3], "es"), ([4], "en"), ([5, 6], "en"))
    work.go.set()
    assert [lot.result(10.0) for lot in lots] == [[2, 4], [6], [8], [10, 12]]
    assert work.batches[1:] == [([1, 2, 4], "en"), ([3], "es"), ([5, 6], "en")]


def test_a_call_alone_is_always_cut_the_same_way() -> None:
    """Threads that are free share a call's items evenly, whoever takes them first."""
    for _ in range(20):
        work = Work()
        work.go.set()
        lots = SharedBatches(work, 2, 4).hand_in([1, 2, 3, 4, 5, 6], "en")
        assert [items for items, _ in lots] == [[1, 2, 3], [4, 5, 6]]
        assert [done.result(10.0) for _, done in lots] == [[2, 4, 6], [8, 10, 12]]
        assert sorted(items for items, _ in work.batches) == [[1, 2, 3], [4, 5, 6]]


def test_a_call_that_fails_fails_alone() -> None:
    """An item that cannot be done is an error for its caller, not for those who shared the batch."""
    work, (bad, good) = waiting(([-1], "en"), ([1], "en"))
    work.go.set()
    assert good.result(10.0) == [2]
    with pytest.raises(ValueError, match="below zero"):
        bad.result(10.0)


def test_what_nobody_waits_for_is_not_done() -> None:
    """A call that ends early leaves no work behind."""
    work, (gone, here) = waiting(([1], "en"), ([2], "en"))
    assert gone.cancel()
    work.go.set()
    assert here.result(10.0) == [4]
    assert [items for items, _ in work.batches[1:]] == [[2]]
