"""Private files: takes a path and bytes, gives a file that only its owner can reach, whole or not there at all.

Key files are such files. Promises: never readable by others, not for an instant; never half-written; made, it never
takes the place of another file. Errors name the file, not the folder it lies in, and nothing of what it holds.
"""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from pipeline.errors import StoreUnavailable, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FORBIDDEN_MODE: Final = 0o037  # group may read, for secrets mounted by an orchestrator; nobody else, and no writing


def read(path: Path, what: str) -> bytes:
    """All of a private file; ``what`` it is, in words for the error.

    Raises:
        UsageError: no such file, unreadable, or others may read it.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        raw = path.read_bytes()
    except OSError as exc:
        raise UsageError(f"the {what} {path.name} cannot be read: {exc.strerror}") from exc
    if mode & _FORBIDDEN_MODE:
        raise UsageError(f"the {what} {path.name} is open to other users (mode {mode:04o}): chmod 600 it")
    return raw


def create(path: Path, content: bytes, what: str) -> None:
    """Makes a private file (0600, in a folder made 0700).

    Raises:
        UsageError: a file of that name exists (it is left as it is).
        StoreUnavailable: the file cannot be written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _publish(path, content)
    except FileExistsError as exc:
        raise UsageError(f"the {what} {path.name} exists already and is never overwritten") from exc
    except OSError as exc:
        raise StoreUnavailable(f"the {what} {path.name} cannot be written: {exc.strerror}") from exc


def replace(path: Path, content: bytes, what: str) -> None:
    """Puts a new content in the place of a private file's, in one step: a reader sees the old one or the new one.

    Raises:
        StoreUnavailable: the file cannot be written; it is as it was.
    """
    try:
        with _written(path, content) as temp:
            temp.replace(path)
        _sync(path.parent)
    except OSError as exc:
        raise StoreUnavailable(f"the {what} {path.name} cannot be written: {exc.strerror}") from exc


def _publish(path: Path, content: bytes) -> None:
    """A link, unlike a rename, refuses to replace another file."""
    with _written(path, content) as temp:
        os.link(temp, path)
    _sync(path.parent)


@contextmanager
def _written(path: Path, content: bytes) -> Iterator[Path]:
    temp = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield temp
    finally:
        temp.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
