"""What the rooms hear in a call of the consent set: turns with their words, kept beside the corpus.

Hearing is the slow part and has nothing to do with the phrases, so it is done once per recording and kept under a
digest of the code and the weights that heard it.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.accuracy import code_digest
from benchmarks.corpus import build, script, sounds
from pipeline import audio
from pipeline.config import load_settings
from pipeline.loudness import Loudness
from pipeline.metadata import parse_metadata
from pipeline.settle import settle
from pipeline.speakers import attribute
from pipeline.tones import Tone, ToneKind, ToneListener
from pipeline.transcribe import transcribe
from pipeline.types import Channel, TimeSpan, Turn, Word

if TYPE_CHECKING:
    from pipeline.metadata import CallMetadata
    from pipeline.run import Rooms

CALLS = Path(__file__).parent / "calls"
_HEARING = (
    *("pipeline/audio.py", "pipeline/transcribe.py", "pipeline/speech.py", "pipeline/speakers.py", "pipeline/gaps.py"),
    *("pipeline/tones.py", "pipeline/loudness.py", "pipeline/settle.py", "models", "configs/default.toml"),
)


@dataclass(frozen=True, slots=True)
class Labelled:
    """A call of the set: its label, what the platform says about it, and what was heard."""

    call_id: str
    part: str
    truth: dict[str, Any]
    metadata: CallMetadata
    language: str
    turns: tuple[Turn, ...]
    tones: tuple[Tone, ...]


def folder(seed: int) -> Path:
    """Where the calls of a seed are."""
    return sounds.cache_dir() / f"consent-v{build.VERSION}-seed{seed}"


def labelled(seed: int, parts: tuple[str, ...]) -> list[Labelled]:
    """The calls of some parts of the set, built and heard where that has not been done yet.

    Raises:
        MissingSound: a call must be built and the voice model or a recording is not there.
    """
    found = []
    for part in parts:
        templates = script.load(CALLS, only=f"{part}.toml")
        for template in templates:
            filled = script.fill(template, seed)
            place = folder(seed) / template.id
            if not build.is_current(filled, place):
                build.build(filled, place)
            truth = json.loads((place / "truth.json").read_text(encoding="utf-8"))
            metadata = parse_metadata((place / "metadata.json").read_bytes())
            raw = _heard(place, truth, metadata)
            turns, tones = tuple(map(_turn, raw["turns"])), tuple(map(_tone, raw["tones"]))
            found.append(Labelled(template.id, part, truth, metadata, raw["language"], turns, tones))
    return found


def _heard(place: Path, truth: dict[str, Any], metadata: CallMetadata) -> dict[str, Any]:
    kept = place / f"heard-{_digest()}.json"
    if not kept.exists():
        kept.write_text(json.dumps(_hear(place, truth, metadata)), encoding="utf-8")
    raw: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
    return raw


def _turn(raw: dict[str, Any]) -> Turn:
    words = tuple(Word(text, TimeSpan(start_s, end_s), sure) for text, start_s, end_s, sure in raw["words"])
    return Turn(raw["speaker"], Channel(raw["channel"]), words)


def _tone(raw: dict[str, Any]) -> Tone:
    span = TimeSpan(raw["start_s"], raw["end_s"])
    return Tone(Channel(raw["channel"]), span, ToneKind(raw["kind"]), raw["level_db"], raw["key"])


def _hear(place: Path, truth: dict[str, Any], metadata: CallMetadata) -> dict[str, Any]:
    rooms = _rooms()
    channels = tuple(Channel(name) for name in truth["channels"])
    files = tuple(place / name for name in truth["audio"].values())
    recording = audio.Recording(tuple(lambda file=file: file.open("rb") for file in files))  # type: ignore[misc]
    loudness, listener = Loudness(), ToneListener(channels)
    blocks = listener.listen(loudness.watch(audio.decode_speech(recording, rooms.audio.max_duration_s)))
    heard = transcribe(blocks, channels, rooms.vad(), rooms.transcriber(), metadata.language)
    heard = settle(heard, dict(zip(channels, loudness.levels(), strict=True)))
    spans = {}
    if channels == (Channel.MIXED,) and heard.segments:
        mono = (np.asarray(block[0]) for block in audio.decode_speech(recording, rooms.audio.max_duration_s))
        spans = {Channel.MIXED: rooms.diarizer().diarize(mono)}
    return {
        "language": heard.language,
        "turns": [
            {
                "speaker": turn.speaker,
                "channel": turn.channel.value,
                "words": [(w.text, w.span.start_s, w.span.end_s, w.probability) for w in turn.words],
            }
            for turn in attribute(heard.segments, spans)
        ],
        "tones": [
            {
                "channel": tone.channel.value,
                "start_s": tone.span.start_s,
                "end_s": tone.span.end_s,
                "kind": tone.kind.value,
                "level_db": tone.level_db,
                "key": tone.key,
            }
            for tone in listener.tones()
        ],
    }


@cache
def _digest() -> str:
    return code_digest(_HEARING)


@cache
def _rooms() -> Rooms:
    from pipeline.build import build as build_rooms

    return build_rooms(load_settings(Path(tempfile.mkdtemp(prefix="callseal-bench-"))))
