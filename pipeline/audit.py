"""The audit trail: takes who did what to which ids, keeps it so that no row can be changed, moved or removed unseen.

Each entry holds the SHA-256 of the one before, and of itself (canonical JSON, ``signing.canonical``), and its hash is
signed (Ed25519). Whoever can write to the database but has no signing key can therefore change or remove nothing but
the newest entries; those are told by the *checkpoint*, the newest entry's number, hash and signature in a file beside
the signing key, and in whatever copy of it an auditor keeps.

Order of writes: the entry is committed, then the checkpoint moves on. Dying in between leaves a checkpoint that is one
entry old and still true. Writers take turns, on SQLite and on PostgreSQL. Entries hold ids and counts, never content.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from filelock import FileLock, Timeout

from pipeline import schema
from pipeline.connect import reading, writing
from pipeline.errors import Temporary, UsageError, VerificationFailed
from pipeline.keys import private
from pipeline.keys.signing import canonical, verify
from pipeline.schema import check_content_free

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from sqlalchemy.engine import Connection, Engine, RowMapping

    from pipeline.keys.signing import PublicKey, SigningKey

_ENTRY: Final = "callseal-audit-entry/1"
_CHECKPOINT: Final = "callseal-audit-checkpoint/1"
_START: Final = "0" * 64
_WAIT_S: Final = 10
_PORTION: Final = 1000
_WHAT: Final = "audit checkpoint"


@dataclass(frozen=True, slots=True)
class Deed:
    """What is recorded.

    Args:
        actor_id: who, as the operator names its people and services.
        role: in which role (pipeline.roles).
        action: what was done or asked for: ``open``, ``erase``, ``rotate``, ...
        outcome: ``done``, ``begun``, ``denied`` or ``failed``.
        detail: ids and counts.
    """

    actor_id: str
    role: str
    action: str
    outcome: str
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """A deed in its place in the chain."""

    seq: int
    at: datetime
    deed: Deed
    previous_sha256: str
    sha256: str
    key_id: str
    signature: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The newest entry, as it is signed: number, hash, and the key's id. For an auditor to keep."""

    seq: int
    sha256: str
    key_id: str
    signature: bytes = field(repr=False)

    def encoded(self) -> bytes:
        """As a file: one JSON object."""
        return canonical({**asdict(self), "format": _CHECKPOINT, "signature": self.signature.hex()})

    @classmethod
    def decoded(cls, raw: bytes) -> Checkpoint:
        """The opposite of ``encoded``. Raises VerificationFailed if it is none."""
        try:
            content = json.loads(raw)
            if content.pop("format") != _CHECKPOINT:
                raise ValueError
            return cls(**{**content, "signature": bytes.fromhex(content["signature"])})
        except (ValueError, TypeError, KeyError, AttributeError):
            raise VerificationFailed("the audit checkpoint is damaged or is none") from None


@dataclass(frozen=True, slots=True)
class Trail:
    """The trail in the database, its signing key and its checkpoint file."""

    engine: Engine = field(repr=False)
    key: SigningKey
    checkpoint_file: Path

    def record(self, deed: Deed, at: datetime | None = None) -> Entry:
        """Appends a deed; it is durable when this returns.

        Raises:
            StoreUnavailable: the database is busy, full or cannot be reached: what was to be recorded must not be done.
            VerificationFailed: the detail looks like content.
        """
        with writing(self.engine) as connection:
            entry = _append(connection, self.key, deed, at or datetime.now(UTC))
        self._move_on(Checkpoint(entry.seq, entry.sha256, entry.key_id, entry.signature))
        return entry

    def last(self, action: str) -> Deed | None:
        """The newest deed of that action, None if there is none."""
        query = sa.select(schema.audit).filter_by(action=action).order_by(schema.audit.c.seq.desc()).limit(1)
        with reading(self.engine) as connection:
            row = connection.execute(query).mappings().one_or_none()
        return None if row is None else _entry(row).deed

    def checkpoint(self) -> Checkpoint | None:
        """The newest checkpoint on this host, None if nothing was recorded here."""
        if not self.checkpoint_file.exists():
            return None
        return Checkpoint.decoded(private.read(self.checkpoint_file, _WHAT))

    def take_up(self) -> int:
        """After a restore: goes on with the trail as it is; gives how many entries the checkpoint knew beyond it.

        A checkpoint of entries that did not come back is put aside beside the new one, with its number in its name.
        """
        before = self.checkpoint()
        columns = schema.audit.c
        with reading(self.engine) as connection:
            last = connection.execute(sa.select(sa.func.max(columns.seq))).scalar_one() or 0
            if before is None or connection.execute(sa.select(columns.seq).filter_by(sha256=before.sha256)).first():
                return 0
        self.checkpoint_file.replace(self.checkpoint_file.with_name(f"audit-{before.seq}.json"))
        return max(0, before.seq - last)

    def _move_on(self, checkpoint: Checkpoint) -> None:
        path = self.checkpoint_file
        try:
            with FileLock(path.with_name(f".{path.name}.lock"), timeout=_WAIT_S, mode=0o600):
                before = self.checkpoint()
                if before is None:
                    private.create(path, checkpoint.encoded(), _WHAT)
                elif before.seq < checkpoint.seq:
                    private.replace(path, checkpoint.encoded(), _WHAT)
        except Timeout:
            raise Temporary("the audit checkpoint is being written by another process") from None


