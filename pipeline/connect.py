"""The way to the database: takes a URL, gives an engine whose tables are at the newest version, and transactions.

Promises: a write transaction is whole or absent, and survives a power cut once it has ended. Write transactions come
one after the other, on every database: what one of them has read is still so when it writes. Each is a few
statements long, and a call takes a handful of them. A reading transaction sees one state and waits for nobody. What the
database reports comes out as StoreUnavailable (busy, full, unreachable: try again) or VerificationFailed (damaged).
No error and no log shows a bound value.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, InterfaceError, NoSuchModuleError, OperationalError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from pipeline.errors import CommitInDoubt, MissingExtra, StoreUnavailable, Temporary, UsageError, VerificationFailed
from pipeline.schema import HEAD, metadata, subjects

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection, Engine

_BUSY_MS: Final = 10_000
_CONNECT_TIMEOUT_S: Final = 10
_READ, _WRITE, _ALONE = "read", "write", "alone"
_MODE: Final = "callseal_mode"  # execution option: what the transaction is for; ALONE is none, for what refuses one
_PRAGMAS: Final = (
    f"PRAGMA busy_timeout={_BUSY_MS}",
    "PRAGMA journal_mode=WAL",  # readers and one writer do not wait for each other
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA secure_delete=ON",  # what is removed is overwritten with zeros in the database file
)
_SESSION: Final = (
    f"SET lock_timeout = {_BUSY_MS}",
    "SET idle_in_transaction_session_timeout = 60000",  # a client that froze in a transaction is cut off
)
# The lock that makes writers take turns, and ends with the transaction; its number is any that others do not use.
_TAKE_TURN: Final = "SELECT pg_advisory_xact_lock(7306930284)"
_FORBIDDEN: Final = "42501"  # insufficient_privilege


def connect(url: str) -> Engine:
    """An engine for ``url``, its tables migrated to the newest version.

    Raises:
        UsageError: the URL is none, names a database that is not supported, or a user who may not make tables.
        MissingExtra: the driver of PostgreSQL is not installed.
        StoreUnavailable: it cannot be reached, is busy or full.
        VerificationFailed: what is there is no database, or was made by a newer callseal.
    """
    engine = open_engine(url)
    try:
        _migrate(engine)
    except BaseException:
        engine.dispose()
        raise
    return engine


def open_engine(url: str) -> Engine:
    """An engine for ``url`` that makes and migrates no tables; see ``connect`` for what it raises about the URL."""
    try:
        parsed = sa.make_url(url)
        engine = sa.create_engine(parsed, hide_parameters=True, **_options(parsed))
    except (sa.exc.ArgumentError, NoSuchModuleError, ImportError):
        # Without its cause: a URL can hold a password.
        if url.startswith("postgresql"):
            raise MissingExtra("postgres") from None
        raise UsageError("the database URL makes no sense, or its driver is not installed") from None
    if engine.dialect.name == "sqlite":
        _prepare_sqlite(engine, parsed.database)
    elif engine.dialect.name == "postgresql":
        _prepare_postgres(engine)
    else:
        raise UsageError("the database is neither SQLite nor PostgreSQL")
    return engine


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that sees one state of the database and changes nothing."""
    options: dict[str, Any] = {_MODE: _READ}
    if engine.dialect.name == "postgresql":
        options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with _errors(), engine.connect().execution_options(**options) as connection, connection.begin():
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that is committed when the block ends well and leaves nothing when it does not; one at a time.

    Raises:
        CommitInDoubt: it failed while it was committed.
        StoreUnavailable: nothing was written.
    """
    ended = False
    try:
        with _errors(), engine.begin() as connection:
            yield connection
            ended = True
    except StoreUnavailable as exc:
        if ended:
            raise CommitInDoubt("the database failed while it was written to") from exc
        raise


def flush_history(engine: Engine, table: str = subjects.name) -> None:
    """Makes earlier states unreadable: to be called after key material or rows were removed for good.

    SQLite's write-ahead log holds whole old pages until it is reset, so a shredded key would survive in it; the
    checkpoint moves what counts into the database file and cuts the log to nothing. PostgreSQL keeps replaced rows in
    the table's file, so ``table``, where the keys are, is written anew without them; its own log, replicas and backups
    are the operator's to expire.

    Raises:
        Temporary: a reader holds on to the old state; nothing was lost, try again.
    """
    sqlite = engine.dialect.name == "sqlite"
    options: dict[str, Any] = {_MODE: _ALONE} | ({} if sqlite else {"isolation_level": "AUTOCOMMIT"})
    try:
        with _errors(), engine.connect().execution_options(**options) as connection:
            if sqlite:
                busy, *_ = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
            else:
                busy = False
                connection.exec_driver_sql(f"VACUUM (FULL) {table}")
    except StoreUnavailable:
        busy = True
    if busy:
        raise Temporary("the database is being read, its history could not be cleared")


@contextmanager
def unavailable() -> Iterator[None]:
    """What says that the database is busy, full or away comes out as StoreUnavailable, all else as it is."""
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeout) as exc:
        raise StoreUnavailable("the database is busy, full or cannot be reached") from exc


@contextmanager
def _errors() -> Iterator[None]:
    try:
        with unavailable():
            yield
    except DBAPIError as exc:
        if getattr(exc.orig, "sqlstate", None) == _FORBIDDEN:
            raise UsageError("the database's user lacks a right: it has to own callseal's tables") from exc
        raise VerificationFailed("the database refused: it is damaged, or its rows contradict each other") from exc
    except StatementError as exc:
        if exc.orig is None:
            raise
        raise exc.orig from None  # what a column type refused, as it refused it


def _options(url: sa.URL) -> dict[str, Any]:
    if url.get_backend_name() != "postgresql":
        return {}
    timeout = {} if "connect_timeout" in url.query else {"connect_timeout": _CONNECT_TIMEOUT_S}
    return {"pool_pre_ping": True, "connect_args": timeout}


def _prepare_sqlite(engine: Engine, database: str | None) -> None:
    if database and database != ":memory:":
        path = Path(database)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600)
        except OSError as exc:
            raise StoreUnavailable(f"the database file cannot be made: {exc.strerror}") from exc

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: Any) -> None:
        # The driver's own idea of when a transaction begins leaves reads and table changes outside of it.
        connection.isolation_level = None
        for pragma in _PRAGMAS:
            connection.execute(pragma).close()

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        # A write lock taken late can fail halfway; taken first, it waits its turn.
        mode = connection.get_execution_options().get(_MODE, _WRITE)
        if mode != _ALONE:
            connection.exec_driver_sql("BEGIN IMMEDIATE" if mode == _WRITE else "BEGIN")


def _prepare_postgres(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: Any) -> None:
        connection.autocommit = True
        for setting in _SESSION:
            connection.execute(setting)
        connection.autocommit = False

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        # In READ COMMITTED each statement sees what was committed before it: here, all that earlier writers did.
        if connection.get_execution_options().get(_MODE, _WRITE) == _WRITE:
            connection.exec_driver_sql(_TAKE_TURN)


def version_of(engine: Engine) -> str | None:
    """The version of the tables, None where there are none. Raises StoreUnavailable, VerificationFailed."""
    with reading(engine) as connection:
        return _version(connection)


def _migrate(engine: Engine) -> None:
    if version_of(engine) == HEAD:
        return  # without importing Alembic, which takes longer than everything else here
    with writing(engine) as connection:
        _upgrade(connection)
        if _version(connection) != HEAD:
            raise VerificationFailed("the database could not be brought to the version that this callseal needs")


def _version(connection: Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    version: str | None = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one_or_none()
    return version


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    config.attributes["metadata"] = metadata
    try:
        command.upgrade(config, HEAD)
    except CommandError as exc:
        raise VerificationFailed("the database was made by another, probably newer, version of callseal") from exc
