"""The hook under load: ``python -m benchmarks.hook``. How long events take to be answered, what is lost.

``callseal serve`` runs in a process of its own on a data folder of its own. Signed events arrive at a steady rate,
whether or not those before them were answered (an open loop: time counts from when an event was due), some of them
twice. Each is of a caller who was not heard of before, which is the dearest case: a key, its share, a sealed object and
a row of each. At the end the waiting calls and the jobs of the queue are counted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr
from standardwebhooks import Webhook

from tests import servers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 -- invented, of this benchmark only
REPEATED: Final = 10  # every tenth event comes twice
KEPT_S: Final = 2  # that an idle connection is used again; the server lets go of one after 5
WITHIN_S: Final = 0.2  # that a platform is to be answered in


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of an event.

    Args:
        after_s: from when it was due to its answer.
        late_s: from when it was due to when this process sent it; part of the former.
        status: of the answer.
    """

    after_s: float
    late_s: float
    status: int


def measure(database_url: str = "", per_s: int = 100, for_s: int = 30) -> dict[str, Any]:
    """Answers per percentile in milliseconds, statuses, and what became of the events.

    Args:
        database_url: of an empty PostgreSQL database; empty for SQLite in the data folder.
        per_s: events in a second, repeated ones among them.
        for_s: for how long.
    """
    with tempfile.TemporaryDirectory(prefix="callseal-hook-") as top:
        chosen = {
            "CALLSEAL_DATABASE__URL": database_url,
            "CALLSEAL_API__WEBHOOK_SECRET": SECRET,
            "CALLSEAL_API__PER_MINUTE": str(per_s * 600),
        }
        sent = _events(per_s * for_s)
        with _serving(Path(top), chosen) as (url, process):
            asyncio.run(_send(url, sent[:per_s], per_s))  # so that everything is loaded
            before_s, sender_s, begun = _cpu_s(process.pid), time.process_time(), time.perf_counter()
            answered = asyncio.run(_send(url, sent[per_s:], per_s))
            took_s = time.perf_counter() - begun
            cpu_s, sender_s = _cpu_s(process.pid) - before_s, time.process_time() - sender_s
        found = _counted(Path(top), database_url)
    taken = sorted(each.after_s for each in answered)
    late = sorted(each.late_s for each in answered)
    statuses = [each.status for each in answered]
    return {
        "database": "PostgreSQL" if database_url else "SQLite",
        "events": len(answered),
        "per_s": per_s,
        "answered_per_s": round(len(answered) / took_s, 1),
        **{f"p{share}_ms": round(1000 * taken[len(taken) * share // 100], 1) for share in (50, 95, 99)},
        "longest_ms": round(1000 * taken[-1], 1),
        "within_200_ms": round(sum(each <= WITHIN_S for each in taken) / len(taken), 4),
        "statuses": {str(status): statuses.count(status) for status in sorted(set(statuses))},
        "calls_sent": len({call_id for call_id, _, _ in sent}),
        **found,
        "cpu_ms_per_event": round(1000 * cpu_s / len(answered), 2),
        "sender_cpu_ms_per_event": round(1000 * sender_s / len(answered), 2),
        "sender_late_p99_ms": round(1000 * late[len(late) * 99 // 100], 1),
    }


def _events(many: int) -> list[tuple[str, bytes, dict[str, str]]]:
    """Call id, body and headers of each event."""
    hook, at, events = Webhook(SECRET), datetime.now(UTC), []
    for number in range(many):
        call = number - 1 if number % REPEATED == 1 else number
        metadata = {
            "call_id": f"CA-{call:x}-load",
            "caller": f"+1{201 + call // 100}55501{call % 100:02}",
            "started_at": "2026-11-20T14:03:00Z",
            "jurisdictions": ["US-CA"],
        }
        url = f"https://recordings.example.com/{call}.wav"
        body = json.dumps({"type": "call.finished", "data": {"metadata": metadata, "recording_url": url}})
        headers = {
            "webhook-id": f"msg-{number}",
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": hook.sign(f"msg-{number}", at, body),
        }
        events.append((str(metadata["call_id"]), body.encode(), headers))
    return events


async def _send(url: str, events: Sequence[tuple[str, bytes, dict[str, str]]], per_s: int) -> list[Answer]:
    """What became of each event; connections are kept, and as many are opened as events wait at once."""
    address, idle = urlsplit(url), deque[tuple[float, asyncio.StreamReader, asyncio.StreamWriter]]()
    requests = [_request(address.netloc, body, headers) for _, body, headers in events]
    begun = time.perf_counter()

    async def one(number: int, request: bytes) -> Answer:
        due = begun + number / per_s
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        late_s = time.perf_counter() - due
        while idle and time.perf_counter() - idle[0][0] > KEPT_S:
            idle.popleft()[2].close()
        reader, writer = idle.pop()[1:] if idle else await asyncio.open_connection(address.hostname, address.port)
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]))
        idle.append((time.perf_counter(), reader, writer))
        return Answer(time.perf_counter() - due, late_s, int(head.split()[1]))

    answers = await asyncio.gather(*(one(number, request) for number, request in enumerate(requests)))
    for *_, writer in idle:
        writer.close()
    return answers


def _request(host: str, body: bytes, headers: dict[str, str]) -> bytes:
    fields = {"host": host, "content-type": "application/json", "content-length": str(len(body)), **headers}
    return (
        "\r\n".join(
            ["POST /hooks/standard HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
        ).encode()
        + body
    )


@contextmanager
def _serving(data_dir: Path, chosen: dict[str, str]) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
    command = [str(Path(sys.executable).with_name("callseal")), "serve", "--data-dir", str(data_dir)]
    process = subprocess.Popen(command, env=os.environ | chosen | {"CALLSEAL_API__PORT": str(port)})
    url = f"http://127.0.0.1:{port}"
    try:
        while process.poll() is None:
            try:
                if httpx.get(f"{url}/readyz", timeout=60).status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.1)
        yield url, process
    finally:
        process.terminate()
        process.wait()


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _counted(data_dir: Path, database_url: str) -> dict[str, int]:
    """Calls that wait, and jobs of the queue: one for each."""
    from pipeline import jobs
    from pipeline.config import DatabaseSettings, load_settings
    from pipeline.db import Records
    from pipeline.intake.pressure import waiting_calls

    settings, many = load_settings(data_dir), 1_000_000
    settings = settings.model_copy(update={"database": DatabaseSettings(url=SecretStr(database_url))})
    records = Records.open(settings.database_url)
    with jobs.queue(settings) as client:
        queued = [job.call_id for job in jobs.latest(client, many)]
    waiting = waiting_calls(records, many)
    records.close()
    return {"calls_waiting": waiting, "jobs": len(queued), "calls_with_a_job": len(set(queued))}


def main() -> None:
    """Print what was measured on SQLite, and on a PostgreSQL server that is started for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--per-s", type=int, default=100)
    parser.add_argument("--for-s", type=int, default=30)
    chosen = parser.parse_args()
    print(json.dumps(measure("", chosen.per_s, chosen.for_s), indent=2))
    with servers.postgres() as server:
        print(json.dumps(measure(server.url(server.database()), chosen.per_s, chosen.for_s), indent=2))


if __name__ == "__main__":
    main()
