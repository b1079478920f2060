"""A watched folder: recordings of a telephone system leave it once they are sealed, and not before."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.build import custody
from pipeline.config import load_settings
from pipeline.errors import StoreUnavailable, UsageError
from pipeline.intake.pressure import Pressure
from pipeline.intake.watch import NOTE, REJECTED, Watch, keep_looking, look
from pipeline.intake.watch_names import calls_in, name_rule
from pipeline.roles import Role
from pipeline.run import process_waiting
from pipeline.types import Channel, Status
from tests import scripted
from tests.factories import pcm16, sound_file
from tests.product import SCRIPTED, files, objects, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pipeline.custody import Custody
    from pipeline.intake.watch_names import NameRule

NOW = datetime.now(UTC)
LATER = NOW + timedelta(minutes=1)
ROOM = Pressure(0, 1, lambda: 1, lambda: 0)
PLAIN = name_rule("", "%Y", "UTC", "optional")
FREEPBX = r"(?P<direction>in|out)-(?P<callee>\d+)-(?P<caller>\d+)-(?P<started_at>\d{8}-\d{6})-(?P<call_id>[\d.]+)"


@dataclass
class Spool:
    """A folder that is watched, and what is behind it."""

    folder: Path
    data: Path
    held: Custody
    queued: list[str] = field(default_factory=list)

    def write(self, name: str, raw: bytes | None = None, at: datetime = NOW) -> Path:
        """A file as the telephone system leaves it."""
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(scripted.recording() if raw is None else raw)
        os.utime(file, (at.timestamp(), at.timestamp()))
        return file

    def look(self, now: datetime = LATER, names: NameRule = PLAIN, **changed: Any) -> dict[str, int]:
        """One pass."""
        from pipeline.retention import retain

        retention = retain.load_policy(load_settings(self.data).policy_file("retention.toml"))
        chosen = {"keep": None, "max_bytes": 1 << 24, "enqueue": self.queued.append, "room": ROOM} | changed
        return dict(look(Watch(self.folder, names, 10.0, held=self.held, retention=retention, **chosen), now))

    def keep_looking(self, stop: threading.Event, tell: Callable[[Counter[str]], None]) -> dict[str, int]:
        """Passes until it is stopped, while there is no room."""
        from pipeline.retention import retain

        retention = retain.load_policy(load_settings(self.data).policy_file("retention.toml"))
        full = Pressure(1, 1, lambda: 0, lambda: 0)
        watch = Watch(self.folder, PLAIN, 10.0, None, self.held, retention, 1 << 24, self.queued.append, full)
        return dict(keep_looking(watch, lambda: NOW, stop, 0.01, tell))

    def left(self) -> list[str]:
        """What is in the folder."""
        return [str(file.relative_to(self.folder)) for file in files(self.folder)]


@pytest.fixture(name="spool")
def _spool(tmp_path: Path) -> Iterator[Spool]:
    (tmp_path / "spool").mkdir()
    held = custody(load_settings(tmp_path / "data"), Role.INGEST)
    yield Spool(tmp_path / "spool", tmp_path / "data", held)
    held.records.close()


def test_a_recording_with_a_sidecar_becomes_a_stored_call(spool: Spool) -> None:
    """It is handed in with its metadata, queued, gone from the folder, and a worker stores it."""
    spool.write("2026/11/a.wav")
    spool.write("2026/11/a.json", scripted.metadata())
    assert spool.look() == {"taken": 1}
    assert (spool.left(), spool.queued) == ([], ["CA-scripted"])
    rooms = scripted.rooms(load_settings(spool.data))
    assert process_waiting("CA-scripted", rooms, LATER).status is Status.STORED
    rooms.records.close()


def test_two_files_of_one_call(spool: Spool) -> None:
    """The legs of Asterisk's Monitor wait for one another, and become one call of an agent and a customer."""
    agent, customer = (sound_file(pcm16(v[None]), scripted.RATE_HZ) for v in scripted.samples(scripted.script()))
    spool.write("a-in.wav", customer)
    assert spool.look() == {"wait": 1}
    spool.write("a-out.wav", agent)
    assert spool.look() == {"taken": 1}
    assert spool.left() == []
    rooms = scripted.rooms(load_settings(spool.data))
    assert process_waiting(spool.queued[0], rooms, LATER).summary["channels"] == ["agent", "customer"]
    rooms.records.close()


