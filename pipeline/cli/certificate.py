"""``callseal certificate``: check a certificate of erasure, anywhere and offline; issue one again."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.common import AsJson, ConfigFile, DataDir, caller_number, print_result, settings_of
from pipeline.errors import NotFound, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pipeline.config import Settings
    from pipeline.erasure.erase import ErasureReport

app = typer.Typer(help="Certificates of erasure: verify, issue again.")

File = Annotated[Path, typer.Argument(metavar="FILE", help="The certificate (JSON).")]
PublicKeyFile = Annotated[Path, typer.Option("--public-key", help="PEM file of the issuer's public key.")]
Disclosure = Annotated[Path | None, typer.Option("--disclosure", help="The file that the person was given.")]


@app.command("verify")
def verify_command(
    file: File,
    *,
    public_key: PublicKeyFile,
    caller: Annotated[str | None, typer.Option("--caller", help="Whether it is about this number.")] = None,
    disclosure: Disclosure = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Check that a certificate is whole and signed by that key; needs no data folder and no network."""
    del data_dir, config
    if (caller is None) != (disclosure is None):
        raise UsageError("--caller and --disclosure go together: the number, and the file that the person was given")
    from pipeline.erasure.certificate import check, check_subject
    from pipeline.keys.signing import PublicKey

    body = check(_read(file), PublicKey.load(public_key))
    if caller and disclosure:
        check_subject(body, caller_number(caller), _read(disclosure))
    print_result(
        {"valid": True, "about_caller": True if caller else None, "certificate": body}, _lines, as_json=as_json
    )


@app.command("issue")
def issue_command(
    *,
    caller: Annotated[str, typer.Option("--caller", help="The number whose erasure it certifies.")],
    to: Annotated[Path, typer.Option("--to", help="File to write.", metavar="FILE")],
    erasure: Annotated[str | None, typer.Option("--erasure", help="Which; else the latest.", metavar="ID")] = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Issue a certificate of an erasure that was finished before."""
    settings = settings_of(data_dir, config)
    from pipeline.build import custody
    from pipeline.erasure.erase import finished_report
    from pipeline.roles import Role

    held, number = custody(settings, Role.PRIVACY_OFFICER), caller_number(caller)
    reserve(to)
    ids = [each.erasure_id for each in held.records.erasures_of_subject(held.root.subject_id(number))]
    wanted = erasure or (ids[-1] if ids else "")
    report = finished_report(held, wanted) if wanted in ids else None
    if report is None:
        raise NotFound("no finished erasure of this caller is on record")
    print_result(write(report, number, to, settings), lambda v: v["files"], as_json=as_json)


def reserve(path: Path) -> None:
    """Refuses, before anything is erased, a place where the certificate could not be written.

    Raises:
        UsageError: there is no such folder, or one of the files exists.
    """
    if not path.parent.is_dir():
        raise UsageError("the folder for the certificate does not exist")
    for each in _files(path):
        if each.exists():
            raise UsageError(f"{each.name} exists already and is not overwritten")


def write(report: ErasureReport, number: str, path: Path, settings: Settings) -> dict[str, Any]:
    """Writes the certificate, its page and its disclosure; gives the id and the files.

    Raises:
        StoreUnavailable: they cannot be written; ``callseal certificate issue`` does it later.
    """
    from pipeline.erasure.certificate import check, issue
    from pipeline.erasure.page import page
    from pipeline.keys import private
    from pipeline.keys.signing import SigningKey

    key = SigningKey.load_or_create(settings.signing_key_file)
    issued = issue(report, number, key, datetime.now(UTC))
    body = check(issued.certificate, key.public)
    contents = (issued.certificate, page(body, key.key_id).encode(), issued.disclosure)
    for each, content in zip(_files(path), contents, strict=True):
        private.create(each, content, "certificate")
    return {"certificate_id": body["certificate_id"], "files": [str(each) for each in _files(path)]}


def _files(path: Path) -> tuple[Path, Path, Path]:
    return path, path.with_suffix(".html"), path.with_suffix(".disclosure.json")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise UsageError(f"the file {path.name} cannot be read: {exc.strerror}") from exc


def _lines(result: Mapping[str, Any]) -> Iterator[str]:
    body = result["certificate"]
    erased, request = body["erased"], body["request"]
    yield f"valid       certificate {body['certificate_id']}, issued {body['issued_at']}"
    if result["about_caller"]:
        yield "about       the number that was given"
    yield f"erased      {len(erased['calls'])} calls, {len(erased['objects'])} objects, {len(erased['keys'])} keys"
    yield f"            asked for {request['received_at']}, verified {request['finished_at']}"
    for each in body["refused"]:
        yield f"stays       {each['call_id']}: {each['reason']}"
    for each in body["residual_copies"]:
        yield f"copy left   {each['kind']}, {each['place_id']}, until {each['expires_at'] or 'not known'}"
