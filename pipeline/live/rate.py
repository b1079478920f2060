"""From the rate of a line to that of the models, block by block, in whole frames of the voice activity detector."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pipeline.audio import SPEECH_RATE_HZ
from pipeline.speech import VAD_FRAME

if TYPE_CHECKING:
    from av.audio.resampler import AudioResampler

    from pipeline.audio import Samples, Speech


@dataclass(slots=True)
class ToSpeech:
    """One stream of 16-bit samples.

    Args:
        rate_hz: of the line.
        channels: how many.
    """

    rate_hz: int
    channels: int
    _resampler: AudioResampler = field(init=False, repr=False)
    _rest: Speech = field(init=False, repr=False)

    def __post_init__(self) -> None:
        from av.audio.resampler import AudioResampler

        self._resampler = AudioResampler("fltp", self._layout, SPEECH_RATE_HZ)
        self._rest = np.zeros((self.channels, 0), np.float32)

    def __call__(self, samples: Samples, *, last: bool = False) -> Speech:
        """(channels, time) at 16 kHz, float32; what makes no whole frame waits for the next samples."""
        import av

        pieces: list[Samples] = [self._rest]
        if samples.shape[1]:
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), "s16p", self._layout)
            frame.sample_rate = self.rate_hz
            pieces += [piece.to_ndarray() for piece in self._resampler.resample(frame)]
        if last:
            pieces += [piece.to_ndarray() for piece in self._resampler.resample(None)]
        joined = np.concatenate(pieces, axis=1)
        whole = joined.shape[1] if last else joined.shape[1] // VAD_FRAME * VAD_FRAME
        self._rest = joined[:, whole:].copy()
        return joined[:, :whole]

    @property
    def _layout(self) -> str:
        return "mono" if self.channels == 1 else "stereo"
