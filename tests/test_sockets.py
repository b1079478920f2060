"""With real weights, a call is processed without an attempt to reach another machine."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import soundfile

from pipeline.config import load_settings
from tests.product import Done, run

if TYPE_CHECKING:
    from collections.abc import Sequence

CALL = Path(__file__).parents[1] / "scripts" / "demo" / "call.wav"
SECONDS = 8


def _mono(folder: Path) -> Path:
    """The beginning of the demonstration call, both voices on one channel."""
    samples, rate_hz = soundfile.read(CALL, frames=SECONDS * soundfile.info(CALL).samplerate)
    soundfile.write(folder / "mono.wav", samples.sum(axis=1) / 2, rate_hz, subtype="PCM_16")
    return folder / "mono.wav"


def _offline(folder: Path, arguments: Sequence[str | Path]) -> tuple[Done, list[str]]:
    """The command, and what it tried to reach."""
    log = folder / "attempts.log"
    log.touch()
    models = str(load_settings().models_dir)
    done = run(log, *arguments, program=(sys.executable, "-m", "tests.offline"), CALLSEAL_MODELS_DIR=models)
    return done, log.read_text().splitlines()


@pytest.mark.models
def test_no_socket_is_opened(tmp_path: Path) -> None:
    """Recognition, diarization and detection of a mono call, with telemetry as installed, reach for nothing."""
    (tmp_path / "call.json").write_text(json.dumps({"call_id": "CA-offline", "jurisdictions": ["US-NY"]}))
    arguments = ("process", _mono(tmp_path), "--metadata", tmp_path / "call.json", "--json")
    done, attempts = _offline(tmp_path, (*arguments, "--data-dir", tmp_path / "data"))
    assert done.code == 0, done.err
    assert attempts == []
    assert (done.json["channels"], done.json["status"]) == (["mixed"], "stored")
    assert done.json["timings_s"]["transcribe"] > 0
    assert done.json["timings_s"]["diarize"] > 0


@pytest.mark.parametrize("act", ["create_connection(('192.0.2.1', 9))", "getaddrinfo('example.com', 80)"])
def test_an_attempt_would_be_noticed(tmp_path: Path, act: str) -> None:
    """What the runner replaces is what a library calls: an attempt is refused and noted."""
    program = (
        "import pathlib, sys\n"
        "from tests.offline import refuse\n"
        "refuse(pathlib.Path(sys.argv[1]))\n"
        "import socket\n"
        f"socket.{act}\n"
    )
    log = tmp_path / "attempts.log"
    done = subprocess.run([sys.executable, "-c", program, log], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "OSError: refused" in done.stderr
    assert log.read_text().split() == [act.split("(", maxsplit=1)[0]]


def test_a_connected_socket_would_be_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A library that makes its own socket is refused as well."""
    from tests.offline import refuse

    for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "create_connection"):
        monkeypatch.setattr(socket, name, getattr(socket, name))  # put back after the test
    for name in ("connect", "connect_ex", "sendto", "sendmsg"):
        monkeypatch.setattr(socket.socket, name, getattr(socket.socket, name))
    refuse(tmp_path / "log")
    with pytest.raises(OSError, match="refused"):
        socket.socket.connect(None, ("192.0.2.1", 9))  # type: ignore[arg-type]
    assert (tmp_path / "log").read_text() == "socket.connect\n"
