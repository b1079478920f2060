"""The network of pyannote segmentation-3.0, for voice activity and for diarization: PyanNet (SincNet, LSTM, powerset).

Takes the folder of a pyannote segmentation model, gives the network with what it says of its windows and frames.
Weights of PyanNet run in the torch modules below, which compute what pyannote.audio's own compute, bit for bit:
importing that package costs more than loading the weights. Any other architecture is loaded by pyannote.audio.
Nothing in a weight file but tensors and plain values is ever executed, unless pyannote.audio has to load it.
"""

from __future__ import annotations

import itertools
import os
import pickle
import types
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as fn

from pipeline.errors import MissingModel

if TYPE_CHECKING:
    from pathlib import Path

WEIGHTS_FILE: Final = "pytorch_model.bin"
SAMPLE_RATE_HZ: Final = 16_000
_ARCHITECTURE: Final = ("pyannote.audio.models.segmentation.PyanNet", "PyanNet")
_PLAIN: Final = (("collections", "OrderedDict"), ("torch._utils", "_rebuild_tensor_v2"))
_POOL: Final = 3
_FILTERS, _FILTER_SIZE, _MIN_LOW_HZ, _MIN_BAND_HZ = 80, 251, 50, 50
_CHANNELS, _KERNEL = 60, 5


@dataclass(frozen=True, slots=True)
class Segmentation:
    """A loaded network.

    Args:
        net: (windows, 1, samples) to (windows, frames, classes) log probabilities.
        window: samples in a window.
        step_s: seconds from one frame to the next.
        center_s: seconds from the start of the window to the middle of its first frame.
        frames: in a window.
        sets: (classes, local speakers) 1 where a class of the powerset holds a speaker; class 0 holds none.
    """

    net: nn.Module
    window: int
    step_s: float
    center_s: float
    frames: int
    sets: Tensor

    def active(self, windows: Tensor) -> Tensor:
        """(windows, frames, local speakers) bool: who speaks in (windows, samples)."""
        best: Tensor = self.net(windows.unsqueeze(1)).argmax(dim=-1)
        return self.sets[best]


def load_segmentation(folder: Path, device: str) -> Segmentation:
    """The network in a folder, in inference form.

    Raises:
        MissingModel: the weights are not there or cannot be loaded.
    """
    file = folder / WEIGHTS_FILE
    if not file.is_file():
        raise MissingModel(f"weights are missing: {file.name}; fetch them with 'callseal models fetch'")
    checkpoint = _plain(file)
    if checkpoint is None:
        return _by_pyannote(file, device)
    net = PyanNet(checkpoint["hyper_parameters"], len(checkpoint["state_dict"]["classifier.bias"]))
    net.load_state_dict(checkpoint["state_dict"])
    net.eval().requires_grad_(requires_grad=False)
    spec = checkpoint["pyannote.audio"]["specifications"]
    window = round(spec.duration * SAMPLE_RATE_HZ)
    return Segmentation(
        net=net.to(device),
        window=window,
        step_s=net.receptive_step / SAMPLE_RATE_HZ,
        center_s=net.receptive_size / SAMPLE_RATE_HZ / 2,
        frames=net.frames(window),
        sets=_sets(len(spec.classes), spec.powerset_max_classes).to(device),
    )


class PyanNet(nn.Module):
    """The network; its parameters have the names of the published weights.

    Args:
        hyper: of the checkpoint: ``sincnet``, ``lstm`` and ``linear``.
        classes: of the powerset.
    """

    def __init__(self, hyper: dict[str, Any], classes: int) -> None:
        super().__init__()
        lstm = {"batch_first": True, **hyper["lstm"]}
        lstm.pop("monolithic", None)
        self.sincnet = _SincNet(hyper["sincnet"]["stride"])
        self.lstm = nn.LSTM(_CHANNELS, **lstm)
        widths = [lstm["hidden_size"] * (2 if lstm["bidirectional"] else 1)]
        widths += [hyper["linear"]["hidden_size"]] * hyper["linear"]["num_layers"]
        self.linear = nn.ModuleList(nn.Linear(before, after) for before, after in itertools.pairwise(widths))
        self.classifier = nn.Linear(widths[-1], classes)

    def forward(self, waveforms: Tensor) -> Tensor:
        """(windows, frames, classes) log probabilities of (windows, 1, samples)."""
        out, _ = self.lstm(self.sincnet(waveforms).transpose(1, 2))
        for linear in self.linear:
            out = fn.leaky_relu(linear(out))
        return fn.log_softmax(self.classifier(out), dim=-1)

    @property
    def receptive_size(self) -> int:
        """Samples that one frame is computed from."""
        size = 1
        for kernel, stride in reversed(self.sincnet.layers):
            size = (size - 1) * stride + kernel
        return size

    @property
    def receptive_step(self) -> int:
        """Samples from one frame to the next."""
        step = 1
        for _, stride in self.sincnet.layers:
            step *= stride
        return step

    def frames(self, samples: int) -> int:
        """Frames of a window of ``samples``."""
        for kernel, stride in self.sincnet.layers:
            samples = (samples - kernel) // stride + 1
        return samples


