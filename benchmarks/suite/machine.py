"""The machine that is measured: what it is, which versions run on it, and how much of it others were using."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

PACKAGES: Final = (
    *("callseal", "ctranslate2", "faster-whisper", "pyannote.audio", "torch", "presidio-analyzer", "spacy", "av"),
    *("numpy", "cryptography", "tink", "sqlalchemy", "dbos"),
)
FLAGS: Final = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "amx_bf16", "avx512_bf16", "vaes", "asimd")
BUSY: Final = 0.10  # share of the cores that others may use before a run counts as noisy


def machine() -> dict[str, Any]:
    """What the figures were measured on; nothing that names the machine or who runs it."""
    info = _fields("/proc/cpuinfo")
    flags = set(info.get("flags", info.get("Features", "")).split())
    memory_kb = _fields("/proc/meminfo").get("MemTotal", "0 kB").split()[0]
    return {
        "processor": info.get("model name", platform.machine()),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(int(memory_kb) / 1e6, 1),
        "flags": [flag for flag in FLAGS if flag in flags],
        "system": platform.system(),
        "python": platform.python_version(),
        "gpus": gpus(),
        "versions": {name: version for name in PACKAGES if (version := _version(name))},
    }


def gpus() -> list[dict[str, Any]]:
    """Name and memory of each NVIDIA GPU, by the driver's own tool; none where it is not there."""
    query = ["nvidia-smi", "--query-gpu=name,memory.total,memory.used", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    rows = [[cell.strip() for cell in line.split(",")] for line in done.stdout.splitlines() if line.strip()]
    return [{"name": name, "memory_mb": int(total), "used_mb": int(used)} for name, total, used in rows]


@dataclass(slots=True)
class Neighbours:
    """How much of the machine other processes used while a block ran; ``share`` is None where nobody can tell.

    Linux counts the time of all processes in /proc/stat; what this process and its ended children did not use was
    used by others.
    """

    share: float | None = None
    _all_s: float = 0.0
    _own_s: float = 0.0
    _capacity_s: float = 0.0

    def __enter__(self) -> Self:
        self._all_s, self._capacity_s = _used_s()
        self._own_s = _own_s()
        return self

    def __exit__(self, *_: object) -> None:
        used_s, capacity_s = _used_s()
        passed_s = capacity_s - self._capacity_s
        if passed_s > 0:
            others_s = used_s - self._all_s - (_own_s() - self._own_s)
            self.share = min(max(others_s / passed_s, 0.0), 1.0)


def _used_s() -> tuple[float, float]:
    """Seconds that all cores worked, and that they could have, since the machine started."""
    try:
        numbers = [int(each) for each in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    except (OSError, ValueError, IndexError):
        return 0.0, 0.0
    tick = os.sysconf("SC_CLK_TCK")
    idle = numbers[3] + numbers[4]  # idle, and waiting for a disk
    return (sum(numbers) - idle) / tick, sum(numbers) / tick


def _own_s() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _fields(path: str) -> dict[str, str]:
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    pairs = (line.split(":", 1) for line in lines if ":" in line)
    found: dict[str, str] = {}
    for name, value in pairs:
        found.setdefault(name.strip(), value.strip())
    return found


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""
