"""Planted names and numbers are hunted wherever the product can write, in every spelling and encoding."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from models.fakes import FakeTranscriber
from pipeline import build
from tests import scripted
from tests.factories import pcm16
from tests.product import SCRIPTED, Watched, files, needles, run, sightings, watched

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pipeline.config import Settings
    from pipeline.run import Rooms
    from pipeline.speech import Window
    from tests.real import Here, Processed

pytest_plugins = ("tests.real",)

FILE_NAME = "Ignatius Plumtree 2025550187.wav"
TAGS = {"title": "Wilhelmina Oxenford", "artist": "4012888888881881", "comment": "wilhelmina@example.org"}
SPOKEN = (scripted.NAME, scripted.CARD, scripted.PHONE, scripted.MAIL)
STATED = (scripted.CALLER, scripted.METADATA["callee"], *(v for values in scripted.KNOWN.values() for v in values))
AROUND = ("Ignatius Plumtree", "+12025550187", *TAGS.values())
CANARIES = needles(*SPOKEN, *map(str, STATED), *AROUND)


def _sound() -> frozenset[bytes]:
    """Pieces of the recording's samples, both channels or one."""
    voices = pcm16(scripted.samples(scripted.script()))
    at_s = [1.1, 1.2, 7.1, 7.5, 15.1, 15.5, 26.1, 26.2]
    pieces = [voices[:, round(s * scripted.RATE_HZ) :][:, :24] for s in at_s]
    both = [piece.T.tobytes() for piece in pieces]
    one = [row.tobytes() for piece in pieces for row in piece if len(set(row)) > 12]
    assert len(one) >= len(at_s)
    return needles(*both, *one)


