"""Holds: takes who must not lose what and why, gives for each call the holds that keep it.

A *legal hold* keeps evidence (Fed. R. Civ. P. 37(e)); a *restriction* keeps what a person disputes, and stops its use
(GDPR Art. 18). Both stop every deletion of what they cover, by retention or by erasure, until they are released.
A hold names its case, its author, its reason and the date by which somebody must look at it again; past that
date it still holds, and ``overdue`` says so.

Promises: a call that is covered stays covered until the release is written. Whoever deletes asks ``held_in`` inside
the transaction that decides the deletion; no hold can be added while that transaction lasts.
"""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from pipeline import schema
from pipeline.connect import reading, writing
from pipeline.errors import NotFound, Refused, UsageError, VerificationFailed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection, Engine, RowMapping

_PORTION: Final = 500
_OPEN: Final = schema.holds.c.released_at.is_(None)


class HoldKind(StrEnum):
    """Why something is held."""

    LEGAL = "legal_hold"
    RESTRICTION = "restriction"


@dataclass(frozen=True, slots=True)
class Scope:
    """What a hold covers: the calls for which every stated condition is true; without one, every call.

    Args:
        call_id: this call.
        subject_id: calls of this person.
        from_at: calls that began (were received, where the start is unknown) at or after this instant.
        to_at: and before this one.
    """

    call_id: str | None = None
    subject_id: str | None = None
    from_at: datetime | None = None
    to_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """On whose word: the case or request, who decides, and why, in words for a person and free of content."""

    case_id: str
    author_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold.

    Args:
        hold_id: its name.
        kind: legal hold or restriction.
        case_id: the matter, or the request, that it belongs to.
        scope: what it covers.
        author_id: who ordered it.
        reason: in words for a person; free of content.
        created_at: since when it holds.
        review_at: by when somebody must decide whether it goes on.
        released_at: when it ended; None while it holds.
        released_by_id: who ended it.
        release_reason: and why.
    """

    hold_id: str
    kind: HoldKind
    case_id: str
    scope: Scope
    author_id: str
    reason: str
    created_at: datetime
    review_at: datetime
    released_at: datetime | None = None
    released_by_id: str | None = None
    release_reason: str | None = None


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What a scope asks of a call."""

    call_id: str
    subject_id: str
    at: datetime


def new_hold(kind: HoldKind, scope: Scope, order: Order, *, now: datetime, review_at: datetime) -> Hold:
    """A hold that is not written yet.

    Raises:
        UsageError: the dates contradict each other, or a text is empty, too long or looks like content.
    """
    if review_at <= now:
        raise UsageError("the review date of a hold lies in the future")
    if scope.from_at is not None and scope.to_at is not None and scope.to_at <= scope.from_at:
        raise UsageError("a hold's date range ends after it begins")
    check_words(**asdict(order))
    hold_id = f"hold-{secrets.token_hex(8)}"
    return Hold(hold_id, kind, order.case_id, scope, order.author_id, order.reason, now, review_at)


def check_words(**texts: str) -> None:
    """Refuses texts by an operator that are empty, too long, or hold what looks like a number or an address.

    Raises:
        UsageError: names the field, never the text.
    """
    limits = {"case_id": 64, "author_id": 128}
    for field, text in texts.items():
        limit = limits.get(field, 300)
        what = field.removesuffix("_id").replace("_", " ")
        if not text.strip() or len(text) > limit:
            raise UsageError(f"the {what} has 1 to {limit} characters")
        try:
            schema.check_content_free({field: text})
        except VerificationFailed:
            raise UsageError(f"the {what} looks like personal data: leave numbers and addresses out") from None


def add_hold(engine: Engine, hold: Hold) -> None:
    """Writes a hold; from its return on nothing that it covers is deleted."""
    with writing(engine) as connection:
        add_in(connection, hold)


def add_in(connection: Connection, hold: Hold) -> None:
    """``add_hold`` within a transaction of the caller's."""
    fields = asdict(hold)
    scope = fields.pop("scope")
    connection.execute(schema.holds.insert().values(fields | scope | {"kind": hold.kind.value}))


