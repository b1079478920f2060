"""How the recogniser is laid out on the cores: many workers of one thread, one worker of many, small batches or large.

All layouts hear the same calls, taking turns; a ratio is the time of a layout over that of the settings in force.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from benchmarks.suite import joined
from benchmarks.suite.chains import Models, models_of
from benchmarks.suite.figures import Result, figure
from benchmarks.suite.transcription import hear

if TYPE_CHECKING:
    from benchmarks.suite.figures import Setting
    from pipeline.config import Settings

CALLS, QUICK_CALLS = 2, 1
Layout = tuple[int, int, int]
"""Workers, threads of each, windows in a batch."""


def layouts(setting: Setting) -> Result:
    """Time to transcribe under each layout, beside the one of the settings."""
    asr = setting.settings.asr
    if asr.device != "cpu":
        return Result(not_measured="a GPU has one worker; see the sweep of batch sizes")
    chosen: Layout = (asr.workers, asr.threads, asr.batch_size)
    others = [each for each in alternatives(os.cpu_count() or 1, chosen) if each != chosen]
    calls = joined.write_calls(setting.folder, QUICK_CALLS if setting.quick else CALLS, at_least_s=40.0)
    models = {chosen: models_of(setting.settings)} | {
        each: Models(_laid_out(setting.settings, each)) for each in others
    }
    seconds: dict[Layout, list[float]] = {layout: [] for layout in models}
    for each in models.values():
        each.rooms.transcriber()
        each.rooms.vad()
    for number, call in enumerate(calls):
        order = list(models)[number % len(models) :] + list(models)[: number % len(models)]
        for layout in order:
            began = time.perf_counter()
            hear(models[layout], call)
            seconds[layout].append(time.perf_counter() - began)
    found = Result(notes=[f"Settings in force: {_said(chosen)}. More than 1 is slower than these."])
    for layout in others:
        ratios = [theirs / ours for theirs, ours in zip(seconds[layout], seconds[chosen], strict=True)]
        found.figures["x".join(map(str, layout))] = figure(_said(layout), ratios, "x", depends=False)
    return found


def alternatives(cores: int, chosen: Layout) -> list[Layout]:
    """One worker with every core, a worker for every core, and half and double the batch."""
    workers, threads, batch = chosen
    sizes = {max(batch // 2, 1), batch * 2} - {batch}
    return [(1, cores, batch), (cores, 1, batch), *((workers, threads, size) for size in sorted(sizes))]


def _laid_out(settings: Settings, layout: Layout) -> Settings:
    workers, threads, batch = layout
    changed = {"workers": workers, "threads": threads, "batch_size": batch}
    data_dir = settings.data_dir.with_name("data-" + "-".join(map(str, layout)))
    return settings.model_copy(update={"asr": settings.asr.model_copy(update=changed), "data_dir": data_dir})


def _said(layout: Layout) -> str:
    workers, threads, batch = layout
    return f"{workers} x {threads} threads, batches of {batch}"
