"""``callseal backup`` and ``restore``: a second place for what is held, and the way back without what was erased."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.common import AsJson, ConfigFile, DataDir, print_result, settings_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

To = Annotated[Path, typer.Option("--to", help="Folder, on another disk or site.", metavar="DIR")]
From = Annotated[Path, typer.Option("--from", help="Folder of the backup.", metavar="DIR")]
KeepDays = Annotated[int, typer.Option("--keep-days", min=1, max=3660, help="How long this generation is kept.")]
Snapshot = Annotated[str | None, typer.Option("--snapshot", help="Which generation; else the newest.", metavar="ID")]


def backup_command(
    *,
    to: To,
    keep_days: KeepDays = 35,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Copy objects, database and key side, sealed, to a second place; never the root key. Safe to interrupt."""
    settings = settings_of(data_dir, config)
    from pipeline.backups.backup import back_up
    from pipeline.build import custody
    from pipeline.roles import Act, Role
    from pipeline.summary import stamp

    held = custody(settings, Role.ADMIN)
    with held.access.acting(Act.BACKUP) as found:
        done = back_up(held, to, datetime.now(UTC), timedelta(days=keep_days))
        found["backup_id"] = done.generation.backup_id
    value = {
        "backup_id": done.generation.backup_id,
        "created_at": stamp(done.generation.created_at),
        "expires_at": stamp(done.generation.expires_at),
        "rows": done.rows,
        "objects_copied": done.copied,
        "objects_removed": done.removed,
        "generations_expired": done.expired,
    }
    print_result(value, _backup_lines, as_json=as_json)


def restore_command(
    *,
    source: From,
    snapshot: Snapshot = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Bring a backup back into a data folder without records; put the root key file there first."""
    settings = settings_of(data_dir, config)
    from pipeline.backups.restore import restore
    from pipeline.build import custody
    from pipeline.errors import UsageError
    from pipeline.roles import Act, Role
    from pipeline.summary import stamp

    if not settings.key_file.exists():
        raise UsageError("the root key file is not in its place: a backup never holds it")
    held = custody(settings, Role.ADMIN)
    held.access.require(Act.RESTORE)
    done = restore(held, source, snapshot)
    held.access.restored(done.backup_id)
    value = {
        "backup_id": done.backup_id,
        "created_at": stamp(done.created_at),
        "calls": done.calls,
        "left_out_erased": done.erased,
        "left_out_unopenable": done.unopenable,
        "objects": done.objects,
        "objects_missing": done.missing,
    }
    print_result(value, _restore_lines, as_json=as_json)


def _backup_lines(done: Mapping[str, Any]) -> Iterator[str]:
    yield f"backup      {done['backup_id']}, kept until {done['expires_at'][:10]}"
    yield f"            {done['rows']} rows, {done['objects_copied']} objects copied, {done['objects_removed']} removed"


def _restore_lines(done: Mapping[str, Any]) -> Iterator[str]:
    yield f"restored    {done['calls']} calls and {done['objects']} objects, as of {done['created_at']}"
    yield f"left out    {done['left_out_erased']} erased since, {done['left_out_unopenable']} whose key is gone"
    if done["objects_missing"]:
        yield f"missing     {done['objects_missing']} objects that the backup does not have"
