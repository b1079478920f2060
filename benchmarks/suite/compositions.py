"""The compositions that callseal is held against, in a process of their own: each runs as its users run it.

What callseal does to its process (how memory is kept, how threads are set) is none of theirs, and the other way
round. The process stays, with its models loaded, and takes one call at a time while callseal waits.
"""

from __future__ import annotations

import io
import logging
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import soundfile

from benchmarks import stock
from benchmarks.corpus import codecs
from benchmarks.suite.passes import Pass
from benchmarks.suite.recogniser import FasterWhisper, Told

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.suite.joined import JoinedCall
    from benchmarks.suite.recogniser import Segments
    from pipeline.config import Settings
    from pipeline.types import SpeakerSpan


class Compositions:
    """faster-whisper, Presidio and pyannote on our weights, with their defaults, loaded when they are first needed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def recogniser(self) -> FasterWhisper:
        """faster-whisper on the weights of the settings."""
        from models.fetch import resolve

        return FasterWhisper(resolve(self._settings.asr.model, self._settings.models_dir), self._settings.asr)

    @cached_property
    def analyser(self) -> Any:
        """Presidio as it comes, but for what it logs about the recognisers that it leaves out."""
        logging.getLogger("presidio-analyzer").setLevel(logging.ERROR)
        return stock.analyser()

    @cached_property
    def diarizer(self) -> Callable[[Any], tuple[SpeakerSpan, ...]]:
        """The pipeline of pyannote with its defaults."""
        from benchmarks.diarization import default_pipeline, run_default
        from models.fetch import resolve

        named = self._settings.diarization
        folders = [resolve(each, self._settings.models_dir) for each in (named.segmentation, named.embedding)]
        pipeline = default_pipeline(*folders)
        if named.device == "cuda":
            import torch

            pipeline.to(torch.device("cuda"))
        return lambda samples: run_default(pipeline, samples)

    def warm(self, *, diarized: bool) -> None:
        """Load everything."""
        _ = self.recogniser, self.analyser
        if diarized:
            _ = self.diarizer

    def composed(self, call: JoinedCall, *, batched: bool, diarized: bool) -> Pass:
        """A call decoded, transcribed, for mono diarized, searched, muted and written."""
        stages: dict[str, float] = {}
        last = time.perf_counter()

        def lap(name: str) -> None:
            nonlocal last
            stages[name], last = time.perf_counter() - last, time.perf_counter()

        names = call.truth["channels"]
        both = codecs.decode(call.path, stock.RATE_HZ)
        channels = {name: both[:, index] for index, name in enumerate(names)}
        lap("decode")
        hear = self.recogniser.batched if batched else self.recogniser.sequential
        heard = [hear(samples) for samples in channels.values()]
        lap("transcribe")
        if diarized:
            for samples in channels.values():
                self.diarizer(samples)
            lap("diarize")
        summary, transcript, muted = stock.redact(channels, Told(heard), self.analyser, "en")  # type: ignore[arg-type]
        lap("detect")
        soundfile.write(io.BytesIO(), _columns(muted, names), stock.RATE_HZ, format="WAV", subtype="PCM_16")
        lap("redact")
        return Pass(sum(stages.values()), stages, summary["redactions"], transcript)

    def heard(self, call: JoinedCall, *, batched: bool, beam_size: int) -> tuple[float, list[Segments]]:
        """Seconds to decode and transcribe a call, and what was heard on each channel."""
        began = time.perf_counter()
        both = codecs.decode(call.path, stock.RATE_HZ)
        hear = self.recogniser.batched if batched else self.recogniser.sequential
        found = [hear(both[:, index], beam_size) for index in range(both.shape[1])]
        return time.perf_counter() - began, found


class Apart:
    """``Compositions`` in another process; the times are that process's own."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))

    def warm(self, *, diarized: bool = False) -> None:
        """Load everything that will be needed."""
        self._pool.submit(_warm, self._settings, diarized).result()

    def composed(self, call: JoinedCall, *, batched: bool, diarized: bool = False) -> Pass:
        """See ``Compositions.composed``."""
        return self._pool.submit(_composed, self._settings, call, batched, diarized).result()

    def heard(self, call: JoinedCall, *, batched: bool, beam_size: int) -> tuple[float, list[Segments]]:
        """See ``Compositions.heard``."""
        return self._pool.submit(_heard, self._settings, call, batched, beam_size).result()

    def close(self) -> None:
        """End the process."""
        self._pool.shutdown()


@cache
def apart_of(settings: Settings) -> Apart:
    """The process of these settings, one for all measures of a run."""
    return Apart(settings)


@cache
def _here(settings: Settings) -> Compositions:
    return Compositions(settings)


def _warm(settings: Settings, diarized: bool) -> None:  # noqa: FBT001 -- as it is sent
    _here(settings).warm(diarized=diarized)


def _composed(settings: Settings, call: JoinedCall, batched: bool, diarized: bool) -> Pass:  # noqa: FBT001
    return _here(settings).composed(call, batched=batched, diarized=diarized)


def _heard(settings: Settings, call: JoinedCall, batched: bool, beam_size: int) -> tuple[float, list[Segments]]:  # noqa: FBT001
    return _here(settings).heard(call, batched=batched, beam_size=beam_size)


def _columns(muted: dict[str, Any], names: Sequence[str]) -> Any:
    import numpy as np

    return np.stack([muted[name] for name in names], axis=1)
