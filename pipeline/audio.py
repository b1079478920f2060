"""Decoding: a recording in any of the known containers becomes blocks of samples, one row per channel.

Takes a :class:`Recording` (one file, or one mono file per leg), gives its :class:`AudioFormat` and two views of its
samples: :func:`decode_speech`, 16 kHz float32 for the models, and :func:`decode_native`, the samples as they were
recorded. Both count time in samples from the first one, so a second in one is the same second in the other. At most
one block per channel is in memory. Damage is an error (:class:`~pipeline.errors.BadAudio`), never a shorter call.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, TypeAlias

import numpy as np

from pipeline.errors import BadAudio

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from numpy.typing import NDArray

Samples: TypeAlias = "NDArray[Any]"
"""(channels, time), in the recording's own sample type."""

Speech: TypeAlias = "NDArray[np.float32]"
"""(channels, time), float32 in [-1, 1] at SPEECH_RATE_HZ."""

OpenSource = Callable[[], IO[bytes]]
"""Opens the recording's bytes from the start, readable and seekable."""

SPEECH_RATE_HZ = 16_000
BLOCK_S = 30.72  # whole frames of the voice activity detector
MIN_RATE_HZ, MAX_RATE_HZ = 4_000, 192_000

# A play list or a concatenation script would make the demuxer open other files and addresses.
_DEMUXER_OPTIONS = {
    "format_whitelist": "wav,w64,aiff,au,mp3,ogg,flac,mov,matroska,amr,aac,gsm",
    "protocol_whitelist": "file",
}
_LENGTH_SLACK_S = 0.1
_XING_BEFORE_BYTES = 48  # it follows the first frame's header, checksum and side information
_XING_DELAYS_AT = 141  # bytes from the word "Xing" to the encoder's delays (LAME tag, revision 1)
_RIFF_UNKNOWN_SIZE = 0x7FFF_0000  # writers to a pipe put the largest number they know here


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """How a recording is stored; ``channels`` counts those of the whole recording, all legs together."""

    container: str
    codec: str
    rate_hz: int
    channels: int
    sample_format: str
    bit_rate: int


@dataclass(frozen=True, slots=True)
class Recording:
    """The bytes of one call: one source, or one mono source per leg."""

    sources: tuple[OpenSource, ...]


def probe(recording: Recording) -> AudioFormat:
    """The format of the recording; of several legs, the first one's with all legs as channels.

    Raises:
        BadAudio: not audio, no audio stream, other than one or two channels, an odd rate, or a leg that is not mono.
    """
    formats = [_probe_source(source) for source in recording.sources]
    first = formats[0]
    if len(formats) == 1:
        if first.channels not in (1, 2):
            raise BadAudio(f"the recording has {first.channels} channels; one or two can be told apart")
        return first
    if any(fmt.channels != 1 for fmt in formats):
        raise BadAudio("a leg's file must be mono")
    return AudioFormat(first.container, first.codec, first.rate_hz, len(formats), first.sample_format, first.bit_rate)


def decode_speech(recording: Recording, max_duration_s: float) -> Iterator[Speech]:
    """Blocks of BLOCK_S seconds for the models, the last one shorter; silence pads the shorter of two legs.

    Raises:
        BadAudio: damaged, empty, or longer than ``max_duration_s``.
    """
    streams = [_frames(source, "fltp", SPEECH_RATE_HZ, max_duration_s) for source in recording.sources]
    return _reblock(_side_by_side(streams), int(BLOCK_S * SPEECH_RATE_HZ))


def decode_native(recording: Recording, fmt: AudioFormat, max_duration_s: float) -> Iterator[Samples]:
    """Short blocks in the sample type and rate of ``fmt``.

    Raises:
        BadAudio: damaged, empty, or longer than ``max_duration_s``.
    """
    planar = fmt.sample_format if fmt.sample_format.endswith("p") else fmt.sample_format + "p"
    streams = [_frames(source, planar, fmt.rate_hz, max_duration_s) for source in recording.sources]
    return _reblock(_side_by_side(streams), fmt.rate_hz)


