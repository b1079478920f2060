"""The records: whole transactions in the right order, no content, and keys that are gone when they are shredded."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import pipeline
from pipeline.connect import connect, reading, writing
from pipeline.db import CallRecord, ErasureRecord, Records
from pipeline.erasure.rows import delete_rows, replace_key
from pipeline.errors import CannotOpen, NotFound, Refused, StoreUnavailable, Temporary, UsageError, VerificationFailed
from pipeline.keys import OpenSubjectKey, new_data_key
from pipeline.keys.file import KeyFile
from pipeline.schema import HEAD, metadata
from pipeline.types import Artifact, ArtifactKind, SealedObject, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection

NOW = datetime(2026, 11, 20, 14, 3, tzinfo=UTC)
NUMBER = "+12025550143"

_DISK_FULL = """
import resource, sys
from datetime import UTC, datetime
from pipeline.db import CallRecord, Records
from pipeline.errors import StoreUnavailable

records = Records.open(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
try:
    for number in range(2000):
        call = CallRecord(f"CA{number}", sys.argv[2], "a" * 64, "f" * 64, datetime.now(UTC))
        records.start_call(call)
except StoreUnavailable as exc:
    sys.exit(exc.exit_code)
"""


SQLITE = pytest.mark.parametrize("url", ["sqlite"], indirect=True)
NEW = pytest.mark.parametrize("url", ["sqlite", "bare postgres"], indirect=True)


@pytest.fixture(name="records")
def _records(url: str) -> Iterator[Records]:
    records = Records.open(url)
    yield records
    records.close()


@pytest.fixture(name="root")
def _root(tmp_path: Path) -> KeyFile:
    return KeyFile.create(tmp_path / "root.json")


@pytest.fixture(name="key")
def _key(records: Records, root: KeyFile) -> OpenSubjectKey:
    return records.subject_for(root.subject_id(NUMBER), root, NOW)


def call(key: OpenSubjectKey, call_id: str = "CA01", **changes: Any) -> CallRecord:
    """A call that has begun."""
    begun = CallRecord(call_id, key.subject_id, "a" * 64, "f" * 64, NOW, NOW - timedelta(minutes=5))
    return replace(begun, **changes)


def artifact(key: OpenSubjectKey, name: str, kind: ArtifactKind = ArtifactKind.TRANSCRIPT, days: int = 1) -> Artifact:
    """An artifact whose object is called ``name``, for ever."""
    object_key = name.rjust(32, "0")
    wrapped = key.wrap(new_data_key(), b"")
    sealed = SealedObject(kind, object_key, "b" * 64, 5, key.key_id, wrapped)
    return Artifact(sealed, NOW, NOW + timedelta(days=days), "2026-11 recording: policy")


def stored(records: Records, key: OpenSubjectKey, call_id: str = "CA01", *names: str) -> CallRecord:
    """A call that was begun and stored with artifacts of these names."""
    finished = call(key, call_id, status=Status.STORED, summary={"call_id": call_id}, duration_s=2.5)
    records.start_call(call(key, call_id))
    records.finish_call(finished, [artifact(key, name) for name in names], NOW)
    return finished


# Tables


def test_newest_version_is_the_one_in_the_folder() -> None:
    """The version that the code expects is the last of the migrations."""
    config = Config()
    config.set_main_option("script_location", str(Path(pipeline.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


@NEW
def test_migrations_lead_up_and_down(url: str) -> None:
    """Every version can be reached from every other, with rows in the tables that each of them has."""
    engine = connect(url)
    config = Config()
    config.set_main_option("script_location", str(Path(pipeline.__file__).parent / "migrations"))
    config.attributes["metadata"] = metadata
    versions = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    for target in (*versions[1:], "base", *reversed(versions)):
        with writing(engine) as connection:
            config.attributes["connection"] = connection
            (command.upgrade if _version(connection) < target and target != "base" else command.downgrade)(
                config, target
            )
            assert _version(connection) == ("" if target == "base" else target)
    with reading(engine) as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def _version(connection: Connection) -> str:
    return MigrationContext.configure(connection).get_current_revision() or ""


def test_migrated_tables_are_those_the_code_sees(records: Records) -> None:
    """Alembic finds no difference between the migrated database and the tables in the code."""
    with reading(records.engine) as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_opening_again_needs_no_alembic(url: str) -> None:
    """A database at the newest version opens without importing Alembic, and keeps what it has."""
    Records.open(url).close()
    code = "import sys; from pipeline.db import Records; Records.open(sys.argv[1]); sys.exit('alembic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code, url], check=False).returncode == 0


@NEW
def test_first_opening_by_many_at_once(url: str, root: KeyFile) -> None:
    """Processes that open a database that is not there yet all succeed, and see each other's rows."""
    children = []
    for number in range(4):
        pid = os.fork()
        if pid == 0:
            records = Records.open(url)
            records.subject_for(f"{number:040}", root, NOW)
            os._exit(0)
        children.append(pid)
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children] == [0, 0, 0, 0]
    records = Records.open(url)
    assert all(records.subject_key(f"{number:040}") for number in range(4))
    records.close()


