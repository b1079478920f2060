"""``callseal bench``: how fast this machine is, what a run found, and what got worse since another.

The benchmarks are part of the repository, not of the package: they measure beside other chains and on recordings that a
checkout has. In a checkout (``make setup``) this command finds them; elsewhere it says so.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.common import AsJson, ConfigFile, DataDir, print_result, settings_of
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

app = typer.Typer(help="Measure this machine, and compare runs.", no_args_is_help=True)
Result = Annotated[Path, typer.Argument(metavar="FILE", help="A result of `bench run`.")]


@app.command("run")
def run_command(
    *,
    to: Annotated[Path, typer.Option(help="JSON of the figures; the page goes beside it.")] = Path("bench.json"),
    only: Annotated[list[str] | None, typer.Option(help="One measure by name; may be given again.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="The short version, some five minutes.")] = False,
    gpu: Annotated[bool, typer.Option("--gpu", help="Models on the GPU; with the sweep of batch sizes.")] = False,
    sweep: Annotated[bool, typer.Option("--sweep", help="That sweep on the CPU as well.")] = False,
    minutes: Annotated[list[float] | None, typer.Option(help="Length of a call whose memory is measured.")] = None,
    accuracy: Annotated[Path | None, typer.Option(help="JSON of make bench-accuracy; else where that writes.")] = None,
    price: Annotated[float | None, typer.Option(help="Of this machine or GPU for an hour.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Keep what FILE has of this code and machine.")] = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Measure callseal on this machine beside compositions of the same parts (about 20 minutes on two cores)."""
    command = _benchmarks()
    wanted = command.Wanted(tuple(only or ()), quick, gpu, tuple(minutes or ()), accuracy, price, sweep, resume)
    results = command.measure(settings_of(data_dir, config), wanted, to, _say, data_dir)
    written = command.write(results, to)
    print_result(results, lambda found: _run_lines(command, found, written), as_json=as_json)


@app.command("check")
def check_command(
    old: Result, new: Result, *, data_dir: DataDir = None, config: ConfigFile = None, as_json: AsJson = False
) -> None:
    """Name what got worse from one run to the next, beyond the noise of both; ends with 6 if anything did."""
    del data_dir, config
    found = _benchmarks().compared(old, new)
    print_result(found, _check_lines, as_json=as_json)
    if found["worse"]:
        raise typer.Exit(6)


@app.command("publish")
def publish_command(
    result: Result, *, data_dir: DataDir = None, config: ConfigFile = None, as_json: AsJson = False
) -> None:
    """Keep a run in the checkout, and make the tables of README.md and docs/performance.md from it."""
    del data_dir, config
    written = [str(path) for path in _benchmarks().publish(result)]
    print_result({"files": written}, lambda found: found["files"], as_json=as_json)


def _benchmarks() -> Any:
    """The suite of the checkout. Raises UsageError where there is none."""
    try:
        return importlib.import_module("benchmarks.suite.command")
    except ModuleNotFoundError as exc:
        if (exc.name or "").partition(".")[0] not in ("benchmarks", "tests"):
            raise
        raise UsageError("the benchmarks need a checkout of the repository: make setup there, then make bench") from exc


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201


def _run_lines(command: Any, results: dict[str, Any], written: list[Path]) -> Iterator[str]:
    yield from command.tables.plain(results)
    yield from ("", *(f"written  {path}" for path in written))


def _check_lines(found: dict[str, Any]) -> Iterator[str]:
    for each in found["figures"]:
        if each["finding"] != "same":
            name = f"{each['measure']}.{each['key']}".rstrip(".")
            moved = "" if each["old"] is None or each["new"] is None else f"{each['old']:.4g} -> {each['new']:.4g}  "
            yield f"{each['finding']:13} {name:44} {moved}{each['reason']}"
    yield f"{found['worse']} worse of {len(found['figures'])}"
