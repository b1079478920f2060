"""How long each stage took, and who wants to know that it began."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")


@dataclass(slots=True)
class Stopwatch:
    """Seconds by stage; time spent in an inner stage does not count for the outer one.

    Args:
        observe: told the name of each stage as it begins, and how far it is (``transcribe 12:17``).
    """

    observe: Callable[[str], None]
    seconds: dict[str, float] = field(default_factory=dict)
    _running: list[str] = field(default_factory=list)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a block of code."""
        self.observe(name)
        started = time.perf_counter()
        self._running.append(name)
        try:
            yield
        finally:
            self._running.pop()
            self._count(name, time.perf_counter() - started)

    def marks(self, name: str, items: Iterable[T], each_s: float) -> Iterator[T]:
        """The items, each of which is so many seconds of a call: whoever observes is told how far the stage is."""
        for number, item in enumerate(items, 1):
            minutes, seconds = divmod(round(number * each_s), 60)
            self.observe(f"{name} {minutes}:{seconds:02d}")
            yield item

    def time_of(self, name: str, items: Iterable[T]) -> Iterator[T]:
        """The items, timing how long each takes to come."""
        remaining = iter(items)
        while True:
            started = time.perf_counter()
            item = next(remaining, None)
            self._count(name, time.perf_counter() - started)
            if item is None:
                return
            yield item

    def _count(self, name: str, spent_s: float) -> None:
        self.seconds[name] = self.seconds.get(name, 0.0) + spent_s
        if self._running:
            outer = self._running[-1]
            self.seconds[outer] = self.seconds.get(outer, 0.0) - spent_s
