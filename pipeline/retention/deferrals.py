"""Deferrals: deletions that a hold stopped, remembered until the hold is released and they are carried out.

``defer`` is written by whoever was stopped (retention, erasure); ``freed`` lists what a release has set free;
``carry_out`` does it. The one that carries a deletion out asks for holds again, so that work which another hold
stops meanwhile is deferred anew under that one. Every step can be done twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import sqlalchemy as sa

from pipeline import schema
from pipeline.connect import reading, writing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from sqlalchemy.engine import Connection, Engine


class Work(StrEnum):
    """What waits, and what its ``target_id`` names."""

    ERASURE = "erasure"  # a subject_id
    EXPIRY = "expiry"  # an object_key
    WITHDRAWAL = "withdrawal"  # a subject_id


@dataclass(frozen=True, slots=True)
class Deferred:
    """A deletion that waits: what, of what, for which hold, since when."""

    work: Work
    target_id: str
    hold_id: str
    deferred_at: datetime


def defer(engine: Engine, work: Work, target_id: str, hold_ids: Iterable[str], now: datetime) -> None:
    """Remembers that ``work`` on ``target_id`` waits for these holds; said again, it changes nothing."""
    with writing(engine) as connection:
        defer_in(connection, work, {target_id: tuple(hold_ids)}, now)


def defer_in(connection: Connection, work: Work, waits: Mapping[str, Iterable[str]], now: datetime) -> None:
    """``defer`` within a transaction of the caller's; ``waits`` are hold ids by target."""
    columns = schema.deferrals.c
    for target_id, hold_ids in waits.items():
        query = sa.select(columns.hold_id).filter_by(work=work.value, target_id=target_id)
        known = set(connection.execute(query).scalars())
        rows = [
            {"work": work.value, "target_id": target_id, "hold_id": hold_id, "deferred_at": now}
            for hold_id in dict.fromkeys(hold_ids)
            if hold_id not in known
        ]
        if rows:
            connection.execute(schema.deferrals.insert(), rows)


def waiting(engine: Engine) -> tuple[Deferred, ...]:
    """Everything that is deferred, the oldest first."""
    return _deferred(engine, schema.deferrals.c.hold_id.is_not(None))


def freed(engine: Engine) -> tuple[Deferred, ...]:
    """What waits for a hold that is released, so that it is to be tried again."""
    released = sa.select(schema.holds.c.hold_id).where(schema.holds.c.released_at.is_not(None))
    return _deferred(engine, schema.deferrals.c.hold_id.in_(released))


def carry_out(engine: Engine, run: Mapping[Work, Callable[[tuple[str, ...]], int]]) -> dict[Work, int]:
    """Carries out what is freed; gives how much of each kind was done.

    Args:
        engine: the database.
        run: for each kind of work, what deletes the targets it is given, or defers them anew under another hold,
            and gives how many it deleted.

    Raises:
        CallsealError: whatever ``run`` raises; what was not carried out stays freed.
    """
    done: dict[Work, int] = {}
    for work, delete in run.items():
        entries = [each for each in freed(engine) if each.work is work]
        targets = tuple(dict.fromkeys(each.target_id for each in entries))
        if targets:
            done[work] = delete(targets)
            _forget(engine, entries)
    return {work: count for work, count in done.items() if count}


def _forget(engine: Engine, entries: Iterable[Deferred]) -> None:
    with writing(engine) as connection:
        for each in entries:
            ids = {"work": each.work.value, "target_id": each.target_id, "hold_id": each.hold_id}
            connection.execute(schema.deferrals.delete().filter_by(**ids))


def _deferred(engine: Engine, where: sa.ColumnElement[bool]) -> tuple[Deferred, ...]:
    columns = schema.deferrals.c
    query = sa.select(schema.deferrals).where(where).order_by(columns.deferred_at, columns.target_id, columns.hold_id)
    with reading(engine) as connection:
        found = connection.execute(query).mappings()
        return tuple(Deferred(**(dict(row) | {"work": Work(row["work"])})) for row in found)
