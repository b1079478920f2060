"""An archive handed to the workers: calls wait behind those of today, few at a time, and a report says what became."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from pipeline import jobs
from pipeline.build import custody
from pipeline.config import load_settings
from pipeline.errors import Refused
from pipeline.handover import Door, hand_over
from pipeline.intake.fetch_object import BucketRule
from pipeline.intake.sources import entries
from pipeline.roles import Role
from tests import scripted
from tests.test_flow import NOW

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.config import Settings
    from pipeline.custody import Custody
    from pipeline.intake.sources import Entry
    from pipeline.run import Rooms


@dataclass
class Line:
    """A queue, an archive, and a worker that works whenever the one who hands in has to wait.

    Args:
        waited: how many calls waited each time.
    """

    settings: Settings
    held: Custody
    rooms: Rooms
    client: Any
    archive: Path
    waited: list[int] = field(default_factory=list)

    def work(self, _wait_s: float) -> None:
        """Carry on whatever waits."""
        waiting = [job for job in jobs.latest(self.client, 100) if self._waits(job.call_id)]
        self.waited.append(len(waiting))
        for job in waiting:
            jobs.try_call(job.call_id, self.rooms, self.settings.fetch_rule, NOW)

    def _waits(self, call_id: str) -> bool:
        record = self.held.records.call(call_id)
        return record is not None and record.status is None

    @property
    def found(self) -> list[Entry]:
        """The calls of the archive."""
        return entries(str(self.archive), BucketRule())

    @property
    def door(self) -> Door:
        """Where they are handed in."""
        limit = self.settings.audio.max_bytes
        return Door(self.held, self.rooms.retention, limit, self.client, lambda: NOW, self.work)


@pytest.fixture(name="line")
def _line(tmp_path: Path) -> Iterator[Line]:
    """Three calls, of which one has no id of its own, and a file that is no recording."""
    settings, archive = load_settings(tmp_path / "data"), tmp_path / "archive"
    archive.mkdir()
    for name in ("a", "b", "c"):
        raw = bytearray(scripted.recording())
        raw[-2:] = name.encode() * 2  # another recording by its digest
        (archive / f"{name}.wav").write_bytes(raw)
    for name in ("a", "b"):
        (archive / f"{name}.json").write_bytes(scripted.metadata(call_id=f"CA-{name}"))
    (archive / "c.json").write_bytes(scripted.metadata(call_id=None))
    (archive / "d.mp3").write_bytes(b"no recording")
    held, rooms = custody(settings, Role.INGEST), scripted.rooms(settings)
    with jobs.queue(settings) as client:
        yield Line(settings, held, rooms, client, archive)
    held.records.close()
    rooms.records.close()


def test_workers_do_an_archive(line: Line) -> None:
    """Every call is stored, or quarantined for a reason that is told by its number; each is seen when it is done."""
    seen: list[int] = []
    report = hand_over(line.found, line.door, observe=lambda entry: seen.append(entry.number), ahead=2)
    assert (report.statuses, report.failures) == ({"stored": 3}, {"BadAudio": 1})
    assert [each["number"] for each in report.failed] == [4]
    assert sorted(seen) == [1, 2, 3, 4]
    assert report.audio_s == pytest.approx(3 * scripted.DURATION_S, abs=0.1)
    assert max(line.waited) <= 2
    assert {job.priority for job in jobs.latest(line.client, 100)} == {jobs.ARCHIVE}


def test_what_waits_already_is_waited_for_and_what_is_done_is_left(line: Line) -> None:
    """A run that ended while calls were waiting goes on: none is handed in twice, done ones are repeated."""

    class StoppedError(Exception):
        """The run is stopped while calls wait."""

    def stop(_wait_s: float) -> None:
        raise StoppedError

    door = line.door
    with pytest.raises(StoppedError):
        hand_over(line.found[:3], Door(door.held, door.retention, door.max_bytes, door.client, door.clock, stop))
    before = line.held.records.object_keys()
    report = hand_over(line.found[:3], door)
    assert report.statuses == {"stored": 3}
    assert max(line.waited) == 3
    assert not before & line.held.records.object_keys()  # the originals that waited are gone, and nothing else came
    assert hand_over(line.found[:3], door).statuses == {"repeated": 3}
    assert len(jobs.latest(line.client, 100)) == 3


def test_a_call_that_may_not_be_processed_is_told(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was erased is refused and named by its number; the others go on."""

    def refused(_ledger: Any, call_id: str, *_: Any) -> None:
        if call_id == "CA-a":
            raise Refused("the call was erased")

    monkeypatch.setattr("pipeline.erasure.ledger.Ledger.refuse_erased", refused)
    report = hand_over(line.found[:3], line.door)
    assert (report.statuses, report.skipped) == ({"stored": 2}, {"refused": 1})
    assert [each["number"] for each in report.refused] == [1]
