"""Whatever change of a file a process dies before: the call is there whole or not at all; leavings are ciphertext."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from pipeline.archive import place
from pipeline.build import custody
from pipeline.config import load_settings
from pipeline.errors import CannotOpen
from pipeline.keys import OpenSubjectKey, open_subject_key
from pipeline.types import ArtifactKind, Status
from tests import scripted
from tests.product import needles, run, sightings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.custody import Custody

pytestmark = pytest.mark.faults

KILLED = -9
STORED = {"redacted_audio", "transcript", "consent_record", "manifest"}


@dataclass(frozen=True)
class Death:
    """An attempt that was killed: how, what it left, and what a second attempt made of it."""

    point: str
    died: int
    again: int
    left: Path
    after: Path


@dataclass(frozen=True)
class Opened:
    """A data folder with the caller's key."""

    held: Custody
    subject: OpenSubjectKey | None

    def kinds(self) -> set[str]:
        """Kinds of the call's artifacts, every one of which opens."""
        artifacts = [each.sealed for each in self.held.records.artifacts("CA-scripted")]
        for each in artifacts:
            assert self.subject
            assert self.held.archive.read(each, "CA-scripted", self.subject)
        return {each.kind.value for each in artifacts}


@pytest.fixture(name="deaths", scope="module")
def _deaths(tmp_path_factory: pytest.TempPathFactory) -> list[Death]:
    folder = tmp_path_factory.mktemp("crash")
    done = run(folder, program=(sys.executable, "-m", "tests.crash"))
    assert done.code == 0, done.err
    told = [json.loads(line) for line in done.out.splitlines()]
    return [Death(**each, left=folder / f"{each['point']}-left", after=folder / each["point"]) for each in told]


def _opened(data_dirs: list[Path]) -> Iterator[Opened]:
    for data_dir in data_dirs:
        held = custody(load_settings(data_dir))
        key = held.records.subject_key(held.root.subject_id(scripted.CALLER))
        yield Opened(held, open_subject_key(held.root, key) if key else None)
        held.records.close()


def test_every_change_was_tried(deaths: list[Death]) -> None:
    """Each change of a file was a point to die at, until an attempt had none left."""
    assert [each.point for each in deaths if each.died != KILLED] == [deaths[-1].point]
    assert deaths[-1].died == 0
    assert len(deaths) > 15


def test_stored_by_the_second_attempt(deaths: list[Death]) -> None:
    """Delivered again, the call is stored, whole."""
    assert {death.again for death in deaths} == {0}
    for opened in _opened([death.after for death in deaths]):
        assert opened.kinds() == STORED
        call = opened.held.records.call("CA-scripted")
        assert call
        assert call.status is Status.STORED


def test_never_half_stored(deaths: list[Death]) -> None:
    """Right after a death the records hold the whole call or nothing of it."""
    for opened in _opened([death.left for death in deaths]):
        assert opened.kinds() in (set(), STORED)


def test_what_is_left_opens_for_nobody(deaths: list[Death]) -> None:
    """Of an object without a row no file holds the key, and no file holds a word of the call."""
    left_over = 0
    for death, opened in zip(deaths, _opened([death.after for death in deaths]), strict=True):
        known = opened.held.records.artifacts("CA-scripted")
        orphans = {each.key for each in opened.held.archive.store.list()} - opened.held.records.object_keys()
        left_over += len(orphans)
        database = b"".join(path.read_bytes() for path in death.after.glob("callseal.db*"))
        assert not any(orphan.encode() in database for orphan in orphans)
        for where in (place("CA-scripted", kind, orphan) for orphan in orphans for kind in ArtifactKind):
            for artifact in known:
                assert opened.subject
                with pytest.raises(CannotOpen):
                    opened.subject.unwrap(artifact.sealed.wrapped_key, where)
    assert left_over > 0  # else this has looked at nothing
    wanted = needles(scripted.NAME, scripted.CARD, scripted.CALLER, scripted.ORDINARY)
    assert sightings(wanted, *(place for death in deaths for place in (death.left, death.after))) == []