def release_hold(engine: Engine, hold_id: str, *, by_id: str, reason: str, now: datetime) -> Hold:
    """Ends a hold; what waited for it is in ``deferrals.freed``. A hold that is released already stays as it was.

    Raises:
        NotFound: there is no such hold.
        UsageError: a text is empty, too long or looks like content.
    """
    check_words(author_id=by_id, reason=reason)
    values = {"released_at": now, "released_by_id": by_id, "release_reason": reason}
    with writing(engine) as connection:
        connection.execute(schema.holds.update().filter_by(hold_id=hold_id).where(_OPEN).values(values))
        row = connection.execute(sa.select(schema.holds).filter_by(hold_id=hold_id)).mappings().one_or_none()
    if row is None:
        raise NotFound(f"there is no hold {hold_id}")
    return _hold(row)


def holds(engine: Engine, *, released: bool = False) -> tuple[Hold, ...]:
    """The holds in force, the oldest first; with ``released``, all that ever were."""
    query = sa.select(schema.holds).order_by(schema.holds.c.created_at, schema.holds.c.hold_id)
    with reading(engine) as connection:
        found = connection.execute(query if released else query.where(_OPEN)).mappings()
        return tuple(_hold(row) for row in found)


def overdue(engine: Engine, now: datetime) -> tuple[Hold, ...]:
    """The holds in force whose review date has passed."""
    return tuple(hold for hold in holds(engine) if hold.review_at <= now)


def covering(calls: Iterable[CallFacts], in_force: Sequence[Hold]) -> dict[str, tuple[Hold, ...]]:
    """For each call that is held, its holds; a call that is not held is left out."""
    found = {call.call_id: tuple(hold for hold in in_force if _covers(hold.scope, call)) for call in calls}
    return {call_id: held for call_id, held in found.items() if held}


def held_calls(engine: Engine, call_ids: Iterable[str]) -> dict[str, tuple[Hold, ...]]:
    """Of these calls, those that are held, each with its holds (``hold_id``, ``case_id``, ``reason``)."""
    with reading(engine) as connection:
        return held_in(connection, call_ids)


def held_in(connection: Connection, call_ids: Iterable[str]) -> dict[str, tuple[Hold, ...]]:
    """``held_calls`` within a transaction; in one that writes, the answer stays true until it ends."""
    in_force = [_hold(row) for row in connection.execute(sa.select(schema.holds).where(_OPEN)).mappings()]
    return covering(_facts(connection, tuple(call_ids)), in_force) if in_force else {}


def refuse_restricted(connection: Connection, subject_id: str) -> None:
    """Raises Refused while the use of what is known about this person is restricted."""
    query = (
        sa.select(schema.holds.c.case_id).where(_OPEN).filter_by(subject_id=subject_id, kind=HoldKind.RESTRICTION.value)
    )
    request = connection.execute(query.limit(1)).scalar_one_or_none()
    if request is not None:
        raise Refused(f"the use of this caller's calls is restricted by request {request} until it is lifted")


def restricted_among(connection: Connection, subject_ids: Collection[str]) -> frozenset[str]:
    """Those people who restrict the use of what is known about them."""
    query = sa.select(schema.holds.c.subject_id).where(_OPEN, schema.holds.c.subject_id.in_(subject_ids))
    return frozenset(connection.execute(query.filter_by(kind=HoldKind.RESTRICTION.value)).scalars())


def _covers(scope: Scope, call: CallFacts) -> bool:
    return (
        (scope.call_id is None or scope.call_id == call.call_id)
        and (scope.subject_id is None or scope.subject_id == call.subject_id)
        and (scope.from_at is None or scope.from_at <= call.at)
        and (scope.to_at is None or call.at < scope.to_at)
    )


def _facts(connection: Connection, call_ids: Sequence[str]) -> Iterable[CallFacts]:
    """In portions, because a database takes only so many values in one question."""
    columns = schema.calls.c
    query = sa.select(columns.call_id, columns.subject_id, columns.started_at, columns.received_at)
    for start in range(0, len(call_ids), _PORTION):
        portion = call_ids[start : start + _PORTION]
        for row in connection.execute(query.where(columns.call_id.in_(portion))):
            yield CallFacts(row.call_id, row.subject_id, row.started_at or row.received_at)


def _hold(row: RowMapping | Mapping[str, Any]) -> Hold:
    scope = Scope(row["call_id"], row["subject_id"], row["from_at"], row["to_at"])
    rest = {name: value for name, value in row.items() if name not in Scope.__dataclass_fields__}
    return Hold(**(rest | {"kind": HoldKind(row["kind"])}), scope=scope)
