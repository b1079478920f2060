"""Whatever change of a file tightening dies before, one result is there whole; done again, it is the new one."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest

from models.fakes import FakeRecognizer
from pipeline.config import load_settings
from pipeline.export import export_call
from pipeline.run import process
from pipeline.sweep import GRACE, sweep
from pipeline.tighten import tighten
from tests import scripted
from tests.product import files, needles, sightings
from tests.test_flow import NOW, STORED, Place
from tests.test_tighten import CALL, LINES, SMALL_TALK, policy_with

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from pipeline.run import Rooms

pytestmark = pytest.mark.faults

TOUCHES: Final = {"open", "os.link", "os.remove", "os.mkdir", "os.rename"}
NEVER: Final = 0


def _rooms(data: Path, *, strict: bool) -> Rooms:
    names = {scripted.NAME: "PERSON", SMALL_TALK: "ORGANIZATION"}
    rooms = replace(scripted.rooms(load_settings(data), LINES), recognizer=lambda: FakeRecognizer(names))
    policy = policy_with(rooms.redaction, "ORGANIZATION", redact=True)
    return replace(rooms, redaction=policy, fingerprint="1" * 64) if strict else rooms


def _attempt(data: Path, die_at: int) -> int:
    """Tighten in a child that dies just before the ``die_at``-th change of a file in the store."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    code, count = 1, itertools.count(1)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in TOUCHES and str(arguments[0]).startswith(f"{data}/objects"):
            reads = event == "open" and not int(arguments[2] or 0) & os.O_CREAT
            if not reads and next(count) == die_at:
                os.kill(os.getpid(), signal.SIGKILL)

    try:
        rooms = _rooms(data, strict=True)
        sys.addaudithook(hook)
        tighten(CALL, rooms, NOW)
        code = 0
    finally:
        os._exit(code)


def _result(data: Path) -> str:
    """Which result is there; it leaves whole, with every hash as its row says."""
    rooms = _rooms(data, strict=True)
    export_call(CALL, data / "out", rooms.archive, rooms.records, rooms.root, NOW)
    kinds = {each.sealed.kind.value for each in rooms.records.artifacts(CALL)}
    rooms.records.close()
    assert kinds == STORED
    text = (data / "out" / "transcript.vtt").read_text()
    shutil.rmtree(data / "out")
    return "old" if SMALL_TALK in text else "new"


def _age(objects: Path, known: Collection[str]) -> None:
    """Let what no row knows be far behind the newest object, as it is a day after a death."""
    there = [path for path in objects.rglob("*") if path.is_file()]
    then = max(path.stat().st_mtime for path in there) - 2 * GRACE.total_seconds()
    for path in there:
        if path.name not in known:
            os.utime(path, (then, then))


def test_a_death_at_any_change_leaves_one_whole_result(tmp_path: Path) -> None:
    """The old one until the row changes, the new one from then on; done again, the new one and nothing beside it."""
    fresh = tmp_path / "fresh"
    lenient = _rooms(fresh, strict=False)
    process(Place(tmp_path, lenient).deliver(), lenient, NOW)
    lenient.records.close()
    found = []
    for number in itertools.count(1):
        data = shutil.copytree(fresh, tmp_path / f"touch-{number}")
        died = _attempt(data, number)
        found.append(_result(data))
        assert _attempt(data, NEVER) == 0
        assert _result(data) == "new"
        rooms = _rooms(data, strict=True)
        _age(data / "objects", rooms.records.object_keys())
        sweep(rooms.archive, rooms.records, NOW.replace(year=2100))
        rooms.records.close()
        assert len(files(data / "objects")) == len(STORED)
        assert not sightings(needles(scripted.NAME, scripted.CARD, scripted.CALLER, SMALL_TALK), data)
        if died == 0:
            break
    assert len(found) > 10
    assert found == sorted(found, reverse=True)
    assert {"old", "new"} == set(found)