def test_database_of_a_newer_version_is_refused(url: str) -> None:
    """A database that a later callseal has changed is left alone."""
    records = Records.open(url)
    with records.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    records.close()
    with pytest.raises(VerificationFailed, match="newer"):
        Records.open(url)


def test_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """Another file in the place of the database costs one error and stays as it is."""
    path = tmp_path / "callseal.db"
    path.write_bytes(b"a letter, not a database. " * 100)
    with pytest.raises(VerificationFailed):
        Records.open(f"sqlite:///{path}")
    assert path.read_bytes() == b"a letter, not a database. " * 100


@pytest.mark.parametrize(
    "address",
    ["", "nonsense", "oracle-of-delphi://user:hunter2@host/db", "mysql://user:hunter2@host/db", "sqlite://x:hunter2@/"],
)
def test_url_that_makes_no_sense(address: str) -> None:
    """A bad URL is a usage error that does not repeat the password in it."""
    with pytest.raises(UsageError) as caught:
        Records.open(address)
    assert "hunter2" not in repr(caught.value)
    assert caught.value.__cause__ is None


@SQLITE
def test_database_file_is_private(records: Records, tmp_path: Path) -> None:
    """Nobody but the owner can read the database or its log."""
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "records").iterdir()}
    assert modes == {0o600}
    assert (tmp_path / "records").stat().st_mode & 0o777 == 0o700


@SQLITE
def test_full_disk_is_temporary_and_loses_nothing(url: str, records: Records, key: OpenSubjectKey) -> None:
    """When the disk takes no more, the error says to try again, and what was committed is whole."""
    records.start_call(call(key, "before"))
    run = subprocess.run([sys.executable, "-c", _DISK_FULL, url, key.subject_id], check=False)
    assert run.returncode == StoreUnavailable.exit_code
    held = records.calls_of_subject(key.subject_id)
    assert len(held) > 1
    assert all(len(records.events(found.call_id)) == 1 for found in held)
    records.start_call(call(key, "after"))
    assert records.call("after") is not None


# Subjects


def test_subject_is_made_once(records: Records, root: KeyFile, key: OpenSubjectKey) -> None:
    """The same caller has the same key for all calls; another caller has another."""
    assert records.subject_for(key.subject_id, root, NOW).key_id == key.key_id
    assert records.subject_for("0" * 40, root, NOW).key_id != key.key_id


def test_wrong_root_key_cannot_open_a_subject(records: Records, key: OpenSubjectKey, tmp_path: Path) -> None:
    """With another key file the subject's key does not open, and no second one is made."""
    other = KeyFile.create(tmp_path / "other.json")
    with pytest.raises(CannotOpen):
        records.subject_for(key.subject_id, other, NOW)
    assert records.subject_key_ids(key.subject_id) == (key.key_id,)