@pytest.fixture(name="ran", scope="module")
def _ran(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    """The scripted call, full of canaries, after ``process``."""
    folder = tmp_path_factory.mktemp("leaks")
    (folder / "in").mkdir()
    (folder / "in" / FILE_NAME).write_bytes(scripted.recording(tags=TAGS))
    (folder / "in" / "call.json").write_bytes(scripted.metadata())
    arguments = ("process", folder / "in" / FILE_NAME, "--metadata", folder / "in" / "call.json", "--json")
    wanted = CANARIES | needles(scripted.ORDINARY) | _sound()
    return watched(folder, *arguments, program=SCRIPTED, wanted=wanted)


def test_the_hunt_finds_what_is_there(tmp_path: Path) -> None:
    """The hunter sees a canary in a name, in text, in UTF-16, hex and base64: it would see a leak."""
    (tmp_path / "a-2025550143").touch()
    (tmp_path / "b").write_bytes(b"\0\0Zebulon Quackenbush\0")
    (tmp_path / "c").write_bytes("xx Quackenbush".encode("utf-16-le"))
    (tmp_path / "d").write_bytes(b"zebulon quackenbush".hex().encode())
    (tmp_path / "e").write_bytes(b"eyJhIjoiWmVidWxvbiBRdWFja2VuYnVzaCJ9")
    (tmp_path / "f").write_bytes(b"(202) 555-0143")
    (tmp_path / "g").write_bytes(b"3410555202")
    (tmp_path / "h").write_bytes(scripted.recording())
    (tmp_path / "i").write_bytes(b"rhubarb and other harmless things")
    seen = sightings(CANARIES | _sound(), tmp_path)
    assert {each.rsplit("/", 1)[1][0] for each in seen} == set("abcdefgh")


def test_nothing_lies_on_disk(ran: Watched) -> None:
    """Database, its log, objects, their names and the keys hold nothing that was said, stated or tagged."""
    assert ran.done.code == 0, ran.done.err
    assert len(files(ran.data_dir)) > 4
    assert sightings(CANARIES | needles(scripted.ORDINARY) | _sound(), ran.data_dir) == []


def test_nothing_lay_on_disk_on_the_way(ran: Watched) -> None:
    """While the call was processed no file held a word of it or a piece of its sound, temporary files included."""
    assert ran.looks > 5
    assert ran.seen == ()


def test_nothing_is_written_elsewhere(ran: Watched) -> None:
    """No file appears outside of the data folder: not in the home, not where the command runs, not in /tmp."""
    assert ran.strays() == []


def test_nothing_is_printed(ran: Watched) -> None:
    """Neither summary nor record shows anything of the call's content or of who called."""
    shown = [
        run(*command, "--data-dir", ran.data_dir)
        for command in (["show", "CA-scripted"], ["show", "CA-scripted", "--json"])
    ]
    assert all(each.code == 0 for each in shown)
    said = [text for done in (ran.done, *shown) for text in (done.out, done.err)]
    assert sightings(CANARIES | needles(scripted.ORDINARY), *said) == []


def test_nothing_leaves(ran: Watched, tmp_path: Path) -> None:
    """What is exported holds no canary, in no spelling; what is no secret is still there to read."""
    done = run("export", "CA-scripted", "--to", tmp_path / "out", "--data-dir", ran.data_dir)
    assert done.code == 0
    assert sightings(CANARIES, tmp_path / "out", done.out, done.err) == []
    assert {path.suffix for path in files(tmp_path / "out") if scripted.ORDINARY in path.read_text("latin-1")} == {
        ".json",
        ".vtt",
    }


def test_erasing_says_nothing(ran: Watched, tmp_path: Path) -> None:
    """Neither the plan nor the report of an erasure names the caller, and nor does what is left."""
    folder = tmp_path / "data"
    shutil.copytree(ran.data_dir, folder)
    for extra in (["--dry-run"], ["--yes"]):
        done = run("delete", "--caller", "(202) 555-0143", *extra, "--json", "--data-dir", folder)
        assert done.code == 0, done.err
        assert sightings(CANARIES, done.out, done.err) == []
    assert sightings(CANARIES | needles(scripted.ORDINARY), folder) == []


def _without(key: str, value: Any) -> bytes:
    return scripted.metadata(**{key: value})


FAILURES: dict[str, tuple[bytes, bytes]] = {
    "no audio": (b"Zebulon Quackenbush 4111111111111111", scripted.metadata()),
    "truncated": (scripted.recording(tags=TAGS)[:-40_000], scripted.metadata()),
    "header only": (scripted.recording(tags=TAGS)[:60], scripted.metadata()),
    "not JSON": (scripted.recording(), b'{"caller": "+12025550143", "Zebulon Quackenbush"'),
    "unknown key": (scripted.recording(), _without("customer_name", scripted.NAME)),
    "wrong type": (scripted.recording(), _without("caller", [scripted.CALLER])),
    "no number": (scripted.recording(), _without("caller", "Zebulon Quackenbush")),
    "half a number": (scripted.recording(), _without("caller", "5550143")),
    "number as id": (scripted.recording(), _without("call_id", "in-2025550143")),
    "wrong date": (scripted.recording(), _without("started_at", "Zebulon Quackenbush")),
    "known PII without a type": (scripted.recording(), _without("known_pii", {scripted.NAME: [scripted.CARD]})),
    "known PII in no list": (scripted.recording(), _without("known_pii", {"PERSON": scripted.NAME})),
    "known PII too long": (scripted.recording(), _without("known_pii", {"PERSON": [scripted.NAME * 20]})),
    "channel count": (scripted.recording(), _without("channels", ["mixed"])),
    "language": (scripted.recording(), _without("language", scripted.NAME)),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_errors_do_not_quote(acted: Here, tmp_path: Path, failure: str) -> None:
    """A run that fails tells why without a word of the call, its metadata or its file's name; nothing of it stays."""
    recording, metadata = FAILURES[failure]
    (tmp_path / FILE_NAME).write_bytes(recording)
    (tmp_path / "Zebulon Quackenbush.json").write_bytes(metadata)
    arguments = (tmp_path / FILE_NAME, "--metadata", tmp_path / "Zebulon Quackenbush.json")
    done = acted("process", *arguments, "--json", "--data-dir", tmp_path / "data")
    assert done.code == 3, done.err
    assert sightings(CANARIES, done.out, done.err) == []
    if (tmp_path / "data").exists():
        assert sightings(CANARIES | _sound(), tmp_path / "data") == []
        assert files(tmp_path / "data" / "objects") == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["process", "{tmp}/Zebulon Quackenbush 2025550143.wav"],
        ["process", "{tmp}/call.wav", "--metadata", "{tmp}/Zebulon Quackenbush.json"],
        ["process", "--leg", "agent={tmp}/Zebulon Quackenbush.wav"],
        ["process", "{tmp}"],
        ["delete", "--caller", "Zebulon Quackenbush"],
        ["delete", "--caller", scripted.CALLER, "--yes"],
    ],
)
def test_missing_files_and_callers_are_not_quoted(acted: Here, tmp_path: Path, arguments: list[str]) -> None:
    """A file or a caller that is not there is not named in the error, for names of files are names of people."""
    (tmp_path / "call.wav").write_bytes(scripted.recording())
    done = acted(*(each.format(tmp=tmp_path) for each in arguments), "--json", "--data-dir", tmp_path / "data")
    assert done.code in (2, 5)
    assert sightings(CANARIES, done.out, done.err) == []


