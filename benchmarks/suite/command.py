"""What ``callseal bench`` does: run the suite, compare two runs, publish one.

Raises ``UsageError`` for what cannot be done as asked; the command line turns it into an exit code.
"""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.suite import compare, joined, page, run, tables
from benchmarks.suite.figures import MINUTES, QUICK_MINUTES, SCHEMA, Setting
from benchmarks.suite.measures import MEASURES
from pipeline.config import load_settings
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pipeline.config import Settings

RESULTS: Final = joined.ROOT / "benchmarks" / "results"
BLOCKS: Final = {joined.ROOT / "README.md": "summary", joined.ROOT / "docs" / "performance.md": "performance"}
GPU_ASR: Final = {"device": "cuda", "compute_type": "float16", "workers": 1, "batch_size": 16}


@dataclass(frozen=True, slots=True)
class Wanted:
    """How to run the suite.

    Args:
        only: names of measures; all where it is empty.
        quick: the short version.
        gpu: models on the GPU, whatever the settings say.
        minutes: lengths of the calls whose memory is measured.
        accuracy: a run of ``make bench-accuracy``.
        price_per_hour: of the machine or GPU.
        sweep: the sweep of a GPU host on a CPU as well.
        resume: keep what a run of the same code on this machine has found already.
    """

    only: tuple[str, ...] = ()
    quick: bool = False
    gpu: bool = False
    minutes: tuple[float, ...] = ()
    accuracy: Path | None = None
    price_per_hour: float | None = None
    sweep: bool = False
    resume: bool = False


def measure(
    settings: Settings, wanted: Wanted, to: Path, say: Callable[[str], None], below: Path | None = None
) -> dict[str, Any]:
    """Run the suite in a folder of its own, which is removed afterwards.

    Of the settings only the models count: every run has a folder, a SQLite database and keys of its own, so that no
    bucket and no database of an operator is touched.

    Args:
        settings: models and devices.
        wanted: how to run.
        to: JSON file, written after each measure.
        say: told what goes on.
        below: where the folder lies, on the disk that is to be measured; None for that of temporary files.

    Raises:
        UsageError: there is no measure of that name.
    """
    unknown = sorted(set(wanted.only) - MEASURES.keys())
    if unknown:
        raise UsageError(f"there is no measure {', '.join(unknown)}; there are {', '.join(MEASURES)}")
    names = [name for name in MEASURES if name in (wanted.only or MEASURES)]
    if below is not None:
        below.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="callseal-bench-", dir=below) as folder, _only_models(settings):
        setting = Setting(
            settings=_at(settings, Path(folder) / "data", gpu=wanted.gpu),
            folder=Path(folder),
            quick=wanted.quick,
            minutes=wanted.minutes or (QUICK_MINUTES if wanted.quick else MINUTES),
            accuracy=wanted.accuracy,
            price_per_hour=wanted.price_per_hour,
            sweep=wanted.sweep,
        )
        before = read(to) if wanted.resume and to.exists() else None
        return run.run(setting, names, say, lambda found: _write_json(found, to), before)


@contextmanager
def _only_models(settings: Settings) -> Iterator[None]:
    """An environment that says where weights are and no more, for this process and those it starts."""
    before = _own_environment()
    os.environ["CALLSEAL_MODELS_DIR"] = str(settings.models_dir)
    try:
        yield
    finally:
        _own_environment()
        os.environ.update(before)


def _own_environment() -> dict[str, str]:
    """Variables that set callseal, which are taken out of the environment."""
    return {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("CALLSEAL_")}


def _at(settings: Settings, data_dir: Path, *, gpu: bool) -> Settings:
    """Shipped settings on a folder of the run's own, with the models of these, or of a GPU host."""
    changed: dict[str, Any] = {"asr": settings.asr, "diarization": settings.diarization}
    if gpu:
        changed["asr"] = settings.asr.model_copy(update=GPU_ASR)
        changed["diarization"] = settings.diarization.model_copy(update={"device": "cuda"})
    return load_settings(data_dir).model_copy(update=changed)


def read(path: Path) -> dict[str, Any]:
    """A result file.

    Raises:
        UsageError: it is none, or of another schema.
    """
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        schema = found["schema"]
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise UsageError(f"{path.name} is no result of callseal bench") from exc
    if schema != SCHEMA:
        raise UsageError(f"{path.name} is of schema {schema}; this is {SCHEMA}")
    return found


def compared(old: Path, new: Path) -> dict[str, Any]:
    """Every figure of two runs, and how many got worse.

    Raises:
        UsageError: a file is none, or the two cannot be compared.
    """
    try:
        found = compare.compare(read(old), read(new))
    except ValueError as exc:
        raise UsageError(str(exc)) from exc
    return {"worse": len(compare.worsened(found)), "figures": [asdict(each) for each in found]}


def write(results: dict[str, Any], path: Path) -> list[Path]:
    """The result file, and its page beside it."""
    _write_json(results, path)
    shown = path.with_suffix(".html")
    shown.write_text(page.page(results), encoding="utf-8")
    return [path, shown]


def _write_json(results: dict[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def publish(path: Path) -> list[Path]:
    """Keep a run in the repository: its JSON, its page, and the blocks of README.md and docs/performance.md.

    Raises:
        UsageError: the file is no result.
    """
    results = read(path)
    name = f"{results['made_at'][:10]}-{results['commit'].rstrip('+') or 'unknown'}"
    kept = RESULTS / f"{name}.json"
    _write_json(results, kept)
    shown = RESULTS / "report.html"
    shown.write_text(page.page(results), encoding="utf-8")
    for document, block in BLOCKS.items():
        document.write_text(tables.written_into(document.read_text(encoding="utf-8"), block, results), encoding="utf-8")
    return [kept, shown, *BLOCKS]


def latest() -> Path | None:
    """The committed result that was measured last; the documents show this one."""
    found = sorted(RESULTS.glob("*.json"), key=lambda path: read(path)["made_at"])
    return found[-1] if found else None
