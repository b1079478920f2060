"""Recordings whose containers are full of planted text: every place of every format in which a tag can stand."""

from __future__ import annotations

import base64
import struct
from typing import TYPE_CHECKING, Final

import numpy as np

from tests import scripted
from tests.factories import av_file, pcm16, sound_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.factories import Floats

TITLE, CARD, MAIL = "Wilhelmina Oxenford", "4012888888881881", "wilhelmina@example.org"
PLANTED: Final = (TITLE, CARD, MAIL)
TEXT: Final = f"{TITLE} {CARD} {MAIL}".encode()
TAGS: Final = {"title": TITLE, "artist": CARD, "comment": MAIL, "description": TEXT.decode()}


def _voices(rate_hz: int) -> Floats:
    return np.repeat(scripted.samples(scripted.script()), rate_hz // scripted.RATE_HZ, axis=1)


def _chunk(name: bytes, body: bytes) -> bytes:
    """A RIFF chunk."""
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def _id3v2() -> bytes:
    """A tag with text in two encodings, a comment, lyrics, private data and a picture."""
    bodies = {
        b"TIT2": b"\x03" + TITLE.encode(),
        b"TPE1": b"\x01" + TITLE.encode("utf-16"),
        b"TXXX": b"\x03card\0" + CARD.encode(),
        b"COMM": b"\x03eng\0" + MAIL.encode(),
        b"USLT": b"\x03eng\0" + TEXT,
        b"PRIV": b"example.org\0" + TEXT,
        b"APIC": b"\x03image/png\0\x03" + TITLE.encode() + b"\0" + TEXT,
    }
    frames = b"".join(name + _syncsafe(len(body)) + b"\0\0" + body for name, body in bodies.items())
    return b"ID3\x04\0\0" + _syncsafe(len(frames)) + frames


def _syncsafe(number: int) -> bytes:
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))


def _id3v1() -> bytes:
    return (
        b"TAG"
        + b"".join(each.encode().ljust(30, b"\0")[:30] for each in (TITLE, CARD, TITLE))
        + b"2026"
        + (MAIL.encode().ljust(30, b"\0")[:30] + b"\0")
    )


def _ape() -> bytes:
    """An APEv2 tag, as some players append it."""
    values = ((b"Artist", TITLE.encode()), (b"Comment", TEXT))
    items = b"".join(struct.pack("<II", len(value), 0) + name + b"\0" + value for name, value in values)
    ends = [b"APETAGEX" + struct.pack("<IIII8x", 2000, len(items) + 32, 2, flags) for flags in (0xA0 << 24, 0x80 << 24)]
    return ends[0] + items + ends[1]


def _wav() -> bytes:
    """LIST INFO, bext, iXML, an ID3 tag, labels and cue notes before the sound; a chunk and loose bytes behind it."""
    raw = scripted.recording()
    data = raw.index(b"data")
    info = b"INFO" + b"".join(_chunk(name, TEXT + b"\0") for name in (b"INAM", b"IART", b"ICMT", b"ISFT"))
    bext = TEXT.ljust(256, b"\0") + TITLE.encode().ljust(32, b"\0") + CARD.encode().ljust(32, b"\0") + bytes(282) + TEXT
    ixml = b"<BWFXML><PROJECT>" + TEXT + b"</PROJECT></BWFXML>"
    label = b"adtl" + _chunk(b"labl", struct.pack("<I", 1) + TEXT + b"\0")
    before = {b"LIST": info, b"bext": bext, b"iXML": ixml, b"id3 ": _id3v2(), b"note": TEXT}
    chunks = b"".join(_chunk(*each) for each in before.items()) + _chunk(b"LIST", label)
    body = raw[8:data] + chunks + raw[data:] + _chunk(b"PAD ", TEXT)
    return b"RIFF" + struct.pack("<I", len(body)) + body + TEXT


def _mp3() -> bytes:
    raw = av_file(_voices(16_000), 16_000, "mp3", "libmp3lame", tags=TAGS)
    return _id3v2() + raw + _ape() + _id3v1()


def _flac() -> bytes:
    """Vorbis comments, a picture, an application block and text in the padding."""
    raw = av_file(_voices(16_000), 16_000, "flac", "flac", tags=TAGS)
    name = TITLE.encode()
    picture = (
        struct.pack(">II9sI", 3, 9, b"image/png", len(name)) + name + struct.pack(">IIIII", 1, 1, 24, 0, len(TEXT))
    )
    blocks = {6: picture + TEXT, 2: b"call" + TEXT, 1: TEXT}
    added = b"".join(bytes([kind]) + len(body).to_bytes(3) + body for kind, body in blocks.items())
    first = 4 + 4 + int.from_bytes(raw[5:8])
    return raw[:first] + added + raw[first:]


def _ogg() -> bytes:
    picture = base64.b64encode(struct.pack(">II9sI", 3, 9, b"image/png", 0) + TEXT).decode()
    tags = TAGS | {"METADATA_BLOCK_PICTURE": picture}
    return av_file(_voices(16_000), 16_000, "ogg", "libopus", tags=tags)


def _mp4(container: str) -> bytes:
    """``udta`` with the usual tags, and boxes that no player reads."""
    raw = av_file(_voices(16_000), 16_000, container, "aac", tags=TAGS)
    boxes = (
        (b"free", TEXT),
        (b"uuid", bytes(16) + TEXT),
        (b"udta", struct.pack(">I", 8 + len(TEXT)) + b"\xa9nam" + TEXT),
    )
    return raw + b"".join(struct.pack(">I", 8 + len(body)) + name + body for name, body in boxes)


def _au() -> bytes:
    """The annotation of a Sun file."""
    raw = sound_file(pcm16(_voices(8_000)), 8_000, "AU", "ULAW")
    note = TEXT.ljust(len(TEXT) + 8 - len(TEXT) % 8, b"\0")
    return raw[:4] + struct.pack(">I", 24 + len(note)) + raw[8:24] + note + raw[int.from_bytes(raw[4:8]) :]


def _aiff() -> bytes:
    return sound_file(pcm16(_voices(8_000)), 8_000, "AIFF", "ULAW", tags={"title": TITLE, "comment": TEXT.decode()})


CARRIERS: Final[dict[str, Callable[[], bytes]]] = {
    "wav": _wav,
    "mp3": _mp3,
    "flac": _flac,
    "ogg": _ogg,
    "m4a": lambda: _mp4("ipod"),
    "mov": lambda: _mp4("mov"),
    "mka": lambda: av_file(_voices(16_000), 16_000, "matroska", "libopus", tags=TAGS),
    "au": _au,
    "aiff": _aiff,
}