def _probe_source(source: OpenSource) -> AudioFormat:
    with _opened(source) as container:
        stream = container.streams.audio[0]
        context = stream.codec_context
        rate, channels = int(context.sample_rate or 0), int(context.channels or 0)
        if channels == 0:
            raise BadAudio("the recording has no audio channel")
        if not MIN_RATE_HZ <= rate <= MAX_RATE_HZ:
            raise BadAudio(f"the recording states a sample rate of {rate} Hz")
        if context.format is None:
            raise BadAudio("the recording states no sample format")
        return AudioFormat(
            container=container.format.name,
            codec=context.codec.name,
            rate_hz=rate,
            channels=channels,
            sample_format=context.format.name,
            bit_rate=int(context.bit_rate or container.bit_rate or 0),
        )


@contextmanager
def _opened(source: OpenSource) -> Iterator[InputContainer]:
    """An open container with at least one audio stream; every failure of the demuxer is a BadAudio."""
    import av
    from av.error import FFmpegError

    with source() as raw:
        try:
            container = av.open(raw, mode="r", metadata_errors="ignore", options=_DEMUXER_OPTIONS)
        except (FFmpegError, ValueError) as exc:
            raise BadAudio("the file is not a recording in a known format") from exc
        with container:
            if not container.streams.audio:
                raise BadAudio("the file has no audio stream")
            yield container


def _frames(source: OpenSource, sample_format: str, rate_hz: int, max_duration_s: float) -> Iterator[Samples]:
    """(channels, time) pieces of one source in the wanted sample format and rate; checks length as it goes."""
    from av.audio.resampler import AudioResampler
    from av.error import FFmpegError

    with _opened(source) as container:
        stream = container.streams.audio[0]
        layout = "mono" if stream.codec_context.channels == 1 else "stereo"
        resampler = AudioResampler(format=sample_format, layout=layout, rate=rate_hz)
        decoded = total = 0
        source_rate_hz = stream.codec_context.sample_rate
        promised_s = _promised_s(source, container, stream)
        if promised_s is not None and promised_s > max_duration_s:
            raise BadAudio(f"the recording is longer than the limit of {max_duration_s:g} s")
        try:
            for frame in itertools.chain(_decoded(container, stream), (None,)):
                if frame is not None:
                    if frame.sample_rate != source_rate_hz or frame.layout.nb_channels != stream.codec_context.channels:
                        raise BadAudio("the recording changes its format on the way")
                    decoded += frame.samples
                    # A resampler that sees a gap in the stamps would shift everything after it.
                    frame.pts = None
                for piece in resampler.resample(frame) if frame is not None or decoded else ():
                    total += piece.samples
                    if total > max_duration_s * rate_hz:
                        raise BadAudio(f"the recording is longer than the limit of {max_duration_s:g} s")
                    yield piece.to_ndarray()
        except FFmpegError as exc:
            raise BadAudio("the recording is damaged") from exc
        if decoded == 0:
            raise BadAudio("the recording is empty")
        decoded_s = decoded / source_rate_hz
        if promised_s is not None and decoded_s < promised_s - _LENGTH_SLACK_S:
            raise BadAudio(f"the recording is truncated: it states {promised_s:.1f} s and holds {decoded_s:.1f} s")


def _decoded(container: InputContainer, stream: av.AudioStream) -> Iterator[av.AudioFrame]:
    for packet in container.demux(stream):
        # Some Ogg files end in a packet without data, which a decoder refuses; the flush at the end has no stamp.
        if packet.size or packet.pts is None:
            yield from packet.decode()


