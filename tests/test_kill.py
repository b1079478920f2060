"""A process that is killed at any moment loses nothing and does nothing twice; what it left behind is swept."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from pipeline.archive import place
from pipeline.build import custody
from pipeline.config import load_settings
from pipeline.errors import CannotOpen
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

pytestmark = pytest.mark.faults

NOW = datetime.now(UTC)
STORED = sorted({"redacted_audio", "transcript", "consent_record", "manifest"})
KILLED = -9
SECRETS = needles(scripted.NAME, scripted.CARD, scripted.CALLER, scripted.ORDINARY)


@dataclass(frozen=True)
class Deaths:
    """What ``tests.kill_child`` left in a folder: by point, how the attempts ended."""

    folder: Path
    ended: dict[str, tuple[int, int]]

    def custody(self, name: str) -> Custody:
        """Store, records and key of one data folder."""
        return custody(load_settings(self.folder / name), Role.PRIVACY_OFFICER)


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


def _known(held: Custody) -> frozenset[str]:
    return held.records.object_keys()


def _age(data: Path, names: set[str]) -> None:
    then = (NOW - 2 * GRACE).timestamp()  # far behind the newest, however long the deaths took
    for name in names:
        os.utime(data / "objects" / name, (then, then))


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


def test_every_point_was_tried(deaths: Deaths) -> None:
    """Each stage, change of a file and removal of what was replaced killed the process, until there was none left."""
    removals = [f"removal-{number}" for number in range(1, len(STORED) + 3)]  # the old artifacts, the original, none
    touches = [name for name in deaths.ended if name.startswith("touch")]
    assert list(deaths.ended) == [*kill_child.STAGES, *touches, *removals]
    assert len(touches) > 15
    assert [name for name, (died, _) in deaths.ended.items() if died != KILLED] == [touches[-1], removals[-1]]
    assert deaths.ended[touches[-1]] == deaths.ended[removals[-1]] == (0, 0)


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


def test_what_a_kill_leaves_is_sealed(deaths: Deaths) -> None:
    """No file that a dead process left holds a word of the call or its caller."""
    for name in deaths.ended:
        left = deaths.folder / f"{name}-left"
        assert files(left), name
        assert sightings(SECRETS, left) == [], name


def test_processed_again_it_is_stored_once(deaths: Deaths) -> None:
    """The same call, delivered again after the kill, ends with one result that opens; what is left over is swept."""
    swept = 0
    for name, (_, again) in deaths.ended.items():
        assert again == 0, name
        held = deaths.custody(name)
        unknown = _unknown(held)
        assert sweep(held.archive, held.records, NOW) == Swept()
        _age(deaths.folder / name, {key for key in objects(deaths.folder / name) if key[-32:] not in _known(held)})
        assert sweep(held.archive, held.records, NOW).objects == len(unknown), name
        swept += len(unknown)
        assert len(objects(deaths.folder / name)) == len(STORED), name
        _stored_once(held, deaths.folder / f"{name}-out")
        held.records.close()
    assert swept > len(kill_child.STAGES)  # else there was nothing to sweep


def test_what_is_left_opens_for_nobody(deaths: Deaths) -> None:
    """Of an object without a row no file holds the key."""
    looked_at = 0
    for name in deaths.ended:
        left = deaths.folder / f"{name}-left"
        held = deaths.custody(f"{name}-left")
        database = b"".join(path.read_bytes() for path in left.glob("callseal.db*"))
        key = held.records.subject_key(held.root.subject_id(scripted.CALLER))
        known = held.records.artifacts("CA-scripted")
        for orphan in _unknown(held):
            assert orphan.encode() not in database, name
            for where in (place("CA-scripted", kind, orphan) for kind in ArtifactKind):
                for artifact in known:
                    assert key
                    with pytest.raises(CannotOpen):
                        open_subject_key(held.root, key).unwrap(artifact.sealed.wrapped_key, where)
                    looked_at += 1
        held.records.close()
    assert looked_at > 0
