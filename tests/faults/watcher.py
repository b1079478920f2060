"""A watcher of a folder that dies: while it reads, when the row is there, when the note is, between two files."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.faults.calls import WITHIN_S, work
from tests.faults.row import Row, count

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def rows(top: Path) -> Iterator[Row]:
    """Every point, in a folder of its own."""
    command = [sys.executable, "-m", "tests.watch_child", str(top)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=WITHIN_S)
    for point in map(json.loads, done.stdout.splitlines()):
        data = top / point["name"] / "data"
        work(data)
        yield count(f"watcher killed, {point['name']}", data, int(point["code"] == -signal.SIGKILL), point["calls"])
