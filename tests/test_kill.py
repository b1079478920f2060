"""A process that is killed at any moment loses nothing and does nothing twice; what it left behind is swept."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from pipeline.build import custody
from pipeline.config import load_settings
from pipeline.export import export_call
from pipeline.keys import open_subject_key
from pipeline.roles import Role
from pipeline.sweep import GRACE, Swept, sweep
from pipeline.types import ArtifactKind, Status
from tests import kill_child, scripted
from tests.product import files, needles, objects, run, sightings

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.custody import Custody
    from tests.real import Here

pytest_plugins = ("tests.real",)

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
LATER = datetime.now(UTC) + timedelta(days=1)
EARLIER = datetime.now(UTC) - timedelta(days=1)
STORED = sorted({"redacted_audio", "transcript", "consent_record", "manifest"})
SECRETS = needles(scripted.NAME, scripted.CARD, scripted.CALLER, scripted.ORDINARY)


@dataclass(frozen=True)
class Deaths:
    """What ``tests.kill_child`` left in a folder: by point, how the attempts ended."""

    folder: Path
    ended: dict[str, tuple[int, int]]

    def custody(self, name: str) -> Custody:
        """Store, records and key of one data folder."""
        return custody(load_settings(self.folder / name))


@pytest.fixture(name="deaths", scope="module")
def _deaths(tmp_path_factory: pytest.TempPathFactory) -> Deaths:
    folder = tmp_path_factory.mktemp("deaths")
    done = run(folder, program=(sys.executable, "-m", "tests.kill_child"))
    assert done.code == 0, done.err
    lines = [json.loads(line) for line in done.out.splitlines()]
    return Deaths(folder, {line["point"]: (line["died"], line["again"]) for line in lines})


def _unknown(held: Custody) -> set[str]:
    """Objects that no row knows."""
    return {each.key for each in held.archive.store.list()} - held.records.object_keys()


def _stored_once(held: Custody, to: Path) -> None:
    """The call is stored, has each artifact once, every one of them opens, and it can be exported."""
    call = held.records.call("CA-scripted")
    assert call
    assert (call.status, call.fingerprint) == (Status.STORED, kill_child.OTHER_MODELS)
    artifacts = [each.sealed for each in held.records.artifacts("CA-scripted")]
    assert sorted(each.kind.value for each in artifacts) == STORED
    key = held.records.subject_key(call.subject_id)
    assert key
    subject = open_subject_key(held.root, key)
    assert all(held.archive.read(each, "CA-scripted", subject) for each in artifacts)
    assert len(export_call("CA-scripted", to, held.archive, held.records, held.root, NOW)) == 5
    assert [event.what for event in held.records.events("CA-scripted")].count("exported") == 1
    assert len(held.records.calls_of_subject(call.subject_id)) == 1


@pytest.mark.faults
def test_every_point_was_tried(deaths: Deaths) -> None:
    """Each stage and each removal of what was replaced killed the process; the last attempt had none left to die at."""
    removals = [f"removal-{number}" for number in range(1, len(STORED) + 3)]  # the old artifacts, the original, none
    assert list(deaths.ended) == [*kill_child.STAGES, *removals]
    assert [died for died, _ in deaths.ended.values()] == [-9] * (len(deaths.ended) - 1) + [0]


@pytest.mark.faults
def test_after_a_kill_no_row_is_without_its_object(deaths: Deaths) -> None:
    """Whenever it dies, every row has its object, and a call that is finished opens."""
    for name in deaths.ended:
        held = deaths.custody(f"{name}-left")
        assert all(held.archive.store.stat(key) for key in held.records.object_keys()), name
        call = held.records.call("CA-scripted")
        if call and call.status:
            files_out = export_call("CA-scripted", deaths.folder / "x", held.archive, held.records, held.root, NOW)
            assert len(files_out) == 5, name
        held.records.close()


@pytest.mark.faults
def test_what_a_kill_leaves_is_sealed(deaths: Deaths) -> None:
    """No file that a dead process left holds a word of the call or its caller."""
    for name in deaths.ended:
        left = deaths.folder / f"{name}-left"
        assert files(left), name
        assert sightings(SECRETS, left) == [], name


@pytest.mark.faults
def test_processed_again_it_is_stored_once(deaths: Deaths) -> None:
    """The same call, delivered again after the kill, ends with one result that opens; what is left over is swept."""
    for name, (_, again) in deaths.ended.items():
        assert again == 0, name
        held = deaths.custody(name)
        unknown = _unknown(held)
        assert unknown or name in ("intake", list(deaths.ended)[-1]), name  # else there is nothing to sweep
        assert sweep(held.archive, held.records, EARLIER) == Swept()
        assert _unknown(held) == unknown
        assert sweep(held.archive, held.records, LATER).objects == len(unknown), name
        assert len(objects(deaths.folder / name)) == len(STORED), name
        _stored_once(held, deaths.folder / f"{name}-out")
        held.records.close()


@pytest.fixture(name="held")
def _held(tmp_path: Path, acted: Here) -> Custody:
    """A data folder with one stored call."""
    (tmp_path / "call.wav").write_bytes(scripted.recording())
    (tmp_path / "call.json").write_bytes(scripted.metadata())
    assert _process(acted, tmp_path) == 0
    return custody(load_settings(tmp_path / "data"), Role.WORKER)


def _process(acted: Here, folder: Path) -> int:
    arguments = (folder / "call.wav", "--metadata", folder / "call.json", "--data-dir", folder / "data", "--json")
    return acted("process", *arguments).code


def _lost(held: Custody, count: int = 1) -> set[str]:
    """Objects without a row, as a death leaves them."""
    call = held.records.call("CA-scripted")
    key = call and held.records.subject_key(call.subject_id)
    assert key
    subject = open_subject_key(held.root, key)
    put = held.archive.put
    return {put("CA-lost", ArtifactKind.INTAKE, subject, b"lost").object_key for _ in range(count)}


def _age(tmp_path: Path, keys: set[str], by: timedelta) -> None:
    then = (datetime.now(UTC) - by).timestamp()
    for path in files(tmp_path / "data" / "objects"):
        if path.name in keys:
            os.utime(path, (then, then))


@pytest.mark.parametrize(
    ("age", "stays"), [(GRACE - timedelta(minutes=5), True), (GRACE + timedelta(minutes=5), False)]
)
def test_the_command_sweeps(held: Custody, tmp_path: Path, acted: Here, age: timedelta, *, stays: bool) -> None:
    """``process`` removes what others left more than a day ago, and nothing younger."""
    lost = _lost(held)
    _age(tmp_path, lost | held.records.object_keys(), age)
    assert _process(acted, tmp_path) == 0
    assert _unknown(held) == (lost if stays else set())
    assert len(held.records.object_keys()) == len(STORED)


def test_known_objects_are_never_swept(held: Custody) -> None:
    """However old it is, an object that a row knows stays."""
    before = {each.key for each in held.archive.store.list()}
    assert sweep(held.archive, held.records, LATER + timedelta(days=36_500)) == Swept()
    assert {each.key for each in held.archive.store.list()} == before == held.records.object_keys()


def test_unfinished_writes_are_swept(held: Custody, tmp_path: Path) -> None:
    """A write that was cut off is removed once it is old enough."""
    partial = tmp_path / "data" / "objects" / "partial"
    (partial / "0123.cut").write_bytes(b"sealed")
    assert sweep(held.archive, held.records, EARLIER) == Swept()
    assert sweep(held.archive, held.records, LATER) == Swept(unfinished=1)
    assert files(partial) == []


def test_a_large_store_is_left_alone(held: Custody) -> None:
    """A store with more objects than a sweep may cost is not looked through."""
    lost = _lost(held)
    assert sweep(held.archive, held.records, LATER, at_most=len(STORED)) == Swept()
    assert _unknown(held) == lost
    assert sweep(held.archive, held.records, LATER, at_most=len(STORED) + 1) == Swept(objects=1)


def test_a_strange_database_sweeps_nothing(held: Custody, tmp_path: Path) -> None:
    """A database that knows next to nothing of the store is the wrong one, and must not empty it."""
    other = custody(load_settings(tmp_path / "other"), Role.WORKER)
    before = objects(tmp_path / "data")
    assert sweep(held.archive, other.records, LATER) == Swept()
    assert objects(tmp_path / "data") == before
    _lost(held, 2 * len(STORED) + 1)
    assert sweep(held.archive, held.records, LATER) == Swept()
    other.records.close()
