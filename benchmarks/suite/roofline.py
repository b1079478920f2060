"""How near the recogniser comes to what the machine can do: measured matrix products against FLOPs of the model.

The peak is that of large matrix products through torch on all threads: float32, and int8 with int32 sums. The model's
work is counted from its shape: matrix products of the encoder (1,500 frames for every 30 s window, however much of it
is speech), the cross-attention's keys and values, and the decoder's for each token. CTranslate2's ``int8`` on CPU runs
the linear layers in int8 and attention and convolutions in float32, so the bound is the sum of both at their own peak.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from benchmarks.suite.chains import models_of
from benchmarks.suite.figures import Result, figure
from benchmarks.suite.recogniser import FasterWhisper

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.suite.figures import Setting

FRAMES: Final = 1_500  # of the encoder for a window
WINDOW_S: Final = 30.0
MEL_FRAMES: Final = 3_000
TOKENS: Final = 110  # of a window of speech, about
PEAK_SIZE: Final = 2_048
PEAK_RUNS, ENCODE_RUNS = 9, 5
_LAYER: Final = re.compile(rb"(encoder|decoder)/layer_(\d+)/")


@dataclass(frozen=True, slots=True)
class Shape:
    """Of a Whisper model: width, layers on both sides, mel bins, vocabulary."""

    width: int
    encoder_layers: int
    decoder_layers: int
    mels: int = 80
    vocabulary: int = 51_865


@dataclass(frozen=True, slots=True)
class Work:
    """GFLOP (a multiplication and an addition are two) of one 30 s window; per token for the decoder."""

    linear: float
    attention: float
    convolution: float
    cross: float
    token: float

    @property
    def encode(self) -> float:
        """Of the encoder alone."""
        return self.linear + self.attention + self.convolution

    @property
    def per_audio_s(self) -> float:
        """Of encoding and decoding a second of audio in full windows with TOKENS each."""
        return (self.encode + self.cross + TOKENS * self.token) / WINDOW_S


def work(shape: Shape) -> Work:
    """What a window costs by the model's shape; biases, norms and softmax are left out."""
    width, frames = shape.width, FRAMES
    layer = 2 * frames * 12 * width**2  # q, k, v and out: 4; the two of the feed-forward part: 8
    attention = 2 * 2 * frames**2 * width  # scores, and what they weigh
    convolution = 2 * MEL_FRAMES * 3 * shape.mels * width + 2 * frames * 3 * width**2
    cross = shape.decoder_layers * 2 * 2 * frames * width**2
    token = shape.decoder_layers * (2 * 14 * width**2 + 4 * frames * width) + 2 * width * shape.vocabulary
    giga = 1e9
    return Work(
        shape.encoder_layers * layer / giga,
        shape.encoder_layers * attention / giga,
        convolution / giga,
        cross / giga,
        token / giga,
    )


def shape_of(folder: Path, width: int, mels: int) -> Shape:
    """Layers are counted by the names in the weights' file; the width is that of what the encoder gives."""
    layers: dict[bytes, int] = {b"encoder": 0, b"decoder": 0}
    raw = (folder / "model.bin").read_bytes()
    for side, number in _LAYER.findall(raw):
        layers[side] = max(layers[side], int(number) + 1)
    return Shape(width, layers[b"encoder"], layers[b"decoder"], mels)


def roofline(setting: Setting) -> Result:
    """Peak of the machine, time to encode a window, and the share of the bound that is reached."""
    import torch

    threads = setting.settings.asr.workers * setting.settings.asr.threads
    torch.set_num_threads(threads)
    device = setting.settings.asr.device
    runs = 3 if setting.quick else PEAK_RUNS
    peaks = {"float32": _peak(device, torch.float32, runs)}
    if device == "cpu":
        peaks["int8"] = _peak(device, torch.int8, runs)
    else:
        peaks["float16"] = _peak(device, torch.float16, runs)
    found = Result(detail={"threads": threads, "device": device, "tokens_per_window": TOKENS})
    for name, samples in peaks.items():
        found.figures[f"peak_{name}"] = figure(f"peak of matrix products, {name}", samples, "GFLOP/s", "higher")
    _encoding(setting, found, 2 if setting.quick else ENCODE_RUNS)
    return found


def _encoding(setting: Setting, found: Result, runs: int) -> None:
    """Times the encoder on one window with all threads and compares it with its bound."""
    import numpy as np

    from models.fetch import resolve

    asr = setting.settings.asr
    folder = resolve(asr.model, setting.settings.models_dir)
    models_of(setting.settings).rooms.transcriber()  # it keeps this process's memory as callseal does
    whisper = FasterWhisper(folder, asr).model
    mels = int(whisper.feature_extractor.mel_filters.shape[0])
    features = np.random.default_rng(0).standard_normal((1, mels, MEL_FRAMES), np.float32)

    def encode() -> Any:
        return np.asarray(whisper.encode(features).to_device(_cpu()))  # done only once it is here, on a GPU too

    encoded = encode()
    shape = shape_of(folder, int(encoded.shape[-1]), mels)
    seconds = _times(encode, runs)
    cost = work(shape)
    fast = found.figures.get("peak_int8") or found.figures.get("peak_float16") or found.figures["peak_float32"]
    slow = found.figures["peak_float32"] if "peak_int8" in found.figures else fast
    bound_s = cost.linear / fast.value + (cost.attention + cost.convolution) / slow.value
    found.figures["encode"] = figure(
        "time to encode a window of 30 s", [1000 * each for each in seconds], "ms", "lower"
    )
    found.figures["reached"] = figure(
        "share of the encoder's bound that is reached",
        [100 * bound_s / each for each in seconds],
        "%",
        "higher",
        depends=False,
    )
    per_s = bound_s / WINDOW_S
    found.figures["bound"] = figure("bound of encoding alone, full windows", [1 / per_s], "x real time")
    found.detail |= {
        "shape": {"width": shape.width, "encoder": shape.encoder_layers, "decoder": shape.decoder_layers},
        "gflop": {
            "linear": cost.linear,
            "attention": cost.attention,
            "convolution": cost.convolution,
            "cross": cost.cross,
            "token": cost.token,
            "per_audio_s": cost.per_audio_s,
        },
        "bound_ms": 1000 * bound_s,
        "achieved_gflops": cost.encode / found.figures["encode"].value * 1000,
    }


def _cpu() -> Any:
    import ctranslate2

    return ctranslate2.Device.cpu


def _peak(device: str, dtype: Any, runs: int) -> list[float]:
    """GFLOP/s of square products of PEAK_SIZE; int8 gives int32 sums."""
    import torch

    size = PEAK_SIZE if device == "cpu" else 4 * PEAK_SIZE
    if dtype == torch.int8:
        left, right = (torch.randint(-128, 127, (size, size), dtype=torch.int8) for _ in range(2))
        multiply: Callable[[], object] = lambda: torch._int_mm(left, right)  # noqa: E731, SLF001 -- torch has no other name
    else:
        left, right = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
        multiply = lambda: torch.mm(left, right)  # noqa: E731

    def settled() -> None:
        multiply()
        if device != "cpu":
            torch.cuda.synchronize()

    return [2 * size**3 / seconds / 1e9 for seconds in _times(settled, runs)]


def _times(act: Callable[[], object], runs: int) -> list[float]:
    act()
    taken = []
    for _ in range(runs):
        began = time.perf_counter()
        act()
        taken.append(time.perf_counter() - began)
    return taken
