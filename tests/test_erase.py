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
from pipeline.config import shipped_configs
from pipeline.db import CallRecord, Records
from pipeline.erasure.erase import METHOD, ErasureReport, carry_out, finished_report
from pipeline.erasure.plan import ErasurePlan, plan_erasure
from pipeline.erasure.proof import SAMPLE_OBJECTS
from pipeline.errors import CannotOpen, Locked, NotFound, Refused, StoreUnavailable, VerificationFailed
from pipeline.keys import open_subject_key
from pipeline.keys.file import KeyFile
from pipeline.keys.shares import Shares
from pipeline.retention import holds, retain
from pipeline.retention.release import carry_out_freed
from pipeline.store.local import LocalStore
from pipeline.types import Artifact, ArtifactKind, SealedObject
from tests.held import KINDS, LATER, NOW, Held, held_in, snapshot

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

RETENTION = retain.load_policy(shipped_configs() / "retention.toml")
STEPS = ["begun", "sampled", "shredded", "revoked", "objects_deleted", "rows_deleted", "backups_reached", "verified"]


@pytest.fixture(name="held")
def _held(tmp_path: Path) -> Iterator[Held]:
    held = held_in(tmp_path / "data")
    yield held
    held.close()


def _erase(held: Held, plan: ErasurePlan, at: datetime = LATER) -> ErasureReport:
    return carry_out(plan, held, lambda: at)


def _assert_erased(held: Held, plan: ErasurePlan) -> None:
    assert held.stored_keys().isdisjoint(plan.object_keys)
    assert held.records.count_rows(plan.key_ids, plan.call_ids, plan.object_keys) == 0
    assert held.records.pending_erasures() == ()


def test_plan_changes_nothing(held: Held) -> None:
    """A plan says what there is, by id and count, and everything stays."""
    held.store_call("CA01")
    held.store_call("CA02")
    before = held.stored_keys()
    plan = plan_erasure(held.records, held.subject_id(43))
    assert plan.call_ids == ("CA01", "CA02")
    assert set(plan.object_keys) == before
    assert plan.kinds == {"redacted_audio": 2, "transcript": 2, "manifest": 2}
    assert plan.size_bytes == 2 * ((3 << 20) + 200)
    assert held.records.pending_erasures() == ()
    assert held.stored_keys() == before
    assert held.records.call("CA01") is not None


def test_erased_means_erased(held: Held) -> None:
    """Objects, rows and key are gone; another caller's stay and open; the report says how that was checked."""
    held.store_call("CA01")
    other = held.store_call("CA02", last=44)
    plan = plan_erasure(held.records, held.subject_id(43))
    report = _erase(held, plan)
    _assert_erased(held, plan)
    assert (report.plan, report.requested_at, report.finished_at, report.method) == (plan, LATER, LATER, METHOD)
    assert (report.proof.copies_tried, report.proof.copies_opened_before) == (3, 3)
    key = held.records.subject_for(other.subject_id, held.root, NOW)
    for artifact in held.records.artifacts("CA02"):
        assert held.archive.read(artifact.sealed, "CA02", key)


def test_nothing_held_is_not_found(held: Held) -> None:
    """A caller of whom nothing is held is NotFound, before and after an erasure."""
    with pytest.raises(NotFound):
        plan_erasure(held.records, held.subject_id(43))
    held.store_call("CA01")
    _erase(held, plan_erasure(held.records, held.subject_id(43)))
    with pytest.raises(NotFound):
        plan_erasure(held.records, held.subject_id(43))


def test_done_twice_is_done_once(held: Held) -> None:
    """Carrying out a finished plan again gives the same report and touches nothing that came since."""
    held.store_call("CA01")
    plan = plan_erasure(held.records, held.subject_id(43))
    first = _erase(held, plan)
    held.store_call("CA02")
    before = held.stored_keys()
    assert _erase(held, plan, LATER + timedelta(days=9)) == first
    assert held.stored_keys() == before
    assert len(held.records.erasures_of_subject(plan.subject_id)) == 1


