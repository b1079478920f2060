"""The ``callseal`` command: arguments in, JSON or text out, errors to exit codes (DESIGN.md section 4).

Only this room writes to the terminal. Rooms are imported by the command that needs them, so that ``--help`` is quick.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
import warnings
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from typer.exceptions import TyperException

from pipeline.cli.audit import app as audit_app
from pipeline.cli.backup import backup_command, restore_command
from pipeline.cli.bench import app as bench_app
from pipeline.cli.certificate import app as certificate_app
from pipeline.cli.common import AsJson, ConfigFile, DataDir, delivery_of, purpose_named, stages
from pipeline.cli.common import print_result as _print
from pipeline.cli.common import settings_of as _settings
from pipeline.cli.delete import delete_command
from pipeline.cli.hold import app as hold_app
from pipeline.cli.incident import app as incident_app
from pipeline.cli.intake import app as intake_app
from pipeline.cli.jobs import app as jobs_app
from pipeline.cli.jobs import worker_command
from pipeline.cli.keys import app as keys_app
from pipeline.cli.live import live_command
from pipeline.cli.manifest import app as manifest_app
from pipeline.cli.models import app as models_app
from pipeline.cli.reprocess import reprocess_command
from pipeline.cli.retention import app as retention_app
from pipeline.cli.serve import app as token_app
from pipeline.cli.serve import serve_command
from pipeline.cli.store import app as store_app
from pipeline.cli.subject import app as subject_app
from pipeline.cli.subject_data import correct_command, handover_command
from pipeline.cli.text import call_lines, doctor_lines
from pipeline.cli.watch import watch_command
from pipeline.errors import BadInput, CallsealError, Temporary, UsageError

if TYPE_CHECKING:
    from pipeline.config import Settings
    from pipeline.doctor import Finding

app = typer.Typer(
    help="Redacts, seals and erases recorded telephone calls, and proves it.",
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(models_app, name="models")
app.add_typer(bench_app, name="bench")
app.add_typer(intake_app, name="intake")
app.add_typer(incident_app, name="incident")
app.add_typer(hold_app, name="hold")
app.add_typer(certificate_app, name="certificate")
app.add_typer(manifest_app, name="manifest")
app.command("delete")(delete_command)
app.add_typer(retention_app, name="retention")
app.command("backup")(backup_command)
app.command("restore")(restore_command)
subject_app.command("export")(handover_command)
subject_app.command("correct")(correct_command)
app.add_typer(subject_app, name="subject")
app.add_typer(keys_app, name="keys")
app.add_typer(jobs_app, name="jobs")
app.command("worker")(worker_command)
app.add_typer(store_app, name="store")
app.add_typer(audit_app, name="audit")
app.command("reprocess")(reprocess_command)
app.command("serve")(serve_command)
app.add_typer(token_app, name="token")
app.command("watch")(watch_command)
app.command("live")(live_command)

CallId = Annotated[str, typer.Argument(metavar="CALL_ID")]


def main() -> NoReturn:
    """Run the command; whatever goes wrong becomes one line and an exit code."""
    _quiet_libraries()
    if len(sys.argv) == 1:
        sys.argv.append("--help")
    try:
        code = app(standalone_mode=False)
    except CallsealError as exc:
        code = _report(exc)
    except typer.Abort:
        code = 1
    except TyperException as exc:
        code = _report(UsageError(" ".join(exc.format_message().split())))
    except Exception as exc:  # noqa: BLE001 -- the last place where a message that quotes a call can be kept back
        code = _report(_unforeseen(exc))
    sys.exit(code or 0)


@app.command("process")
def process_command(
    audio: Annotated[Path | None, typer.Argument(help="The recording, with all its channels.")] = None,
    *,
    leg: Annotated[list[str] | None, typer.Option(help="agent=A.wav, customer=B.wav: one mono file per leg.")] = None,
    metadata: Annotated[Path | None, typer.Option(help="JSON file with what the platform says about the call.")] = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Redact, judge and seal one finished call, now, in this process."""
    delivery = delivery_of(audio, leg or [], metadata)
    settings = _settings(data_dir, config)
    from pipeline.build import build
    from pipeline.run import process
    from pipeline.sweep import GRACE, sweep

    rooms = build(settings)
    with stages(quiet=as_json) as observe:
        outcome = process(delivery, rooms, datetime.now(UTC), observe)
    _print(outcome.summary, call_lines, as_json=as_json)
    with suppress(Temporary):  # the call is done, whatever becomes of what others left
        sweep(rooms.archive, rooms.records, datetime.now(UTC) - GRACE)


