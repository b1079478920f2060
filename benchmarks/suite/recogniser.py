"""faster-whisper as its users call it, on the device of the settings: the recogniser of the compositions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from benchmarks.stock import Samples
    from pipeline.config import AsrSettings

Segments = list[list[dict[str, Any]]]
"""Words of each segment, in the shape that ``benchmarks.stock`` has them."""


class FasterWhisper:
    """The weights of a folder under faster-whisper's two ways to decode, each with the library's defaults.

    ``model`` is faster-whisper's own.

    Args:
        weights: folder of a CTranslate2 model.
        asr: device, compute type, and how many threads callseal uses in all.
    """

    def __init__(self, weights: Path, asr: AsrSettings) -> None:
        from faster_whisper import BatchedInferencePipeline, WhisperModel

        self.model = WhisperModel(
            str(weights),
            device=asr.device,
            compute_type=asr.compute_type,
            cpu_threads=asr.workers * asr.threads,
            local_files_only=True,
        )
        self._batched = BatchedInferencePipeline(self.model)

    def batched(self, samples: Samples, beam_size: int = 5) -> Segments:
        """Windows of one channel in batches of 8, the default, after the library's own voice filter."""
        return _segments(self._batched.transcribe(samples, language="en", word_timestamps=True, beam_size=beam_size)[0])

    def sequential(self, samples: Samples, beam_size: int = 5) -> Segments:
        """One window after the other, without a voice filter, as ``WhisperModel.transcribe`` does by default."""
        return _segments(self.model.transcribe(samples, language="en", word_timestamps=True, beam_size=beam_size)[0])


class Told:
    """Stands in for a recogniser that has heard already; gives what was heard, channel after channel."""

    def __init__(self, heard: Iterable[Segments]) -> None:
        self._heard = iter(heard)

    def stock(self, *_: object) -> Segments:
        """The segments of the next channel."""
        return next(self._heard)


def _segments(segments: Iterable[Any]) -> Segments:
    return [
        [{"text": word.word.strip(), "start_s": float(word.start), "end_s": float(word.end)} for word in segment.words]
        for segment in segments
        if segment.words
    ]
