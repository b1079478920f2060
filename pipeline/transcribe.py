"""Transcription: blocks of a call become words with times, and the spans in which somebody spoke.

Takes blocks of both channels, a voice activity detector and a recogniser; gives :class:`Heard`. Windows of all
channels go through the recogniser together, read no further ahead than it asks for.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pipeline.speech import SpeechCutter
from pipeline.types import Segment, Word

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pipeline.audio import Speech
    from pipeline.speech import Vad, Window
    from pipeline.types import Channel, TimeSpan

LANGUAGE_WINDOWS = 2  # how many windows a language is told from


class Transcriber(Protocol):
    """A speech recogniser with word times."""

    def detect_language(self, windows: Sequence[Window]) -> str:
        """The language most likely spoken in these windows, as an ISO 639-1 code."""
        ...

    def transcribe(self, windows: Iterable[Window], language: str) -> Iterator[tuple[Window, tuple[Word, ...]]]:
        """The windows in order, each with its words; word times are seconds from the start of the window."""
        ...


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard in a call.

    Args:
        segments: words in order of time; one segment never spans two channels.
        speech: per channel, where the detector heard a voice; in order, not overlapping.
        language: ISO 639-1 code.
        duration_s: of the recording.
    """

    segments: tuple[Segment, ...]
    speech: Mapping[Channel, tuple[TimeSpan, ...]]
    language: str
    duration_s: float


def transcribe(
    blocks: Iterable[Speech],
    channels: Sequence[Channel],
    vad: Vad,
    transcriber: Transcriber,
    language: str | None,
) -> Heard:
    """What was said and when.

    Args:
        blocks: (channels, time) blocks at 16 kHz, whole VAD frames but for the last.
        channels: names of the rows.
        vad: voice activity detector.
        transcriber: recogniser.
        language: ISO 639-1 code, or None to tell it from the first windows.
    """
    from pipeline.audio import SPEECH_RATE_HZ

    cutters = [SpeechCutter(channel, vad) for channel in channels]
    read = [0]
    windows = _windows(blocks, cutters, read)
    first = list(itertools.islice(windows, LANGUAGE_WINDOWS))
    spoken = language or (transcriber.detect_language(first) if first else "en")
    segments = [
        Segment(window.channel, tuple(Word(w.text, window.in_call(w.span), w.probability) for w in words))
        for window, words in transcriber.transcribe(itertools.chain(first, windows), spoken)
        if words
    ]
    segments.sort(key=lambda segment: segment.span)
    speech = {cutter.channel: tuple(cutter.speech) for cutter in cutters}
    return Heard(tuple(segments), speech, spoken, read[0] / SPEECH_RATE_HZ)


def _windows(blocks: Iterable[Speech], cutters: Sequence[SpeechCutter], read: list[int]) -> Iterator[Window]:
    """Windows as they complete; ``read[0]`` counts the samples read."""
    import numpy as np

    for block in blocks:
        read[0] += block.shape[1]
        for cutter, samples in zip(cutters, block, strict=True):
            yield from cutter.feed(samples)
    for cutter in cutters:
        yield from cutter.feed(np.zeros(0, np.float32), last=True)
