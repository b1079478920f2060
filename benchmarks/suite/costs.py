"""Measures that stand on benchmarks of their own: sealing, erasure, detection, the hook, accuracy, starting up."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.suite import joined
from benchmarks.suite.figures import Result, figure

if TYPE_CHECKING:
    from benchmarks.suite.figures import Setting

ACCURACY: Final = joined.ROOT / "demo-out" / "accuracy.json"  # where `make bench-accuracy` writes
START_RUNS, QUICK_START_RUNS = 7, 3


def sealing(setting: Setting) -> Result:
    """Sealing and opening a call of 5 MiB beside raw AES-256-GCM on the same buffers."""
    from benchmarks.sealing import MIB, measure

    rows = [measure(5 * MIB, 10) for _ in range(2 if setting.quick else 5)]
    found = Result()
    for act in ("seal", "open"):
        rates = [row["mib"] / row[f"{act}_s"] for row in rows]
        found.figures[act] = figure(f"{act} an object of 5 MiB, on one core", rates, "MiB/s", "higher")
        ratios = [row[f"{act}_ratio"] for row in rows]
        title = f"time to {act}, as a multiple of raw AES-256-GCM"
        found.figures[f"{act}_ratio"] = figure(title, ratios, "x", "lower", depends=False)
    return found


def erasure(setting: Setting) -> Result:
    """What an erasure costs beside mere deletion, and the plan for one caller in a large index."""
    from benchmarks.erasure import measure

    calls, sizes = (100, [1_000]) if setting.quick else (1_000, [1_000, 100_000])
    got = measure(setting.folder / "erasure", calls, sizes)
    found = Result(detail={"steps_s": got["steps_s"], "index": got["index"]})
    add = found.figures
    add["erased"] = figure(f"erasing a caller with {calls} calls of 4 objects", [got["erased_s"]], "s", "lower")
    ratio = got["erased_s"] / got["deleted_only_s"]
    add["ratio"] = figure(
        "time to erase, as a multiple of deleting the same without proof", [ratio], "x", "lower", depends=False
    )
    for row in got["index"]:
        title = f"plan for one caller among {row['calls']:,} calls"
        add[f"plan_{row['calls']}"] = figure(title, [1000 * row["plan_s"]], "ms", "lower")
    return found


def pii(setting: Setting) -> Result:
    """Words a second of detection beside stock Presidio on transcripts of real calls, and what both find."""
    speed = _module("benchmarks.pii_speed")
    if speed is None:
        return Result(not_measured="benchmarks.pii_speed is not in this checkout")
    if not speed.text_recall.DATA.exists():
        return Result(not_measured="the transcripts are not beside this checkout (shared/data/text)")
    sets = speed.measure(1 if setting.quick else 3, 2 if setting.quick else 6)
    found = Result(detail={"sets": sets})
    for name, row in sets.items():
        for who in ("ours", "stock"):
            title = f"{name}: {'callseal' if who == 'ours' else 'stock Presidio'}"
            found.figures[f"{name}_{who}"] = figure(title, [float(row[f"{who}_words_per_s"])], "words/s", "higher")
        ratios = sorted({float(row[key]) for key in ("ratio_least", "ratio", "ratio_most")})
        found.figures[f"{name}_ratio"] = figure(f"{name}: against stock Presidio", ratios, "x", "higher", depends=False)
        beyond = [100 * (row["ours_recall"] - row["stock_recall"])]
        title = f"{name}: recall beyond that of stock Presidio, in points"
        found.figures[f"{name}_recall"] = figure(title, beyond, "%", "higher", depends=False)
    return found


def hook(setting: Setting) -> Result:
    """Signed events at a steady rate: how long until each is answered, and whether each waits once with one job."""
    load = _module("benchmarks.hook")
    if load is None:
        return Result(not_measured="benchmarks.hook is not in this checkout")
    got = load.measure(per_s=20 if setting.quick else 100, for_s=5 if setting.quick else 20)
    found = Result(detail=got)
    for share in (50, 95, 99):
        title = f"{got['per_s']} events a second: {share} of 100 are answered within"
        found.figures[f"p{share}"] = figure(title, [got[f"p{share}_ms"]], "ms", "lower")
    lost = [float(got["calls_sent"] - got["calls_with_a_job"])]
    found.figures["lost"] = figure(f"calls lost, of {got['calls_sent']}", lost, "count", "lower")
    doubled = [float(got["jobs"] - got["calls_with_a_job"])]
    found.figures["doubled"] = figure("calls with more than one job", doubled, "count", "lower")
    return found


def _module(name: str) -> Any:
    """A benchmark by its name; None where the checkout has none of it."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as exc:
        if exc.name != name:
            raise
        return None


def accuracy(setting: Setting) -> Result:
    """What stays audible: taken from the last run of ``make bench-accuracy``, which takes hours."""
    path = setting.accuracy or ACCURACY
    if not path.exists():
        return Result(not_measured="no run of make bench-accuracy lies in demo-out")
    run = json.loads(path.read_text(encoding="utf-8"))
    chains = {name: chain["totals"] for name, chain in run["chains"].items()}
    found = Result(detail={"set": run["set"], "seed": run["seed"], "made_at": run["made_at"], "chains": _leaks(chains)})
    for name, totals in chains.items():
        found.figures |= _accuracy_figures(name, totals)
    calls = next(iter(chains.values()))["calls"]
    found.notes.append(
        f"{calls} calls of the {run['set']} set, weights {run['weights']}, run of {run['made_at'][:10]}."
    )
    return found


def _leaks(chains: dict[str, dict[str, Any]]) -> dict[str, Any]:
    wanted = ("calls", "entities", "leaked_entities", "leaked_entities_share", "leaked_s_share", "over_redaction")
    return {
        name: {key: totals[key] for key in wanted}
        | {"by_type": {kind: each["leaked_entities_share"] for kind, each in totals.get("by_type", {}).items()}}
        for name, totals in chains.items()
    }


def _accuracy_figures(name: str, totals: dict[str, Any]) -> dict[str, Any]:
    shares = {
        "leaked_entities_share": f"{name}: labelled values left audible or readable, of {totals['entities']}",
        "leaked_s_share": f"{name}: seconds of personal data left audible",
        "over_redaction": f"{name}: other speech that was redacted",
    }
    found = {
        f"{name}_{key}": figure(title, [100 * totals[key]], "%", "lower" if name == "callseal" else "", depends=False)
        for key, title in shares.items()
    }
    if name == "callseal" and totals.get("verdict_accuracy") is not None:
        right = [100 * totals["verdict_accuracy"]]
        found["verdicts"] = figure("consent verdicts that are right", right, "%", "higher", depends=False)
    return found


def start(setting: Setting) -> Result:
    """Time to import the command line and to show its help, beside an interpreter that does nothing."""
    program = str(Path(sys.executable).with_name("callseal"))
    commands = {
        "bare": ("an interpreter that does nothing", [sys.executable, "-c", "pass"]),
        "import": ("import of the command line", [sys.executable, "-c", "import pipeline.cli"]),
        "help": ("callseal --help", [program, "--help"]),
    }
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(QUICK_START_RUNS if setting.quick else START_RUNS):
        for name, (_title, command) in commands.items():
            began = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            taken[name].append(time.perf_counter() - began)
    found = Result()
    for name, (title, _command) in commands.items():
        better = "" if name == "bare" else "lower"
        found.figures[name] = figure(title, taken[name], "s", better)
    net = [each - bare for each, bare in zip(taken["import"], taken["bare"], strict=True)]
    found.figures["import_alone"] = figure("import of the command line, without the interpreter", net, "s", "lower")
    return found
