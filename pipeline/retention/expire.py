"""Expiry: takes the store, the records and the time, deletes what need not be kept any longer, and says why of each.

The order is what makes it safe to die at any point and start again, in portions of some hundred artifacts::

    decided    in one transaction: what is due and held by nobody loses its data key; what is held is deferred
    flushed    the keys are in no file of the database any more: the objects cannot be opened (NIST SP 800-88 Rev. 2)
    destroyed  the objects are gone from the store
    forgotten  their rows are gone, and the history of their calls says by which rule

An artifact without a key is one whose deletion was decided; the next run goes on with it. Then calls that waited in
quarantine for too long are marked as discarded, and rows of calls of which nothing is left are removed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from pipeline import schema
from pipeline.connect import flush_history, reading, writing
from pipeline.db import held_artifact
from pipeline.errors import Locked, StoreUnavailable
from pipeline.retention import retain
from pipeline.retention.deferrals import Work, defer_in
from pipeline.retention.holds import held_in
from pipeline.retention.retain import Fate
from pipeline.types import ArtifactKind, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection

    from pipeline.archive import Archive
    from pipeline.db import HeldArtifact, Records
    from pipeline.retention.retain import Expiry, RetentionPolicy

PORTION: Final = 200
_Cursor = tuple["datetime", str]


@dataclass(frozen=True, slots=True)
class Expired:
    """What a run did, or would do.

    Args:
        artifacts: every artifact that was looked at, with its fate and the reason.
        discarded: ids of calls whose time in quarantine is over.
        forgotten: ids of calls whose rows went.
    """

    artifacts: tuple[Expiry, ...]
    discarded: tuple[str, ...]
    forgotten: tuple[str, ...]


def survey(records: Records, policy: RetentionPolicy, now: datetime) -> Expired:
    """What a run would do, and of everything that is kept until when and why; changes nothing."""
    seen: list[Expiry] = []
    columns = schema.artifacts.c
    rows, last = sa.select(schema.artifacts).order_by(columns.object_key).limit(PORTION), ""
    while True:
        with reading(records.engine) as connection:
            page = _read(connection, rows.where(columns.object_key > last))
            seen += retain.due(page, held_in(connection, [each.call_id for each in page]), now)
        if len(page) < PORTION:
            break
        last = page[-1].artifact.sealed.object_key
    seen.sort(key=lambda each: (each.held.artifact.retain_until, each.held.artifact.sealed.object_key))
    going = {each.held.artifact.sealed.object_key for each in seen if each.fate is Fate.DELETE}
    with reading(records.engine) as connection:
        return Expired(
            tuple(seen), _undecided(connection, policy, now, going), _bare_calls(connection, policy, now, going)
        )


def expire(
    archive: Archive,
    records: Records,
    policy: RetentionPolicy,
    now: datetime,
    *,
    only: Collection[str] | None = None,
    observe: Callable[[str], None] = lambda _step: None,
) -> Expired:
    """Deletes what is due and not held; done twice, the second time does nothing.

    Args:
        archive: the store.
        records: the database.
        policy: how long calls wait in quarantine, and how long their rows are kept.
        now: the time of the run.
        only: names of objects to confine it to; then no call is discarded or forgotten.
        observe: called with the name of each step when it is done.

    Raises:
        StoreUnavailable: some objects could not be deleted; they cannot be opened, and the next run tries again.
        Temporary: the database is busy; likewise.
    """
    seen: list[Expiry] = []
    stuck = 0
    cursor: _Cursor | None = None
    while True:
        page = _decide(records, now, cursor, only)
        observe("decided")
        going = [each.held for each in page if each.fate is Fate.DELETE]
        if going:
            stuck += _delete(archive, records, going, now, observe)
        seen += page
        if len(page) < PORTION:
            break
        cursor = _cursor_of(page[-1].held)
    if stuck:
        raise StoreUnavailable(f"{stuck} objects could not be deleted; their keys are destroyed, run it again")
    if only is not None:
        return Expired(tuple(seen), (), ())
    return Expired(tuple(seen), *_settle(records, policy, now))


def _decide(
    records: Records, now: datetime, cursor: _Cursor | None, only: Collection[str] | None
) -> tuple[Expiry, ...]:
    """The next portion of what is due, decided for good: no hold can come between this and the deletion."""
    artifacts = schema.artifacts
    with writing(records.engine) as connection:
        page = _due(connection, cursor, now, only)
        decided = retain.due(page, held_in(connection, [each.call_id for each in page]), now)
        going = [each.held.artifact.sealed.object_key for each in decided if each.fate is Fate.DELETE]
        connection.execute(artifacts.update().where(artifacts.c.object_key.in_(going)).values(wrapped_key=b""))
        waits = {each.held.artifact.sealed.object_key: each.hold_ids for each in decided if each.fate is Fate.HOLD}
        defer_in(connection, Work.EXPIRY, waits, now)
    return decided


def _delete(
    archive: Archive, records: Records, going: Sequence[HeldArtifact], now: datetime, observe: Callable[[str], None]
) -> int:
    """Gives how many objects the store did not delete; their rows stay, so that they are tried again."""
    flush_history(records.engine)
    observe("flushed")
    gone = []
    for each in going:
        try:
            archive.destroy(each.artifact.sealed)
        except (StoreUnavailable, Locked):
            continue
        gone.append(each.artifact.sealed.object_key)
    observe("destroyed")
    records.delete_artifacts(gone, "expired", now)
    observe("forgotten")
    return len(going) - len(gone)


def _settle(records: Records, policy: RetentionPolicy, now: datetime) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Discards calls that nobody decided about, then removes rows of calls of which nothing is left."""
    calls, events = schema.calls, schema.events
    with writing(records.engine) as connection:
        discarded = _undecided(connection, policy, now, ())
        for call_id in discarded:
            summary = connection.execute(sa.select(calls.c.summary).filter_by(call_id=call_id)).scalar_one()
            values = {"status": Status.DISCARDED.value, "summary": summary | {"status": Status.DISCARDED.value}}
            connection.execute(calls.update().filter_by(call_id=call_id).values(values))
            detail = {"days": policy.quarantine_days()}
            event = {"at": now, "call_id": call_id, "what": "quarantine_expired", "detail": detail}
            connection.execute(events.insert().values(event))
        bare = _bare_calls(connection, policy, now, ())
        for start in range(0, len(bare), PORTION):
            portion = bare[start : start + PORTION]
            connection.execute(events.delete().where(events.c.call_id.in_(portion)))
            connection.execute(calls.delete().where(calls.c.call_id.in_(portion)))
    if bare:
        flush_history(records.engine)
    return discarded, bare


