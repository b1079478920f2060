"""The command where the machine fails it: full disks, folders and keys of no use. Nothing is lost or half done."""

from __future__ import annotations

import resource
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from pipeline.keys.file import KeyFile
from tests import scripted
from tests.product import SCRIPTED, Done, files, needles, objects, run, sightings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@contextmanager
def _small_disk(folder: Path, size: str) -> Iterator[bool]:
    """A file system of that size at ``folder``; False where this user may not mount one."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True, check=False
    )
    try:
        yield mounted.returncode == 0
    finally:
        if mounted.returncode == 0:
            subprocess.run(["umount", folder], check=True)


def _limited(*arguments: str | Path, max_file_bytes: int) -> Done:
    """The scripted command, which may write no file larger than that."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (max_file_bytes, max_file_bytes))

    done = subprocess.run(
        [*SCRIPTED, *map(str, arguments)],
        capture_output=True,
        text=True,
        preexec_fn=limit,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def _deliver(folder: Path, name: str, *, mono: bool) -> tuple[str | Path, ...]:
    (folder / f"{name}.wav").write_bytes(scripted.recording(mono=mono))
    (folder / f"{name}.json").write_bytes(scripted.metadata(call_id=f"CA-{name}"))
    return ("process", folder / f"{name}.wav", "--metadata", folder / f"{name}.json", "--json", "--data-dir")


def _failed_for_now(done: Done) -> None:
    assert done.code == 10, done.err
    assert done.json["error"]["retryable"] is True
    assert len(done.err.splitlines()) == 1
    assert sightings(needles(scripted.NAME, scripted.CARD, scripted.CALLER), done.out, done.err) == []


def test_a_full_disk(tmp_path: Path) -> None:
    """On a full disk the call fails for now, the store is as it was, and the call that is stored still exports."""
    with _small_disk(tmp_path / "disk", "1700k") as mounted:
        data_dir = tmp_path / "disk" / "data"
        assert run(*_deliver(tmp_path, "small", mono=True), data_dir, program=SCRIPTED).code == 0
        before = objects(data_dir)
        next_call = (*_deliver(tmp_path, "large", mono=False), data_dir)
        _failed_for_now(run(*next_call, program=SCRIPTED) if mounted else _limited(*next_call, max_file_bytes=700_000))
        assert objects(data_dir) == before
        assert run("export", "CA-small", "--to", tmp_path / "out", "--data-dir", data_dir).code == 0
        assert run("show", "CA-small", "--data-dir", data_dir).code == 0
    assert len(files(tmp_path / "out")) == 5


@pytest.mark.parametrize("share", [0.3, 0.99, 1.02])
def test_a_file_that_cannot_grow(tmp_path: Path, share: float) -> None:
    """Wherever in a recording the disk gives out, before or after its intake, nothing of it stays."""
    data_dir = tmp_path / "data"
    assert run(*_deliver(tmp_path, "small", mono=True), data_dir, program=SCRIPTED).code == 0
    before = objects(data_dir)
    arguments = (*_deliver(tmp_path, "large", mono=False), data_dir)
    size = (tmp_path / "large.wav").stat().st_size
    done = _limited(*arguments, max_file_bytes=round(share * size))
    if share < 1:
        _failed_for_now(done)
        assert objects(data_dir) == before
    else:
        assert done.code == 0
    assert run(*arguments, program=SCRIPTED).code == 0


def test_a_full_disk_for_the_export(tmp_path: Path) -> None:
    """An export that does not fit leaves no part of the recording behind."""
    data_dir = tmp_path / "data"
    assert run(*_deliver(tmp_path, "small", mono=True), data_dir, program=SCRIPTED).code == 0
    done = _limited(
        "export", "CA-small", "--to", tmp_path / "out", "--json", "--data-dir", data_dir, max_file_bytes=300_000
    )
    _failed_for_now(done)
    assert files(tmp_path / "out") == []


UNUSABLE: dict[str, Callable[[Path], object]] = {
    "data": lambda at: at.write_text("a file where the folder should be"),
    "data/objects": lambda at: at.write_text("likewise"),
    "data/callseal.db": lambda at: at.mkdir(),
}


@pytest.mark.parametrize("place", UNUSABLE)
def test_a_folder_that_cannot_be_used(tmp_path: Path, place: str) -> None:
    """Where the data cannot be kept the call fails for now, in one line, and nothing is written in their stead."""
    at = tmp_path / place
    at.parent.mkdir(exist_ok=True)
    UNUSABLE[place](at)
    _failed_for_now(run(*_deliver(tmp_path, "call", mono=True), tmp_path / "data", program=SCRIPTED))
    assert not [path for path in files(tmp_path) if path.stat().st_size > 500_000 and path.name != "call.wav"]


def test_a_read_only_folder(tmp_path: Path) -> None:
    """A data folder on a read-only file system, or without the right to write, is told in one line."""
    with _small_disk(tmp_path / "disk", "1m") as mounted:
        if mounted:
            subprocess.run(["mount", "-o", "remount,ro", tmp_path / "disk"], check=True)
        else:
            (tmp_path / "disk").chmod(0o500)
        _failed_for_now(run(*_deliver(tmp_path, "call", mono=True), tmp_path / "disk" / "data", program=SCRIPTED))


def test_a_damaged_database(tmp_path: Path) -> None:
    """A database that is none is told as a failed check, and is not replaced."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "callseal.db").write_bytes(b"no database at all" * 1000)
    done = run(*_deliver(tmp_path, "call", mono=True), tmp_path / "data", program=SCRIPTED)
    assert (done.code, len(done.err.splitlines())) == (6, 1)
    assert (tmp_path / "data" / "callseal.db").read_bytes().startswith(b"no database")


def test_missing_weights(tmp_path: Path) -> None:
    """Without weights the command names the one that fetches them, and makes no data folder."""
    arguments = (*_deliver(tmp_path, "call", mono=True), tmp_path / "data")
    done = run(*arguments, CALLSEAL_MODELS_DIR=str(tmp_path / "nothing"))
    assert (done.code, len(done.err.splitlines())) == (1, 1)
    assert "callseal models fetch" in done.err
    assert done.json["error"]["kind"] == "MissingModel"
    assert not (tmp_path / "data").exists()


def _replace(key_file: Path) -> None:
    key_file.unlink()
    KeyFile.create(key_file)


WRONG_KEYS: dict[str, tuple[Callable[[Path], object], int]] = {
    "another": (_replace, 6),
    "damaged": (lambda at: at.write_bytes(b"{}"), 6),
    "gone": (lambda at: at.unlink(), 6),
    "open to others": (lambda at: at.chmod(0o644), 2),
}


@pytest.mark.parametrize("wrong", WRONG_KEYS)
def test_a_wrong_key(tmp_path: Path, wrong: str) -> None:
    """Under a wrong key nothing is processed, exported or reported as not held, and the store is as it was."""
    data_dir, key_file = tmp_path / "data", tmp_path / "data" / "keys" / "root.json"
    assert run(*_deliver(tmp_path, "call", mono=True), data_dir, program=SCRIPTED).code == 0
    before, own = objects(data_dir), key_file.read_bytes()
    spoil, code = WRONG_KEYS[wrong]
    spoil(key_file)
    for arguments in (
        ("export", "CA-call", "--to", tmp_path / "out", "--json", "--data-dir", data_dir),
        ("delete", "--caller", scripted.CALLER, "--yes", "--json", "--data-dir", data_dir),
        (*_deliver(tmp_path, "other", mono=True), data_dir),
    ):
        done = run(*arguments, program=SCRIPTED)
        assert (done.code, len(done.err.splitlines()), done.json["error"]["exit_code"]) == (code, 1, code), done.err
    assert not files(tmp_path / "out")
    assert objects(data_dir) == before
    key_file.write_bytes(own)
    key_file.chmod(0o600)
    assert run("export", "CA-call", "--to", tmp_path / "out", "--data-dir", data_dir).code == 0