def test_what_came_after_the_plan_goes_too(held: Held) -> None:
    """A call that was stored between plan and erasure is erased and reported with the rest."""
    held.store_call("CA01")
    plan = plan_erasure(held.records, held.subject_id(43))
    held.store_call("CA02")
    report = _erase(held, plan)
    assert report.plan.call_ids == ("CA01", "CA02")
    assert sum(report.plan.kinds.values()) == len(report.plan.object_keys) == 6
    assert held.stored_keys() == set()
    _assert_erased(held, report.plan)


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_it_can_be_finished(held: Held, step: str) -> None:
    """A process killed after a step leaves an erasure that a new process finds, finishes and verifies."""
    held.store_call("CA01")
    held.store_call("CA02", last=44)
    first = plan_erasure(held.records, held.subject_id(43))
    held.close()
    assert _killed_after(step, held.folder, first) == -signal.SIGKILL
    again = held_in(held.folder)
    assert [found.erasure_id for found in again.records.pending_erasures()] == [first.erasure_id]
    if STEPS.index(step) >= STEPS.index("shredded"):
        assert again.records.subject_key(first.subject_id) is None
    plan = plan_erasure(again.records, first.subject_id)
    assert plan == replace(first, resumed=True)
    report = _erase(again, plan, LATER + timedelta(hours=1))
    _assert_erased(again, first)
    assert (report.requested_at, report.finished_at) == (LATER, LATER + timedelta(hours=1))
    assert report.plan.resumed
    assert len(again.records.artifacts("CA02")) == len(KINDS)
    again.close()


def _killed_after(step: str, folder: Path, plan: ErasurePlan) -> int:
    """Exit code of a process that erases and kills itself after ``step``."""

    def observe(reached: str) -> None:
        if reached == step:
            os.kill(os.getpid(), signal.SIGKILL)

    pid = os.fork()
    if pid == 0:
        try:
            held = held_in(folder)
            carry_out(plan, held, lambda: LATER, observe=observe)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_old_copies_of_store_and_database_stay_shut(held: Held, tmp_path: Path) -> None:
    """With the store and the database as they were before, and the key file and key side of today, nothing opens."""
    held.store_call("CA01")
    other = held.store_call("CA02", last=44)
    shutil.copytree(held.folder / "store", tmp_path / "old" / "store")
    snapshot(held.folder / "records" / "callseal.db", tmp_path / "old" / "records" / "callseal.db")
    _erase(held, plan_erasure(held.records, held.subject_id(43)))
    old = Records.open(f"sqlite:///{tmp_path}/old/records/callseal.db")
    stolen = Archive(LocalStore(tmp_path / "old" / "store"))
    wrapped = old.subject_key(held.subject_id(43))
    assert wrapped
    assert len(old.artifacts("CA01")) == len(KINDS)
    with pytest.raises(CannotOpen, match="share"):
        open_subject_key(held.root, wrapped)
    today = held.records.subject_for(held.subject_id(43), held.root, LATER)
    for each in old.artifacts("CA01"):
        with pytest.raises(CannotOpen):
            stolen.open(each.sealed, "CA01", today)
    kept = old.subject_key(other.subject_id)
    assert kept
    key = open_subject_key(held.root, kept)
    assert all(stolen.read(each.sealed, "CA02", key) for each in old.artifacts("CA02"))
    old.close()


def test_found_by_either_number(held: Held) -> None:
    """The company's side is found too: its calls go, other calls of their customers stay and open under a new key."""
    held.store_call("CA01", agent=90)
    held.store_call("CA02", agent=91)
    held.store_call("CA03", last=44, agent=90)
    before = {last: held.records.subject_key_ids(held.subject_id(last)) for last in (43, 44)}
    plan = plan_erasure(held.records, held.subject_id(90))
    assert (plan.call_ids, plan.as_customer, plan.as_company) == (("CA01", "CA03"), 0, 2)
    assert set(plan.key_ids) == {key for keys in before.values() for key in keys}
    report = _erase(held, plan)
    _assert_erased(held, report.plan)
    assert held.opens("CA02")
    assert held.records.call("CA02")
    assert held.records.subject_key_ids(held.subject_id(43)) != before[43]
    assert held.records.subject_key_ids(held.subject_id(44)) == ()
    held.store_call("CA04", last=44)
    assert held.opens("CA04")


