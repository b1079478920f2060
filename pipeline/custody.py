"""Custody: everything that reading, exporting, erasing, backing up and restoring need, joined by ``pipeline.build``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.access import Access
    from pipeline.archive import Archive
    from pipeline.db import Records
    from pipeline.erasure.ledger import Ledger
    from pipeline.keys import RootKey
    from pipeline.keys.shares import Shares


@dataclass(frozen=True, slots=True)
class Custody:
    """Store, records and keys of one installation.

    Args:
        archive: the sealed objects.
        records: the database.
        root: the root key; its subject keys open only with their shares.
        shares: of the subject keys, in the key side.
        ledger: of the erasures, in the key side.
        access: who acts, in which role, and where that is recorded.
    """

    archive: Archive
    records: Records
    root: RootKey
    shares: Shares
    ledger: Ledger
    access: Access