class _SincNet(nn.Module):
    """(windows, 60, frames) features of (windows, 1, samples): band-pass filters, then two convolutions."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.layers = tuple(zip((_FILTER_SIZE, 3, _KERNEL, 3, _KERNEL, 3), (stride, 3, 1, 3, 1, 3), strict=True))
        self.wav_norm1d = nn.InstanceNorm1d(1, affine=True)
        narrow = (nn.Conv1d(_FILTERS, _CHANNELS, _KERNEL), nn.Conv1d(_CHANNELS, _CHANNELS, _KERNEL))
        self.conv1d = nn.ModuleList([_BandPass(stride), *narrow])
        self.norm1d = nn.ModuleList(nn.InstanceNorm1d(each, affine=True) for each in (_FILTERS, _CHANNELS, _CHANNELS))

    def forward(self, waveforms: Tensor) -> Tensor:
        out: Tensor = self.wav_norm1d(waveforms)
        for index, (conv, norm) in enumerate(zip(self.conv1d, self.norm1d, strict=True)):
            out = conv(out)
            out = fn.leaky_relu(norm(fn.max_pool1d(out.abs() if index == 0 else out, _POOL)))
        return out


class _BandPass(nn.Module):
    """Learned band-pass filters (Ravanelli and Bengio 2018, "Speaker recognition from raw waveform with SincNet").

    Half of them are even (cosine), half are odd (sine: Pariente et al. 2020, "Filterbank design for end-to-end speech
    separation").
    """

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.filterbank = _Bands()

    def forward(self, waveforms: Tensor) -> Tensor:
        return fn.conv1d(waveforms, self.filterbank.filters(), stride=self.stride)


class _Bands(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        half = _FILTER_SIZE // 2
        self.low_hz_ = nn.Parameter(torch.zeros(_FILTERS // 2, 1))
        self.band_hz_ = nn.Parameter(torch.zeros(_FILTERS // 2, 1))
        self.register_buffer("window_", torch.zeros(half))
        self.register_buffer("n_", torch.zeros(1, half))
        self._made: Tensor | None = None

    def filters(self) -> Tensor:
        """(filters, 1, samples); made once, as the weights do not change here."""
        if self._made is None or self._made.device != self.low_hz_.device:
            self._made = self._computed()
        return self._made

    def _computed(self) -> Tensor:
        times, window = self.get_buffer("n_"), self.get_buffer("window_")
        low = _MIN_LOW_HZ + self.low_hz_.abs()
        high = torch.clamp(low + _MIN_BAND_HZ + self.band_hz_.abs(), _MIN_LOW_HZ, SAMPLE_RATE_HZ / 2)
        band = (high - low)[:, 0]
        from_low, to_high = low @ times, high @ times
        even = (to_high.sin() - from_low.sin()) / (times / 2) * window
        odd = (from_low.cos() - to_high.cos()) / (times / 2) * window
        middle = 2 * band.view(-1, 1)
        cosine = torch.cat([even, middle, even.flip(1)], dim=1)
        sine = torch.cat([odd, torch.zeros_like(middle), -odd.flip(1)], dim=1)
        return torch.cat([each / (2 * band[:, None]) for each in (cosine, sine)]).unsqueeze(1)


def _sets(speakers: int, at_once: int) -> Tensor:
    """(classes, speakers) bool: the sets of at most ``at_once`` speakers, the smallest first."""
    chosen = [each for size in range(at_once + 1) for each in itertools.combinations(range(speakers), size)]
    sets = torch.zeros(len(chosen), speakers, dtype=torch.bool)
    for row, each in enumerate(chosen):
        sets[row, list(each)] = True
    return sets


class _Foreign:
    """Stands for an object of a package that is not imported; what was stored of it are its attributes."""

    def __init__(self, *stored: object) -> None:
        self.stored = stored


class _Unpickler(pickle.Unpickler):
    """Makes tensors and plain values; any other class becomes ``_Foreign``, so that no code of the file runs."""

    def find_class(self, module: str, name: str) -> Any:
        return super().find_class(module, name) if (module, name) in _PLAIN else _Foreign


def _plain(file: Path) -> dict[str, Any] | None:
    """The checkpoint, if it is of a PyanNet that the modules here compute."""
    reader = types.ModuleType("plain_values")
    vars(reader).update(Unpickler=_Unpickler, load=pickle.load)
    try:
        checkpoint: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=False, pickle_module=reader)
        about = checkpoint["pyannote.audio"]
        hyper, spec = checkpoint["hyper_parameters"], about["specifications"]
        known = (
            tuple(about["architecture"][each] for each in ("module", "class")) == _ARCHITECTURE
            and hyper["sample_rate"] == SAMPLE_RATE_HZ
            and hyper["num_channels"] == 1
            and hyper["lstm"]["monolithic"]
            and hyper["linear"]["num_layers"] > 0
            and spec.powerset_max_classes
        )
    except (KeyError, AttributeError, TypeError, RuntimeError, pickle.UnpicklingError):
        return None
    return checkpoint if known else None


def _by_pyannote(file: Path, device: str) -> Segmentation:
    """Another architecture than PyanNet, by pyannote.audio with its telemetry off.

    Raises:
        MissingModel: pyannote.audio cannot load it, or it tells no powerset of speakers.
    """
    # It sends call durations to a collector unless this is set before it is first imported.
    os.environ["PYANNOTE_METRICS_ENABLED"], os.environ["ORT_DISABLE_TELEMETRY"] = "0", "1"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pyannote.audio import Model

        net: Any = Model.from_pretrained(file)
    if net is None or not net.specifications.powerset:
        raise MissingModel("segmentation weights cannot be loaded: callseal models fetch segmentation-3.0")
    spec = net.specifications
    window = round(spec.duration * SAMPLE_RATE_HZ)
    return Segmentation(
        net=net.eval().to(device),
        window=window,
        step_s=net.receptive_field.step,
        center_s=net.receptive_field.duration / 2,
        frames=net.num_frames(window),
        sets=_sets(len(spec.classes), spec.powerset_max_classes).to(device),
    )
