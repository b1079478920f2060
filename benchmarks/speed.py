"""`python -m benchmarks.speed`: how fast a call goes through and how much memory it takes, on this machine.

The call is the demo's, repeated until it is long enough, as two channels and mixed to one. Every run is a process of
its own, as `callseal process` is; memory is the peak resident size that the kernel reports for it. On a machine
that does other things too, compare the rows of one run with each other, not with those of another run.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

ROOT = Path(__file__).resolve().parents[1]
CALL = ROOT / "scripts" / "demo" / "call.wav"
METADATA = {"jurisdictions": ["US-TX"], "consent": {"recording_notice": "ivr"}}
WORKER = """
import json, resource, subprocess, sys, time
started = time.perf_counter()
done = subprocess.run(sys.argv[1:], capture_output=True, text=True)
seconds = time.perf_counter() - started
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
print(json.dumps({"rc": done.returncode, "seconds": seconds, "peak_bytes": peak, "out": done.stdout}))
"""


def main() -> None:
    """Run every case, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, nargs="+", default=[5.0, 60.0], help="lengths of the call")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    options = parser.parse_args()
    rows = [measure(channels, minutes) for channels in ("two channels", "mono") for minutes in options.minutes]
    print_table(rows)
    if options.json:
        options.json.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=1) + "\n", encoding="utf-8")


def measure(channels: str, minutes: float) -> dict[str, Any]:
    """One call through a fresh process."""
    with tempfile.TemporaryDirectory() as folder:
        audio, metadata = Path(folder) / "call.wav", Path(folder) / "call.json"
        write_call(audio, minutes, mono=channels == "mono")
        metadata.write_text(json.dumps(METADATA), encoding="utf-8")
        program = Path(sys.executable).with_name("callseal")
        command = [program, "process", audio, "--metadata", metadata, "--data-dir", Path(folder) / "data", "--json"]
        found = json.loads(
            subprocess.run([sys.executable, "-c", WORKER, *command], capture_output=True, text=True, check=True).stdout
        )
    if found["rc"] != 0:
        sys.exit(f"callseal ended with {found['rc']}")
    summary = json.loads(found["out"])
    busy_s = sum(summary["timings_s"].values())
    return {
        "call": channels,
        "minutes": minutes,
        "process_s": round(found["seconds"], 2),
        "stages_s": summary["timings_s"],
        "times_real_time": round(summary["duration_s"] / found["seconds"], 2),
        "times_real_time_loaded": round(summary["duration_s"] / busy_s, 2),
        "peak_mb": round(found["peak_bytes"] / 1e6),
    }


def write_call(path: Path, minutes: float, *, mono: bool) -> None:
    """The demo call over and over, without ever holding all of it."""
    once, rate = soundfile.read(CALL, dtype="int16")
    if mono:
        once = once.astype(np.int32).sum(axis=1).clip(-32768, 32767).astype(np.int16)
    left = round(minutes * 60 * rate)
    with soundfile.SoundFile(path, "w", rate, 1 if mono else 2, subtype="PCM_16") as out:
        while left > 0:
            out.write(once[:left])
            left -= len(once)


def print_table(rows: list[dict[str, Any]]) -> None:
    """One row a case; real-time factors with and without the start of the process."""
    print(f"{'call':13}{'minutes':>8}{'x real time':>13}{'loaded':>9}{'peak MB':>9}  stages, s")
    for row in rows:
        stages = " ".join(f"{name} {seconds:.1f}" for name, seconds in row["stages_s"].items() if seconds >= 0.05)
        print(
            f"{row['call']:13}{row['minutes']:8.0f}{row['times_real_time']:13.1f}"
            f"{row['times_real_time_loaded']:9.1f}{row['peak_mb']:9}  {stages}"
        )


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    packages = ("callseal", "ctranslate2", "faster-whisper", "pyannote.audio", "torch", "presidio-analyzer", "av")
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": len(os.sched_getaffinity(0)),
        "processor": platform.processor() or platform.machine(),
        "load": os.getloadavg()[0],
        "versions": {name: importlib.metadata.version(name) for name in packages},
    }


if __name__ == "__main__":
    main()
