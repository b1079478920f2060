"""Unclaimed objects: takes sealed objects whose rows failed to be written, destroys them unless a row stands after all.

A connection that is lost while a transaction is committed leaves open whether its rows are there. Objects are destroyed
only where that is known; the others stay, and ``pipeline.sweep`` takes those that no row ever claims.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from pipeline import schema
from pipeline.connect import writing
from pipeline.errors import CallsealError, CommitInDoubt

if TYPE_CHECKING:
    from collections.abc import Collection

    from pipeline.archive import Archive
    from pipeline.db import Records
    from pipeline.types import SealedObject


def undo(sealed: Collection[SealedObject], archive: Archive, records: Records, failure: BaseException) -> None:
    """Destroys what was sealed for rows that ``failure`` kept from being written.

    Raises:
        StoreUnavailable: the store failed.
    """
    if isinstance(failure, CallsealError) and not isinstance(failure, CommitInDoubt):
        for each in sealed:
            archive.destroy(each)
    else:
        destroy_unclaimed(sealed, archive, records)


def destroy_unclaimed(sealed: Collection[SealedObject], archive: Archive, records: Records) -> None:
    """Destroys the objects that no row claims; none where the database cannot say.

    Raises:
        StoreUnavailable: the store failed.
    """
    if not sealed:
        return
    column = schema.artifacts.c.object_key
    query = sa.select(column).where(column.in_([each.object_key for each in sealed]))
    try:
        with writing(records.engine) as connection:  # its turn comes when a commit that is still under way has ended
            claimed = set(connection.execute(query).scalars())
    except CallsealError:
        return
    for each in sealed:
        if each.object_key not in claimed:
            archive.destroy(each)
