"""Memory against length: ``callseal process`` on calls from minutes to hours, each in a process of its own.

The figure is the peak resident size that the kernel reports for the process. The demo's call is repeated until the
call is long enough: dense speech on both channels, more than calls have. Calls of an hour go through `tiny.en` where it
is in the cache, for it is the growth that matters and a larger model would hide it behind a larger constant.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import soundfile

from benchmarks.suite import joined
from benchmarks.suite.figures import Result, figure

if TYPE_CHECKING:
    from benchmarks.suite.figures import Setting

CALL: Final = joined.ROOT / "scripts" / "demo" / "call.wav"
SMALL_MODEL: Final = "tiny.en"
_WATCHED: Final = """
import json, resource, subprocess, sys, time
started = time.perf_counter()
done = subprocess.run(sys.argv[1:], capture_output=True, text=True)
seconds = time.perf_counter() - started
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print(json.dumps({"rc": done.returncode, "seconds": seconds, "peak_bytes": peak, "out": done.stdout}))
"""


def memory(setting: Setting) -> Result:
    """Peak memory of a two-channel call at each length, and how much the longest needs beyond the shortest."""
    model = _model(setting)
    rows = [_row(setting, each, model) for each in sorted(setting.minutes)]
    found = Result(detail={"rows": rows, "model": model})
    for row in rows:
        at = f"{row['minutes']:g} min"
        found.figures[f"peak_{row['minutes']:g}_min"] = figure(
            f"peak memory of a two-channel call of {at}", [row["peak_mb"]], "MB", "lower", depends=False
        )
        found.figures[f"speed_{row['minutes']:g}_min"] = figure(
            f"one process, start to end, {at}", [row["times_real_time"]], "x real time", "higher"
        )
    if len(rows) > 1:
        growth = [100 * (rows[-1]["peak_mb"] / rows[0]["peak_mb"] - 1)]
        title = f"growth of peak memory from {rows[0]['minutes']:g} to {rows[-1]['minutes']:g} min"
        found.figures["growth"] = figure(title, growth, "%", "lower", depends=False)
    found.notes.append(f"Weights {model}; each call in a process of its own, models loaded anew.")
    return found


def _model(setting: Setting) -> str:
    """The small model where it is in the cache, else that of the settings."""
    from models.fetch import resolve
    from pipeline.errors import CallsealError

    try:
        resolve(SMALL_MODEL, setting.settings.models_dir)
    except CallsealError:
        return setting.settings.asr.model
    return SMALL_MODEL


def _row(setting: Setting, minutes: float, model: str) -> dict[str, Any]:
    folder = setting.folder / f"memory-{minutes:g}"
    folder.mkdir()
    audio, metadata = folder / "call.wav", folder / "call.json"
    write_call(audio, minutes)
    metadata.write_text(json.dumps(joined.METADATA), encoding="utf-8")
    program = Path(sys.executable).with_name("callseal")
    command = [program, "process", audio, "--metadata", metadata, "--data-dir", folder / "data", "--json"]
    environment = os.environ | {"CALLSEAL_ASR__MODEL": model, "CALLSEAL_ASR__DEVICE": setting.settings.asr.device}
    done = subprocess.run(
        [sys.executable, "-c", _WATCHED, *command],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
        timeout=60 * max(minutes, 5),  # slower than the call itself is of no use
    )
    found = json.loads(done.stdout)
    if found["rc"] != 0:
        raise RuntimeError(f"callseal ended with {found['rc']} on a call of {minutes:g} min")
    summary = json.loads(found["out"])
    return {
        "minutes": minutes,
        "status": summary["status"],
        "process_s": found["seconds"],
        "times_real_time": summary["duration_s"] / found["seconds"],
        "stages_s": summary["timings_s"],
        "peak_mb": found["peak_bytes"] / 1e6,
    }


def write_call(path: Path, minutes: float) -> None:
    """The demo's call over and over, without ever holding all of it."""
    once, rate = soundfile.read(CALL, dtype="int16")
    left = round(minutes * 60 * rate)
    with soundfile.SoundFile(path, "w", rate, 2, subtype="ULAW", format="WAV") as out:
        while left > 0:
            out.write(np.ascontiguousarray(once[:left]))
            left -= len(once)
