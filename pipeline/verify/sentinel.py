"""The sentinel: a sentence that is known, planted in what the verifier listens to, to show that it can hear.

A listener that hears nothing finds nothing. So every window that is listened to again ends in a sentence that was
carried through the codec and the rate of the call; whoever does not recognise it did not listen to the end.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline import audio, encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.audio import AudioFormat
    from pipeline.speech import Signal
    from pipeline.types import Word

_MAX_S = 10.0
_TELLING, _ENOUGH = 5, 3  # letters of a word, and words of them that must be recognised
_SLIPS = 3  # words that may be heard in it, or after it, beyond its own


@dataclass(frozen=True, slots=True)
class Sentinel:
    """A sentence and its recording."""

    text: str
    file: Path

    @property
    def words(self) -> frozenset[str]:
        """The words by which it is recognised."""
        return frozenset(word for word in map(_plain, self.text.split()) if len(word) >= _TELLING)

    def carried(self, fmt: AudioFormat) -> Signal:
        """(time,) float32 at 16 kHz of the recording after the codec, rate and channel count of ``fmt``.

        Raises:
            BadAudio: that codec cannot be written.
        """
        source = audio.Recording((lambda: self.file.open("rb"),))
        mono = audio.decode_native(source, replace(fmt, channels=1), _MAX_S)
        blocks = [np.repeat(block, fmt.channels, axis=0) for block in mono]
        raw = io.BytesIO()
        encode.encode(lambda: blocks, fmt, raw.write)
        coded = audio.Recording((lambda: io.BytesIO(raw.getvalue()),))
        heard: Signal = np.concatenate([block[0] for block in audio.decode_speech(coded, _MAX_S)])
        return heard

    def begins(self, words: Sequence[Word]) -> int | None:
        """Index of its first word in the words of a window that ends in it; None if it was not heard."""
        first = max(len(words) - len(self.text.split()) - _SLIPS, 0)
        said = [index for index in range(first, len(words)) if _plain(words[index].text) in self.words]
        return said[0] if len({_plain(words[index].text) for index in said}) >= _ENOUGH else None


def sentinel(language: str) -> Sentinel | None:
    """The sentence for a language, ISO 639-1; None where there is none."""
    return _BY_LANGUAGE.get(language)


def _plain(text: str) -> str:
    return text.casefold().strip(".,;:!?")


_BY_LANGUAGE = {
    "en": Sentinel(
        "Purple elephants cross the frozen river.",
        Path(__file__).with_name("sentinel.en.flac"),
    )
}
