"""How many requests one address may make: a bucket for each that fills again by the minute."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

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
