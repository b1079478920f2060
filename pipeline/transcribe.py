"""Transcription: blocks of a call become words with times, and the spans in which somebody spoke.

Takes blocks of both channels, a voice activity detector and a recogniser; gives :class:`Heard`. Windows of all
channels go through the recogniser together, read no further ahead than it asks for.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pipeline.gaps import drawn_out, unworded
from pipeline.speech import PIECE_PAD_S, SpeechCutter
from pipeline.types import Segment, SpokenLanguage, TimeSpan, Word

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pipeline.audio import Speech
    from pipeline.speech import Vad, Window
    from pipeline.types import Channel

HEAR_AGAIN_S = 2.0  # speech without words that is at least this long is heard again by itself; guards take the rest
PARTS_TOGETHER = 8
PAUSED_FIGURES = 4
SURE_ENOUGH = 0.5  # mean probability below which words heard again are taken for invented, so the stretch stays a gap
LANGUAGE_WINDOWS = 2  # how many windows a language is told from


class Transcriber(Protocol):
    """A speech recogniser with word times."""

    def detect_language(self, windows: Sequence[Window]) -> SpokenLanguage:
        """The language most likely spoken in these windows; a model that knows only one is never certain."""
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
        language_certainty: in [0, 1]; 1 where the language was stated or nobody speaks.
        echoing: channels on which the other side can be heard.
    """

    segments: tuple[Segment, ...]
    speech: Mapping[Channel, tuple[TimeSpan, ...]]
    language: str
    duration_s: float
    language_certainty: float = 1.0
    echoing: frozenset[Channel] = frozenset()


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

    cutters = {channel: SpeechCutter(channel, vad) for channel in channels}
    read = [0]
    windows = _windows(blocks, tuple(cutters.values()), read)
    first = list(itertools.islice(windows, LANGUAGE_WINDOWS))
    told = transcriber.detect_language(first) if first and not language else SpokenLanguage(language or "en", 1.0)
    spoken = told.code
    heard: list[tuple[Channel, tuple[Word, ...]]] = []
    again: list[tuple[int, Window]] = []
    for window, words in transcriber.transcribe(itertools.chain(first, windows), spoken):
        heard.append((window.channel, in_call(window, words)))
        again.extend((len(heard) - 1, part) for part in missed(window, heard[-1][1], cutters[window.channel].speech))
        if len(again) >= PARTS_TOGETHER:
            hear_again(again, heard, transcriber, spoken)
            again = []
    hear_again(again, heard, transcriber, spoken)
    segments = sorted((Segment(channel, words) for channel, words in heard if words), key=lambda segment: segment.span)
    speech = {channel: tuple(cutter.speech) for channel, cutter in cutters.items()}
    return Heard(tuple(segments), speech, spoken, read[0] / SPEECH_RATE_HZ, told.certainty)


def in_call(window: Window, words: Iterable[Word]) -> tuple[Word, ...]:
    """Words of a window at call time; a number of several figures may have a pause in it."""
    return tuple(
        Word(word.text, window.in_call(word.span, paused=_figures(word.text) >= PAUSED_FIGURES), word.probability)
        for word in words
    )


def _figures(text: str) -> int:
    return sum(letter.isdigit() for letter in text)


def missed(window: Window, words: Sequence[Word], speech: Sequence[TimeSpan]) -> Iterator[Window]:
    """Parts of a window in which somebody speaks and no word was recognised."""
    first = bisect_left(speech, window.pieces[0].span.start_s, key=lambda span: span.end_s)
    last = bisect_left(speech, window.pieces[-1].span.end_s, key=lambda span: span.start_s)
    here = [
        TimeSpan(max(span.start_s, piece.span.start_s), min(span.end_s, piece.span.end_s))
        for piece in window.pieces
        for span in speech[first:last]
        if span.overlaps(piece.span)
    ]
    for span in unworded(here, words, HEAR_AGAIN_S):
        part = window.part(TimeSpan(span.start_s - PIECE_PAD_S, span.end_s + PIECE_PAD_S))
        if part is not None and len(part.samples) < len(window.samples):
            yield part


def hear_again(
    again: Sequence[tuple[int, Window]],
    heard: list[tuple[Channel, tuple[Word, ...]]],
    transcriber: Transcriber,
    language: str,
) -> None:
    """Transcribe missed parts by themselves and put what is found among the words of their windows."""
    parts = transcriber.transcribe([part for _, part in again], language)
    for (index, _), (part, words) in zip(again, parts, strict=True):
        channel, before = heard[index]
        stretch = part.pieces[0].span
        solid = [word.span for word in before if not drawn_out(word)]
        fresh = [w for w in in_call(part, words) if not any(w.span.overlaps(span) for span in solid)]
        if fresh and sum(word.probability for word in fresh) >= SURE_ENOUGH * len(fresh):
            kept = [word for word in before if not (drawn_out(word) and word.span.overlaps(stretch))]
            heard[index] = (channel, tuple(sorted((*kept, *fresh), key=lambda word: word.span)))


def _windows(blocks: Iterable[Speech], cutters: Sequence[SpeechCutter], read: list[int]) -> Iterator[Window]:
    """Windows as they complete; ``read[0]`` counts the samples read."""
    import numpy as np

    for block in blocks:
        read[0] += block.shape[1]
        for row, cutter in enumerate(cutters):
            yield from cutter.feed(block[row], block[1 - row] if len(cutters) == 2 else None)
    for cutter in cutters:
        yield from cutter.feed(np.zeros(0, np.float32), last=True)
