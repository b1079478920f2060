"""G.711 mu-law: bytes of a telephone line to 16-bit samples and back, without loss (ITU-T G.711, table 2a)."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BIAS, _CLIP = 0x84, 32635


def decode(raw: bytes) -> NDArray[np.int16]:
    """(time,) samples of mu-law bytes."""
    return _decoded()[np.frombuffer(raw, np.uint8)]


def encode(samples: NDArray[np.int16]) -> bytes:
    """The mu-law bytes of (time,) samples; of samples that :func:`decode` gave, the same bytes."""
    return _encoded()[samples.astype(np.int32) + 32768].tobytes()


@cache
def _decoded() -> NDArray[np.int16]:
    codes = ~np.arange(256, dtype=np.int32) & 0xFF
    size = (((codes & 0x0F) << 3) + _BIAS << ((codes >> 4) & 7)) - _BIAS
    return np.where(codes & 0x80, -size, size).astype(np.int16)


@cache
def _encoded() -> NDArray[np.uint8]:
    samples = np.arange(-32768, 32768, dtype=np.int32)
    size = np.minimum(np.abs(samples), _CLIP) + _BIAS
    exponent = np.floor(np.log2(size)).astype(np.int32) - 7
    codes = (exponent << 4) | ((size >> (exponent + 3)) & 0x0F) | np.where(samples < 0, 0x80, 0)
    table: NDArray[np.uint8] = (~codes & 0xFF).astype(np.uint8)
    return table
