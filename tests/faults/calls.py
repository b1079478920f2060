"""Calls and those who carry them: hand the scripted call in, begin workers and hooks in processes of their own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import httpx

from pipeline.build import custody
from pipeline.config import load_settings
from pipeline.intake.arrival import Legs, hand_in
from pipeline.metadata import parse_metadata
from pipeline.retention import retain
from pipeline.roles import Role
from pipeline.tokens import Scope, create_token
from tests import scripted
from tests.product import SCRIPTED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

CHUNK_BYTES: Final = 20_000
WITHIN_S: Final = 600


def give(data: Path, *call_ids: str) -> None:
    """The scripted call, handed in under each id."""
    give_all(data, dict.fromkeys(call_ids, scripted.recording()))


def give_all(data: Path, recordings: Mapping[str, bytes]) -> None:
    """Recordings by id, handed in."""
    settings = load_settings(data)
    held = custody(settings, Role.INGEST)
    retention = retain.load_policy(settings.policy_file("retention.toml"))
    for call_id, raw in recordings.items():
        metadata = parse_metadata(scripted.metadata(call_id=call_id))
        hand_in(Legs([[raw]]), metadata, held, retention, 1 << 28, datetime.now(UTC))
    held.records.close()


def begin(data: Path, stage: str, name: str = "one", ahead_s: float = 0.0, at_once: int = 1) -> subprocess.Popen[bytes]:
    """A worker that dies or pauses at a stage of some calls; see ``tests.worker_child``."""
    options = (str(data), name, stage, str(ahead_s), str(at_once))
    return subprocess.Popen([sys.executable, "-m", "tests.worker_child", *options])


def work(data: Path, stage: str = "none") -> int:
    """A worker's whole life; its exit code, negative for the signal that ended it."""
    return begin(data, stage).wait(WITHIN_S)


def paused(data: Path, worker: subprocess.Popen[bytes]) -> None:
    """Wait until the worker pauses in ``CA-pause``."""
    while not data.with_name("CA-pause.there").exists():
        assert worker.poll() is None, f"the worker ended with {worker.returncode}"
        time.sleep(0.02)


def beats(data: Path, name: str) -> int:
    """How often a worker has looked at its clock."""
    told = data.with_name(f"{name}.beats")
    return told.stat().st_size if told.exists() else 0


def go_on(data: Path) -> None:
    """Let ``CA-pause`` go on, in whoever has it."""
    data.with_name("CA-pause.go").touch()


def token(data: Path) -> str:
    """A token that lets calls in."""
    held, now = custody(load_settings(data), Role.INGEST), datetime.now(UTC)
    _, text = create_token(held.records.engine, [Scope.DELIVER], now, now + timedelta(days=1))
    held.records.close()
    return text


def upload(url: str, bearer: str, call_id: str, before: Callable[[int], None] = lambda _: None) -> httpx.Response:
    """The scripted call, chunk by chunk; ``before`` is told the number of each chunk that is about to be sent."""
    parts = [("metadata", ("m", scripted.metadata(call_id=call_id))), ("audio", ("a", scripted.recording()))]
    request = httpx.Request("POST", url, files=parts)
    body, kind = request.read(), request.headers["content-type"]

    def chunks() -> Iterator[bytes]:
        for number, at in enumerate(range(0, len(body), CHUNK_BYTES)):
            before(number)
            yield body[at : at + CHUNK_BYTES]

    headers = {"authorization": f"Bearer {bearer}", "content-type": kind}
    return httpx.post(f"{url}/calls", content=chunks(), headers=headers, timeout=120)


def send_until_taken(url: str, bearer: str, call_id: str) -> int:
    """As a platform does that is told to come later; gives how often it was."""
    told = 0
    while (answer := upload(url, bearer, call_id)).status_code != 202:
        assert answer.status_code in (429, 503), answer.status_code
        assert answer.headers["retry-after"]
        told += 1
        time.sleep(0.1)
    return told


@contextmanager
def serving(data: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """``callseal serve`` in a process of its own, once it is ready; killed at the end."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
    url, environment = f"http://127.0.0.1:{port}", os.environ | {"CALLSEAL_API__PORT": str(port)}
    process = subprocess.Popen([*SCRIPTED, "serve", "--data-dir", str(data)], env=environment)
    try:
        while not _ready(url):
            assert process.poll() is None, f"the hook ended with {process.returncode}"
            time.sleep(0.1)
        yield url, process
    finally:
        process.kill()
        process.wait()


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=60).status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def environment(**settings: str) -> Iterator[None]:
    """These settings, for this process and those that it begins."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
