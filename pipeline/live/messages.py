"""What is told of a live call, as JSON: ids, times, redacted words, redacted audio, verdicts. Never anything plain."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final

from pipeline import mulaw, summary

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pipeline.audio import Samples
    from pipeline.live.gate import Gate
    from pipeline.live.outlet import Late
    from pipeline.types import Channel, ConsentDecision, Redaction, TimeSpan, Turn

Message = dict[str, Any]
VERSION: Final = 1
MULAW, PCM16 = "audio/x-mulaw", "audio/l16;endian=little"


def seconds(span: TimeSpan) -> dict[str, float]:
    """A span as every message has it."""
    return {"start_s": round(span.start_s, 3), "end_s": round(span.end_s, 3)}


def consent(decision: ConsentDecision, gate: Gate) -> Message:
    """The verdict so far, and whether anything may come out; part of every turn and every piece of audio."""
    return {"verdict": decision.verdict.value, "lawful": decision.lawful, "open": gate.until_s > 0}


def decided(decision: ConsentDecision, gate: Gate, at_s: float) -> Message:
    """The whole decision, whenever it changes."""
    told = {**summary.consent(decision), "open": gate.until_s > 0, "reason_closed": gate.reason}
    return {"event": "consent", "heard_s": round(at_s, 3), "consent": told}


def turn(said: Turn, so_far: Message) -> Message:
    """A turn, or the next part of a long one; ``said`` is redacted."""
    words = [{"text": word.text, **seconds(word.span)} for word in said.words]
    who = {"speaker": said.speaker, "channel": said.channel.value, **seconds(said.span)}
    return {"event": "turn", **who, "text": said.text, "words": words, "consent": so_far}


def audio(
    samples: Samples, span: TimeSpan, channels: Sequence[Channel], encoding: str, cut: Iterable[Redaction]
) -> Message:
    """Redacted audio: a payload (base64) by channel, and what was replaced in it.

    Args:
        samples: (channels, time) of 16 bits.
        span: where they are in the call.
        channels: names of the rows.
        encoding: MULAW or PCM16.
        cut: redactions that reach into it.
    """
    raw = [mulaw.encode(row) if encoding == MULAW else row.astype("<i2").tobytes() for row in samples]
    payload = {each.value: base64.b64encode(data).decode() for each, data in zip(channels, raw, strict=True)}
    replaced = [
        {"entity_type": r.entity_type, "channel": r.channel.value, **seconds(r.span), "reason": r.reason} for r in cut
    ]
    return {"event": "audio", **seconds(span), "encoding": encoding, "payload": payload, "replaced": replaced}


def late(found: Late) -> Message:
    """Something that came out and should not have; where, never what."""
    return {
        "event": "late",
        "entity_type": found.entity_type,
        "channel": found.channel.value,
        **seconds(found.span),
        "reason": "found after its audio had come out",
    }
