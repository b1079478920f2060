"""CAM++ speaker embeddings: a two-dimensional convolution front end before a densely connected TDNN.

Takes 16 kHz speech as 80-bin Kaldi filterbanks, gives one 192-d vector per utterance, and promises nothing about
identity: the vectors only compare voices inside one call and are never stored (a stored one is a voiceprint).

Architecture: Wang et al., "CAM++: A Fast and Efficient Network for Speaker Verification Using Context-Aware
Masking", Interspeech 2023. Attribute names follow the published weights, because a state dict is keyed by them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchaudio.compliance import kaldi  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from pathlib import Path

SAMPLE_RATE_HZ = 16_000
FRAME_STEP_S = 0.010
FRAME_STEP_SAMPLES = 160
FRAME_LENGTH_SAMPLES = 400
MEL_BINS = 80
EMBEDDING_SIZE = 192

_GROWTH = 32
_BOTTLENECK = 128
_CONTEXT_FRAMES = 100  # local context of the mask, in frames of the TDNN
# (layers, dilation) of the three dense blocks; the kernel is 3 throughout.
_BLOCKS = ((12, 1), (24, 2), (16, 2))


def fbank(samples: Tensor) -> Tensor:
    """(frames, 80) log mel filterbank of (time,) samples in [-1, 1], one frame per 10 ms, not yet normalised.

    Dither is off so that the same audio always gives the same embedding.
    """
    features: Tensor = kaldi.fbank(samples[None], num_mel_bins=MEL_BINS, sample_frequency=SAMPLE_RATE_HZ, dither=0.0)
    return features


class _BatchNormRelu(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.batchnorm: nn.Module = nn.BatchNorm1d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.batchnorm(x), inplace=True)


class _ResidualBlock(nn.Module):
    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, stride=(stride, 1), padding=1, bias=False)
        self.bn1: nn.Module = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2: nn.Module = nn.BatchNorm2d(channels)
        self.shortcut = nn.Sequential()
        if stride != 1:
            self.shortcut.append(nn.Conv2d(channels, channels, 1, stride=(stride, 1), bias=False))
            self.shortcut.append(nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        out = functional.relu(self.bn1(self.conv1(x)), inplace=True)
        out = self.bn2(self.conv2(out))
        return functional.relu(out + self.shortcut(x), inplace=True)


class _FrontEnd(nn.Module):
    """(batch, frames, 80) filterbanks to (batch, 320, frames): frequency is divided by 8, time is kept."""

    def __init__(self, channels: int = 32) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, channels, 3, padding=1, bias=False)
        self.bn1: nn.Module = nn.BatchNorm2d(channels)
        self.layer1 = nn.Sequential(_ResidualBlock(channels, 2), _ResidualBlock(channels, 1))
        self.layer2 = nn.Sequential(_ResidualBlock(channels, 2), _ResidualBlock(channels, 1))
        self.conv2 = nn.Conv2d(channels, channels, 3, stride=(2, 1), padding=1, bias=False)
        self.bn2: nn.Module = nn.BatchNorm2d(channels)

    def forward(self, features: Tensor) -> Tensor:
        x = features.transpose(1, 2).unsqueeze(1)
        x = functional.relu(self.bn1(self.conv1(x)), inplace=True)
        x = self.layer2(self.layer1(x))
        x = functional.relu(self.bn2(self.conv2(x)), inplace=True)
        return x.flatten(1, 2)


class _ContextMaskedConvolution(nn.Module):
    """A convolution over time whose output is gated by what the whole utterance and its neighbourhood sound like."""

    def __init__(self, dilation: int) -> None:
        super().__init__()
        self.linear_local = nn.Conv1d(_BOTTLENECK, _GROWTH, 3, padding=dilation, dilation=dilation, bias=False)
        self.linear1 = nn.Conv1d(_BOTTLENECK, _BOTTLENECK // 2, 1)
        self.linear2 = nn.Conv1d(_BOTTLENECK // 2, _GROWTH, 1)

    def forward(self, x: Tensor) -> Tensor:
        frames = x.shape[-1]
        local = functional.avg_pool1d(x, _CONTEXT_FRAMES, stride=_CONTEXT_FRAMES, ceil_mode=True)
        context = x.mean(-1, keepdim=True) + local
        gate = torch.sigmoid(self.linear2(functional.relu(self.linear1(context))))
        # The gate is constant inside a neighbourhood, so it is computed once per neighbourhood and then repeated.
        masked: Tensor = self.linear_local(x) * gate.repeat_interleave(_CONTEXT_FRAMES, dim=-1)[..., :frames]
        return masked


class _DenseLayer(nn.Module):
    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.nonlinear1 = _BatchNormRelu(channels)
        self.linear1: nn.Module = nn.Conv1d(channels, _BOTTLENECK, 1, bias=False)
        self.nonlinear2 = _BatchNormRelu(_BOTTLENECK)
        self.cam_layer = _ContextMaskedConvolution(dilation)

    def forward(self, x: Tensor) -> Tensor:
        grown: Tensor = self.cam_layer(self.nonlinear2(self.linear1(self.nonlinear1(x))))
        return grown


class _DenseBlock(nn.Module):
    def __init__(self, channels: int, layers: int, dilation: int) -> None:
        super().__init__()
        for index in range(layers):
            self.add_module(f"tdnnd{index + 1}", _DenseLayer(channels + index * _GROWTH, dilation))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.children():
            x = torch.cat([x, layer(x)], dim=1)
        return x


class _Transition(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.nonlinear = _BatchNormRelu(channels)
        self.linear = nn.Conv1d(channels, channels // 2, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        projected: Tensor = self.linear(self.nonlinear(x))
        return projected


class _InputConvolution(nn.Module):
    """The only layer that shortens time: two filterbank frames become one."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.linear: nn.Module = nn.Conv1d(320, channels, 5, stride=2, padding=2, bias=False)
        self.nonlinear = _BatchNormRelu(channels)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.nonlinear(self.linear(x))
        return out


