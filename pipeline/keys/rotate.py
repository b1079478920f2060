"""Rotation: takes keys that are in use, puts new ones in their place. No object is written again, no caller renamed.

A new root key wraps every subject key again; a new subject key wraps every data key of its subject again. The order for
a root key is what makes it safe to die at any point and run again::

    added      the key file holds the new root key in front of the old one: both open, the new one wraps
    declared   the database makes subject keys under the new one only; a process that does not have it is refused
    rewrapped  subject keys go over in portions, each in a transaction; what remains is found by its root key's id
    dropped    nothing names the old one any more: it is taken out of the key file, and opens nothing from then on

A rotation that is found begun is gone on with. A subject key is replaced in one transaction. A call that is being
processed meanwhile ends with Temporary and leaves nothing: its next attempt is sealed under the new key.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from filelock import FileLock, Timeout

from pipeline import schema
from pipeline.archive import place
from pipeline.connect import flush_history, reading, writing
from pipeline.errors import NotFound, Temporary, VerificationFailed
from pipeline.keys import (
    SubjectKey,
    new_subject_key,
    open_subject_key,
    subject_binding,
)
from pipeline.keys import roots as root_keys
from pipeline.types import ArtifactKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection, Engine, RowMapping

    from pipeline.keys import OpenSubjectKey, RootKey
    from pipeline.keys.file import KeyFile
    from pipeline.keys.shares import Shares

_PORTION: Final = 500


@dataclass(frozen=True, slots=True)
class RootRotation:
    """What a root rotation did: the old ids, the new one, how many subject keys this run wrapped again."""

    retired: tuple[str, ...]
    key_id: str
    subjects: int
    resumed: bool


@dataclass(frozen=True, slots=True)
class SubjectRotation:
    """What a subject's rotation did: the old id, the new one, how many data keys were wrapped again."""

    subject_id: str
    retired: str
    key_id: str
    objects: int


def rotate_root(
    engine: Engine,
    root: KeyFile,
    now: datetime,
    kms_key: str = "",
    observe: Callable[[int, int], None] = lambda _done, _total: None,
) -> RootRotation:
    """Put a new root key in the place of the one that is.

    Args:
        engine: the database.
        root: the key file; it is replaced twice.
        now: the time that is recorded.
        kms_key: an AWS KMS key that is to be the root key; empty for one in the file.
        observe: told how many subject keys are done, and of how many, after each portion.

    Raises:
        Temporary: another rotation is running, or the database or the KMS failed; run it again.
        VerificationFailed: a subject key is under a root key that is not in the file; nothing is dropped then.
        CannotOpen: a subject key does not open; nothing is dropped then.
    """
    with _alone(root):
        resumed = bool(root.older)
        root.add_root(kms_key)
        with writing(engine) as connection:
            root_keys.take_over(connection, root.key_id, root.older, now)
        done, total = 0, _count(engine, root.key_id)
        while rows := _to_rewrap(engine, root.key_id):
            done += _rewrap(engine, root, rows)
            observe(done, total)
        flush_history(engine)
        retired = root.older
        root.drop_older()
    return RootRotation(retired, root.key_id, done, resumed)


def rotate_subject(
    engine: Engine, root: RootKey, subject_id: str, now: datetime, shares: Shares | None = None
) -> SubjectRotation:
    """Put a new subject key in the place of the one that is, in one transaction.

    Args:
        engine: the database.
        root: the root key.
        subject_id: whose key.
        now: the time that is recorded.
        shares: where the shares of the subject's earlier keys are destroyed, so that old copies of the database open
            nothing with them; done again, it destroys what an earlier run did not come to.

    Raises:
        NotFound: there is no such subject.
        Temporary: the subject is being erased.
        CannotOpen: a key does not open; nothing is changed then.
    """
    table = schema.artifacts
    with writing(engine) as connection:
        old = _live_key(connection, subject_id)
        fresh = new_subject_key(root, subject_id)
        before, after = open_subject_key(root, old), open_subject_key(root, fresh)
        rows = connection.execute(sa.select(table).filter_by(subject_key_id=old.key_id)).mappings().all()
        for row in rows:
            wrapped = _under(after, before, row)
            values = {"subject_key_id": fresh.key_id, "wrapped_key": wrapped}
            connection.execute(table.update().filter_by(object_key=row["object_key"]).values(values))
        values = {"key_id": fresh.key_id, "root_key_id": fresh.root_key_id, "wrapped_key": fresh.wrapped_key}
        connection.execute(schema.subjects.update().filter_by(subject_id=subject_id).values(values))
        root_keys.retire(connection, subject_id, old.key_id, now)
        retired = root_keys.retired_ids(connection, subject_id)
    flush_history(engine)
    if shares is not None:
        shares.destroy(retired)
    return SubjectRotation(subject_id, old.key_id, fresh.key_id, len(rows))


