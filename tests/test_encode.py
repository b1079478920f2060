"""Encoding: what was not redacted is the call as it was recorded, written forwards, without a tag of the original."""

# ruff: noqa: SLF001 -- bounded memory and order of writes are seen from inside only

from __future__ import annotations

import io
import itertools
import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import encode
from pipeline.audio import decode_native, probe
from pipeline.errors import BadAudio, StoreUnavailable, VerificationFailed
from pipeline.pii.policy import AudioRule
from pipeline.redact import apply_to_audio
from pipeline.types import Action, Channel, Redaction
from tests.factories import av_file, recording, sound_file, span, voice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.audio import AudioFormat, Recording, Samples

LIMIT_S = 60.0
PLANTED = "Wilhelmina Quackenbush 4111"
BOTH = (Channel.AGENT, Channel.CUSTOMER)


def legs(channels: int, rate_hz: int, seconds: float = 1.5) -> Samples:
    """(channels, time) voices, a different one on each channel."""
    return np.stack([voice(seconds, rate_hz, seed) for seed in range(channels)])


LOSSLESS = {
    name: sound_file(legs(2, 8000), 8000, container, subtype)
    for name, container, subtype in [
        ("WAV PCM 8", "WAV", "PCM_U8"),
        ("WAV PCM 16", "WAV", "PCM_16"),
        ("WAV PCM 24", "WAV", "PCM_24"),
        ("WAV PCM 32", "WAV", "PCM_32"),
        ("WAV float", "WAV", "FLOAT"),
        ("WAV double", "WAV", "DOUBLE"),
        ("WAV mu-law", "WAV", "ULAW"),
        ("WAV A-law", "WAV", "ALAW"),
        ("AU mu-law", "AU", "ULAW"),
        ("FLAC 16", "FLAC", "PCM_16"),
        ("FLAC 24", "FLAC", "PCM_24"),
    ]
} | {"ALAC": av_file(legs(2, 44100), 44100, "ipod", "alac")}
LOSSY = {
    "MP3 8 kHz": (1, av_file(legs(1, 8000), 8000, "mp3", "libmp3lame")),
    "MP3 11 kHz": (2, av_file(legs(2, 11025), 11025, "mp3", "libmp3lame")),
    "MP3 44 kHz": (2, av_file(legs(2, 44100), 44100, "mp3", "libmp3lame")),
    "Opus mono": (1, av_file(legs(1, 48000), 48000, "ogg", "libopus")),
    "Opus stereo": (2, av_file(legs(2, 48000), 48000, "ogg", "libopus")),
    "WebM": (2, av_file(legs(2, 48000), 48000, "webm", "libopus")),
    "Vorbis 8 kHz": (2, sound_file(legs(2, 8000), 8000, "OGG", "VORBIS")),
    "Vorbis 44 kHz": (1, sound_file(legs(1, 44100), 44100, "OGG", "VORBIS")),
    "AAC 8 kHz": (1, av_file(legs(1, 8000), 8000, "ipod", "aac")),
    "AAC 44 kHz": (2, av_file(legs(2, 44100), 44100, "ipod", "aac")),
    "AAC stream": (2, av_file(legs(2, 48000), 48000, "adts", "aac")),
    "GSM": (1, sound_file(legs(1, 8000), 8000, "WAV", "GSM610")),
}


def native(call: Recording) -> tuple[AudioFormat, Samples]:
    """The format and all native samples."""
    fmt = probe(call)
    return fmt, np.concatenate(list(decode_native(call, fmt, LIMIT_S)), axis=1)


def written(call: Recording, redactions: tuple[Redaction, ...] = ()) -> bytes:
    """The recording, redacted and encoded again."""
    fmt = probe(call)
    out = io.BytesIO()

    def blocks() -> Iterator[Samples]:
        return apply_to_audio(decode_native(call, fmt, LIMIT_S), redactions, BOTH[: fmt.channels], fmt, AudioRule())

    encode.encode(blocks, fmt, out.write)
    return out.getvalue()


@st.composite
def redactions(draw: st.DrawFn) -> tuple[Redaction, ...]:
    """A few spans, of any kind, anywhere in a second and a half."""
    found = []
    for _ in range(draw(st.integers(0, 3))):
        start_s = draw(st.floats(0, 1.4))
        end_s = start_s + draw(st.floats(0.01, 1.0))
        action, channel = draw(st.sampled_from(Action)), draw(st.sampled_from(BOTH))
        found.append(Redaction("PERSON", channel, span(start_s, end_s), action, "drawn"))
    return tuple(found)


