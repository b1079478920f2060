"""The key side: a second, small database beside the root key, for what must never come back from a backup.

It holds the shares of the callers' keys (``pipeline.keys.shares``) and the ledger of erasures
(``pipeline.erasure.ledger``): random keys and keyed hashes, nothing of a call. It is no part of a backup's
generations: a backup keeps one copy of it, the newest, in the place of the one before
(``pipeline.backups.backup``), so that what is destroyed here is gone for good.

Promises: the tables are there when ``open_keyside`` returns; what is removed is overwritten in the file (SQLite). Where
workers run on several hosts, ``[keys] shares`` names a database that all of them reach.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
from sqlalchemy import Column, LargeBinary, MetaData, String, Table

from pipeline.connect import open_engine, reading, writing
from pipeline.errors import VerificationFailed
from pipeline.schema import UtcDateTime

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

VERSION: Final = "1"

metadata = MetaData()

about = Table("keyside", metadata, Column("version", String(8), primary_key=True))
shares = Table(
    "shares",
    metadata,
    Column("key_id", String(64), primary_key=True),
    Column("share", LargeBinary, nullable=False),
)
erased = Table(
    "erased",
    metadata,
    Column("tag", String(64), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("erasure_id", String(64), nullable=False, index=True),
    Column("erased_at", UtcDateTime, nullable=False),
)


def open_keyside(url: str) -> Engine:
    """An engine for the key side at ``url``, with its tables.

    Raises:
        UsageError, StoreUnavailable, VerificationFailed: as ``connect.connect``.
    """
    engine = open_engine(url)
    try:
        with reading(engine) as connection:
            made = sa.inspect(connection).has_table(about.name)
        if not made:
            _make(engine)
        with reading(engine) as connection:
            version = connection.execute(sa.select(about.c.version)).scalar_one_or_none()
        if version != VERSION:
            raise VerificationFailed("the key side was made by another, probably newer, version of callseal")
    except BaseException:
        engine.dispose()
        raise
    return engine


def _make(engine: Engine) -> None:
    with writing(engine) as connection:
        metadata.create_all(connection)
        if connection.execute(sa.select(about.c.version)).first() is None:
            connection.execute(about.insert().values(version=VERSION))
