"""How much at once: requests from one address, by a bucket that fills again by the minute; and events in threads.

Uploads have threads of their own, for as long as a slow sender takes: events do not wait behind them.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi.responses import JSONResponse

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from starlette.types import ASGIApp, Receive, Scope, Send

T = TypeVar("T")

ADDRESSES: Final = 10_000  # remembered; the one that was silent longest is forgotten first


@dataclass(slots=True)
class RateLimit:
    """A limit for each address.

    Args:
        per_minute: requests that an address may make in a minute, all at once or spread.
    """

    per_minute: int
    _left: OrderedDict[str, tuple[float, datetime]] = field(default_factory=OrderedDict)

    def admits(self, address: str, now: datetime) -> bool:
        """Whether the address may make one more request now."""
        left, before = self._left.pop(address, (float(self.per_minute), now))
        refilled = max((now - before).total_seconds(), 0.0) * self.per_minute / 60
        left = min(left + refilled, self.per_minute)
        admitted = left >= 1.0
        self._left[address] = (left - 1.0 if admitted else left, now)
        if len(self._left) > ADDRESSES:
            self._left.popitem(last=False)
        return admitted


@dataclass(slots=True)
class Limited:
    """The application behind a limit for each address; without a request object of its own, for it sees every event.

    Args:
        app: what it is about.
        limit: of requests.
        clock: gives the time.
    """

    app: ASGIApp
    limit: RateLimit
    clock: Callable[[], datetime]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        address = (scope.get("client") or ("",))[0]
        if scope["type"] == "http" and not self.limit.admits(address, self.clock()):
            refused = JSONResponse({"error": "TooManyRequests"}, 429, {"Retry-After": "1"})
            return await refused(scope, receive, send)
        return await self.app(scope, receive, send)


@dataclass(slots=True)
class Aside:
    """Work that must not stop the loop, in a thread; at most ``at_once`` at the same time, the others wait in order."""

    at_once: int
    _limiter: CapacityLimiter | None = None

    async def __call__(self, work: Callable[[], T]) -> T:
        """What ``work`` gives; raises what it raises."""
        if self._limiter is None:  # it belongs to the loop that it is made in
            self._limiter = CapacityLimiter(self.at_once)
        return await to_thread.run_sync(work, limiter=self._limiter)
