"""GPU hosts: calls an hour per GPU, the batch size that is fastest, GPU memory, and what 1,000 call hours cost.

Several calls are in work at a time, as a worker with ``--at-once`` has them. Everything counts: decoding, speech,
recognition, detection, listening again, sealing. Without a GPU the same sweep can be run on the CPU (``--sweep``); the
table then says so.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

from benchmarks.suite import joined, machine
from benchmarks.suite.chains import Models
from benchmarks.suite.figures import Result, figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.suite.figures import Setting
    from benchmarks.suite.joined import JoinedCall
    from pipeline.config import Settings

BATCHES: Final = (4, 8, 16, 32, 64)
QUICK_BATCHES: Final = (1, 2)
CALLS, QUICK_CALLS = 20, 1
AT_ONCE: Final = 4
_LOOK_EVERY_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Swept:
    """All calls at one batch size."""

    batch_size: int
    seconds: float
    audio_s: float
    gpu_mb: int
    stages_s: dict[str, float] = field(repr=False)

    @property
    def times_real_time(self) -> float:
        """Hours of calls in an hour."""
        return self.audio_s / self.seconds

    def calls_per_hour(self, call_s: float) -> float:
        """How many calls of that length go through in an hour."""
        return self.times_real_time * 3600 / call_s


def gpu(setting: Setting) -> Result:
    """The sweep on the device of the settings; nothing where that is a CPU and nobody asked for it there."""
    if setting.settings.asr.device != "cuda" and not setting.sweep:
        found = machine.gpus()
        why = "settings name a CPU: give --gpu" if found else "no GPU on this machine"
        return Result(not_measured=why)
    calls = joined.write_calls(setting.folder, QUICK_CALLS if setting.quick else CALLS)
    batches = QUICK_BATCHES if setting.quick else BATCHES
    rows = [swept(with_batch(setting.settings, size), calls, size) for size in batches]
    return _figures(setting, rows)


def with_batch(settings: Settings, size: int) -> Settings:
    """The same settings with another number of windows in a batch."""
    return settings.model_copy(update={"asr": settings.asr.model_copy(update={"batch_size": size})})


def swept(settings: Settings, calls: Sequence[JoinedCall], size: int) -> Swept:
    """All calls, AT_ONCE at a time, with loaded models; the first call goes through once before the clock starts."""
    models = Models(settings)
    models.callseal(calls[0])
    with _GpuMemory() as watched:
        began = time.perf_counter()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            passes = list(pool.map(models.callseal, calls))
        seconds = time.perf_counter() - began
    stages: dict[str, float] = {}
    for each in passes:
        for stage, spent in each.stages_s.items():
            stages[stage] = stages.get(stage, 0.0) + spent
    models.rooms.records.close()
    return Swept(size, seconds, sum(call.duration_s for call in calls), watched.peak_mb, stages)


def _figures(setting: Setting, rows: Sequence[Swept]) -> Result:
    best = max(rows, key=lambda row: row.times_real_time)
    cards = machine.gpus() if setting.settings.asr.device == "cuda" else []
    found = Result()
    add = found.figures
    add["times_real_time"] = figure("call hours in an hour, per GPU", [best.times_real_time], "x real time", "higher")
    add["calls_per_hour"] = figure("calls of 5 min in an hour, per GPU", [best.calls_per_hour(300)], "1/h", "higher")
    add["batch_size"] = figure("fastest number of windows in a batch", [float(best.batch_size)], "count")
    if cards:
        add["gpu_memory"] = figure("peak of GPU memory in use", [float(best.gpu_mb)], "MB", "lower", depends=False)
    if setting.price_per_hour is not None:
        cost = setting.price_per_hour * 1000 / best.times_real_time
        add["cost"] = figure("cost of 1,000 call hours at the price given", [cost], "price", "lower")
    found.detail["sweep"] = [_row(row) for row in rows]
    found.detail["cards"] = [card["name"] for card in cards]
    found.detail["price_per_hour"] = setting.price_per_hour
    asr = setting.settings.asr
    where = cards[0]["name"] if cards else "CPU, as a test of the sweep"
    found.notes.append(f"{where}; weights {asr.model}, {asr.compute_type}; {AT_ONCE} calls at a time.")
    return found


def _row(row: Swept) -> dict[str, Any]:
    return {
        "batch_size": row.batch_size,
        "times_real_time": row.times_real_time,
        "gpu_mb": row.gpu_mb,
        "stages_s": row.stages_s,
    }


class _GpuMemory:
    """The greatest memory in use on the first GPU while a block runs; 0 where there is none."""

    def __init__(self) -> None:
        self.peak_mb = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while cards := machine.gpus():
            self.peak_mb = max(self.peak_mb, cards[0]["used_mb"])
            if self._stop.wait(_LOOK_EVERY_S):
                return
