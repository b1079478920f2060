"""Retention: takes a policy, facts about a call, kinds and dates, gives dates and reasons. Decides and changes nothing.

Promises: every kind of artifact has a date and a rule that says why; a policy that leaves a kind out, names one twice
or has a key or a name that is unknown does not load. What the law forbids to keep goes before what it wants kept, and
that before the default. All dates are UTC.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline.errors import UsageError, VerificationFailed
from pipeline.types import ArtifactKind, Status

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pipeline.db import HeldArtifact
    from pipeline.retention.holds import Hold

Days = Annotated[int, Field(ge=0, le=36_525)]
Words = Annotated[str, Field(min_length=1, max_length=100)]
Name = Annotated[str, Field(pattern=r"^[a-z_]{1,32}$")]
Area = Annotated[str, Field(pattern=r"^[A-Z]{2,3}(-[A-Z0-9]{1,3})?$")]


class RetentionClass(BaseModel):
    """One class: which kinds of which calls, how many days, on whose word.

    Args:
        kinds: the kinds of artifact that it covers.
        sectors: of calls of one of these; without any, of every call.
        purposes: likewise.
        jurisdictions: of calls with one end in one of these places or areas; ``US`` covers ``US-CA``.
        must: ``default``, or what the law says: ``at_least`` or ``at_most``.
        days: how long they are kept, from the start of the call.
        quarantined: how long instead, while the call waits for a decision; None for the same.
        source: the law or policy that says so.
        reason: what it is kept for.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kinds: Annotated[tuple[ArtifactKind, ...], Field(min_length=1)]
    sectors: tuple[Name, ...] = ()
    purposes: tuple[Name, ...] = ()
    jurisdictions: tuple[Area, ...] = ()
    must: Literal["default", "at_least", "at_most"] = "default"
    days: Days
    quarantined: Days | None = None
    source: Words
    reason: Words

    @model_validator(mode="after")
    def _default_or_law(self) -> Self:
        if (self.must == "default") == bool(self.sectors or self.purposes or self.jurisdictions):
            raise ValueError("a default has no conditions, and a class with conditions says at_least or at_most")
        return self


class RecordRule(BaseModel):
    """How long a call's row is kept, in days from its receipt, once nothing else of the call is left."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    days: Days


class RetentionPolicy(BaseModel):
    """All classes; see ``configs/retention.toml``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Annotated[str, Field(pattern=r"^[0-9A-Za-z.-]{1,32}$")]
    sectors: tuple[Name, ...]
    purposes: tuple[Name, ...]
    records: RecordRule
    areas: dict[Area, tuple[Area, ...]] = Field(default_factory=dict)
    classes: dict[Name, RetentionClass]

    @model_validator(mode="after")
    def _every_kind_once(self) -> Self:
        defaults = (found for found in self.classes.values() if found.must == "default")
        count = Counter(kind for found in defaults for kind in found.kinds)
        wrong = sorted(kind.value for kind in ArtifactKind if count[kind] != 1)
        if wrong:
            raise ValueError(f"each kind of artifact needs exactly one class: {', '.join(wrong)}")
        return self

    @model_validator(mode="after")
    def _known_names(self) -> Self:
        for name, found in self.classes.items():
            if set(found.sectors) - set(self.sectors) or set(found.purposes) - set(self.purposes):
                raise ValueError(f"class {name} names a sector or a purpose that is not listed")
        return self

    def quarantine_days(self) -> int:
        """How long a call waits for a decision at most."""
        originals = (each for each in self.classes.values() if ArtifactKind.INTAKE in each.kinds)
        return max(each.days if each.quarantined is None else each.quarantined for each in originals)


@dataclass(frozen=True, slots=True)
class Context:
    """What a class asks of a call: the trades it belongs to, what it was recorded for, the places of its ends."""

    sectors: tuple[str, ...] = ()
    purpose: str | None = None
    jurisdictions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Retention:
    """Until when an artifact of this kind is kept (UTC), and by which rule."""

    kind: ArtifactKind
    retain_until: datetime
    rule: str


@dataclass(frozen=True, slots=True)
class _Dated:
    """A class that applies, and the date that it leads to."""

    must: str
    until: datetime
    rule: str


_ANY_CALL = Context()


class Fate(StrEnum):
    """What becomes of an artifact now."""

    KEEP = "keep"
    DELETE = "delete"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class Expiry:
    """What becomes of a held artifact now, and why, in words for a person; free of content."""

    held: HeldArtifact
    fate: Fate
    reason: str
    hold_ids: tuple[str, ...] = ()


def check_context(context: Context, policy: RetentionPolicy) -> None:
    """Raises UsageError where the policy does not know a sector or the purpose: a slip would break a law unseen."""
    unknown = sorted(set(context.sectors) - set(policy.sectors))
    if unknown:
        raise UsageError(f"sector: the retention policy knows {', '.join(policy.sectors)}")
    if context.purpose is not None and context.purpose not in policy.purposes:
        raise UsageError(f"purpose: the retention policy knows {', '.join(policy.purposes)}")


