"""Snapshots: takes a database, gives its rows as one sealed file, and the way back. Never the root key, never a share.

``ID.sealed`` is zlib-compressed lines of JSON (one for each row, in an order in which references resolve) under Tink
streaming AEAD; ``ID.json`` says which root key wraps its data key, how long it is, and when it was made. What the
second file says is bound to the first as associated data, so that neither can be changed, nor put in another's place.
The wrapped subject keys in it open only with the key side (``pipeline.keys.shares``): a snapshot alone, with the root
key, opens nothing.

Promises: one state of the database; whole or not there (``ID.json`` is written last); bounded memory.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import zlib
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast

import sqlalchemy as sa
from tink import proto_keyset_format, secret_key_access  # type: ignore[import-untyped]

from pipeline import schema
from pipeline.connect import reading
from pipeline.errors import CannotOpen, StoreUnavailable, VerificationFailed
from pipeline.keys import DataKey, Secret, binding, new_data_key, private
from pipeline.seal import open_reader, seal_writer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from sqlalchemy.engine import Engine

    from pipeline.keys import RootKey

FORMAT: Final = "callseal-backup/1"
_CHUNK_BYTES: Final = 1 << 18
_PORTION: Final = 1000


@dataclass(frozen=True, slots=True)
class SealedFile:
    """What ``ID.json`` says of ``ID.sealed``.

    Args:
        backup_id: its name.
        kind: what it holds: ``database`` or ``keyside``.
        created_at: when it was made, ISO 8601.
        version: of the database's tables.
        root_key_id: the root key that wraps its key.
        wrapped_key: base64.
        size_bytes: of the plaintext.
        sha256: of the plaintext, hex.
    """

    backup_id: str
    kind: str
    created_at: str
    version: str
    root_key_id: str
    wrapped_key: str
    size_bytes: int
    sha256: str


def new_backup_id() -> str:
    """A fresh random name."""
    return secrets.token_hex(16)


def export_rows(engine: Engine) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every row of the database with its table, values as JSON has them; one state of it."""
    with reading(engine) as connection:
        for table in schema.metadata.sorted_tables:
            found = connection.execution_options(yield_per=_PORTION).execute(sa.select(table)).mappings()
            for row in found:
                yield table.name, {column.name: _to_json(column, row[column.name]) for column in table.columns}


def import_row(name: str, row: dict[str, Any]) -> dict[str, Any]:
    """A row as ``export_rows`` gave it, with the values that the table takes; columns that are gone are left out."""
    columns = schema.metadata.tables[name].columns
    return {key: _from_json(columns[key], value) for key, value in row.items() if key in columns}


def seal(
    folder: Path, lines: Iterable[Any], root: RootKey, kind: str, now: datetime, backup_id: str = ""
) -> SealedFile:
    """Seals JSON values as ``ID.sealed`` and ``ID.json`` in ``folder``, in the place of files of the same id.

    Raises:
        StoreUnavailable: the folder cannot be written; what was there before is still there.
    """
    backup_id = backup_id or new_backup_id()
    data_key = new_data_key()
    plain = Secret(proto_keyset_format.serialize(data_key.handle, secret_key_access.TOKEN))
    created_at = now.isoformat()
    where = binding(FORMAT, backup_id, kind, created_at, schema.HEAD)
    wrapped = base64.b64encode(root.wrap(plain, where)).decode()
    # A new name each time: the file with the manifest decides which of two is in force, so both can change as one.
    with _errors():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        temp = folder / f".{backup_id}.{secrets.token_hex(4)}"
        try:
            size, sha256 = _write(temp, lines, data_key, where)
            sealed = SealedFile(backup_id, kind, created_at, schema.HEAD, root.key_id, wrapped, size, sha256)
            temp.replace(folder / f"{backup_id}.{sha256[:16]}.sealed")
        finally:
            temp.unlink(missing_ok=True)
        private.replace(folder / f"{backup_id}.json", json.dumps(asdict(sealed)).encode(), "backup manifest")
        for old in folder.glob(f"{backup_id}.*.sealed"):
            if old.name != f"{backup_id}.{sha256[:16]}.sealed":
                old.unlink(missing_ok=True)
    return sealed


