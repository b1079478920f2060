"""``callseal worker`` and ``callseal jobs``: carry waiting calls on, and look after the queue."""

from __future__ import annotations

import os
import socket
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.common import AsJson, ConfigFile, DataDir, print_result, settings_of
from pipeline.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.jobs import Job

app = typer.Typer(help="The calls that wait to be processed, and those that were.", no_args_is_help=True)
CallId = Annotated[str, typer.Argument(metavar="CALL_ID")]


def worker_command(
    *,
    name: Annotated[str | None, typer.Option(help="Of this worker; a restart under the same name goes on.")] = None,
    at_once: Annotated[
        int, typer.Option(min=1, max=64, help="Calls at a time; the last worker to start sets it for all.")
    ] = 1,
    until_empty: Annotated[bool, typer.Option("--until-empty", help="End when no call waits.")] = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Process the calls that wait, until told to stop (SIGTERM); any number of workers share one queue."""
    settings = settings_of(data_dir, config)
    from pipeline.build import build
    from pipeline.worker import work

    worker_id = name or f"{socket.gethostname()}-{os.getpid()}"
    work(build(settings), settings, worker_id, lambda: datetime.now(UTC), at_once=at_once, until_empty=until_empty)
    print_result({"worker_id": worker_id, "ended": True}, lambda v: [f"worker {v['worker_id']} ended"], as_json=as_json)


@app.command("list")
def list_command(
    *,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Of open jobs, and of ended ones.")] = 50,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Jobs that wait or run, the last that ended, and when the queue will be empty at the speed of the last hour."""
    settings = settings_of(data_dir, config)
    from pipeline import jobs

    with jobs.queue(settings) as client:
        found = jobs.latest(client, limit)
        far = jobs.progress(client, datetime.now(UTC))
    shown = {"jobs": [_shown(job) for job in found], "progress": _plain(asdict(far))}
    print_result(shown, _progress_lines, as_json=as_json)


@app.command("show")
def show_command(
    call_id: CallId, *, data_dir: DataDir = None, config: ConfigFile = None, as_json: AsJson = False
) -> None:
    """Every try of one call."""
    settings = settings_of(data_dir, config)
    from pipeline import jobs

    with jobs.queue(settings) as client:
        found = jobs.jobs(client, call_id=call_id)
    if not found:
        raise NotFound(f"there is no job for call {call_id}")
    print_result({"jobs": [_shown(job) for job in found]}, _lines, as_json=as_json)


@app.command("retry")
def retry_command(
    call_id: CallId, *, data_dir: DataDir = None, config: ConfigFile = None, as_json: AsJson = False
) -> None:
    """Try a waiting call again, now."""
    settings = settings_of(data_dir, config)
    from pipeline import jobs
    from pipeline.build import custody
    from pipeline.roles import Role

    held = custody(settings, Role.WORKER)
    with jobs.queue(settings) as client:
        jobs.retry(client, call_id, held.records)
    print_result({"call_id": call_id, "queued": True}, lambda v: [f"call {v['call_id']} waits"], as_json=as_json)


@app.command("cancel")
def cancel_command(
    call_id: CallId, *, data_dir: DataDir = None, config: ConfigFile = None, as_json: AsJson = False
) -> None:
    """Take a call out of the queue; its original stays, sealed, until it is tried again or expires."""
    settings = settings_of(data_dir, config)
    from pipeline import jobs

    with jobs.queue(settings) as client:
        cancelled = jobs.cancel(client, call_id)
    if not cancelled:
        raise NotFound(f"no job of call {call_id} waits or runs")
    print_result({"call_id": call_id, "cancelled": cancelled}, lambda _: [f"call {call_id} rests"], as_json=as_json)


def _shown(job: Job) -> dict[str, Any]:
    return _plain(asdict(job))


def _plain(value: dict[str, Any]) -> dict[str, Any]:
    return {name: each.isoformat() if isinstance(each, datetime) else each for name, each in value.items()}


def _progress_lines(found: dict[str, Any]) -> Iterator[str]:
    yield from _lines(found)
    far = found["progress"]
    end = f", empty about {far['ends_at'][:16]} UTC" if far["ends_at"] else ""
    speed = "" if far["per_hour"] is None else f", {far['per_hour']:.0f} an hour"
    yield f"{far['waiting']} wait, {far['running']} run{speed}{end}"


def _lines(found: dict[str, Any]) -> Iterator[str]:
    for job in found["jobs"]:
        yield f"{job['created_at']}  {job['state']:9}  {job['job_id']}  {job['outcome'] or ''}".rstrip()
