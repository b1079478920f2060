"""Rotation: new keys, the same objects and the same names; the old key opens nothing; dying anywhere loses nothing."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from pipeline import schema
from pipeline.build import custody
from pipeline.config import load_settings
from pipeline.connect import reading
from pipeline.db import CallRecord, Records
from pipeline.erasure.rows import delete_rows, replace_key
from pipeline.errors import CannotOpen, NotFound, Refused, Temporary, VerificationFailed
from pipeline.keys import open_subject_key, rotate
from pipeline.keys import roots as root_keys
from pipeline.keys.file import KeyFile
from pipeline.keys.rotate import rotate_root, rotate_subject
from pipeline.roles import Role
from pipeline.types import Artifact, ArtifactKind
from tests.kms_server import kms_client, kms_key, kms_url, new_kms_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.archive import Archive
    from pipeline.config import Settings

__all__ = ["kms_client", "kms_key", "kms_url", "new_kms_key"]

NOW = datetime(2026, 11, 24, tzinfo=UTC)
NUMBERS = tuple(f"+1202555{last:04}" for last in range(100, 105))
CONTENT = b"a transcript"


@dataclass
class Used:
    """A data folder with one sealed call for each number."""

    settings: Settings
    archive: Archive
    records: Records
    root: KeyFile

    @classmethod
    def at(cls, folder: Path) -> Used:
        """The folder as it is."""
        settings = load_settings(folder)
        held = custody(settings, Role.PRIVACY_OFFICER)
        return cls(settings, held.archive, held.records, KeyFile.load(settings.key_file))

    def subject_id(self, number: str) -> str:
        """The caller's id."""
        return self.root.subject_id(number)

    def call(self, number: str, call_id: str) -> None:
        """Seals a call."""
        key = self.records.subject_for(self.subject_id(number), self.root, NOW)
        self.records.start_call(CallRecord(call_id, key.subject_id, "a" * 64, "f" * 64, NOW))
        sealed = self.archive.put(call_id, ArtifactKind.TRANSCRIPT, key, CONTENT)
        self.records.add_artifacts(call_id, (Artifact(sealed, NOW, NOW + timedelta(days=1), "rule"),))

    def read_all(self) -> list[bytes]:
        """What every call holds, opened with the keys of the rows."""
        return [self.read(number) for number in NUMBERS]

    def read(self, number: str, root: KeyFile | None = None) -> bytes:
        """What the number's call holds."""
        subject_id = self.subject_id(number)
        key = self.records.subject_key(subject_id)
        assert key is not None
        call = self.records.calls_of_subject(subject_id)[0]
        (artifact,) = self.records.artifacts(call.call_id)
        return self.archive.read(artifact.sealed, call.call_id, open_subject_key(root or self.root, key))

    def objects(self) -> dict[Path, bytes]:
        """Every file of the store."""
        return {path: path.read_bytes() for path in self.settings.store_folder.rglob("*") if path.is_file()}


@pytest.fixture
def used(tmp_path: Path) -> Used:
    """A data folder in use."""
    found = Used.at(tmp_path / "data")
    for number in NUMBERS:
        found.call(number, f"CA{number[-4:]}")
    return found


@pytest.mark.parametrize("kind", ["file", "kms"])
def test_a_root_rotation_changes_nothing_but_the_root(
    used: Used, tmp_path: Path, kind: str, new_kms_key: Callable[[], str]
) -> None:
    """Objects and names stay, everything opens, the old key file opens nothing more, and the old id is known."""
    old_file = Path(shutil.copy2(used.settings.key_file, tmp_path / "old.json"))
    old, objects, names = KeyFile.load(old_file), used.objects(), [used.subject_id(number) for number in NUMBERS]
    kms_key = new_kms_key() if kind == "kms" else ""
    done = rotate_root(used.records.engine, used.root, NOW, kms_key)
    assert (done.retired, done.subjects, done.resumed) == ((old.key_id,), len(NUMBERS), False)
    assert used.objects() == objects
    assert [used.subject_id(number) for number in NUMBERS] == names == [old.subject_id(number) for number in NUMBERS]
    assert used.records.root_key_ids() == {done.key_id} == {used.root.key_id}
    assert used.read_all() == [CONTENT] * len(NUMBERS)
    with reading(used.records.engine) as connection:
        assert [(each.key_id, each.until is None) for each in root_keys.history(connection)] == [
            (old.key_id, False),
            (done.key_id, True),
        ]
    for key in map(used.records.subject_key, names):
        assert key is not None
        with pytest.raises(CannotOpen):
            old.unwrap(key.wrapped_key, b"")
        with pytest.raises(CannotOpen):
            open_subject_key(old, key)


