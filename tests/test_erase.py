"""Erasure: after it nothing of the caller can be read, at whatever point an attempt at it died."""

from __future__ import annotations

import os
import shutil
import signal
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, BinaryIO

import pytest

from pipeline.archive import Archive
from pipeline.db import CallRecord, Records
from pipeline.erase import METHOD, SAMPLE_OBJECTS, ErasurePlan, carry_out, plan_erasure
from pipeline.errors import CannotOpen, NotFound, Refused, StoreUnavailable, VerificationFailed
from pipeline.keyfile import KeyFile
from pipeline.keys import open_subject_key
from pipeline.store.local import LocalStore
from pipeline.types import Artifact, ArtifactKind, SealedObject, Status

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = datetime(2026, 11, 20, 14, 3, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
STEPS = ["begun", "sampled", "shredded", "objects_deleted", "rows_deleted", "verified"]
KINDS = [ArtifactKind.REDACTED_AUDIO, ArtifactKind.TRANSCRIPT, ArtifactKind.MANIFEST]


@dataclass(frozen=True, slots=True)
class Custody:
    """A folder with everything in it: key file, database, store."""

    folder: Path
    root: KeyFile
    records: Records
    archive: Archive

    def subject_id(self, last: int) -> str:
        """The subject behind 202-555-01xx."""
        return self.root.subject_id(f"+120255501{last:02}")

    def store_call(self, call_id: str, last: int = 43, audio_bytes: int = 3 << 20) -> CallRecord:
        """A stored call of that subject with three artifacts."""
        key = self.records.subject_for(self.subject_id(last), self.root, NOW)
        call = CallRecord(call_id, key.subject_id, "a" * 64, "f" * 64, NOW, status=Status.STORED)
        self.records.start_call(replace(call, status=None))
        artifacts = []
        for kind in KINDS:
            size = audio_bytes if kind is ArtifactKind.REDACTED_AUDIO else 100
            sealed = self.archive.put(call_id, kind, key, b"x" * size)
            artifacts.append(Artifact(sealed, NOW, LATER, "2026-11 recording: policy"))
        self.records.finish_call(call, artifacts, NOW)
        return call

    def stored_keys(self) -> set[str]:
        """Names of all objects in the store."""
        return {found.key for found in self.archive.store.list()}


def custody_in(folder: Path) -> Custody:
    """Opens, or makes, what is in the folder."""
    root = KeyFile.load_or_create(folder / "keys" / "root.json")
    records = Records.open(f"sqlite:///{folder}/records/callseal.db")
    return Custody(folder, root, records, Archive(LocalStore(folder / "store")))


@pytest.fixture(name="custody")
def _custody(tmp_path: Path) -> Iterator[Custody]:
    custody = custody_in(tmp_path / "data")
    yield custody
    custody.records.close()


def _erase(custody: Custody, plan: ErasurePlan) -> None:
    carry_out(plan, custody.records, custody.archive, custody.root, LATER)


def _assert_erased(custody: Custody, plan: ErasurePlan) -> None:
    assert custody.stored_keys().isdisjoint(plan.object_keys)
    assert custody.records.count_rows(plan.key_ids, plan.call_ids, plan.object_keys) == 0
    assert custody.records.pending_erasures() == ()


def test_plan_changes_nothing(custody: Custody) -> None:
    """A plan says what there is, by id and count, and everything stays."""
    custody.store_call("CA01")
    custody.store_call("CA02")
    before = custody.stored_keys()
    plan = plan_erasure(custody.records, custody.subject_id(43))
    assert plan.call_ids == ("CA01", "CA02")
    assert set(plan.object_keys) == before
    assert plan.kinds == {"redacted_audio": 2, "transcript": 2, "manifest": 2}
    assert plan.size_bytes == 2 * ((3 << 20) + 200)
    assert custody.records.pending_erasures() == ()
    assert custody.stored_keys() == before
    assert custody.records.call("CA01") is not None


def test_erased_means_erased(custody: Custody) -> None:
    """Objects, rows and key are gone; another caller's stay and open; the report says how that was checked."""
    custody.store_call("CA01")
    other = custody.store_call("CA02", last=44)
    plan = plan_erasure(custody.records, custody.subject_id(43))
    report = carry_out(plan, custody.records, custody.archive, custody.root, LATER)
    _assert_erased(custody, plan)
    assert (report.plan, report.requested_at, report.finished_at, report.method) == (plan, LATER, LATER, METHOD)
    assert (report.copies_tried, report.copies_opened_before) == (3, 3)
    key = custody.records.subject_for(other.subject_id, custody.root, NOW)
    for artifact in custody.records.artifacts("CA02"):
        assert custody.archive.read(artifact.sealed, "CA02", key)


def test_nothing_held_is_not_found(custody: Custody) -> None:
    """A caller of whom nothing is held is NotFound, before and after an erasure."""
    with pytest.raises(NotFound):
        plan_erasure(custody.records, custody.subject_id(43))
    custody.store_call("CA01")
    _erase(custody, plan_erasure(custody.records, custody.subject_id(43)))
    with pytest.raises(NotFound):
        plan_erasure(custody.records, custody.subject_id(43))


def test_done_twice_is_done_once(custody: Custody) -> None:
    """Carrying out a finished plan again gives the same report and touches nothing that came since."""
    custody.store_call("CA01")
    plan = plan_erasure(custody.records, custody.subject_id(43))
    first = carry_out(plan, custody.records, custody.archive, custody.root, LATER)
    custody.store_call("CA02")
    before = custody.stored_keys()
    assert carry_out(plan, custody.records, custody.archive, custody.root, LATER + timedelta(days=9)) == first
    assert custody.stored_keys() == before
    assert len(custody.records.erasures_of_subject(plan.subject_id)) == 1


def test_what_came_after_the_plan_goes_too(custody: Custody) -> None:
    """A call that was stored between plan and erasure is erased and reported with the rest."""
    custody.store_call("CA01")
    plan = plan_erasure(custody.records, custody.subject_id(43))
    custody.store_call("CA02")
    report = carry_out(plan, custody.records, custody.archive, custody.root, LATER)
    assert report.plan.call_ids == ("CA01", "CA02")
    assert sum(report.plan.kinds.values()) == len(report.plan.object_keys) == 6
    assert custody.stored_keys() == set()
    _assert_erased(custody, report.plan)


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_it_can_be_finished(custody: Custody, step: str) -> None:
    """A process killed after a step leaves an erasure that a new process finds, finishes and verifies."""
    custody.store_call("CA01")
    custody.store_call("CA02", last=44)
    first = plan_erasure(custody.records, custody.subject_id(43))
    custody.records.close()
    assert _killed_after(step, custody.folder, first) == -signal.SIGKILL
    again = custody_in(custody.folder)
    assert [found.erasure_id for found in again.records.pending_erasures()] == [first.erasure_id]
    if STEPS.index(step) >= STEPS.index("shredded"):
        assert again.records.subject_key(first.subject_id) is None
    plan = plan_erasure(again.records, first.subject_id)
    assert plan == replace(first, resumed=True)
    report = carry_out(plan, again.records, again.archive, again.root, LATER + timedelta(hours=1))
    _assert_erased(again, first)
    assert (report.requested_at, report.finished_at) == (LATER, LATER + timedelta(hours=1))
    assert report.plan.resumed
    assert len(again.records.artifacts("CA02")) == len(KINDS)
    again.records.close()


def _killed_after(step: str, folder: Path, plan: ErasurePlan) -> int:
    """Exit code of a process that erases and kills itself after ``step``."""

    def observe(reached: str) -> None:
        if reached == step:
            os.kill(os.getpid(), signal.SIGKILL)

    pid = os.fork()
    if pid == 0:
        try:
            custody = custody_in(folder)
            carry_out(plan, custody.records, custody.archive, custody.root, LATER, observe=observe)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_copies_of_everything_but_the_key_stay_shut(custody: Custody, tmp_path: Path) -> None:
    """Somebody with a copy of the store from before, the key file and the database of today opens nothing."""
    custody.store_call("CA01")
    key = custody.records.subject_for(custody.subject_id(43), custody.root, NOW)
    sealed = [artifact.sealed for artifact in custody.records.artifacts("CA01")]
    shutil.copytree(custody.folder / "store", tmp_path / "stolen")
    stolen = Archive(LocalStore(tmp_path / "stolen"))
    assert all(stolen.open(found, "CA01", key).read(1) for found in sealed)
    _erase(custody, plan_erasure(custody.records, key.subject_id))
    assert custody.records.subject_key(key.subject_id) is None
    today = custody.records.subject_for(key.subject_id, custody.root, LATER)
    for found in sealed:
        with pytest.raises(CannotOpen):
            stolen.open(found, "CA01", today)


def test_sample_is_bounded(custody: Custody) -> None:
    """However many objects there are, only a few are copied, and each of them opened before."""
    for number in range(3):
        custody.store_call(f"CA{number}", audio_bytes=1000)
    report = carry_out(
        plan_erasure(custody.records, custody.subject_id(43)), custody.records, custody.archive, custody.root, LATER
    )
    assert report.copies_tried == report.copies_opened_before == SAMPLE_OBJECTS


def test_object_lost_before_is_no_hindrance(custody: Custody) -> None:
    """An object that somebody removed, or damaged, does not keep the rest from being erased."""
    custody.store_call("CA01")
    lost, damaged, _ = sorted(custody.stored_keys())
    custody.archive.store.delete(lost)
    (custody.folder / "store" / damaged[:2] / damaged).write_bytes(b"damaged")
    report = carry_out(
        plan_erasure(custody.records, custody.subject_id(43)), custody.records, custody.archive, custody.root, LATER
    )
    assert (report.copies_tried, report.copies_opened_before) == (2, 1)
    _assert_erased(custody, report.plan)


@dataclass(frozen=True, slots=True)
class _Keeping(LocalStore):
    """A store that says it deleted and did not, as one with versions or a lock does."""

    def delete(self, key: str) -> None:
        del key


@dataclass(frozen=True, slots=True)
class _Failing(LocalStore):
    """A store that cannot be reached for deletions."""

    def delete(self, key: str) -> None:
        raise StoreUnavailable(f"object {key} cannot be reached")


def test_store_that_keeps_what_it_deletes_is_found_out(custody: Custody) -> None:
    """If objects are still listed, the erasure fails, stays pending, and succeeds once they can be removed."""
    custody.store_call("CA01")
    plan = plan_erasure(custody.records, custody.subject_id(43))
    keeping = Archive(_Keeping(custody.folder / "store"))
    with pytest.raises(VerificationFailed, match="3 objects"):
        carry_out(plan, custody.records, keeping, custody.root, LATER)
    assert [found.erasure_id for found in custody.records.pending_erasures()] == [plan.erasure_id]
    _erase(custody, plan_erasure(custody.records, plan.subject_id))
    _assert_erased(custody, plan)


def test_store_outage_leaves_it_pending_and_unreadable(custody: Custody) -> None:
    """If the store fails half way, the key is destroyed already and the erasure can be finished later."""
    custody.store_call("CA01")
    plan = plan_erasure(custody.records, custody.subject_id(43))
    with pytest.raises(StoreUnavailable):
        carry_out(plan, custody.records, Archive(_Failing(custody.folder / "store")), custody.root, LATER)
    assert custody.records.subject_key(plan.subject_id) is None
    _erase(custody, plan_erasure(custody.records, plan.subject_id))
    _assert_erased(custody, plan)


@dataclass(frozen=True, slots=True)
class _Unreadable(LocalStore):
    """A store that can delete and list but not be read."""

    def open(self, key: str) -> BinaryIO:
        raise StoreUnavailable(f"object {key} cannot be reached")


def test_sample_that_cannot_be_taken_stops_nothing(custody: Custody) -> None:
    """Where nothing can be read, the erasure goes on without copies and its report says that it tried none."""
    custody.store_call("CA01")
    plan = plan_erasure(custody.records, custody.subject_id(43))
    unreadable = Archive(_Unreadable(custody.folder / "store"))
    report = carry_out(plan, custody.records, unreadable, custody.root, LATER)
    assert (report.copies_tried, report.copies_opened_before) == (0, 0)
    _assert_erased(custody, plan)


def test_lost_root_key_stops_nothing(custody: Custody, tmp_path: Path) -> None:
    """A caller whose key was made under another root key can be erased; the copies did not open before either."""
    custody.store_call("CA01")
    plan = plan_erasure(custody.records, custody.subject_id(43))
    other = KeyFile.create(tmp_path / "other.json")
    report = carry_out(plan, custody.records, custody.archive, other, LATER)
    assert (report.copies_tried, report.copies_opened_before) == (3, 0)
    _assert_erased(custody, plan)


class _Surviving(Records):
    """Records whose subject key survives shredding, as in a database that was put back from a backup."""

    __slots__ = ()

    def shred_subject_key(self, subject_id: str) -> None:
        del subject_id

    def delete_subject_rows(self, subject_id: str) -> None:
        del subject_id


def test_key_that_survives_is_found_out(custody: Custody) -> None:
    """If the copies still open afterwards, the erasure fails and says how many; it never reports success."""
    custody.store_call("CA01")
    plan = plan_erasure(custody.records, custody.subject_id(43))
    with pytest.raises(VerificationFailed, match="3 copies still open"):
        carry_out(plan, _Surviving(custody.records.engine), custody.archive, custody.root, LATER)
    assert len(custody.records.pending_erasures()) == 1


def test_job_in_flight_cannot_bring_it_back(custody: Custody) -> None:
    """A result that is ready while its caller is erased is refused, and its object opens with nothing that is left."""
    call = custody.store_call("CA01")
    key = custody.records.subject_for(call.subject_id, custody.root, NOW)
    sealed = custody.archive.put("CA01", ArtifactKind.TRANSCRIPT, key, b"late")
    _erase(custody, plan_erasure(custody.records, call.subject_id))
    with pytest.raises(Refused):
        custody.records.finish_call(call, [Artifact(sealed, NOW, LATER, "rule")], LATER)
    assert custody.archive.unreferenced(custody.records.object_keys(), datetime.now(UTC)) == (sealed.object_key,)


def test_intake_that_changed_callers_goes_with_its_key(custody: Custody) -> None:
    """An object under the caller's key is erased with the caller, also when its call belongs to another by now."""
    key = custody.records.subject_for(custody.subject_id(43), custody.root, NOW)
    other = custody.records.subject_for(custody.subject_id(44), custody.root, NOW)
    begun = CallRecord("CA01", key.subject_id, "a" * 64, "f" * 64, NOW)
    custody.records.start_call(begun)
    intake: SealedObject = custody.archive.put("CA01", ArtifactKind.INTAKE, key, b"original")
    custody.records.add_artifacts("CA01", [Artifact(intake, NOW, LATER, "rule")])
    custody.records.start_call(replace(begun, subject_id=other.subject_id))
    plan = plan_erasure(custody.records, key.subject_id)
    assert (plan.call_ids, plan.object_keys) == ((), (intake.object_key,))
    _erase(custody, plan)
    assert custody.stored_keys() == set()
    assert custody.records.artifacts("CA01") == ()
    assert custody.records.call("CA01") is not None


def test_ledger_and_reports_hold_ids_only(custody: Custody) -> None:
    """Neither plan, report nor ledger shows a wrapped key, a number or a byte of content."""
    custody.store_call("CA01")
    key = custody.records.subject_key(custody.subject_id(43))
    assert key is not None
    plan = plan_erasure(custody.records, key.subject_id)
    report = carry_out(plan, custody.records, custody.archive, custody.root, LATER)
    (erasure,) = custody.records.erasures_of_subject(key.subject_id)
    shown = repr((plan, report, erasure))
    assert repr(key.wrapped_key) not in shown
    assert "2025550143" not in shown
    with pytest.raises(CannotOpen):
        open_subject_key(custody.root, replace(key, wrapped_key=b""))
