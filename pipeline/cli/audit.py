"""``callseal audit``: check that the trail is whole, show it, give its checkpoint to somebody to keep."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.common import AsJson, ConfigFile, DataDir, moment, print_result, settings_of, write_file
from pipeline.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pipeline.audit import Trail

app = typer.Typer(help="The audit trail: verify, list, checkpoint.")

Keys = Annotated[
    list[Path] | None, typer.Option("--public-key", help="Of another host that records.", metavar="PEM", exists=False)
]
Kept = Annotated[list[Path] | None, typer.Option("--checkpoint", help="One that was kept elsewhere.", metavar="FILE")]
Since = Annotated[str | None, typer.Option("--since", help="From then on.", metavar="TIME")]
To = Annotated[Path, typer.Option("--to", help="File to write.", metavar="FILE")]


@app.command("verify")
def verify_command(
    *,
    public_key: Keys = None,
    checkpoint: Kept = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Check that no entry was changed, moved or removed; exit code 6 names the first that was."""
    trail = _trail(data_dir, config)
    from pipeline.audit import read_checkpoint, verify_trail
    from pipeline.keys.signing import PublicKey

    keys = [trail.key.public, *map(PublicKey.load, public_key or ())]
    own = trail.checkpoint()
    kept = [*([own] if own else []), *map(read_checkpoint, checkpoint or ())]
    found = verify_trail(trail.engine, keys, kept, own_key_id=trail.key.key_id)
    value = {
        "verified": True,
        "entries": found.entries,
        "sha256": found.sha256,
        "key_ids": list(found.key_ids),
        "checkpoints": sorted(each.seq for each in kept),
    }
    print_result(value, _verified_lines, as_json=as_json)


@app.command("list")
def list_command(
    *, since: Since = None, data_dir: DataDir = None, config: ConfigFile = None, as_json: AsJson = False
) -> None:
    """Show who did what to which ids."""
    trail = _trail(data_dir, config)
    from pipeline.audit import entries

    rows = [
        {
            "seq": each.seq,
            "at": each.at.isoformat(timespec="seconds"),
            "actor_id": each.deed.actor_id,
            "role": each.deed.role,
            "action": each.deed.action,
            "outcome": each.deed.outcome,
            "detail": dict(each.deed.detail),
        }
        for each in entries(trail.engine, moment(since) if since else None)
    ]
    print_result({"entries": rows}, _entry_lines, as_json=as_json)


@app.command("checkpoint")
def checkpoint_command(*, to: To, data_dir: DataDir = None, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Write the signed checkpoint, for an auditor to keep: entries up to it can never be removed unseen."""
    newest = _trail(data_dir, config).checkpoint()
    if newest is None:
        raise NotFound("nothing was recorded on this host yet")
    write_file(to, newest.encoded())
    print_result({"seq": newest.seq, "file": str(to)}, lambda v: [v["file"]], as_json=as_json)


def _trail(data_dir: Path | None, config: Path | None) -> Trail:
    settings = settings_of(data_dir, config)
    from pipeline.build import custody
    from pipeline.roles import DOES, Act, Role

    auditors = [role for role in settings.access.roles if Act.AUDIT in DOES[role]]
    return custody(settings, auditors[0] if auditors else Role.PRIVACY_OFFICER, rotating=True).access.trail


def _verified_lines(value: Mapping[str, Any]) -> Iterator[str]:
    yield f"verified    {value['entries']} entries, the newest is {value['sha256']}"
    yield f"signed by   {', '.join(value['key_ids']) or 'nobody yet'}"
    yield f"checkpoints {', '.join(map(str, value['checkpoints'])) or 'none'}"


def _entry_lines(value: Mapping[str, Any]) -> Iterator[str]:
    for each in value["entries"]:
        detail = " ".join(f"{name}={what}" for name, what in each["detail"].items())
        who = f"{each['actor_id']} as {each['role']}"
        yield f"{each['seq']:>6}  {each['at']}  {each['action']} {each['outcome']}  {who}  {detail}"
