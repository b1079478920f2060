"""The register of requests: takes what people ask for, gives by when it is due and what became of it.

A request is *received* (its time runs), *verified* (somebody established who asks), maybe *extended*, and *closed*
with an outcome. Nothing is carried out before the identity is verified (GDPR Art. 12(6)), and a refusal has its reason
(Art. 12(4)). The person is a keyed hash; the register outlives an erasure, as the proof of it.

Promises: the same right asked for twice while the first is open is one request, with the earlier date.
"""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from pipeline import schema
from pipeline.connect import reading, writing
from pipeline.errors import NotFound, Refused, UsageError
from pipeline.retention.holds import check_words
from pipeline.rights import policy as policies

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Connection, Engine, RowMapping

    from pipeline.rights.policy import Law, RightsPolicy

_OPEN = schema.requests.c.closed_at.is_(None)


class Right(StrEnum):
    """What is asked for."""

    ACCESS = "access"
    EXPORT = "export"
    CORRECT = "correct"
    RESTRICT = "restrict"
    OBJECT = "object"
    WITHDRAW = "withdraw"
    ERASE = "erase"


class Outcome(StrEnum):
    """What became of a request."""

    GRANTED = "granted"
    PARTLY = "partly"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Request:
    """A request.

    Args:
        request_id: its name.
        right: what is asked for.
        subject_id: who asks, as a keyed hash.
        law: whose time runs.
        received_at: when it came in.
        due_at: when it has to be answered, an extension included.
        author_id: who wrote it down.
        extension_reason: why it was put off; None if it was not.
        identity: how it was verified who asks; None until then.
        verified_by_id: by whom.
        verified_at: and when.
        outcome: None while it is open.
        reason: of a refusal, or of what was left out.
        closed_by_id: who closed it.
        closed_at: and when.
    """

    request_id: str
    right: Right
    subject_id: str
    law: str
    received_at: datetime
    due_at: datetime
    author_id: str
    extension_reason: str | None = None
    identity: str | None = None
    verified_by_id: str | None = None
    verified_at: datetime | None = None
    outcome: Outcome | None = None
    reason: str | None = None
    closed_by_id: str | None = None
    closed_at: datetime | None = None


def receive(
    engine: Engine, right: Right, subject_id: str, law: tuple[str, Law], *, by_id: str, at: datetime
) -> Request:
    """Writes a request down, or gives the one for the same right that is open already.

    Args:
        engine: the database.
        right: what is asked for.
        subject_id: who asks.
        law: whose time runs; from ``RightsPolicy.law_named``.
        by_id: who writes it down.
        at: when it came in, which may be earlier than it is written down.

    Raises:
        UsageError: ``by_id`` is empty or too long.
    """
    name, found = law
    check_words(author_id=by_id)
    fresh = Request(
        f"req-{secrets.token_hex(8)}", right, subject_id, name, at, policies.due(at, found), author_id=by_id
    )
    columns = schema.requests.c
    query = sa.select(schema.requests).filter_by(subject_id=subject_id, right=right.value).where(_OPEN)
    with writing(engine) as connection:
        row = connection.execute(query.order_by(columns.due_at).limit(1)).mappings().one_or_none()
        if row is not None:
            return _request(row)
        connection.execute(schema.requests.insert().values(asdict(fresh) | {"right": right.value}))
    return fresh


def verify(engine: Engine, policy: RightsPolicy, request_id: str, how: str, *, by_id: str, now: datetime) -> Request:
    """Notes that it was established who asks, and how; the first note stays.

    Raises:
        UsageError: the policy does not know that way.
        NotFound: there is no such request.
        Refused: it is closed.
    """
    if how not in policy.identity:
        raise UsageError(f"identity is verified by one of {', '.join(policy.identity)}")
    check_words(author_id=by_id)
    with writing(engine) as connection:
        before = _open(connection, request_id)
        if before.identity is None:
            _set(connection, request_id, identity=how, verified_by_id=by_id, verified_at=now)
        return _one(connection, request_id)


def extend(engine: Engine, policy: RightsPolicy, request_id: str, *, reason: str, now: datetime) -> Request:
    """Puts the due date off, once, as far as the law allows, before it has passed.

    Raises:
        UsageError: the reason is empty or looks like content.
        NotFound: there is no such request.
        Refused: it is closed, extended already or overdue, or its law knows no extension.
    """
    check_words(reason=reason)
    with writing(engine) as connection:
        before = _open(connection, request_id)
        _, law = policy.law_named(before.law)
        due_at = policies.extended(before.received_at, law)
        if before.extension_reason is not None or before.due_at <= now or due_at <= before.due_at:
            raise Refused(f"request {request_id} cannot be extended: once, and before it is due ({law.source})")
        _set(connection, request_id, extension_reason=reason, due_at=due_at)
        return _one(connection, request_id)


def close(
    engine: Engine, request_id: str, outcome: Outcome, *, by_id: str, now: datetime, reason: str | None = None
) -> Request:
    """Closes a request with what became of it; one that is closed already stays as it was.

    Raises:
        UsageError: a refusal without a reason, or a text that looks like content.
        NotFound: there is no such request.
        Refused: it was granted before anybody verified who asks.
    """
    if outcome is not Outcome.GRANTED and reason is None:
        raise UsageError("what is not granted in full needs a reason")
    check_words(author_id=by_id, **({"reason": reason} if reason else {}))
    with writing(engine) as connection:
        before = _one(connection, request_id)
        if before.closed_at is None:
            if before.identity is None and outcome is not Outcome.REFUSED:
                raise Refused(f"request {request_id}: nobody has verified who asks")
            _set(connection, request_id, outcome=outcome.value, reason=reason, closed_by_id=by_id, closed_at=now)
        return _one(connection, request_id)


def request(engine: Engine, request_id: str) -> Request:
    """The request. Raises NotFound."""
    with reading(engine) as connection:
        return _one(connection, request_id)


def requests(engine: Engine, *, closed: bool = False, subject_id: str | None = None) -> tuple[Request, ...]:
    """The open requests, the first due first; with ``closed``, all; with ``subject_id``, one person's."""
    query = sa.select(schema.requests).order_by(schema.requests.c.due_at, schema.requests.c.request_id)
    query = query if closed else query.where(_OPEN)
    query = query if subject_id is None else query.filter_by(subject_id=subject_id)
    with reading(engine) as connection:
        return tuple(_request(row) for row in connection.execute(query).mappings())


def overdue(engine: Engine, now: datetime) -> tuple[Request, ...]:
    """The open requests whose date has passed."""
    return tuple(each for each in requests(engine) if each.due_at <= now)


def _one(connection: Connection, request_id: str) -> Request:
    row = connection.execute(sa.select(schema.requests).filter_by(request_id=request_id)).mappings().one_or_none()
    if row is None:
        raise NotFound(f"there is no request {request_id}")
    return _request(row)


def _open(connection: Connection, request_id: str) -> Request:
    found = _one(connection, request_id)
    if found.closed_at is not None:
        raise Refused(f"request {request_id} is closed")
    return found


def _set(connection: Connection, request_id: str, **values: Any) -> None:
    connection.execute(schema.requests.update().filter_by(request_id=request_id).values(values))


def _request(row: RowMapping) -> Request:
    outcome = row["outcome"]
    kinds = {"right": Right(row["right"]), "outcome": Outcome(outcome) if outcome else None}
    return Request(**(dict(row) | kinds))