@pytest.mark.parametrize("name", LOSSLESS)
@settings(max_examples=6)
@given(plan=redactions())
def test_what_is_not_redacted_is_kept_bit_for_bit(name: str, plan: tuple[Redaction, ...]) -> None:
    """Lossless and logarithmic recordings come back in their own codec, each sample outside a redaction the same."""
    call = recording(LOSSLESS[name])
    before_fmt, before = native(call)
    after_fmt, after = native(recording(written(call, plan)))
    assert (after_fmt.codec, after_fmt.rate_hz, after_fmt.sample_format) == (
        before_fmt.codec,
        before_fmt.rate_hz,
        before_fmt.sample_format,
    )
    assert after.shape == before.shape
    outside = np.ones(before.shape, dtype=bool)
    for each in plan:
        first, end = np.floor(each.span.start_s * before_fmt.rate_hz), np.ceil(each.span.end_s * before_fmt.rate_hz)
        outside[BOTH.index(each.channel), int(first) : int(end)] = False
    assert np.array_equal(after[outside], before[outside])


@pytest.mark.parametrize("name", LOSSY)
def test_lossy_recordings_keep_their_time(name: str) -> None:
    """A lossy recording keeps rate, channels and length to 50 ms, and nothing in it moves by 1 ms."""
    channels, raw = LOSSY[name]
    call = recording(raw)
    before_fmt, before = native(call)
    after_fmt, after = native(recording(written(call)))
    assert (after_fmt.rate_hz, after_fmt.channels) == (before_fmt.rate_hz, channels)
    assert after.shape[1] == pytest.approx(before.shape[1], abs=0.05 * before_fmt.rate_hz)
    for row in range(channels):
        assert abs(_lag(before[row], after[row])) < 0.001 * before_fmt.rate_hz


def _lag(before: Samples, after: Samples) -> int:
    """By how many samples ``after`` is late."""
    size = 2 * max(len(before), len(after))
    product = np.fft.rfft(after.astype(float), size) * np.conj(np.fft.rfft(before.astype(float), size))
    at = int(np.argmax(np.fft.irfft(product, size)))
    return at if at < size // 2 else at - size


@pytest.mark.parametrize("name", [*LOSSLESS, *LOSSY])
def test_the_suffix_is_that_of_the_container(name: str) -> None:
    """A file named by ``suffix`` is what players take it for."""
    raw = LOSSLESS.get(name) or LOSSY[name][1]
    call = recording(raw)
    again = probe(recording(written(call)))
    assert {"wav": "wav", "mp3": "mp3", "ogg": "ogg", "flac": "flac", "m4a": "mov,mp4,m4a,3gp,3g2,mj2"}[
        encode.suffix(probe(call))
    ] == again.container


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + len(body).to_bytes(4, "little") + body + b"\0" * (len(body) % 2)


def _with_chunks(raw: bytes, *chunks: bytes) -> bytes:
    """A WAV file with more chunks behind its audio."""
    whole = raw + b"".join(chunks)
    return whole[:4] + (len(whole) - 8).to_bytes(4, "little") + whole[8:]


def _id3(text: str) -> bytes:
    frame = b"\3" + text.encode()
    frame = b"TIT2" + len(frame).to_bytes(4, "big") + b"\0\0" + frame
    return b"ID3\3\0\0" + bytes((len(frame) >> shift) & 0x7F for shift in (21, 14, 7, 0)) + frame


_TITLE = {"title": PLANTED}
_WAV = sound_file(legs(1, 8000), 8000)
TAGGED = {
    "RIFF INFO": sound_file(legs(1, 8000), 8000, tags=_TITLE),
    "bext": _with_chunks(_WAV, _chunk(b"bext", PLANTED.encode().ljust(602, b"\0"))),
    "cart": _with_chunks(_WAV, _chunk(b"cart", b"0101" + PLANTED.encode().ljust(2044, b"\0"))),
    "RIFF id3": _with_chunks(_WAV, _chunk(b"id3 ", _id3(PLANTED))),
    "ID3v2": av_file(legs(1, 8000), 8000, "mp3", "libmp3lame", {"title": PLANTED}),
    "ID3v1": av_file(legs(1, 8000), 8000, "mp3", "libmp3lame") + b"TAG" + PLANTED.encode().ljust(125, b"\0"),
    "Vorbis comment": sound_file(legs(1, 8000), 8000, "OGG", "VORBIS", _TITLE),
    "Opus tags": av_file(legs(1, 48000), 48000, "ogg", "libopus", _TITLE),
    "FLAC comment": sound_file(legs(1, 8000), 8000, "FLAC", tags=_TITLE),
    "MP4 udta": av_file(legs(1, 44100), 44100, "ipod", "aac", {"title": PLANTED, "comment": PLANTED}),
    "Matroska tags": av_file(legs(1, 48000), 48000, "matroska", "libopus", _TITLE),
}


