"""``callseal intake``: receive calls on a host that cannot read them, collect them where they are processed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.common import AsJson, ConfigFile, DataDir, delivery_of, print_result, settings_of
from pipeline.errors import CallsealError, Refused, Temporary, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pipeline.intake.arrival import Legs
    from pipeline.metadata import CallMetadata

app = typer.Typer(help="The drop box: receive calls under a public key, collect them with the private one.")

Audio = Annotated[Path | None, typer.Argument(help="The recording, with all its channels.")]
LegFiles = Annotated[list[str] | None, typer.Option("--leg", help="agent=FILE, customer=FILE: one mono file per leg.")]
Metadata = Annotated[Path, typer.Option("--metadata", help="JSON file with what the platform says about the call.")]


@app.command("drop")
def drop_command(
    audio: Audio = None,
    *,
    leg: LegFiles = None,
    metadata: Metadata,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Seal a finished call for the intake key; this host needs no other key and cannot open it again."""
    delivery = delivery_of(audio, leg or [], metadata)
    if delivery.metadata.call_id is None:
        raise UsageError("call_id: a call that is dropped needs the platform's id")
    settings = settings_of(data_dir, config)
    from pipeline.intake.dropbox import IntakePublicKey, drop
    from pipeline.roles import Role
    from pipeline.store.local import LocalStore

    if Role.INGEST not in settings.access.roles:
        raise Refused("this host does not act as ingest: access.roles does not list it")
    if not settings.intake.public_key:
        raise UsageError("intake.public_key is not set: callseal keys export-intake-public makes that file")
    public = IntakePublicKey.load(Path(settings.intake.public_key))
    name = drop(LocalStore(settings.box_folder), public, delivery, settings.audio.max_bytes)
    done = {"received_id": name, "key_id": public.key_id}
    print_result(done, lambda value: [f"received    {value['received_id']}"], as_json=as_json)


@app.command("collect")
def collect_command(*, data_dir: DataDir = None, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Hand in what lies in the box: each call is sealed under its caller's key, and waits for a worker."""
    settings = settings_of(data_dir, config)
    from pipeline.build import custody
    from pipeline.intake.arrival import hand_in
    from pipeline.intake.dropbox import IntakeKey, collect, waiting
    from pipeline.retention.retain import load_policy
    from pipeline.roles import Act, Role
    from pipeline.store.local import LocalStore

    held = custody(settings, Role.WORKER)
    held.access.require(Act.PROCESS)
    box, key = LocalStore(settings.box_folder), IntakeKey.load_or_create(settings.intake_key_file)
    retention = load_policy(settings.policy_file("retention.toml"))
    done: dict[str, list[dict[str, str]]] = {"collected": [], "left": []}

    def into_custody(legs: Legs, metadata: CallMetadata) -> bool:
        return hand_in(legs, metadata, held, retention, settings.audio.max_bytes, datetime.now(UTC))

    for name in waiting(box):
        try:
            call_id = collect(name, box, key, into_custody)
            done["collected"].append({"received_id": name, "call_id": call_id})
        except Temporary:
            raise
        except CallsealError as exc:
            done["left"].append({"received_id": name, "reason": str(exc)})
    _print(done, as_json=as_json)


def _print(done: Mapping[str, Any], *, as_json: bool) -> None:
    def lines(value: Mapping[str, Any]) -> Iterator[str]:
        for each in value["collected"]:
            yield f"collected   {each['call_id']}"
        for each in value["left"]:
            yield f"left        {each['received_id']}: {each['reason']}"

    print_result(done, lines, as_json=as_json)
