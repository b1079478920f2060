"""Voice activity by pyannote segmentation-3.0, fed block by block: implements ``pipeline.speech.Vad``.

On telephone speech with line noise it misses a small part of what Silero does, and what is
missed here is never transcribed, so never redacted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.threads import one_torch_thread
from pipeline.speech import VAD_FRAME, VadState

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.speech import Probabilities, Signal

_RATE_HZ = 16_000
_WINDOW = 10 * _RATE_HZ  # what the network was trained on
_CONTEXT = 32 * VAD_FRAME  # of the block before, so that a block's first words are heard in context
_SILENCE_PEAK = 1e-4  # a window this quiet holds no speech, and the network would normalise it into noise


class PyannoteVad:
    """Speech probability for every 32 ms of one channel.

    Args:
        folder: of segmentation-3.0, with ``pytorch_model.bin``.
        device: torch device.
    """

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        from models.segmentation import load_segmentation

        self._net = load_segmentation(folder, device).net
        self._device = device

    def probabilities(self, samples: Signal, state: VadState | None) -> tuple[Probabilities, VadState]:
        """One probability per VAD_FRAME samples, and the state to pass with the samples that follow.

        Args:
            samples: (time,) at 16 kHz; the last frame of a recording may be short and counts as a whole one.
            state: what the call before returned; None at the start of a channel.
        """
        before = state.context if state else np.zeros(0, np.float32)
        heard = np.concatenate([before, samples])
        padded = np.pad(heard, (0, max(_WINDOW - len(heard), 0)))
        starts = _starts(len(padded))
        windows = np.stack([padded[start : start + _WINDOW] for start in starts])
        sums, counts = np.zeros(len(padded) // VAD_FRAME + 1), np.zeros(len(padded) // VAD_FRAME + 1)
        for start, found in zip(starts, self._windows(windows), strict=True):
            first = -(-start // VAD_FRAME)
            middles = (np.arange(first, (start + _WINDOW) // VAD_FRAME) + 0.5) * VAD_FRAME - start
            here = slice(first, first + len(middles))
            sums[here] += np.interp(middles / _WINDOW * len(found) - 0.5, np.arange(len(found)), found)
            counts[here] += 1
        frames = np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0).astype(np.float32)
        first, count = len(before) // VAD_FRAME, -(-len(samples) // VAD_FRAME)
        return frames[first : first + count], VadState(heard[-_CONTEXT:].copy())

    def _windows(self, windows: Signal) -> Signal:
        """(windows, frames) probability that anybody speaks, of (windows, time) samples."""
        import torch

        audible = np.flatnonzero(np.abs(windows).max(axis=1) > _SILENCE_PEAK)
        with torch.inference_mode(), one_torch_thread():
            batch = torch.from_numpy(windows[audible] if audible.size else windows[:1]).unsqueeze(1).to(self._device)
            # Class 0 of the powerset is "nobody"; the network gives log probabilities.
            found = 1.0 - self._net(batch)[..., 0].exp().cpu().numpy()
        speech = np.zeros((len(windows), found.shape[1]), np.float32)
        speech[audible] = found[: len(audible)]
        return speech


def _starts(length: int) -> list[int]:
    """Evenly spread starts of overlapping windows that cover ``length`` samples."""
    count = max(-(-(length - _WINDOW) // (_WINDOW - _CONTEXT)), 0) + 1
    return [round(each) for each in np.linspace(0, length - _WINDOW, count)]
