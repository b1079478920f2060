"""The archive: an object is there whole and verified, or not at all, and opens for its own call and subject only."""

from __future__ import annotations

import hashlib
import os
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, BinaryIO

import pytest

from pipeline.archive import Archive
from pipeline.errors import CannotOpen, NotFound, StoreUnavailable, VerificationFailed
from pipeline.keys import OpenSubjectKey, anonymous_subject_id, new_subject_key, open_subject_key
from pipeline.keys.file import KeyFile
from pipeline.seal import sealed_size
from pipeline.store.local import LocalStore
from pipeline.store.memory import MemoryStore
from pipeline.types import ArtifactKind, SealedObject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pipeline.store import Label

TEXT = b"an invented transcript"


def subject(tmp_path: Path) -> OpenSubjectKey:
    """A fresh subject under the folder's root key."""
    root = KeyFile.load_or_create(tmp_path / "root.json")
    return open_subject_key(root, new_subject_key(root, anonymous_subject_id()))


@pytest.fixture(name="key")
def _key(tmp_path: Path) -> OpenSubjectKey:
    return subject(tmp_path)


@pytest.fixture(name="archive")
def _archive(tmp_path: Path) -> Archive:
    return Archive(LocalStore(tmp_path / "store"))


def test_round_trip(archive: Archive, key: OpenSubjectKey) -> None:
    """What was written is read back, whole or in pieces, and its hash and size are those of the plaintext."""
    with archive.write("CA01", ArtifactKind.TRANSCRIPT, key) as writer:
        writer.write(TEXT[:5])
        writer.write(bytearray(TEXT[5:]))
    sealed = writer.sealed
    assert (sealed.kind, sealed.size_bytes) == (ArtifactKind.TRANSCRIPT, len(TEXT))
    assert (sealed.sha256, sealed.subject_key_id) == (hashlib.sha256(TEXT).hexdigest(), key.key_id)
    assert archive.read(sealed, "CA01", key) == TEXT
    with archive.open(sealed, "CA01", key) as reader:
        reader.seek(3)
        assert reader.read(4) == TEXT[3:7]


def test_nothing_plain_in_the_store(archive: Archive, key: OpenSubjectKey, tmp_path: Path) -> None:
    """Neither content nor call id can be found in any file or file name of the store."""
    archive.put("CA01-unmistakable", ArtifactKind.TRANSCRIPT, key, TEXT * 1000)
    for path in (tmp_path / "store").rglob("*"):
        assert "unmistakable" not in str(path.relative_to(tmp_path))
        content = path.read_bytes() if path.is_file() else b""
        assert b"invented" not in content
        assert b"unmistakable" not in content


def test_every_object_has_its_own_key_and_name(archive: Archive, key: OpenSubjectKey) -> None:
    """The same content twice shares nothing that an observer could see."""
    one, two = (archive.put("CA01", ArtifactKind.TRANSCRIPT, key, TEXT) for _ in range(2))
    assert one.object_key != two.object_key
    assert one.wrapped_key != two.wrapped_key
    with archive.store.open(one.object_key) as first, archive.store.open(two.object_key) as second:
        assert first.read()[40:] != second.read()[40:]


@pytest.mark.parametrize(
    "swap",
    [
        lambda _sealed, one, _two: ("CA02", one),
        lambda sealed, one, _two: ("CA01", replace(one, kind=ArtifactKind.MANIFEST, sha256=sealed.sha256)),
        lambda _sealed, one, two: ("CA01", replace(one, object_key=two.object_key)),
        lambda _sealed, one, two: ("CA01", replace(one, object_key=two.object_key, wrapped_key=two.wrapped_key)),
        lambda _sealed, one, two: ("CA01", replace(one, wrapped_key=two.wrapped_key)),
        lambda _sealed, one, _two: ("CA01", replace(one, size_bytes=one.size_bytes - 1)),
        lambda _sealed, one, _two: ("CA01", replace(one, sha256="0" * 64)),
    ],
)
def test_rows_cannot_be_exchanged(
    archive: Archive,
    key: OpenSubjectKey,
    swap: Callable[[SealedObject, SealedObject, SealedObject], tuple[str, SealedObject]],
) -> None:
    """A row that was changed to show another call's object, or another kind, does not open."""
    one = archive.put("CA01", ArtifactKind.TRANSCRIPT, key, TEXT)
    two = archive.put("CA02", ArtifactKind.TRANSCRIPT, key, TEXT)
    call_id, sealed = swap(one, one, two)
    with pytest.raises(CannotOpen):
        archive.read(sealed, call_id, key)


