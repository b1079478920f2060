"""Durable jobs: workers in processes of their own, killed and started again, carry every call to one result."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock

from pipeline import jobs
from pipeline.alive import SILENT_S, Neighbours
from pipeline.build import custody
from pipeline.config import load_settings
from pipeline.errors import NotFound, StoreUnavailable
from pipeline.intake.arrival import Legs, hand_in
from pipeline.metadata import parse_metadata
from pipeline.roles import Role
from pipeline.types import Status
from tests import scripted
from tests.product import needles, objects, sightings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.config import Settings
    from pipeline.custody import Custody
    from pipeline.run import Rooms

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)


@dataclass(frozen=True)
class Line:
    """A data folder with a queue."""

    settings: Settings
    held: Custody
    rooms: Rooms

    def hand_in(self, call_id: str, raw: bytes | None = None) -> None:
        """The scripted call, or another recording, under this id."""
        metadata = parse_metadata(scripted.metadata(call_id=call_id))
        stream = [scripted.recording() if raw is None else raw]
        assert hand_in(Legs([stream]), metadata, self.held, self.rooms.retention, 1 << 24, NOW)

    def work(self, name: str = "one", stage: str = "redact") -> int:
        """A worker's whole life; gives its exit code, negative for the signal that ended it."""
        command = [sys.executable, "-m", "tests.worker_child", str(self.settings.data_dir), name, stage]
        return subprocess.run(command, check=False, timeout=120).returncode

    def status(self, call_id: str) -> Status | None:
        """What became of a call."""
        record = self.held.records.call(call_id)
        assert record is not None
        return record.status

    def whole(self, call_id: str) -> None:
        """One result, all of whose objects are there, and no original."""
        kinds = [artifact.sealed.kind.value for artifact in self.held.records.artifacts(call_id)]
        assert len(kinds) == len(set(kinds))
        assert "redacted_audio" in kinds
        assert not {"intake", "call_metadata"} & set(kinds)

    def strays(self) -> int:
        """Objects that no row knows."""
        return len(set(objects(self.settings.data_dir)) - self.held.records.object_keys())


@pytest.fixture(name="line")
def _line(tmp_path: Path) -> Iterator[Line]:
    settings = load_settings(tmp_path / "data")
    line = Line(settings, custody(settings, Role.INGEST), scripted.rooms(settings))
    yield line
    line.held.records.close()
    line.rooms.records.close()


def test_waiting_calls_are_carried_to_their_result(line: Line) -> None:
    """A worker finds the calls that wait, also those that nobody put into its queue, and ends when none is left."""
    line.hand_in("CA-a")
    line.hand_in("CA-b")
    assert line.work() == 0
    for call_id in ("CA-a", "CA-b"):
        assert line.status(call_id) is Status.STORED
        line.whole(call_id)


def test_the_queue_holds_ids_only(line: Line) -> None:
    """Nothing of what is said, or of whom, and no pickled object is in the queue's tables, errors included."""
    for call_id in ("CA-a", "CA-broken"):
        line.hand_in(call_id)
    assert line.work() == 0
    secret = needles(scripted.CALLER, scripted.NAME, scripted.CARD, scripted.ORDINARY, scripted.KNOWN["PERSON"][0])
    queue = line.settings.data_dir / "jobs.db"
    assert b"CA-broken" in queue.read_bytes()
    assert sightings(secret, queue) == []
    assert b"gASV" not in queue.read_bytes()  # how a pickle begins in base64


@pytest.mark.parametrize("stage", ["transcribe", "seal"])
def test_a_worker_that_is_killed_goes_on_where_it_was(line: Line, stage: str) -> None:
    """The call that was being processed, and the one behind it, are each stored once after a new start."""
    line.hand_in("CA-once")
    line.hand_in("CA-b")
    assert line.work(stage=stage) == -signal.SIGKILL
    assert line.status("CA-once") is None
    assert line.work(stage=stage) == 0
    for call_id in ("CA-once", "CA-b"):
        assert line.status(call_id) is Status.STORED
        line.whole(call_id)


