"""Batches that several calls share: what one call leaves free, the next one fills.

A few threads do the work. What a caller hands in at once is shared out evenly among them, so that a call on its own is
always cut into the same batches; a thread that finds more waiting than the other threads can take puts what belongs to
different callers into one batch.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(slots=True, eq=False)
class _Lot(Generic[Item, Result]):
    """What stays together, and where its results go."""

    kind: Hashable
    items: list[Item]
    done: Future[list[Result]]


class SharedBatches(Generic[Item, Result]):
    """A queue of items that threads work off in batches.

    Args:
        work: gives one result for each item of a batch; all items of a batch are of the kind that it is given.
        workers: threads.
        size: most items in a batch.
    """

    def __init__(self, work: Callable[[list[Item], Hashable], list[Result]], workers: int, size: int) -> None:
        self._work, self._workers, self._size = work, workers, size
        self._pool = ThreadPoolExecutor(workers, "batches")
        self._lock = Lock()
        self._lots: deque[_Lot[Item, Result]] = deque()
        self._busy = 0

    @property
    def ahead(self) -> int:
        """Items that keep every thread busy with a full batch."""
        return self._workers * self._size

    def hand_in(self, items: Sequence[Item], kind: Hashable) -> list[tuple[list[Item], Future[list[Result]]]]:
        """Queue items of one caller; gives them in order, in lots, each with what will hold its results."""
        size = min(-(-len(items) // self._workers), self._size)
        lots = [_Lot[Item, Result](kind, list(items[i : i + size]), Future()) for i in range(0, len(items), size or 1)]
        with self._lock:
            self._lots.extend(lots)
        for _ in lots:
            self._pool.submit(self._turn)
        return [(lot.items, lot.done) for lot in lots]

    def _turn(self) -> None:
        with self._lock:
            self._busy += 1
            lots = list(self._taken())
        try:
            self._do(lots)
        finally:
            with self._lock:
                self._busy -= 1

    def _taken(self) -> Iterator[_Lot[Item, Result]]:
        """The oldest lot that somebody still waits for, and others of its kind that no free thread would take."""
        first = next(iter(self._waited_for()), None)
        if first is None:
            return
        yield first
        room, spare = self._size - len(first.items), len(self._lots) - (self._workers - self._busy)
        for lot in [each for each in self._lots if each.kind == first.kind]:
            if spare <= 0:
                return
            if len(lot.items) <= room:
                self._lots.remove(lot)
                if lot.done.set_running_or_notify_cancel():
                    room -= len(lot.items)
                    yield lot
                spare -= 1

    def _waited_for(self) -> Iterator[_Lot[Item, Result]]:
        while self._lots:
            lot = self._lots.popleft()
            if lot.done.set_running_or_notify_cancel():
                yield lot

    def _do(self, lots: Sequence[_Lot[Item, Result]]) -> None:
        """One batch; if it fails, each lot on its own, so that no caller fails for another's items."""
        try:
            results = iter(self._work([item for lot in lots for item in lot.items], lots[0].kind)) if lots else iter(())
        except BaseException as exc:  # noqa: BLE001 -- whoever waits is told
            if len(lots) == 1:
                lots[0].done.set_exception(exc)
            else:
                for lot in lots:
                    self._do([lot])
            return
        for lot in lots:
            lot.done.set_result([next(results) for _ in lot.items])
