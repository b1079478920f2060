"""Encoding: redacted samples become a recording in the codec family of the original, written strictly forwards.

A muxer goes back to fill in lengths; a sealed stream cannot. So every recording is encoded twice: the first run keeps
only what the muxer went back to change, the second writes the bytes with those changes in their place. Nothing but a
header's worth of bytes is ever held, and no container tag of the original is carried over.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from pipeline.errors import BadAudio, VerificationFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from _typeshed import ReadableBuffer as Buffer
    from av.audio.stream import AudioStream

    from pipeline.audio import AudioFormat, Samples


@dataclass(frozen=True, slots=True)
class _Target:
    """How to write a codec: file suffix, muxer, encoder; ``muxer`` is empty where libsndfile writes it."""

    suffix: str
    muxer: str
    encoder: str
    options: tuple[tuple[str, str], ...] = ()


_BIT_EXACT = (("fflags", "+bitexact"),)  # no encoder's name, no date in the file
_BY_CODEC = {
    "mp3": _Target("mp3", "mp3", "libmp3lame", (("id3v2_version", "0"),)),
    "mp3float": _Target("mp3", "mp3", "libmp3lame", (("id3v2_version", "0"),)),
    "opus": _Target("ogg", "ogg", "libopus"),
    "libopus": _Target("ogg", "ogg", "libopus"),
    "vorbis": _Target("ogg", "", "VORBIS"),
    "flac": _Target("flac", "flac", "flac"),
    "aac": _Target("m4a", "ipod", "aac"),
    "alac": _Target("m4a", "ipod", "alac"),
    "gsm_ms": _Target("wav", "", "GSM610"),
    "gsm": _Target("wav", "", "GSM610"),
}
_LOSSY_MIN_BIT_RATE = 8_000


def suffix(fmt: AudioFormat) -> str:
    """The file name suffix, without a dot, of a recording that :func:`encode` writes for this format."""
    return _target(fmt).suffix


def encode(blocks: Callable[[], Iterable[Samples]], fmt: AudioFormat, out: Callable[[bytes], Any]) -> None:
    """Write the blocks in the codec family, rate and channel count of ``fmt``.

    Args:
        blocks: gives the same (channels, time) blocks each time it is called, in the sample type of ``fmt``.
        fmt: of the original recording.
        out: receives the file's bytes in order.

    Raises:
        BadAudio: the codec can be read but not written.
        VerificationFailed: the two runs differ, so the output cannot be trusted.
        Exception: whatever ``out`` raises.
    """
    dry = _ForwardFile(out=None, expected={})
    _mux(blocks(), fmt, dry)
    wet = _ForwardFile(out=out, expected=dry.changes)
    _mux(_while_written(blocks(), wet), fmt, wet)
    wet.check()
    if wet.changes != dry.changes or wet.length != dry.length:
        raise VerificationFailed("two runs of the encoder differ")


def _while_written(blocks: Iterable[Samples], file: _ForwardFile) -> Iterator[Samples]:
    for block in blocks:
        file.check()
        yield block


def _target(fmt: AudioFormat) -> _Target:
    if fmt.codec.startswith("pcm_") and not fmt.codec.endswith("be"):
        return _Target("wav", "wav", fmt.codec)
    if fmt.codec.startswith("gsm") and fmt.channels > 1:
        return _Target("wav", "wav", "pcm_mulaw")  # two GSM legs; GSM itself has one channel
    if fmt.codec in _BY_CODEC:
        return _BY_CODEC[fmt.codec]
    raise BadAudio(f"recordings in {fmt.codec} can be read but not written")


def _mux(blocks: Iterable[Samples], fmt: AudioFormat, file: _ForwardFile) -> None:
    target = _target(fmt)
    if target.muxer:
        _mux_av(blocks, fmt, target, file)
    else:
        _mux_sndfile(blocks, fmt, target, file)


def _mux_av(blocks: Iterable[Samples], fmt: AudioFormat, target: _Target, file: _ForwardFile) -> None:
    import av
    from av.audio.resampler import AudioResampler
    from av.error import FFmpegError

    layout = "mono" if fmt.channels == 1 else "stereo"
    try:
        with av.open(file, mode="w", format=target.muxer, options=dict(_BIT_EXACT + target.options)) as container:
            stream = cast("AudioStream", container.add_stream(target.encoder, rate=fmt.rate_hz, layout=layout))
            stream.codec_context.flags |= av.codec.context.Flags.bitexact.value
            if not target.encoder.startswith(("pcm_", "flac", "alac")) and fmt.bit_rate:
                stream.bit_rate = max(fmt.bit_rate, _LOSSY_MIN_BIT_RATE)
            stream.codec_context.format = _encoder_format(fmt, target.encoder)
            resampler = AudioResampler(stream.codec_context.format, layout, fmt.rate_hz)
            for frame in _av_frames(blocks, fmt, layout):
                for converted in resampler.resample(frame):
                    container.mux(stream.encode(converted))
            for converted in resampler.resample(None):
                container.mux(stream.encode(converted))
            container.mux(stream.encode(None))
    except FFmpegError as exc:
        raise BadAudio(f"a recording in {fmt.codec} at {fmt.rate_hz} Hz cannot be written") from exc


def _av_frames(blocks: Iterable[Samples], fmt: AudioFormat, layout: str) -> Iterator[Any]:
    import av
    import numpy as np

    planar = fmt.sample_format if fmt.sample_format.endswith("p") else fmt.sample_format + "p"
    position = 0
    for block in blocks:
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format=planar, layout=layout)
        frame.sample_rate, frame.pts = fmt.rate_hz, position
        position += block.shape[1]
        yield frame


def _encoder_format(fmt: AudioFormat, encoder: str) -> str:
    """The encoder's sample format that is nearest to the recording's, packed or planar."""
    from av.codec import Codec

    supported = [each.name for each in Codec(encoder, "w").audio_formats or ()]
    base = fmt.sample_format.removesuffix("p")
    for wanted in (base, base + "p", "flt", "fltp", "s32", "s32p"):
        if wanted in supported:
            return wanted
    return supported[0]


def _mux_sndfile(blocks: Iterable[Samples], fmt: AudioFormat, target: _Target, file: _ForwardFile) -> None:
    import soundfile

    container = "WAV" if target.suffix == "wav" else "OGG"
    with soundfile.SoundFile(
        file, "w", fmt.rate_hz, fmt.channels, subtype=target.encoder, format=container, closefd=False
    ) as sound:
        for block in blocks:
            sound.write(block.T)


class _ForwardFile(io.RawIOBase):
    """A file that passes bytes on in order and holds only what is changed after it was written.

    Args:
        out: receives the bytes; None in the run that finds the changes.
        expected: byte values by position that the muxer will go back and write.
    """

    def __init__(self, out: Callable[[bytes], Any] | None, expected: dict[int, int]) -> None:
        super().__init__()
        self._out = out
        self._expected = expected
        self._last_expected = max(expected, default=-1)
        self._position = 0
        self._failure: BaseException | None = None
        self.length = 0
        self.changes: dict[int, int] = {}

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.length}[whence]
        return self._position

    def write(self, data: Buffer) -> int:
        raw = bytes(data)
        if self._position > self.length:
            raise VerificationFailed("the encoder left a hole in its output")
        again = min(len(raw), self.length - self._position)
        self.changes.update(enumerate(raw[:again], self._position))
        self._append(raw[again:])
        self._position += len(raw)
        return len(raw)

    def _append(self, fresh: bytes) -> None:
        if fresh and self._out is not None:
            if self.length <= self._last_expected:
                patched = bytearray(fresh)
                for position, value in self._expected.items():
                    if 0 <= position - self.length < len(patched):
                        patched[position - self.length] = value
                fresh = bytes(patched)
            self._pass_on(fresh)
        self.length += len(fresh)

    def _pass_on(self, fresh: bytes) -> None:
        """Keep a failure for :meth:`check`: the muxers are C code, through which an exception is lost or renamed."""
        if self._failure is None and self._out is not None:
            try:
                self._out(fresh)
            except BaseException as exc:  # noqa: BLE001 -- raised by check
                self._failure = exc

    def check(self) -> None:
        """Raise what the receiver of the bytes raised."""
        if self._failure is not None:
            raise self._failure
