"""Samples that arrived and wait to be heard: one thread puts them in, another takes them out in blocks.

A source that waits is held up when too much waits; one that does not, such as a telephone line, never is, and its
samples are counted as received whether or not anybody keeps up.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.errors import Temporary
from pipeline.live.samples import take

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.audio import Samples

MOST_BLOCKS = 2  # that a source may be ahead
MOST_S = 300.0  # that may wait at all: 5 MB of a line with two channels


@dataclass(slots=True)
class Backlog:
    """The samples of one call.

    Args:
        channels: how many rows.
        rate_hz: of the samples.
        block: samples in a block.
        waits: whether the source can be held up.
    """

    channels: int
    rate_hz: int
    block: int
    waits: bool
    _held: deque[Samples] = field(default_factory=deque, repr=False)
    _count: int = 0
    _received: int = 0
    _ended: bool = False
    _abandoned: bool = False
    _changed: threading.Condition = field(default_factory=threading.Condition, repr=False)

    def put(self, samples: Samples) -> None:
        """Add (channels, time) samples. Raises Temporary where nobody takes them any more."""
        with self._changed:
            if self.waits:
                self._changed.wait_for(lambda: self._count < MOST_BLOCKS * self.block or self._abandoned)
            if self._abandoned or self._count > MOST_S * self.rate_hz:
                raise Temporary("nobody hears the call any more")
            self._held.append(samples)
            self._count += samples.shape[1]
            self._received += samples.shape[1]
            self._changed.notify_all()

    def end(self) -> None:
        """No more samples will come."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def abandon(self) -> None:
        """Nobody will take samples any more."""
        with self._changed:
            self._abandoned = True
            self._changed.notify_all()

    def received_s(self) -> float:
        """How much of the call has come in."""
        return self._received / self.rate_hz

    def blocks(self) -> Iterator[tuple[Samples, bool]]:
        """Whole blocks as they fill, then what is left, with whether it is the last."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._count >= self.block or self._ended)
                last = self._ended and self._count <= self.block
                ready = min(self.block, self._count)
                taken = take(self._held, ready, self.channels)
                self._count -= ready
                self._changed.notify_all()
            yield taken, last
            if last:
                return
