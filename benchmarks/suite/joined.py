"""Two-channel calls of any length out of recordings that the repository ships, so that every checkout has the same.

Each call is the shipped two-channel recordings in an order of its own, silence between them, as 8 kHz mu-law. Where a
recording is labelled, its labels move along, so that a chain's speed and what it left audible come from the same run.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import soundfile

from benchmarks.corpus import codecs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

ROOT: Final = Path(__file__).resolve().parents[2]
RATE_HZ: Final = 8_000
PAUSE_S: Final = 1.0
CHANNELS: Final = ("agent", "customer")
LABELLED: Final = ("card_plain", "consent_granted", "name_spelled")
METADATA: Final[dict[str, Any]] = {
    "jurisdictions": ["US-TX"],
    "consent": {"recording_notice": "ivr"},
    "language": "en",
}


@dataclass(frozen=True, slots=True)
class Piece:
    """A shipped recording: (time, 2) samples at RATE_HZ, and its labels if it has any."""

    name: str
    samples: Samples = field(repr=False)
    truth: dict[str, Any] | None = field(repr=False, default=None)

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / RATE_HZ


@dataclass(frozen=True, slots=True)
class JoinedCall:
    """A call on disk. ``truth`` has the labels of its labelled parts, and ``labelled`` says where those lie."""

    name: str
    path: Path
    duration_s: float
    truth: dict[str, Any] = field(repr=False)
    labelled: tuple[tuple[float, float], ...]


def pieces() -> tuple[Piece, ...]:
    """The shipped two-channel recordings: half of them people, half synthetic voices with labels."""
    demo, speech = ROOT / "scripts" / "demo" / "call.wav", ROOT / "tests" / "data" / "calls"
    found = [
        Piece("demo", codecs.decode(demo, RATE_HZ)),
        Piece("stereo", codecs.decode(speech / "speechmatics_channels_stereo.wav", RATE_HZ)),
    ]
    for name in LABELLED:
        folder = ROOT / "tests" / "data" / "corpus" / name
        truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
        files = [folder / truth["audio"][side] for side in CHANNELS if side in truth["audio"]]
        found.append(Piece(name, _side_by_side(files or [folder / truth["audio"]["stereo"]]), truth))
    return tuple(found)


def _side_by_side(files: list[Path]) -> Samples:
    legs = [codecs.decode(file, RATE_HZ) for file in files]
    length = min(len(leg) for leg in legs)
    return np.concatenate([leg[:length] for leg in legs], axis=1).astype(np.float32)


def write_calls(folder: Path, count: int, *, mono: bool = False, at_least_s: float = 60.0) -> list[JoinedCall]:
    """``count`` calls of pieces in a random order, no piece twice before each was there once.

    Args:
        folder: to write to.
        count: how many.
        mono: both sides on one channel.
        at_least_s: every call goes on until it is so long.
    """
    known = pieces()
    return [_write(folder / f"call-{number}.wav", known, number, mono, at_least_s) for number in range(count)]


def _write(path: Path, known: tuple[Piece, ...], number: int, mono: bool, at_least_s: float) -> JoinedCall:  # noqa: FBT001
    parts: list[Samples] = []
    at_s, labels, labelled = 0.0, {"words": [], "pii": []}, []
    for piece in _order(known, number, at_least_s):
        for kind, moved in labels.items():
            moved += [_moved(each, at_s, mono=mono) for each in (piece.truth or {}).get(kind, ())]
        if piece.truth:
            labelled.append((at_s, at_s + piece.duration_s))
        parts += [piece.samples, np.zeros((round(PAUSE_S * RATE_HZ), 2), np.float32)]
        at_s += piece.duration_s + PAUSE_S
    samples = np.concatenate(parts)
    if mono:
        samples = samples.sum(axis=1, keepdims=True).clip(-1.0, 1.0)
    soundfile.write(path, samples, RATE_HZ, subtype="ULAW", format="WAV")
    truth = {"channels": ["mixed"] if mono else list(CHANNELS), "duration_s": at_s, **labels}
    return JoinedCall(path.stem, path, at_s, truth, tuple(labelled))


def _order(known: tuple[Piece, ...], number: int, at_least_s: float) -> Iterator[Piece]:
    rng = random.Random(number)  # noqa: S311 - the same calls on every machine
    length_s = 0.0
    left: list[Piece] = []
    while length_s < at_least_s:
        left = left or rng.sample(known, len(known))
        yield left[-1]
        length_s += left.pop().duration_s + PAUSE_S


def _moved(label: dict[str, Any], by_s: float, *, mono: bool) -> dict[str, Any]:
    moved = {**label, "start_s": label["start_s"] + by_s, "end_s": label["end_s"] + by_s}
    return moved | {"channel": "mixed"} if mono else moved
