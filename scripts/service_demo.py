"""`make demo-service`: a platform's signed event becomes a stored call, though the worker is killed in mid-call.

Three processes as an operator runs them (the hook, a worker, and again a worker) and a telephone platform of this
script's own: a web server with the recording, and an event signed as Twilio signs its recording callbacks.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from twilio.request_validator import RequestValidator

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
CALL = ROOT / "scripts" / "demo" / "call.wav"
OUT = ROOT / "demo-out" / "service"
DATA = OUT / "data"
PROGRAM = str(Path(sys.executable).with_name("callseal"))
CALL_ID = "CAdemo-REdemo"
SECRET = "invented-secret-of-the-demo"  # noqa: S105 -- the platform's and ours, for as long as this script runs
FIELDS = {
    "CallSid": "CAdemo",
    "RecordingSid": "REdemo",
    "RecordingStatus": "completed",
    "RecordingChannels": "2",
    "RecordingStartTime": "Fri, 20 Nov 2026 14:03:00 +0000",
}
QUERY = "caller=%2B12025550143&callee=%2B18005550100&jurisdictions=US-CA&recording_notice=ivr&notice_version=2026-03"


def main() -> None:
    """Announce, fetch, kill, start again, look."""
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    began = time.monotonic()
    with platform() as (recording_url, asked), hook() as url:
        event = FIELDS | {"RecordingUrl": recording_url}
        say("the platform announces a finished call of 44 s; nobody else may:")
        print(f"  unsigned: HTTP {announce(url, event, 'wrong').status_code}")
        for number in (1, 2, 3):
            begun = time.monotonic()
            answer = announce(url, event, SECRET)
            took_ms = (time.monotonic() - begun) * 1000
            print(f"  delivery {number}: HTTP {answer.status_code} in {took_ms:.0f} ms, {answer.json()}")
        print(f"  the recording was asked for {len(asked)} times so far")
        say("a worker takes it, and is killed with SIGKILL some seconds after it began:")
        with worker() as first:
            wait_until(lambda: "begun" in history(), "a worker to begin")
            time.sleep(4)
            first.send_signal(signal.SIGKILL)
            print(f"  worker ended with {first.wait()}; the recording was asked for {len(asked)} times")
        print(f"  the call: {status()}; history: {', '.join(history())}")
        say("a worker of the same name starts again:")
        with worker("--until-empty") as second:
            print(f"  worker ended with {second.wait()}; the recording was asked for {len(asked)} times")
        print(f"  the call: {status()}; history: {', '.join(history())}")
        print(f"  delivery 4: {announce(url, event, SECRET).json()}")
    say("what is kept:")
    shown = callseal("show", CALL_ID)
    for artifact in shown["artifacts"]:
        print(f"  {artifact['kind']:16}{artifact['size_bytes']:>9} bytes  until {artifact['retain_until'][:10]}")
    print(f"  consent {shown['consent']['verdict']}, {len(shown['redactions'])} redactions")
    for job in callseal("jobs", "list")["jobs"]:
        print(f"  job {job['job_id']}: {job['state']}, {job['outcome']}")
    print(f"  audit trail: {callseal('audit', 'verify')}")
    print(f"\nfinished in {time.monotonic() - began:.0f} s; the sealed objects are in {DATA.relative_to(ROOT)}")
    if status() != "stored":
        sys.exit("the call was not stored")


def say(text: str) -> None:
    """A line of the story."""
    print(f"\n== {text}", flush=True)


def environment() -> dict[str, str]:
    """Settings of the three processes."""
    return os.environ | {
        "CALLSEAL_DATA_DIR": str(DATA),
        "CALLSEAL_API__PORT": str(PORT),
        "CALLSEAL_API__PUBLIC_URL": f"http://127.0.0.1:{PORT}",
        "CALLSEAL_API__TWILIO_AUTH_TOKEN": SECRET,
        "CALLSEAL_FETCH__HOSTS": '["localhost"]',
        "CALLSEAL_FETCH__PRIVATE": "true",
    }


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


PORT = _free_port()


@contextmanager
def platform() -> Iterator[tuple[str, list[str]]]:
    """A web server of one recording; its URL without suffix, as Twilio names it, and what was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            body = CALL.read_bytes()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the library's signature
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_port}/Recordings/REdemo", asked
    server.shutdown()
    server.server_close()


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command of callseal as long as the block runs."""
    print(f"$ callseal {' '.join(arguments)}", flush=True)
    with (OUT / f"{arguments[0]}.log").open("ab") as log:
        program = [PROGRAM, *arguments]
        process = subprocess.Popen(program, env=environment(), cwd=ROOT, stdout=log, stderr=log)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait()


@contextmanager
def hook() -> Iterator[str]:
    """The hook, once it is ready."""
    url = f"http://127.0.0.1:{PORT}"
    with started("serve") as process:
        wait_until(lambda: is_ready(url), "the hook to be ready", process)
        yield url


def worker(*options: str) -> Any:
    """A worker by the name of demo."""
    return started("worker", "--name", "demo", *options)


def is_ready(url: str) -> bool:
    """Whether the hook says so."""
    try:
        return httpx.get(f"{url}/readyz").status_code == 200
    except httpx.TransportError:
        return False


def wait_until(true: Any, what: str, process: subprocess.Popen[bytes] | None = None) -> None:
    """Look again and again, for ten minutes at most."""
    ends = time.monotonic() + 600
    while not true():
        if time.monotonic() > ends or (process and process.poll() is not None):
            sys.exit(f"waited in vain for {what}; see {OUT.relative_to(ROOT)}/*.log")
        time.sleep(0.1)


def announce(url: str, event: dict[str, str], secret: str) -> httpx.Response:
    """The event, signed as Twilio signs it."""
    target = f"{url}/hooks/twilio?{QUERY}"
    signature = RequestValidator(secret).compute_signature(target, event)
    return httpx.post(target, data=event, headers={"x-twilio-signature": signature}, timeout=60)


def records() -> Any:
    """The database, read from outside."""
    from pipeline.db import Records

    return Records.open(f"sqlite:///{DATA / 'callseal.db'}")


def history() -> list[str]:
    """What happened to the call so far."""
    found = records()
    events = [event.what for event in found.events(CALL_ID)]
    found.close()
    return events


def status() -> str:
    """What became of the call."""
    found = records()
    record = found.call(CALL_ID)
    found.close()
    return record.status.value if record and record.status else "waits, sealed"


def callseal(*arguments: str) -> Any:
    """What a command prints as JSON."""
    program = [PROGRAM, *arguments, "--json"]
    done = subprocess.run(program, env=environment(), cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


if __name__ == "__main__":
    main()
