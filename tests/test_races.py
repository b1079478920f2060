"""Two at a time: whatever two processes do to the records at once comes out as if one had come after the other."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from pipeline import schema
from pipeline.connect import connect, reading, writing
from pipeline.db import Records
from pipeline.erasure.rows import Behind, delete_rows, replace_key
from pipeline.errors import Refused, Temporary
from pipeline.intake import rows
from pipeline.keys import make_subject_key
from pipeline.keys.file import KeyFile
from pipeline.types import Status
from tests.test_db import NUMBER, artifact, call, stored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pipeline.keys import OpenSubjectKey

NOW = datetime(2026, 11, 20, 14, 3, tzinfo=UTC)
_LONG_S = 0.3  # far longer than the other needs when nothing stops it


@pytest.fixture(name="pair")
def _pair(url: str) -> Iterator[tuple[Records, Records]]:
    """Two ways to one database, which share no connection."""
    first, second = Records.open(url), Records.open(url)
    yield first, second
    first.close()
    second.close()


@pytest.fixture(name="root")
def _root(tmp_path: Path) -> KeyFile:
    return KeyFile.create(tmp_path / "root.json")


def _meanwhile(records: Records, table: sa.Table, other: Callable[[], object]) -> Callable[[], BaseException | None]:
    """When ``records`` next writes rows into ``table``, begins ``other`` and gives it every chance to be first.

    Gives a function that waits for ``other``, and gives what it raised.
    """
    raised: list[BaseException | None] = []

    def run() -> None:
        try:
            other()
            raised.append(None)
        except (Refused, Temporary) as exc:
            raised.append(exc)

    thread = threading.Thread(target=run)

    def before(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if statement.startswith(f"INSERT INTO {table.name} ") and not thread.ident:
            thread.start()
            thread.join(_LONG_S)

    event.listen(records.engine, "before_cursor_execute", before)

    def done() -> BaseException | None:
        thread.join()
        return raised[0]

    return done


def _key(records: Records, root: KeyFile) -> OpenSubjectKey:
    return records.subject_for(root.subject_id(NUMBER), root, NOW)


def _shred(records: Records, root: KeyFile, key: OpenSubjectKey) -> Behind:
    return replace_key(records, root, key.subject_id, lambda _call: False, NOW)


def test_result_against_erasure(pair: tuple[Records, Records], root: KeyFile) -> None:
    """A call that was about to be stored when its caller was erased is either known to the erasure or refused."""
    worker, officer = pair
    key = _key(worker, root)
    worker.start_call(call(key))
    behind: list[Behind] = []
    done = _meanwhile(worker, schema.artifacts, lambda: behind.append(_shred(officer, root, key)))
    worker.finish_call(call(key, status=Status.STORED), [artifact(key, "1")], NOW)
    assert done() is None
    assert [held.artifact.sealed.object_key[-1] for held in behind[0].artifacts] == ["1"]
    with pytest.raises(Temporary):
        worker.finish_call(call(key, status=Status.STORED), [artifact(key, "2")], NOW)
    delete_rows(officer, ["CA01"], ["1".rjust(32, "0")], [key.subject_id])
    with pytest.raises(Refused):
        worker.finish_call(call(key, status=Status.STORED), [artifact(key, "2")], NOW)
    assert officer.object_keys() == frozenset()


def test_begun_call_against_erasure(pair: tuple[Records, Records], root: KeyFile) -> None:
    """A call that begins while its caller's key is destroyed is known to the erasure; none begins after it."""
    worker, officer = pair
    key = _key(worker, root)
    behind: list[Behind] = []
    done = _meanwhile(worker, schema.calls, lambda: behind.append(_shred(officer, root, key)))
    worker.start_call(call(key))
    assert done() is None
    assert [found.call_id for found in behind[0].calls] == ["CA01"]
    with pytest.raises(Temporary):
        worker.start_call(call(key, "CA02"))


def test_calls_taken_in_together_against_erasure(pair: tuple[Records, Records], root: KeyFile) -> None:
    """Calls that are added while their caller's key is destroyed are known to the erasure; none is added after it."""
    hook, officer = pair
    key = _key(hook, root)
    behind: list[Behind] = []
    done = _meanwhile(hook, schema.calls, lambda: behind.append(_shred(officer, root, key)))
    calls = [(call(key, f"CA0{number}"), [artifact(key, f"{number}")]) for number in (1, 2)]
    assert rows.add_calls(hook.engine, calls) == {"CA01", "CA02"}
    assert done() is None
    assert sorted(found.call_id for found in behind[0].calls) == ["CA01", "CA02"]
    assert rows.add_calls(hook.engine, [(call(key, "CA03"), [artifact(key, "3")])]) == frozenset()
    assert rows.look(hook.engine, ["CA01", "CA03"], [key.subject_id]).erased == {key.subject_id}
    assert officer.call("CA03") is None