# Calls


def test_call_is_begun_then_stored(records: Records, key: OpenSubjectKey) -> None:
    """A call has no status until it is finished; then it has its result, artifacts and history."""
    assert records.call("CA01") is None
    assert records.start_call(call(key)) is None
    assert records.call("CA01") == call(key)
    finished = call(key, status=Status.STORED, duration_s=2.5, summary={"redactions": [{"entity_type": "CVV"}]})
    artifacts = [artifact(key, "1"), artifact(key, "2", ArtifactKind.MANIFEST)]
    assert records.finish_call(finished, artifacts, NOW) == ()
    assert records.call("CA01") == finished
    assert list(records.artifacts("CA01")) == artifacts
    assert [(event.what, event.at) for event in records.events("CA01")] == [("begun", NOW), ("finished", NOW)]
    assert records.calls_of_subject(key.subject_id) == (finished,)


def test_beginning_again_leaves_the_stored_result(records: Records, key: OpenSubjectKey) -> None:
    """Until a second run finishes, the first result stands; the second is told about it."""
    finished = stored(records, key, "CA01", "1")
    assert records.start_call(call(key, fingerprint="e" * 64)) == finished
    assert records.call("CA01") == finished
    assert len(records.artifacts("CA01")) == 1


def test_beginning_again_after_a_crash_takes_the_new_facts(records: Records, key: OpenSubjectKey) -> None:
    """A call that was begun and never finished is begun anew."""
    records.start_call(call(key))
    assert records.start_call(call(key, fingerprint="e" * 64)) is None
    assert records.call("CA01") == call(key, fingerprint="e" * 64)


def test_new_result_takes_the_place_of_the_old(records: Records, key: OpenSubjectKey) -> None:
    """Finishing again gives back the objects that nothing refers to any more, and only those."""
    stored(records, key, "CA01", "1", "2")
    stored(records, key, "CA02", "3")
    before = {found.sealed.object_key[-1]: found for found in records.artifacts("CA01")}
    finished = call(key, status=Status.STORED, fingerprint="e" * 64)
    replaced = records.finish_call(finished, [before["2"], artifact(key, "4")], NOW)
    assert replaced == (before["1"].sealed,)
    assert {found.sealed.object_key[-1] for found in records.artifacts("CA01")} == {"2", "4"}
    assert len(records.artifacts("CA02")) == 1


def test_intake_stands_beside_until_the_end(records: Records, key: OpenSubjectKey) -> None:
    """The intake's row is there while the call is processed, and is replaced with the rest."""
    intake = artifact(key, "9", ArtifactKind.INTAKE)
    with pytest.raises(NotFound):
        records.add_artifacts("CA01", [intake])
    records.start_call(call(key))
    records.add_artifacts("CA01", [intake])
    assert records.artifacts("CA01") == (intake,)
    assert records.finish_call(call(key, status=Status.DISCARDED), [], NOW) == (intake.sealed,)


def test_failed_finish_changes_nothing(records: Records, key: OpenSubjectKey) -> None:
    """If one row cannot be written, none is: the old result stays with its artifacts and history."""
    finished = stored(records, key, "CA01", "1")
    stored(records, key, "CA02", "2")
    events = records.events("CA01")
    with pytest.raises(VerificationFailed):
        records.finish_call(call(key, status=Status.DISCARDED), [artifact(key, "3"), artifact(key, "2")], NOW)
    assert records.call("CA01") == finished
    assert [found.sealed.object_key[-1] for found in records.artifacts("CA01")] == ["1"]
    assert records.events("CA01") == events


def test_content_stops_a_finish(records: Records, key: OpenSubjectKey) -> None:
    """A summary that looks like content is refused, the call stays begun, and the error does not quote it."""
    records.start_call(call(key))
    spoken = call(key, status=Status.STORED, summary={"reason": "card 4111 1111 1111 1111 was read"})
    with pytest.raises(VerificationFailed, match=r"record\.reason") as caught:
        records.finish_call(spoken, [], NOW)
    assert "4111" not in str(caught.value)
    assert records.call("CA01") == call(key)