def _undecided(
    connection: Connection, policy: RetentionPolicy, now: datetime, going: Collection[str]
) -> tuple[str, ...]:
    """Calls in quarantine that have waited long enough and whose originals are gone, or are in ``going``."""
    artifacts, calls = schema.artifacts, schema.calls
    originals = (artifacts.c.call_id == calls.c.call_id) & (artifacts.c.kind == ArtifactKind.INTAKE.value)
    query = (
        sa.select(calls.c.call_id, artifacts.c.object_key)
        .outerjoin(artifacts, originals)
        .where(calls.c.status == Status.QUARANTINED.value)
        .where(calls.c.received_at <= now - timedelta(days=policy.quarantine_days()))
        .order_by(calls.c.received_at, calls.c.call_id)
    )
    rows = connection.execute(query).all()
    waiting = {row.call_id for row in rows if row.object_key is not None and row.object_key not in going}
    return tuple(dict.fromkeys(row.call_id for row in rows if row.call_id not in waiting))


def _bare_calls(
    connection: Connection, policy: RetentionPolicy, now: datetime, going: Collection[str]
) -> tuple[str, ...]:
    """Calls received long ago of which there is no artifact, or none but those in ``going``, and that nobody holds."""
    artifacts, calls = schema.artifacts, schema.calls
    query = (
        sa.select(calls.c.call_id, artifacts.c.object_key)
        .outerjoin(artifacts, artifacts.c.call_id == calls.c.call_id)
        .where(calls.c.received_at <= now - timedelta(days=policy.records.days))
        .order_by(calls.c.received_at, calls.c.call_id)
    )
    query = query if going else query.where(artifacts.c.object_key.is_(None))
    rows = connection.execute(query).all()
    kept = {row.call_id for row in rows if row.object_key is not None and row.object_key not in going}
    bare = dict.fromkeys(row.call_id for row in rows if row.call_id not in kept)
    held = held_in(connection, bare)
    return tuple(call_id for call_id in bare if call_id not in held)


def _due(
    connection: Connection, cursor: _Cursor | None, now: datetime, only: Collection[str] | None
) -> tuple[HeldArtifact, ...]:
    """The next artifacts whose time has come, the longest overdue first."""
    columns = schema.artifacts.c
    query = sa.select(schema.artifacts).where(columns.retain_until <= now)
    if cursor is not None:
        at, key = cursor
        query = query.where(columns.retain_until >= at, (columns.retain_until > at) | (columns.object_key > key))
    if only is not None:
        query = query.where(columns.object_key.in_(only))
    return _read(connection, query.order_by(columns.retain_until, columns.object_key).limit(PORTION))


def _read(connection: Connection, query: sa.Select[Any]) -> tuple[HeldArtifact, ...]:
    return tuple(held_artifact(row) for row in connection.execute(query).mappings())


def _cursor_of(held: HeldArtifact) -> _Cursor:
    return held.artifact.retain_until, held.artifact.sealed.object_key
