"""Which keys are in force and which were: takes a connection, answers and records. Ids and times only.

The database knows the root key under which subject keys may be made, so that a process that still holds the one before
cannot make a key that nobody will open once the rotation has ended; writers take turns (``connect.writing``). Keys that
were replaced keep their ids here: what names an old key can be told from what names a foreign one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from pipeline import schema
from pipeline.errors import Temporary

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection

    from pipeline.keys import RootKey


@dataclass(frozen=True, slots=True)
class RootKeyRecord:
    """A root key, by its id: in force from ``since`` until ``until``, None for the one that is."""

    key_id: str
    since: datetime
    until: datetime | None


def require_current(connection: Connection, root: RootKey, now: datetime) -> None:
    """To be asked in the transaction that adds a subject key: the root key stays in force until that ends.

    Raises:
        Temporary: a rotation put another root key in force, which this process's key file does not have.
    """
    current = _current(connection)
    if current is None:
        _declare(connection, root.key_id, now)
    elif not root.opens(current):
        raise Temporary(f"the root key was rotated to {current}: bring its key file here")


def take_over(connection: Connection, key_id: str, older: Sequence[str], now: datetime) -> None:
    """Puts a root key in force in the place of ``older``; nothing where that is done already."""
    before = _current(connection)
    if before == key_id:
        return
    for each in (*reversed(older), key_id) if before is None else (key_id,):  # a database may know no root key yet
        _declare(connection, each, now)


def history(connection: Connection) -> tuple[RootKeyRecord, ...]:
    """Every root key that was ever in force, the first one first."""
    table = schema.root_keys
    found = connection.execute(sa.select(table.c.key_id, table.c.since, table.c.until).order_by(table.c.since))
    return tuple(RootKeyRecord(**row) for row in found.mappings())


def retire(connection: Connection, subject_id: str, key_id: str, now: datetime) -> None:
    """Records that a subject key was replaced by a newer one of the same subject."""
    connection.execute(schema.retired_keys.insert().values(key_id=key_id, subject_id=subject_id, retired_at=now))


def retired_ids(connection: Connection, subject_id: str) -> tuple[str, ...]:
    """Ids of the keys that the subject had before, the oldest first."""
    table = schema.retired_keys
    query = sa.select(table.c.key_id).filter_by(subject_id=subject_id).order_by(table.c.retired_at, table.c.key_id)
    return tuple(connection.execute(query).scalars())


def forget(connection: Connection, subject_id: str) -> None:
    """Removes what is recorded of a subject's earlier keys; part of an erasure."""
    connection.execute(schema.retired_keys.delete().filter_by(subject_id=subject_id))


def _current(connection: Connection) -> str | None:
    """The root key in force."""
    table = schema.root_keys
    query = sa.select(table.c.key_id).where(table.c.current)
    found: str | None = connection.execute(query).scalar_one_or_none()
    return found


def _declare(connection: Connection, key_id: str, now: datetime) -> None:
    table = schema.root_keys
    connection.execute(table.update().where(table.c.current).values(current=None, until=now))
    connection.execute(table.insert().values(key_id=key_id, current=True, since=now))
