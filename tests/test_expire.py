"""Expiry: what is past its date goes, key first; what is held waits; killed anywhere, the next run ends it."""

from __future__ import annotations

import itertools
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.erasure.erase import carry_out
from pipeline.erasure.plan import plan_erasure
from pipeline.errors import CannotOpen, StoreUnavailable
from pipeline.keys import open_subject_key
from pipeline.keys.rotate import rotate_subject
from pipeline.retention import expire as expiry
from pipeline.retention import holds
from pipeline.retention.expire import Expired, expire, survey
from pipeline.retention.holds import HoldKind, Order, Scope
from pipeline.retention.release import carry_out_freed
from pipeline.retention.retain import Fate, load_policy
from pipeline.types import ArtifactKind, SealedObject, Status
from tests.kept import DAY, KINDS, NOW, kept_in, number, object_keys, store_call
from tests.product import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from pipeline.custody import Custody
    from pipeline.retention.holds import Hold

POLICY = load_policy(Path(__file__).parents[1] / "configs" / "retention.toml")
INTAKE = {ArtifactKind.INTAKE: 7, ArtifactKind.CONSENT_RECORD: 1827}


@pytest.fixture(name="held")
def _held(tmp_path: Path, url: str) -> Iterator[Custody]:
    held = kept_in(tmp_path / "data", url)
    yield held
    held.records.close()


def _run(held: Custody, now: datetime) -> Expired:
    return expire(held.archive, held.records, POLICY, now)


def _hold(held: Custody, scope: Scope, kind: HoldKind = HoldKind.LEGAL) -> Hold:
    order = Order("case-7", "counsel", "a claim")
    made = holds.new_hold(kind, scope, order, now=NOW, review_at=NOW + DAY)
    holds.add_hold(held.records.engine, made)
    return made


def _fates(done: Expired) -> dict[tuple[str, str], str]:
    return {(each.held.call_id, each.held.artifact.sealed.kind.value): each.fate.value for each in done.artifacts}


def test_a_dry_run_explains_everything_and_changes_nothing(held: Custody) -> None:
    """Every artifact has a fate and a reason that names date and rule; a run then does just that."""
    store_call(held, "CA-due", days=1)
    store_call(held, "CA-later", days=9)
    store_call(held, "CA-held", days=1)
    made = _hold(held, Scope(call_id="CA-held"))
    before = object_keys(held)
    found = survey(held.records, POLICY, NOW + DAY)
    kinds = [kind.value for kind in KINDS]
    assert _fates(found) == {
        (call_id, kind): fate
        for call_id, fate in (("CA-due", "delete"), ("CA-later", "keep"), ("CA-held", "hold"))
        for kind in kinds
    }
    assert all("2026-11 recording: policy" in each.reason for each in found.artifacts)
    assert {each.hold_ids for each in found.artifacts} == {(), (made.hold_id,)}
    assert object_keys(held) == before
    done = _run(held, NOW + DAY)
    assert done.artifacts == tuple(each for each in found.artifacts if each.fate is not Fate.KEEP)
    assert {each.call_id for each in survey_kept(held)} == {"CA-later", "CA-held"}
    assert held.records.object_keys() == object_keys(held)
    assert [event.what for event in held.records.events("CA-due")] == ["begun", "finished", "expired", "expired"]


def survey_kept(held: Custody) -> list[Any]:
    """What is left."""
    return [each.held for each in survey(held.records, POLICY, NOW).artifacts]


def test_done_twice_it_does_nothing(held: Custody) -> None:
    """A second run finds nothing to delete, and the same holds."""
    store_call(held, "CA01")
    store_call(held, "CA02")
    _hold(held, Scope(call_id="CA02"))
    _run(held, NOW + DAY)
    before = object_keys(held), held.records.events("CA01")
    done = _run(held, NOW + DAY)
    assert {each.fate for each in done.artifacts} == {Fate.HOLD}
    assert (object_keys(held), held.records.events("CA01")) == before


def test_a_release_deletes_what_waited_and_nothing_else(held: Custody) -> None:
    """What two holds kept goes with the last of them; a call that became due meanwhile waits for the next run."""
    store_call(held, "CA01", days=1)
    store_call(held, "CA02", days=2)
    first, second = _hold(held, Scope()), _hold(held, Scope(call_id="CA01"), HoldKind.RESTRICTION)
    _run(held, NOW + DAY)
    engine = held.records.engine
    holds.release_hold(engine, first.hold_id, by_id="counsel", reason="settled", now=NOW)
    assert carry_out_freed(held, POLICY, NOW + 2 * DAY) == {}
    assert {each.call_id for each in survey_kept(held)} == {"CA01", "CA02"}
    holds.release_hold(engine, second.hold_id, by_id="dpo", reason="corrected", now=NOW)
    assert carry_out_freed(held, POLICY, NOW + 2 * DAY) == {"expiry": 2}
    assert {each.call_id for each in survey_kept(held)} == {"CA02"}
    assert carry_out_freed(held, POLICY, NOW + 2 * DAY) == {}


