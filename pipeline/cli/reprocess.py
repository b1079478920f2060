"""``callseal reprocess``: an archive through the rooms, with a bar, a report, and an estimate beforehand."""

from __future__ import annotations

import re
import sys
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path  # noqa: TC003 -- Typer reads it
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from pipeline.cli.common import AsJson, ConfigFile, DataDir, moment, print_result, settings_of
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pipeline.config import Settings
    from pipeline.intake.sources import Entry
    from pipeline.reprocess import Estimate, Report, Stored

T = TypeVar("T")


def reprocess_command(
    source: Annotated[
        str | None, typer.Argument(help="A folder, s3://bucket/prefix, or a manifest (.csv, .jsonl, .parquet).")
    ] = None,
    *,
    stored: Annotated[bool, typer.Option("--stored", help="Calls already stored, from what is held.")] = False,
    since: Annotated[str | None, typer.Option(help="Of these, those received since a date or time.")] = None,
    policy: Annotated[Path | None, typer.Option(help="Folder of the policies to apply; else the settings'.")] = None,
    queue: Annotated[bool, typer.Option("--queue", help="Let the workers do it, after the calls of today.")] = False,
    share: Annotated[
        str | None, typer.Option(help="2/8: the second of eight shares, one for each of eight runs.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it will take; process nothing.")] = False,
    speed: Annotated[
        float | None,
        typer.Option(min=0.01, help="Times real time, as callseal bench measured it; else as calls took here."),
    ] = None,
    price: Annotated[float | None, typer.Option(min=0, help="Of an hour of this machine, for the estimate.")] = None,
    per_hour: Annotated[int | None, typer.Option(min=1, help="Process no more calls than this in an hour.")] = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Process every call of an archive that was not yet, under today's models and policies; stop and go on at will."""
    settings = settings_of(data_dir, config)
    if policy is not None:
        chosen = settings.policies.model_copy(update={"folder": str(policy.absolute())})
        settings = settings.model_copy(update={"policies": chosen})
    from pipeline.build import build
    from pipeline.intake.sources import entries
    from pipeline.reprocess import estimate, estimate_stored, left_of, reprocess, stored_since

    if (source is None) != stored or (since and not stored):
        raise UsageError("give either a source, or --stored with or without --since")
    if queue and (stored or policy or per_hour):
        raise UsageError("--queue is for a source: workers have their own settings, and stored calls wait for nobody")
    begun = moment(since) if since else None
    archived = [] if source is None else _share(entries(source, settings.fetch_rule.bucket), share)
    if queue and not dry_run:
        with _bar(len(archived), quiet=as_json) as observe:
            print_result(_handed_over(archived, settings, observe).summary, _report_lines, as_json=as_json)
        return
    rooms = build(settings)
    kept = _share(stored_since(rooms.records, begun), share) if stored else []
    found: Sequence[Entry | Stored] = kept or archived
    if dry_run:
        measured = rooms.records.finished_calls(200)
        left = left_of(archived, rooms.records, rooms.fingerprint)
        expected = estimate_stored(kept, measured) if stored else estimate(left, measured)
        expected = replace(expected, times_real_time=speed or expected.times_real_time)
        print_result(_expected(expected, price, len(archived) - len(left)), _estimate_lines, as_json=as_json)
        return
    pause_s = 3600 / per_hour if per_hour else 0.0
    with _bar(len(found), quiet=as_json) as observe:
        report = reprocess(found, rooms, lambda: datetime.now(UTC), observe=observe, pause_s=pause_s)
    print_result(report.summary, _report_lines, as_json=as_json)


def _share(found: list[T], share: str | None) -> list[T]:
    """Every n-th call, from the k-th on, for ``k/n``. Raises UsageError if that makes no sense."""
    if share is None:
        return found
    part = re.fullmatch(r"([1-9]\d{0,3})/([1-9]\d{0,3})", share)
    if part is None or int(part[1]) > int(part[2]):
        raise UsageError("a share is written as 2/8, the second of eight")
    return found[int(part[1]) - 1 :: int(part[2])]


def _handed_over(found: Sequence[Entry], settings: Settings, observe: Callable[[Entry | Stored], None]) -> Report:
    from pipeline import jobs
    from pipeline.build import custody
    from pipeline.handover import Door, hand_over
    from pipeline.retention import retain
    from pipeline.roles import Role

    retention = retain.load_policy(settings.policy_file("retention.toml"))
    with jobs.queue(settings) as client:
        held = custody(settings, Role.INGEST)
        door = Door(held, retention, settings.audio.max_bytes, client, lambda: datetime.now(UTC))
        return hand_over(found, door, observe=observe)


def _expected(found: Estimate, price: float | None, done: int) -> dict[str, Any]:
    hours = None if found.busy_s is None else found.busy_s / 3600
    return {
        "dry_run": True,
        "calls": found.calls,
        "done_before": done,
        "size_bytes": found.size_bytes,
        "audio_hours": round(found.audio_s / 3600, 4),
        "times_real_time": None if found.times_real_time is None else round(found.times_real_time, 2),
        "hours": None if hours is None else round(hours, 4),
        "cost": None if hours is None or price is None else round(hours * price, 2),
    }


def _estimate_lines(found: dict[str, Any]) -> Iterator[str]:
    if found["done_before"]:
        yield f"done        {found['done_before']} before"
    yield f"calls       {found['calls']}, {found['audio_hours']:.2f} hours, {found['size_bytes'] / 1e6:.1f} MB"
    if found["hours"] is None:
        yield "time        not known: no call was processed here yet; --speed says how fast it goes"
        return
    took = timedelta(seconds=round(found["hours"] * 3600))
    yield f"time        {took} on one worker, at {found['times_real_time']} times real time"
    if found["cost"] is not None:
        yield f"cost        {found['cost']:.2f}"


def _report_lines(report: dict[str, Any]) -> Iterator[str]:
    for status, count in sorted(report["calls"].items()):
        yield f"{status:12}{count}"
    for kind, count in sorted(report["failures"].items()):
        yield f"failed      {count} {kind}"
    for reason, count in sorted(report["skipped"].items()):
        yield f"skipped     {count}: {reason}"
    for each in (*report["failed"], *report["refused"]):
        yield f"  number {each['number']}: {each['message']}"
    if report["times_real_time"]:
        yield f"processed   {report['audio_hours']:.2f} hours at {report['times_real_time']} times real time"


@contextmanager
def _bar(total: int, *, quiet: bool) -> Iterator[Callable[[Entry | Stored], None]]:
    """A bar with the time that is left on a terminal; else a line for every call."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda entry: None if quiet else print(f"  {entry.number} of {total}", file=sys.stderr, flush=True)  # noqa: T201
        return
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("calls", total=total)
        yield lambda _: progress.advance(task)
