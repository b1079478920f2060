"""PostgreSQL: what only a server can do wrong, and where a shredded key must not be found."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psycopg
import pytest

from pipeline import connect as connecting
from pipeline.connect import writing
from pipeline.db import Records
from pipeline.erasure.rows import replace_key
from pipeline.errors import MissingExtra, StoreUnavailable, Temporary, UsageError
from pipeline.keys.file import KeyFile
from pipeline.schema import subjects
from tests.test_db import NUMBER, call, stored

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy.engine import Connection

    from pipeline.keys import OpenSubjectKey
    from tests.servers import PostgresServer

NOW = datetime(2026, 11, 20, 14, 3, tzinfo=UTC)
pytestmark = pytest.mark.parametrize("url", ["postgres"], indirect=True)


@pytest.fixture(name="records")
def _records(url: str) -> Iterator[Records]:
    records = Records.open(url)
    yield records
    records.close()


@pytest.fixture(name="key")
def _key(records: Records, tmp_path: Path) -> OpenSubjectKey:
    root = KeyFile.create(tmp_path / "root.json")
    return records.subject_for(root.subject_id(NUMBER), root, NOW)


def _table_files(server: PostgresServer) -> bytes:
    server.execute("CHECKPOINT")
    return b"".join(path.read_bytes() for path in (server.folder / "base").rglob("*") if path.is_file())


def test_shredded_key_is_in_no_table(
    postgres: PostgresServer, records: Records, key: OpenSubjectKey, tmp_path: Path
) -> None:
    """After shredding, no file of any table holds a byte string of the wrapped key, which was there before."""
    root = KeyFile.load(tmp_path / "root.json")
    for number in range(20):
        records.subject_for(f"{number:040}", root, NOW)
    wrapped = records.subject_key(key.subject_id)
    assert wrapped is not None
    stored(records, key, "CA01", "1")
    assert wrapped.wrapped_key in _table_files(postgres)
    replace_key(records, root, key.subject_id, lambda _call: False, NOW)
    left = _table_files(postgres)
    assert wrapped.wrapped_key not in left
    assert wrapped.wrapped_key[8:40] not in left
    assert records.subject_key(key.subject_id) is None


def test_reader_of_the_old_state_delays_shredding(
    url: str, records: Records, key: OpenSubjectKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While somebody reads the keys as they were, clearing them away is a temporary failure; then it succeeds."""
    monkeypatch.setattr(connecting, "_SESSION", ("SET lock_timeout = 50",))
    impatient, root = Records.open(url), KeyFile.load(tmp_path / "root.json")
    with records.engine.connect().execution_options(isolation_level="REPEATABLE READ") as reader:
        reader.execute(subjects.select()).all()
        with pytest.raises(Temporary):
            replace_key(impatient, root, key.subject_id, lambda _call: False, NOW)
    replace_key(impatient, root, key.subject_id, lambda _call: False, NOW)
    assert records.subject_key(key.subject_id) is None
    impatient.close()


def test_writer_that_waits_in_vain(
    url: str, records: Records, key: OpenSubjectKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer whose turn does not come fails with an error that says to try again, and has changed nothing."""
    monkeypatch.setattr(connecting, "_SESSION", ("SET lock_timeout = 50",))
    impatient = Records.open(url)
    with writing(records.engine), pytest.raises(StoreUnavailable):
        impatient.start_call(call(key))
    assert impatient.call("CA01") is None
    impatient.start_call(call(key))
    impatient.close()


def test_connection_that_is_lost(postgres: PostgresServer, records: Records, key: OpenSubjectKey) -> None:
    """A transaction whose connection breaks leaves nothing; the next one has a fresh connection."""
    with pytest.raises(StoreUnavailable), writing(records.engine) as connection:
        _write_and_break(postgres, connection, key)
    assert records.call("CA01") is None
    records.start_call(call(key))
    assert records.call("CA01") is not None


def _write_and_break(server: PostgresServer, connection: Connection, key: OpenSubjectKey) -> None:
    connection.execute(subjects.update().filter_by(subject_id=key.subject_id).values(wrapped_key=None))
    pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
    server.execute(f"SELECT pg_terminate_backend({pid}, 5000)")
    connection.exec_driver_sql("SELECT 1")


def test_server_that_is_not_there(url: str, tmp_path: Path) -> None:
    """Without a server the error says to try again, and shows no password."""
    with pytest.raises(StoreUnavailable) as caught:
        Records.open(f"postgresql://callseal:hunter2@/callseal?host={tmp_path}")
    assert "hunter2" not in str(caught.value)


def test_user_who_may_not_make_tables(url: str, postgres: PostgresServer) -> None:
    """A database user without the right to make tables is told so."""
    name = postgres.database()
    postgres.execute(f"CREATE ROLE reader_{name} LOGIN")
    with pytest.raises(UsageError, match="lacks a right"):
        Records.open(postgres.url(name).replace("postgres@", f"reader_{name}@"))


def test_types_are_those_of_the_server(url: str, postgres: PostgresServer, records: Records) -> None:
    """Times, JSON and bytes have types of the server, so that its own tools can carry them."""
    database = records.engine.url.database
    with psycopg.connect(host=str(postgres.folder), user="postgres", dbname=database) as connection:
        query = "SELECT data_type FROM information_schema.columns WHERE table_name = 'calls' OR table_name = 'subjects'"
        found = {row[0] for row in connection.execute(query)}
    assert found == {"character varying", "timestamp with time zone", "double precision", "json", "bytea"}


def test_driver_that_is_not_installed(url: str) -> None:
    """Without the driver the error names the extra that brings it."""
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from pipeline.connect import connect\n"
        "from pipeline.errors import MissingExtra\n"
        "try:\n    connect('postgresql://callseal:hunter2@db.example.com/callseal')\nexcept MissingExtra as exc:\n"
        "    print(exc)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert str(MissingExtra("postgres")) in done.stdout
