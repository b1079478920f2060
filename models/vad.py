"""Silero voice activity detection, fed block by block: implements ``pipeline.speech.Vad``.

The network and its weights (MIT) come with faster-whisper; its own wrapper takes a whole recording at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.speech import VAD_FRAME, VadState

if TYPE_CHECKING:
    from pipeline.speech import Probabilities, Signal

_CONTEXT = 64  # samples of the previous frame that the network sees before each frame


class SileroVad:
    """Speech probability for every 32 ms of one channel."""

    def __init__(self) -> None:
        from faster_whisper.vad import get_vad_model

        self._session = get_vad_model().session

    def probabilities(self, samples: Signal, state: VadState | None) -> tuple[Probabilities, VadState]:
        """One probability per VAD_FRAME samples, and the state to pass with the samples that follow.

        Args:
            samples: (time,) at 16 kHz; the last frame of a recording may be short and is filled with silence.
            state: what the call before returned; None at the start of a channel.
        """
        if state is None:
            quiet = np.zeros((1, 1, 128), np.float32)
            state = VadState(quiet, quiet, np.zeros(_CONTEXT, np.float32))
        frames = np.pad(samples, (0, -len(samples) % VAD_FRAME)).reshape(-1, VAD_FRAME)
        before = np.concatenate([state.context[None], frames[:-1, -_CONTEXT:]])
        out, hidden, cell = self._session.run(
            None, {"input": np.concatenate([before, frames], axis=1), "h": state.hidden, "c": state.cell}
        )
        return out.reshape(-1), VadState(hidden, cell, frames[-1, -_CONTEXT:].copy())