def test_a_copy_from_before_opens_nothing_of_a_part(held: Held, tmp_path: Path) -> None:
    """Where only some of a customer's calls go, an old copy of store and database opens none of those either."""
    held.store_call("CA01", agent=90)
    held.store_call("CA02", agent=91)
    shutil.copytree(held.folder / "store", tmp_path / "store")
    old = [each.sealed for each in held.records.artifacts("CA01")]
    wrapped = held.records.subject_key(held.subject_id(43))
    assert wrapped
    _erase(held, plan_erasure(held.records, held.subject_id(90)))
    with pytest.raises(CannotOpen):
        open_subject_key(held.root, wrapped)
    today = held.records.subject_for(held.subject_id(43), held.root, LATER)
    for sealed in old:
        with pytest.raises(CannotOpen):
            Archive(LocalStore(tmp_path / "store")).open(sealed, "CA01", today)


def test_both_sides_of_the_same_number(held: Held) -> None:
    """A person who calls and is called goes with all of their calls, each counted once."""
    held.store_call("CA01", last=43, agent=43)
    held.store_call("CA02", last=44, agent=43)
    plan = plan_erasure(held.records, held.subject_id(43))
    assert (plan.as_customer, plan.as_company) == (1, 1)
    _assert_erased(held, _erase(held, plan).plan)
    assert held.stored_keys() == set()


def test_sample_is_bounded(held: Held) -> None:
    """However many objects there are, only a few are copied, and each of them opened before."""
    for number in range(3):
        held.store_call(f"CA{number}", audio_bytes=1000)
    report = _erase(held, plan_erasure(held.records, held.subject_id(43)))
    assert report.proof.copies_tried == report.proof.copies_opened_before == SAMPLE_OBJECTS


def test_object_lost_before_is_no_hindrance(held: Held) -> None:
    """An object that somebody removed, or damaged, does not keep the rest from being erased."""
    held.store_call("CA01")
    lost, damaged, _ = sorted(held.stored_keys())
    held.archive.store.delete(lost)
    (held.folder / "store" / damaged[:2] / damaged).write_bytes(b"damaged")
    report = _erase(held, plan_erasure(held.records, held.subject_id(43)))
    assert (report.proof.copies_tried, report.proof.copies_opened_before) == (2, 1)
    _assert_erased(held, report.plan)


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


def test_store_that_keeps_what_it_deletes_is_found_out(held: Held) -> None:
    """If objects are still listed, the erasure fails, stays pending, and succeeds once they can be removed."""
    held.store_call("CA01")
    plan = plan_erasure(held.records, held.subject_id(43))
    with pytest.raises(VerificationFailed, match="3 objects"):
        _erase(held.through(_Keeping(held.folder / "store")), plan)
    assert [found.erasure_id for found in held.records.pending_erasures()] == [plan.erasure_id]
    _erase(held, plan_erasure(held.records, plan.subject_id))
    _assert_erased(held, plan)


def test_store_outage_leaves_it_pending_and_unreadable(held: Held) -> None:
    """If the store fails half way, the key is destroyed already and the erasure can be finished later."""
    held.store_call("CA01")
    plan = plan_erasure(held.records, held.subject_id(43))
    with pytest.raises(StoreUnavailable):
        _erase(held.through(_Failing(held.folder / "store")), plan)
    assert held.records.subject_key(plan.subject_id) is None
    _erase(held, plan_erasure(held.records, plan.subject_id))
    _assert_erased(held, plan)


@dataclass(frozen=True, slots=True)
class _Locking(LocalStore):
    """A store that keeps recordings until a date, whoever asks."""

    def delete(self, key: str) -> None:
        if (self.folder / key[:2] / key).stat().st_size > 1 << 20:
            raise Locked(key, LATER)
        LocalStore.delete(self, key)


