"""What every root key must do; a test class inherits this and gives the ``kms_key`` that the key files are made for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import CannotOpen
from pipeline.keys import Secret, anonymous_subject_id, new_data_key, new_subject_key, open_subject_key
from pipeline.keys.file import KeyFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeline.keys import SubjectKey

NUMBER = "+12025550143"


class RootKeySuite:
    """The conformance suite."""

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        """Where the key file is."""
        return tmp_path / "keys" / "root.json"

    @pytest.fixture
    def root(self, path: Path, kms_key: str) -> KeyFile:
        """A fresh root key."""
        return KeyFile.create(path, kms_key)

    @pytest.fixture
    def other(self, tmp_path: Path, kms_key: str) -> KeyFile:
        """Another installation's root key; behind it may be the same KMS key."""
        return KeyFile.create(tmp_path / "other.json", kms_key)

    def test_what_one_process_wraps_another_unwraps(self, root: KeyFile, path: Path) -> None:
        """Two that load the same file open each other's wrappings and name a caller the same."""
        loaded = KeyFile.load(path)
        assert loaded.unwrap(root.wrap(Secret(b"k" * 300), b"ad"), b"ad").reveal() == b"k" * 300
        assert (loaded.key_id, loaded.subject_id(NUMBER)) == (root.key_id, root.subject_id(NUMBER))
        assert loaded.opens(root.key_id)

    def test_associated_data_is_any_bytes(self, root: KeyFile) -> None:
        """A wrapping opens with exactly the associated data it was made with, whatever bytes these are."""
        everything = bytes(range(256))
        wrapped = root.wrap(Secret(b"k"), everything)
        assert root.unwrap(wrapped, everything).reveal() == b"k"
        for wrong in (everything[:-1], everything[::-1], b""):
            with pytest.raises(CannotOpen):
                root.unwrap(wrapped, wrong)

    @pytest.mark.parametrize(
        "change",
        [
            lambda wrapped: b"",
            lambda wrapped: wrapped[:-1],
            lambda wrapped: wrapped + b"\0",
            lambda wrapped: wrapped[:-1] + bytes([wrapped[-1] ^ 1]),
            lambda wrapped: b"nonsense",
        ],
    )
    def test_changed_bytes_do_not_open(self, root: KeyFile, change: Callable[[bytes], bytes]) -> None:
        """Cut, extended, changed or replaced: it does not open."""
        with pytest.raises(CannotOpen):
            root.unwrap(change(root.wrap(Secret(b"k"), b"ad")), b"ad")

    def test_subject_id_hides_the_number(self, root: KeyFile, other: KeyFile) -> None:
        """40 hex digits that hold for one installation only, so a list of all numbers is of no use without its key."""
        subject_id = root.subject_id(NUMBER)
        assert len(subject_id) == len(anonymous_subject_id()) == 40
        assert set(subject_id) <= set("0123456789abcdef")
        assert subject_id == root.subject_id(NUMBER)
        assert subject_id not in {other.subject_id(NUMBER), root.subject_id("+12025550144")}
        assert "2025550143" not in subject_id

    def test_subject_key_opens_under_its_root_only(self, root: KeyFile, other: KeyFile) -> None:
        """Another installation's root key is told by its id."""
        key = new_subject_key(root, root.subject_id(NUMBER))
        assert open_subject_key(root, key).key_id == key.key_id
        with pytest.raises(CannotOpen, match=root.key_id):
            open_subject_key(other, key)

    @pytest.mark.parametrize(
        "move", [lambda key: replace(key, subject_id="0" * 40), lambda key: replace(key, key_id="0" * 32)]
    )
    def test_subject_key_is_bound_to_its_row(self, root: KeyFile, move: Callable[[SubjectKey], SubjectKey]) -> None:
        """A wrapped key that was moved to another subject or id does not open."""
        key = new_subject_key(root, root.subject_id(NUMBER))
        with pytest.raises(CannotOpen):
            open_subject_key(root, move(key))

    def test_data_key_is_bound_to_its_place_and_subject(self, root: KeyFile) -> None:
        """A wrapped data key opens with its own subject key and associated data only."""
        one, two = (open_subject_key(root, new_subject_key(root, anonymous_subject_id())) for _ in range(2))
        wrapped = one.wrap(new_data_key(), b"here")
        one.unwrap(wrapped, b"here")
        for key, place, content in ((two, b"here", wrapped), (one, b"there", wrapped), (one, b"here", wrapped[:-1])):
            with pytest.raises(CannotOpen):
                key.unwrap(content, place)

    def test_a_new_root_key_takes_over(self, root: KeyFile, path: Path, kms_key: str) -> None:
        """During a rotation both keys open, the new one wraps, names stay; after it the old opens none."""
        before, wrapped = root.key_id, root.wrap(Secret(b"k"), b"ad")
        running = KeyFile.load(path)
        root.add_root(kms_key)
        assert root.key_id != before
        assert root.older == (before,)
        assert root.unwrap(wrapped, b"ad").reveal() == b"k"
        fresh = root.wrap(Secret(b"n"), b"ad")
        assert running.opens(root.key_id), "a process that was running reads the file again"
        assert running.unwrap(fresh, b"ad").reveal() == b"n"
        assert running.subject_id(NUMBER) == root.subject_id(NUMBER)
        root.drop_older()
        assert root.older == ()
        assert not root.opens(before)
        assert KeyFile.load(path).unwrap(fresh, b"ad").reveal() == b"n"

    def test_a_begun_rotation_is_gone_on_with(self, root: KeyFile, path: Path, kms_key: str) -> None:
        """A second beginning makes no third key."""
        root.add_root(kms_key)
        again = KeyFile.load(path)
        again.add_root(kms_key)
        assert again.key_id == root.key_id

    def test_nothing_secret_in_repr(self, root: KeyFile) -> None:
        """No key shows itself, alone or inside something else."""
        key = new_subject_key(root, root.subject_id(NUMBER))
        opened = open_subject_key(root, key)
        shown = repr((root, key, opened, new_data_key()))
        assert repr(key.wrapped_key) not in shown
        assert "0x" not in shown
