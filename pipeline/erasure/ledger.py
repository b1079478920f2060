"""The ledger of erasures: takes what is erased, gives a no to whatever would bring it back. Keyed hashes only.

It lies in the key side, so a backup that is put back does not take it back in time. An entry is written before the
first key of an erasure is destroyed, and stays for good. All are hashed under the root key's naming key:

* the call id, and the hash of its recording: neither may be taken in again, by a hook, a reprocess or a restore;
* the caller, with the time of the request: no call of theirs that began before it may be taken in, whatever its
  id and however it was encoded since. Calls that they make after it are calls like any other.

A call of which one leg was silenced is entered too, for its recording holds the leg; a restore lets it pass.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from pipeline.connect import reading, writing
from pipeline.errors import Refused
from pipeline.keys import side as keyside
from pipeline.keys.shares import PORTION

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection, Engine

    from pipeline.keys import RootKey

CALL: Final = "call"
LEG: Final = "leg"  # of a call that is still held, without it
SOURCE: Final = "source"
SUBJECT: Final = "subject"


@dataclass(frozen=True, slots=True)
class Entry:
    """What is entered: a kind, and the value that is hashed before it is written (never kept)."""

    kind: str
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Ledger:
    """The entries in the key side, hashed under ``root``."""

    engine: Engine = field(repr=False)
    root: RootKey

    def enter(self, erasure_id: str, entries: Iterable[Entry], at: datetime) -> None:
        """Enters what an erasure is about; entered before, a call stays as it is and a caller's time moves on."""
        rows = {self._tag(entry): {"kind": entry.kind, "erasure_id": erasure_id, "erased_at": at} for entry in entries}
        with writing(self.engine) as connection:
            known = set(_known(connection, list(rows)))
            fresh = [{"tag": tag, **row} for tag, row in rows.items() if tag not in known]
            if fresh:
                connection.execute(keyside.erased.insert(), fresh)
            for tag in known:
                if rows[tag]["kind"] == SUBJECT:
                    later = (keyside.erased.c.tag == tag) & (keyside.erased.c.erased_at < at)
                    connection.execute(keyside.erased.update().where(later).values(erased_at=at))

    def withdraw(self, entries: Iterable[Entry]) -> None:
        """Takes back what was entered and then, before anything of it was destroyed, found to be held."""
        tags = [self._tag(entry) for entry in entries]
        with writing(self.engine) as connection:
            for tag in _known(connection, tags):
                connection.execute(keyside.erased.delete().filter_by(tag=tag))

    def refuse_erased(
        self, call_id: str, source_sha256: str, subject_id: str | None = None, started_at: datetime | None = None
    ) -> None:
        """Returns if the call may be taken in.

        Raises:
            Refused: the call, its recording, or every call of its caller up to that time was erased.
        """
        query = sa.select(keyside.erased).where(keyside.erased.c.tag.in_(self.tags(call_id, source_sha256, subject_id)))
        with reading(self.engine) as connection:
            for row in connection.execute(query):
                if row.kind != SUBJECT or (started_at is not None and started_at <= row.erased_at):
                    raise Refused(f"call {call_id} was erased on request and is not taken in again")

    def tags(self, call_id: str, source_sha256: str, subject_id: str | None) -> list[str]:
        """What ``refuse_erased`` looks for."""
        wanted = [Entry(CALL, call_id), Entry(LEG, call_id), Entry(SOURCE, source_sha256)]
        wanted += [Entry(SUBJECT, subject_id)] if subject_id is not None else []
        return [self._tag(entry) for entry in wanted]

    def known(self, tags: Sequence[str]) -> frozenset[str]:
        """Those of the tags that are entered."""
        with reading(self.engine) as connection:
            return frozenset(_known(connection, list(tags)))

    def erased_calls(self, call_ids: Sequence[str]) -> frozenset[str]:
        """Those of the calls that are entered."""
        tags = {self._tag(Entry(CALL, call_id)): call_id for call_id in call_ids}
        with reading(self.engine) as connection:
            return frozenset(tags[tag] for tag in _known(connection, list(tags)))

    def rows(self) -> list[dict[str, Any]]:
        """Every entry as it is kept, for the copy that a backup keeps of the key side."""
        with reading(self.engine) as connection:
            return [dict(row) for row in connection.execute(sa.select(keyside.erased)).mappings()]

    def put_back(self, rows: Iterable[dict[str, Any]]) -> int:
        """Adds entries that are missing, as a restore does; gives how many."""
        wanted = {str(row["tag"]): row for row in rows}
        with writing(self.engine) as connection:
            known = set(_known(connection, list(wanted)))
            fresh = [row for tag, row in wanted.items() if tag not in known]
            if fresh:
                connection.execute(keyside.erased.insert(), fresh)
        return len(fresh)

    def _tag(self, entry: Entry) -> str:
        # A number begins with a plus sign, so no number's hash is the hash of one of these.
        return self.root.subject_id(f"{entry.kind}:{entry.value}")


def _known(connection: Connection, tags: list[str]) -> list[str]:
    found: list[str] = []
    for start in range(0, len(tags), PORTION):
        query = sa.select(keyside.erased.c.tag).where(keyside.erased.c.tag.in_(tags[start : start + PORTION]))
        found += connection.execute(query).scalars()
    return found
