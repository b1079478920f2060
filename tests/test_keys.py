"""Keys: a key file is private, whole and never overwritten; see ``root_suite`` for what a root key must do."""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import CannotOpen, UsageError
from pipeline.keys import (
    Secret,
    anonymous_subject_id,
    binding,
)
from pipeline.keys.file import KeyFile
from tests.root_suite import RootKeySuite

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


NUMBER = "+12025550143"


class TestRootKeyInAFile(RootKeySuite):
    """A root key in the file itself."""

    @pytest.fixture
    def kms_key(self) -> str:
        """None."""
        return ""


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


def test_anonymous_callers_are_strangers() -> None:
    """Two withheld numbers never are the same subject."""
    assert anonymous_subject_id() != anonymous_subject_id()


def test_a_secret_shows_itself_only_when_asked() -> None:
    """Neither alone nor inside something else."""
    assert repr(Secret(b"secret")) == f"{Secret(b'secret')}" == "**redacted**"
    assert "secret" not in repr([Secret(b"secret")])


@given(st.lists(st.text()), st.lists(st.text()))
def test_bindings_are_unambiguous(first: list[str], second: list[str]) -> None:
    """Two lists of parts give the same associated data only if they are the same list."""
    assert (binding(*first) == binding(*second)) == (first == second)