def test_locked_object_is_named_with_its_date(held: Held) -> None:
    """What the store must keep until a date opens nothing, and is reported as a copy that is left until then."""
    held.store_call("CA01")
    report = _erase(held.through(_Locking(held.folder / "store")), plan_erasure(held.records, held.subject_id(43)))
    (left,) = report.residual
    assert (left.place_id, left.expires_at, left.opens) == (*held.stored_keys(), LATER, False)
    assert held.records.count_rows(report.plan.key_ids, report.plan.call_ids, report.plan.object_keys) == 0
    assert finished_report(held, report.plan.erasure_id) == report


@dataclass(frozen=True, slots=True)
class _Unreadable(LocalStore):
    """A store that can delete and list but not be read."""

    def open(self, key: str) -> BinaryIO:
        raise StoreUnavailable(f"object {key} cannot be reached")


def test_sample_that_cannot_be_taken_stops_nothing(held: Held) -> None:
    """Where nothing can be read, the erasure goes on without copies and its report says that it tried none."""
    held.store_call("CA01")
    plan = plan_erasure(held.records, held.subject_id(43))
    report = _erase(held.through(_Unreadable(held.folder / "store")), plan)
    assert (report.proof.copies_tried, report.proof.copies_opened_before) == (0, 0)
    _assert_erased(held, plan)


def test_lost_root_key_stops_nothing(held: Held, tmp_path: Path) -> None:
    """A caller whose key was made under another root key can be erased; the copies did not open before either."""
    held.store_call("CA01")
    plan = plan_erasure(held.records, held.subject_id(43))
    other = KeyFile.create(tmp_path / "other.json")
    report = _erase(replace(held, root=other), plan)
    assert (report.proof.copies_tried, report.proof.copies_opened_before) == (3, 0)
    _assert_erased(held, plan)


@dataclass(frozen=True, slots=True)
class _Surviving(Shares):
    """A key side that keeps what it destroys, as one that was put back from a copy."""

    def destroy(self, key_ids: Collection[str]) -> int:
        return len(key_ids)


def test_key_that_survives_is_found_out(held: Held) -> None:
    """If an old copy of the database still opens the copies, the erasure fails and says how many; it never succeeds."""
    held.store_call("CA01")
    plan = plan_erasure(held.records, held.subject_id(43))
    with pytest.raises(VerificationFailed, match="3 copies still open, and so do 1 old keys"):
        _erase(replace(held, shares=_Surviving(held.shares.engine)), plan)
    assert len(held.records.pending_erasures()) == 1
    _erase(held, plan_erasure(held.records, held.subject_id(43)))
    assert held.records.pending_erasures() == ()


def test_job_in_flight_cannot_bring_it_back(held: Held) -> None:
    """A result that is ready while its caller is erased is refused, and its object opens with nothing that is left."""
    call = held.store_call("CA01")
    key = held.records.subject_for(call.subject_id, held.root, NOW)
    sealed = held.archive.put("CA01", ArtifactKind.TRANSCRIPT, key, b"late")
    _erase(held, plan_erasure(held.records, call.subject_id))
    with pytest.raises(Refused):
        held.records.finish_call(call, [Artifact(sealed, NOW, LATER, "rule")], LATER)
    assert held.archive.unreferenced(held.records.object_keys(), datetime.now(UTC)) == (sealed.object_key,)


def test_intake_that_changed_callers_goes_with_its_key(held: Held) -> None:
    """An object under the caller's key is erased with the caller, also when its call belongs to another by now."""
    key = held.records.subject_for(held.subject_id(43), held.root, NOW)
    other = held.records.subject_for(held.subject_id(44), held.root, NOW)
    begun = CallRecord("CA01", key.subject_id, "a" * 64, "f" * 64, NOW)
    held.records.start_call(begun)
    intake: SealedObject = held.archive.put("CA01", ArtifactKind.INTAKE, key, b"original")
    held.records.add_artifacts("CA01", [Artifact(intake, NOW, LATER, "rule")])
    held.records.start_call(replace(begun, subject_id=other.subject_id))
    plan = plan_erasure(held.records, key.subject_id)
    assert (plan.call_ids, plan.object_keys) == ((), (intake.object_key,))
    _erase(held, plan)
    assert held.stored_keys() == set()
    assert held.records.artifacts("CA01") == ()
    assert held.records.call("CA01") is not None


