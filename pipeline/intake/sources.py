"""Where the calls of an archive are: a folder of recordings, or a manifest that names them. Gives their deliveries.

A recording may have a sidecar of the same name and the suffix ``.json`` with its metadata. Two mono files whose names
differ only in a last part that says whose leg it is (``call7_agent.wav``, ``call7_customer.wav``) are one call. A
manifest is CSV or JSON lines; each row names a recording by ``audio``, or by ``agent`` and ``customer``, relative to
the manifest, and may state any metadata beside it. Names of files are never shown: they may be those of people.
"""

from __future__ import annotations

import csv
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pipeline.errors import BadMetadata, UsageError
from pipeline.intake.ingest import Delivery
from pipeline.metadata import CallMetadata, parse_metadata, read_metadata
from pipeline.types import Channel

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

SUFFIXES: Final = frozenset({".wav", ".mp3", ".ogg", ".opus", ".oga", ".flac", ".m4a", ".mp4", ".gsm", ".au", ".webm"})
_LEG: Final = re.compile(r"(?P<call>.+)[_.-](?P<leg>agent|customer|caller)", re.IGNORECASE)
_FILES: Final = frozenset({"audio", "agent", "customer"})
_LISTS: Final = frozenset({"channels", "jurisdictions", "sectors"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One call of an archive; ``number`` is its place in it, by which a report names it."""

    number: int
    files: tuple[Path, ...] = field(repr=False)
    legs: tuple[Channel, ...]
    sidecar: Path | None = field(repr=False)
    stated: dict[str, Any] = field(repr=False, default_factory=dict)

    def delivery(self) -> Delivery:
        """The call as it arrives.

        Raises:
            BadMetadata: what is stated of it makes no sense.
        """
        if self.sidecar:
            return Delivery(self.files, self.legs, read_metadata(self.sidecar))
        metadata = parse_metadata(json.dumps(self.stated).encode()) if self.stated else CallMetadata()
        return Delivery(self.files, self.legs, metadata)


def entries(source: Path) -> list[Entry]:
    """The calls of a folder (with all its folders), or of a manifest, in the order of their names or rows.

    Raises:
        UsageError: there is no such folder or manifest, or it names no recording.
    """
    if source.is_dir():
        found = list(_of_folder(source))
    elif source.suffix.lower() in (".csv", ".jsonl", ".ndjson"):
        found = list(_of_manifest(source))
    else:
        raise UsageError("a source is a folder, or a manifest that ends in .csv or .jsonl")
    if not found:
        raise UsageError("there is no recording in the source")
    return found


def _of_folder(folder: Path) -> Iterator[Entry]:
    recordings = sorted(each for each in folder.rglob("*") if each.suffix.lower() in SUFFIXES and each.is_file())
    for number, (files, legs) in enumerate(_calls(recordings), 1):
        stem = files[0].with_suffix("") if not legs else files[0].with_name(_leg_of(files[0])[0])
        sidecar = stem.with_name(stem.name + ".json")
        yield Entry(number, files, legs, sidecar if sidecar.is_file() else None)


def _calls(recordings: Iterable[Path]) -> Iterator[tuple[tuple[Path, ...], tuple[Channel, ...]]]:
    """Recordings one by one, and the two legs of a call together."""
    waiting: dict[tuple[Path, str, str], dict[Channel, Path]] = {}
    for path in recordings:
        call, channel = _leg_of(path)
        if channel is not None:
            waiting.setdefault((path.parent, call, path.suffix.lower()), {})[channel] = path
        else:
            yield (path,), ()
    for legs in waiting.values():
        if len(legs) == 2:
            channels = tuple(sorted(legs))
            yield tuple(legs[channel] for channel in channels), channels
        else:
            yield from (((path,), ()) for path in legs.values())


def _leg_of(path: Path) -> tuple[str, Channel | None]:
    match = _LEG.fullmatch(path.stem)
    if match is None:
        return path.stem, None
    return match["call"], Channel.AGENT if match["leg"].lower() == "agent" else Channel.CUSTOMER


def _of_manifest(manifest: Path) -> Iterator[Entry]:
    for number, row in enumerate(_rows(manifest), 1):
        stated = {key: value for key, value in row.items() if key not in _FILES}
        legs = () if "audio" in row else (Channel.AGENT, Channel.CUSTOMER)
        names = [row.get(name) for name in (legs or ("audio",))]
        if not all(names):
            raise UsageError(f"row {number} of the manifest names no recording")
        yield Entry(number, tuple(manifest.parent / str(name) for name in names), legs, None, stated)


def _nested(row: dict[str, str]) -> dict[str, Any]:
    """A row of CSV as JSON has it: ``consent.recording_notice`` is a key in a key, lists are split at spaces."""
    found: dict[str, Any] = {}
    for key, value in row.items():
        outer, _, inner = key.partition(".")
        stated = value.split() if key in _LISTS else value
        if inner:
            found.setdefault(outer, {})[inner] = stated
        else:
            found[key] = stated
    return found


def _rows(manifest: Path) -> Iterator[dict[str, Any]]:
    try:
        text = manifest.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise UsageError("the manifest cannot be read as UTF-8 text") from exc
    if manifest.suffix.lower() == ".csv":
        for row in csv.DictReader(text.splitlines()):
            yield _nested({key: value for key, value in row.items() if key is not None and value})
        return
    for number, line in enumerate(filter(str.strip, text.splitlines()), 1):
        try:
            found = json.loads(line)
        except ValueError as exc:
            raise BadMetadata(f"row {number} of the manifest is not JSON") from exc
        if not isinstance(found, dict):
            raise BadMetadata(f"row {number} of the manifest is no JSON object")
        yield found