@dataclass(frozen=True, slots=True)
class Verified:
    """A trail that is whole: how many entries, the newest one's hash, and the keys that signed."""

    entries: int
    sha256: str
    key_ids: tuple[str, ...]


def read_checkpoint(path: Path) -> Checkpoint:
    """One that was kept. Raises UsageError if it cannot be read, VerificationFailed if it is none."""
    try:
        return Checkpoint.decoded(path.read_bytes())
    except OSError as exc:
        raise UsageError(f"the checkpoint {path.name} cannot be read: {exc.strerror}") from exc


def verify_trail(
    engine: Engine, keys: Collection[PublicKey], checkpoints: Collection[Checkpoint] = (), own_key_id: str = ""
) -> Verified:
    """Checks every entry, the chain, the signatures where the signing key changes and at the end, and checkpoints.

    The hash of an entry covers all those before it, so one signature vouches for them all; the last one of each key is
    checked, and so is each checkpoint.

    Args:
        engine: the database.
        keys: whose signatures count.
        checkpoints: entries that must be there: this host's, and those that an auditor kept.
        own_key_id: a host that signed entries has a checkpoint of them; empty where no host's is at hand.

    Raises:
        VerificationFailed: names the first entry that is not what it must be, or what is missing.
    """
    known = {key.key_id: key for key in keys}
    wanted = {(each.seq, each.sha256) for each in checkpoints}
    checked = {each.seq for each in checkpoints}
    last: dict[str, Entry] = {}
    count, previous = 0, _START
    for entry in entries(engine):
        count += 1
        if entry.seq != count or entry.previous_sha256 != previous:
            raise VerificationFailed(f"audit entry {count} is missing, or stands where it does not belong")
        if entry.sha256 != _digest(entry.seq, entry.at, entry.deed, entry.previous_sha256):
            raise VerificationFailed(f"audit entry {count} was changed")
        if entry.seq in checked and {sha256 for seq, sha256 in wanted if seq == entry.seq} != {entry.sha256}:
            raise VerificationFailed(f"audit entry {count} is not the one that the checkpoint names")
        previous, last[entry.key_id] = entry.sha256, entry
    for checkpoint in checkpoints:
        if checkpoint.seq > count:
            raise VerificationFailed(f"audit entries {count + 1} to {checkpoint.seq} were removed")
    if own_key_id in last and last[own_key_id].seq > 1 and own_key_id not in {each.key_id for each in checkpoints}:
        raise VerificationFailed("this host's audit checkpoint is missing, so entries may have been removed")
    to_check: tuple[Entry | Checkpoint, ...] = (*last.values(), *checkpoints)
    for signed in to_check:
        _check_signature(signed, known)
    return Verified(count, previous, tuple(last))


def entries(engine: Engine, since: datetime | None = None) -> Iterator[Entry]:
    """The entries, the first one first; from a time on where one is given."""
    columns, last = schema.audit.c, 0
    while True:
        query = sa.select(schema.audit).where(columns.seq > last).order_by(columns.seq).limit(_PORTION)
        with reading(engine) as connection:
            rows = connection.execute(query if since is None else query.where(columns.at >= since)).mappings().all()
        if not rows:
            return
        yield from map(_entry, rows)
        last = rows[-1]["seq"]


def _append(connection: Connection, key: SigningKey, deed: Deed, at: datetime) -> Entry:
    columns = schema.audit.c
    newest = connection.execute(sa.select(columns.seq, columns.sha256).order_by(columns.seq.desc()).limit(1)).first()
    seq, previous = (newest.seq + 1, newest.sha256) if newest else (1, _START)
    check_content_free(deed.detail)
    at = at.astimezone(UTC)
    sha256 = _digest(seq, at, deed, previous)
    entry = Entry(seq, at, deed, previous, sha256, key.key_id, key.sign(_signed(seq, sha256)))
    values = {**asdict(deed), "seq": seq, "at": at, "previous_sha256": previous, "sha256": sha256}
    connection.execute(schema.audit.insert().values(values | {"key_id": key.key_id, "signature": entry.signature}))
    return entry


def _entry(row: RowMapping) -> Entry:
    deed = Deed(row["actor_id"], row["role"], row["action"], row["outcome"], row["detail"])
    return Entry(row["seq"], row["at"], deed, row["previous_sha256"], row["sha256"], row["key_id"], row["signature"])


def _digest(seq: int, at: datetime, deed: Deed, previous: str) -> str:
    value = {"format": _ENTRY, "seq": seq, "at": at.isoformat(), "previous_sha256": previous, **asdict(deed)}
    return hashlib.sha256(canonical(value)).hexdigest()


def _signed(seq: int, sha256: str) -> bytes:
    return canonical({"format": _CHECKPOINT, "seq": seq, "sha256": sha256})


def _check_signature(signed: Entry | Checkpoint, known: Mapping[str, PublicKey]) -> None:
    if signed.key_id not in known:
        raise VerificationFailed(f"audit entry {signed.seq} is signed by key {signed.key_id}, which is not known here")
    verify(known[signed.key_id], _signed(signed.seq, signed.sha256), signed.signature)
