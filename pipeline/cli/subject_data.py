"""``callseal subject export`` and ``correct``: what a caller is handed, and what a caller has put right."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.common import AsJson, By, ConfigFile, DataDir, print_result, settings_of
from pipeline.cli.subject import Asked, Caller, Continued, Identity, Law, Received, desk, granted, verified
from pipeline.cli.subject_text import request_lines
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.config import Settings
    from pipeline.pii import PiiRecognizer
    from pipeline.rights.correct import NewText, NewValue, Searcher

Speakers = Annotated[
    list[str] | None, typer.Option("--speaker", help="CALL_ID=SPEAKER_00: who the caller is on one channel.")
]


def handover_command(
    *,
    caller: Caller,
    to: Annotated[Path, typer.Option("--to", help="Folder to make; it must be empty.")],
    speaker: Speakers = None,
    identity: Identity = None,
    law: Law = None,
    received: Received = None,
    request: Continued = None,
    by: By = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Write everything held of a caller to a folder: data.json, their side of each recording, a page to read."""
    at = desk(data_dir, config, by)
    settings = settings_of(data_dir, config)
    from pipeline import pii
    from pipeline.rights.bundle import Means, export_person
    from pipeline.rights.register import Right

    speakers = dict(_named(each) for each in speaker or ())
    found = verified(at, Right.EXPORT, Asked(caller, identity, law, received, request))
    rule = pii.load_policy(settings.policy_file("redaction.toml")).audio
    means = Means(at.policy, rule, settings.audio.max_duration_s, speakers)
    bundle = export_person(at.held, found, to, means, at.now)
    left_out = f"parts of {len(bundle.withheld)} calls, for the reasons in the bundle" if bundle.withheld else None
    value = {
        "request": granted(at, found, left_out),
        "folder": str(to),
        "files": [str(file) for file in bundle.files],
        "withheld": [{"call_id": call_id, "reason": why} for call_id, why in bundle.withheld],
    }
    print_result(value, request_lines, as_json=as_json)


def correct_command(
    *,
    caller: Caller,
    call: Annotated[str, typer.Option("--call", help="The call that is wrong.", metavar="CALL_ID")],
    turn: Annotated[int | None, typer.Option("--turn", help="Which turn of the transcript, from 0.")] = None,
    text: Annotated[str | None, typer.Option("--text-file", help="What it ought to say; - for stdin.")] = None,
    name: Annotated[str | None, typer.Option("--field", help="Which field of the metadata.")] = None,
    value: Annotated[str | None, typer.Option("--value", help="What it ought to be.")] = None,
    identity: Identity = None,
    law: Law = None,
    received: Received = None,
    request: Continued = None,
    by: By = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Keep a correction of a turn or of the metadata beside the original, sealed, with who and when."""
    at = desk(data_dir, config, by)
    settings = settings_of(data_dir, config)
    from pipeline.rights.correct import correct
    from pipeline.rights.register import Right

    change = _change(turn, text, name, value)
    found = verified(at, Right.CORRECT, Asked(caller, identity, law, received, request))
    amendment_id = correct(at.held, found, call, change, _searcher(settings), at.now)
    print_result({"request": granted(at, found), "amendment_id": amendment_id}, request_lines, as_json=as_json)


def _named(option: str) -> tuple[str, str]:
    call_id, _, speaker = option.rpartition("=")
    if not call_id or not speaker:
        raise UsageError("--speaker takes CALL_ID=SPEAKER_00")
    return call_id, speaker


def _change(turn: int | None, text: str | None, name: str | None, value: str | None) -> NewText | NewValue:
    from pipeline.rights.correct import NewText, NewValue

    if turn is not None and text is not None and name is None and value is None:
        try:
            said = sys.stdin.read() if text == "-" else Path(text).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise UsageError("the text file cannot be read") from None
        return NewText(turn, said)
    if name is not None and value is not None and turn is None and text is None:
        return NewValue(name, value)
    raise UsageError("say what is wrong: --turn with --text-file, or --field with --value")


def _searcher(settings: Settings) -> Searcher:
    from pipeline import pii
    from pipeline.rights.correct import Searcher

    @cache
    def recognizer() -> PiiRecognizer:
        from models.pii import PresidioRecognizer

        return PresidioRecognizer()

    return Searcher(recognizer, pii.load_policy(settings.policy_file("redaction.toml")))