def test_unfinished_status_is_no_result(records: Records, key: OpenSubjectKey) -> None:
    """A result without a status is a mistake of the caller's."""
    records.start_call(call(key))
    with pytest.raises(ValueError, match="status"):
        records.finish_call(call(key), [], NOW)


def _shred(records: Records, root: KeyFile, key: OpenSubjectKey) -> None:
    replace_key(records, root, key.subject_id, lambda _call: False, NOW)


def _delete(records: Records, key: OpenSubjectKey) -> None:
    calls = [call.call_id for call in records.calls_of_subject(key.subject_id)]
    delete_rows(records, calls, [], [key.subject_id])


def test_erased_in_flight_is_refused(records: Records, root: KeyFile, key: OpenSubjectKey) -> None:
    """A job whose caller is erased while it runs cannot store, before, during or after the caller calls again."""
    records.start_call(call(key))
    finished = call(key, status=Status.STORED)
    _shred(records, root, key)
    with pytest.raises(Temporary):
        records.finish_call(finished, [artifact(key, "1")], NOW)
    with pytest.raises(Temporary):
        records.start_call(call(key, "CA02"))
    with pytest.raises(Temporary):
        records.subject_for(key.subject_id, root, NOW)
    _delete(records, key)
    with pytest.raises(Refused):
        records.finish_call(finished, [artifact(key, "1")], NOW)
    with pytest.raises(Refused):
        records.start_call(call(key))
    fresh = records.subject_for(key.subject_id, root, NOW)
    records.start_call(call(fresh))
    with pytest.raises(Refused, match="another key"):
        records.finish_call(finished, [artifact(key, "1")], NOW)
    assert records.artifacts("CA01") == ()


def test_call_can_move_to_its_real_caller(records: Records, root: KeyFile, key: OpenSubjectKey) -> None:
    """Processed again with the caller's number, a call is the caller's; what was the stranger's is given back."""
    stranger = records.subject_for("0" * 40, root, NOW)
    stored(records, stranger, "CA01", "1")
    records.start_call(call(key))
    replaced = records.finish_call(call(key, status=Status.STORED), [artifact(key, "2")], NOW)
    assert [sealed.object_key[-1] for sealed in replaced] == ["1"]
    assert records.calls_of_subject("0" * 40) == ()
    assert len(records.calls_of_subject(key.subject_id)) == 1


# Times, history, retention


def test_times_are_utc(records: Records, key: OpenSubjectKey) -> None:
    """A time in another zone comes back as the same instant in UTC; one without a zone is refused."""
    eastern = NOW.astimezone(timezone(timedelta(hours=-5)))
    records.start_call(call(key, received_at=eastern))
    found = records.call("CA01")
    assert found is not None
    assert (found.received_at, found.received_at.tzinfo) == (NOW, UTC)
    with pytest.raises(ValueError, match="zone"):
        records.start_call(call(key, "CA02", received_at=NOW.replace(tzinfo=None)))
    assert records.call("CA02") is None


def test_history_is_kept_in_order(records: Records, key: OpenSubjectKey) -> None:
    """Notes come back as they were made; one for a call that is not held is refused."""
    records.start_call(call(key))
    records.note("CA01", "exported", {"artifacts": 4}, NOW + timedelta(days=1))
    last = records.events("CA01")[-1]
    assert (last.what, last.detail, last.at) == ("exported", {"artifacts": 4}, NOW + timedelta(days=1))
    with pytest.raises(VerificationFailed):
        records.note("CA99", "exported", {}, NOW)