def test_a_call_that_kills_its_workers_does_not_stop_the_queue(line: Line) -> None:
    """It is quarantined with its original after a few tries, and the others are stored."""
    line.hand_in("CA-deadly")
    line.hand_in("CA-b")
    codes = [line.work() for _ in range(jobs.DEADLY + 2)]
    assert codes[-1] == 0
    assert line.status("CA-deadly") is Status.QUARANTINED
    assert {artifact.sealed.kind.value for artifact in line.held.records.artifacts("CA-deadly")} == {
        "intake",
        "call_metadata",
    }
    assert line.status("CA-b") is Status.STORED


@pytest.mark.parametrize(("call_id", "raw"), [("CA-bad", b"no recording"), ("CA-broken", None)])
def test_a_call_that_cannot_be_processed_is_quarantined(line: Line, call_id: str, raw: bytes | None) -> None:
    """Bad input and an error that nobody foresaw cost that call only; its original is kept, its reason recorded."""
    line.hand_in(call_id, raw)
    line.hand_in("CA-b")
    assert line.work() == 0
    assert line.status(call_id) is Status.QUARANTINED
    assert line.held.records.artifacts(call_id)
    assert line.status("CA-b") is Status.STORED


def test_the_same_try_is_queued_once(line: Line) -> None:
    """However often a call is put into the queue, it waits there once, and the line is filled once."""
    line.hand_in("CA-a")
    with jobs.queue(line.settings) as queue:
        for _ in range(10):
            jobs.enqueue(queue, "CA-a", jobs.LIVE)
        assert jobs.enqueue_waiting(queue, line.rooms, NOW) == 0
        assert [(job.call_id, job.state) for job in jobs.latest(queue, 10)] == [("CA-a", "waiting")]


def test_a_cancelled_call_rests_until_it_is_tried_again(line: Line) -> None:
    """It keeps its original, no worker takes it, and ``retry`` puts it back; what does not wait cannot be retried."""
    line.hand_in("CA-a")
    with jobs.queue(line.settings) as queue:
        assert jobs.enqueue_waiting(queue, line.rooms, NOW) == 1
        assert jobs.cancel(queue, "CA-a") == 1
        assert line.work() == 0
        assert line.status("CA-a") is None
        jobs.retry(queue, "CA-a", line.held.records)
        assert line.work() == 0
        assert line.status("CA-a") is Status.STORED
        with pytest.raises(NotFound):
            jobs.retry(queue, "CA-a", line.held.records)


def test_the_end_of_the_queue_is_estimated_from_what_ended(line: Line) -> None:
    """Nothing ended: no estimate; then as many as ended since the first was taken, for as many as are left."""
    line.hand_in("CA-a")
    with jobs.queue(line.settings) as queue:
        jobs.enqueue(queue, "CA-a", jobs.LIVE)
        assert jobs.progress(queue, datetime.now(UTC)) == jobs.Progress(1, 0, None, None)
        assert line.work() == 0
        for call_id in ("CA-b", "CA-c"):
            jobs.enqueue(queue, call_id, jobs.LIVE)
        (done,) = [job for job in jobs.latest(queue, 10) if job.state == "done"]
        assert done.taken_at is not None
        now = done.taken_at + timedelta(minutes=5)
        assert jobs.progress(queue, now) == jobs.Progress(2, 0, pytest.approx(12), now + timedelta(minutes=10))
        assert jobs.progress(queue, now + timedelta(days=1)).ends_at is None


