"""The queue: how many calls a second are handed in, and carried by one worker and by two, where models cost nothing.

What is left of a call without its models is decoding, rules, encoding, checks, sealing, rows and the queue itself. The
call is the scripted one of the tests; the same calls are first carried without a queue, in this process.
"""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from benchmarks.suite.figures import Result, figure
from pipeline import jobs
from pipeline.build import custody
from pipeline.config import load_settings
from pipeline.intake.arrival import Legs, hand_in
from pipeline.metadata import parse_metadata
from pipeline.retention import retain
from pipeline.roles import Role
from pipeline.run import process_waiting
from tests import scripted

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.suite.figures import Setting
    from pipeline.config import Settings

CALLS, QUICK_CALLS = 40, 8
WITHIN_S: Final = 600  # that the workers get for all of their calls
RESOLUTION_S: Final = 1.0  # of the queue's times on SQLite
WORKERS: Final = (1, 2)


def queue(setting: Setting) -> Result:
    """Handed in, carried without a queue, and carried by workers in processes of their own."""
    count = QUICK_CALLS if setting.quick else CALLS
    found = Result()
    settings = load_settings(setting.folder / "without")
    arrivals = _hand_in(settings, count)
    rooms = scripted.rooms(settings)
    alone = []
    for number in range(count):
        began = time.perf_counter()
        process_waiting(_call_id(number), rooms, datetime.now(UTC))
        alone.append(time.perf_counter() - began)
    rooms.records.close()
    add = found.figures
    add["handed_in"] = figure("calls handed in and sealed", [1 / each for each in arrivals], "1/s", "higher")
    add["alone"] = figure(
        f"a call of {scripted.DURATION_S:.0f} s without its models and without a queue",
        [1000 * each for each in alone],
        "ms",
        "lower",
    )
    per_s = {workers: _carried(load_settings(setting.folder / f"by-{workers}"), count, workers) for workers in WORKERS}
    for workers, rate in per_s.items():
        title = f"calls carried by {workers} {'worker' if workers == 1 else 'workers'}"
        add[f"carried_by_{workers}"] = figure(title, [rate], "1/s", "higher")
    mean_s = sum(alone) / len(alone)
    add["queue_cost"] = figure(
        "time of a call in the queue, as a multiple of the same without",
        [1 / per_s[1] / mean_s],
        "x",
        "lower",
        depends=False,
    )
    found.notes.append(f"{count} calls, SQLite and a folder, real detection rules, encoder, checks and sealing.")
    return found


def _call_id(number: int) -> str:
    return f"CA-bench-{number}"


def _hand_in(settings: Settings, count: int) -> list[float]:
    """Seconds that each call took to be sealed and to have its row."""
    held = custody(settings, Role.INGEST)
    retention = retain.load_policy(settings.policy_file("retention.toml"))
    recording, taken = scripted.recording(), []
    for number in range(count):
        metadata = parse_metadata(scripted.metadata(call_id=_call_id(number)))
        began = time.perf_counter()
        hand_in(Legs([[recording]]), metadata, held, retention, 1 << 24, datetime.now(UTC))
        taken.append(time.perf_counter() - began)
    held.records.close()
    return taken


def _carried(settings: Settings, count: int, workers: int) -> float:
    """Calls a second, from when each worker had ended its first, for which it loads what it needs, to the last."""
    _hand_in(settings, count)
    started = [_worker(settings.data_dir, f"worker-{number}") for number in range(workers)]
    try:
        codes = [each.wait(WITHIN_S) for each in started]
    finally:
        for each in started:
            each.kill()
    if any(codes):
        raise RuntimeError(f"workers ended with {codes}")
    with jobs.queue(settings) as client:
        done = [job for job in jobs.latest(client, 10 * count) if job.taken_at and job.ended_at and job.state == "done"]
    if len(done) != count:
        raise RuntimeError(f"{len(done)} of {count} calls were carried")
    ended = sorted(job.ended_at for job in done if job.ended_at)
    return (count - workers) / max((ended[-1] - ended[workers - 1]).total_seconds(), RESOLUTION_S)


def _worker(data_dir: Path, name: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "tests.worker_child", str(data_dir), name, "never"])
