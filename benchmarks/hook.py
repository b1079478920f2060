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
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx
from pydantic import SecretStr
from standardwebhooks import Webhook

from tests import servers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 -- invented, of this benchmark only
REPEATED: Final = 10  # every tenth event comes twice


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
            before_s = _cpu_s(process.pid)
            answered = asyncio.run(_send(url, sent[per_s:], per_s))
            cpu_s = _cpu_s(process.pid) - before_s
        found = _counted(Path(top), database_url)
    taken = sorted(seconds for seconds, _ in answered)
    statuses = [status for _, status in answered]
    return {
        "database": "PostgreSQL" if database_url else "SQLite",
        "events": len(answered),
        "per_s": per_s,
        **{f"p{share}_ms": round(1000 * taken[len(taken) * share // 100], 1) for share in (50, 95, 99)},
        "longest_ms": round(1000 * taken[-1], 1),
        "statuses": {str(status): statuses.count(status) for status in sorted(set(statuses))},
        "calls_sent": len({call_id for call_id, _, _ in sent}),
        **found,
        "cpu_ms_per_event": round(1000 * cpu_s / len(answered), 2),
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


async def _send(url: str, events: Sequence[tuple[str, bytes, dict[str, str]]], per_s: int) -> list[tuple[float, int]]:
    """Seconds from when each event was due to its answer, and the status of that."""
    limits = httpx.Limits(max_connections=200, keepalive_expiry=2)  # s; the server lets go of an idle one after 5
    async with httpx.AsyncClient(timeout=60, limits=limits) as client:
        begun = time.perf_counter()

        async def one(number: int, body: bytes, headers: dict[str, str]) -> tuple[float, int]:
            due = begun + number / per_s
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            answer = await client.post(f"{url}/hooks/standard", content=body, headers=headers)
            return time.perf_counter() - due, answer.status_code

        return await asyncio.gather(*(one(number, body, headers) for number, (_, body, headers) in enumerate(events)))


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
    from pipeline.api.pressure import waiting_calls
    from pipeline.config import DatabaseSettings, load_settings
    from pipeline.db import Records

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
