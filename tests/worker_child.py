"""A worker in a process of its own, with scripted models, that some calls kill.

``python -m tests.worker_child DATA_DIR NAME STAGE``: a call whose id begins with ``CA-once`` kills the process as STAGE
begins, the first time; one that begins with ``CA-deadly`` does every time; ``CA-broken`` raises what nobody foresaw.
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import jobs
from pipeline.config import load_settings
from pipeline.worker import work
from tests import scripted

if TYPE_CHECKING:
    from pipeline.run import Outcome, Rooms

_carry_on = jobs.process_waiting


def main(data_dir: Path, name: str, stage: str) -> None:
    """Work until no call waits."""

    def deadly(call_id: str, rooms: Rooms, now: datetime, **_: Any) -> Outcome:
        mark = data_dir.with_name(f"{call_id}.died")

        def observe(begun: str) -> None:
            if begun == stage and (call_id.startswith("CA-deadly") or not mark.exists()):
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)

        if call_id.startswith("CA-broken"):
            raise ValueError(scripted.NAME)
        return _carry_on(
            call_id, rooms, now, observe if call_id.startswith(("CA-once", "CA-deadly")) else lambda _: None
        )

    jobs.process_waiting = deadly
    settings = load_settings(data_dir)
    work(scripted.rooms(settings), settings, name, lambda: datetime.now(UTC), at_once=1, until_empty=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
