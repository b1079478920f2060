"""What arrives broken, or meant to break something, is refused by name; store and other calls stay as they are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pipeline import build
from pipeline.config import load_settings
from pipeline.errors import BadAudio, BadInput, BadMetadata, CallsealError, CannotOpen, MissingModel, UsageError
from pipeline.export import describe_call, export_call
from pipeline.intake.ingest import Delivery
from pipeline.keys.file import KeyFile
from pipeline.metadata import parse_metadata
from pipeline.roles import Role
from pipeline.run import process
from pipeline.types import Channel, Status
from tests import scripted
from tests.factories import pcm16, sound_file, voice
from tests.product import objects

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.run import Rooms

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
CALL = scripted.recording()
HEADER = CALL[:44]


@dataclass(frozen=True)
class Held:
    """A data folder in which one call is stored already."""

    folder: Path
    rooms: Rooms

    def process(self, raw: bytes, rooms: Rooms | None = None, legs: tuple[Channel, ...] = (), **metadata: Any) -> None:
        """Deliver another call, ``raw`` once or for each leg."""
        paths = tuple(self.folder / f"next-{number}.wav" for number in range(max(1, len(legs))))
        for path in paths:
            path.write_bytes(raw)
        known = parse_metadata(scripted.metadata(**{"call_id": "CA-hostile"} | metadata))
        process(Delivery(paths, legs, known), rooms or self.rooms, NOW)

    def export(self) -> set[str]:
        """Names of what leaves of the stored call."""
        held = self.rooms
        return {
            path.name
            for path in export_call("CA-scripted", self.folder / "out", held.archive, held.records, held.root, NOW)
        }


@pytest.fixture(name="held")
def _held(tmp_path: Path) -> Iterator[Held]:
    rooms = scripted.rooms(load_settings(tmp_path / "data"))
    held = Held(tmp_path, rooms)
    held.process(CALL, call_id="CA-scripted")
    yield held
    rooms.records.close()


def _sound(channels: int) -> bytes:
    return sound_file(
        pcm16(np.stack([voice(2.0, scripted.RATE_HZ, seed) for seed in range(channels)])), scripted.RATE_HZ
    )


def _no_channels() -> bytes:
    return CALL[:22] + bytes(2) + CALL[24:]


RECORDINGS = {
    "empty": b"",
    "one byte": b"R",
    "header only": HEADER,
    "half a header": CALL[:30],
    "truncated": CALL[: len(CALL) // 2],
    "truncated by a fifth of a second": CALL[: -scripted.RATE_HZ * 4 // 5],
    "silent": sound_file(np.zeros((2, 40_000), np.int16), scripted.RATE_HZ),
    "no channels": _no_channels(),
    "three channels": _sound(3),
    "text": b"Dear Sir or Madam,\r\nplease find the recording attached.\r\n" * 400,
    "a playlist of other files": b"#EXTM3U\n#EXTINF:10,\nfile:///etc/hostname\n",
    "a list of other files": b"ffconcat version 1.0\nfile '/etc/hostname'\n",
    "noise": np.random.default_rng(1).bytes(50_000),
}


def _refused(held: Held, expected: type[CallsealError], raw: bytes, **options: Any) -> str:
    """Deliver what must be refused with exit code 3; gives the message."""
    before = objects(held.folder / "data")
    exported = held.export()
    with pytest.raises(expected) as refused:
        held.process(raw, **options)
    assert refused.value.exit_code == 3
    assert objects(held.folder / "data") == before
    assert held.export() == exported
    return str(refused.value)


@pytest.mark.parametrize("what", RECORDINGS)
def test_what_is_no_recording_of_a_call(held: Held, what: str) -> None:
    """It is refused, no object of it stays, and the call that is stored still exports."""
    _refused(held, BadAudio, RECORDINGS[what])


@pytest.mark.parametrize("what", ["empty", "header only", "truncated", "silent", "text"])
def test_a_refused_delivery_may_come_again(held: Held, what: str) -> None:
    """The same id, delivered whole after two bad transfers, is stored: they cost nothing."""
    for raw in (RECORDINGS[what], b"RIFF" + RECORDINGS[what]):
        with pytest.raises(BadAudio):
            held.process(raw)
    held.process(CALL)
    assert describe_call("CA-hostile", held.rooms.records)["status"] == Status.STORED


def test_too_long(held: Held) -> None:
    """A recording beyond ``audio.max_duration_s`` is refused, without being heard to the end."""
    short = replace(held.rooms, audio=held.rooms.audio.model_copy(update={"max_duration_s": scripted.DURATION_S - 1}))
    _refused(held, BadAudio, CALL, rooms=short)


def test_as_long_as_allowed(held: Held) -> None:
    """The limit itself is no reason to refuse."""
    exact = replace(held.rooms, audio=held.rooms.audio.model_copy(update={"max_duration_s": scripted.DURATION_S}))
    held.process(CALL, rooms=exact)
    assert describe_call("CA-hostile", held.rooms.records)["status"] == Status.STORED


@pytest.mark.parametrize("excess", [1, len(CALL) - 1])
def test_too_big(held: Held, excess: int) -> None:
    """A file beyond ``audio.max_bytes`` is refused, and named by the limit."""
    small = replace(held.rooms, audio=held.rooms.audio.model_copy(update={"max_bytes": len(CALL) - excess}))
    assert str(len(CALL) - excess) in _refused(held, BadAudio, CALL, rooms=small)


@pytest.mark.parametrize(
    ("raw", "metadata"),
    [
        (CALL, {"channels": ["agent"]}),
        (CALL, {"channels": ["mixed"]}),
        (_sound(1), {"channels": ["agent", "customer"]}),
    ],
)
def test_channels_that_are_not_there(held: Held, raw: bytes, metadata: dict[str, Any]) -> None:
    """Metadata that names more or fewer channels than there are is refused rather than guessed at."""
    assert "channels" in _refused(held, BadMetadata, raw, **metadata)


def test_a_leg_with_two_channels(held: Held) -> None:
    """One file per leg means one channel in each."""
    _refused(held, BadInput, CALL, legs=(Channel.AGENT, Channel.CUSTOMER))


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"colour": "blue"}, "colour"),
        ({"caller": "4711"}, "extension"),
        ({"direction": "outbound", "callee": "4711"}, "extension"),
        ({"caller": "12"}, "extension"),
        ({"caller": "+1"}, "caller"),
        ({"caller": 2025550143}, "caller"),
        ({"call_id": "../../etc/passwd"}, "call_id"),
        ({"call_id": "CA-2025550143"}, "call_id"),
        ({"call_id": "a\n"}, "call_id"),
        ({"started_at": "2026-11-20T14:03:00"}, "started_at"),
        ({"channels": ["agent", "agent"]}, "channels"),
        ({"channels": ["agent", "customer", "agent"]}, "channels"),
        ({"jurisdictions": ["Texas"]}, "jurisdictions"),
        ({"consent": {"recording_notice": "ivr", "given": True}}, "given"),
        ({"known_pii": ["Dana Whitfield"]}, "known_pii"),
    ],
)
def test_metadata_that_make_no_sense(held: Held, changed: dict[str, Any], named: str) -> None:
    """They are refused by the name of the key, before anything is written."""
    message = _refused(held, BadMetadata, CALL, **changed)
    assert named in message
    assert "Whitfield" not in message
    assert "555" not in message


def test_missing_weights(tmp_path: Path) -> None:
    """Without weights nothing begins, and the message names the command that fetches them."""
    settings = load_settings(tmp_path / "data").model_copy(update={"models_dir": tmp_path / "nothing"})
    with pytest.raises(MissingModel, match="callseal models fetch") as missing:
        build.build(settings)
    assert missing.value.exit_code == 1
    assert objects(tmp_path / "data") == {}


def test_another_key(held: Held) -> None:
    """Under another root key the data folder is refused, and under its own it opens as before."""
    key_file = held.folder / "data" / "keys" / "root.json"
    own = key_file.rename(key_file.with_name("own.json"))
    KeyFile.create(key_file)
    with pytest.raises(CannotOpen) as refused:
        build.custody(load_settings(held.folder / "data"), Role.PRIVACY_OFFICER)
    assert refused.value.exit_code == 6
    own.replace(key_file)
    assert held.export()


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o660])
def test_a_key_that_others_may_read(held: Held, mode: int) -> None:
    """A key file that is open to others is refused until that is mended."""
    key_file = held.folder / "data" / "keys" / "root.json"
    key_file.chmod(mode)
    with pytest.raises(UsageError, match="chmod 600"):
        build.custody(load_settings(held.folder / "data"), Role.PRIVACY_OFFICER)
    key_file.chmod(0o600)
    build.custody(load_settings(held.folder / "data"), Role.PRIVACY_OFFICER).records.close()


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff\xfe", b'{"format": "callseal"}'])
def test_a_damaged_key(held: Held, content: bytes) -> None:
    """What is no key file is never taken for one, and never replaced by a new one."""
    key_file = held.folder / "data" / "keys" / "root.json"
    key_file.write_bytes(content)
    with pytest.raises(CannotOpen) as refused:
        build.custody(load_settings(held.folder / "data"), Role.PRIVACY_OFFICER)
    assert refused.value.exit_code == 6
    assert key_file.read_bytes() == content


@pytest.mark.parametrize("where", [0, 60, -1])
@pytest.mark.parametrize("name", range(4))
def test_one_changed_byte(held: Held, name: int, where: int) -> None:
    """Whichever object is changed, wherever in it, the export fails and publishes nothing."""
    store = held.folder / "data" / "objects"
    path = store / sorted(objects(held.folder / "data"))[name]
    raw = bytearray(path.read_bytes())
    raw[where] ^= 1
    path.chmod(0o600)
    path.write_bytes(raw)
    with pytest.raises(CannotOpen) as refused:
        held.export()
    assert refused.value.exit_code == 6
    out = held.folder / "out"
    assert not out.exists() or list(out.iterdir()) == []