class _Projection(nn.Module):
    """(batch, 1024) statistics to a (batch, 192) embedding; the last normalisation has no learned scale."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.linear = nn.Conv1d(channels, EMBEDDING_SIZE, 1, bias=False)
        self.nonlinear = nn.ModuleDict({"batchnorm": nn.BatchNorm1d(EMBEDDING_SIZE, affine=False)})

    def forward(self, x: Tensor) -> Tensor:
        embedding: Tensor = self.nonlinear["batchnorm"](self.linear(x.unsqueeze(-1)).squeeze(-1))
        return embedding


class CamPlusPlus(nn.Module):
    """The network; weights are loaded with ``load_campplus``."""

    def __init__(self) -> None:
        super().__init__()
        self.head = _FrontEnd()
        channels = _BOTTLENECK
        self.xvector = nn.Sequential()
        self.xvector.add_module("tdnn", _InputConvolution(channels))
        for index, (layers, dilation) in enumerate(_BLOCKS, start=1):
            self.xvector.add_module(f"block{index}", _DenseBlock(channels, layers, dilation))
            channels += layers * _GROWTH
            self.xvector.add_module(f"transit{index}", _Transition(channels))
            channels //= 2
        self.xvector.add_module("out_nonlinear", _BatchNormRelu(channels))
        self.xvector.add_module("stats", _Statistics())
        self.xvector.add_module("dense", _Projection(2 * channels))

    def forward(self, features: Tensor) -> Tensor:
        """(batch, 192) embeddings of (batch, frames, 80) filterbanks; every row is mean-normalised here.

        Rows of one batch have the same length: ``frames`` is at least 4, so that the spread over time exists.
        """
        centred = features - features.mean(dim=1, keepdim=True)
        embedding: Tensor = self.xvector(self.head(centred))
        return embedding


class _Statistics(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x.mean(dim=-1), x.std(dim=-1, unbiased=True)], dim=-1)


def load_campplus(weights: Path) -> CamPlusPlus:
    """The network in inference form, read from the published state dict.

    Raises:
        RuntimeError: the file holds other weights than these.
    """
    net = CamPlusPlus()
    net.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    net.eval()
    _fuse(net)
    net.head.to(memory_format=torch.channels_last)
    return net.requires_grad_(requires_grad=False)


def _fuse(net: CamPlusPlus) -> None:
    """Folds each normalisation that directly follows a convolution into it: same function, fewer passes."""
    for block in [net.head, *net.head.layer1, *net.head.layer2]:
        for number in ("1", "2"):
            _fold(block, f"conv{number}", block, f"bn{number}")
        if isinstance(block, _ResidualBlock) and len(block.shortcut):
            _fold(block.shortcut, "0", block.shortcut, "1")
    for module in net.modules():
        if isinstance(module, _DenseLayer):
            _fold(module, "linear1", module.nonlinear2, "batchnorm")
        if isinstance(module, _InputConvolution):
            _fold(module, "linear", module.nonlinear, "batchnorm")


def _fold(owner: nn.Module, conv: str, norm_owner: nn.Module, norm: str) -> None:
    setattr(owner, conv, fuse_conv_bn_eval(getattr(owner, conv), getattr(norm_owner, norm)))
    setattr(norm_owner, norm, nn.Identity())