@pytest.mark.parametrize("portion", [1, 2, 3, 100])
def test_more_than_a_portion(held: Custody, monkeypatch: pytest.MonkeyPatch, portion: int) -> None:
    """However much is due, all of it goes, and what is held among it stays."""
    monkeypatch.setattr(expiry, "PORTION", portion)
    kinds, calls = dict.fromkeys(KINDS, 1), 5
    for each in range(calls):
        store_call(held, f"CA{each:03}", days=kinds)
    _hold(held, Scope(call_id="CA001"))
    done = _run(held, NOW + DAY)
    assert len(done.artifacts) == calls * len(kinds) == len(_fates(done))
    assert {each.call_id for each in survey_kept(held)} == {"CA001"}
    assert len(object_keys(held)) == len(kinds)


# Quarantine and rows


def test_a_quarantined_call_that_nobody_decided_about_is_discarded(held: Custody) -> None:
    """After its days its original goes and it is discarded; its consent record stays; a held one waits on."""
    for call_id in ("CA01", "CA-held"):
        store_call(held, call_id, status=Status.QUARANTINED, days=INTAKE)
    _hold(held, Scope(call_id="CA-held"))
    assert _run(held, NOW + 6 * DAY).discarded == ()
    assert survey(held.records, POLICY, NOW + 7 * DAY).discarded == ("CA01",)
    assert _run(held, NOW + 7 * DAY).discarded == ("CA01",)
    found = held.records.call("CA01")
    assert found is not None
    assert (found.status, found.summary["status"]) == (Status.DISCARDED, "discarded")
    assert [each.sealed.kind for each in held.records.artifacts("CA01")] == [ArtifactKind.CONSENT_RECORD]
    assert held.records.events("CA01")[-1].what == "quarantine_expired"
    waiting = held.records.call("CA-held")
    assert waiting is not None
    assert waiting.status is Status.QUARANTINED
    assert _run(held, NOW + 7 * DAY).discarded == ()


def test_a_row_goes_when_nothing_else_is_left_of_its_call(held: Custody) -> None:
    """Not before its days are over, not while an artifact is left, not while it is held; its history goes with it."""
    store_call(held, "CA01", days=1)
    store_call(held, "CA-kept", days=99)
    store_call(held, "CA-held", days={})
    _hold(held, Scope(call_id="CA-held"))
    refused = store_call(held, "CA-refused", status=Status.QUARANTINED, days={})
    assert survey(held.records, POLICY, NOW + 30 * DAY).forgotten == ("CA-refused", "CA01")
    assert _run(held, NOW + 29 * DAY).forgotten == ()
    assert _run(held, NOW + 30 * DAY).forgotten == ("CA-refused", "CA01")
    assert (held.records.call("CA01"), held.records.call(refused.call_id)) == (None, None)
    assert held.records.count_rows([], ["CA01", "CA-refused"], []) == 0
    assert held.records.call("CA-kept") is not None
    assert held.records.call("CA-held") is not None


# What can go wrong


class StuckStore:
    """A store that cannot delete, as under an object lock; everything else is the store's own."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def delete(self, _key: str) -> None:
        """Refuses."""
        raise StoreUnavailable("locked")


def _opens(held: Custody, call_id: str, sealed: SealedObject) -> bool:
    call = held.records.call(call_id)
    key = call and held.records.subject_key(call.subject_id)
    assert key
    try:
        held.archive.read(sealed, call_id, open_subject_key(held.root, key))
    except CannotOpen:
        return False
    return True


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_what_the_store_does_not_delete_cannot_be_opened_and_is_tried_again(held: Custody, tmp_path: Path) -> None:
    """The data key is destroyed first, in the database's files too; a hold that comes later does not bring it back."""
    store_call(held, "CA01")
    before = [each.sealed for each in held.records.artifacts("CA01")]
    assert all(_opens(held, "CA01", each) for each in before)
    with pytest.raises(StoreUnavailable, match="2 objects"):
        expire(replace(held.archive, store=StuckStore(held.archive.store)), held.records, POLICY, NOW + DAY)
    assert len(object_keys(held)) == len(before)
    assert not any(_opens(held, "CA01", each.sealed) for each in held.records.artifacts("CA01"))
    database = b"".join(path.read_bytes() for path in (tmp_path / "records").iterdir())
    assert not any(each.wrapped_key in database for each in before)
    _hold(held, Scope())
    assert {each.reason.rpartition("; ")[2] for each in _run(held, NOW + DAY).artifacts} == {
        "its key is destroyed already"
    }
    assert object_keys(held) == set() == held.records.object_keys()