def test_another_subject_cannot_open(archive: Archive, key: OpenSubjectKey, tmp_path: Path) -> None:
    """The key of one caller opens nothing of another."""
    sealed = archive.put("CA01", ArtifactKind.TRANSCRIPT, key, TEXT)
    with pytest.raises(CannotOpen):
        archive.read(sealed, "CA01", subject(tmp_path))


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_failed_write_leaves_nothing(archive: Archive, key: OpenSubjectKey, error: type[BaseException]) -> None:
    """When the block raises, nothing is stored and there is no sealed object to refer to."""
    with pytest.raises(error), archive.write("CA01", ArtifactKind.INTAKE, key) as writer:
        _write_and_raise(writer.write, error)
    assert list(archive.store.list()) == []
    with pytest.raises(ValueError, match="not finished"):
        _ = writer.sealed


def _write_and_raise(write: Callable[[bytes], int], error: type[BaseException]) -> None:
    write(b"x" * 3_000_000)
    raise error


def test_destroyed_is_gone(archive: Archive, key: OpenSubjectKey) -> None:
    """A destroyed object is not found, and destroying it again is no error."""
    sealed = archive.put("CA01", ArtifactKind.TRANSCRIPT, key, TEXT)
    archive.destroy(sealed)
    archive.destroy(sealed)
    with pytest.raises(NotFound):
        archive.read(sealed, "CA01", key)


def test_large_objects_are_not_read_whole(archive: Archive, key: OpenSubjectKey) -> None:
    """``read`` is for small objects; beyond 64 MiB it refuses before it reads."""
    sealed = replace(archive.put("CA01", ArtifactKind.TRANSCRIPT, key, TEXT), size_bytes=(64 << 20) + 1)
    with pytest.raises(ValueError, match="too large"):
        archive.read(sealed, "CA01", key)


@dataclass(frozen=True, slots=True)
class _Spoiling(MemoryStore):
    """A store that changes one byte of everything it is given, as a bad disk does."""

    spoil: list[bool] = field(default_factory=lambda: [True])

    @contextmanager
    def put(self, key: str, label: Label | None = None) -> Iterator[BinaryIO]:
        with MemoryStore.put(self, key, label) as raw:
            yield raw
            if self.spoil[0]:
                raw.seek(-1, os.SEEK_END)
                raw.write(b"\0\0")


def test_object_that_does_not_read_back_is_refused(key: OpenSubjectKey) -> None:
    """A store that returns other bytes than it was given is found out before anything refers to the object."""
    archive = Archive(_Spoiling())
    with pytest.raises(VerificationFailed), archive.write("CA01", ArtifactKind.TRANSCRIPT, key) as writer:
        writer.write(TEXT)
    assert list(archive.store.list()) == []


def test_verification_can_be_left_out(key: OpenSubjectKey) -> None:
    """Without verification the same store is believed, and reading finds it out."""
    archive = Archive(_Spoiling())
    sealed = archive.put("CA01", ArtifactKind.TRANSCRIPT, key, TEXT, verify=False)
    with pytest.raises(CannotOpen):
        archive.read(sealed, "CA01", key)


@dataclass(frozen=True, slots=True)
class _Unreachable(MemoryStore):
    """A store that takes objects and then cannot be read."""

    def open(self, key: str) -> BinaryIO:
        raise StoreUnavailable(f"object {key} cannot be reached")


def test_object_that_cannot_be_verified_is_removed(key: OpenSubjectKey) -> None:
    """When reading back fails for a reason that may pass, the error says so and nothing is left."""
    archive = Archive(_Unreachable())
    with pytest.raises(StoreUnavailable):
        archive.put("CA01", ArtifactKind.TRANSCRIPT, key, TEXT)
    assert list(archive.store.list()) == []


def test_sealed_size_is_what_the_store_holds(archive: Archive, key: OpenSubjectKey) -> None:
    """The store's size of an object follows from the plaintext's, so nothing else is stored with it."""
    sealed = archive.put("CA01", ArtifactKind.TRANSCRIPT, key, TEXT)
    found = archive.store.stat(sealed.object_key)
    assert found is not None
    assert found.size_bytes == sealed_size(len(TEXT))


def test_unreferenced_objects_are_found(archive: Archive, key: OpenSubjectKey) -> None:
    """Objects that no row knows are listed once they are old enough, the known ones never."""
    known, lost = (archive.put("CA01", ArtifactKind.TRANSCRIPT, key, TEXT) for _ in range(2))
    later = datetime.now(UTC) + timedelta(minutes=1)
    assert archive.unreferenced({known.object_key}, later) == (lost.object_key,)
    assert archive.unreferenced({known.object_key}, later - timedelta(hours=1)) == ()
