"""The database's tables as the code sees them, and the guard that keeps content out of their JSON columns.

The tables are made by ``pipeline/migrations``; a test holds the two together. Telephone numbers, words and names have
no column here: a subject is a keyed hash, a call is an id, counts and dates.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    text,
)
from sqlalchemy.types import TypeDecorator

from pipeline.errors import VerificationFailed
from pipeline.numbers import reads_like_a_number

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

HEAD: Final = "0011"  # the newest version in pipeline/migrations/versions

_FIELD: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_SPOKEN: Final = frozenset({"text", "words", "word", "value", "transcript", "name", "caller", "callee", "number"})
_ID_FIELD: Final = re.compile(r"(?:^|_)(?:id|ids|sha256|at|until|version|fingerprint|key|keys)$")
_TEXT_CHARS: Final = 300


class UtcDateTime(TypeDecorator[datetime]):
    """An instant in UTC, also where the database keeps no zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To UTC. Raises ValueError for a time without a zone."""
        del dialect
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """From the database, always with the zone UTC."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class ContentFreeJson(TypeDecorator[Mapping[str, Any]]):
    """A JSON object that ``check_content_free`` lets pass."""

    impl = JSON
    cache_ok = True

    def process_bind_param(self, value: Mapping[str, Any] | None, dialect: Dialect) -> Any:
        """The object itself. Raises VerificationFailed where it looks like content."""
        del dialect
        check_content_free(value)
        return value


def check_content_free(value: Any, path: str = "record") -> None:
    """Refuses what has the shape of something said in a call; the last guard, not the first.

    Field names are identifiers and never ``text``, ``words``, ``name`` and the like, except for a count. Strings are at
    most 300 characters without a line break and, outside ids, hashes, versions and times, without an "@" or a run of
    seven digits that is no date since 2020.

    Raises:
        VerificationFailed: names the field, never the value.
    """
    if isinstance(value, Mapping):
        for field, inner in value.items():
            counted = isinstance(inner, int | float)
            if not isinstance(field, str) or not _FIELD.fullmatch(field) or (field in _SPOKEN and not counted):
                raise VerificationFailed(f"a field of {path} has a name that a record must not have")
            check_content_free(inner, f"{path}.{field}")
    elif isinstance(value, list | tuple):
        for inner in value:
            check_content_free(inner, path)
    elif isinstance(value, str):
        is_id = _ID_FIELD.search(path.rpartition(".")[2]) is not None
        odd = len(value) > _TEXT_CHARS or not value.isprintable()
        if odd or (not is_id and ("@" in value or reads_like_a_number(value))):
            raise VerificationFailed(f"{path} looks like content and is not stored")
    elif value is not None and not isinstance(value, bool | int | float):
        raise VerificationFailed(f"{path} is of a type that a record must not have")


metadata = MetaData()
_WAITING: Final = text("status IS NULL")