def test_a_process_that_runs_meanwhile_goes_on(used: Used) -> None:
    """One that loaded the old key opens what was wrapped again, and wraps new callers' keys under the new one."""
    running = KeyFile.load(used.settings.key_file)
    done = rotate_root(used.records.engine, used.root, NOW)
    assert used.read(NUMBERS[0], running) == CONTENT
    running = KeyFile(running.path, running._ring)  # noqa: SLF001
    used.records.subject_for("0" * 40, running, NOW)
    assert used.records.root_key_ids() == {done.key_id}


def test_a_host_without_the_new_key_file_makes_no_key(used: Used, tmp_path: Path) -> None:
    """Its new callers wait; a key under the old root would be lost when the rotation ends."""
    stale = KeyFile.load(Path(shutil.copy2(used.settings.key_file, tmp_path / "stale.json")))
    rotate_root(used.records.engine, used.root, NOW)
    with pytest.raises(Temporary, match="bring its key file"):
        used.records.subject_for("0" * 40, stale, NOW)


def test_a_foreign_key_stops_a_rotation(used: Used, tmp_path: Path) -> None:
    """A subject key that the key file does not open is reported, and the old root key stays."""
    foreign = KeyFile.create(tmp_path / "foreign.json")
    with used.records.engine.begin() as connection:
        values = {"root_key_id": foreign.key_id}
        connection.execute(schema.subjects.update().filter_by(subject_id=used.subject_id(NUMBERS[0])).values(values))
    with pytest.raises(VerificationFailed, match="1 root keys"):
        rotate_root(used.records.engine, used.root, NOW)
    assert used.root.older
    assert used.read(NUMBERS[-1]) == CONTENT


def test_a_key_that_is_being_destroyed_stays_so(used: Used) -> None:
    """A rotation in the middle of an erasure brings no key back, and does not leave the old root key's id."""
    replace_key(used.records, used.root, used.subject_id(NUMBERS[0]), lambda _call: False, NOW)
    done = rotate_root(used.records.engine, used.root, NOW)
    assert done.subjects == len(NUMBERS) - 1
    assert used.records.subject_key(used.subject_id(NUMBERS[0])) is None
    assert used.records.root_key_ids() == {done.key_id}


def test_two_rotations_do_not_meet(used: Used) -> None:
    """The second is told to try again."""

    def again(_done: int, _total: int) -> None:
        with pytest.raises(Temporary, match="another rotation"):
            rotate_root(used.records.engine, KeyFile.load(used.settings.key_file), NOW)

    rotate_root(used.records.engine, used.root, NOW, observe=again)


def test_a_subject_rotation_changes_one_subject(used: Used) -> None:
    """Its objects open under the new key only; nobody else's key changes; the old id is known until it is erased."""
    number, subject_id = NUMBERS[0], used.subject_id(NUMBERS[0])
    before, objects = used.records.subject_key(subject_id), used.objects()
    others = [used.records.subject_key(used.subject_id(each)) for each in NUMBERS[1:]]
    done = rotate_subject(used.records.engine, used.root, subject_id, NOW)
    after = used.records.subject_key(subject_id)
    assert before is not None
    assert after is not None
    assert (done.retired, done.key_id, done.objects) == (before.key_id, after.key_id, 1)
    assert before.key_id != after.key_id
    assert used.read_all() == [CONTENT] * len(NUMBERS)
    assert used.objects() == objects
    assert [used.records.subject_key(used.subject_id(each)) for each in NUMBERS[1:]] == others
    (artifact,) = used.records.artifacts(f"CA{number[-4:]}")
    with pytest.raises(CannotOpen):
        used.archive.read(artifact.sealed, f"CA{number[-4:]}", open_subject_key(used.root, before))
    assert used.records.subject_key_ids(subject_id) == (before.key_id, after.key_id)
    replace_key(used.records, used.root, subject_id, lambda _call: False, NOW)
    delete_rows(used.records, [call.call_id for call in used.records.calls_of_subject(subject_id)], [], [subject_id])
    assert used.records.subject_key_ids(subject_id) == ()


