"""Sweeping: what a process that died left behind goes once it is old; what is known, young or not ours stays."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from pipeline.build import custody
from pipeline.config import load_settings
from pipeline.keys import open_subject_key
from pipeline.roles import Role
from pipeline.sweep import GRACE, Swept, sweep
from pipeline.types import ArtifactKind
from tests import scripted
from tests.product import files, objects

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.custody import Custody
    from tests.real import Here

pytest_plugins = ("tests.real",)

NOW = datetime.now(UTC)
OLD = GRACE + timedelta(minutes=5)
STORED = sorted({"redacted_audio", "transcript", "consent_record", "manifest"})


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


def _age(tmp_path: Path, keys: set[str], by: timedelta = OLD) -> None:
    then = (datetime.now(UTC) - by).timestamp()
    for path in files(tmp_path / "data" / "objects"):
        if path.name in keys:
            os.utime(path, (then, then))


def _unknown(held: Custody) -> set[str]:
    """Objects that no row knows."""
    return {each.key for each in held.archive.store.list()} - held.records.object_keys()


@pytest.mark.parametrize(("age", "stays"), [(GRACE - timedelta(minutes=5), True), (OLD, False)])
def test_the_command_sweeps(held: Custody, tmp_path: Path, acted: Here, age: timedelta, *, stays: bool) -> None:
    """``process`` removes what others left more than a day ago, and nothing younger."""
    lost = _lost(held)
    _age(tmp_path, lost, age)
    assert _process(acted, tmp_path) == 0
    assert _unknown(held) == (lost if stays else set())
    assert len(held.records.object_keys()) == len(STORED)


def test_known_objects_are_never_swept(held: Custody, tmp_path: Path) -> None:
    """However old it is, an object that a row knows stays."""
    before = {each.key for each in held.archive.store.list()}
    _age(tmp_path, {*list(before)[1:]}, timedelta(days=3650))
    assert sweep(held.archive, held.records, NOW) == Swept()
    assert {each.key for each in held.archive.store.list()} == before == held.records.object_keys()


def test_unfinished_writes_are_swept(held: Custody, tmp_path: Path) -> None:
    """A write that was cut off is removed once it is old enough."""
    partial = tmp_path / "data" / "objects" / "partial"
    (partial / "0123.cut").write_bytes(b"sealed")
    assert sweep(held.archive, held.records, NOW) == Swept()
    _age(tmp_path, {"0123.cut"})
    assert sweep(held.archive, held.records, NOW) == Swept(unfinished=1)
    assert files(partial) == []


def test_a_clock_that_is_ahead_sweeps_nothing(held: Custody, tmp_path: Path) -> None:
    """What another process is writing at this moment stays, however old one's own clock says that it is."""
    lost = _lost(held)
    partial = tmp_path / "data" / "objects" / "partial" / "0123.cut"
    partial.write_bytes(b"sealed")
    assert sweep(held.archive, held.records, NOW + timedelta(days=30)) == Swept()
    assert (_unknown(held), partial.exists()) == (lost, True)


def test_a_large_store_is_left_alone(held: Custody, tmp_path: Path) -> None:
    """A store with more objects than a sweep may cost is not looked through."""
    lost = _lost(held)
    _age(tmp_path, lost)
    assert sweep(held.archive, held.records, NOW, at_most=len(STORED)) == Swept()
    assert _unknown(held) == lost
    assert sweep(held.archive, held.records, NOW, at_most=len(STORED) + 1) == Swept(objects=1)


def test_a_strange_database_sweeps_nothing(held: Custody, tmp_path: Path) -> None:
    """A database that knows next to nothing of the store is the wrong one, and must not empty it."""
    other = custody(load_settings(tmp_path / "other"), Role.WORKER)
    before = objects(tmp_path / "data")
    assert sweep(held.archive, other.records, NOW) == Swept()
    assert objects(tmp_path / "data") == before
    _age(tmp_path, _lost(held, 2 * len(STORED) + 1))
    assert sweep(held.archive, held.records, NOW) == Swept()
    other.records.close()
