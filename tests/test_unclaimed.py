"""A connection that is lost while a transaction is committed destroys nothing that a row may stand for."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import pytest
from sqlalchemy import event

from models.fakes import FakeRecognizer
from pipeline import pii
from pipeline.config import load_settings
from pipeline.connect import writing
from pipeline.errors import CommitInDoubt, StoreUnavailable
from pipeline.intake.announced import Desk, take_in
from pipeline.intake.arrival import Legs, hand_in
from pipeline.intake.ingest import Delivery
from pipeline.keys import open_subject_key
from pipeline.metadata import parse_metadata
from pipeline.retention import retain
from pipeline.rights import policy as policies
from pipeline.rights import register
from pipeline.rights.correct import NewValue, Searcher, correct
from pipeline.rights.register import Right
from pipeline.run import process
from pipeline.schema import artifacts
from pipeline.sweep import GRACE, sweep
from pipeline.types import ArtifactKind, Status
from pipeline.unclaimed import destroy_unclaimed
from tests import scripted
from tests.kept import NOW, kept_in, object_keys, store_call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlalchemy.engine import Engine

    from pipeline.custody import Custody

CALL = "CA-scripted"
SETTINGS = load_settings(None)
Lost = Literal["after", "before", "for good"]


@pytest.fixture(name="held")
def _held(tmp_path: Path, url: str) -> Iterator[Custody]:
    """An installation where everybody may seal and open, its records on each kind of database in turn."""
    held = kept_in(tmp_path / "data", url)
    yield replace(held, archive=replace(held.archive, access=None))
    held.records.close()


@contextmanager
def lost(engine: Engine, when: Lost) -> Iterator[None]:
    """The connection is cut when rows of artifacts are committed, after or before the server has done it.

    ``for good`` is after it, and no other connection can be had.
    """
    dialect, armed, down = engine.dialect, [False], [False]
    commit, begin = dialect.do_commit, dialect.do_begin

    def inserted(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        armed[0] = armed[0] or statement.startswith("INSERT INTO artifacts")

    def cut(connection: Any) -> None:
        if not armed[0]:
            commit(connection)
            return
        armed[0] = False
        if when != "before":
            commit(connection)
        down[0] = when == "for good"
        if dialect.name == "postgresql":
            connection.dbapi_connection.close()
        raise dialect.loaded_dbapi.OperationalError("server closed the connection unexpectedly")

    def begun(connection: Any) -> None:
        if down[0]:
            raise dialect.loaded_dbapi.OperationalError("could not connect")
        begin(connection)

    event.listen(engine, "before_cursor_execute", inserted)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dialect, "do_commit", cut)
        patch.setattr(dialect, "do_begin", begun)
        yield
    event.remove(engine, "before_cursor_execute", inserted)


def _alone(held: Custody, _folder: Path) -> bool:
    metadata = parse_metadata(scripted.metadata())
    policy = retain.load_policy(SETTINGS.policy_file("retention.toml"))
    return hand_in(Legs([iter([scripted.recording()])]), metadata, held, policy, 1 << 24, NOW)


def _together(held: Custody, _folder: Path) -> bool:
    policy = retain.load_policy(SETTINGS.policy_file("retention.toml"))
    call = (Legs(urls=("https://recordings.example.com/a.wav",)), parse_metadata(scripted.metadata()))
    with ThreadPoolExecutor(1) as threads:
        (answer,) = take_in([call], Desk(held, policy, 1 << 24, threads), NOW)
    if isinstance(answer, Exception):
        raise answer
    return answer


WAYS = pytest.mark.parametrize("taken_in", [_alone, _together])


def opens(held: Custody) -> list[str]:
    """Kinds of the call's artifacts, each of which is in the store and opens."""
    call = held.records.call(CALL)
    key = call and held.records.subject_key(call.subject_id)
    if key is None:
        return []
    subject, found = open_subject_key(held.root, key), held.records.artifacts(CALL)
    assert all(held.archive.read(each.sealed, CALL, subject) for each in found)
    return [each.sealed.kind.value for each in found]


@WAYS
def test_a_call_that_was_added_after_all_waits_whole(
    held: Custody, tmp_path: Path, taken_in: Callable[[Custody, Path], bool]
) -> None:
    """The sender is told to send again, and then that the call is held; its objects open."""
    with lost(held.records.engine, "after"), pytest.raises(CommitInDoubt):
        taken_in(held, tmp_path)
    assert "call_metadata" in opens(held)
    assert object_keys(held) == held.records.object_keys()
    assert taken_in(held, tmp_path) is False


