"""``callseal keys``: which keys there are, rotate them, give the public ones to third parties."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.common import AsJson, ConfigFile, DataDir, caller_number, print_result, settings_of, write_file
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

app = typer.Typer(help="Keys: list, rotate, export the public ones.")

Root = Annotated[bool, typer.Option("--root", help="Replace the root key; keys.kms_key says what by.")]
Subjects = Annotated[list[str] | None, typer.Option("--subject", help="Replace this subject's key.", metavar="ID")]
Caller = Annotated[str | None, typer.Option("--caller", help="Replace the key of this number.", metavar="NUMBER")]
To = Annotated[Path, typer.Option("--to", help="File to write.", metavar="FILE")]


@app.command("list")
def list_command(*, data_dir: DataDir = None, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show the ids of the root keys that are and were in force, and of the signing key."""
    settings = settings_of(data_dir, config)
    from pipeline.build import custody
    from pipeline.connect import reading
    from pipeline.keys import roots as root_keys
    from pipeline.keys.file import KeyFile
    from pipeline.keys.signing import SigningKey
    from pipeline.roles import Role

    held = custody(settings, Role.ADMIN, rotating=True)
    file = KeyFile.load(settings.key_file)
    with reading(held.records.engine) as connection:
        known = root_keys.history(connection)
    found = {
        "root_key_id": file.key_id,
        "in_kms": bool(file.kms_key),
        "rotating": bool(file.older),
        "signing_key_id": SigningKey.load_or_create(settings.signing_key_file).key_id,
        "root_keys": [
            {"key_id": each.key_id, "since": _stamp(each.since), "until": each.until and _stamp(each.until)}
            for each in known
        ],
    }
    print_result(found, _list_lines, as_json=as_json)


@app.command("rotate")
def rotate_command(
    *,
    root: Root = False,
    subject: Subjects = None,
    caller: Caller = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Put new keys in the place of old ones; no object is written again. Safe to interrupt and to run again."""
    if [root, bool(subject), caller is not None].count(True) != 1:
        raise UsageError("say what to rotate: --root, or --subject, or --caller")
    settings = settings_of(data_dir, config)
    from pipeline.build import custody
    from pipeline.keys.file import KeyFile
    from pipeline.keys.rotate import rotate_root, rotate_subject
    from pipeline.roles import Act, Role

    done: dict[str, Any]
    held, now = custody(settings, Role.ADMIN, rotating=root), datetime.now(UTC)
    engine = held.records.engine
    if root:
        file = KeyFile.load(settings.key_file)
        with held.access.acting(Act.ROTATE, key_id=file.key_id) as found, _bar() as observe:
            done = asdict(rotate_root(engine, file, now, settings.keys.kms_key, observe))
            found |= {"retired_ids": done["retired"], "new_key_id": done["key_id"], "subjects": done["subjects"]}
    else:
        done = {"subjects": []}
        for each in subject or [held.root.subject_id(caller_number(caller or ""))]:
            with held.access.acting(Act.ROTATE, subject_id=each) as found:
                rotation = asdict(rotate_subject(engine, held.root, each, now, held.shares))
                found |= {"retired_id": rotation["retired"], "new_key_id": rotation["key_id"]}
            done["subjects"].append(rotation)
    print_result(done, _rotation_lines, as_json=as_json)


@app.command("export-signing-public")
def export_signing_public_command(
    *, to: To, data_dir: DataDir = None, config: ConfigFile = None, as_json: AsJson = False
) -> None:
    """Write the public key (PEM) with which anyone verifies certificates and checkpoints."""
    settings = settings_of(data_dir, config)
    from pipeline.keys.signing import SigningKey

    public = SigningKey.load_or_create(settings.signing_key_file).public
    write_file(to, public.pem())
    print_result({"key_id": public.key_id, "file": str(to)}, lambda v: [v["file"]], as_json=as_json)


@app.command("export-intake-public")
def export_intake_public_command(
    *, to: To, data_dir: DataDir = None, config: ConfigFile = None, as_json: AsJson = False
) -> None:
    """Write the public key under which hosts receive calls that they cannot read; makes the private one if need be."""
    settings = settings_of(data_dir, config)
    from pipeline.intake.dropbox import IntakeKey

    public = IntakeKey.load_or_create(settings.intake_key_file).public
    write_file(to, public.encoded())
    print_result({"key_id": public.key_id, "file": str(to)}, lambda v: [v["file"]], as_json=as_json)


def _stamp(when: datetime) -> str:
    return when.isoformat(timespec="seconds")


def _list_lines(found: Mapping[str, Any]) -> Iterator[str]:
    yield f"root key    {found['root_key_id']}, in {'AWS KMS' if found['in_kms'] else 'the key file'}"
    if found["rotating"]:
        yield "            a rotation was begun and not ended: callseal keys rotate --root goes on with it"
    for each in found["root_keys"]:
        yield f"  {each['key_id']}  since {each['since']}{' until ' + each['until'] if each['until'] else ''}"
    yield f"signing key {found['signing_key_id']}"


def _rotation_lines(done: Mapping[str, Any]) -> Iterator[str]:
    if "subjects" in done and isinstance(done["subjects"], list):
        for each in done["subjects"]:
            yield f"subject {each['subject_id']}: key {each['retired']} -> {each['key_id']}, {each['objects']} objects"
        return
    yield f"root key {', '.join(done['retired'])} -> {done['key_id']}, {done['subjects']} subject keys"


@contextmanager
def _bar() -> Iterator[Callable[[int, int], None]]:
    """A progress bar of subject keys on stderr, where that is a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("subject keys", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