@pytest.mark.parametrize("name", TAGGED)
def test_no_tag_of_the_original_is_carried_over(name: str) -> None:
    """A name and a number planted in the container's tags are in the original and not in what is written."""
    words = [each.encode(coding) for each in PLANTED.split() for coding in ("utf-8", "utf-16-le")]
    assert words[0] in TAGGED[name]
    out = written(recording(TAGGED[name]))
    assert not [each for each in words if each in out]


@pytest.mark.parametrize("name", ["WAV PCM 16", "FLAC 16", "ALAC"])
def test_the_same_call_gives_the_same_bytes(name: str) -> None:
    """Nothing of the day, the machine or chance is in what is written."""
    call = recording(LOSSLESS[name])
    assert written(call) == written(call)


@pytest.mark.parametrize("raw", [LOSSLESS["WAV PCM 16"], LOSSLESS["FLAC 16"], LOSSY["MP3 44 kHz"][1], LOSSLESS["ALAC"]])
def test_a_source_that_changes_its_mind_is_refused(raw: bytes) -> None:
    """Blocks that are longer the second time are noticed: the header of the first run would be a lie."""
    call = recording(raw)
    fmt, samples = native(call)
    lengths = itertools.chain([samples.shape[1] // 2], itertools.repeat(samples.shape[1]))
    with pytest.raises(VerificationFailed):
        encode.encode(lambda: [samples[:, : next(lengths)]], fmt, lambda _: None)


@pytest.mark.parametrize("after", [0, 1000])
@pytest.mark.parametrize("name", [*LOSSLESS, *LOSSY])
def test_a_store_that_fails_is_not_the_callers_fault(name: str, after: int) -> None:
    """What the receiver of the bytes raises comes out as it is, whatever library was writing, and nothing follows."""
    call = recording(LOSSLESS.get(name) or LOSSY[name][1])
    fmt = probe(call)
    passed = 0

    def full(data: bytes) -> None:
        nonlocal passed
        passed += len(data)
        if passed > after:
            calls.append(passed)
            raise StoreUnavailable("no space left")

    calls: list[int] = []
    with pytest.raises(StoreUnavailable, match="no space left"):
        encode.encode(lambda: decode_native(call, fmt, LIMIT_S), fmt, full)
    assert len(calls) == 1


def test_two_gsm_legs() -> None:
    """GSM has one channel, so two legs of it are written in the other telephone codec."""
    leg = sound_file(legs(1, 8000), 8000, "WAV", "GSM610")
    fmt, samples = native(recording(leg, leg))
    after_fmt, after = native(recording(written(recording(leg, leg))))
    assert (fmt.codec, after_fmt.codec, after.shape) == ("gsm_ms", "pcm_mulaw", samples.shape)


def test_a_codec_that_cannot_be_written_is_refused() -> None:
    """A codec that can be read only is an error that names it, and nothing is written."""
    fmt = probe(recording(sound_file(legs(1, 8000), 8000, "WAV", "IMA_ADPCM")))
    with pytest.raises(BadAudio, match="adpcm_ima_wav can be read but not written"):
        encode.encode(list, fmt, lambda _: None)


@settings(max_examples=100)
@given(st.integers(0, 1 << 30))
def test_a_muxer_that_goes_back_is_written_forwards(seed: int) -> None:
    """Whatever a muxer writes, skips back to and writes again, the bytes passed on are the file it would have made."""

    def script(file: Any) -> None:
        rng = random.Random(seed)  # noqa: S311 -- not for secrets
        length = 0
        for _ in range(rng.randrange(1, 30)):
            at = rng.choice([length, rng.randrange(length + 1)])
            file.seek(at)
            data = rng.randbytes(rng.randrange(12))
            file.write(data)
            length = max(length, at + len(data))
            assert file.tell() == at + len(data)

    usual = io.BytesIO()
    script(usual)
    dry = encode._ForwardFile(out=None, expected={})
    script(dry)
    passed: list[bytes] = []
    wet = encode._ForwardFile(out=passed.append, expected=dry.changes)
    script(wet)
    assert b"".join(passed) == usual.getvalue()
    assert wet.changes == dry.changes


def test_a_muxer_that_leaves_a_hole_is_refused() -> None:
    """Bytes that were never written cannot be passed on."""
    file = encode._ForwardFile(out=None, expected={})
    file.seek(4)
    with pytest.raises(VerificationFailed, match="hole"):
        file.write(b"late")


@pytest.mark.parametrize("name", LOSSLESS)
def test_only_a_header_is_held(name: str) -> None:
    """What the muxer goes back to change does not grow with the recording, but for an index of a few bytes a second."""
    fmt, samples = native(recording(LOSSLESS[name]))

    def changed(times: int) -> int:
        dry = encode._ForwardFile(out=None, expected={})
        encode._mux([samples] * times, fmt, dry)
        return len(dry.changes)

    assert changed(20) - changed(1) <= 8