def test_a_file_that_is_still_written_is_left_alone(spool: Spool) -> None:
    """Empty, changed a moment ago, or open for writing, however long ago it changed: it waits; closed, it is taken."""
    spool.write("empty.wav", b"")
    spool.write("fresh.wav", at=LATER)
    paused = spool.write("paused.wav")
    with paused.open("ab"):
        assert spool.look() == {"wait": 3}
    assert spool.look() == {"wait": 2, "taken": 1}
    assert spool.left() == ["empty.wav", "fresh.wav"]


def test_a_file_that_grew_while_it_was_taken_stays(spool: Spool) -> None:
    """A call that was sealed is not undone; the file is not the one that was sealed, so it is not removed."""
    file = spool.write("a.wav")

    def grow(_: str) -> None:
        file.write_bytes(file.read_bytes() + b"more")

    assert spool.look(enqueue=grow) == {"taken": 1}
    assert spool.left() == ["a.wav"]


@pytest.mark.parametrize(("free_bytes", "waiting"), [(9, 0), (10, 5)])
def test_recordings_stay_while_there_is_no_room(spool: Spool, free_bytes: int, waiting: int) -> None:
    """With a disk that is too full, or as many calls waiting as may wait, files stay; with room they are taken."""
    spool.write("a.wav")
    assert spool.look(room=Pressure(10, 5, lambda: free_bytes, lambda: waiting)) == {"no_room": 1}
    assert (spool.left(), spool.queued, len(objects(spool.data))) == (["a.wav"], [], 0)
    assert spool.look(room=Pressure(10, 5, lambda: 10, lambda: 4)) == {"taken": 1}
    assert spool.left() == []


def test_what_finds_no_room_is_said_each_time_and_counted_once(spool: Spool) -> None:
    """As it is with calls that wait: the sum holds how many there are at the end."""
    spool.write("a.wav", at=NOW - timedelta(minutes=1))
    told, stop = [], threading.Event()

    def tell(counts: Counter[str]) -> None:
        told.append(dict(counts))
        if len(told) == 2:
            stop.set()

    assert spool.keep_looking(stop, tell) == {"no_room": 1}
    assert told == [{"no_room": 1}] * 2


def test_hidden_files_and_others_are_left_alone(spool: Spool) -> None:
    """What a copy in progress is called, links, and files that are no recordings are not looked at."""
    spool.write(".a.wav.x7Gh2k")
    spool.write(".b/a.wav")
    spool.write("notes.txt")
    (spool.folder / "link.wav").symlink_to(spool.folder / "notes.txt")
    assert spool.look() == {}


def test_the_same_recording_again_is_removed(spool: Spool) -> None:
    """A file whose call is held already goes, by its digest and whatever it is called; nothing is queued again."""
    spool.write("a.wav")
    spool.look()
    spool.write("copy.wav")
    assert spool.look() == {"held": 1}
    assert (spool.left(), len(spool.queued)) == ([], 1)


def test_another_recording_under_the_same_id_is_put_aside(spool: Spool) -> None:
    """Nobody knows which is meant: it is neither taken nor deleted, and overwrites nothing that was put aside."""
    for raw in (None, scripted.recording(mono=True), scripted.recording() + b"\0\0"):
        spool.write("a.wav", raw)
        spool.write("a.json", scripted.metadata())
        spool.look()
    assert len([name for name in spool.left() if name.endswith(".wav")]) == 2
    assert all(name.startswith(f"{REJECTED}/") for name in spool.left())
    assert spool.look() == {}
    assert spool.queued == ["CA-scripted"]


@pytest.mark.parametrize(
    "sidecar", [b"{", b"[]", b'{"call_id": "CA-1", "nmae": 1}', b'{"call_id": "x2025550143", "caller": "+12025550143"}']
)
def test_metadata_that_make_no_sense_put_the_call_aside(spool: Spool, sidecar: bytes) -> None:
    """The recording is kept beside its sidecar for somebody to look at; other calls go on."""
    spool.write("a.wav")
    spool.write("a.json", sidecar)
    spool.write("b.wav")
    assert spool.look() == {"BadMetadata": 1, "taken": 1}
    assert spool.left() == [f"{REJECTED}/a.json", f"{REJECTED}/a.wav"]


def test_recordings_may_be_kept(spool: Spool, tmp_path: Path) -> None:
    """They are moved instead of deleted, under a free name, and only once they are sealed."""
    for raw in (scripted.recording(), scripted.recording(mono=True)):
        spool.write("a.wav", raw)
        spool.look(keep=tmp_path / "kept")
    assert spool.left() == []
    assert len(files(tmp_path / "kept")) == 2