def test_an_error_that_may_pass_leaves_the_call_waiting(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """The try ends with the name of the error; the call is neither stored nor quarantined."""

    def away(*_: object) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(jobs, "process_waiting", away)
    line.hand_in("CA-a")
    assert jobs.try_call("CA-a", line.rooms, line.settings.fetch_rule, NOW) == "StoreUnavailable"
    assert line.status("CA-a") is None


def test_a_silent_worker_is_noticed_once(line: Line) -> None:
    """Of two workers that hear nothing new from a third, one takes over from it; one that left is not missed."""
    gone, here, there = (Neighbours(line.held.records, name) for name in ("gone", "here", "there"))
    assert gone.beat(NOW, 0) == []
    assert here.beat(NOW, 7) == there.beat(NOW, 7) == []
    assert here.beat(LATER, 7 + SILENT_S) == there.beat(LATER, 7 + SILENT_S) == []
    assert here.beat(NOW, 8 + SILENT_S) == ["gone"]
    assert there.beat(NOW, 8 + SILENT_S) == []
    here.leave()
    assert there.beat(LATER, 9 + 2 * SILENT_S) == []


@pytest.mark.parametrize("wrong", [timedelta(days=30), timedelta(days=-30)])
def test_a_worker_whose_clock_is_wrong_is_not_silent(line: Line, wrong: timedelta) -> None:
    """Two workers that speak in turn are alive to each other, however far their clocks are apart."""
    one, other = (Neighbours(line.held.records, name) for name in ("one", "other"))
    for beat in range(4):
        now, steady_s = NOW + timedelta(seconds=40 * beat), 40.0 * beat
        assert one.beat(now, steady_s) == other.beat(now + wrong, 1e6 + steady_s) == []


def test_a_job_that_its_worker_dropped_is_taken_up_again(line: Line) -> None:
    """One that the worker took and does not have goes back into the queue when it is seen so twice, and no other."""
    with jobs.queue(line.settings) as client:
        for call_id in ("CA-a", "CA-b", "CA-c"):
            jobs.enqueue(client, call_id, jobs.LIVE)
        taken = "UPDATE workflow_status SET status = 'PENDING', executor_id = ? WHERE workflow_uuid = ?"
        with closing(sqlite3.connect(line.settings.data_dir / "jobs.db")) as connection, connection:
            connection.executemany(taken, [("one", "CA-a:1"), ("one", "CA-b:1"), ("other", "CA-c:1")])
        seen = jobs.take_up_dropped(client, "one", {"CA-b"}, ())
        assert seen == {"CA-a:1"}
        assert jobs.take_up_dropped(client, "one", {"CA-b"}, seen) == set()
        states = {job.call_id: job.state for job in jobs.latest(client, 9)}
        assert states == {"CA-a": "waiting", "CA-b": "running", "CA-c": "running"}


def test_a_queue_that_is_open_stays_one_queue(line: Line) -> None:
    """Another process that comes and goes does not take the journal from under this one, however often it is opened.

    Closing any descriptor of a database file gives up all locks that the process holds on it (POSIX), and the
    last other process to leave would then remove the journal that this one still reads and writes.
    """
    other = (
        "import sys; from pathlib import Path; from pipeline import jobs; from pipeline.config import load_settings\n"
        "with jobs.queue(load_settings(Path(sys.argv[1]))) as client: jobs.enqueue(client, 'CA-other', jobs.LIVE)"
    )
    journal = line.settings.data_dir / "jobs.db-wal"
    with jobs.queue(line.settings) as client:
        assert not jobs.is_busy(client)
        with jobs.queue(line.settings) as again:
            assert not jobs.is_busy(again)
        before = journal.stat().st_ino
        subprocess.run([sys.executable, "-c", other, str(line.settings.data_dir)], check=True, timeout=120)
        assert journal.stat().st_ino == before
        assert jobs.is_busy(client)


def test_workers_that_start_at_once_prepare_the_queue_one_after_the_other(tmp_path: Path) -> None:
    """Who comes while another changes the journal's mode waits, and fails at nothing that the other holds."""
    settings = load_settings(tmp_path / "data")
    settings.data_dir.mkdir()
    path = settings.jobs_url.removeprefix("sqlite:///")
    with ThreadPoolExecutor(1) as pool, closing(sqlite3.connect(path, isolation_level=None)) as other:
        with FileLock(f"{path}.lock", mode=0o600):
            other.execute("BEGIN IMMEDIATE")  # a mode is not changed beside it, and not waited for
            second = pool.submit(jobs.prepare_queue, settings)
            with pytest.raises(TimeoutError):
                second.result(0.3)
            other.execute("COMMIT")
        assert second.result(20) is None
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