class Quoting(FakeTranscriber):
    """A recogniser that fails, quoting what it heard, as libraries do."""

    def transcribe(self, windows: Iterable[Window], language: str) -> Any:
        """Fails on the first window."""
        del windows, language
        raise ValueError(f"cannot align {scripted.NAME}, {scripted.CARD}")


def test_an_unforeseen_error_does_not_quote(acted: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of a library is told by its kind and place; its message may quote the call and is kept back."""

    def rooms(settings: Settings) -> Rooms:
        return replace(scripted.rooms(settings), transcriber=lambda: Quoting({}))

    monkeypatch.setattr(build, "build", rooms)
    (tmp_path / "call.wav").write_bytes(scripted.recording())
    done = acted("process", tmp_path / "call.wav", "--json", "--data-dir", tmp_path / "data")
    assert done.code == 1
    assert len(done.err.splitlines()) == 1
    assert "ValueError" in done.err
    assert done.json["error"]["exit_code"] == 1
    assert sightings(CANARIES, done.out, done.err, tmp_path / "data") == []
    assert files(tmp_path / "data" / "objects") == []


@pytest.mark.models
@pytest.mark.parametrize("call", ["stereo", "mono"])
def test_no_socket_is_opened(call: str, request: pytest.FixtureRequest) -> None:
    """With real weights, speakers told apart on the mono call, nothing looks up a name or reaches for a machine."""
    processed: Processed = request.getfixturevalue(call)
    assert processed.watched.done.code == 0, processed.watched.done.err
    assert processed.watched.egress == ()


@pytest.mark.models
@pytest.mark.parametrize("call", ["stereo", "mono"])
def test_real_models_write_nothing(call: str, request: pytest.FixtureRequest) -> None:
    """With real weights no file holds plaintext while the call is processed, and none is left outside the data."""
    processed: Processed = request.getfixturevalue(call)
    assert processed.watched.looks > 5
    assert processed.watched.seen == ()
    assert processed.watched.strays() == []


def test_the_watch_would_notice(tmp_path: Path) -> None:
    """A process that looks up a name, connects, or writes plaintext to a temporary file is caught by the watch."""
    program = """
import ctypes, socket, struct, tempfile, time
for act in (lambda: socket.getaddrinfo("example.com", 80), lambda: socket.socket().connect(("192.0.2.1", 9))):
    try:
        act()
    except OSError:
        pass
native = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
loopback = struct.pack("=H2s4s8x", socket.AF_INET, bytes(2), bytes((127, 0, 0, 1)))
assert ctypes.CDLL(None).bind(native.fileno(), loopback, len(loopback)) == 0
with tempfile.TemporaryFile() as file:
    file.write(b"Zebulon Quackenbush")
    file.flush()
    time.sleep(1)
"""
    caught = watched(tmp_path, program=(sys.executable, "-c", program), wanted=CANARIES)
    assert {each.split()[0] for each in caught.egress} >= {"socket.getaddrinfo", "socket.connect", "udp"}
    assert caught.seen
