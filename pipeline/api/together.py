"""Group commit: what comes while a batch is under way makes the next one, so that a batch grows with the load.

An item on a quiet day waits for nothing; on a busy one, for one batch at most before its own.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from anyio import CapacityLimiter, to_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST: Final = 64  # of a batch: a transaction that others wait for stays short


@dataclass(slots=True)
class Together(Generic[Item, Result]):
    """Items of many requests, worked on in one thread at a time.

    Args:
        work: gives a result for each item, in their order; one that is an exception is raised to whom it belongs.
    """

    work: Callable[[Sequence[Item]], Sequence[Result | Exception]]
    _waiting: deque[tuple[Item, asyncio.Future[Result]]] = field(default_factory=deque, repr=False)
    _running: asyncio.Task[None] | None = None

    async def __call__(self, item: Item) -> Result:
        """The result for the item; raises what it, or its batch, was refused for."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        own = CapacityLimiter(1)  # slow uploads have every thread of the other one
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))]
            items = [item for item, _ in batch]
            try:
                results = await to_thread.run_sync(self.work, items, limiter=own)
            except Exception as exc:  # noqa: BLE001 -- it is told to everyone who waits for it
                results = [exc] * len(batch)
            for (_, future), result in zip(batch, results, strict=True):
                if future.done():  # its sender hung up
                    continue
                if isinstance(result, Exception):
                    future.set_exception(result)
                else:
                    future.set_result(result)