def test_note_against_erasure(pair: tuple[Records, Records], root: KeyFile) -> None:
    """A line of history that is written while the rows are removed goes with them."""
    worker, officer = pair
    key = _key(worker, root)
    stored(worker, key, "CA01", "1")
    _shred(officer, root, key)
    gone = (["CA01"], ["1".rjust(32, "0")], [key.subject_id])
    done = _meanwhile(worker, schema.events, lambda: delete_rows(officer, *gone))
    worker.note("CA01", "exported", {}, NOW)
    assert done() is None
    assert officer.events("CA01") == ()
    assert officer.count_rows([key.key_id], *gone[:2]) == 0


def test_two_results_of_one_call(pair: tuple[Records, Records], root: KeyFile) -> None:
    """Of two results that end at once one stays whole; the objects of the other are given back to be destroyed."""
    one, other = pair
    key = _key(one, root)
    stored(one, key, "CA01", "1")
    result = call(key, status=Status.STORED)
    given_back: list[str] = []

    def finish(records: Records, names: str) -> None:
        replaced = records.finish_call(result, [artifact(key, name) for name in names], NOW)
        given_back.extend(sealed.object_key[-1] for sealed in replaced)

    done = _meanwhile(one, schema.artifacts, lambda: finish(other, "45"))
    finish(one, "23")
    assert done() is None
    left = [found.sealed.object_key[-1] for found in one.artifacts("CA01")]
    assert sorted(left) in (["2", "3"], ["4", "5"])
    assert sorted(left + given_back) == ["1", "2", "3", "4", "5"]


def test_a_caller_who_calls_twice_at_once(pair: tuple[Records, Records], root: KeyFile) -> None:
    """Two calls of a new caller get the same key."""
    one, other = pair
    keys: list[str] = []
    done = _meanwhile(one, schema.subjects, lambda: keys.append(_key(other, root).key_id))
    keys.append(_key(one, root).key_id)
    assert done() is None
    assert len(keys) == 2
    assert len(set(keys)) == 1


def test_callers_of_two_batches_at_once(pair: tuple[Records, Records], root: KeyFile) -> None:
    """A caller who is new to both gets one key; the other batch is given it."""
    one, other = pair
    keys: list[str] = []

    def add(records: Records) -> None:
        fresh, _ = make_subject_key(root, root.subject_id(NUMBER))
        keys.append(rows.add_keys(records.engine, root, [fresh], NOW)[fresh.subject_id].key_id)

    done = _meanwhile(one, schema.subjects, lambda: add(other))
    add(one)
    assert done() is None
    assert len(keys) == 2
    assert len(set(keys)) == 1


def test_one_call_delivered_twice_at_once(pair: tuple[Records, Records], root: KeyFile) -> None:
    """The second delivery finds the call begun, whichever comes first."""
    one, other = pair
    key = _key(one, root)
    done = _meanwhile(one, schema.calls, lambda: other.start_call(call(key)))
    assert one.start_call(call(key)) is None
    assert done() is None
    assert [event.what for event in one.events("CA01")] == ["begun", "begun"]


def test_a_sweep_that_runs_twice(pair: tuple[Records, Records], root: KeyFile) -> None:
    """Two sweeps that remove the same row say so once."""
    one, other = pair
    key = _key(one, root)
    stored(one, key, "CA01", "1")
    gone = [found.sealed.object_key for found in one.artifacts("CA01")]
    counts: list[int] = []
    done = _meanwhile(one, schema.events, lambda: counts.append(other.delete_artifacts(gone, "expired", NOW)))
    counts.append(one.delete_artifacts(gone, "expired", NOW))
    assert done() is None
    assert sorted(counts) == [0, 1]
    assert [event.what for event in one.events("CA01")].count("expired") == 1


def test_processes_take_turns(url: str, pair: tuple[Records, Records], root: KeyFile) -> None:
    """What a transaction has read is still so when it writes, with several processes at it: no count is lost."""
    first, _ = pair
    key = _key(first, root)
    first.start_call(call(key, duration_s=0.0))
    first.close()
    column, children = schema.calls.c.duration_s, []
    for _ in range(3):
        pid = os.fork()
        if pid == 0:
            engine = connect(url)
            for _ in range(20):
                with writing(engine) as connection:
                    seen = connection.execute(sa.select(column)).scalar_one()
                    connection.execute(schema.calls.update().values(duration_s=seen + 1))
            os._exit(0)
        children.append(pid)
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children] == [0, 0, 0]
    found = first.call("CA01")
    assert found is not None
    assert found.duration_s == 60


def test_readers_wait_for_nobody(pair: tuple[Records, Records], root: KeyFile) -> None:
    """While another writes, and after it has, a reader sees the one state that it began with."""
    writer, reader = pair
    key = _key(writer, root)
    count = sa.select(sa.func.count()).select_from(schema.calls)
    with writing(writer.engine) as connection, reading(reader.engine) as seen:
        connection.execute(sa.update(schema.subjects).values(created_at=NOW))
        assert seen.execute(count).scalar_one() == 0
        connection.commit()
        writer.start_call(call(key))
        assert seen.execute(count).scalar_one() == 0
    assert len(reader.calls_of_subject(key.subject_id)) == 1
