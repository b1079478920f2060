"""Makers of test values: words, turns, signals and recordings. Everything said in them is invented."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, cast

import av
import numpy as np
import soundfile

from models.fakes import spoken
from pipeline.audio import Recording
from pipeline.types import Channel, TimeSpan, Turn, Word

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from av.audio.stream import AudioStream
    from numpy.typing import NDArray

    from pipeline.audio import Samples

    Floats = NDArray[np.float64]


def span(start_s: float, end_s: float) -> TimeSpan:
    """A span of time."""
    return TimeSpan(start_s, end_s)


def word(text: str, start_s: float, end_s: float, probability: float = 0.9) -> Word:
    """A word with its times."""
    return Word(text, TimeSpan(start_s, end_s), probability)


def turn(text: str, start_s: float = 0.0, channel: Channel = Channel.CUSTOMER, speaker: str = "") -> Turn:
    """A turn, evenly spoken from ``start_s`` on; the speaker is named by the channel unless said otherwise."""
    return Turn(speaker or channel.value, channel, spoken(text, start_s))


def dialogue(*lines: tuple[Channel, str]) -> tuple[Turn, ...]:
    """Turns one after the other, half a second apart."""
    turns: list[Turn] = []
    for channel, text in lines:
        turns.append(turn(text, turns[-1].span.end_s + 0.5 if turns else 0.0, channel))
    return tuple(turns)


def tone(hertz: float, seconds: float, rate_hz: int, peak: float = 0.3) -> Floats:
    """(time,) a sine."""
    return peak * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate_hz)) / rate_hz)


def voice(seconds: float, rate_hz: int, seed: int = 0) -> Floats:
    """(time,) like speech: a wandering fundamental with harmonics, syllables and breath; below full scale."""
    rng = np.random.default_rng(seed)
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    pitch_hz = 120 + 20 * np.interp(
        times, np.arange(0, seconds + 1, 0.2), rng.standard_normal(len(np.arange(0, seconds + 1, 0.2)))
    )
    phase = 2 * np.pi * np.cumsum(pitch_hz) / rate_hz
    harmonics = sum(np.sin(n * phase + rng.uniform(0, 6)) / n for n in range(1, 12))
    syllables = 0.6 + 0.4 * np.sin(2 * np.pi * 4 * times + rng.uniform(0, 6))
    return 0.12 * syllables * (harmonics + 0.3 * rng.standard_normal(len(times)))


def speaking(spans: Sequence[TimeSpan], duration_s: float, rate_hz: int = 16_000, seed: int = 0) -> Floats:
    """(time,) a voice in the spans and silence elsewhere."""
    samples = np.zeros(round(duration_s * rate_hz))
    for index, each in enumerate(spans):
        first, end = round(each.start_s * rate_hz), round(each.end_s * rate_hz)
        samples[first:end] = voice((end - first) / rate_hz + 0.01, rate_hz, seed + index)[: end - first]
    return samples


def pcm16(samples: Floats) -> NDArray[np.int16]:
    """Float samples as 16-bit ones."""
    return np.round(samples * 32767).astype(np.int16)


def sound_file(
    samples: Samples,
    rate_hz: int,
    container: str = "WAV",
    subtype: str = "PCM_16",
    tags: Mapping[str, str] | None = None,
) -> bytes:
    """(channels, time) written by libsndfile, with text tags such as ``title``."""
    raw = io.BytesIO()
    with soundfile.SoundFile(raw, "w", rate_hz, samples.shape[0], subtype=subtype, format=container) as sound:
        for name, value in (tags or {}).items():
            setattr(sound, name, value)
        sound.write(samples.T)
    return raw.getvalue()


def av_file(
    samples: Samples,
    rate_hz: int,
    container: str,
    codec: str,
    tags: Mapping[str, str] | None = None,
    options: Mapping[str, str] | None = None,
) -> bytes:
    """(channels, time) float samples written by FFmpeg, with container tags."""
    raw = io.BytesIO()
    layout = "mono" if samples.shape[0] == 1 else "stereo"
    with av.open(raw, "w", format=container, options=dict(options or {})) as file:
        file.metadata.update(tags or {})
        stream = cast("AudioStream", file.add_stream(codec, rate=rate_hz, layout=layout))
        converter = av.AudioResampler(stream.codec_context.format, layout, rate_hz)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.astype(np.float32)), "fltp", layout)
        frame.sample_rate, frame.pts = rate_hz, 0
        for converted in (*converter.resample(frame), *converter.resample(None)):
            file.mux(stream.encode(converted))
        file.mux(stream.encode(None))
    return raw.getvalue()


def recording(*files: bytes) -> Recording:
    """A recording of one file, or of one file per leg."""
    return Recording(tuple(lambda raw=raw: io.BytesIO(raw) for raw in files))  # type: ignore[misc]
