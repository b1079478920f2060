"""Clips: the evidence of consent as it can be heard in the published recording, each with a digest of its samples.

Whoever holds the exported recording can cut the same span, hash it and compare: it is the clip that was judged, or what
redaction left of it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pipeline.audio import Samples
    from pipeline.types import Channel, Evidence, Redaction


@dataclass(slots=True)
class Clips:
    """Hashes the spans of evidence while the recording passes through :meth:`listen`.

    Args:
        evidence: of the decision; what has no span has no clip.
        channels: names of the rows.
        rate_hz: of the recording.
    """

    evidence: Sequence[Evidence]
    channels: Sequence[Channel]
    rate_hz: int
    _digests: dict[int, Any] = field(default_factory=dict)

    def listen(self, blocks: Iterable[Samples]) -> Iterator[Samples]:
        """The (channels, time) blocks as they are."""
        position = 0
        for block in blocks:
            for index, row, first, end in self._spans():
                part = block[row, max(first - position, 0) : max(end - position, 0)]
                self._digests.setdefault(index, hashlib.sha256()).update(part.tobytes())
            position += block.shape[1]
            yield block

    def sha256(self, index: int) -> str | None:
        """Digest of the samples of one piece of evidence, little-endian in the recording's own sample format, hex."""
        digest = self._digests.get(index)
        return digest.hexdigest() if digest else None

    def _spans(self) -> Iterator[tuple[int, int, int, int]]:
        for index, each in enumerate(self.evidence):
            if each.span is not None and each.channel in self.channels:
                first, end = round(each.span.start_s * self.rate_hz), round(each.span.end_s * self.rate_hz)
                yield index, self.channels.index(each.channel), first, end


def intact(evidence: Evidence, redactions: Iterable[Redaction]) -> bool:
    """Whether nothing of it was redacted."""
    span = evidence.span
    return span is not None and not any(
        each.channel is evidence.channel and each.span.overlaps(span) for each in redactions
    )