@WAYS
def test_of_a_call_that_was_not_added_nothing_is_left(
    held: Custody, tmp_path: Path, taken_in: Callable[[Custody, Path], bool]
) -> None:
    """Its objects go at once, and it can be sent again."""
    with lost(held.records.engine, "before"), pytest.raises(CommitInDoubt):
        taken_in(held, tmp_path)
    assert object_keys(held) == held.records.object_keys() == set()
    assert taken_in(held, tmp_path) is True


@WAYS
def test_where_nobody_can_tell_the_objects_stay(
    held: Custody, tmp_path: Path, taken_in: Callable[[Custody, Path], bool]
) -> None:
    """A database that stays away is not taken for one without the row; the sweep spares what it claims."""
    with lost(held.records.engine, "for good"), pytest.raises(StoreUnavailable):
        taken_in(held, tmp_path)
    assert "call_metadata" in opens(held)
    sweep(held.archive, held.records, datetime.now(UTC) + GRACE)
    assert "call_metadata" in opens(held)


def test_a_commit_that_is_under_way_is_waited_for(held: Custody) -> None:
    """A look that did not take its turn would find no row yet, and destroy what it is about to stand for."""
    store_call(held, CALL)
    key = held.records.subject_for(held.root.subject_id(scripted.CALLER), held.root, NOW)
    sealed = [held.archive.put(CALL, ArtifactKind.AMENDMENT, key, b"{}") for _ in range(2)]
    (standing,) = held.records.artifacts(CALL)[:1]
    row = {"object_key": sealed[0].object_key, "sha256": "0" * 64}
    looking = threading.Thread(target=destroy_unclaimed, args=(sealed, held.archive, held.records))
    with writing(held.records.engine) as connection:
        found = connection.execute(artifacts.select().filter_by(object_key=standing.sealed.object_key)).mappings().one()
        connection.execute(artifacts.insert().values({**found, **row}))
        looking.start()
        looking.join(0.3)
    looking.join()
    assert object_keys(held) & {each.object_key for each in sealed} == {sealed[0].object_key}


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("place", "status"), [("US-CA", Status.STORED), ("DE", Status.QUARANTINED)])
def test_a_result_that_stands_after_all_opens(held: Custody, tmp_path: Path, place: str, status: Status) -> None:
    """What was published, and the originals of a call in quarantine, are there when the call is sent again."""
    rooms = replace(scripted.rooms(SETTINGS.model_copy(update={"data_dir": tmp_path / "other"})))
    rooms.records.close()
    rooms = replace(rooms, **{name: getattr(held, name) for name in ("archive", "records", "root", "ledger")})
    (tmp_path / "call.wav").write_bytes(scripted.recording())
    metadata = parse_metadata(scripted.metadata(jurisdictions=[place]))
    delivery = Delivery((tmp_path / "call.wav",), (), metadata)
    with lost(held.records.engine, "after"), pytest.raises(CommitInDoubt):
        process(delivery, rooms, NOW)
    again = process(delivery, rooms, NOW)
    assert (again.status, again.repeated) == (status, True)
    assert ("intake" in opens(held)) is (status is Status.QUARANTINED)
    assert len(opens(held)) >= 3


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_correction_that_stands_after_all_opens(held: Custody) -> None:
    """Its row and its object are both there, though the desk was told to try again."""
    law = policies.load_policy(SETTINGS.policy_file("rights.toml"))
    searcher = Searcher(lambda: FakeRecognizer({}), pii.load_policy(SETTINGS.policy_file("redaction.toml")))
    store_call(held, CALL)
    engine, subject_id = held.records.engine, held.root.subject_id(scripted.CALLER)
    asked = register.receive(engine, Right.CORRECT, subject_id, law.law_named("gdpr"), by_id="desk", at=NOW)
    request = register.verify(engine, law, asked.request_id, "callback", by_id="desk", now=NOW)
    with lost(engine, "after"), pytest.raises(CommitInDoubt):
        correct(held, request, CALL, NewValue("language", "fr"), searcher, NOW)
    assert "amendment" in opens(held)
