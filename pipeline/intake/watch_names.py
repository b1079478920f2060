"""Names of recordings in a watched folder: which files are one call, whose leg each is, and what the names say of it.

Takes paths and a pattern, gives calls with what is stated of them. Pure but for the sidecars, which it looks for beside
the recordings. Names may be those of people or numbers: they are shown nowhere.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from pipeline.errors import BadMetadata, UsageError
from pipeline.intake.sources import SUFFIXES
from pipeline.metadata import CallMetadata, parse_metadata
from pipeline.types import Channel

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

# Asterisk's Monitor() writes what comes from the caller's channel to "-in" and what is sent to it to "-out".
LEGS: Final = {
    **dict.fromkeys(("agent", "out", "tx"), Channel.AGENT),
    **dict.fromkeys(("customer", "caller", "in", "rx"), Channel.CUSTOMER),
}
_PLAIN_LEG: Final = re.compile(r"(?P<call>.+)[_.-](?P<leg>agent|customer|caller|in|out|rx|tx)", re.IGNORECASE)
_DIRECTIONS: Final = {"in": "inbound", "inbound": "inbound", "out": "outbound", "outbound": "outbound"}
_STATED: Final = frozenset({"call_id", "caller", "callee"})
_GROUPS: Final = _STATED | {"leg", "direction", "started_at"}


@dataclass(frozen=True, slots=True)
class NameRule:
    """How names are read.

    Args:
        pattern: of a name without its suffix, with groups of ``call_id``, ``leg``, ``caller``, ``callee``,
            ``direction`` and ``started_at``; None where a name says no more than whose leg it is.
        started_format: of ``started_at``, as ``datetime.strptime`` takes it.
        zone: of times that say none.
        sidecar: whether a JSON file of the same name must be there, may be, or is not looked for.
        jurisdictions: of both ends of a call whose sidecar names none.
    """

    pattern: re.Pattern[str] | None
    started_format: str
    zone: ZoneInfo
    sidecar: str
    jurisdictions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """The files of one call.

    Args:
        files: its recordings.
        legs: who is heard on each, where there is one per leg; else empty.
        sidecar: its metadata file, if there is one.
        stated: what the names say.
        complete: whether nothing is missing: the other leg, or a sidecar that must be there.
    """

    files: tuple[Path, ...] = field(repr=False)
    legs: tuple[Channel, ...]
    sidecar: Path | None = field(repr=False)
    stated: Mapping[str, Any] = field(repr=False)
    complete: bool

    def metadata(self, digest: str) -> CallMetadata:
        """What is known of the call; named by the recording's digest where nobody named it.

        Raises:
            BadMetadata: the sidecar or what the names say makes no sense, or the name does not fit the pattern.
            UsageError: the sidecar cannot be read.
        """
        stated = dict(self.stated)
        if "unread" in stated:
            raise BadMetadata("a name does not fit watch.pattern")
        if self.sidecar is not None:
            try:
                told = json.loads(self.sidecar.read_bytes())
            except OSError as exc:
                raise UsageError(f"a sidecar cannot be read: {exc.strerror}") from exc
            except (ValueError, RecursionError) as exc:
                raise BadMetadata("a sidecar is not JSON") from exc
            if not isinstance(told, dict):
                raise BadMetadata("a sidecar is no JSON object")
            stated |= told
        stated.setdefault("call_id", f"call-{digest[:32]}")
        return parse_metadata(json.dumps(stated).encode())


def name_rule(
    pattern: str, started_format: str, zone: str, sidecar: str, jurisdictions: tuple[str, ...] = ()
) -> NameRule:
    """The rule of the settings.

    Raises:
        UsageError: the pattern is no regular expression or has groups that mean nothing, or there is no such zone.
    """
    try:
        compiled = re.compile(pattern) if pattern else None
        found = ZoneInfo(zone)
    except (re.error, ValueError, OSError, KeyError) as exc:
        raise UsageError("watch: the pattern is no regular expression, or the zone is unknown") from exc
    if compiled and not set(compiled.groupindex) <= _GROUPS:
        raise UsageError(f"watch.pattern: groups are called {', '.join(sorted(_GROUPS))}")
    return NameRule(compiled, started_format, found, sidecar, jurisdictions)


def stated_by(stem: str, rule: NameRule) -> Mapping[str, Any]:
    """What a name without its suffix says. Raises BadMetadata if it does not fit the pattern."""
    _, _, stated = _read(stem, rule)
    if "unread" in stated:
        raise BadMetadata("a name does not fit the pattern of the settings")
    return stated


def calls_in(recordings: Iterable[Path], rule: NameRule) -> Iterator[Found]:
    """The calls of a folder's files, the two legs of one together; files with other suffixes are left out."""
    legs: dict[tuple[Path, str, str], dict[Channel, tuple[Path, dict[str, Any]]]] = {}
    for path in recordings:
        if path.suffix.lower() not in SUFFIXES:
            continue
        call, leg, stated = _read(path.stem, rule)
        if leg is None:
            yield _found((path,), (), path.with_suffix(""), stated, rule, whole=True)
        else:
            legs.setdefault((path.parent, call, path.suffix.lower()), {})[leg] = (path, stated)
    for (folder, call, _), parts in legs.items():
        channels = tuple(sorted(parts))
        files = tuple(parts[channel][0] for channel in channels)
        yield _found(files, channels, folder / call, parts[channels[0]][1], rule, whole=len(parts) == 2)


def _found(
    files: tuple[Path, ...],
    legs: tuple[Channel, ...],
    stem: Path,
    stated: dict[str, Any],
    rule: NameRule,
    *,
    whole: bool,
) -> Found:
    beside = stem.with_name(stem.name + ".json")
    sidecar = beside if rule.sidecar != "none" and beside.is_file() else None
    return Found(files, legs, sidecar, stated, complete=whole and (sidecar is not None or rule.sidecar != "required"))


def _read(stem: str, rule: NameRule) -> tuple[str, Channel | None, dict[str, Any]]:
    """The call's part of a name, whose leg it is, and what is stated of the call."""
    always: dict[str, Any] = {"jurisdictions": rule.jurisdictions} if rule.jurisdictions else {}
    if rule.pattern is None:
        match = _PLAIN_LEG.fullmatch(stem)
        return (match["call"], LEGS[match["leg"].lower()], always) if match else (stem, None, always)
    match = rule.pattern.fullmatch(stem)
    if match is None:
        return stem, None, {"unread": True}
    said = {key: value for key, value in match.groupdict().items() if value}
    leg = LEGS.get(said.get("leg", "").lower())
    stated = always | {key: value for key, value in said.items() if key in _STATED}
    try:
        if "direction" in said:
            stated["direction"] = _DIRECTIONS[said["direction"].lower()]
        if "started_at" in said:
            when = datetime.strptime(said["started_at"], rule.started_format)  # noqa: DTZ007 -- the next line says it
            stated["started_at"] = (when if when.tzinfo else when.replace(tzinfo=rule.zone)).isoformat()
    except (KeyError, ValueError):
        return stem, None, {"unread": True}
    if leg is None:
        return stem, None, stated if "leg" not in said else {"unread": True}
    begin, end = match.span("leg")
    return (stem[:begin] + stem[end:]).strip("_.-"), leg, stated
