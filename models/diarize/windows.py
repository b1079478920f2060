"""Blocks of any length in, overlapping windows of one length out, with no more audio held than one batch spans.

A window begins every ``step``; the last one reaches the end of the recording and is padded with zeros. Every sample
lies in at least one window.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class WindowBatch:
    """Consecutive windows that share their samples.

    Args:
        samples: (time,) float32, exactly what the windows of the batch cover, zeros past the end of the recording.
        count: number of windows; window ``i`` starts at ``i * step`` samples.
        valid: how many of ``samples`` are recording and not padding.
    """

    samples: NDArray[np.float32]
    count: int
    valid: int


def window_batches(
    blocks: Iterable[NDArray[np.float32]], *, window: int, step: int, batch: int
) -> Iterator[WindowBatch]:
    """The windows of a recording, ``batch`` at a time.

    Args:
        blocks: consecutive (time,) float32 blocks of any length.
        window: samples in a window.
        step: samples between the starts of two windows, at most ``window``.
        batch: windows in a batch, the last one excepted.
    """
    span = (batch - 1) * step + window
    pending: list[NDArray[np.float32]] = []
    held = covered = 0  # samples held, and how many of them an earlier batch has shown
    for block in blocks:
        pending.append(block)
        held += block.shape[0]
        if held < span:
            continue
        samples = np.concatenate(pending)
        while samples.shape[0] >= span:
            yield WindowBatch(samples[:span], batch, span)
            samples = samples[batch * step :]
            covered = window - step
        pending, held = [samples.copy()], samples.shape[0]
    if held > covered:
        count = 1 + max(0, -(-(held - window) // step))
        padding = np.zeros((count - 1) * step + window - held, dtype=np.float32)
        yield WindowBatch(np.concatenate([*pending, padding]), count, held)
