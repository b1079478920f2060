"""Fake models that follow a script: for tests, and for trying out a deployment before any weights are there.

They implement the protocols of ``pipeline.speech``, ``pipeline.transcribe``, ``pipeline.speakers`` and
``pipeline.pii``, need no weights and give the same answer every time. Never use one on a real call.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pipeline.audio import SPEECH_RATE_HZ
from pipeline.pii import TextEntity, WordTag
from pipeline.speech import VAD_FRAME, VadState
from pipeline.types import CharSpan, SpeakerSpan, SpokenLanguage, TimeSpan, Word
from pipeline.verify.listen import GAP_S
from pipeline.verify.sentinel import sentinel

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pipeline.speech import Piece, Probabilities, Signal, Window
    from pipeline.types import Channel, Turn

LOUD_DBFS = -45.0  # a frame at least this loud is speech to FakeVad
ALONE_S = 2.0  # a window that holds no more than this beside a stretch gives that stretch the whole attention


def spoken(text: str, start_s: float, word_s: float = 0.3, gap_s: float = 0.05) -> tuple[Word, ...]:
    """The words of a text, evenly spoken from ``start_s`` on: a line of a script."""
    starts = itertools.count(start_s, word_s + gap_s)
    return tuple(
        Word(each, TimeSpan(at_s, at_s + word_s), 1.0) for each, at_s in zip(text.split(), starts, strict=False)
    )


class FakeVad:
    """Calls every loud frame speech, whoever or whatever is heard in it."""

    def probabilities(self, samples: Signal, state: VadState | None) -> tuple[Probabilities, VadState]:
        """1 for each VAD_FRAME of (time,) samples that is louder than LOUD_DBFS, else 0."""
        frames = np.pad(samples, (0, -len(samples) % VAD_FRAME)).reshape(-1, VAD_FRAME)
        levels_db = 10 * np.log10(np.mean(frames.astype(np.float64) ** 2, axis=1) + 1e-12)
        return (levels_db >= LOUD_DBFS).astype(np.float32), state or VadState(np.zeros(0, np.float32))


@dataclass(frozen=True, slots=True)
class FakeTranscriber:
    """Gives each window the scripted words whose middle it holds.

    Args:
        script: words with call times, by channel.
        language: what every call is said to be spoken in, with ``certainty``.
        swallows: stretches left without words, as a recogniser does at times, unless heard by themselves.
        deaf: it does not recognise the sentinel that the windows of a verifier end in.
    """

    script: Mapping[Channel, Sequence[Word]] = field(repr=False)
    language: str = "en"
    swallows: Mapping[Channel, Sequence[TimeSpan]] = field(default_factory=dict)
    certainty: float = 1.0
    deaf: bool = False

    def detect_language(self, windows: Sequence[Window]) -> SpokenLanguage:  # noqa: ARG002 -- the protocol's signature
        """The scripted language."""
        return SpokenLanguage(self.language, self.certainty)

    def transcribe(
        self,
        windows: Iterable[Window],
        language: str,  # noqa: ARG002 -- the protocol's signature
    ) -> Iterator[tuple[Window, tuple[Word, ...]]]:
        """The windows in order, each with its words; word times are seconds from the start of the window."""
        for window in windows:
            yield window, tuple(self._words(window))

    def _words(self, window: Window) -> Iterator[Word]:
        length_s = sum(piece.span.duration_s for piece in window.pieces)
        for piece in window.pieces:
            swallowed = [s for s in self.swallows.get(piece.channel, ()) if length_s > s.duration_s + ALONE_S]
            for word in self.script.get(piece.channel, ()):
                middle_s = (word.span.start_s + word.span.end_s) / 2
                lost = any(span.start_s <= middle_s < span.end_s for span in swallowed)
                if piece.span.start_s <= middle_s < piece.span.end_s and not lost:
                    yield Word(word.text, _in_window(word.span, piece), word.probability)
        ends_s = max(piece.offset_s + piece.span.duration_s for piece in window.pieces)
        planted = window.samples[round(ends_s * SPEECH_RATE_HZ) :]
        sentence = sentinel(self.language)
        if sentence and len(planted) > SPEECH_RATE_HZ and planted.any() and not self.deaf:
            yield from spoken(sentence.text, ends_s + GAP_S)


def _in_window(span: TimeSpan, piece: Piece) -> TimeSpan:
    shift_s = piece.offset_s - piece.span.start_s
    start_s, end_s = max(span.start_s, piece.span.start_s), min(span.end_s, piece.span.end_s)
    return TimeSpan(start_s + shift_s, end_s + shift_s)


@dataclass(frozen=True, slots=True)
class FakeDiarizer:
    """Gives the scripted speakers.

    Args:
        script: who speaks when; in order, not overlapping.
    """

    script: tuple[SpeakerSpan, ...] = ()

    def diarize(self, blocks: Iterable[Signal]) -> tuple[SpeakerSpan, ...]:
        """The script, once every block has been read, as a real diarizer would."""
        for _ in blocks:
            pass
        return self.script


@dataclass(frozen=True, slots=True)
class FakeRecognizer:
    """Finds scripted names wherever they are written, in capitals or not.

    Args:
        names: entity type by value.
    """

    names: Mapping[str, str] = field(default_factory=dict, repr=False)

    def people(self, texts: Sequence[str]) -> list[list[TextEntity]]:
        """What is scripted, one list per text, in the same order."""
        return [sorted(self._found(text), key=lambda entity: entity.chars) for text in texts]

    def forms(self, texts: Sequence[str]) -> list[list[TextEntity]]:
        """An empty list per text."""
        return [[] for _ in texts]

    def _found(self, text: str) -> Iterator[TextEntity]:
        lowered = text.lower()
        for value, entity_type in self.names.items():
            at = lowered.find(value.lower())
            while at >= 0:
                yield TextEntity(entity_type, CharSpan(at, at + len(value)), 0.85, "FakeRecognizer")
                at = lowered.find(value.lower(), at + len(value))


@dataclass(frozen=True, slots=True)
class FakeTagger:
    """Is sure of given words, and of no other.

    Args:
        kinds: entity type by word.
        otherwise: probability of every other word; by default so that it neither adds to what rules find nor speaks
            against it.
    """

    kinds: Mapping[str, str] = field(default_factory=dict, repr=False)
    otherwise: float = 0.027

    def tag(self, turns: Sequence[Turn]) -> list[list[WordTag]]:
        """1 for each word that is given, else ``otherwise``."""
        return [[self._of(word.text) for word in turn.words] for turn in turns]

    def _of(self, text: str) -> WordTag:
        return WordTag(self.kinds.get(text, "PERSON"), 1.0 if text in self.kinds else self.otherwise)
