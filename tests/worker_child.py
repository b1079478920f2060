"""A worker in a process of its own, with scripted models, that some calls kill or stop for a while.

``python -m tests.worker_child DATA_DIR NAME STAGE [AHEAD_S [AT_ONCE]]``; STAGE may be ``told``: when the call is done
and nobody knows yet. As STAGE begins, a call whose id begins with ``CA-once`` kills the process the first time, one
that begins with ``CA-deadly`` does every time, and ``CA-pause`` makes a file ``CA-pause.there`` the first time and
waits for ``CA-pause.go``. ``CA-broken`` raises what nobody foresaw. The worker's clock is AHEAD_S ahead. Each look at
the clock adds a byte to ``NAME.beats``; a call that met a failure is tried again at once.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import jobs
from pipeline.config import load_settings
from pipeline.worker import work
from tests import scripted

if TYPE_CHECKING:
    from pipeline.run import Outcome, Rooms

_carry_on = jobs.process_waiting


def _meet(call_id: str, top: Path) -> None:
    """What happens as the stage of a call begins."""
    if call_id.startswith("CA-pause") and not (top / f"{call_id}.there").exists():
        (top / f"{call_id}.there").touch()
        while not (top / f"{call_id}.go").exists():
            time.sleep(0.02)
    mark = top / f"{call_id}.died"
    if call_id.startswith("CA-deadly") or (call_id.startswith("CA-once") and not mark.exists()):
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)


def main(data_dir: Path, name: str, stage: str, ahead_s: float = 0.0, at_once: int = 1) -> None:
    """Work until no call waits."""

    def carry_on(call_id: str, rooms: Rooms, now: datetime, **_: Any) -> Outcome:
        if call_id.startswith("CA-broken"):
            raise ValueError(scripted.NAME)
        observe = lambda begun: _meet(call_id, data_dir.parent) if begun == stage else None  # noqa: E731
        outcome = _carry_on(call_id, rooms, now, observe)
        observe("told")
        return outcome

    def clock() -> datetime:
        with data_dir.with_name(f"{name}.beats").open("ab") as beats:
            beats.write(b".")
        return datetime.now(UTC) + timedelta(seconds=ahead_s)

    jobs.process_waiting = carry_on
    jobs.RETRY_S = (1,)  # type: ignore[misc,assignment]
    settings = load_settings(data_dir)
    work(scripted.rooms(settings), settings, name, clock, at_once=at_once, until_empty=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:4], *map(float, sys.argv[4:5]), *map(int, sys.argv[5:6]))