def test_an_old_copy_of_the_database_opens_nothing_with_the_old_key(used: Used) -> None:
    """The share of a replaced key is destroyed; that of the new one, and everybody else's, is not."""
    held = custody(used.settings, Role.PRIVACY_OFFICER)
    subject_id = used.subject_id("+12025550199")
    before = held.records.subject_for(subject_id, held.root, NOW)
    row = held.records.subject_key(subject_id)
    assert row is not None
    done = rotate_subject(held.records.engine, held.root, subject_id, NOW, held.shares)
    assert (held.shares.share_of(before.key_id), done.retired) == (None, before.key_id)
    assert held.records.subject_for(subject_id, held.root, NOW).key_id == done.key_id
    with pytest.raises(CannotOpen, match="share"):
        open_subject_key(held.root, row)


def test_a_call_in_flight_is_tried_again_after_a_subject_rotation(used: Used) -> None:
    """What was sealed under the old key is not taken in, and the reason is temporary; an erased caller's is final."""
    subject_id = used.subject_id(NUMBERS[0])
    key = used.records.subject_for(subject_id, used.root, NOW)
    sealed = used.archive.put("CA0100", ArtifactKind.MANIFEST, key, CONTENT)
    artifacts = (Artifact(sealed, NOW, NOW, "rule"),)
    rotate_subject(used.records.engine, used.root, subject_id, NOW)
    with pytest.raises(Temporary, match="rotated"):
        used.records.add_artifacts("CA0100", artifacts)
    replace_key(used.records, used.root, subject_id, lambda _call: False, NOW)
    delete_rows(used.records, [call.call_id for call in used.records.calls_of_subject(subject_id)], [], [subject_id])
    used.call(NUMBERS[0], "CA0100")
    with pytest.raises(Refused, match="erased"):
        used.records.add_artifacts("CA0100", artifacts)


def test_only_a_live_subject_is_rotated(used: Used) -> None:
    """An unknown one is not found, one that is being erased is left alone."""
    with pytest.raises(NotFound):
        rotate_subject(used.records.engine, used.root, "0" * 40, NOW)
    replace_key(used.records, used.root, used.subject_id(NUMBERS[0]), lambda _call: False, NOW)
    with pytest.raises(Temporary):
        rotate_subject(used.records.engine, used.root, used.subject_id(NUMBERS[0]), NOW)


def test_dying_at_any_step_of_a_root_rotation_loses_nothing(used: Used, tmp_path: Path) -> None:
    """Killed before each commit and each change of the key file: every call opens then, and after going on with it."""
    names = [used.subject_id(number) for number in NUMBERS]
    used.records.close()
    survived = 0
    for number in itertools.count(1):
        folder = Path(shutil.copytree(used.settings.data_dir, tmp_path / f"step-{number}"))
        pid = os.fork()
        if pid == 0:
            _rotate_and_die_at(folder, number)
        if os.waitpid(pid, 0)[1] == 0:
            break
        survived += 1
        left = Used.at(folder)
        assert left.read_all() == [CONTENT] * len(NUMBERS), number
        rotate_root(left.records.engine, left.root, NOW)
        assert left.read_all() == [CONTENT] * len(NUMBERS), number
        assert left.root.older == ()
        assert left.records.root_key_ids() == {left.root.key_id}
        assert [left.subject_id(number) for number in NUMBERS] == names
        left.records.close()
    assert survived >= 6  # two of the file, and the commits: declared, and three portions of two


def _rotate_and_die_at(folder: Path, number: int) -> None:
    """In a child that was forked for it; ends the process."""
    code = 1
    try:
        rotate._PORTION = 2  # type: ignore[misc]  # noqa: SLF001
        left, count = Used.at(folder), itertools.count(1)

        def step(*_: Any) -> None:
            if next(count) == number:
                os.kill(os.getpid(), signal.SIGKILL)

        sa.event.listen(left.records.engine, "commit", step)
        keys = str(folder / "keys")
        sys.addaudithook(lambda event, args: step() if event == "os.rename" and str(args[0]).startswith(keys) else None)
        rotate_root(left.records.engine, left.root, NOW)
        code = 0
    finally:
        os._exit(code)
