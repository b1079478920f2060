"""The command in a process of its own where the machine lets it down: a full disk, a changed object, an open key.

What every command promises about its options, and each exit code in turn, is in ``test_contract.py``.
"""

from __future__ import annotations

import re
import shutil
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from pipeline import errors
from pipeline.config import Settings, shipped_configs
from tests import scripted
from tests.product import CALLSEAL, SCRIPTED, Done, objects, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

README: Final = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
RECORDING_KB: Final = len(scripted.recording()) // 1024
# No file may grow beyond the first argument: a disk that is full, for every user and on every machine.
_FULL: Final = (
    "import os, resource, sys\n"
    "limit = int(sys.argv[1]) * 1024\n"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))\n"
    "os.execv(sys.argv[2], sys.argv[2:])\n"
)


def _on_full_disk(kilobytes: int, program: Sequence[str] = SCRIPTED) -> tuple[str, ...]:
    return (sys.executable, "-c", _FULL, str(kilobytes), *program)


@pytest.fixture(name="call", scope="module")
def _call(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The scripted recording and its metadata."""
    folder = tmp_path_factory.mktemp("call")
    (folder / "call.wav").write_bytes(scripted.recording())
    (folder / "call.json").write_bytes(scripted.metadata())
    return folder / "call.wav", folder / "call.json"


@pytest.fixture(name="stored", scope="module")
def _stored(call: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that holds the call; tests change a copy."""
    data_dir = tmp_path_factory.mktemp("stored") / "data"
    assert _process(call, data_dir).code == 0
    return data_dir


@pytest.fixture(name="data_dir")
def _data_dir(stored: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(stored, tmp_path / "data"))


def _process(call: tuple[Path, Path], data_dir: Path, *options: str, program: Sequence[str] = SCRIPTED) -> Done:
    recording, metadata = call
    return run("process", recording, "--metadata", metadata, "--data-dir", data_dir, *options, program=program)


def _temporary(done: Done) -> None:
    """Exit code 10, one JSON object that says that trying again is safe, one line for a person."""
    assert done.code == 10, done.err
    assert (done.json["error"]["exit_code"], done.json["error"]["retryable"]) == (10, True)
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize("kilobytes", [4, 200, RECORDING_KB - 1])
def test_a_full_disk(call: tuple[Path, Path], tmp_path: Path, kilobytes: int) -> None:
    """Whenever the disk fills up, no object stays; with room again the same recording is stored."""
    before = call[0].read_bytes()
    done = _process(call, tmp_path / "data", "--json", program=_on_full_disk(kilobytes))
    _temporary(done)
    assert objects(tmp_path / "data") == {}
    assert call[0].read_bytes() == before
    again = _process(call, tmp_path / "data", "--json")
    assert (again.code, again.json["status"]) == (0, "stored")


def test_a_full_disk_beside_a_stored_call(call: tuple[Path, Path], data_dir: Path, tmp_path: Path) -> None:
    """A call that finds no room does not touch the calls that are there."""
    before = objects(data_dir)
    (tmp_path / "next.json").write_bytes(scripted.metadata(call_id="CA-next"))
    _temporary(_process((call[0], tmp_path / "next.json"), data_dir, "--json", program=_on_full_disk(600)))
    assert objects(data_dir) == before
    assert run("export", "CA-scripted", "--to", tmp_path / "out", "--data-dir", data_dir).code == 0


def test_no_room_for_an_export(data_dir: Path, tmp_path: Path) -> None:
    """A file that does not fit is not there in part; the export can be tried again."""
    export = ("export", "CA-scripted", "--to", tmp_path / "out", "--data-dir", data_dir, "--json")
    _temporary(run(*export, program=_on_full_disk(600, CALLSEAL)))
    assert list((tmp_path / "out").iterdir()) == []
    assert run(*export).code == 0


def test_no_room_to_erase(data_dir: Path) -> None:
    """An erasure that the disk stops says so, never that it is done, and is finished by trying again."""
    delete = ("delete", "--caller", scripted.CALLER, "--yes", "--data-dir", data_dir, "--json")
    _temporary(run(*delete, program=_on_full_disk(4, CALLSEAL)))
    again = run(*delete)
    assert (again.code, again.json["erased"]) == (0, True)
    assert objects(data_dir) == {}


@pytest.mark.parametrize("at", range(4))
def test_a_changed_object(data_dir: Path, tmp_path: Path, at: int) -> None:
    """One changed bit in any object ends an export with exit code 6 and publishes nothing; the record can be read."""
    path = data_dir / "objects" / sorted(objects(data_dir))[at]
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    done = run("export", "CA-scripted", "--to", tmp_path / "out", "--data-dir", data_dir, "--json")
    assert (done.code, done.json["error"]["kind"]) == (6, "CannotOpen")
    assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []
    assert run("show", "CA-scripted", "--data-dir", data_dir).code == 0


def test_an_open_key(data_dir: Path) -> None:
    """A key file that everybody may read stops every command until that is mended."""
    (data_dir / "keys" / "root.json").chmod(0o644)
    done = run("show", "CA-scripted", "--data-dir", data_dir)
    assert (done.code, done.out) == (2, "")
    assert "chmod 600" in done.err


def test_for_a_person(call: tuple[Path, Path], tmp_path: Path) -> None:
    """Without --json the stages go to stderr as they begin, and stdout is a page of text."""
    done = _process(call, tmp_path / "data")
    assert done.code == 0
    stages = re.findall(r"^ {2}(\w+) \.\.\.$", done.err, re.MULTILINE)
    assert stages == ["intake", "transcribe", "diarize", "detect", "consent", "redact", "verify", "seal"]
    assert re.match(r"call +CA-scripted\nstatus +stored\n", done.out)


def test_for_a_program(call: tuple[Path, Path], tmp_path: Path) -> None:
    """With --json stdout is one object on one line, and stderr is empty."""
    done = _process(call, tmp_path / "data", "--json")
    assert (done.code, done.err, done.out.count("\n")) == (0, "", 1)
    assert done.json["status"] == "stored"


def _tables(values: dict[str, Any], path: str = "") -> Iterator[str]:
    for key, value in values.items():
        full = f"{path}.{key}".strip(".")
        yield from _tables(value, full) if isinstance(value, dict) else (full,)


def _known(full: str) -> bool:
    table, key = full.split(".")
    return key in getattr(Settings.model_fields[table].annotation, "model_fields", {})


def test_every_shipped_key_is_a_setting() -> None:
    """No key of default.toml is left from something that is gone."""
    shipped = list(_tables(tomllib.loads((shipped_configs() / "default.toml").read_text(encoding="utf-8"))))
    assert len(shipped) > 10
    assert [key for key in shipped if not _known(key)] == []


def test_the_readme_names_every_exit_code() -> None:
    """Each code that an error can end with is explained on the front page, in the order of the contract."""
    codes = {
        each.exit_code
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, errors.CallsealError)
    }
    explained = re.search(r"Exit codes: (.*?)\.\n", README, re.DOTALL)
    assert explained
    assert codes | {0} == {int(code) for code in re.findall(r"(?:^|, |,\n)(\d+) ", explained[1])}
