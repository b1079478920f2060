"""The live calls of this process, and who listens to what comes out of them. Runs in the event loop alone.

Nothing is stored: a listener hears from where the call is when they come. One who does not keep up is let go.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pipeline.errors import NotFound, Temporary

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pipeline.live.messages import Message

MOST: Final = 1_000  # messages that wait for a listener
LISTENERS: Final = 16  # to one call


@dataclass(slots=True)
class _Call:
    started: Message
    listeners: list[asyncio.Queue[Message | None]] = field(default_factory=list)


@dataclass(slots=True)
class Listeners:
    """Who listens to which call.

    Args:
        at_once: calls that are heard at the same time.
    """

    at_once: int
    _calls: dict[str, _Call] = field(default_factory=dict)

    def open(self, call_id: str, started: Message) -> None:
        """A call begins. Raises Temporary where it is heard already, or too many are."""
        if call_id in self._calls:
            raise Temporary(f"call {call_id} is heard already")
        if len(self._calls) >= self.at_once:
            raise Temporary(f"{self.at_once} calls are heard at the same time already")
        self._calls[call_id] = _Call(started)

    def tell(self, call_id: str, message: Message) -> None:
        """Tell everybody who listens."""
        for queue in list(self._calls[call_id].listeners):
            if queue.qsize() >= MOST:
                self._calls[call_id].listeners.remove(queue)
                queue.put_nowait(None)
            else:
                queue.put_nowait(message)

    def close(self, call_id: str) -> None:
        """A call has ended, and everything was told."""
        for queue in self._calls.pop(call_id).listeners:
            queue.put_nowait(None)

    def listen(self, call_id: str) -> AsyncIterator[Message]:
        """Everything that is told of a call from here on, after its first message.

        Raises:
            NotFound: no such call is heard.
            Temporary: too many listen.
        """
        call = self._calls.get(call_id)
        if call is None:
            raise NotFound(f"call {call_id} is not heard")
        if len(call.listeners) >= LISTENERS:
            raise Temporary("too many listen to this call")
        queue: asyncio.Queue[Message | None] = asyncio.Queue()
        queue.put_nowait(call.started)
        call.listeners.append(queue)
        return self._messages(call, queue)

    @staticmethod
    async def _messages(call: _Call, queue: asyncio.Queue[Message | None]) -> AsyncIterator[Message]:
        try:
            while (message := await queue.get()) is not None:
                yield message
        finally:
            if queue in call.listeners:
                call.listeners.remove(queue)
