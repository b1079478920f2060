"""``callseal models``: fetch the weights once, list what is here, hash them again.

Nothing else in callseal downloads anything. Results go to stdout, as a table or with ``--json`` as one object; the
progress of a download goes to stderr. Errors leave as ``CallsealError``; the command line turns them into exit codes.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from models.sources import Progress

app = typer.Typer(help="Weights of the learned models: fetch, list, verify.")

Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Models, as the list calls them.")]
Cache = Annotated[
    Path | None,
    typer.Option("--models-dir", help="Where weights are kept; else as the settings say.", metavar="DIR"),
]
DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="As for every command; weights are kept elsewhere.", metavar="DIR")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Everything = Annotated[bool, typer.Option("--all", help="With what the tests use.")]
Local = Annotated[Path | None, typer.Option("--from", help="A folder to look in first.", metavar="DIR")]


@app.command("fetch")
def fetch_command(
    names: Names = None,
    *,
    everything: Everything = False,
    local: Local = None,
    cache: Cache = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Download and verify weights; without a name, those that the default settings use."""
    from models import fetch

    folder = _folder(cache, data_dir)
    wanted = names or fetch.names(("default", "tests") if everything else ("default",))
    done = {}
    for name in wanted:
        with _bar(name) as progress:
            done[name] = fetch.fetch(name, folder, local=local, progress=progress)
        if not as_json:
            typer.echo(f"{name}: verified, in {done[name]}")
    if as_json:
        typer.echo(json.dumps({"models": [{"name": name, "folder": str(path)} for name, path in done.items()]}))


@app.command("list")
def list_command(*, cache: Cache = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show every known model, its licence, its size and whether it is here."""
    from models import fetch

    entries = fetch.listing(_folder(cache, data_dir))
    if as_json:
        keys = ("name", "purpose", "tier", "licence", "origin")
        rows = [
            {key: getattr(entry.model, key) for key in keys}
            | {"state": entry.state, "size_bytes": entry.size_bytes, "folder": str(entry.folder)}
            for entry in entries
        ]
        typer.echo(json.dumps({"models": rows}))
        return
    for entry in entries:
        size = f"{entry.size_bytes / 1e6:.0f} MB"
        typer.echo(f"{entry.model.name:<18}{entry.state:<9}{size:>8}  {entry.model.licence:<11}{entry.model.origin}")


@app.command("verify")
def verify_command(
    names: Names = None, *, cache: Cache = None, data_dir: DataDir = None, as_json: AsJson = False
) -> None:
    """Hash the weights that are here and compare with the registry; exit code 6 if any file is not what it must be."""
    from models import fetch
    from pipeline.errors import VerificationFailed

    with _bar("verify") as progress:
        results = fetch.verify(_folder(cache, data_dir), names or (), progress=progress)
    if as_json:
        rows = [{"name": result.name, "ok": result.ok, "damaged": result.damaged} for result in results]
        typer.echo(json.dumps({"models": rows}))
    else:
        for result in results:
            typer.echo(f"{result.name:<18}{'as it must be' if result.ok else 'DAMAGED: ' + ', '.join(result.damaged)}")
    damaged = [result.name for result in results if not result.ok]
    if damaged:
        raise VerificationFailed(f"damaged weights: fetch them again with callseal models fetch {' '.join(damaged)}")


def _folder(given: Path | None, data_dir: Path | None) -> Path:
    from pipeline.config import load_settings

    return given or load_settings(data_dir).models_dir


@contextmanager
def _bar(title: str) -> Iterator[Progress]:
    """A progress bar with bytes on stderr; where that is no terminal, one line for each step."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=None)
        steps: set[str] = set()

        def report(step: str, done: int, total: int) -> None:
            bar.update(task, description=f"{title}: {step}", completed=done, total=total or None)
            if total and step not in steps and not console.is_terminal:
                console.print(f"{title}: {step}, {total / 1e6:.0f} MB", highlight=False, soft_wrap=True)
            steps.add(step)

        yield report