def manifest(folder: Path, backup_id: str) -> SealedFile:
    """What is said of a sealed file. Raises VerificationFailed where that is damaged or missing."""
    try:
        return SealedFile(**json.loads((folder / f"{backup_id}.json").read_bytes()))
    except (OSError, ValueError, TypeError):
        raise VerificationFailed(f"the manifest of backup {backup_id} is damaged or missing") from None


def unseal(folder: Path, sealed: SealedFile, root: RootKey) -> Iterator[Any]:
    """The JSON values of a sealed file. What comes before damage is given before the damage is found: check first.

    Raises:
        CannotOpen: the root key is another, or one of the two files was changed, cut or exchanged.
    """
    digest, rest, unzip = hashlib.sha256(), b"", zlib.decompressobj()
    with _reader(folder, sealed, root) as reader:
        while chunk := reader.read(_CHUNK_BYTES):
            digest.update(chunk)
            try:
                *lines, rest = (rest + unzip.decompress(chunk)).split(b"\n")
            except zlib.error:
                raise CannotOpen(f"backup {sealed.backup_id} is damaged") from None
            yield from map(json.loads, lines)
    if rest or not unzip.eof or digest.hexdigest() != sealed.sha256:
        raise CannotOpen(f"backup {sealed.backup_id} is damaged")


def check(folder: Path, sealed: SealedFile, root: RootKey) -> int:
    """Reads all of a sealed file; gives how many values it has. Raises as ``unseal``."""
    return sum(1 for _ in unseal(folder, sealed, root))


def remove(folder: Path, backup_id: str) -> None:
    """Removes a sealed file; no error if it is gone. Raises StoreUnavailable."""
    with _errors():
        (folder / f"{backup_id}.json").unlink(missing_ok=True)
        for each in folder.glob(f"{backup_id}.*.sealed"):
            each.unlink(missing_ok=True)


def _reader(folder: Path, sealed: SealedFile, root: RootKey) -> BinaryIO:
    where = binding(FORMAT, sealed.backup_id, sealed.kind, sealed.created_at, sealed.version)
    try:
        plain = root.unwrap(base64.b64decode(sealed.wrapped_key, validate=True), where)
    except ValueError:
        raise CannotOpen(f"the manifest of backup {sealed.backup_id} is damaged") from None
    handle = proto_keyset_format.parse(plain.reveal(), secret_key_access.TOKEN)
    path = folder / f"{sealed.backup_id}.{sealed.sha256[:16]}.sealed"

    def opened() -> BinaryIO:
        try:
            return path.open("rb")
        except OSError:
            raise CannotOpen(f"backup {sealed.backup_id} has lost its file") from None

    return cast("BinaryIO", open_reader(opened, DataKey(handle), where, sealed.size_bytes))


def _write(path: Path, lines: Iterable[Any], data_key: DataKey, where: bytes) -> tuple[int, str]:
    """Length and hash of what was sealed."""
    digest, size, zipped = hashlib.sha256(), 0, zlib.compressobj(1)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as raw:
        sink = seal_writer(raw, data_key, where)
        for line in lines:
            chunk = zipped.compress(json.dumps(line, separators=(",", ":")).encode() + b"\n")
            if chunk:
                sink.write(chunk)
                digest.update(chunk)
                size += len(chunk)
        last = zipped.flush()
        sink.write(last)
        sink.close()
        raw.flush()
        os.fsync(raw.fileno())
    digest.update(last)
    return size + len(last), digest.hexdigest()


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise StoreUnavailable(f"the backup's folder cannot be used: {exc.strerror}") from exc


def _to_json(column: sa.Column[Any], value: Any) -> Any:
    if value is None:
        return None
    if isinstance(column.type, sa.LargeBinary):
        return base64.b64encode(value).decode()
    return value.isoformat() if isinstance(value, datetime) else value


def _from_json(column: sa.Column[Any], value: Any) -> Any:
    if value is None:
        return None
    if isinstance(column.type, sa.LargeBinary):
        return base64.b64decode(value)
    return datetime.fromisoformat(value) if isinstance(column.type, schema.UtcDateTime) else value