def load_policy(path: Path) -> RetentionPolicy:
    """Reads a policy. Raises UsageError, with the field's name, if it cannot be read or makes no sense."""
    from pipeline.schema import check_content_free

    try:
        policy = RetentionPolicy.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        check_content_free({"rules": [_rule(policy, name, found) for name, found in policy.classes.items()]})
    except OSError as exc:
        raise UsageError(f"the retention policy {path.name} cannot be read: {exc.strerror}") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise UsageError(f"the retention policy {path.name} is not TOML: {exc}") from exc
    except VerificationFailed as exc:
        raise UsageError(
            f"the retention policy {path.name}: a version and a source look like personal data together"
        ) from exc
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "classes"
        raise UsageError(f"the retention policy {path.name}: {where}: {first['msg']}") from exc
    return policy


def plan(
    kinds: Iterable[ArtifactKind],
    policy: RetentionPolicy,
    status: Status,
    context: Context = _ANY_CALL,
    *,
    started_at: datetime | None,
    now: datetime,
) -> dict[ArtifactKind, Retention]:
    """Until when each kind is kept.

    Args:
        kinds: the kinds of artifact that the call has.
        policy: the rules.
        status: of the call; a quarantined call's intake is kept for its decision, a stored call's is not.
        context: what the classes with conditions ask.
        started_at: start of the call; ``now`` counts where it is unknown, and where it lies in the future, so that a
            wrong clock on the platform cannot keep a recording longer.
        now: the time of processing. A quarantine counts from here: it is a deadline for people.

    Raises:
        UsageError: the policy does not know the sector or the purpose.
        ValueError: a time without a zone.
    """
    check_context(context, policy)
    now = _utc(now)
    start = min(_utc(started_at), now) if started_at is not None else now
    return {kind: _retention(kind, list(_dates(kind, policy, status, context, start, now))) for kind in kinds}


def due(artifacts: Iterable[HeldArtifact], holds: Mapping[str, Sequence[Hold]], now: datetime) -> tuple[Expiry, ...]:
    """What becomes of each artifact now: kept, deleted, or held although its time has come.

    Args:
        artifacts: what there is.
        holds: by call id, from ``holds.held_calls``.
        now: the time of the run.

    Raises:
        ValueError: a time without a zone.
    """
    now = _utc(now)
    return tuple(_expiry(held, holds.get(held.call_id, ()), now) for held in artifacts)


def _dates(
    kind: ArtifactKind, policy: RetentionPolicy, status: Status, context: Context, start: datetime, now: datetime
) -> Iterator[_Dated]:
    """The classes that apply, each with the date it leads to."""
    for name, found in policy.classes.items():
        if kind in found.kinds and _applies(found, policy, context):
            rule = _rule(policy, name, found)
            if status is Status.QUARANTINED and found.quarantined is not None:
                yield _Dated(found.must, now + timedelta(days=found.quarantined), f"{rule} (quarantine)")
            else:
                yield _Dated(found.must, start + timedelta(days=found.days), rule)


def _retention(kind: ArtifactKind, dated: Sequence[_Dated]) -> Retention:
    kept = max((each for each in dated if each.must != "at_most"), key=lambda each: each.until)
    cut = min((each for each in dated if each.must == "at_most"), key=lambda each: each.until, default=kept)
    chosen = cut if cut.until < kept.until else kept
    return Retention(kind, chosen.until, chosen.rule)


def _rule(policy: RetentionPolicy, name: str, found: RetentionClass) -> str:
    return f"{policy.version} {name}: {found.source}"


def _applies(found: RetentionClass, policy: RetentionPolicy, context: Context) -> bool:
    places = {place for area in found.jurisdictions for place in policy.areas.get(area, (area,))}
    return (
        (not found.sectors or not set(found.sectors).isdisjoint(context.sectors))
        and (not found.purposes or context.purpose in found.purposes)
        and (not places or any(_within(each, places) for each in context.jurisdictions))
    )


def _within(jurisdiction: str, places: Collection[str]) -> bool:
    """Whether the place, or the country that it is part of, is one of these."""
    return jurisdiction in places or jurisdiction.partition("-")[0] in places


def _expiry(held: HeldArtifact, holds: Sequence[Hold], now: datetime) -> Expiry:
    until = f"until {held.artifact.retain_until:%Y-%m-%d} by {held.artifact.retention_rule}"
    if not held.artifact.sealed.wrapped_key:
        return Expiry(held, Fate.DELETE, f"kept {until}; its key is destroyed already")
    if held.artifact.retain_until > now:
        return Expiry(held, Fate.KEEP, f"to be kept {until}")
    if holds:
        why = "; ".join(f"{hold.kind.value} {hold.hold_id}, case {hold.case_id}" for hold in holds)
        return Expiry(held, Fate.HOLD, f"kept {until}, and held: {why}", tuple(hold.hold_id for hold in holds))
    return Expiry(held, Fate.DELETE, f"kept {until}")


def _utc(time: datetime) -> datetime:
    if time.tzinfo is None:
        raise ValueError("a time needs a zone")
    return time.astimezone(UTC)
