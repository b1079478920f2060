"""``callseal store``: the bucket that sealed objects are kept in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from pipeline.cli.common import AsJson, ConfigFile, DataDir, print_result, settings_of
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

app = typer.Typer(no_args_is_help=True, help="The bucket that sealed objects are kept in.")


@app.callback()
def _group() -> None:
    """Keep ``prepare`` a command of its own while it is the only one."""


@app.command("prepare")
def prepare_command(*, data_dir: DataDir = None, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Have the bucket remove unfinished uploads, and versions that something else has hidden, by itself."""
    settings = settings_of(data_dir, config)
    if settings.store.kind != "s3":
        raise UsageError("the store is a folder: there is no bucket to prepare")
    from pipeline.build import open_store
    from pipeline.store.s3 import S3Store
    from pipeline.store.s3_bucket import prepare

    store = open_store(settings)
    if isinstance(store, S3Store):
        prepare(store, settings.store.unfinished_days, settings.store.hidden_days)
    days = {"unfinished_days": settings.store.unfinished_days, "hidden_days": settings.store.hidden_days}
    print_result({"bucket": settings.store.bucket} | days, _lines, as_json=as_json)


def _lines(done: Mapping[str, object]) -> Iterator[str]:
    yield f"bucket {done['bucket']} removes unfinished uploads after {done['unfinished_days']} days,"
    yield f"hidden and replaced versions after {done['hidden_days']} days"