@contextmanager
def _alone(root: KeyFile) -> Iterator[None]:
    try:
        with FileLock(root.path.with_name(f".{root.path.name}.lock"), timeout=0, mode=0o600):
            yield
    except Timeout:
        raise Temporary("another rotation of the root key is running") from None


def _count(engine: Engine, key_id: str) -> int:
    columns = schema.subjects.c
    query = sa.select(sa.func.count()).where(columns.root_key_id != key_id, columns.wrapped_key.is_not(None))
    with reading(engine) as connection:
        return connection.execute(query).scalar_one()


def _to_rewrap(engine: Engine, key_id: str) -> Sequence[RowMapping]:
    columns = schema.subjects.c
    query = sa.select(columns.subject_id, columns.key_id, columns.root_key_id, columns.wrapped_key)
    query = query.where(columns.root_key_id != key_id).order_by(columns.subject_id).limit(_PORTION)
    with reading(engine) as connection:
        return connection.execute(query).mappings().all()


def _rewrap(engine: Engine, root: KeyFile, rows: Sequence[RowMapping]) -> int:
    """A key that is shredded meanwhile stays shredded; its row only learns the new root key's id."""
    foreign = {row["root_key_id"] for row in rows if not root.opens(row["root_key_id"])}
    if foreign:
        raise VerificationFailed(f"subject keys are under {len(foreign)} root keys that the key file does not have")
    live = [_rewrapped(root, row) for row in rows if row["wrapped_key"] is not None]
    table = schema.subjects
    same = (table.c.key_id == sa.bindparam("row_key_id")) & (table.c.root_key_id == sa.bindparam("row_root_key_id"))
    with writing(engine) as connection:
        if live:
            replaced = table.update().where(same, table.c.wrapped_key.is_not(None))
            connection.execute(replaced.values(root_key_id=root.key_id, wrapped_key=sa.bindparam("fresh")), live)
        ids = [row["subject_id"] for row in rows]
        shredded = table.c.subject_id.in_(ids) & table.c.wrapped_key.is_(None)
        connection.execute(table.update().where(shredded).values(root_key_id=root.key_id))
    return len(live)


def _rewrapped(root: KeyFile, row: RowMapping) -> dict[str, Any]:
    where = subject_binding(row["subject_id"], row["key_id"])
    fresh = root.wrap(root.unwrap(row["wrapped_key"], where), where)
    return {"row_key_id": row["key_id"], "row_root_key_id": row["root_key_id"], "fresh": fresh}


def _live_key(connection: Connection, subject_id: str) -> SubjectKey:
    query = sa.select(schema.subjects).filter_by(subject_id=subject_id)
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise NotFound(f"there is no subject {subject_id}")
    if row["wrapped_key"] is None:
        raise Temporary("the caller is being erased")
    return SubjectKey(subject_id, row["key_id"], row["root_key_id"], row["wrapped_key"])


def _under(after: OpenSubjectKey, before: OpenSubjectKey, row: RowMapping) -> bytes:
    if not row["wrapped_key"]:
        return b""  # pipeline.retention.expire has destroyed it and is not done yet
    where = place(row["call_id"], ArtifactKind(row["kind"]), row["object_key"])
    return after.wrap(before.unwrap(row["wrapped_key"], where), where)
