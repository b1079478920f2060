"""Stores: the suite on each of them, and what only a folder on a real disk can do wrong."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import StoreUnavailable
from pipeline.store import new_key
from pipeline.store.local import LocalStore
from pipeline.store.memory import MemoryStore
from tests.store_suite import StoreSuite, keys, put

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.store import Store
    from tests.servers import S3Server

_LIMITED = """
import resource, sys
from pathlib import Path
from pipeline.errors import StoreUnavailable
from pipeline.store import new_key
from pipeline.store.local import LocalStore

resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
store = LocalStore(Path(sys.argv[1]))
try:
    with store.put(new_key()) as raw:
        for _ in range(30):
            raw.write(b"x" * 7_000)
except StoreUnavailable as exc:
    sys.exit(exc.exit_code)
"""


class TestMemoryStore(StoreSuite):
    """The store in memory."""

    @pytest.fixture
    def store(self) -> Store:
        """An empty one."""
        return MemoryStore()


class TestPlainS3(StoreSuite):
    """A bucket that keeps one version, under a prefix."""

    @pytest.fixture
    def store(self, plain_s3: S3Server) -> Store:
        """An empty one."""
        return plain_s3.store(prefix="calls/")


class TestVersionedS3(StoreSuite):
    """A bucket that keeps every version, and locks."""

    @pytest.fixture
    def store(self, versioned_s3: S3Server) -> Store:
        """An empty one."""
        return versioned_s3.store(object_lock="GOVERNANCE", prefix="a/b/", sse="AES256")


class TestLocalStore(StoreSuite):
    """The store in a folder."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        """An empty one, whose folder does not exist yet."""
        return LocalStore(tmp_path / "data" / "store")


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_folder_and_files_are_private(tmp_path: Path) -> None:
    """Nobody but the owner can list or read, whatever the umask."""
    before = os.umask(0)
    try:
        put(LocalStore(tmp_path / "store"), b"x")
    finally:
        os.umask(before)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "store", *(tmp_path / "store").rglob("*"))}
    assert modes == {0o700, 0o600}


def test_failed_write_leaves_no_file(tmp_path: Path) -> None:
    """After a failure no file at all is left, under no name."""
    with pytest.raises(TypeError), LocalStore(tmp_path).put(new_key()) as raw:
        raw.write("not bytes")  # type: ignore[call-overload]
    assert _files(tmp_path) == []


def test_disk_that_takes_no_more(tmp_path: Path) -> None:
    """When the system refuses a write half way through, the error is a temporary one and no file is left."""
    kept = put(LocalStore(tmp_path), b"kept")
    run = subprocess.run([sys.executable, "-c", _LIMITED, str(tmp_path)], check=False)
    assert run.returncode == StoreUnavailable.exit_code
    assert [path.name for path in _files(tmp_path)] == [kept]


def test_folder_that_is_none(tmp_path: Path) -> None:
    """Where the folder cannot be used, every method says that the store is unavailable."""
    (tmp_path / "store").write_bytes(b"a file in its place")
    store = LocalStore(tmp_path / "store")
    with pytest.raises(StoreUnavailable), store.put(new_key()):
        pass
    for method in (store.open, store.delete, store.stat):
        with pytest.raises(StoreUnavailable):
            method(new_key())
    for prefix in ("", "a", "ab", new_key()):
        with pytest.raises(StoreUnavailable):
            keys(store, prefix)


def test_leftovers_of_a_dead_writer(tmp_path: Path) -> None:
    """What a killed writer left is no object, and is removed once it is old enough; a writer at work is left alone."""
    store = LocalStore(tmp_path)
    pid = os.fork()
    if pid == 0:
        with store.put(new_key()) as raw:
            raw.write(b"half")
            os._exit(0)
    os.waitpid(pid, 0)
    assert len(_files(tmp_path)) == 1
    assert keys(store) == set()
    assert store.remove_partial(datetime.now(UTC) - timedelta(hours=1)) == 0
    assert store.remove_partial(datetime.now(UTC) + timedelta(seconds=1)) == 1
    assert _files(tmp_path) == []
