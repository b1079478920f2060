"""Incidents: takes a key that may have leaked and since when, gives the subjects and objects that it laid open.

For the notification that GDPR Articles 33 and 34 and the state breach laws ask for: ids only, and nothing is changed.
What was erased since counts too, for it could be read until then. A key that was replaced before the leak opens
nothing that is held; it does open copies of the database that are older than its replacement: ``until`` says how old.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from pipeline import schema
from pipeline.audit import entries
from pipeline.connect import reading
from pipeline.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

    from sqlalchemy.engine import Connection, Engine

_PORTION: Final = 500


@dataclass(frozen=True, slots=True)
class Exposed:
    """One object that the key opened, directly or through the keys under it; ``erased`` if it is gone since."""

    subject_id: str
    object_key: str
    call_id: str
    kind: str
    erased: bool = False


@dataclass(frozen=True, slots=True)
class Scope:
    """What a leak of a key lays open.

    Args:
        key_id: the key.
        level: ``root`` or ``subject``.
        until: when it was replaced; None if it is in use.
        subject_ids: whose objects they are.
        objects: what could be read at some time since the leak.
        opened: how often the trail records an open of such an object since then, by actor.
    """

    key_id: str
    level: str
    until: datetime | None
    subject_ids: tuple[str, ...]
    objects: tuple[Exposed, ...]
    opened: dict[str, int]


def scope(engine: Engine, key_id: str, since: datetime) -> Scope:
    """Whom and what a leak concerns.

    Args:
        engine: the database.
        key_id: of a root key or a subject key, in use or replaced.
        since: when it may have leaked.

    Raises:
        NotFound: no key of that id is or was in use, and no erasure since then destroyed one.
    """
    with reading(engine) as connection:
        level, until, subjects = _reach(connection, key_id, since)
        held = () if until is not None and until < since else tuple(_held(connection, subjects))
        gone = tuple(_erased(connection, key_id, since, every=level == "root" and (until is None or until >= since)))
    objects = (*held, *gone)
    exposed = {each.object_key for each in objects}
    opened: dict[str, int] = {}
    for entry in entries(engine, since):
        deed = entry.deed
        if (deed.action, deed.outcome) == ("open", "done") and deed.detail.get("object_key") in exposed:
            opened[deed.actor_id] = opened.get(deed.actor_id, 0) + 1
    affected = sorted({*subjects, *(each.subject_id for each in objects)})
    return Scope(key_id, level, until, tuple(affected), objects, opened)


def _reach(connection: Connection, key_id: str, since: datetime) -> tuple[str, datetime | None, list[str]]:
    """The key's level, when it was replaced, and the subjects that are or were under it."""
    roots, subjects, retired = schema.root_keys, schema.subjects, schema.retired_keys
    root = connection.execute(sa.select(roots.c.until).filter_by(key_id=key_id)).one_or_none()
    under = sa.select(subjects.c.subject_id).order_by(subjects.c.subject_id)
    if root is not None:
        # Every subject that was there when the next root key took over was under this one.
        before = under if root.until is None else under.where(subjects.c.created_at <= root.until)
        return "root", root.until, list(connection.execute(before).scalars())
    own = connection.execute(under.where(subjects.c.key_id == key_id)).scalar_one_or_none()
    if own is not None:
        return "subject", None, [own]
    old = connection.execute(sa.select(retired).filter_by(key_id=key_id)).mappings().one_or_none()
    if old is not None:
        return "subject", old["retired_at"], [old["subject_id"]]
    for row in _erasures(connection, since):
        if key_id in row.report["key_ids"]:
            return "subject", row.finished_at, [row.subject_id]
    raise NotFound(f"no key {key_id} is or was in use here")


def _held(connection: Connection, subject_ids: Collection[str]) -> Iterable[Exposed]:
    table, ids = schema.artifacts, list(subject_ids)
    keys = schema.subjects
    for start in range(0, len(ids), _PORTION):
        query = (
            sa.select(keys.c.subject_id, table.c.object_key, table.c.call_id, table.c.kind)
            .join(keys, keys.c.key_id == table.c.subject_key_id)
            .where(keys.c.subject_id.in_(ids[start : start + _PORTION]))
            .order_by(table.c.object_key)
        )
        for row in connection.execute(query).mappings():
            yield Exposed(**row)


def _erased(connection: Connection, key_id: str, since: datetime, *, every: bool) -> Iterable[Exposed]:
    """Objects of erasures since then: all of them, or those of erasures that destroyed this subject key."""
    for row in _erasures(connection, since):
        if every or key_id in row.report["key_ids"]:
            for each in row.report["objects"]:
                yield Exposed(row.subject_id, each["object_key"], each["call_id"], each["kind"], erased=True)


def _erasures(connection: Connection, since: datetime) -> Iterable[sa.Row[Any]]:
    table = schema.erasures
    query = sa.select(table.c.subject_id, table.c.finished_at, table.c.report)
    return connection.execute(query.where(sa.or_(table.c.finished_at.is_(None), table.c.finished_at >= since)))