@app.command("show")
def show_command(
    call_id: CallId, *, data_dir: DataDir = None, config: ConfigFile = None, as_json: AsJson = False
) -> None:
    """Show a call's record: consent and who was told what, retention, artifacts, redactions, history."""
    settings = _settings(data_dir, config)
    from pipeline.build import custody
    from pipeline.export import describe_call, with_words
    from pipeline.roles import Role

    held = custody(settings, Role.REVIEWER)
    described = describe_call(call_id, held.records)
    _print(with_words(described, held.archive, held.records, held.root), call_lines, as_json=as_json)


@app.command("export")
def export_command(
    call_id: CallId,
    *,
    to: Annotated[Path, typer.Option(help="Folder to write to.")],
    reveal: Annotated[bool, typer.Option("--reveal", help="originals.json as well; the history will say so.")] = False,
    purpose: Annotated[str | None, typer.Option(help="What for; refused unless the caller consented to it.")] = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Write the redacted recording, transcript, consent record and manifest of a stored call."""
    settings = _settings(data_dir, config)
    from pipeline.build import custody
    from pipeline.export import export_call, require_purpose, reveal_originals
    from pipeline.roles import Act, Role

    held = custody(settings, Role.PRIVACY_OFFICER if reveal else Role.REVIEWER)
    if purpose is not None:
        require_purpose(call_id, purpose_named(purpose), held.records)
    call = (call_id, to, held.archive, held.records, held.root, datetime.now(UTC))
    with held.access.acting(Act.EXPORT, call_id=call_id, originals=reveal) as found:
        files = [*([reveal_originals(*call)] if reveal else []), *export_call(*call)]
        found["files"] = len(files)
    _print({"call_id": call_id, "files": [str(file) for file in files]}, lambda v: v["files"], as_json=as_json)


@app.command("doctor")
def doctor_command(*, data_dir: DataDir = None, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Say what this machine lacks to process calls, and how to put it right."""
    settings = _settings(data_dir, config)
    from models.fetch import resolve
    from models.registry import ENCODER
    from pipeline.doctor import Wanted, check

    wanted = Wanted(
        models=(settings.asr.model, settings.diarization.segmentation, settings.diarization.embedding, ENCODER),
        gpu="cuda" in (settings.asr.device, settings.diarization.device),
        threads=settings.asr.workers * settings.asr.threads,
        data_dir=settings.data_dir,
        key_file=settings.key_file,
    )
    findings = check(wanted, lambda name: resolve(name, settings.models_dir), os.environ)
    findings += _services(settings) + _duties(settings)
    healthy = all(each.ok for each in findings if each.needed)
    _print({"ok": healthy, "findings": [asdict(each) for each in findings]}, doctor_lines, as_json=as_json)
    if not healthy:
        raise typer.Exit(1)


def _services(settings: Settings) -> tuple[Finding, ...]:
    """Whether what calls are kept in answers; a database file that is not there yet is not made."""
    from pipeline.build import open_store
    from pipeline.doctor import Finding
    from pipeline.services import database_finding, store_findings

    try:
        found = store_findings(open_store(settings))
    except CallsealError as exc:
        found = store_findings(exc)
    if not settings.database_exists:
        return (*found, Finding("database", ok=True, detail="SQLite; the first call makes it"))
    return (*found, database_finding(settings.database_url))


def _duties(settings: Settings) -> tuple[Finding, ...]:
    """What people owe by the database, where there is one already."""
    from pipeline.db import Records
    from pipeline.doctor import Finding
    from pipeline.retention.duties import duties

    if not settings.database_exists:
        return ()
    try:
        records = Records.open(settings.database_url)
        return duties(records.engine, datetime.now(UTC))
    except CallsealError as exc:
        return (Finding("records", ok=False, detail="cannot be read", hint=str(exc)),)


def _report(exc: CallsealError) -> int:
    if "--json" in sys.argv:
        from pipeline.summary import error

        quarantined = {"status": "quarantined"} if isinstance(exc, BadInput) else {}
        print(json.dumps({**quarantined, "error": error(exc)}))  # noqa: T201
    print(f"callseal: {exc}", file=sys.stderr)  # noqa: T201
    return exc.exit_code


def _unforeseen(exc: Exception) -> CallsealError:
    """An error that nobody raised on purpose: where it happened, without its message, which may quote the call."""
    code = Path(__file__).parents[2]
    places = [(Path(frame.filename), frame.lineno) for frame in traceback.extract_tb(exc.__traceback__)]
    ours = [
        f"{file.relative_to(code)}:{line}"
        for file, line in places
        if any(file.is_relative_to(code / package) for package in ("pipeline", "models"))
    ]
    return CallsealError(f"internal error: {type(exc).__name__} at {ours[-1]}")


def _quiet_libraries() -> None:
    """No telemetry, no hub, and no library writes what it likes to the terminal."""
    if sys.argv[1:2] != ["models"]:  # the only command that may fetch
        os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["PYANNOTE_METRICS_ENABLED"] = "0"
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # ONNX Runtime, which pyannote imports
    logging.lastResort = None
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
