"""``make test-faults``: kills real processes where it hurts, lets them go on, and counts what became of every call.

Prints one row for each fault: how often a process was killed, how many calls were handed in, stored once, quarantined
with a reason, lost or doubled, how many objects have no row, and in how many files something plain was sighted. Ends
with 1 if a call was lost or doubled, anything plain was left, or the audit trail does not verify.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx

from pipeline.build import custody
from pipeline.config import load_settings
from pipeline.intake.arrival import Legs, hand_in
from pipeline.metadata import parse_metadata
from pipeline.roles import Role
from pipeline.tokens import Scope, create_token
from pipeline.types import Status
from tests import scripted
from tests.product import SCRIPTED, needles, objects, sightings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

STAGES: Final = ("transcribe", "diarize", "detect", "consent", "redact", "verify", "seal")
CUTS: Final = (0, 1, 5, 20)  # chunks of an upload that the server has read when it is killed
CHUNK_BYTES: Final = 20_000
SECRET: Final = needles(
    scripted.CALLER, scripted.CARD, scripted.KNOWN["PERSON"][0], scripted.recording()[80_000:80_064]
)


@dataclass(frozen=True)
class Row:
    """What became of the calls of one fault."""

    fault: str
    killed: int
    calls: int
    stored: int
    quarantined: int
    lost: int
    doubled: int
    strays: int
    plain: int
    audit: str

    @property
    def good(self) -> bool:
        """Whether nothing was lost, doubled or left plain, and the trail verifies."""
        return not (self.lost or self.doubled or self.plain) and self.audit == "ok" and self.killed > 0


def count(fault: str, data: Path, killed: int, call_ids: Sequence[str]) -> Row:
    """Look at what is in the records and on the disk."""
    held = custody(load_settings(data))
    found = [held.records.call(call_id) for call_id in call_ids]
    kinds = [[each.sealed.kind.value for each in held.records.artifacts(call_id)] for call_id in call_ids]
    known = held.records.object_keys()
    held.records.close()
    states = [record.status if record else None for record in found]
    stored = [kinds[at].count("redacted_audio") for at, state in enumerate(states) if state is Status.STORED]
    audit = subprocess.run([*SCRIPTED, "audit", "verify", "--data-dir", data], capture_output=True, check=False)
    return Row(
        fault=fault,
        killed=killed,
        calls=len(call_ids),
        stored=stored.count(1),
        quarantined=states.count(Status.QUARANTINED),
        lost=len(call_ids) - len(stored) - states.count(Status.QUARANTINED) + stored.count(0),
        doubled=sum(number > 1 for number in stored),
        strays=len({Path(name).name for name in objects(data)} - known),
        plain=len(sightings(SECRET, data)),
        audit="ok" if audit.returncode == 0 else f"exit {audit.returncode}",
    )


def give(data: Path, *call_ids: str) -> None:
    """The scripted call, handed in under each id."""
    from pipeline.retention import retain

    settings = load_settings(data)
    held = custody(settings, Role.INGEST)
    retention = retain.load_policy(settings.policy_file("retention.toml"))
    for call_id in call_ids:
        metadata = parse_metadata(scripted.metadata(call_id=call_id))
        hand_in(Legs([[scripted.recording()]]), metadata, held, retention, 1 << 24, datetime.now(UTC))
    held.records.close()


def work(data: Path, stage: str) -> int:
    """A worker's whole life; its exit code."""
    command = [sys.executable, "-m", "tests.worker_child", str(data), "one", stage]
    return subprocess.run(command, check=False, timeout=600).returncode


def worker_at(stage: str) -> Callable[[Path], Row]:
    """SIGKILL of the worker as a stage of one of two calls begins."""

    def fault(top: Path) -> Row:
        data = top / "data"
        give(data, "CA-once", "CA-b")
        codes = [work(data, stage) for _ in range(2)]
        return count(f"worker, {stage}", data, codes.count(-signal.SIGKILL), ("CA-once", "CA-b"))

    return fault


def deadly(top: Path) -> Row:
    """A call that takes every worker down, between two that do not."""
    data = top / "data"
    give(data, "CA-a", "CA-deadly", "CA-b")
    codes: list[int] = []
    while 0 not in codes and len(codes) < 9:
        codes.append(work(data, "redact"))
    return count("worker, poison call", data, codes.count(-signal.SIGKILL), ("CA-a", "CA-deadly", "CA-b"))


