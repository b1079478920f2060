"""Live calls for the tests: the scripted call, or another one, heard in blocks by the models that follow its script."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pipeline.live import messages
from pipeline.live.call import LiveCall, Stream
from pipeline.live.pace import Pace
from pipeline.metadata import parse_metadata
from pipeline.types import Channel, Purpose
from tests import scripted
from tests.factories import pcm16

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pipeline.audio import Samples
    from pipeline.live.sense import Ears
    from pipeline.types import Word

NOW: Final = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
CHANNELS: Final = (Channel.AGENT, Channel.CUSTOMER)
DELAY_S: Final = 12.0


def live_call(ears: Ears, *, delay_s: float = DELAY_S, waits: bool = True, **stated: Any) -> LiveCall:
    """A live call with the scripted metadata, changed."""
    purpose = stated.pop("listened_for", Purpose.RECORDING)
    stream = Stream("CA-live", CHANNELS, scripted.RATE_HZ, messages.PCM16, Pace.of(delay_s), purpose, waits)
    return LiveCall(stream, ears, parse_metadata(scripted.metadata(**stated)), (), NOW)


def line(words: Mapping[Channel, Sequence[Word]], duration_s: float = scripted.DURATION_S) -> Samples:
    """(channels, time) of 16 bits: what the line carries while the words are said."""
    return pcm16(scripted.samples({each: words.get(each, ()) for each in CHANNELS}, duration_s))


def heard(call: LiveCall, samples: Samples, received_s: Callable[[], float] = lambda: 0.0) -> list[dict[str, Any]]:
    """Everything that is told of the call."""
    block = round(call.stream.pace.block_s * call.stream.rate_hz)
    told = [call.started()]
    for at in range(0, samples.shape[1], block):
        told += call.hear(samples[:, at : at + block], received_s, last=at + block >= samples.shape[1])
    return [*told, call.ended()]


def events(told: Iterable[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """The messages of one kind."""
    return [each for each in told if each["event"] == kind]


def audio(told: Iterable[dict[str, Any]]) -> Samples:
    """(channels, time) of all audio that came out."""
    pieces = [
        np.stack([np.frombuffer(base64.b64decode(raw), "<i2") for raw in each["payload"].values()])
        for each in events(told, "audio")
    ]
    return np.concatenate(pieces, axis=1)
