"""A disk that is full: a small file system of its own, in a mount namespace of its own, which ends with the process.

``python -m tests.faults.disk FOLDER``, run by :func:`full` under ``unshare``, mounts it and prints the row as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.faults.calls import (
    WITHIN_S,
    beats,
    begin,
    environment,
    give,
    go_on,
    paused,
    send_until_taken,
    serving,
    token,
    upload,
    work,
)
from tests.faults.row import Row, count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIZE_BYTES: Final = 24 << 20
RESERVE_BYTES: Final = 12 << 20
BEATS: Final = 8


def faults() -> Iterator[Callable[[Path], Row]]:
    """The one fault of a disk."""
    yield full


def full(top: Path) -> Row:
    """The hook stops taking calls in while there is room for the workers; then the disk is full to the last byte."""
    own = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    command = [*own, sys.executable, "-m", "tests.faults.disk", str(top)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=WITHIN_S)
    return Row(**json.loads(done.stdout))


def _fill(data: Path) -> Path:
    ballast = data / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as raw:
        while True:
            raw.write(bytes(4096))
    return ballast


def _upload_until_refused(url: str, bearer: str) -> list[str]:
    """Hand calls in until the platform is told to come later; the last one is not in."""
    call_ids: list[str] = []
    while True:
        call_ids.append(f"CA-disk{chr(ord('a') + len(call_ids))}")
        answer = upload(url, bearer, call_ids[-1])
        if answer.status_code == 503:
            assert answer.headers["retry-after"]
            return call_ids
        assert answer.status_code == 202, answer.text


def _through_a_full_disk(data: Path) -> Row:
    bearer = token(data)
    with serving(data) as (url, _):
        call_ids = ["CA-pause", *_upload_until_refused(url, bearer)]
        assert work(data) == 0  # what the hook left free is enough
        give(data, "CA-pause")
        worker = begin(data, "seal")
        paused(data, worker)
        ballast = _fill(data)
        go_on(data)
        told, before = 1, beats(data, "one")
        while beats(data, "one") < before + BEATS:
            assert worker.poll() is None, f"the worker ended with {worker.returncode}"
            refused = upload(url, bearer, call_ids[-1])
            assert refused.status_code == 503, refused.text
            told += 1
            time.sleep(0.5)
        ballast.unlink()
        _mount(data, "remount", 2 * SIZE_BYTES)
        told += send_until_taken(url, bearer, call_ids[-1])
        assert worker.wait(WITHIN_S) == 0
    work(data)
    return count("disk full", data, told, call_ids)


def _mount(data: Path, how: str, size_bytes: int) -> None:
    options = f"{how},size={size_bytes},mode=0700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(data)], check=True)


def main(top: Path) -> None:
    """Mount, fill, look."""
    data = top / "data"
    data.mkdir()
    _mount(data, "rw", SIZE_BYTES)
    with environment(CALLSEAL_API__RESERVE_BYTES=str(RESERVE_BYTES)):
        sys.stdout.write(json.dumps(asdict(_through_a_full_disk(data))))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