subjects = Table(
    "subjects",
    metadata,
    Column("subject_id", String(64), primary_key=True),
    Column("key_id", String(64), nullable=False, unique=True),
    Column("root_key_id", String(64), nullable=False),
    Column("wrapped_key", LargeBinary, nullable=True),  # NULL: shredded, the rest of the erasure is still to come
    Column("created_at", UtcDateTime, nullable=False),
)
calls = Table(
    "calls",
    metadata,
    Column("call_id", String(255), primary_key=True),
    Column("subject_id", String(64), ForeignKey("subjects.subject_id"), nullable=False, index=True),
    Column("status", String(32), nullable=True),  # NULL: begun, never finished
    Column("source_sha256", String(64), nullable=False, index=True),
    Column("fingerprint", String(64), nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime, nullable=True),
    Column("duration_s", Float, nullable=True),
    Column("summary", ContentFreeJson, nullable=False),
    Column("agent_subject_id", String(64), nullable=True, index=True),
    Index("ix_calls_waiting", "received_at", sqlite_where=_WAITING, postgresql_where=_WAITING),
)
artifacts = Table(
    "artifacts",
    metadata,
    Column("object_key", String(64), primary_key=True),
    Column("call_id", String(255), ForeignKey("calls.call_id"), nullable=False, index=True),
    Column("kind", String(32), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("subject_key_id", String(64), nullable=False, index=True),
    Column("wrapped_key", LargeBinary, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("retain_until", UtcDateTime, nullable=False, index=True),
    Column("retention_rule", String(255), nullable=False),
)
events = Table(
    "events",
    metadata,
    Column("event_id", Integer, primary_key=True, autoincrement=True),
    Column("at", UtcDateTime, nullable=False),
    Column("call_id", String(255), ForeignKey("calls.call_id"), nullable=False, index=True),
    Column("what", String(64), nullable=False),
    Column("detail", ContentFreeJson, nullable=False),
)
erasures = Table(
    "erasures",
    metadata,
    Column("erasure_id", String(64), primary_key=True),
    Column("subject_id", String(64), nullable=False, index=True),
    Column("requested_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime, nullable=True),
    Column("report", ContentFreeJson, nullable=False),
)
holds = Table(
    "holds",
    metadata,
    Column("hold_id", String(64), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("case_id", String(64), nullable=False),
    Column("call_id", String(255), nullable=True),  # no foreign key: a hold may come before the call, and outlive it
    Column("subject_id", String(64), nullable=True, index=True),
    Column("from_at", UtcDateTime, nullable=True),
    Column("to_at", UtcDateTime, nullable=True),
    Column("author_id", String(128), nullable=False),
    Column("reason", String(300), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("review_at", UtcDateTime, nullable=False),
    Column("released_at", UtcDateTime, nullable=True, index=True),
    Column("released_by_id", String(128), nullable=True),
    Column("release_reason", String(300), nullable=True),
)
deferrals = Table(
    "deferrals",
    metadata,
    Column("work", String(32), primary_key=True),
    Column("target_id", String(64), primary_key=True),
    Column("hold_id", String(64), ForeignKey("holds.hold_id"), primary_key=True, index=True),
    Column("deferred_at", UtcDateTime, nullable=False),
)
requests = Table(
    "requests",
    metadata,
    Column("request_id", String(64), primary_key=True),
    Column("right", String(32), nullable=False),
    Column("subject_id", String(64), nullable=False, index=True),  # no foreign key: it outlives the erasure
    Column("law", String(32), nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("due_at", UtcDateTime, nullable=False, index=True),
    Column("author_id", String(128), nullable=False),
    Column("extension_reason", String(300), nullable=True),
    Column("identity", String(32), nullable=True),
    Column("verified_by_id", String(128), nullable=True),
    Column("verified_at", UtcDateTime, nullable=True),
    Column("outcome", String(32), nullable=True),
    Column("reason", String(300), nullable=True),
    Column("closed_by_id", String(128), nullable=True),
    Column("closed_at", UtcDateTime, nullable=True, index=True),
)
withdrawals = Table(
    "withdrawals",
    metadata,
    Column("withdrawal_id", String(64), primary_key=True),
    Column("subject_id", String(64), nullable=False, index=True),  # no foreign key: it outlives the erasure
    Column("purpose", String(32), nullable=False),
    Column("channel", String(32), nullable=False),
    Column("requested_at", UtcDateTime, nullable=False),
    Column("stored", String(32), nullable=False),
    Column("author_id", String(128), nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False),
)
root_keys = Table(
    "root_keys",
    metadata,
    Column("key_id", String(64), primary_key=True),
    Column("current", Boolean, nullable=True, unique=True),  # true or NULL: at most one is in force
    Column("since", UtcDateTime, nullable=False),
    Column("until", UtcDateTime, nullable=True),
)
retired_keys = Table(
    "retired_keys",
    metadata,
    Column("key_id", String(64), primary_key=True),
    Column("subject_id", String(64), nullable=False, index=True),  # no foreign key: it is forgotten last
    Column("retired_at", UtcDateTime, nullable=False),
)
workers = Table(
    "workers",
    metadata,
    Column("worker_id", String(128), primary_key=True),
    Column("seen_at", UtcDateTime, nullable=False),
)
backups = Table(
    "backups",
    metadata,
    Column("backup_id", String(64), primary_key=True),
    Column("place", String(1024), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
)
audit = Table(
    "audit",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False, index=True),
    Column("actor_id", String(128), nullable=False),
    Column("role", String(32), nullable=False),
    Column("action", String(64), nullable=False, index=True),
    Column("outcome", String(16), nullable=False),
    Column("detail", ContentFreeJson, nullable=False),
    Column("previous_sha256", String(64), nullable=False, unique=True),  # a fork of the chain is refused
    Column("sha256", String(64), nullable=False, unique=True),
    Column("key_id", String(64), nullable=False),
    Column("signature", LargeBinary, nullable=False),
)
tokens = Table(
    "tokens",
    metadata,
    Column("token_id", String(64), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("scopes", String(128), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime, nullable=True),
)
