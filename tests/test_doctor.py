"""The doctor: each thing that a call relies on gets a verdict, and a bad one says what to do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline import doctor
from pipeline.doctor import GIB, Machine, Wanted
from pipeline.errors import CallsealError, MissingModel
from pipeline.keys.file import KeyFile

WANTED = Wanted(models=("base",), gpu=False, threads=2, data_dir=Path("data"), key_file=Path("keys/root.json"))
HEALTHY = Machine(
    python=(3, 11),
    cores=2,
    memory_bytes=8 * GIB,
    missing_models={},
    key_mode=0o600,
    key_on_data_disk=False,
    data_writable=True,
    free_bytes=50 * GIB,
    gpus=0,
    cublas12=False,
    spacy=True,
    codecs=True,
    telemetry="0",
)


def bad(wanted: Wanted, machine: Machine) -> dict[str, bool]:
    """Names of the findings that are not ok, and whether each stops calls from being processed."""
    return {finding.name: finding.needed for finding in doctor.judge(wanted, machine) if not finding.ok}


def test_a_healthy_machine_has_nothing_wrong() -> None:
    """Every finding is ok and none gives advice."""
    findings = doctor.judge(WANTED, HEALTHY)
    assert all(finding.ok and not finding.hint for finding in findings)
    assert len({finding.name for finding in findings}) == len(findings)


@pytest.mark.parametrize(
    ("change", "name", "needed"),
    [
        ({"python": (3, 12)}, "Python", True),
        ({"cores": 1}, "processor cores", False),
        ({"memory_bytes": 2 * GIB}, "memory", True),
        ({"free_bytes": GIB // 2}, "disk space", True),
        ({"missing_models": {"base": "callseal models fetch base"}}, "weights base", True),
        ({"spacy": False}, "language model", True),
        ({"codecs": False}, "audio codecs", True),
        ({"key_mode": None}, "key file", False),
        ({"key_mode": 0o644}, "key file", True),
        ({"key_mode": 0o620}, "key file", True),
        ({"key_on_data_disk": True}, "key apart from data", False),
        ({"data_writable": False}, "data folder", True),
        ({"telemetry": "true"}, "pyannote telemetry", False),
    ],
)
def test_each_fault_is_found_alone(change: dict[str, Any], name: str, needed: bool) -> None:  # noqa: FBT001 - a column
    """One thing wrong gives one bad finding of that name, with a hint."""
    machine = replace(HEALTHY, **change)
    assert bad(WANTED, machine) == {name: needed}
    assert all(finding.hint for finding in doctor.judge(WANTED, machine) if not finding.ok)


def test_a_gpu_is_judged_only_when_it_is_asked_for() -> None:
    """On the CPU nothing of CUDA matters; on a GPU the driver and the CUDA 12 library do."""
    gpu = replace(WANTED, gpu=True)
    assert bad(gpu, HEALTHY) == {"GPU": True, "cuBLAS 12": True}
    assert bad(gpu, replace(HEALTHY, gpus=1)) == {"cuBLAS 12": True}
    assert bad(gpu, replace(HEALTHY, gpus=1, cublas12=True)) == {}
    assert "callseal[gpu]" in {hint for finding in doctor.judge(gpu, HEALTHY) for hint in finding.hint.split("'")}


def test_more_workers_need_more_memory() -> None:
    """The verdict on memory follows what the settings ask for."""
    assert bad(replace(WANTED, threads=16), replace(HEALTHY, cores=16)) == {"memory": True}


def test_the_key_is_judged_as_it_will_be_when_it_is_opened(tmp_path: Path) -> None:
    """What the doctor calls a bad mode is what loading the key file refuses."""
    key_file = tmp_path / "root.json"
    KeyFile.create(key_file)
    for mode in (0o600, 0o640, 0o660, 0o604, 0o400):
        key_file.chmod(mode)
        try:
            KeyFile.load(key_file)
            opens = True
        except CallsealError:
            opens = False
        assert ("key file" not in bad(WANTED, replace(HEALTHY, key_mode=mode))) == opens, oct(mode)


def test_looking_reads_this_machine(tmp_path: Path) -> None:
    """Folders that do not exist yet are judged by what is above them; absent weights are named; nothing is made."""
    wanted = replace(
        WANTED, models=("base", "gone"), data_dir=tmp_path / "a" / "b", key_file=tmp_path / "k" / "root.json"
    )

    def find_model(name: str) -> Path:
        if name == "gone":
            raise MissingModel("fetch it")
        return tmp_path

    machine = doctor.look(wanted, find_model, {"PYANNOTE_METRICS_ENABLED": "1"})
    assert machine.missing_models == {"gone": "fetch it"}
    assert machine.key_mode is None
    assert machine.key_on_data_disk
    assert machine.data_writable
    assert machine.python == (3, 11)
    assert machine.telemetry == "1"
    assert machine.spacy
    assert machine.codecs
    assert min(machine.cores, machine.memory_bytes, machine.free_bytes) > 0
    assert list(tmp_path.iterdir()) == []


def test_looking_sees_permissions(tmp_path: Path) -> None:
    """The mode of an existing key file is read, and a file in the place of the data folder is not writable."""
    key_file = tmp_path / "root.json"
    key_file.write_bytes(b"")
    key_file.chmod(0o640)
    wanted = replace(WANTED, data_dir=key_file, key_file=key_file)
    machine = doctor.look(wanted, lambda _: tmp_path, {})
    assert machine.key_mode == 0o640
    assert not machine.data_writable


def test_check_joins_looking_and_judging(tmp_path: Path) -> None:
    """One call gives the verdicts for this machine, models by name."""
    wanted = replace(WANTED, data_dir=tmp_path, key_file=tmp_path / "root.json", gpu=True)
    names = [finding.name for finding in doctor.check(wanted, lambda _: tmp_path, {})]
    assert {"weights base", "GPU", "cuBLAS 12", "key file", "memory"} <= set(names)
