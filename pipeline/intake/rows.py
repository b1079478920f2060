"""Rows of many calls at once: takes an engine, reads and writes what calls that nothing is known of need.

What is not plain (a call that has a row, a caller whose key is another by now, who is being erased or restricts the use
of their calls) is left out and told apart by ``Records``, which knows every case.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from pipeline import schema
from pipeline.connect import reading, writing
from pipeline.db import CallRecord, artifact_values, call_values
from pipeline.keys import SubjectKey
from pipeline.keys import roots as root_keys
from pipeline.retention.holds import restricted_among

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection, Engine

    from pipeline.keys import RootKey
    from pipeline.types import Artifact

Keys = dict[str, SubjectKey]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of calls and callers.

    Args:
        calls: ids of those that have a row.
        keys: of the callers that have one, by subject id.
        erased: callers whose erasure is under way.
    """

    calls: frozenset[str]
    keys: Keys = field(repr=False)
    erased: frozenset[str]


def look(engine: Engine, call_ids: Collection[str], subject_ids: Collection[str]) -> Known:
    """What is known of them. Raises StoreUnavailable."""
    with reading(engine) as connection:
        keys = _keys(connection, subject_ids)
        return Known(_calls(connection, call_ids), *_told_apart(keys))


def add_keys(engine: Engine, root: RootKey, keys: Sequence[SubjectKey], now: datetime) -> Keys:
    """Adds keys of new callers; gives those in force, which others may have added meanwhile.

    Raises:
        Temporary: the root key was rotated, and its key file is not here yet.
        StoreUnavailable: nothing was added.
    """
    if not keys:
        return {}
    with writing(engine) as connection:
        root_keys.require_current(connection, root, now)
        there = _keys(connection, [key.subject_id for key in keys])
        new = [key for key in keys if key.subject_id not in there]
        if new:
            connection.execute(schema.subjects.insert(), [{**asdict(key), "created_at": now} for key in new])
    return there | {key.subject_id: key for key in new}


def add_calls(engine: Engine, calls: Sequence[tuple[CallRecord, Sequence[Artifact]]]) -> frozenset[str]:
    """Adds calls that wait with their originals, in one transaction; gives the ids of those that were plain."""
    if not calls:
        return frozenset()
    with writing(engine) as connection:
        subject_ids = {call.subject_id for call, _ in calls}
        there = _calls(connection, [call.call_id for call, _ in calls])
        keys, _ = _told_apart(_keys(connection, subject_ids))
        restricted = restricted_among(connection, subject_ids)
        plain = [
            (call, artifacts)
            for call, artifacts in calls
            if call.call_id not in there
            and call.subject_id not in restricted
            and call.subject_id in keys
            and {each.sealed.subject_key_id for each in artifacts} <= {keys[call.subject_id].key_id}
        ]
        _insert(connection, plain)
    return frozenset(call.call_id for call, _ in plain)


def _insert(connection: Connection, calls: Sequence[tuple[CallRecord, Sequence[Artifact]]]) -> None:
    if not calls:
        return
    rows = [artifact_values(call.call_id, each) for call, artifacts in calls for each in artifacts]
    events: list[dict[str, Any]] = [
        {
            "at": call.received_at,
            "call_id": call.call_id,
            "what": "received",
            "detail": {"artifacts": len(artifacts)},
        }
        for call, artifacts in calls
    ]
    connection.execute(schema.calls.insert(), [call_values(call) for call, _ in calls])
    connection.execute(schema.artifacts.insert(), rows)
    connection.execute(schema.events.insert(), events)


def _calls(connection: Connection, call_ids: Collection[str]) -> frozenset[str]:
    found = sa.select(schema.calls.c.call_id).where(schema.calls.c.call_id.in_(call_ids))
    return frozenset(connection.execute(found).scalars())


def _keys(connection: Connection, subject_ids: Collection[str]) -> Keys:
    columns = schema.subjects.c
    query = sa.select(columns.subject_id, columns.key_id, columns.root_key_id, columns.wrapped_key)
    found = connection.execute(query.where(columns.subject_id.in_(subject_ids)))
    return {
        row.subject_id: SubjectKey(row.subject_id, row.key_id, row.root_key_id, row.wrapped_key or b"") for row in found
    }


def _told_apart(keys: Keys) -> tuple[Keys, frozenset[str]]:
    """Those that are there, and the subjects whose keys are shredded."""
    live = {subject_id: key for subject_id, key in keys.items() if key.wrapped_key}
    return live, frozenset(keys.keys() - live.keys())
