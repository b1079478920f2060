"""A process that carries calls to their results, one for each line that it reads: ``python -m tests.faults.race``."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

from pipeline.config import load_settings
from pipeline.errors import CallsealError
from pipeline.run import process_waiting
from tests import scripted


def main(data_dir: Path, call_ids: list[str]) -> None:
    """Say ``ready``, then for each call what became of it."""
    rooms = scripted.rooms(load_settings(data_dir))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for call_id in call_ids:
        sys.stdin.readline()
        try:
            said = "seen" if process_waiting(call_id, rooms, datetime.now(UTC)).repeated else "done"
        except CallsealError as exc:
            said = type(exc).__name__
        sys.stdout.write(f"{said}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