def test_a_store_that_is_away_loses_nothing(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pass ends, the recording stays, and the next pass takes it."""

    def away(*_: object) -> None:
        raise StoreUnavailable("away")

    spool.write("a.wav")
    with monkeypatch.context() as patched:
        patched.setattr("pipeline.intake.watch.hand_in", away)
        with pytest.raises(StoreUnavailable):
            spool.look()
    assert spool.look() == {"taken": 1}


def test_what_a_name_says(tmp_path: Path) -> None:
    """Groups of the pattern become metadata, times get the zone of the settings, odd names are refused, not guessed."""
    rule = name_rule(FREEPBX, "%Y%m%d-%H%M%S", "America/New_York", "none")
    names = ["in-18005550100-12025550143-20261120-090300-1763647380.42.wav", "other.wav", "notes.txt"]
    named, other = calls_in([tmp_path / name for name in names], rule)
    metadata = named.metadata("0" * 64)
    assert (metadata.call_id, metadata.caller, metadata.direction) == ("1763647380.42", "+12025550143", "inbound")
    assert metadata.started_at == datetime(2026, 11, 20, 14, 3, tzinfo=UTC)
    assert "2025550143" not in repr(named)
    with pytest.raises(Exception, match=r"watch\.pattern"):
        other.metadata("0" * 64)
    legged = name_rule(r"(?P<call_id>[a-z0-9]+)_(?P<leg>rx|tx)", "", "UTC", "none")
    (call,) = calls_in([tmp_path / "q7_rx.wav", tmp_path / "q7_tx.wav"], legged)
    assert (call.legs, call.complete) == ((Channel.AGENT, Channel.CUSTOMER), True)
    assert [file.name for file in call.files] == ["q7_tx.wav", "q7_rx.wav"]
    assert call.metadata("0" * 64).call_id == "q7"


@pytest.mark.parametrize(("pattern", "zone"), [("(", "UTC"), ("(?P<name>.+)", "UTC"), ("", "Nowhere/At-all")])
def test_a_rule_that_means_nothing_is_refused(pattern: str, zone: str) -> None:
    """Before any file is looked at."""
    with pytest.raises(UsageError, match="watch"):
        name_rule(pattern, "%Y", zone, "none")


def test_a_recording_waits_for_a_sidecar_that_must_come(spool: Spool) -> None:
    """Where the settings say so, it is not taken without its metadata."""
    names = name_rule("", "", "UTC", "required")
    spool.write("a.wav")
    assert spool.look(names=names) == {"wait": 1}
    spool.write("a.json", scripted.metadata())
    assert spool.look(names=names) == {"taken": 1}


def test_a_watcher_that_is_killed_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """Killed while it reads, when the row is there, when the note is, between two files: the next pass ends it."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.watch_child", str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    points = [json.loads(line) for line in done.stdout.splitlines()]
    assert [point["name"] for point in points] == ["read", "sealed", "noted", "half"]
    for point in points:
        assert point["code"] == -9, point
        spool, data = tmp_path / point["name"] / "spool", tmp_path / point["name"] / "data"
        assert point["rows_when_killed"] == (0 if point["name"] == "read" else 1)
        assert point["files_when_killed"] == {"half": 1}.get(point["name"], 2)
        assert not [file for file in files(spool) if NOTE in file.name or file.suffix == ".wav"]
        held = custody(load_settings(data), Role.PRIVACY_OFFICER)
        (artifacts,) = [held.records.artifacts(call_id) for call_id in point["calls"]]
        kinds = Counter(artifact.sealed.kind.value for artifact in artifacts)
        assert kinds == {"intake": 2, "call_metadata": 1}
        assert len(held.records.object_keys()) == 3
        assert point["name"] == "read" or len(objects(data)) == 3
        held.records.close()


def test_the_command_takes_what_is_there(tmp_path: Path) -> None:
    """``watch --once --json`` prints counts; a worker does the rest."""
    (tmp_path / "spool").mkdir()
    file = tmp_path / "spool" / "zebulon_quackenbush.wav"
    file.write_bytes(scripted.recording())
    os.utime(file, (0, 0))
    options = ("--data-dir", tmp_path / "data", "--json")
    done = run("watch", tmp_path / "spool", "--once", *options, program=SCRIPTED)
    assert (done.code, done.json) == (0, {"calls": {"taken": 1}})
    assert "zebulon" not in done.out + done.err
    assert files(tmp_path / "spool") == []
