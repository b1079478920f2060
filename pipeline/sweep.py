"""Sweep: takes the store and the records, removes what a process that died left behind. Gives counts.

What dies between sealing an object and writing its row leaves ciphertext whose data key exists nowhere: nobody can
read it, and no row, retention date or erasure would ever name it. It goes once it is old enough for no writer to be
at it. A store that holds far more unknown objects than known ones belongs to another database, or this one is older
than its store: nothing is removed then, for keys that another database may hold make those objects readable.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

    from pipeline.archive import Archive
    from pipeline.db import Records

GRACE: Final = timedelta(hours=24)
MANY: Final = 10_000
_STRANGE: Final = 2  # dying once leaves at most a call's originals and artifacts, and those it replaces


@dataclass(frozen=True, slots=True)
class Swept:
    """How many objects without a row, and how many unfinished writes, were removed."""

    objects: int = 0
    unfinished: int = 0


def sweep(archive: Archive, records: Records, older_than: datetime, *, at_most: int = MANY) -> Swept:
    """Remove unfinished writes, and the objects that no row knows, which were last written before ``older_than`` (UTC).

    Args:
        archive: the store.
        records: the database that knows every object of that store; a store has one database.
        older_than: now less :data:`GRACE`, or further back; no call may take longer than that.
        at_most: a store with more objects than this is not looked through, so that each call can afford a sweep.

    Raises:
        StoreUnavailable: store or database failed; what was removed is gone, and sweeping again is safe.
    """
    seen = list(islice(archive.store.list(), at_most + 1))
    # A clock that is ahead would make everything old: what counts is how far an object is behind the store's newest.
    older_than = min([older_than, *(max(each.modified_at for each in seen) - GRACE for _ in seen[:1])])
    unfinished = archive.store.remove_partial(older_than)
    if len(seen) > at_most:
        return Swept(unfinished=unfinished)
    found = archive.unreferenced(records.object_keys(), older_than)
    known = records.object_keys() if found else frozenset[str]()  # a row may have appeared while the store was listed
    lost = [key for key in found if key not in known]
    if len(lost) > _STRANGE * len(known):
        return Swept(unfinished=unfinished)
    for key in lost:
        archive.store.delete(key)
    return Swept(len(lost), unfinished)
