"""Calls while they are spoken, as telephone platforms send them: Twilio Media Streams, messages and tracks.

Each message is JSON: ``connected``, ``start``, ``media`` (a track's mu-law at 8 kHz, base64, with the time it belongs
to), ``stop``. Others pass unread; what was pressed on a keypad is in the audio as well.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pipeline import mulaw
from pipeline.api.events import flat
from pipeline.errors import BadInput, BadMetadata
from pipeline.metadata import parse_metadata
from pipeline.types import Channel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.audio import Samples
    from pipeline.metadata import CallMetadata

RATE_HZ: Final = 8_000
MESSAGE_BYTES: Final = 64 << 10
_TRACKS: Final = ("inbound", "outbound")
_JITTER: Final = RATE_HZ // 20  # samples that a frame's stated time may be off
_APART: Final = 2 * RATE_HZ  # a track that is so much behind the other one is silent
_AHEAD: Final = 300 * RATE_HZ  # no line is silent for longer


@dataclass(frozen=True, slots=True)
class Start:
    """A stream begins: its call, and who is heard on which track."""

    metadata: CallMetadata
    tracks: Mapping[str, Channel]


@dataclass(frozen=True, slots=True)
class Media:
    """A piece of one track; ``first`` is the number of its first sample in the call."""

    track: str
    first: int
    samples: Samples = field(repr=False)


@dataclass(frozen=True, slots=True)
class Stop:
    """The stream ends."""


def read(text: str) -> Start | Media | Stop | None:
    """What a message says; None for one that says nothing about the audio.

    Raises:
        BadInput: it is none of this protocol, or about audio in another form.
        BadMetadata: the parameters of the stream make no sense.
    """
    if len(text) > MESSAGE_BYTES:
        raise BadInput(f"a message of the stream is longer than {MESSAGE_BYTES} bytes")
    try:
        message = json.loads(text)
        match message["event"]:
            case "media":
                return _media(message["media"])
            case "start":
                return _start(message["start"])
            case "stop":
                return Stop()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise BadInput("a message of the stream makes no sense") from exc
    return None


def _media(media: Mapping[str, Any]) -> Media:
    track, at_ms = media["track"], int(media["timestamp"])
    try:
        samples = mulaw.decode(base64.b64decode(media["payload"], validate=True))
    except binascii.Error as exc:
        raise BadInput("a message of the stream holds no base64") from exc
    if track not in _TRACKS or at_ms < 0:
        raise BadInput("a message of the stream is of no track, or of no time")
    return Media(track, at_ms * RATE_HZ // 1000, samples)


def _start(start: Mapping[str, Any]) -> Start:
    """The call and its tracks; ``customParameters`` are metadata, and ``inbound`` may say whose track that is."""
    form = start["mediaFormat"]
    if (form["encoding"], int(form["sampleRate"]), int(form["channels"])) != ("audio/x-mulaw", RATE_HZ, 1):
        raise BadInput("the stream is not mu-law at 8 kHz")
    given = start.get("customParameters") or {}
    stated = json.loads(given["metadata"]) if "metadata" in given else flat(given)
    stated["call_id"] = f"{start['callSid']}-{start['streamSid']}"  # a call can be streamed more than once
    metadata = parse_metadata(json.dumps(stated).encode())
    # The inbound track is what the platform receives: the voice of whoever is at the other end of this leg.
    inbound = Channel(given.get("inbound", Channel.CUSTOMER))
    if inbound is Channel.MIXED:
        raise BadMetadata("inbound: the agent or the customer")
    outbound = Channel.AGENT if inbound is Channel.CUSTOMER else Channel.CUSTOMER
    named = {"inbound": inbound, "outbound": outbound}
    tracks = {track: named[track] for track in sorted(set(start["tracks"]))}
    if not tracks:
        raise BadInput("the stream has no tracks")
    return Start(metadata, tracks)


@dataclass(slots=True)
class Tracks:
    """The tracks of one stream, side by side: what is late comes too late, what is missing is silence.

    Args:
        names: of the tracks, in the order of the channels.
    """

    names: tuple[str, ...]
    dropped: int = 0  # pieces that came too late or twice
    _held: dict[str, Samples] = field(init=False, repr=False)
    _out: int = 0  # samples that were taken

    def __post_init__(self) -> None:
        self._held = dict.fromkeys(self.names, np.zeros(0, np.int16))

    def add(self, media: Media) -> None:
        """Add a piece. Raises BadInput for one of another track, or from far ahead."""
        if media.track not in self._held:
            raise BadInput("a message of the stream is of a track that was not announced")
        held = self._held[media.track]
        gap = media.first - (self._out + len(held))
        if gap < -_JITTER:
            self.dropped += 1
            return
        if gap > _AHEAD:
            raise BadInput("a message of the stream is far ahead of those before it")
        silence = np.zeros(gap if gap > _JITTER else 0, np.int16)
        self._held[media.track] = np.concatenate([held, silence, media.samples])

    def take(self, *, last: bool = False) -> Samples:
        """The (channels, time) samples that are complete: of all tracks, or with one far behind, or at the end."""
        lengths = [len(each) for each in self._held.values()]
        count = max(lengths) if last else max(min(lengths), max(lengths) - _APART)
        rows = [np.pad(each[:count], (0, max(count - len(each), 0))) for each in self._held.values()]
        self._held = {name: each[count:] for name, each in self._held.items()}
        self._out += count
        return np.stack(rows).astype(np.int16)
