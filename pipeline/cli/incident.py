"""``callseal incident``: whom and what a leaked key concerns, for the notification."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.common import AsJson, ConfigFile, DataDir, moment, print_result, settings_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

app = typer.Typer(help="Breaches: what a leaked key lays open.")

Since = Annotated[str, typer.Option("--since", help="When it may have leaked.", metavar="TIME")]
Key = Annotated[str, typer.Option("--key", help="Id of a root key or a subject key, in use or replaced.")]


@app.callback()
def _group() -> None:
    """Keeps ``scope`` a command of its own, also while it is the only one."""


@app.command("scope")
def scope_command(
    *, since: Since, key: Key, data_dir: DataDir = None, config: ConfigFile = None, as_json: AsJson = False
) -> None:
    """List the subjects and objects that the key opened since then, what was erased meanwhile included."""
    settings = settings_of(data_dir, config)
    from pipeline.build import custody
    from pipeline.incident import scope
    from pipeline.roles import Act, Role

    held, start = custody(settings, Role.PRIVACY_OFFICER), moment(since)
    with held.access.acting(Act.INCIDENT, key_id=key, since_at=start.isoformat()) as counts:
        found = scope(held.records.engine, key, start)
        counts.update(subjects=len(found.subject_ids), objects=len(found.objects))
    until = found.until.isoformat(timespec="seconds") if found.until else None
    print_result({**asdict(found), "since": start.isoformat(), "until": until}, _lines, as_json=as_json)


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    state = f"replaced {found['until']}" if found["until"] else "in use"
    yield f"key         {found['key_id']}, a {found['level']} key, {state}"
    yield f"concerns    {len(found['subject_ids'])} subjects, {len(found['objects'])} objects since {found['since']}"
    for subject_id in found["subject_ids"]:
        yield f"  subject   {subject_id}"
    for each in found["objects"]:
        what = "erased since" if each["erased"] else f"{each['kind']} of call {each['call_id']}"
        yield f"  object    {each['object_key']}  {what}"
    for actor, count in found["opened"].items():
        yield f"opened      {count} times by {actor}"
