"""The chains that are compared, over one set of loaded weights: callseal, and compositions of the same parts.

Each chain takes a recording's path and gives a ``Pass``: seconds, seconds by stage, and what it redacted. Models are
loaded before the clock starts. callseal does all it does for a user: intake, consent, listening again, sealing, rows.
The compositions decode, transcribe, detect, mute and write a file, with the defaults of the libraries they are made of.
"""

from __future__ import annotations

import io
import itertools
import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Final

import soundfile

from benchmarks import stock
from benchmarks.corpus import codecs
from benchmarks.suite import joined
from benchmarks.suite.recogniser import FasterWhisper, Told
from pipeline.intake.ingest import Delivery
from pipeline.metadata import parse_metadata
from pipeline.run import process

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from benchmarks.suite.joined import JoinedCall
    from pipeline.config import Settings
    from pipeline.run import Rooms
    from pipeline.types import SpeakerSpan

OURS, BATCHED, SEQUENTIAL = "callseal", "batched", "sequential"
_NUMBERS: Final = itertools.count()  # of calls in this process, so that no two have one id
CHAINS: Final = {
    OURS: "callseal",
    BATCHED: "faster-whisper batched + Presidio + mute",
    SEQUENTIAL: "faster-whisper sequential + Presidio + mute",
}


@dataclass(frozen=True, slots=True)
class Pass:
    """One call through one chain; ``transcript`` is redacted and has the shape of ``transcript.json``."""

    seconds: float
    stages_s: dict[str, float]
    redactions: Sequence[dict[str, Any]] = field(repr=False)
    transcript: dict[str, Any] | None = field(repr=False)
    status: str = "stored"


class Models:
    """Everything that the chains need, loaded when it is first asked for and then kept."""

    def __init__(self, settings: Settings) -> None:
        from pipeline.build import build

        self.settings = settings
        self.rooms: Rooms = build(settings)

    def warm(self, *, mono: bool = False) -> None:
        """Load the models of every chain."""
        loaders: list[Callable[[], object]] = [
            *(self.rooms.vad, self.rooms.transcriber, self.rooms.listener, self.rooms.recognizer),
            *(lambda: self.recogniser, lambda: self.analyser),
        ]
        if mono:
            loaders += [self.rooms.diarizer, lambda: self.default_diarizer]
        for load in loaders:
            load()

    @cached_property
    def recogniser(self) -> FasterWhisper:
        """faster-whisper on the weights of the settings."""
        from models.fetch import resolve

        return FasterWhisper(resolve(self.settings.asr.model, self.settings.models_dir), self.settings.asr)

    @cached_property
    def analyser(self) -> Any:
        """Presidio as it comes."""
        return stock.analyser()

    @cached_property
    def default_diarizer(self) -> Callable[[Any], tuple[SpeakerSpan, ...]]:
        """The pipeline of pyannote with its defaults, on our weights."""
        from benchmarks.diarization import default_pipeline, run_default
        from models.fetch import resolve

        named = self.settings.diarization
        folders = [resolve(each, self.settings.models_dir) for each in (named.segmentation, named.embedding)]
        pipeline = default_pipeline(*folders)
        if named.device == "cuda":
            import torch

            pipeline.to(torch.device("cuda"))
        return lambda samples: run_default(pipeline, samples)

    def callseal(self, call: JoinedCall) -> Pass:
        """Our whole flow, under a call id of its own; what it made is read back after the clock was stopped."""
        call_id = f"bench-{next(_NUMBERS)}-{call.name}"
        metadata = parse_metadata(json.dumps({**joined.METADATA, "call_id": call_id}).encode())
        delivery = Delivery((call.path,), (), metadata)
        began = time.perf_counter()
        outcome = process(delivery, self.rooms, datetime.now(UTC))
        seconds = time.perf_counter() - began
        summary = outcome.summary
        transcript = self._transcript(call_id, call.path.parent) if outcome.status == "stored" else None
        return Pass(seconds, dict(summary["timings_s"]), summary["redactions"], transcript, outcome.status)

    def _transcript(self, call_id: str, scratch: Path) -> dict[str, Any]:
        from pipeline.export import export_call

        to, rooms = scratch / f"{call_id}-out", self.rooms
        export_call(call_id, to, rooms.archive, rooms.records, rooms.root, datetime.now(UTC))
        found: dict[str, Any] = json.loads((to / "transcript.json").read_text(encoding="utf-8"))
        return found

    def composed(self, call: JoinedCall, *, batched: bool, diarized: bool = False) -> Pass:
        """The stock chain: batched, or one window after the other; for mono with pyannote's default diarization."""
        stages, lap = _laps()
        names = call.truth["channels"]
        both = codecs.decode(call.path, stock.RATE_HZ)
        channels = {name: both[:, index] for index, name in enumerate(names)}
        lap("decode")
        hear = self.recogniser.batched if batched else self.recogniser.sequential
        heard = [hear(samples) for samples in channels.values()]
        lap("transcribe")
        if diarized:
            for samples in channels.values():
                self.default_diarizer(samples)
            lap("diarize")
        summary, transcript, muted = stock.redact(channels, Told(heard), self.analyser, "en")
        lap("detect")
        soundfile.write(io.BytesIO(), _columns(muted, names), stock.RATE_HZ, format="WAV", subtype="PCM_16")
        lap("redact")
        return Pass(sum(stages.values()), stages, summary["redactions"], transcript)


@cache
def models_of(settings: Settings) -> Models:
    """The models of these settings, loaded once for all measures of a run."""
    return Models(settings)


def _laps() -> tuple[dict[str, float], Callable[[str], None]]:
    """Seconds by stage, and what ends a stage."""
    stages: dict[str, float] = {}
    last = time.perf_counter()

    def lap(name: str) -> None:
        nonlocal last
        stages[name], last = time.perf_counter() - last, time.perf_counter()

    return stages, lap


def _columns(muted: dict[str, Any], names: Sequence[str]) -> Any:
    import numpy as np

    return np.stack([muted[name] for name in names], axis=1)
