"""Keys: a key file is private, whole and never overwritten; a wrapped key opens with its own parent only."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import CannotOpen, UsageError
from pipeline.keys import (
    KeyFile,
    Secret,
    anonymous_subject_id,
    binding,
    new_data_key,
    new_subject_key,
    open_subject_key,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeline.keys import SubjectKey

NUMBER = "+12025550143"


@pytest.fixture
def root(tmp_path: Path) -> KeyFile:
    """A fresh root key."""
    return KeyFile.create(tmp_path / "keys" / "root.json")


def test_key_file_is_private_and_alone(tmp_path: Path) -> None:
    """The file is 0600 in a folder of 0700, and no temporary file stays beside it."""
    path = tmp_path / "keys" / "root.json"
    KeyFile.create(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list(path.parent.iterdir()) == [path]


def test_key_file_is_never_overwritten(tmp_path: Path) -> None:
    """Creating where a file is leaves the file as it is, whatever it holds."""
    path = tmp_path / "root.json"
    path.write_bytes(b"somebody's only copy")
    with pytest.raises(UsageError, match="never overwritten"):
        KeyFile.create(path)
    assert path.read_bytes() == b"somebody's only copy"
    assert list(tmp_path.iterdir()) == [path]


def test_many_processes_make_one_key(tmp_path: Path) -> None:
    """Processes that start at the same moment end with the same key."""
    path, children = tmp_path / "root.json", []
    for number in range(4):
        pid = os.fork()
        if pid == 0:
            (tmp_path / f"{number}.id").write_text(KeyFile.load_or_create(path).key_id)
            os._exit(0)
        children.append(pid)
    for pid in children:
        os.waitpid(pid, 0)
    ids = {(tmp_path / f"{number}.id").read_text() for number in range(4)}
    assert ids == {KeyFile.load(path).key_id}


def test_loaded_key_is_the_created_one(tmp_path: Path) -> None:
    """What one process wrapped, another that loads the file unwraps, and both name a caller the same."""
    path = tmp_path / "root.json"
    created = KeyFile.create(path)
    loaded = KeyFile.load(path)
    assert loaded.unwrap(created.wrap(Secret(b"k"), b"ad"), b"ad").reveal() == b"k"
    assert loaded.key_id == created.key_id
    assert loaded.subject_id(NUMBER) == created.subject_id(NUMBER)


@pytest.mark.parametrize("mode", [0o644, 0o620, 0o601, 0o660, 0o666])
def test_key_file_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    """A mode that lets others in costs one error that says what to do."""
    path = tmp_path / "root.json"
    KeyFile.create(path)
    path.chmod(mode)
    with pytest.raises(UsageError, match="chmod 600"):
        KeyFile.load(path)


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o440])
def test_key_file_that_an_orchestrator_mounts_is_accepted(tmp_path: Path, mode: int) -> None:
    """Reading by the owner's group is allowed: mounted secrets have it."""
    path = tmp_path / "root.json"
    created = KeyFile.create(path)
    path.chmod(mode)
    assert KeyFile.load(path).key_id == created.key_id


def test_missing_key_file_is_one_sentence(tmp_path: Path) -> None:
    """No file is a usage error that names the file and not the folder it lies in."""
    with pytest.raises(UsageError, match=r"root\.json cannot be read") as caught:
        KeyFile.load(tmp_path / "root.json")
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize(
    "garble",
    [
        lambda _text: "",
        lambda text: text[: len(text) // 2],
        lambda text: text.replace("callseal-key-file/1", "callseal-key-file/9"),
        lambda text: json.dumps({**json.loads(text), "wrapping": {}}),
        lambda text: json.dumps({**json.loads(text), "key_id": 5}),
        lambda text: json.dumps({**json.loads(text), "naming": json.loads(text)["wrapping"]}),
        lambda text: json.dumps([text]),
        lambda text: text.replace('"keyData"', '"keyDatum"'),
        lambda _text: "\x00\xff",
    ],
)
def test_garbled_key_file_cannot_open(tmp_path: Path, garble: Callable[[str], str]) -> None:
    """A damaged file is CannotOpen, in one sentence that shows nothing of it."""
    path = tmp_path / "root.json"
    KeyFile.create(path)
    path.write_text(garble(path.read_text()))
    with pytest.raises(CannotOpen, match="damaged") as caught:
        KeyFile.load(path)
    assert caught.value.__cause__ is None
    assert len(str(caught.value)) < 100


def test_subject_id_hides_the_number(root: KeyFile, tmp_path: Path) -> None:
    """40 hex digits that hold for one root key only, so a list of all numbers is of no use without it."""
    other = KeyFile.create(tmp_path / "other.json")
    subject_id = root.subject_id(NUMBER)
    assert len(subject_id) == len(anonymous_subject_id()) == 40
    assert set(subject_id) <= set("0123456789abcdef")
    assert subject_id == root.subject_id(NUMBER)
    assert subject_id not in {other.subject_id(NUMBER), root.subject_id("+12025550144")}
    assert "2025550143" not in subject_id


def test_anonymous_callers_are_strangers(root: KeyFile) -> None:
    """Two withheld numbers never are the same subject."""
    assert anonymous_subject_id() != anonymous_subject_id()


def test_subject_key_opens_under_its_root_only(root: KeyFile, tmp_path: Path) -> None:
    """Another root key is told by its id, and a forged id does not help."""
    key = new_subject_key(root, root.subject_id(NUMBER))
    other = KeyFile.create(tmp_path / "other.json")
    assert open_subject_key(root, key).key_id == key.key_id
    with pytest.raises(CannotOpen, match=root.key_id):
        open_subject_key(other, key)
    with pytest.raises(CannotOpen):
        open_subject_key(other, replace(key, root_key_id=other.key_id))


@pytest.mark.parametrize(
    "move", [lambda key: replace(key, subject_id="0" * 40), lambda key: replace(key, key_id="0" * 32)]
)
def test_subject_key_is_bound_to_its_row(root: KeyFile, move: Callable[[SubjectKey], SubjectKey]) -> None:
    """A wrapped key that was moved to another subject or id does not open."""
    key = new_subject_key(root, root.subject_id(NUMBER))
    with pytest.raises(CannotOpen):
        open_subject_key(root, move(key))


def test_data_key_is_bound_to_its_place_and_subject(root: KeyFile) -> None:
    """A wrapped data key opens with its own subject key and associated data only."""
    one, two = (open_subject_key(root, new_subject_key(root, anonymous_subject_id())) for _ in range(2))
    wrapped = one.wrap(new_data_key(), b"here")
    one.unwrap(wrapped, b"here")
    for key, place, content in ((two, b"here", wrapped), (one, b"there", wrapped), (one, b"here", wrapped[:-1])):
        with pytest.raises(CannotOpen):
            key.unwrap(content, place)


def test_nothing_secret_in_repr(root: KeyFile) -> None:
    """No key shows itself, alone or inside something else."""
    key = new_subject_key(root, root.subject_id(NUMBER))
    opened = open_subject_key(root, key)
    assert repr(Secret(b"secret")) == f"{Secret(b'secret')}" == "**redacted**"
    assert "secret" not in repr([Secret(b"secret")])
    shown = repr((root, key, opened, new_data_key()))
    assert repr(key.wrapped_key) not in shown
    assert "0x" not in shown


@given(st.lists(st.text()), st.lists(st.text()))
def test_bindings_are_unambiguous(first: list[str], second: list[str]) -> None:
    """Two lists of parts give the same associated data only if they are the same list."""
    assert (binding(*first) == binding(*second)) == (first == second)
