"""What the command groups share: the options that every command takes, settings, times, and how a result is printed."""

from __future__ import annotations

import getpass
import json
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.errors import StoreUnavailable, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pipeline.config import Settings
    from pipeline.intake.ingest import Delivery
    from pipeline.types import Channel, Purpose

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Database, objects and key; CALLSEAL_DATA_DIR.")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="Settings file; CALLSEAL_CONFIG.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
By = Annotated[str | None, typer.Option("--by", help="Who orders it; else this login.")]


def settings_of(data_dir: Path | None, config: Path | None) -> Settings:
    """The settings in force. Raises UsageError."""
    from pipeline.config import load_settings

    return load_settings(data_dir, config)


def print_result(value: Any, lines: Callable[[Any], Iterable[str]], *, as_json: bool) -> None:
    """One JSON object, or its lines of text, on stdout."""
    if as_json:
        print(json.dumps(value, ensure_ascii=False))  # noqa: T201
    else:
        for line in lines(value):
            print(line)  # noqa: T201


def caller_number(spelled: str) -> str:
    """A number in E.164 form. Raises UsageError if it is none, or says that it was withheld."""
    from pipeline.numbers import e164

    number = e164(spelled)
    if number is None:
        raise UsageError("a withheld number names nobody")
    return number


def purpose_named(name: str) -> Purpose:
    """A purpose by its name. Raises UsageError."""
    from pipeline.types import Purpose

    try:
        return Purpose(name)
    except ValueError:
        raise UsageError(f"a purpose is one of {', '.join(Purpose)}") from None


def moment(text: str) -> datetime:
    """A date or a time as ISO 8601 writes it; UTC where no zone is given. Raises UsageError."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError("a time is written as 2026-11-20 or 2026-11-20T14:03:00Z") from None
    return (when.replace(tzinfo=UTC) if when.tzinfo is None else when).astimezone(UTC)


def write_file(path: Path, content: bytes) -> None:
    """Writes a file that is for others. Raises StoreUnavailable."""
    try:
        path.write_bytes(content)
    except OSError as exc:
        raise StoreUnavailable(f"the file {path.name} cannot be written: {exc.strerror}") from exc


def operator(by: str | None) -> str:
    """Who gives the order: as stated, else the login of this process."""
    if by:
        return by
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise UsageError("nobody is logged in: say --by whom") from None


@contextmanager
def stages(*, quiet: bool) -> Iterator[Callable[[str], None]]:
    """Names each stage as it begins, on stderr: behind a spinner that also shows how far it is, else one line each."""
    from rich.console import Console

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        told: set[str] = set()

        def tell(stage: str) -> None:
            name = stage.split(maxsplit=1)[0]
            if not quiet and name not in told:
                told.add(name)
                print(f"  {name} ...", file=sys.stderr, flush=True)  # noqa: T201

        yield tell
        return
    with console.status("loading") as status:
        yield status.update


def delivery_of(audio: Path | None, legs: list[str], metadata: Path | None) -> Delivery:
    """What the arguments say was delivered. Raises UsageError, BadMetadata."""
    from pipeline.intake.ingest import Delivery
    from pipeline.metadata import CallMetadata, read_metadata

    if (audio is None) == (not legs):
        raise UsageError("give either one recording or a --leg for each leg")
    named = [_leg(each) for each in legs]
    if len({channel for channel, _ in named}) != len(named) or len(named) > 2:
        raise UsageError("a call has one agent's and one customer's leg")
    known = read_metadata(metadata) if metadata else CallMetadata()
    files = (audio,) if audio else tuple(path for _, path in named)
    return Delivery(files, tuple(channel for channel, _ in named), known)


def _leg(option: str) -> tuple[Channel, Path]:
    from pipeline.types import Channel

    name, _, path = option.partition("=")
    if name not in ("agent", "customer") or not path:
        raise UsageError("--leg takes agent=FILE or customer=FILE")
    return Channel(name), Path(path)
