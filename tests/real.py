"""Fixtures: real calls that went through the product with real weights, once for all tests that look at them.

PYTEST_DONT_REWRITE: a plugin of the test modules, some of which also import it.
"""

from __future__ import annotations

import json
import logging
import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pipeline import build, cli
from pipeline.config import load_settings
from tests import scripted
from tests.product import CALLS, Done, Watched, needles, run, watched

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.config import Settings
    from pipeline.run import Rooms

STEREO, MONO = CALLS / "speechmatics_channels_stereo.wav", CALLS / "symbl_newPhonecall.mp3"
CALLER = "+12025550143"
METADATA = {"caller": CALLER, "jurisdictions": ["US-NY"], "started_at": "2026-11-20T14:03:00Z"}


@dataclass(frozen=True)
class Processed:
    """A real call, processed in a process of its own and exported.

    Args:
        call_id: its id.
        recording: what went in.
        metadata: the metadata's file.
        watched: the run.
        exported: the folder of what came out.
    """

    call_id: str
    recording: Path
    metadata: Path
    watched: Watched
    exported: Path

    @property
    def summary(self) -> Any:
        """What ``process --json`` printed."""
        return self.watched.done.json

    def document(self, name: str) -> Any:
        """An exported JSON file."""
        return json.loads((self.exported / name).read_text())

    def copy(self, folder: Path) -> Path:
        """A copy of the data folder, to be changed."""
        return Path(shutil.copytree(self.watched.data_dir, folder / "data"))


def _processed(folder: Path, recording: Path, words: str) -> Processed:
    metadata, call_id = folder / "call.json", f"CA-{recording.stem}"
    metadata.write_text(json.dumps(METADATA | {"call_id": call_id}))
    raw = recording.read_bytes()
    pieces = [raw[at : at + 64] for at in range(len(raw) // 8, len(raw) - 64, len(raw) // 8)]
    loud = [piece for piece in pieces if len(set(piece)) > 16]
    done = watched(folder, "process", recording, "--metadata", metadata, "--json", wanted=needles(words, *loud))
    exported = folder / "exported"
    run("export", call_id, "--to", exported, "--data-dir", done.data_dir)
    return Processed(call_id, recording, metadata, done, exported)


@pytest.fixture(name="stereo", scope="session")
def _stereo(tmp_path_factory: pytest.TempPathFactory) -> Processed:
    return _processed(tmp_path_factory.mktemp("stereo"), STEREO, "happy to help you")


@pytest.fixture(name="mono", scope="session")
def _mono(tmp_path_factory: pytest.TempPathFactory) -> Processed:
    return _processed(tmp_path_factory.mktemp("mono"), MONO, "internet")


@pytest.fixture(name="loaded", scope="session")
def _loaded(tmp_path_factory: pytest.TempPathFactory) -> Rooms:
    """Rooms whose models stay in memory once they are loaded."""
    return build.build(load_settings(tmp_path_factory.mktemp("loaded")))


class Here:
    """The command in this process, so that models that are loaded already can serve it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capfd = capfd

    def __call__(self, *arguments: str | Path) -> Done:
        """Run ``callseal`` with these arguments."""
        self._monkeypatch.setattr(sys, "argv", ["callseal", *map(str, arguments)])
        self._capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return Done(int(ended.value.code or 0), *self._capfd.readouterr())


def _here(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], rooms: Callable[[Settings], Rooms]
) -> Here:
    monkeypatch.setattr(build, "build", rooms)
    monkeypatch.setattr(logging, "lastResort", logging.lastResort)
    for name in ("HF_HUB_OFFLINE", "PYANNOTE_METRICS_ENABLED", "ORT_DISABLE_TELEMETRY"):
        monkeypatch.setenv(name, "1")  # what the command sets itself goes away with the test
        monkeypatch.delenv(name)
    return Here(monkeypatch, capfd)


@pytest.fixture(name="acted")
def _acted(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Here:
    """The command with models that follow a script."""
    return _here(monkeypatch, capfd, scripted.rooms)


@pytest.fixture(name="callseal")
def _callseal(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], loaded: Rooms) -> Here:
    """The command with real weights, loaded once."""
    original = build.build

    def rooms(settings: Settings) -> Rooms:
        models = ("vad", "transcriber", "listener", "diarizer", "recognizer", "tagger")
        return replace(original(settings), **{name: getattr(loaded, name) for name in models})

    return _here(monkeypatch, capfd, rooms)
