"""Samples that wait: blocks of any length go in at one end and come out at the other as many as are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections import deque

    from pipeline.audio import Samples


def take(held: deque[Samples], count: int, channels: int) -> Samples:
    """The first ``count`` samples (channels, time) of what is held; they are held no more."""
    parts = [np.zeros((channels, 0), np.int16)]
    while count:
        first = held.popleft()
        parts.append(first[:, :count])
        if first.shape[1] > count:
            held.appendleft(first[:, count:])
        count -= parts[-1].shape[1]
    return np.concatenate(parts, axis=1)
