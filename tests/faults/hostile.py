"""A thousand recordings that are none, or mean harm: truncated, lying, bombs, other files, other codecs, ten hours."""

from __future__ import annotations

import io
import json
import random
import resource
import struct
import zlib
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from tests import scripted
from tests.factories import av_file, pcm16, sound_file, voice
from tests.faults.calls import WITHIN_S, begin, give, give_all
from tests.faults.row import Row, count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MANY: Final = 1000
AT_ONCE: Final = 8
SEED: Final = 6
MEMORY_KIB: Final = 1 << 20
TEN_HOURS_S: Final = 36_000
TEXTS: Final = (
    b"Dear Sir or Madam,\r\nplease find the recording attached.\r\n" * 400,
    b"#EXTM3U\n#EXTINF:10,\nfile:///etc/hostname\n",
    b"ffconcat version 1.0\nfile '/etc/hostname'\n",
    b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\nm=audio 5004 RTP/AVP 0\r\nc=IN IP4 127.0.0.1\r\n",
    b"<!doctype html><title>404</title>" * 100,
    json.dumps({"error": "not ready"}).encode(),
    b"\x89PNG\r\n\x1a\n" + zlib.compress(bytes(1 << 20)),
    b"PK\x03\x04" + zlib.compress(bytes(1 << 24), 9),
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03" + zlib.compress(bytes(1 << 24), 9)[2:-4],
)


def faults() -> Iterator[Callable[[Path], Row]]:
    """The thousand."""
    yield partial(inputs, MANY)


def inputs(many: int, top: Path) -> Row:
    """Each is handed in under an id of its own, and a good call among them; workers go through all of them."""
    data = top / "data"
    recordings = list(generate(many - 1, random.Random(SEED)))  # noqa: S311 -- the same each time
    give_all(data, {_name(number): raw for number, raw in enumerate(recordings)})
    give(data, "CA-good")
    deaths = 0
    while begin(data, "none", at_once=AT_ONCE).wait(WITHIN_S) != 0:
        deaths += 1
        assert deaths < 9
    peak_kib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert peak_kib < MEMORY_KIB, f"a worker had {peak_kib} KiB"
    return count("hostile inputs", data, len(recordings), [*map(_name, range(len(recordings))), "CA-good"])


def _name(number: int) -> str:
    """Without digits in a row that read like those of a person."""
    return "CA-" + "".join(chr(ord("a") + int(digit)) for digit in str(number))


def generate(many: int, chance: random.Random) -> Iterator[bytes]:
    """``many`` inputs, the same for the same seed."""
    good = _good()
    longest = [*_long()]
    makers = (_truncated, _flipped, _lying, _garbage, _other)
    for number in range(many):
        if number < len(longest):
            yield longest[number]
        else:
            yield makers[number % len(makers)](chance.choice(good), chance)


def _good() -> list[bytes]:
    stereo = np.stack([voice(2.0, scripted.RATE_HZ, seed) for seed in range(2)])
    kinds = (("ogg", "libopus"), ("mp3", "libmp3lame"), ("mp4", "aac"), ("matroska", "flac"), ("wav", "pcm_mulaw"))
    files = [
        av_file(stereo, 48_000 if codec == "libopus" else scripted.RATE_HZ, *kind)
        for kind in kinds
        for codec in kind[1:]
    ]
    whole = pcm16(stereo)
    return [*files, *(sound_file(whole, scripted.RATE_HZ, kind) for kind in ("WAV", "FLAC", "AIFF", "AU", "W64"))]


def _long() -> Iterator[bytes]:
    """Ten hours of nothing in a few hundred kilobytes, told and not told in the header; and a file that grows."""
    hour = np.zeros((1, 3600 * scripted.RATE_HZ), np.int16)
    raw = io.BytesIO()
    import soundfile

    with soundfile.SoundFile(raw, "w", scripted.RATE_HZ, 1, subtype="PCM_16", format="FLAC") as sound:
        for _ in range(TEN_HOURS_S // 3600):
            sound.write(hour.T)
    told = raw.getvalue()
    yield told
    # STREAMINFO's number of samples, 36 bits from the 21st byte on, may be 0: "not known".
    yield told[:21] + bytes([told[21] & 0xF0]) + bytes(4) + told[26:]
    yield _riff(b"data" + struct.pack("<I", TEN_HOURS_S * 16_000), fields=(1, 1, 8_000, 16_000, 2, 16)) + bytes(100)


def _truncated(raw: bytes, chance: random.Random) -> bytes:
    return raw[: chance.randrange(1, len(raw))]


def _flipped(raw: bytes, chance: random.Random) -> bytes:
    """Some bytes changed, most of them where the headers are."""
    changed = bytearray(raw)
    for _ in range(chance.randrange(1, 40)):
        changed[min(int(chance.expovariate(1 / 200)), len(raw) - 1)] = chance.randrange(256)
    return bytes(changed)


def _lying(_: bytes, chance: random.Random) -> bytes:
    """A WAV whose header states what it does not hold: codecs, channels, rates, sizes."""
    fields = (
        chance.choice((0, 1, 2, 3, 6, 7, 17, 49, 80, 85, 0xFFFE, chance.randrange(1 << 16))),
        chance.choice((0, 1, 2, 3, 255, 65_535)),
        chance.choice((0, 1, 8_000, 48_000, 0xFFFFFFFF)),
        chance.choice((0, 1, 16_000, 0xFFFFFFFF)),
        chance.choice((0, 1, 2, 4, 65_535)),
        chance.choice((0, 1, 8, 16, 24, 32, 64, 65_535)),
    )
    size = chance.choice((0, 1, 100, 1_000_000, 0x7FFFFFFF, 0xFFFFFFFF))
    body = chance.randbytes(chance.randrange(1, 60_000))
    return _riff(b"data" + struct.pack("<I", size) + body, fields)


def _riff(rest: bytes, fields: tuple[int, int, int, int, int, int]) -> bytes:
    return b"RIFF" + struct.pack("<I", 36 + len(rest)) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, *fields) + rest


def _garbage(raw: bytes, chance: random.Random) -> bytes:
    """Noise, behind a beginning that promises something."""
    return raw[: chance.choice((0, 0, 4, 12, 44, 100))] + chance.randbytes(chance.randrange(1, 30_000))


def _other(raw: bytes, chance: random.Random) -> bytes:
    """Other files, other codecs, silence, too many channels, nothing."""
    silence = np.zeros((1, scripted.RATE_HZ * chance.randrange(1, 20)), np.int16)
    many = pcm16(np.stack([voice(0.5, scripted.RATE_HZ, seed) for seed in range(chance.randrange(3, 9))]))
    return chance.choice(
        (
            *TEXTS,
            b"R",
            sound_file(silence, scripted.RATE_HZ, chance.choice(("WAV", "FLAC", "AIFF"))),
            sound_file(many, scripted.RATE_HZ, "WAV"),
            raw + raw,
            raw[len(raw) // 2 :],
        )
    )
