"""``callseal watch``: recordings that a telephone system writes to a folder are taken in and leave it."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.common import AsJson, ConfigFile, DataDir, print_result, settings_of

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Mapping


def watch_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where Asterisk or FreeSWITCH write recordings.")],
    *,
    once: Annotated[bool, typer.Option("--once", help="Take what is there, and end.")] = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Take recordings out of a folder as their calls end, until told to stop (SIGTERM); workers process them."""
    settings = settings_of(data_dir, config)
    from pipeline import jobs
    from pipeline.build import custody
    from pipeline.intake.pressure import pressure
    from pipeline.intake.watch import Watch, keep_looking
    from pipeline.intake.watch_names import name_rule
    from pipeline.retention import retain
    from pipeline.roles import Role
    from pipeline.worker import stopped

    chosen = settings.watch
    names = name_rule(chosen.pattern, chosen.started_format, chosen.zone, chosen.sidecar, chosen.jurisdictions)
    held = custody(settings, Role.INGEST)
    with jobs.queue(settings) as queue, stopped() as stop:
        watch = Watch(
            folder=folder.resolve(),
            names=names,
            settled_s=chosen.settled_s,
            keep=Path(chosen.keep).resolve() if chosen.keep else None,
            held=held,
            retention=retain.load_policy(settings.policy_file("retention.toml")),
            max_bytes=settings.audio.max_bytes,
            enqueue=lambda call_id: jobs.enqueue(queue, call_id, jobs.LIVE),
            room=pressure(settings, held.records),
        )
        if once:
            stop.set()
        total = keep_looking(watch, lambda: datetime.now(UTC), stop, chosen.every_s, _told(quiet=as_json))
    print_result({"calls": dict(total)}, lambda v: [_line(v["calls"])], as_json=as_json)


def _told(*, quiet: bool) -> Callable[[Counter[str]], None]:
    """Says on stderr what a look changed."""
    return lambda counts: None if quiet else print(_line(counts), file=sys.stderr, flush=True)  # noqa: T201


def _line(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(counts.items())) or "nothing"
