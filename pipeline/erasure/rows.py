"""The rows an erasure reads, replaces and removes; ``pipeline.erasure.erase`` knows the order.

``replace_key`` is the turning point. In one transaction the old key of a subject leaves the database: for nothing,
where all of the subject's calls go, or for a new key under which the data keys of what stays are wrapped again. No
object is rewritten.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from pipeline import schema
from pipeline.archive import place
from pipeline.connect import flush_history, reading, writing
from pipeline.db import call_record, held_artifacts
from pipeline.keys import SubjectKey, new_subject_key, open_subject_key
from pipeline.keys import roots as root_keys
from pipeline.retention.holds import held_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection

    from pipeline.db import CallRecord, HeldArtifact, Records
    from pipeline.keys import RootKey
    from pipeline.retention.holds import Hold

PORTION: Final = 500


@dataclass(frozen=True, slots=True)
class Behind:
    """What is left behind under a key that was replaced or destroyed: it goes, whether the plan knew of it or not.

    Args:
        calls: calls of the subject that do not stay.
        artifacts: sealed under the old key, of calls that do not stay.
        held: calls of the subject that are held, by id; they stay.
    """

    calls: tuple[CallRecord, ...]
    artifacts: tuple[HeldArtifact, ...]
    held: dict[str, tuple[Hold, ...]]


def calls_of_party(records: Records, subject_id: str) -> tuple[CallRecord, ...]:
    """The calls on which the subject is either side, the oldest first."""
    columns = schema.calls.c
    either = (columns.subject_id == subject_id) | (columns.agent_subject_id == subject_id)
    query = sa.select(schema.calls).where(either).order_by(columns.received_at)
    with reading(records.engine) as connection:
        return tuple(call_record(row) for row in connection.execute(query).mappings())


def artifacts_in_reach(records: Records, call_ids: Sequence[str], key_ids: Sequence[str]) -> tuple[HeldArtifact, ...]:
    """The artifacts of these calls and those sealed under these keys, the oldest first."""
    columns = schema.artifacts.c
    found: dict[str, HeldArtifact] = {}
    with reading(records.engine) as connection:
        for column, ids in ((columns.call_id, call_ids), (columns.subject_key_id, key_ids)):
            for portion in _portions(ids):
                for held in held_artifacts(connection, column.in_(portion)):
                    found[held.artifact.sealed.object_key] = held
    return tuple(sorted(found.values(), key=lambda held: (held.artifact.created_at, held.artifact.sealed.object_key)))


def exported(records: Records, call_ids: Sequence[str]) -> tuple[str, ...]:
    """Those of the calls that were exported, in order of their ids."""
    columns = schema.events.c
    found: set[str] = set()
    with reading(records.engine) as connection:
        for portion in _portions(call_ids):
            query = sa.select(columns.call_id).where(columns.call_id.in_(portion), columns.what == "exported")
            found.update(connection.execute(query.distinct()).scalars())
    return tuple(sorted(found))


def replace_key(
    records: Records, root: RootKey, subject_id: str, stays: Callable[[CallRecord], bool], now: datetime
) -> Behind:
    """Takes the subject's key out of the database, in its log too; gives what is left behind under it.

    Where a call stays, the subject has a new key afterwards and all that is sealed of that call opens with it.
    Where none stays, the subject takes no further calls until its rows are removed. A call that is held stays,
    whatever ``stays`` says.

    Raises:
        CannotOpen: something stays, and the old key does not open.
    """
    with writing(records.engine) as connection:
        of_subject = sa.select(schema.calls).filter_by(subject_id=subject_id)
        calls = [call_record(row) for row in connection.execute(of_subject).mappings()]
        held = held_in(connection, [call.call_id for call in calls])
        kept = {call.call_id for call in calls if call.call_id in held or stays(call)}
        old = _subject_key(connection, subject_id)
        under = held_artifacts(connection, schema.artifacts.c.subject_key_id == old.key_id) if old else ()
        if old is not None and old.wrapped_key and kept:
            staying = [found for found in under if found.call_id in kept]
            _wrap_again(connection, root, old, staying, now)
        elif old is not None:
            connection.execute(schema.subjects.update().filter_by(subject_id=subject_id).values(wrapped_key=None))
    flush_history(records.engine)
    return Behind(
        tuple(call for call in calls if call.call_id not in kept),
        tuple(found for found in under if found.call_id not in kept),
        held,
    )


def subject_keys(records: Records, subject_ids: Sequence[str]) -> tuple[SubjectKey, ...]:
    """The live keys of these subjects, wrapped, as a copy of the database holds them."""
    found = (records.subject_key(subject_id) for subject_id in subject_ids)
    return tuple(key for key in found if key is not None)


def delete_rows(
    records: Records, call_ids: Sequence[str], object_keys: Sequence[str], subject_ids: Sequence[str]
) -> None:
    """Removes artifacts, calls with their history, and subjects that have neither key nor call left.

    What is recorded of the subjects' earlier keys goes too: their shares are destroyed.
    """
    with writing(records.engine) as connection:
        for portion in _portions(object_keys):
            connection.execute(schema.artifacts.delete().where(schema.artifacts.c.object_key.in_(portion)))
        for portion in _portions(call_ids):
            for table in (schema.artifacts, schema.events, schema.calls):
                connection.execute(table.delete().where(table.c.call_id.in_(portion)))
        for subject_id in subject_ids:
            root_keys.forget(connection, subject_id)
        for portion in _portions(subject_ids):
            called = sa.select(schema.calls.c.subject_id).where(schema.calls.c.subject_id.in_(portion))
            gone = schema.subjects.c.subject_id.in_(portion) & schema.subjects.c.wrapped_key.is_(None)
            connection.execute(schema.subjects.delete().where(gone, schema.subjects.c.subject_id.not_in(called)))
    flush_history(records.engine)


def _wrap_again(
    connection: Connection, root: RootKey, old: SubjectKey, staying: Sequence[HeldArtifact], now: datetime
) -> None:
    """A new key for the subject, and the data keys of what stays under it."""
    root_keys.require_current(connection, root, now)
    opened, made = open_subject_key(root, old), new_subject_key(root, old.subject_id)
    fresh = open_subject_key(root, made)
    values: dict[str, Any] = {
        "key_id": made.key_id,
        "root_key_id": made.root_key_id,
        "wrapped_key": made.wrapped_key,
        "created_at": now,
    }
    connection.execute(schema.subjects.update().filter_by(subject_id=old.subject_id).values(values))
    rows = []
    for held in staying:
        sealed = held.artifact.sealed
        where = place(held.call_id, sealed.kind, sealed.object_key)
        # Without a data key it is about to expire (pipeline.retention.expire).
        wrapped = sealed.wrapped_key and fresh.wrap(opened.unwrap(sealed.wrapped_key, where), where)
        rows.append({"key": sealed.object_key, "wrapped": wrapped})
    if rows:
        row = schema.artifacts.update().where(schema.artifacts.c.object_key == sa.bindparam("key"))
        connection.execute(row.values(subject_key_id=made.key_id, wrapped_key=sa.bindparam("wrapped")), rows)


def _subject_key(connection: Connection, subject_id: str) -> SubjectKey | None:
    query = sa.select(schema.subjects).filter_by(subject_id=subject_id).with_for_update()
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        return None
    return SubjectKey(subject_id, row["key_id"], row["root_key_id"], row["wrapped_key"] or b"")


def _portions(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """A database takes only so many values in one question."""
    return (ids[start : start + PORTION] for start in range(0, len(ids), PORTION))
