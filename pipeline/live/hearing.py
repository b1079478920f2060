"""Hearing a call while it is spoken: blocks become words as soon as their speech may be transcribed.

Takes blocks at 16 kHz; gives what was heard so far and :attr:`Hearing.sure_s`, before which nothing that was said is
still to be heard. Holds the speech that is not transcribed yet, and of the rest words, levels and spans.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from pipeline.audio import SPEECH_RATE_HZ
from pipeline.live.pace import MARGIN_S
from pipeline.loudness import HOP_S, Loudness
from pipeline.settle import settle
from pipeline.speech import SpeechCutter, VadState
from pipeline.tones import ToneListener
from pipeline.transcribe import LANGUAGE_WINDOWS, Heard, hear_again, in_call, missed
from pipeline.types import Segment, SpokenLanguage, TimeSpan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.audio import Speech
    from pipeline.live.pace import Pace
    from pipeline.speech import Probabilities, Signal, Vad, Window
    from pipeline.tones import Tone
    from pipeline.transcribe import Transcriber
    from pipeline.types import Channel, Word

_BEFORE = 144 * 512  # samples before a block that the detector hears with it: together they fill its ten seconds


@dataclass(frozen=True, slots=True)
class _LongMemory:
    """A voice activity detector that hears each short block after the seconds before it."""

    vad: Vad

    def probabilities(self, samples: Signal, state: VadState | None) -> tuple[Probabilities, VadState]:
        found, _ = self.vad.probabilities(samples, state)
        before = state.context if state else np.zeros(0, np.float32)
        return found, VadState(np.concatenate([before, samples])[-_BEFORE:].copy())


@dataclass(slots=True)
class Hearing:
    """One call.

    Args:
        channels: names of the rows.
        vad: voice activity detector.
        transcriber: recogniser.
        language: ISO 639-1 code, or None to tell it from the first windows.
        least_certainty: of a language that is told; nothing is transcribed below it.
        pace: how long speech may wait.
    """

    channels: tuple[Channel, ...]
    vad: Vad
    transcriber: Transcriber
    language: str | None
    least_certainty: float
    pace: Pace
    segments: list[Segment] = field(default_factory=list)
    told: SpokenLanguage = field(default_factory=lambda: SpokenLanguage("en", 0.0))
    heard_s: float = 0.0
    _ended: bool = False
    _cutters: dict[Channel, SpeechCutter] = field(init=False)
    _waiting: list[Window] = field(default_factory=list)  # until the language is certain
    _loudness: Loudness = field(default_factory=Loudness)
    _listener: ToneListener = field(init=False)

    def __post_init__(self) -> None:
        vad = _LongMemory(self.vad)
        self._cutters = {each: SpeechCutter(each, vad, self.pace.window_s) for each in self.channels}
        self._listener = ToneListener(self.channels)
        if self.language:
            self.told = SpokenLanguage(self.language, 1.0)

    def feed(self, block: Speech, *, last: bool = False) -> None:
        """Hear (channels, time) samples at 16 kHz, whole VAD frames unless they are the last."""
        for passed in self._listener.listen(self._loudness.watch([block] if block.shape[1] else [])):
            self.heard_s += passed.shape[1] / SPEECH_RATE_HZ
        ripe = [
            window
            for row, cutter in enumerate(self._cutters.values())
            for window in cutter.feed(block[row], block[1 - row] if len(block) == 2 else None, last=last)
        ]
        if min(cutter.pending_s for cutter in self._cutters.values()) < self.heard_s - self.pace.hold_s:
            ripe += [window for cutter in self._cutters.values() for window in cutter.release()]
        self._ended = last
        self._hear(ripe)

    @property
    def sure_s(self) -> float:
        """Everything said before this is transcribed, with some seconds of what follows."""
        if self._ended and not self._waiting:
            return self.heard_s
        waiting = (window.pieces[0].span.start_s for window in self._waiting)
        return min((*(cutter.pending_s for cutter in self._cutters.values()), *waiting)) - MARGIN_S

    @property
    def tones(self) -> tuple[Tone, ...]:
        """Keys and beeps so far."""
        return self._listener.tones()

    @property
    def whole(self) -> Heard:
        """All that was heard so far, as the recogniser has it."""
        speech = {channel: tuple(cutter.speech) for channel, cutter in self._cutters.items()}
        return Heard(tuple(self.segments), speech, self.told.code, self.heard_s, self.told.certainty)

    def heard(self, since_s: float = 0.0) -> Heard:
        """What was heard from ``since_s`` (whole seconds) on, with words drawn in to their sound."""
        segments = sorted((each for each in self.segments if each.span.start_s >= since_s), key=lambda each: each.span)
        speech = {
            channel: tuple(TimeSpan(max(s.start_s, since_s), s.end_s) for s in cutter.speech if s.end_s > since_s)
            for channel, cutter in self._cutters.items()
        }
        heard = replace(self.whole, segments=tuple(segments), speech=speech)
        levels = self._loudness.levels()[:, round(since_s / HOP_S) :]
        if not levels.shape[1]:
            return heard
        return _moved(settle(_moved(heard, -since_s), dict(zip(self.channels, levels, strict=True))), since_s)

    def _hear(self, windows: Sequence[Window]) -> None:
        self._waiting += windows
        if self.told.certainty < self.least_certainty and self._waiting:
            self.told = self.transcriber.detect_language(self._waiting[-LANGUAGE_WINDOWS:])
        if self.told.certainty < self.least_certainty:
            past_s = self.heard_s - self.pace.delay_s  # came out as silence by now
            self._waiting = [each for each in self._waiting if each.pieces[-1].span.end_s > past_s]
            return
        heard: list[tuple[Channel, tuple[Word, ...]]] = []
        again: list[tuple[int, Window]] = []
        for window, words in self.transcriber.transcribe(self._waiting, self.told.code):
            heard.append((window.channel, in_call(window, words)))
            parts = missed(window, heard[-1][1], self._cutters[window.channel].speech)
            again.extend((len(heard) - 1, part) for part in parts)
        hear_again(again, heard, self.transcriber, self.told.code)
        self.segments += [Segment(channel, words) for channel, words in heard if words]
        self._waiting = []


def _moved(heard: Heard, by_s: float) -> Heard:
    """The same, heard so much later."""

    def later(span: TimeSpan) -> TimeSpan:
        return TimeSpan(span.start_s + by_s, span.end_s + by_s)

    if not by_s:
        return heard
    segments = tuple(
        Segment(each.channel, tuple(replace(word, span=later(word.span)) for word in each.words))
        for each in heard.segments
    )
    return replace(heard, segments=segments, speech={c: tuple(map(later, spans)) for c, spans in heard.speech.items()})