def test_expired_rows_leave_a_note(records: Records, key: OpenSubjectKey) -> None:
    """Removing rows says in the call's history what went and by which rule."""
    stored(records, key, "CA01", "1", "2")
    gone = records.artifacts("CA01")[0].sealed.object_key
    assert records.delete_artifacts([gone], "expired", NOW) == 1
    assert records.object_keys() == {found.sealed.object_key for found in records.artifacts("CA01")}
    last = records.events("CA01")[-1]
    assert (last.what, last.detail) == ("expired", {"kind": "transcript", "rule": "2026-11 recording: policy"})
    assert records.delete_artifacts([gone], "expired", NOW) == 0


# Erasure


def _database_bytes(tmp_path: Path) -> bytes:
    return b"".join(path.read_bytes() for path in (tmp_path / "records").iterdir())


@SQLITE
def test_shredded_key_is_in_no_file(records: Records, root: KeyFile, key: OpenSubjectKey, tmp_path: Path) -> None:
    """After shredding, neither the database nor its log holds a byte string of the wrapped key."""
    wrapped = records.subject_key(key.subject_id)
    assert wrapped is not None
    for number in range(20):
        stored(records, key, f"CA{number:02}", str(number + 10))
    assert wrapped.wrapped_key in _database_bytes(tmp_path)
    _shred(records, root, key)
    assert wrapped.wrapped_key not in _database_bytes(tmp_path)
    assert wrapped.wrapped_key[8:40] not in _database_bytes(tmp_path)
    assert records.subject_key(key.subject_id) is None


@SQLITE
def test_deleted_rows_are_in_no_file(records: Records, root: KeyFile, key: OpenSubjectKey, tmp_path: Path) -> None:
    """After the rows are removed, neither ids nor wrapped data keys of the subject are in a file; others' are."""
    other = records.subject_for("0" * 40, root, NOW)
    stored(records, key, "CA-of-the-erased", "1")
    stored(records, other, "CA-of-another", "2")
    wrapped = records.artifacts("CA-of-the-erased")[0].sealed.wrapped_key
    _shred(records, root, key)
    _delete(records, key)
    content = _database_bytes(tmp_path)
    assert b"CA-of-the-erased" not in content
    assert wrapped not in content
    assert b"CA-of-another" in content
    assert records.count_rows([key.key_id], ["CA-of-the-erased"], ["1".rjust(32, "0")]) == 0
    assert records.count_rows([other.key_id], ["CA-of-another"], ["2".rjust(32, "0")]) == 6
    assert len(records.artifacts("CA-of-another")) == 1


@SQLITE
def test_reader_that_holds_the_old_state_delays_shredding(
    records: Records, root: KeyFile, key: OpenSubjectKey, tmp_path: Path
) -> None:
    """While another process reads the old state, the log keeps it: a temporary failure, and then it succeeds."""
    stored(records, key, "CA01", "1")
    with sqlite3.connect(tmp_path / "records" / "callseal.db", isolation_level=None) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM calls").fetchall()
        with records.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA busy_timeout=50")
        with pytest.raises(Temporary):
            _shred(records, root, key)
        reader.execute("COMMIT")
    reader.close()
    _shred(records, root, key)
    assert records.subject_key(key.subject_id) is None


def test_ledger_keeps_erasures(records: Records) -> None:
    """An erasure is pending from its beginning to its end; its ids can be renewed in between."""
    begun = ErasureRecord("e1", "0" * 40, NOW, None, {"call_ids": ["CA01"]})
    records.begin_erasure(begun)
    assert records.pending_erasures() == records.erasures_of_subject("0" * 40) == (begun,)
    records.begin_erasure(replace(begun, report={"call_ids": ["CA01", "CA02"]}))
    assert [found.report["call_ids"] for found in records.pending_erasures()] == [["CA01", "CA02"]]
    records.finish_erasure("e1", {"calls": 2}, NOW + timedelta(minutes=1))
    assert records.pending_erasures() == ()
    assert records.erasure("e1") == replace(begun, finished_at=NOW + timedelta(minutes=1), report={"calls": 2})
    assert records.erasure("e2") is None
