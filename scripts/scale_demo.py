"""`make demo-scale`: real calls in an archive, done though killed on the way, tightened, and done again by two workers.

``alone`` is one process with SQLite and a folder. ``together`` is PostgreSQL, a bucket and two workers, one of which is
killed in mid-call; the archive is in the bucket too. Both servers are those of the tests, real and on this machine.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3

from pipeline.config import shipped_configs
from scripts.service_demo import say
from tests import servers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "demo-out" / "scale"
ARCHIVE = OUT / "archive"
PROGRAM = str(Path(sys.executable).with_name("callseal"))
SHARED, SHIPPED = ROOT.parent / "shared" / "data" / "audio" / "calls", ROOT / "tests" / "data" / "calls"
SIDECAR = {"jurisdictions": ["US-CA"], "consent": {"recording_notice": "ivr", "notice_version": "2026-03"}}
# Companies and places alone, which the shipped policy lets stand.
STRICTER = {
    'replacement = "[ORGANIZATION]", redact = false': 'replacement = "[ORGANIZATION]"',
    "place_alone = false": "place_alone = true",
}


def main() -> None:
    """Gather the archive, and run the parts that are asked for."""
    asked = sys.argv[1:2] or ["alone", "together"]
    gather(Path(sys.argv[2]) if len(sys.argv) > 2 else SHARED if SHARED.is_dir() else SHIPPED)
    for part in asked:
        {"alone": alone, "together": together}[part]()


def gather(recordings: Path) -> None:
    """The recordings with invented metadata beside each call, in a folder of their own."""
    shutil.rmtree(ARCHIVE, ignore_errors=True)
    ARCHIVE.mkdir(parents=True)
    stems: set[str] = set()
    for file in sorted(recordings.iterdir()):
        if file.suffix in (".wav", ".mp3"):
            shutil.copy(file, ARCHIVE)
            stems.add(file.stem.removesuffix("_agent").removesuffix("_caller").removesuffix("_customer"))
    for number, stem in enumerate(sorted(stems)):
        stated = SIDECAR | {"call_id": f"archive-{number}", "caller": f"+120255501{number:02}"}
        (ARCHIVE / f"{stem}.json").write_text(json.dumps(stated))
    print(f"{len(stems)} calls of real people, with invented numbers", flush=True)


def alone() -> None:
    """One process, SQLite, a folder."""
    data = OUT / "alone"
    shutil.rmtree(data, ignore_errors=True)
    settings = {"CALLSEAL_DATA_DIR": str(data)}
    say("one process; what will it take? Nothing was processed here yet:")
    callseal(settings, "reprocess", ARCHIVE, "--dry-run")
    say("it begins, and is killed with SIGKILL in the second call:")
    with started(settings, "reprocess", ARCHIVE) as first:
        wait_until(lambda: len(calls(settings)) >= 2, first)
        time.sleep(2)
        first.send_signal(signal.SIGKILL)
        print(f"  ended with {first.wait()}")
    say("what will the rest take? By the call that is done:")
    callseal(settings, "reprocess", ARCHIVE, "--dry-run", "--price", "2.50")
    say("it is started again, and goes on:")
    callseal(settings, "reprocess", ARCHIVE)
    say("a policy that also takes out companies and places; no original is held any more:")
    policies = OUT / "policies"
    shutil.rmtree(policies, ignore_errors=True)
    shutil.copytree(shipped_configs(), policies)
    rules = (policies / "redaction.toml").read_text()
    for before, after in STRICTER.items():
        rules = rules.replace(before, after)
    (policies / "redaction.toml").write_text(rules)
    before = redacted(settings)
    callseal(settings, "reprocess", "--stored", "--policy", policies)
    for call_id, (count, seconds) in redacted(settings).items():
        had, had_s = before[call_id]
        print(f"  {call_id}: {had} redactions, {had_s:.1f} s -> {count}, {seconds:.1f} s")
    callseal(settings, "audit", "verify")


def together() -> None:
    """PostgreSQL, a bucket, two workers, an archive in the bucket."""
    data = OUT / "together"
    shutil.rmtree(data, ignore_errors=True)
    with ExitStack() as stack:
        database, s3 = stack.enter_context(servers.postgres()), stack.enter_context(servers.versioned_s3())
        os.environ |= servers.AWS_ENVIRONMENT
        archive, store = s3.bucket(), s3.bucket()
        settings = {
            "CALLSEAL_DATA_DIR": str(data),
            "CALLSEAL_DATABASE__URL": database.url(database.database()),
            "CALLSEAL_KEYS__SHARES": database.url(database.database()),
            "CALLSEAL_STORE__KIND": "s3",
            "CALLSEAL_STORE__BUCKET": store,
            "CALLSEAL_STORE__ENDPOINT": s3.endpoint,
            "CALLSEAL_S3_EVENTS__ENDPOINT": s3.endpoint,
            "CALLSEAL_ASR__WORKERS": "1",  # two processes share the two cores of this machine
        }
        client = boto3.client("s3", endpoint_url=s3.endpoint)
        for file in ARCHIVE.iterdir():
            client.upload_file(str(file), archive, f"2026/{file.name}")
        say("the same archive in a bucket, for two workers on PostgreSQL and a bucket; one is killed in mid-call:")
        callseal(settings, "reprocess", f"s3://{archive}/2026/", "--dry-run")
        one, two = (stack.enter_context(started(settings, "worker", "--name", name)) for name in ("one", "two"))
        handing = stack.enter_context(started(settings, "reprocess", f"s3://{archive}/2026/", "--queue", shown=True))
        wait_until(lambda: running(settings) >= 2, one, two, handing)
        time.sleep(3)
        one.send_signal(signal.SIGKILL)
        print(f"  worker one ended with {one.wait()}", flush=True)
        callseal(settings, "jobs", "list")
        stack.enter_context(started(settings, "worker", "--name", "one"))
        handing.wait()
        say("what the queue says, and that a second run has nothing to do:")
        jobs = told(settings, "jobs", "list")["jobs"]
        print(f"  calls by worker: {dict(Counter(job['worker_id'] for job in jobs))}; ", end="")
        print(f"outcomes: {dict(Counter(job['outcome'] for job in jobs))}")
        callseal(settings, "reprocess", f"s3://{archive}/2026/", "--queue")
        callseal(settings, "audit", "verify")
        plain = [file for file in data.rglob("*") if file.suffix in (".wav", ".mp3", ".db")]
        print(f"  recordings and databases in {shown_path(data)}: {len(plain)}")


def callseal(settings: Mapping[str, str], *arguments: str | Path) -> None:
    """Run a command to its end, showing how it would be typed; on a terminal it draws its bar."""
    command = [PROGRAM, *map(str, arguments)]
    print(f"$ callseal {shlex.join(map(shown_path, arguments))}", flush=True)
    code = subprocess.run(command, env=os.environ | settings, check=False).returncode
    if code:
        sys.exit(f"callseal ended with {code}")


class started:  # noqa: N801 -- reads as what it does
    """A command of callseal as long as the block runs."""

    def __init__(self, settings: Mapping[str, str], *arguments: str | Path, shown: bool = False) -> None:
        print(f"$ callseal {shlex.join(map(shown_path, arguments))}", flush=True)
        OUT.mkdir(parents=True, exist_ok=True)
        self._log = (OUT / f"{arguments[0]}.log").open("ab")
        where = None if shown else self._log
        command = [PROGRAM, *map(str, arguments)]
        self._process = subprocess.Popen(command, env=os.environ | settings, stdout=where, stderr=where)

    def __enter__(self) -> subprocess.Popen[bytes]:
        return self._process

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.terminate()
        self._process.wait()
        self._log.close()


def shown_path(argument: str | Path) -> str:
    """A path as seen from the repository; a bucket without its random name."""
    if isinstance(argument, Path):
        return str(argument.relative_to(ROOT))
    return "s3://archive/2026/" if argument.startswith("s3://") else argument


def told(settings: Mapping[str, str], *arguments: str) -> Any:
    """What a command prints as JSON."""
    command = [PROGRAM, *arguments, "--json"]
    done = subprocess.run(command, env=os.environ | settings, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def running(settings: Mapping[str, str]) -> int:
    """How many jobs workers have."""
    return sum(job["state"] == "running" for job in told(settings, "jobs", "list")["jobs"])


def calls(settings: Mapping[str, str]) -> list[Any]:
    """The records of the archive's calls, read from outside."""
    from pipeline.db import Records

    file = Path(settings["CALLSEAL_DATA_DIR"]) / "callseal.db"
    if not file.is_file():
        return []
    records = Records.open(f"sqlite:///{file}")
    found = [records.call(f"archive-{number}") for number in range(100)]
    records.close()
    return [call for call in found if call is not None]


def redacted(settings: Mapping[str, str]) -> dict[str, tuple[int, float]]:
    """How many redactions each call has, and how many seconds they are long."""
    found = {}
    for call in calls(settings):
        spans = call.summary.get("redactions", ())
        found[call.call_id] = (len(spans), sum(each["end_s"] - each["start_s"] for each in spans))
    return found


def wait_until(true: Callable[[], bool], *processes: subprocess.Popen[bytes]) -> None:
    """Look again and again, for ten minutes at most."""
    ends = time.monotonic() + 600
    while not true():
        if time.monotonic() > ends or any(each.poll() is not None for each in processes):
            sys.exit(f"waited in vain; see {OUT.relative_to(ROOT)}/*.log")
        time.sleep(0.2)


if __name__ == "__main__":
    main()
