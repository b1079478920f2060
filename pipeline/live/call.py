"""The story of a live call: each block is heard, the call so far is understood, and what is due comes out redacted.

Every sample comes out once, ``delay_s`` after it came in. By then it is replaced wherever anything says that it must
be; it is silence where it was not heard or not understood in time, and wherever the consent so far does not open the
gate. What is found later is counted and told (``late``), for it cannot be called back.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from pipeline.audio import AudioFormat
from pipeline.live import messages
from pipeline.live.gate import Gate, gate
from pipeline.live.hearing import Hearing
from pipeline.live.outlet import Outlet
from pipeline.live.rate import ToSpeech
from pipeline.live.sense import SETTLED_S, Sense
from pipeline.types import Action, Redaction, TimeSpan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from pipeline.audio import Samples
    from pipeline.live.messages import Message
    from pipeline.live.pace import Pace
    from pipeline.live.sense import Ears, Sensed
    from pipeline.metadata import CallMetadata
    from pipeline.types import Channel, ConsentDecision, Evidence, Purpose, Turn, Word

WITHHELD: Final = "WITHHELD"
LONG_TURN_S: Final = 20.0  # a turn that lasts longer is told in parts
PIECE_S: Final = 1.0  # of audio in a message


@dataclass(frozen=True, slots=True)
class Stream:
    """What a live call is.

    Args:
        call_id: its name.
        channels: who is heard on each row of samples.
        rate_hz: of the samples.
        encoding: in which they came and in which the redacted ones go out: ``messages.MULAW`` or ``PCM16``.
        pace: the delay, and how it is spent.
        purpose: what the call is listened to for.
        waits: whether the source waits to be heard; if not, it is heard in time or not at all.
    """

    call_id: str
    channels: tuple[Channel, ...]
    rate_hz: int
    encoding: str
    pace: Pace
    purpose: Purpose
    waits: bool


@dataclass(slots=True)
class LiveCall:
    """One call while it is spoken.

    Args:
        stream: what comes in.
        ears: models and policies.
        metadata: what the platform says.
        before: evidence of consent from before the call.
        now: when it began.
    """

    stream: Stream
    ears: Ears
    metadata: CallMetadata
    before: tuple[Evidence, ...]
    now: datetime
    counts: Counter[str] = field(default_factory=Counter)
    _hearing: Hearing = field(init=False, repr=False)
    _sense: Sense = field(init=False, repr=False)
    _outlet: Outlet = field(init=False, repr=False)
    _to_speech: ToSpeech = field(init=False, repr=False)
    _told_s: dict[Channel, float] = field(default_factory=dict)
    _skipped: list[TimeSpan] = field(default_factory=list)
    _withheld: list[TimeSpan] = field(default_factory=list)
    _decision: ConsentDecision | None = None
    _delays_s: list[float] = field(default_factory=list)
    _late_s: float = 0.0
    _withheld_s: float = 0.0

    def __post_init__(self) -> None:
        stream, ears = self.stream, self.ears
        self._hearing = Hearing(
            stream.channels,
            ears.vad(),
            ears.transcriber(),
            self.metadata.language,
            ears.verify.min_language_certainty,
            stream.pace,
        )
        self._sense = Sense(ears, self.metadata, self.before, self.now)
        fmt = AudioFormat("wav", "pcm_s16le", stream.rate_hz, len(stream.channels), "s16", 0)
        self._outlet = Outlet(stream.channels, fmt, ears.redaction.audio)
        self._to_speech = ToSpeech(stream.rate_hz, len(stream.channels))

    def started(self) -> Message:
        """The first message: what will come, and how late."""
        return {
            "event": "started",
            "version": messages.VERSION,
            "call_id": self.stream.call_id,
            "channels": [each.value for each in self.stream.channels],
            "sample_rate_hz": self.stream.rate_hz,
            "encoding": self.stream.encoding,
            "delay_s": self.stream.pace.delay_s,
            "purpose": self.stream.purpose.value,
        }

    def hear(self, block: Samples, received_s: Callable[[], float], *, last: bool = False) -> Iterator[Message]:
        """Take the next samples, and tell what is due.

        Args:
            block: (channels, time) of 16 bits.
            received_s: how much of the call has come in by now; more than was heard where the machine falls behind.
            last: whether the call ends with these samples.
        """
        if self._too_late(block, received_s()):
            self._skipped.append(TimeSpan(self._outlet.in_s, self._outlet.in_s + block.shape[1] / self.stream.rate_hz))
            heard = np.zeros_like(block)
        else:
            heard = block
        self._outlet.add(block)
        self._hearing.feed(self._to_speech(heard, last=last), last=last)
        sensed = self._sense.of(self._hearing)
        open_to = gate(sensed.decision, self.ears.consent, self.stream.purpose)
        if self._is_new(sensed.decision):
            yield messages.decided(sensed.decision, open_to, self._hearing.heard_s)
        yield from self._let_out(sensed, open_to, self._due_s(received_s(), last=last), received_s)

    def ended(self) -> Message:
        """The last message: counts, seconds, and the delays there were."""
        delays = np.percentile(self._delays_s, (50, 95, 100)) if self._delays_s else (0.0, 0.0, 0.0)
        return {
            "event": "ended",
            "call_id": self.stream.call_id,
            "duration_s": round(self._outlet.in_s, 3),
            "turns": self.counts["turns"],
            "late_findings": self.counts["late"],
            "late_s": round(self._late_s, 3),
            "withheld_s": round(self._withheld_s, 3),
            "skipped_s": round(sum(each.duration_s for each in self._skipped), 3),
            "delay_s": {name: round(float(each), 2) for name, each in zip(("p50", "p95", "max"), delays, strict=True)},
        }

    def _too_late(self, block: Samples, received_s: float) -> bool:
        return not self.stream.waits and received_s - self._outlet.in_s > self.stream.pace.skip_s + (
            block.shape[1] / self.stream.rate_hz
        )

    def _due_s(self, received_s: float, *, last: bool) -> float:
        """Up to where audio has to come out now, so that the next block is not too late for what follows."""
        pace, heard_s = self.stream.pace, self._outlet.in_s
        if last:
            return heard_s
        came_s = heard_s if self.stream.waits else received_s
        return min(came_s + pace.block_s + pace.slack_s - pace.delay_s, heard_s)

    def _is_new(self, decision: ConsentDecision) -> bool:
        before, self._decision = self._decision, decision
        return before is None or (before.purposes, len(before.evidence)) != (decision.purposes, len(decision.evidence))

    def _let_out(
        self, sensed: Sensed, open_to: Gate, due_s: float, received_s: Callable[[], float]
    ) -> Iterator[Message]:
        from_s = self._outlet.out_s
        so_far = messages.consent(sensed.decision, open_to)
        for found in self._outlet.late((*sensed.redactions, *self._closed(open_to, from_s))):
            self.counts["late"] += 1
            self._late_s += found.span.duration_s
            yield messages.late(found)
        withheld = tuple(self._withholding(sensed, open_to, from_s, due_s)) if due_s > from_s else ()
        self._withheld += [each.span for each in withheld]
        redactions = (*sensed.redactions, *withheld)
        samples = self._outlet.emit(due_s, sensed.redactions, withheld)
        came_s = self._outlet.in_s if self.stream.waits else received_s()
        self._count(withheld, from_s, came_s - from_s)
        yield from self._pieces(samples, from_s, redactions, so_far)
        yield from self._turns(sensed.turns, open_to, due_s, so_far)
        self._forget()

    def _closed(self, open_to: Gate, out_s: float) -> tuple[Redaction, ...]:
        """What came out after an objection that was understood only then."""
        if not 0 < open_to.until_s < out_s:
            return ()
        return self._silence(TimeSpan(open_to.until_s, out_s), open_to.reason)

    def _withholding(self, sensed: Sensed, open_to: Gate, from_s: float, due_s: float) -> Iterator[Redaction]:
        """What of the audio that is due comes out as silence, and why."""
        if open_to.until_s < due_s:
            yield from self._silence(TimeSpan(max(open_to.until_s, from_s), due_s), open_to.reason)
        if sensed.doubts:
            yield from self._silence(TimeSpan(from_s, due_s), sensed.doubts[0])
        sure_s = self._hearing.sure_s
        if sure_s < due_s:
            yield from self._silence(TimeSpan(max(sure_s, from_s), due_s), "not understood in time")
        for each in self._skipped:
            if each.overlaps(TimeSpan(from_s, due_s)):
                yield from self._silence(each, "not heard in time")

    def _silence(self, span: TimeSpan, reason: str) -> tuple[Redaction, ...]:
        return tuple(Redaction(WITHHELD, channel, span, Action.SILENCE, reason) for channel in self.stream.channels)

    def _count(self, withheld: Sequence[Redaction], from_s: float, delay_s: float) -> None:
        out_s = self._outlet.out_s
        if out_s <= from_s:
            return
        self._delays_s += [delay_s, delay_s - (out_s - from_s)]
        mine = [each.span for each in withheld if each.channel is self.stream.channels[0]]
        at = np.arange(from_s, out_s, 0.02) + 0.01
        silent = np.zeros(len(at), bool)
        for span in mine:
            silent |= (at >= span.start_s) & (at < span.end_s)
        self._withheld_s += float(silent.sum()) * 0.02

    def _turns(self, turns: Sequence[Turn], open_to: Gate, due_s: float, so_far: Message) -> Iterator[Message]:
        """Turns that ended before what is due, without what was told of them and without what was withheld."""
        for said in turns:
            rest = [word for word in said.words if _middle_s(word) >= self._told_s.get(said.channel, 0.0)]
            whole = said.span.end_s <= due_s
            if not whole and due_s - said.span.start_s < LONG_TURN_S:
                continue
            ripe = [word for word in rest if word.span.end_s <= due_s]
            if not ripe:
                continue
            self._told_s[said.channel] = max(word.span.end_s for word in ripe)
            words = tuple(word for word in ripe if open_to.words and self._may_tell(word, open_to))
            if words:
                self.counts["turns"] += 1
                yield messages.turn(replace(said, words=words), so_far)

    def _may_tell(self, word: Word, open_to: Gate) -> bool:
        return word.span.end_s <= open_to.until_s and not any(word.span.overlaps(each) for each in self._withheld)

    def _pieces(
        self, samples: Samples, from_s: float, redactions: Sequence[Redaction], so_far: Message
    ) -> Iterator[Message]:
        rate, stream = self.stream.rate_hz, self.stream
        length = int(PIECE_S * rate)
        for at in range(0, samples.shape[1], length):
            piece = samples[:, at : at + length]
            span = TimeSpan(from_s + at / rate, from_s + (at + piece.shape[1]) / rate)
            cut = [
                replace(r, span=TimeSpan(max(r.span.start_s, span.start_s), min(r.span.end_s, span.end_s)))
                for r in redactions
                if r.span.overlaps(span)
            ]
            yield {**messages.audio(piece, span, stream.channels, stream.encoding, cut), "consent": so_far}

    def _forget(self) -> None:
        past_s = self._outlet.out_s - SETTLED_S - self.stream.pace.delay_s
        self._withheld = [each for each in self._withheld if each.end_s > past_s]
        self._outlet.forget(past_s)


def _middle_s(word: Word) -> float:
    return (word.span.start_s + word.span.end_s) / 2
