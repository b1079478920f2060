"""An installation in a folder, with calls that tests store in it: key file, key side, database, store."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from pipeline.access import Access
from pipeline.archive import Archive
from pipeline.audit import Trail
from pipeline.custody import Custody
from pipeline.db import CallRecord, Records
from pipeline.erasure.ledger import Ledger
from pipeline.keys.file import KeyFile
from pipeline.keys.shares import Shares, SplitRoot
from pipeline.keys.signing import SigningKey
from pipeline.roles import Role
from pipeline.store.local import LocalStore
from pipeline.types import Artifact, ArtifactKind, Status

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.store import Store

NOW: Final = datetime(2026, 11, 20, 14, 3, tzinfo=UTC)
LATER: Final = NOW + timedelta(days=1)
KINDS: Final = (ArtifactKind.REDACTED_AUDIO, ArtifactKind.TRANSCRIPT, ArtifactKind.MANIFEST)


@dataclass(frozen=True, slots=True)
class Held(Custody):
    """A folder with everything in it: key file, key side, database, store."""

    folder: Path

    def subject_id(self, last: int) -> str:
        """The subject behind 202-555-01xx."""
        return self.root.subject_id(f"+120255501{last:02}")

    def store_call(
        self, call_id: str, last: int = 43, audio_bytes: int = 3 << 20, agent: int | None = None
    ) -> CallRecord:
        """A stored call of that subject with three artifacts; ``agent`` is whom they spoke to."""
        key = self.records.subject_for(self.subject_id(last), self.root, NOW)
        other = None if agent is None else self.subject_id(agent)
        sha256 = hashlib.sha256(call_id.encode()).hexdigest()
        call = CallRecord(call_id, key.subject_id, sha256, "f" * 64, NOW, status=Status.STORED, agent_subject_id=other)
        self.records.start_call(replace(call, status=None))
        artifacts = []
        for kind in KINDS:
            size = audio_bytes if kind is ArtifactKind.REDACTED_AUDIO else 100
            sealed = self.archive.put(call_id, kind, key, b"x" * size)
            artifacts.append(Artifact(sealed, NOW, LATER, "2026-11 recording: policy"))
        self.records.finish_call(call, artifacts, NOW)
        return call

    def opens(self, call_id: str) -> bool:
        """Whether every artifact of the call opens with what there is today."""
        call = self.records.call(call_id)
        assert call
        key = self.records.subject_for(call.subject_id, self.root, NOW)
        held = self.records.artifacts(call_id)
        return len(held) == len(KINDS) and all(self.archive.read(each.sealed, call_id, key) for each in held)

    def stored_keys(self) -> set[str]:
        """Names of all objects in the store."""
        return {found.key for found in self.archive.store.list()}

    def through(self, store: Store) -> Held:
        """The same, with another way to the store."""
        return replace(self, archive=Archive(store))

    def close(self) -> None:
        """Gives the connections back."""
        self.records.close()
        self.shares.close()


def held_in(folder: Path) -> Held:
    """Opens, or makes, what is in the folder."""
    root = KeyFile.load_or_create(folder / "keys" / "root.json")
    shares = Shares.open(f"sqlite:///{folder}/keys/keyside.db")
    records = Records.open(f"sqlite:///{folder}/records/callseal.db")
    trail = Trail(
        records.engine, SigningKey.load_or_create(folder / "keys" / "signing.pem"), folder / "keys/audit.json"
    )
    return Held(
        archive=Archive(LocalStore(folder / "store")),
        records=records,
        root=SplitRoot(root, shares),
        shares=shares,
        ledger=Ledger(shares.engine, root),
        access=Access("officer-1", Role.PRIVACY_OFFICER, trail),
        folder=folder,
    )


def snapshot(database: Path, to: Path) -> None:
    """A copy of an SQLite database that is in use, as an operator's backup makes one."""
    to.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(to)) as target:
        source.backup(target)