def server(top: Path) -> Row:
    """SIGKILL of the hook while it reads an upload; the platform sends again, twice."""
    data, killed = top / "data", 0
    held = custody(load_settings(data), Role.INGEST)
    now = datetime.now(UTC)
    _, token = create_token(held.records.engine, [Scope.DELIVER], now, now + timedelta(days=1))
    held.records.close()
    call_ids = [f"CA-cut{cut}" for cut in CUTS]
    for call_id, cut in zip(call_ids, CUTS, strict=True):
        with serving(data) as (url, process):
            try:
                upload(url, token, call_id, _cut(cut, process))
            except httpx.TransportError:
                killed += 1
    with serving(data) as (url, process):
        for call_id in call_ids * 2:
            assert upload(url, token, call_id, None).status_code == 202
        process.send_signal(signal.SIGKILL)
        killed += 1
    work(data, "none")
    return count("hook, receiving", data, killed, call_ids)


def _cut(cut: int, process: subprocess.Popen[bytes]) -> Callable[[int], None]:
    def kill(number: int) -> None:
        if number == cut:
            process.send_signal(signal.SIGKILL)
            process.wait()

    return kill


def upload(url: str, token: str, call_id: str, before: Callable[[int], None] | None) -> httpx.Response:
    """The scripted call, chunk by chunk; ``before`` is told the number of each chunk that is about to be sent."""
    parts = [("metadata", ("m", scripted.metadata(call_id=call_id))), ("audio", ("a", scripted.recording()))]
    request = httpx.Request("POST", url, files=parts)
    body, kind = request.read(), request.headers["content-type"]

    def chunks() -> Iterator[bytes]:
        for number, at in enumerate(range(0, len(body), CHUNK_BYTES)):
            if before:
                before(number)
            yield body[at : at + CHUNK_BYTES]

    headers = {"authorization": f"Bearer {token}", "content-type": kind}
    return httpx.post(f"{url}/calls", content=chunks(), headers=headers, timeout=60)


class serving:  # noqa: N801 -- reads as what it does
    """``callseal serve`` in a process of its own, once it is ready; killed at the end."""

    def __init__(self, data: Path) -> None:
        import socket

        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            port = listening.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        environment = os.environ | {"CALLSEAL_API__PORT": str(port)}
        self.process = subprocess.Popen([*SCRIPTED, "serve", "--data-dir", str(data)], env=environment)

    def __enter__(self) -> tuple[str, subprocess.Popen[bytes]]:
        while self.process.poll() is None:
            try:
                if httpx.get(f"{self.url}/readyz", timeout=60).status_code == 200:
                    return self.url, self.process
            except httpx.TransportError:
                time.sleep(0.1)
        raise AssertionError(f"the hook ended with {self.process.returncode}")

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


def watcher(top: Path) -> Iterator[Row]:
    """SIGKILL of the watcher: while it reads, when the row is there, when the note is, between two files."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.watch_child", str(top)], capture_output=True, text=True, check=True, timeout=600
    )
    for point in map(json.loads, done.stdout.splitlines()):
        data = top / point["name"] / "data"
        work(data, "none")
        yield count(f"watcher, {point['name']}", data, int(point["code"] == -signal.SIGKILL), point["calls"])


def rows() -> Iterator[Row]:
    """Every fault in a folder of its own."""
    for fault in (*map(worker_at, STAGES), deadly, server):
        with tempfile.TemporaryDirectory(prefix="callseal-faults-") as top:
            yield fault(Path(top))
    with tempfile.TemporaryDirectory(prefix="callseal-faults-") as top:
        yield from watcher(Path(top))


def main() -> None:
    """Print the table as it grows, and its sum."""
    names = [field.name for field in fields(Row)]
    form = "{:22}" + "".join(f"{{:>{max(len(name), 4) + 2}}}" for name in names[1:])
    sys.stdout.write(form.format(*names) + "\n")
    all_rows = []
    for row in rows():
        all_rows.append(row)
        sys.stdout.write(form.format(*map(str, astuple(row))) + "\n")
        sys.stdout.flush()
    sums = [sum(values) for values in list(zip(*map(astuple, all_rows), strict=True))[1:-1]]
    good = all(row.good for row in all_rows)
    sys.stdout.write(form.format("sum", *map(str, sums), "ok" if good else "BAD") + "\n")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