def test_an_erasure_takes_what_an_expiry_left_halfway(held: Custody) -> None:
    """Artifacts without a key are put under another subject key, held and erased like all others."""
    store_call(held, "CA01")
    store_call(held, "CA02", days=99)
    with pytest.raises(StoreUnavailable):
        expire(replace(held.archive, store=StuckStore(held.archive.store)), held.records, POLICY, NOW + DAY)
    rotate_subject(held.records.engine, held.root, held.root.subject_id(number(43)), NOW + DAY)
    made = _hold(held, Scope(call_id="CA01"))
    carry_out(plan_erasure(held.records, held.root.subject_id(number(43))), held, lambda: NOW + DAY)
    assert (len(object_keys(held)), held.records.call("CA02")) == (2, None)
    holds.release_hold(held.records.engine, made.hold_id, by_id="counsel", reason="settled", now=NOW)
    carry_out(plan_erasure(held.records, held.root.subject_id(number(43))), held, lambda: NOW + DAY)
    assert (object_keys(held), held.records.call("CA01")) == (set(), None)


def _die_at(folder: Path, point: int) -> int:
    """Runs the expiry in a child that kills itself before the ``point``-th step or change; its exit status."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            held = kept_in(folder)
            count = itertools.count(1)

            def step(_name: str) -> None:
                if next(count) == point:
                    os.kill(os.getpid(), signal.SIGKILL)

            sys.addaudithook(lambda event, _arguments: step(event) if event == "os.remove" else None)
            expire(held.archive, held.records, POLICY, NOW + 30 * DAY, observe=step)
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_killed_anywhere_it_is_completed_by_the_next_run(tmp_path: Path) -> None:
    """Wherever it dies, no key is left without its object, what is held opens, and a second run ends as one alone."""
    died = []
    for point in itertools.count(1):
        folder = tmp_path / f"at-{point}"
        held = kept_in(folder)
        store_call(held, "CA01")
        store_call(held, "CA02", last=44)
        store_call(held, "CA-held", last=45)
        store_call(held, "CA-waiting", status=Status.QUARANTINED, days=INTAKE)
        _hold(held, Scope(call_id="CA-held"))
        held.records.close()
        died.append(_die_at(folder, point))
        held = kept_in(folder)
        stored = object_keys(held)
        for call_id in ("CA01", "CA02", "CA-held", "CA-waiting"):
            for each in held.records.artifacts(call_id):
                assert not each.sealed.wrapped_key or each.sealed.object_key in stored, point
        assert all(_opens(held, "CA-held", each.sealed) for each in held.records.artifacts("CA-held")), point
        _run(held, NOW + 30 * DAY)
        left = {each.call_id for each in survey_kept(held)}
        assert (left, len(object_keys(held))) == ({"CA-held", "CA-waiting"}, 3), point
        assert object_keys(held) == held.records.object_keys(), point
        assert (held.records.call("CA01"), held.records.call("CA02")) == (None, None), point
        held.records.close()
        if died[-1] == 0:
            break
    assert died == [*[-9] * (len(died) - 1), 0]
    assert len(died) > 8  # the four steps, and at least the five objects


# The command


def test_the_command(tmp_path: Path) -> None:
    """A dry run explains, a run deletes, each as JSON and as text; --now says which time it is."""
    held = kept_in(tmp_path / "data")
    store_call(held, "CA01")
    at = ("--now", (NOW + DAY).isoformat(), "--data-dir", tmp_path / "data")
    dry = run("retention", "run", "--dry-run", *at, "--json")
    assert dry.code == 0, dry.err
    assert dry.json["counts"] == {"delete": 2}
    early = run("retention", "run", "--now", NOW.isoformat(), "--data-dir", tmp_path / "data", "--json")
    assert (early.json["counts"], early.json["artifacts"]) == ({}, [])
    text = run("retention", "run", "--dry-run", *at).out
    assert "delete  CA01  transcript      kept until 2026-11-21 by 2026-11 recording: policy" in text
    done = run("retention", "run", *at, "--json")
    assert (done.code, done.json["artifacts"]) == (0, dry.json["artifacts"])
    assert object_keys(held) == set()
    held.records.close()
