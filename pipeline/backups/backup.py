"""Backup: takes what is held, gives a second place from which it can be restored, and which an erasure reaches.

A place is a folder, on another disk or mounted from another site::

    objects/     the sealed objects as they are, without those that no row knows any more
    snapshots/   generations of the database, each gone after its time (``pipeline.backups.snapshot``)
    keyside/     one copy of the key side, sealed under the root key; each backup puts the new one in its place

The root key is never in it: keep that elsewhere. The key side has no generations on purpose. A share that an erasure
destroys is gone from the copy too, and with it every generation has lost what it needs to open that person's calls. So
an erasure refreshes the copy in every place that it can reach, and names the places that it could not.

Promises: a backup that was cut off leaves the one before as it was, and is completed by the next.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from pipeline import schema
from pipeline.backups import snapshot
from pipeline.connect import reading, writing
from pipeline.errors import NotFound, StoreUnavailable
from pipeline.store.local import LocalStore
from pipeline.summary import stamp

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from pipeline.custody import Custody

KEEP: Final = timedelta(days=35)
KEYSIDE_ID: Final = "keyside"


@dataclass(frozen=True, slots=True)
class Generation:
    """A snapshot in a place.

    Args:
        backup_id: its name.
        place: the folder.
        created_at: when it was made.
        expires_at: when it is removed, at the next backup to the place.
    """

    backup_id: str
    place: str
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class BackedUp:
    """What a backup did: the generation, rows in it, objects copied and removed, generations that had their time."""

    generation: Generation
    rows: int
    copied: int
    removed: int
    expired: int


@dataclass(frozen=True, slots=True)
class Residual:
    """A copy that an erasure leaves, and when it is gone.

    Args:
        kind: what it is.
        place_id: the name of the folder, or of the object.
        taken_at: when it was made.
        expires_at: when it goes; None where that is not known.
        opens: whether anything of the person's can be read from it, with the root key.
    """

    kind: str
    place_id: str
    taken_at: datetime
    expires_at: datetime | None
    opens: bool = False


def residual_value(residual: Residual) -> dict[str, Any]:
    """A residual copy as certificates and ``--json`` have it."""
    expires_at = residual.expires_at
    return asdict(residual) | {"taken_at": stamp(residual.taken_at), "expires_at": expires_at and stamp(expires_at)}


def back_up(held: Custody, place: Path, now: datetime, keep: timedelta = KEEP) -> BackedUp:
    """Brings a place up to date, and adds a generation to it.

    Raises:
        StoreUnavailable: the place cannot be written, or store or database failed; try again.
        CannotOpen: what was written does not read back.
    """
    known = held.records.object_keys()
    copied = _copy_objects(held, place, known)
    generation = Generation(snapshot.new_backup_id(), str(place.resolve()), now, now + keep)
    rows = _take(held, generation, now)
    refresh_keyside(held, place, now)
    expired = _remove_expired(held, generation.place, now)
    return BackedUp(generation, rows, copied, _remove_unknown(held, place), expired)


def generations(held: Custody) -> tuple[Generation, ...]:
    """Every generation that is on record, the oldest first."""
    with reading(held.records.engine) as connection:
        found = connection.execute(sa.select(schema.backups).order_by(schema.backups.c.created_at)).mappings()
        return tuple(Generation(**row) for row in found)


def refresh_keyside(held: Custody, place: Path, now: datetime) -> None:
    """Puts the key side as it is in the place of its copy. Raises StoreUnavailable."""
    shares = ({"share": key_id, "of": share.reveal().hex()} for key_id, share in held.shares.all().items())
    erased = ({"erased": row | {"erased_at": row["erased_at"].isoformat()}} for row in held.ledger.rows())
    snapshot.seal(place / "keyside", (*shares, *erased), held.root, "keyside", now, KEYSIDE_ID)


def after_erasure(held: Custody, object_keys: Collection[str], now: datetime, *, rekeyed: bool) -> tuple[Residual, ...]:
    """Takes an erasure to every place; gives the copies that are left, with their dates.

    Args:
        held: what is held, after the erasure.
        object_keys: what was destroyed.
        now: the time.
        rekeyed: whether keys were replaced under which something stays; older generations do not open that, so a
            new one is taken.
    """
    left: list[Residual] = []
    by_place: dict[str, list[Generation]] = {}
    for each in generations(held):
        by_place.setdefault(each.place, []).append(each)
    for name, found in by_place.items():
        reached = _reach(held, Path(name), object_keys, now)
        if reached and rekeyed:
            _take(held, Generation(snapshot.new_backup_id(), name, now, now + KEEP), now)
        label = Path(name).name
        if not reached:
            left.append(
                Residual("key side and objects in a backup out of reach", label, found[-1].created_at, None, True)
            )
        left += [
            Residual("database snapshot", label, each.created_at, each.expires_at, opens=not reached) for each in found
        ]
    return tuple(left)


def _reach(held: Custody, place: Path, object_keys: Collection[str], now: datetime) -> bool:
    if not (place / "keyside").is_dir():
        return False
    try:
        refresh_keyside(held, place, now)
        store = LocalStore(place / "objects")
        for object_key in object_keys:
            store.delete(object_key)
    except StoreUnavailable:
        return False
    return True


def _take(held: Custody, generation: Generation, now: datetime) -> int:
    """A generation: on record first, so that an erasure knows of it whatever happens next."""
    folder = Path(generation.place) / "snapshots"
    with writing(held.records.engine) as connection:
        connection.execute(schema.backups.insert().values(asdict(generation)))
    sealed = snapshot.seal(folder, _lines(held), held.root, "database", now, generation.backup_id)
    return snapshot.check(folder, sealed, held.root)


def _lines(held: Custody) -> Iterator[Any]:
    for table, row in snapshot.export_rows(held.records.engine):
        yield [table, row]


def _copy_objects(held: Custody, place: Path, known: Collection[str]) -> int:
    store, copied = LocalStore(place / "objects"), 0
    there = {found.key for found in store.list()}
    for object_key in sorted(set(known) - there):
        try:
            with held.archive.store.open(object_key) as raw, store.put(object_key) as copy:
                shutil.copyfileobj(raw, copy)
        except NotFound:
            continue  # expired or erased meanwhile
        copied += 1
    return copied


def _remove_unknown(held: Custody, place: Path) -> int:
    """What no row knows has expired or was erased: a backup does not keep it longer."""
    store, removed = LocalStore(place / "objects"), 0
    known = held.records.object_keys()
    for object_key in [found.key for found in store.list() if found.key not in known]:
        store.delete(object_key)
        removed += 1
    return removed


def _remove_expired(held: Custody, place: str, now: datetime) -> int:
    old = [each for each in generations(held) if each.place == place and each.expires_at <= now]
    for each in old:
        snapshot.remove(Path(place) / "snapshots", each.backup_id)
        with writing(held.records.engine) as connection:
            connection.execute(schema.backups.delete().filter_by(backup_id=each.backup_id))
    return len(old)