def test_ledger_and_reports_hold_ids_only(held: Held) -> None:
    """Neither plan, report nor ledger shows a wrapped key, a number or a byte of content."""
    held.store_call("CA01")
    key = held.records.subject_key(held.subject_id(43))
    assert key is not None
    plan = plan_erasure(held.records, key.subject_id)
    report = _erase(held, plan)
    (erasure,) = held.records.erasures_of_subject(key.subject_id)
    shown = repr((plan, report, erasure))
    assert repr(key.wrapped_key) not in shown
    assert "2025550143" not in shown
    with pytest.raises(CannotOpen):
        open_subject_key(held.root, replace(key, wrapped_key=b""))


def _hold(held: Held, call_id: str | None = None, last: int | None = None) -> holds.Hold:
    scope = holds.Scope(call_id, None if last is None else held.subject_id(last))
    order = holds.Order("case-7", "counsel", "litigation")
    hold = holds.new_hold(holds.HoldKind.LEGAL, scope, order, now=NOW, review_at=LATER)
    holds.add_hold(held.records.engine, hold)
    return hold


def test_held_call_stays_and_opens(held: Held) -> None:
    """Of a caller with a held call the others go, for good; the held one opens, and goes when the hold ends."""
    held.store_call("CA01")
    held.store_call("CA02")
    old = held.records.subject_key(held.subject_id(43))
    hold = _hold(held, "CA02")
    plan = plan_erasure(held.records, held.subject_id(43))
    assert (plan.call_ids, [kept.call_id for kept in plan.kept]) == (("CA01",), ["CA02"])
    assert "case case-7: litigation" in plan.kept[0].reason
    _assert_erased(held, _erase(held, plan).plan)
    assert old
    with pytest.raises(CannotOpen):
        open_subject_key(held.root, old)
    assert held.opens("CA02")
    assert held.ledger.erased_calls(["CA01", "CA02"]) == {"CA01"}
    holds.release_hold(held.records.engine, hold.hold_id, by_id="counsel", reason="settled", now=LATER)
    assert carry_out_freed(held, RETENTION, LATER) == {"erasure": 1}
    assert (held.records.call("CA02"), held.stored_keys(), held.shares.held()) == (None, set(), frozenset())


def test_all_held_is_refused(held: Held) -> None:
    """Where every call is held nothing is erased, which is said, and remembered until the hold ends."""
    held.store_call("CA01")
    hold = _hold(held, last=43)
    plan = plan_erasure(held.records, held.subject_id(43))
    assert plan.empty
    with pytest.raises(Refused, match=f"{hold.hold_id}, case case-7"):
        _erase(held, plan)
    assert held.opens("CA01")
    assert held.ledger.rows() == []
    holds.release_hold(held.records.engine, hold.hold_id, by_id="counsel", reason="settled", now=LATER)
    carry_out_freed(held, RETENTION, LATER)
    assert held.stored_keys() == set()


def test_hold_that_comes_late_wins(held: Held) -> None:
    """A hold that is written after the plan keeps its call, and the erasure of the rest is verified all the same."""
    held.store_call("CA01")
    held.store_call("CA02")

    def observe(step: str) -> None:
        if step == "sampled":
            _hold(held, "CA02")

    plan = plan_erasure(held.records, held.subject_id(43))
    report = carry_out(plan, held, lambda: LATER, observe=observe)
    assert (report.plan.call_ids, [kept.call_id for kept in report.plan.kept]) == (("CA01",), ["CA02"])
    assert held.opens("CA02")
    assert held.ledger.erased_calls(["CA01", "CA02"]) == {"CA01"}
