"""Decoding: every recording we say we read is read whole, and what is damaged is refused rather than shortened."""

# ruff: noqa: SLF001 -- bounded memory and order of writes are seen from inside only

from __future__ import annotations

import io
import wave
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import audio
from pipeline.audio import SPEECH_RATE_HZ, decode_native, decode_speech, probe
from pipeline.errors import BadAudio, StoreUnavailable
from tests.factories import av_file, pcm16, recording, sound_file, voice

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeline.audio import AudioFormat, Recording, Samples

LIMIT_S = 60.0
LENGTH_S = 1.5
CODEC_DELAY_S = 0.08  # what an encoder may add at the start or the end


def legs(channels: int, rate_hz: int, seconds: float = LENGTH_S) -> Samples:
    """(channels, time) voices, a different one on each channel."""
    return np.stack([voice(seconds, rate_hz, seed) for seed in range(channels)])


def native(call: Recording, limit_s: float = LIMIT_S) -> tuple[AudioFormat, Samples]:
    """The format and all native samples."""
    fmt = probe(call)
    return fmt, np.concatenate(list(decode_native(call, fmt, limit_s)), axis=1)


def speech(call: Recording, limit_s: float = LIMIT_S) -> Samples:
    """All samples as the models hear them."""
    return np.concatenate(list(decode_speech(call, limit_s)), axis=1)


