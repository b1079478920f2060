"""Retention: takes a policy, artifact kinds and dates, gives dates and reasons. Decides and changes nothing.

Promises: every kind of artifact has a date and a rule that says why; a policy that leaves a kind out, names one twice
or has a key that is unknown does not load. All dates are UTC.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline.errors import UsageError
from pipeline.types import ArtifactKind, Status

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pipeline.db import HeldArtifact

Days = Annotated[int, Field(ge=0, le=36_525)]
Words = Annotated[str, Field(min_length=1, max_length=100)]


class RetentionClass(BaseModel):
    """One class: which kinds, how many days, on whose word.

    Args:
        kinds: the kinds of artifact that it covers.
        days: how long they are kept, from the start of the call.
        quarantined: how long instead, while the call waits for a decision; None for the same.
        source: the law or policy that says so.
        reason: what it is kept for.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kinds: Annotated[tuple[ArtifactKind, ...], Field(min_length=1)]
    days: Days
    quarantined: Days | None = None
    source: Words
    reason: Words


class RetentionPolicy(BaseModel):
    """All classes; see ``configs/retention.toml``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Annotated[str, Field(pattern=r"^[0-9A-Za-z.-]{1,32}$")]
    classes: dict[Annotated[str, Field(pattern=r"^[a-z_]{1,32}$")], RetentionClass]

    @model_validator(mode="after")
    def _every_kind_once(self) -> Self:
        count = Counter(kind for found in self.classes.values() for kind in found.kinds)
        wrong = sorted(kind.value for kind in ArtifactKind if count[kind] != 1)
        if wrong:
            raise ValueError(f"each kind of artifact needs exactly one class: {', '.join(wrong)}")
        return self


@dataclass(frozen=True, slots=True)
class Retention:
    """Until when an artifact of this kind is kept (UTC), and by which rule."""

    kind: ArtifactKind
    retain_until: datetime
    rule: str


@dataclass(frozen=True, slots=True)
class Expiry:
    """Whether a held artifact is to go now, and why, in words for a person; free of content."""

    held: HeldArtifact
    due: bool
    reason: str


def load_policy(path: Path) -> RetentionPolicy:
    """Reads a policy. Raises UsageError, with the field's name, if it cannot be read or makes no sense."""
    try:
        return RetentionPolicy.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as exc:
        raise UsageError(f"the retention policy {path.name} cannot be read: {exc.strerror}") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise UsageError(f"the retention policy {path.name} is not TOML: {exc}") from exc
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "classes"
        raise UsageError(f"the retention policy {path.name}: {where}: {first['msg']}") from exc


def plan(
    kinds: Iterable[ArtifactKind],
    policy: RetentionPolicy,
    status: Status,
    *,
    started_at: datetime | None,
    now: datetime,
) -> dict[ArtifactKind, Retention]:
    """Until when each kind is kept.

    Args:
        kinds: the kinds of artifact that the call has.
        policy: the rules.
        status: of the call; a quarantined call's intake is kept for its decision, a stored call's is not.
        started_at: start of the call; ``now`` counts where it is unknown, and where it lies in the future, so that a
            wrong clock on the platform cannot keep a recording longer.
        now: the time of processing. A quarantine counts from here: it is a deadline for people.

    Raises:
        ValueError: a time without a zone.
    """
    now = _utc(now)
    start = min(_utc(started_at), now) if started_at is not None else now
    return {kind: _retention(kind, policy, status, start, now) for kind in kinds}


def due(artifacts: Iterable[HeldArtifact], now: datetime) -> tuple[Expiry, ...]:
    """For each artifact, whether its time has come. Raises ValueError for a time without a zone."""
    now = _utc(now)
    return tuple(_expiry(held, now) for held in artifacts)


def _retention(
    kind: ArtifactKind, policy: RetentionPolicy, status: Status, start: datetime, now: datetime
) -> Retention:
    name, found = next((name, found) for name, found in policy.classes.items() if kind in found.kinds)
    rule = f"{policy.version} {name}: {found.source}"
    if status is Status.QUARANTINED and found.quarantined is not None:
        return Retention(kind, now + timedelta(days=found.quarantined), f"{rule} (quarantine)")
    return Retention(kind, start + timedelta(days=found.days), rule)


def _expiry(held: HeldArtifact, now: datetime) -> Expiry:
    until = held.artifact.retain_until
    if until <= now:
        return Expiry(held, due=True, reason=f"kept until {until:%Y-%m-%d} by {held.artifact.retention_rule}")
    return Expiry(held, due=False, reason=f"to be kept until {until:%Y-%m-%d} by {held.artifact.retention_rule}")


def _utc(time: datetime) -> datetime:
    if time.tzinfo is None:
        raise ValueError("a time needs a zone")
    return time.astimezone(UTC)
