"""Restore: takes a backup's place and an installation without records, gives back what was held and was not erased.

Order: the snapshot is read to its end and checked; the key side comes back where there is none; the rows go in, in one
transaction, without those that the ledger knows as erased and without those whose key has no share left; the
objects that rows name are copied. Dying on the way leaves no row, or rows whose objects are brought by running it again
(``objects`` only).

A key side that is there is newer than any copy of it: it is left as it is, and only takes ledger entries that it lacks.
The root key is not in a backup: it has to be there.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from pipeline import schema
from pipeline.backups import snapshot
from pipeline.backups.backup import KEYSIDE_ID
from pipeline.connect import reading, writing
from pipeline.errors import NotFound, UsageError, VerificationFailed
from pipeline.keys import Secret
from pipeline.store.local import LocalStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy.engine import Connection

    from pipeline.backups.snapshot import SealedFile
    from pipeline.custody import Custody

_PORTION: Final = 500


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did.

    Args:
        backup_id: the generation.
        created_at: when that was made.
        calls: that are back.
        erased: that were left out because they were erased since.
        unopenable: that were left out because their key is destroyed or was replaced since.
        objects: that were copied.
        missing: that a row names and the backup does not have.
    """

    backup_id: str
    created_at: datetime
    calls: int
    erased: int
    unopenable: int
    objects: int
    missing: int


@dataclass(frozen=True, slots=True)
class _Left:
    """Ids of calls and subjects that do not come back."""

    erased: frozenset[str]
    unopenable: frozenset[str]
    subjects: frozenset[str]

    def has(self, table: str, row: dict[str, Any]) -> bool:
        if table == "subjects":
            return row["subject_id"] in self.subjects
        return row.get("call_id") in self.erased or row.get("call_id") in self.unopenable


def restore(held: Custody, place: Path, backup_id: str | None = None) -> Restored:
    """Brings a backup back.

    Args:
        held: an installation with the root key and without a call.
        place: of the backup.
        backup_id: which generation; None for the newest.

    Raises:
        UsageError: there are calls already.
        NotFound: there is no such generation.
        CannotOpen: the root key is another, or the backup was changed; nothing was written.
        VerificationFailed: the backup is of another version or damaged; likewise.
    """
    if _calls(held):
        raise UsageError("there are calls in this data folder: restore goes into one without records")
    folder = place / "snapshots"
    sealed = _chosen(folder, backup_id)
    if sealed.version > schema.HEAD:
        raise VerificationFailed(f"the backup is of version {sealed.version}, and this callseal knows {schema.HEAD}")
    snapshot.check(folder, sealed, held.root)
    _bring_keyside(held, place)
    left = _left_out(held, folder, sealed)
    with writing(held.records.engine) as connection:
        _bring_rows(connection, held, folder, sealed, left)
    copied, missing = bring_objects(held, place)
    return Restored(
        backup_id=sealed.backup_id,
        created_at=datetime.fromisoformat(sealed.created_at),
        calls=_calls(held),
        erased=len(left.erased),
        unopenable=len(left.unopenable),
        objects=copied,
        missing=missing,
    )


def bring_objects(held: Custody, place: Path) -> tuple[int, int]:
    """Copies what rows name and the store lacks; gives how many, and how many the backup does not have."""
    copies, store, copied, missing = LocalStore(place / "objects"), held.archive.store, 0, 0
    for object_key in sorted(held.records.object_keys()):
        if store.stat(object_key) is not None:
            continue
        try:
            with copies.open(object_key) as raw, store.put(object_key) as back:
                shutil.copyfileobj(raw, back)
            copied += 1
        except NotFound:
            missing += 1
    return copied, missing


def _chosen(folder: Path, backup_id: str | None) -> SealedFile:
    ids = [backup_id] if backup_id else [path.stem for path in folder.glob("*.json")]
    if not ids or (backup_id and not (folder / f"{backup_id}.json").exists()):
        raise NotFound("there is no such backup in this place")
    return max((snapshot.manifest(folder, each) for each in ids), key=lambda each: each.created_at)


def _bring_keyside(held: Custody, place: Path) -> None:
    folder = place / "keyside"
    lines = list(snapshot.unseal(folder, snapshot.manifest(folder, KEYSIDE_ID), held.root))
    fresh = not held.shares.held() and not held.ledger.rows()
    held.ledger.put_back(
        {**row, "erased_at": datetime.fromisoformat(row["erased_at"])}
        for row in (e["erased"] for e in lines if "erased" in e)
    )
    if fresh:
        held.shares.put_back({e["share"]: Secret(bytes.fromhex(e["of"])) for e in lines if "share" in e})


def _left_out(held: Custody, folder: Path, sealed: SealedFile) -> _Left:
    """Asked of the ledger, and of the shares that there are, before a row goes in."""
    shares = held.shares.held()
    calls: dict[str, str] = {}
    keys: dict[str, str | None] = {}
    under: dict[str, set[str]] = {}
    for table, row in snapshot.unseal(folder, sealed, held.root):
        if table == "calls":
            calls[row["call_id"]] = row["subject_id"]
        elif table == "subjects":
            keys[row["subject_id"]] = row["key_id"] if row["wrapped_key"] else None
        elif table == "artifacts":
            under.setdefault(row["call_id"], set()).add(row["subject_key_id"])
    erased = held.ledger.erased_calls(list(calls))
    shut = {subject_id for subject_id, key_id in keys.items() if key_id not in shares}
    unopenable = {
        call_id
        for call_id, subject_id in calls.items()
        if call_id not in erased and (subject_id in shut or not under.get(call_id, set()) <= shares)
    }
    return _Left(erased, frozenset(unopenable), frozenset(shut))


def _bring_rows(connection: Connection, held: Custody, folder: Path, sealed: SealedFile, left: _Left) -> None:
    # What this installation has noted by itself, before it held a call, stands where the backup's rows go.
    for own in (schema.audit, schema.root_keys):
        connection.execute(own.delete())
    for table, rows in _by_table(held, folder, sealed, left):
        connection.execute(schema.metadata.tables[table].insert(), rows)
    if connection.dialect.name == "postgresql":  # its counter does not know of ids that were given
        newest = sa.select(sa.func.max(schema.events.c.event_id)).scalar_subquery()
        counter = sa.func.pg_get_serial_sequence("events", "event_id")
        connection.execute(sa.select(sa.func.setval(counter, sa.func.coalesce(newest, 1))))


def _by_table(
    held: Custody, folder: Path, sealed: SealedFile, left: _Left
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Rows of one table at a time, as many as go into one statement."""
    current, rows = "", list[dict[str, Any]]()
    for table, row in snapshot.unseal(folder, sealed, held.root):
        if table not in schema.metadata.tables or left.has(table, row):
            continue
        if rows and (table != current or len(rows) >= _PORTION):
            yield current, rows
            rows = []
        current = table
        rows.append(snapshot.import_row(table, row))
    if rows:
        yield current, rows


def _calls(held: Custody) -> int:
    with reading(held.records.engine) as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(schema.calls)).scalar_one()