def riff(data_size: int | None = None, frames: bytes = b"\1\0" * 8000) -> bytes:
    """A mono 8 kHz WAV whose data chunk states ``data_size`` bytes."""
    raw = io.BytesIO()
    with wave.open(raw, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(frames)
    whole = bytearray(raw.getvalue())
    if data_size is not None:
        whole[40:44] = data_size.to_bytes(4, "little")
    return bytes(whole)


WRITERS: dict[str, Callable[[Samples, int], bytes]] = {
    "WAV PCM 8": lambda x, rate: sound_file(x, rate, subtype="PCM_U8"),
    "WAV PCM 16": lambda x, rate: sound_file(x, rate, subtype="PCM_16"),
    "WAV PCM 24": lambda x, rate: sound_file(x, rate, subtype="PCM_24"),
    "WAV PCM 32": lambda x, rate: sound_file(x, rate, subtype="PCM_32"),
    "WAV float": lambda x, rate: sound_file(x, rate, subtype="FLOAT"),
    "WAV double": lambda x, rate: sound_file(x, rate, subtype="DOUBLE"),
    "WAV extensible": lambda x, rate: sound_file(x, rate, container="WAVEX"),
    "RF64": lambda x, rate: sound_file(x, rate, container="RF64"),
    "WAV mu-law": lambda x, rate: sound_file(x, rate, subtype="ULAW"),
    "WAV A-law": lambda x, rate: sound_file(x, rate, subtype="ALAW"),
    "AU mu-law": lambda x, rate: sound_file(x, rate, container="AU", subtype="ULAW"),
    "AIFF": lambda x, rate: sound_file(x, rate, container="AIFF"),
    "FLAC": lambda x, rate: sound_file(x, rate, container="FLAC"),
    "Ogg Vorbis": lambda x, rate: sound_file(x, rate, container="OGG", subtype="VORBIS"),
}


@pytest.mark.parametrize("rate_hz", [8000, 11025, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("name", WRITERS)
def test_every_container_is_read_whole(name: str, channels: int, rate_hz: int) -> None:
    """Every sample of a lossless or logarithmic recording is read, at its own rate and at the models' rate."""
    samples = legs(channels, rate_hz)
    call = recording(WRITERS[name](samples, rate_hz))
    fmt, decoded = native(call)
    assert (fmt.rate_hz, fmt.channels) == (rate_hz, channels)
    assert decoded.shape == samples.shape
    heard = speech(call)
    assert heard.dtype == np.float32
    assert heard.shape[0] == channels
    assert heard.shape[1] == pytest.approx(samples.shape[1] * SPEECH_RATE_HZ / rate_hz, abs=2)


@pytest.mark.parametrize("name", WRITERS)
def test_a_channel_stays_where_it_is(name: str) -> None:
    """What one leg says is heard on that leg only."""
    samples = legs(2, 8000)
    samples[1] = 0
    heard = speech(recording(WRITERS[name](samples, 8000)))
    assert np.abs(heard[0]).max() > 0.05
    assert np.abs(heard[1]).max() < 0.02


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(
    ("container", "codec", "rate_hz"),
    [
        ("mp3", "libmp3lame", 8000),
        ("mp3", "libmp3lame", 11025),
        ("mp3", "libmp3lame", 44100),
        ("ogg", "libopus", 48000),
        ("webm", "libopus", 48000),
        ("ipod", "aac", 44100),
        ("ipod", "aac", 8000),
        ("ipod", "alac", 44100),
        ("adts", "aac", 48000),
    ],
)
def test_compressed_recordings(container: str, codec: str, rate_hz: int, channels: int) -> None:
    """A lossy recording is read to its length, give or take what its encoder adds, and still sounds like the call."""
    samples = legs(channels, rate_hz)
    call = recording(av_file(samples, rate_hz, container, codec))
    fmt, decoded = native(call)
    assert (fmt.rate_hz, fmt.channels, decoded.shape[0]) == (rate_hz, channels, channels)
    assert decoded.shape[1] == pytest.approx(samples.shape[1], abs=CODEC_DELAY_S * rate_hz)
    length = min(decoded.shape[1], samples.shape[1])
    spectrum = np.fft.rfft(samples[0, :length]) * np.conj(np.fft.rfft(decoded[0, :length].astype(float)))
    peak = np.abs(np.fft.irfft(spectrum)).max()
    assert peak / (np.linalg.norm(samples[0, :length]) * np.linalg.norm(decoded[0, :length].astype(float))) > 0.8


@pytest.mark.parametrize("container", ["WAV", "RAW"])
def test_gsm(container: str) -> None:
    """GSM 06.10 is read from a WAV and from a bare stream of frames."""
    fmt, decoded = native(recording(sound_file(legs(1, 8000), 8000, container=container, subtype="GSM610")))
    assert (fmt.rate_hz, fmt.channels) == (8000, 1)
    assert decoded.shape[1] == pytest.approx(LENGTH_S * 8000, abs=320)


def test_two_legs_of_different_length_and_rate() -> None:
    """Two legs become the channels of one recording, in order; the shorter one ends in silence."""
    call = recording(sound_file(legs(1, 8000, 1.0), 8000), av_file(legs(1, 44100, 2.0), 44100, "mp3", "libmp3lame"))
    fmt, decoded = native(call)
    assert (fmt.codec, fmt.rate_hz, fmt.channels) == ("pcm_s16le", 8000, 2)
    assert decoded.shape[1] == pytest.approx(2.0 * 8000, abs=CODEC_DELAY_S * 8000)
    assert np.abs(decoded[0, :8000]).max() > 1000
    assert not decoded[0, 8000:].any()
    assert np.abs(decoded[1, 9000:15000]).max() > 1000
    assert speech(call).shape[1] / SPEECH_RATE_HZ == pytest.approx(decoded.shape[1] / 8000, abs=0.001)


def test_silence_of_unsigned_samples_is_the_middle() -> None:
    """The silence that pads an unsigned 8-bit leg is 128, not the lowest value, which would be a loud click."""
    call = recording(*(sound_file(legs(1, 8000, each), 8000, subtype="PCM_U8") for each in (0.5, 1.0)))
    _, decoded = native(call)
    assert (decoded[0, 4000:] == 128).all()


def test_legs_must_be_mono() -> None:
    """A stereo file for one leg is refused: nobody can say who is on it."""
    mono, stereo = sound_file(legs(1, 8000), 8000), sound_file(legs(2, 8000), 8000)
    with pytest.raises(BadAudio, match="mono"):
        probe(recording(mono, stereo))


@pytest.mark.parametrize("channels", [3, 6])
def test_more_than_two_channels(channels: int) -> None:
    """A recording with more channels than two ends of a line is refused."""
    with pytest.raises(BadAudio, match=f"{channels} channels"):
        probe(recording(sound_file(legs(channels, 8000), 8000)))


def test_no_channel() -> None:
    """A header that states no channel is refused."""
    broken = bytearray(riff())
    broken[22:24] = b"\0\0"
    with pytest.raises(BadAudio):
        native(recording(bytes(broken)))


@pytest.mark.parametrize("rate_hz", [0, 1, 1000, 3_000_000])
def test_rates_that_no_telephone_has(rate_hz: int) -> None:
    """A rate that no speech can be heard at, or that would blow memory up, is refused."""
    broken = bytearray(riff())
    broken[24:28] = rate_hz.to_bytes(4, "little")
    with pytest.raises(BadAudio):
        native(recording(bytes(broken)))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\0" * 4096,
        b"This is a letter and no call.\n" * 50,
        b"RIFF\0\0\0\0WAVE",
        riff()[:44],
        b"%PDF-1.7\n" + bytes(range(256)) * 8,
    ],
    ids=["empty", "zeros", "text", "riff only", "header only", "pdf"],
)
def test_what_is_no_recording(raw: bytes) -> None:
    """What holds no sound is refused as bad audio, whatever it is."""
    with pytest.raises(BadAudio):
        native(recording(raw))


@pytest.mark.parametrize(
    "whole",
    [
        sound_file(legs(2, 8000, 4.0), 8000),
        sound_file(legs(1, 8000, 4.0), 8000, subtype="ULAW"),
        sound_file(legs(1, 8000, 4.0), 8000, container="FLAC"),
        av_file(legs(1, 44100, 4.0), 44100, "mp3", "libmp3lame"),
        av_file(legs(1, 44100, 4.0), 44100, "ipod", "aac", options={"moov_size": "8192"}),
    ],
    ids=["wav", "mu-law", "flac", "mp3 with Xing", "m4a"],
)
@pytest.mark.parametrize("share", [0.3, 0.7, 0.95])
def test_truncated(whole: bytes, share: float) -> None:
    """A recording that ends before its header says is refused, never taken for a shorter call."""
    assert native(recording(whole))[1].shape[1] > 0
    with pytest.raises(BadAudio):
        native(recording(whole[: int(len(whole) * share)]))


def test_tags_do_not_make_an_mp3_look_truncated() -> None:
    """A tag behind the audio changes the size of the file and not what it promises; a cut before it is still seen."""
    whole = av_file(legs(1, 8000, 4.0), 8000, "mp3", "libmp3lame", {"title": "a title"})
    tag = b"TAG" + bytes(125)
    assert native(recording(whole + tag))[1].shape[1] == pytest.approx(4.0 * 8000, abs=0.15 * 8000)
    with pytest.raises(BadAudio):
        native(recording(whole[: len(whole) * 3 // 4] + tag))


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFF000])
def test_streamed_wav_is_read_to_its_end(size: int) -> None:
    """A WAV written to a pipe, whose header could not know the length, is read as far as it goes."""
    _, decoded = native(recording(riff(size)))
    assert decoded.shape[1] == 8000


def test_format_change_on_the_way_is_refused() -> None:
    """A chained Ogg whose second part is at another rate is not glued together."""
    first = sound_file(legs(1, 8000), 8000, container="OGG", subtype="VORBIS")
    second = sound_file(legs(1, 16000), 16000, container="OGG", subtype="VORBIS")
    with pytest.raises(BadAudio):
        native(recording(first + second))


def test_too_long() -> None:
    """A recording beyond the limit is refused, in both views, and one exactly at it is not."""
    call = recording(sound_file(legs(1, 8000, 2.0), 8000))
    assert native(call, 2.0)[1].shape[1] == 16000
    for decode in (native, speech):
        with pytest.raises(BadAudio, match=r"longer than the limit of 1\.9 s"):
            decode(call, 1.9)


@pytest.mark.parametrize(
    "playlist",
    [
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{path}\n#EXT-X-ENDLIST\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfile://{path}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile {path}\n",
        "ffconcat version 1.0\nfile other.wav\n",
        "<?xml version='1.0'?><MPD><Period><AdaptationSet><BaseURL>{path}</BaseURL></AdaptationSet></Period></MPD>",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\na=control:{path}\n",
    ],
    ids=["hls", "hls with protocol", "concat", "concat beside", "dash", "sdp"],
)
def test_a_playlist_opens_nothing(playlist: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A play list that names a real recording is refused: a caller's file must not read other files or addresses."""
    monkeypatch.chdir(tmp_path)
    other = tmp_path / "other.wav"
    other.write_bytes(sound_file(legs(1, 8000), 8000))
    with pytest.raises(BadAudio, match="known format"):
        probe(recording(playlist.format(path=other).encode()))


@settings(max_examples=25)
@given(
    st.lists(st.integers(0, 400), min_size=1, max_size=20),
    st.integers(1, 700),
)
def test_blocks_hold_the_same_samples_however_they_come(sizes: list[int], length: int) -> None:
    """Blocks are whole but for the last, and joined they are what came in, wherever the pieces began and ended."""
    whole = np.arange(sum(sizes))[np.newaxis]
    pieces = np.split(whole, np.cumsum(sizes)[:-1], axis=1)
    blocks = list(audio._reblock(pieces, length))
    assert all(block.shape[1] == length for block in blocks[:-1])
    assert all(0 < block.shape[1] <= length for block in blocks)
    assert np.array_equal(np.concatenate([np.zeros((1, 0), int), *blocks], axis=1), whole)


@settings(max_examples=25)
@given(
    st.lists(st.integers(1, 300), max_size=12),
    st.lists(st.integers(1, 300), max_size=12),
)
def test_legs_stay_side_by_side_however_they_come(left: list[int], right: list[int]) -> None:
    """Two legs keep each sample at its own time, and silence follows the end of the shorter one."""

    def pieces(sizes: list[int], sign: int) -> list[Samples]:
        whole = sign * np.arange(1, sum(sizes) + 1)[np.newaxis]
        return np.split(whole, np.cumsum(sizes)[:-1], axis=1) if sizes else []

    blocks = list(audio._side_by_side([iter(pieces(left, 1)), iter(pieces(right, -1))]))
    joined = np.concatenate([np.zeros((2, 0), int), *blocks], axis=1)
    assert joined.shape[1] == max(sum(left), sum(right))
    for row, sizes, sign in ((0, left, 1), (1, right, -1)):
        assert np.array_equal(joined[row, : sum(sizes)], sign * np.arange(1, sum(sizes) + 1))
        assert not joined[row, sum(sizes) :].any()


@pytest.mark.parametrize("block_s", [0.5, 1.0, 7.0])
def test_block_length_changes_nothing(block_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """The models hear the same samples whatever the length of a block."""
    call = recording(sound_file(legs(2, 11025, 3.3), 11025))
    whole = speech(call)
    monkeypatch.setattr(audio, "BLOCK_S", block_s)
    assert np.array_equal(speech(call), whole)


def test_only_one_block_is_read_ahead() -> None:
    """The first block comes before the rest of the file was read."""
    raw = io.BytesIO(sound_file(legs(1, 8000, 120.0), 8000))
    furthest = 0

    class Watched(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            nonlocal furthest
            found = super().read(size)
            furthest = max(furthest, self.tell())
            return found

    call = audio.Recording((lambda: Watched(raw.getvalue()),))
    next(decode_speech(call, 200.0))
    assert furthest < len(raw.getvalue()) / 2


@pytest.mark.parametrize("name", ["WAV PCM 16", "FLAC", "Ogg Vorbis"])
@pytest.mark.parametrize("after", [0.0, 0.5])
def test_a_store_that_fails_is_not_a_bad_recording(name: str, after: float) -> None:
    """What opening or reading the bytes raises comes out as it is, so that the call is tried again, not quarantined."""
    whole = WRITERS[name](legs(2, 8000, 20.0), 8000)

    class Failing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() >= after * len(whole):
                raise StoreUnavailable("the store is gone")
            return super().read(size)

    with pytest.raises(StoreUnavailable):
        native(audio.Recording((lambda: Failing(whole),)))


def test_samples_are_kept_as_they_are() -> None:
    """Native samples of a 16-bit recording are its own, bit for bit."""
    samples = pcm16(legs(2, 8000))
    assert np.array_equal(native(recording(sound_file(samples, 8000)))[1], samples)
