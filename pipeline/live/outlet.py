"""The outlet: audio that waits for its time, comes out redacted, and is gone.

Takes samples as they come in; gives them once, with everything replaced that is to be replaced by what is known at that
moment. Remembers where it replaced something, so that what is found later can be counted.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from pipeline.live.samples import take
from pipeline.redact import apply_to_audio
from pipeline.types import TimeSpan
from pipeline.verify.spans import joined, without

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pipeline.audio import AudioFormat, Samples
    from pipeline.pii.policy import AudioRule
    from pipeline.types import Channel, Redaction

LEAST_S = 0.1  # less of something that was found too late is the recogniser's rounding (DESIGN.md section 5)


@dataclass(frozen=True, slots=True)
class Late:
    """Audio that came out and should have been replaced, by what was found afterwards."""

    entity_type: str
    channel: Channel
    span: TimeSpan


@dataclass(slots=True)
class Outlet:
    """The audio of one call.

    Args:
        channels: names of the rows.
        fmt: of the samples.
        rule: what is put in the place of redacted sound.
    """

    channels: tuple[Channel, ...]
    fmt: AudioFormat
    rule: AudioRule
    _held: deque[Samples] = field(default_factory=deque, repr=False)
    _out: int = 0  # samples that came out
    _in: int = 0
    _replaced: dict[Channel, list[TimeSpan]] = field(default_factory=dict)  # in order, apart

    def add(self, samples: Samples) -> None:
        """Samples (channels, time) that came in."""
        if samples.shape[1]:
            self._held.append(samples)
            self._in += samples.shape[1]

    @property
    def out_s(self) -> float:
        """Everything before this has come out."""
        return self._out / self.fmt.rate_hz

    @property
    def in_s(self) -> float:
        """Everything before this has come in."""
        return self._in / self.fmt.rate_hz

    def emit(self, until_s: float, redactions: Sequence[Redaction], withheld: Sequence[Redaction] = ()) -> Samples:
        """The samples before ``until_s`` that have not come out yet, redacted; ``withheld`` goes over everything."""
        end = min(int(until_s * self.fmt.rate_hz), self._in)
        if end <= self._out:
            return np.zeros((len(self.channels), 0), np.int16)
        samples = take(self._held, end - self._out, len(self.channels))
        layers = redactions, withheld
        for layer in layers:
            [samples] = apply_to_audio([samples], layer, self.channels, self.fmt, self.rule, self._out)
        here = TimeSpan(self.out_s, end / self.fmt.rate_hz)
        for channel in self.channels:
            cut = (_within(r.span, here) for r in chain(*layers) if r.channel is channel and r.span.overlaps(here))
            self._replaced[channel] = joined((*self._replaced.get(channel, ()), *cut))
        self._out = end
        return samples

    def late(self, redactions: Iterable[Redaction]) -> tuple[Late, ...]:
        """What should have been replaced in what came out, each moment of it once."""
        gone, found = TimeSpan(0.0, self.out_s), []
        for redaction in redactions:
            if not redaction.span.overlaps(gone):
                continue
            done = self._replaced.get(redaction.channel, [])
            missed = [p for p in without([_within(redaction.span, gone)], done) if p.duration_s > LEAST_S]
            found += [Late(redaction.entity_type, redaction.channel, each) for each in missed]
            self._replaced[redaction.channel] = joined((*done, *missed))
        return tuple(found)

    def forget(self, before_s: float) -> None:
        """Nothing before will be found any more."""
        self._replaced = {c: [s for s in spans if s.end_s > before_s] for c, spans in self._replaced.items()}


def _within(span: TimeSpan, whole: TimeSpan) -> TimeSpan:
    return TimeSpan(max(span.start_s, whole.start_s), min(span.end_s, whole.end_s))