def _promised_s(source: OpenSource, container: InputContainer, stream: av.AudioStream) -> float | None:
    """How long the container says the audio is, in seconds; None where it does not say, or only estimates.

    FFmpeg shortens a WAV's stated length to what the file holds, and guesses an MP3's from its size when a tag follows
    the audio, so these two headers are read here.
    """
    names = set(container.format.name.split(","))
    if "wav" in names:
        with source() as raw:
            return _riff_promised_s(raw)
    if "mp3" in names:
        with source() as raw:
            return _xing_promised_s(raw, stream.codec_context.sample_rate)
    if not names & {"flac", "mov", "mp4", "m4a", "aiff"}:
        return None
    if stream.duration is None or stream.time_base is None:
        return None
    return float(stream.duration * stream.time_base)


def _riff_promised_s(raw: IO[bytes]) -> float | None:
    """Seconds of audio that a RIFF header states; None for a header written before the length was known."""
    if raw.read(12)[:4] != b"RIFF":
        return None
    bytes_per_s = 0
    while len(header := raw.read(8)) == 8:
        size = int.from_bytes(header[4:], "little")
        if header[:4] == b"data":
            streamed = size == 0 or size >= _RIFF_UNKNOWN_SIZE
            return None if streamed or not bytes_per_s else size / bytes_per_s
        body = raw.read(min(size, 16))
        raw.seek(size + size % 2 - len(body), io.SEEK_CUR)
        if header[:4] == b"fmt ":
            bytes_per_s = int.from_bytes(body[8:12], "little")
    return None


def _xing_promised_s(raw: IO[bytes], rate_hz: int) -> float | None:
    """Seconds of audio that an MP3's first frame states; None where there is no such frame."""
    tag = raw.read(10)
    is_tag = len(tag) == 10 and tag[:3] == b"ID3"
    raw.seek(10 + sum(byte << shift for byte, shift in zip(tag[6:], (21, 14, 7, 0), strict=True)) if is_tag else 0)
    frame = raw.read(_XING_BEFORE_BYTES + _XING_DELAYS_AT + 3)
    at = max(frame.find(name, 0, _XING_BEFORE_BYTES) for name in (b"Xing", b"Info"))
    if at < 0 or len(frame) < at + _XING_DELAYS_AT + 3 or not frame[at + 7] & 1:
        return None
    samples = int.from_bytes(frame[at + 8 : at + 12]) * (1152 if rate_hz >= 32_000 else 576)
    delays = int.from_bytes(frame[at + _XING_DELAYS_AT : at + _XING_DELAYS_AT + 3])
    return (samples - (delays >> 12) - (delays & 0xFFF)) / rate_hz


def _side_by_side(streams: list[Iterator[Samples]]) -> Iterator[Samples]:
    """The streams as channels of one; the shorter ones are continued with silence."""
    if len(streams) == 1:
        yield from streams[0]
        return
    pending: list[Samples | None] = [None] * len(streams)
    ended = [False] * len(streams)
    while True:
        for index, stream in enumerate(streams):
            if pending[index] is None and not ended[index]:
                pending[index] = next(stream, None)
                ended[index] = pending[index] is None
        present = [piece for piece in pending if piece is not None]
        if not present:
            return
        length = min(piece.shape[1] for piece in present)
        silent = np.full((1, length), 128 if present[0].dtype == np.uint8 else 0, present[0].dtype)
        yield np.concatenate([silent if piece is None else piece[:, :length] for piece in pending])
        pending = [None if piece is None or piece.shape[1] == length else piece[:, length:] for piece in pending]


def _reblock(pieces: Iterable[Samples], length: int) -> Iterator[Samples]:
    """The same samples in blocks of ``length``, the last one shorter."""
    held: list[Samples] = []
    count = 0
    for piece in pieces:
        held.append(piece)
        count += piece.shape[1]
        if count >= length:
            joined = np.concatenate(held, axis=1)
            while joined.shape[1] >= length:
                yield joined[:, :length]
                joined = joined[:, length:]
            held, count = [joined], joined.shape[1]
    if count:
        yield np.concatenate(held, axis=1)
