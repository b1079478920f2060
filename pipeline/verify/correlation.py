"""Verification: the redacted recording is decoded again and held against the original before anything is published.

Inside a redaction nothing of the original may be left; outside, the call must still be there. Both are told by
correlation, which a codec's own noise does not disturb.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import VerificationFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from pipeline.audio import Samples
    from pipeline.types import Channel, Redaction

# Measured on six telephone calls in nine codecs: outside, at least 0.95. Inside, what was put in correlates with speech
# of 0.15 s or more by up to 0.18, by chance, and more in a shorter stretch; codecs smear up to 0.1 of it back in.
MAX_LEFT, MAX_SHARE, MIN_KEPT = 0.3, 0.1, 0.5
LENGTH_SLACK_S = 0.06
_CHANCE_S = 0.1  # a stretch shorter than this may correlate more by chance
_INAUDIBLE = 10 ** (-55 / 10)  # mean square, full scale = 1: no speech; and what some codecs make of silence
_EDGE_S = 0.02  # a lossy codec smears the edge of a redaction over this much


@dataclass(slots=True)
class _Agreement:
    """Running sums of a correlation."""

    both: float = 0.0
    first: float = 0.0
    second: float = 0.0
    samples: int = 0

    def add(self, one: NDArray[np.float64], two: NDArray[np.float64]) -> None:
        self.both += float(one @ two)
        self.first += float(one @ one)
        self.second += float(two @ two)
        self.samples += len(one)

    @property
    def coefficient(self) -> float:
        """In [-1, 1]; 0 where either side is silent."""
        scale = (self.first * self.second) ** 0.5
        return self.both / scale if scale > 0 else 0.0

    @property
    def audible(self) -> bool:
        """Whether there was anything to hear on the first side."""
        return self.first > _INAUDIBLE * self.samples

    def left(self, rate_hz: int) -> bool:
        """Whether the first side can still be heard in the second."""
        if not self.audible:
            return False
        by_chance = max(_CHANCE_S * rate_hz / self.samples, 1.0) ** 0.5
        alike = abs(self.coefficient) > min(MAX_LEFT * by_chance, 0.9)
        return alike and abs(self.both) > MAX_SHARE * self.first


def check_audio(
    original: Iterable[Samples],
    redacted: Iterable[Samples],
    redactions: Sequence[Redaction],
    channels: Sequence[Channel],
    rate_hz: int,
) -> None:
    """Hold the redacted recording against the original.

    Args:
        original: (channels, time) blocks.
        redacted: blocks of the same length of what will be published, decoded from its sealed form.
        redactions: what must be gone.
        channels: names of the rows.
        rate_hz: of both.

    Raises:
        VerificationFailed: speech is left inside a redaction, speech is missing outside, or the length differs.
    """
    inside = [_Agreement() for _ in redactions]
    outside = [_Agreement() for _ in channels]
    rows = [channels.index(redaction.channel) for redaction in redactions]
    edge = round(_EDGE_S * rate_hz)
    spans = [(round(r.span.start_s * rate_hz), round(r.span.end_s * rate_hz)) for r in redactions]
    position = 0
    for one, two in _pairs(original, redacted, round(LENGTH_SLACK_S * rate_hz)):
        end = position + one.shape[1]
        before, after = _centred(one), _centred(two)
        kept = np.ones(one.shape, dtype=bool)
        for agreement, row, (first, last) in zip(inside, rows, spans, strict=True):
            kept[row, max(first - edge - position, 0) : max(last + edge - position, 0)] = False
            start, stop = max(first + edge, position) - position, min(last - edge, end) - position
            if start < stop:
                agreement.add(before[row, start:stop], after[row, start:stop])
        for row, agreement in enumerate(outside):
            agreement.add(before[row, kept[row]], after[row, kept[row]])
        position = end
    left = sum(agreement.left(rate_hz) for agreement in inside)
    if left:
        raise VerificationFailed(f"{left} of {len(inside)} redactions did not take in the recording that was written")
    if any(each.audible and each.coefficient < MIN_KEPT for each in outside):
        raise VerificationFailed("the recording that was written is not the call")


def _pairs(original: Iterable[Samples], redacted: Iterable[Samples], slack: int) -> Iterable[tuple[Samples, Samples]]:
    """Blocks of both, cut to the same length; raises when one is longer than the other by more than ``slack``."""
    left, right = iter(original), iter(redacted)
    one, two = next(left, None), next(right, None)
    while one is not None and two is not None:
        length = min(one.shape[1], two.shape[1])
        yield one[:, :length], two[:, :length]
        one = one[:, length:] if one.shape[1] > length else next(left, None)
        two = two[:, length:] if two.shape[1] > length else next(right, None)
    for name, head, rest in (("missing", one, left), ("too much", two, right)):
        over = (0 if head is None else head.shape[1]) + sum(block.shape[1] for block in rest)
        if over > slack:
            raise VerificationFailed(f"{over} samples are {name} in the recording that was written")


def _centred(block: Samples) -> NDArray[np.float64]:
    """As float64 around zero, full scale = 1."""
    if block.dtype == np.uint8:
        return block / 128.0 - 1.0
    scale = -float(np.iinfo(block.dtype).min) if np.issubdtype(block.dtype, np.integer) else 1.0
    return block.astype(np.float64) / scale
