"""An invented call full of canaries, and the ``callseal`` command with models that follow its script.

``python -m tests.scripted ARGUMENTS`` is ``callseal ARGUMENTS`` with real rooms, store, database and keys, and with
``models.fakes`` in the place of the weights.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from models.fakes import FakeDiarizer, FakeRecognizer, FakeTagger, FakeTranscriber, FakeVad, spoken
from pipeline import build
from pipeline.types import Channel, SpeakerSpan, TimeSpan, Word
from tests.factories import pcm16, sound_file, speaking

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.config import Settings
    from pipeline.live.sense import Ears
    from pipeline.run import Rooms
    from tests.factories import Floats

CALLER: Final = "+12025550143"
RATE_HZ: Final = 8_000
DURATION_S: Final = 37.0
ORDINARY: Final = "rhubarb"  # said and no secret: kept in the transcript, and still never on a disk unsealed

NAME, CARD, PHONE, MAIL = "Zebulon Quackenbush", "4111111111111111", "+12025550173", "zebulon@example.com"
KNOWN: Final = {"PERSON": ["Xanthippe Vandersloot"], "ACCOUNT_NUMBER": ["88231907"]}
LINES: Final = (
    (Channel.AGENT, "thank you for calling this call is recorded may I have your name please", 1.0),
    (Channel.CUSTOMER, f"my name is {NAME} and I like {ORDINARY}", 7.0),
    (Channel.AGENT, "what is your card number", 12.0),
    (Channel.CUSTOMER, "four one one one one one one one one one one one one one one one", 15.0),
    (Channel.AGENT, "and your telephone number and e-mail", 22.0),
    (Channel.CUSTOMER, "two oh two five five five oh one seven three and zebulon at example dot com", 26.0),
    (Channel.AGENT, "lovely weather in the garden goodbye", 33.0),
)
METADATA: Final = {
    "call_id": "CA-scripted",
    "started_at": "2026-11-20T14:03:00Z",
    "caller": CALLER,
    "callee": "+18005550100",
    "jurisdictions": ["US-CA"],
    "known_pii": KNOWN,
}
SPEAKERS: Final = tuple(
    SpeakerSpan(channel.value, TimeSpan(start_s - 0.5, start_s + 5.8)) for channel, _, start_s in LINES
)


def script(lines: Sequence[tuple[Channel, str, float]] = LINES, *, mono: bool = False) -> dict[Channel, list[Word]]:
    """The words of the call by channel; ``mono`` puts all of them on one."""
    found: dict[Channel, list[Word]] = {}
    for channel, text, start_s in lines:
        found.setdefault(Channel.MIXED if mono else channel, []).extend(spoken(text, start_s))
    return found


def samples(words: Mapping[Channel, Sequence[Word]], duration_s: float = DURATION_S) -> Floats:
    """(channels, time): a voice wherever a word stands, in the order of agent, customer."""
    heard = [words[channel] for channel in Channel if channel in words]
    return np.stack([speaking([w.span for w in each], duration_s, RATE_HZ, seed) for seed, each in enumerate(heard)])


def recording(*, mono: bool = False, tags: Mapping[str, str] | None = None) -> bytes:
    """The call as a 16-bit WAV file."""
    return sound_file(pcm16(samples(script(mono=mono))), RATE_HZ, tags=tags)


def metadata(**changed: Any) -> bytes:
    """The call's metadata as the platform sends them; None leaves a key out."""
    return json.dumps({key: value for key, value in (METADATA | changed).items() if value is not None}).encode()


def models(lines: Sequence[tuple[Channel, str, float]] = LINES) -> dict[str, Any]:
    """The models of ``pipeline.run.Rooms``; the one transcriber knows the stereo and the mono call."""
    words = script(lines) | script(lines, mono=True)
    return {
        "vad": FakeVad,
        "transcriber": lambda: FakeTranscriber(words),
        "listener": lambda: FakeTranscriber(words),
        "diarizer": lambda: FakeDiarizer(SPEAKERS),
        "recognizer": lambda: FakeRecognizer({NAME: "PERSON"}),
        "tagger": FakeTagger,
    }


_build = build.build


_ears = build.live_ears


def ears(settings: Settings) -> Ears:
    """``pipeline.build.live_ears`` with these models."""
    found = models()
    return replace(_ears(settings), **{name: found[name] for name in ("vad", "transcriber", "recognizer", "tagger")})


def rooms(settings: Settings, lines: Sequence[tuple[Channel, str, float]] = LINES) -> Rooms:
    """``pipeline.build.build`` with these models."""
    return replace(_build(settings), **models(lines))


if __name__ == "__main__":
    from pipeline.cli import main

    build.build = rooms
    build.live_ears = ears
    main()
