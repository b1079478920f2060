"""A store in a folder: takes sealed bytes, gives files ``ab/abcd...``; see ``pipeline.store`` for the promises.

Writing is temp file, fsync, link under the object's name, fsync of the folder. 256 folders keep each at 4,000 files
for 10^6 objects.
Overwriting a file before it is removed is of no use on flash and copy-on-write disks; that the bytes are ciphertext
whose key is destroyed is what makes removal final.
"""

from __future__ import annotations

import io
import os
import secrets
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from pipeline.errors import NotFound, StoreUnavailable
from pipeline.store import Label, ObjectStat, check_key

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from _typeshed import ReadableBuffer

_PARTIAL: Final = "partial"
_KEY_CHARS: Final = 32


@dataclass(frozen=True, slots=True)
class LocalStore:
    """Objects as files under ``folder``, which is made (0700) when first needed."""

    folder: Path

    @contextmanager
    def put(self, key: str, label: Label | None = None) -> Iterator[BinaryIO]:
        """See Store; shows no labels."""
        del label
        path = self._path(key)
        if path.exists():
            raise ValueError("an object of this name exists")
        temp = self.folder / _PARTIAL / f"{key}.{secrets.token_hex(4)}"
        try:
            with _unavailable():
                descriptor = _create(temp)
            with _Writer(descriptor) as writer:
                yield cast("BinaryIO", writer)
                writer.sync()
            with _unavailable(), _taken():
                _publish(temp, path, self.folder)
        finally:
            with suppress(OSError):
                temp.unlink(missing_ok=True)

    def open(self, key: str) -> BinaryIO:
        """See Store."""
        try:
            return self._path(key).open("rb")
        except FileNotFoundError as exc:
            raise NotFound(f"there is no stored object {key}") from exc
        except OSError as exc:
            raise _error(exc) from exc

    def lock(self, key: str, until: datetime) -> None:
        """See Store; a folder has no locks."""
        del key, until

    def stat(self, key: str) -> ObjectStat | None:
        """See Store."""
        with _unavailable():
            return _stat(self._path(key))

    def list(self, prefix: str = "") -> Iterator[ObjectStat]:
        """See Store."""
        with _unavailable():
            for path in _objects(self.folder, prefix):
                found = _stat(path)
                if found is not None:
                    yield found

    def delete(self, key: str) -> None:
        """See Store."""
        path = self._path(key)
        with _unavailable():
            path.unlink(missing_ok=True)
            partial = self.folder / _PARTIAL
            for name in _names(partial):
                if name.startswith(key):
                    (partial / name).unlink(missing_ok=True)
            with suppress(FileNotFoundError):
                _fsync_folder(path.parent)

    def remove_partial(self, before: datetime) -> int:
        """See Store."""
        removed = 0
        with _unavailable():
            partial = self.folder / _PARTIAL
            for name in _names(partial):
                found = _stat(partial / name)
                if found is not None and found.modified_at < before:
                    (partial / name).unlink(missing_ok=True)
                    removed += 1
        return removed

    def _path(self, key: str) -> Path:
        check_key(key)
        return self.folder / key[:2] / key


class _Writer(io.RawIOBase):
    """An unbuffered file that writes all it is given and whose OSErrors are StoreUnavailable."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def write(self, data: ReadableBuffer, /) -> int:
        view = memoryview(data).cast("B")
        done = 0
        with _unavailable():
            while done < len(view):
                done += os.write(self._descriptor, view[done:])
        return done

    def sync(self) -> None:
        with _unavailable():
            os.fsync(self._descriptor)

    def close(self) -> None:
        if not self.closed:
            super().close()
            with _unavailable():
                os.close(self._descriptor)


@contextmanager
def _unavailable() -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise _error(exc) from exc


@contextmanager
def _taken() -> Iterator[None]:
    try:
        yield
    except FileExistsError as exc:
        raise ValueError("an object of this name exists") from exc


def _error(exc: OSError) -> StoreUnavailable:
    return StoreUnavailable(f"the store's folder cannot be used: {exc.strerror}")


def _create(temp: Path) -> int:
    temp.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temp.parent.mkdir(mode=0o700, exist_ok=True)
    return os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)


def _publish(temp: Path, path: Path, root: Path) -> None:
    missing = [folder for folder in path.parents if folder.is_relative_to(root) and not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)
        _fsync_folder(folder.parent)
    path.hardlink_to(temp)  # unlike a rename it never takes the place of what is there
    _fsync_folder(path.parent)


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _objects(root: Path, prefix: str) -> Iterator[Path]:
    if len(prefix) == _KEY_CHARS:
        yield root / prefix[:2] / prefix
        return
    folders = [prefix[:2]] if len(prefix) >= 2 else [name for name in _names(root) if name != _PARTIAL]
    for folder in folders:
        yield from (root / folder / name for name in _names(root / folder) if name.startswith(prefix))


def _names(folder: Path) -> list[str]:
    """What is in a folder, nothing if it does not exist; unlike a glob, it fails where it cannot look."""
    try:
        return [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return []


def _stat(path: Path) -> ObjectStat | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return ObjectStat(path.name, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))
