"""Files as telephone systems leave them: G.711, GSM, Opus, MP3 and PCM, one or two channels.

Opus and GSM at these rates would mix the two sides of a stereo file (or refuse it), so for stereo each leg goes
through the codec on its own and the result is stored as PCM, as conference recorders do.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import soundfile as sf

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.corpus.sounds import Samples

RATES_HZ = {"wide": 16_000}
NAMES = ("mulaw", "alaw", "gsm", "opus8", "mp3_16", "mp3_32", "pcm8", "wide")
_WAV_SUBTYPES = {"mulaw": "ULAW", "alaw": "ALAW", "pcm8": "PCM_16", "wide": "PCM_16", "gsm": "GSM610"}


def rate_of(codec: str) -> int:
    """Sampling rate of the line, Hz."""
    return RATES_HZ.get(codec, 8_000)


def write(stem: Path, samples: Samples, codec: str) -> str:
    """Write ``samples`` (time, channels) beside ``stem``; returns the file's name.

    Raises:
        KeyError: no such codec.
    """
    rate = rate_of(codec)
    stereo = samples.shape[1] > 1
    if codec in {"gsm", "opus8"} and stereo:
        legs = [_through(samples[:, [i]], codec, rate) for i in range(samples.shape[1])]
        return _write_wav(stem, np.concatenate(legs, axis=1), "PCM_16", rate)
    if codec in _WAV_SUBTYPES:
        return _write_wav(stem, samples, _WAV_SUBTYPES[codec], rate)
    suffix = ".opus" if codec == "opus8" else ".mp3"
    path = stem.with_suffix(suffix)
    path.write_bytes(_encode(samples, codec, rate))
    return path.name


def _write_wav(stem: Path, samples: Samples, subtype: str, rate_hz: int) -> str:
    path = stem.with_suffix(".wav")
    sf.write(path, samples, rate_hz, subtype=subtype, format="WAV")
    return path.name


def _through(leg: Samples, codec: str, rate_hz: int) -> Samples:
    """One leg (time, 1) encoded and decoded again, at its own rate and length."""
    if codec == "gsm":
        buffer = io.BytesIO()
        sf.write(buffer, leg, rate_hz, subtype="GSM610", format="WAV")
        buffer.seek(0)
        decoded, _ = sf.read(buffer, dtype="float32", always_2d=True)
    else:
        decoded = decode(_encode(leg, codec, rate_hz), rate_hz)
    out = np.zeros_like(leg)
    count = min(len(leg), len(decoded))
    out[:count] = decoded[:count]
    return out


def _encode(samples: Samples, codec: str, rate_hz: int) -> bytes:
    channels = samples.shape[1]
    buffer = io.BytesIO()
    name, container = ("libopus", "ogg") if codec == "opus8" else ("libmp3lame", "mp3")
    kbit = 8 if codec == "opus8" else int(codec.split("_")[1])
    options = {"application": "voip"} if codec == "opus8" else {"joint_stereo": "0"}
    layout = "stereo" if channels > 1 else "mono"
    with av.open(buffer, "w", format=container) as output:
        stream: Any = output.add_stream(name, rate=rate_hz, options=options, layout=layout)
        stream.bit_rate = kbit * 1000 * channels
        pcm = (np.clip(samples, -1, 1) * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(pcm.reshape(1, -1), format="s16", layout=layout)
        frame.sample_rate = rate_hz
        for packet in [*_resampled(frame, stream), *stream.encode(None)]:
            output.mux(packet)
    return buffer.getvalue()


def _resampled(frame: Any, stream: Any) -> list[Any]:
    resampler = av.AudioResampler(
        format=stream.codec_context.format,
        layout=frame.layout,
        rate=frame.sample_rate,
        frame_size=stream.codec_context.frame_size,
    )
    packets: list[Any] = []
    for part in [*resampler.resample(frame), *resampler.resample(None)]:
        packets.extend(stream.encode(part))
    return packets


def decode(source: bytes | Path, rate_hz: int) -> Samples:
    """A whole file as (time, channels) float32 at ``rate_hz``: for short test calls only."""
    opened: Any = io.BytesIO(source) if isinstance(source, bytes) else str(source)
    parts: list[Any] = []
    with av.open(opened) as container:
        stream: Any = container.streams.audio[0]
        resampler = av.AudioResampler(format="fltp", layout=stream.layout, rate=rate_hz)
        for frame in container.decode(stream):
            parts.extend(part.to_ndarray() for part in resampler.resample(frame))
        parts.extend(part.to_ndarray() for part in resampler.resample(None))
    return np.concatenate(parts, axis=1).T.astype(np.float32)
