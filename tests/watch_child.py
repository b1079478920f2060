"""A watcher that dies at point after point: ``python -m tests.watch_child FOLDER``; one JSON line for each.

Each attempt is a forked child that takes a call of two files and kills itself; a second child then looks again.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.build import custody
from pipeline.config import load_settings
from pipeline.intake import watch
from pipeline.intake.pressure import Pressure
from pipeline.intake.watch_names import name_rule
from pipeline.retention import retain
from pipeline.roles import Role
from tests import scripted
from tests.factories import pcm16, sound_file

if TYPE_CHECKING:
    from collections.abc import Callable

POINTS = ("read", "sealed", "noted", "half")


def _die(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _second_unlink() -> Callable[..., None]:
    unlink, seen = Path.unlink, [0]

    def dies(self: Path, **options: Any) -> None:
        if self.suffix == ".wav":
            seen[0] += 1
            if seen[0] == 2:
                _die()
        unlink(self, **options)

    return dies


def _arm(point: str) -> Callable[[str], None]:
    """Patch what dies; gives what is told of a call that is queued."""
    if point == "read":
        reread = watch.reread

        def cut(*arguments: Any) -> Any:
            for number, chunk in enumerate(reread(*arguments)):
                yield chunk
                if number == 0:
                    _die()

        watch.reread = cut
    elif point == "noted":
        watch._carry_out = _die  # noqa: SLF001
    elif point == "half":
        Path.unlink = _second_unlink()  # type: ignore[method-assign]
    return _die if point == "sealed" else lambda _: None


def look(top: Path, point: str | None) -> int:
    """A pass in a child; its exit status."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            settings = load_settings(top / "data")
            chosen = watch.Watch(
                folder=top / "spool",
                names=name_rule("", "", "UTC", "none"),
                settled_s=0.0,
                keep=None,
                held=custody(settings, Role.INGEST),
                retention=retain.load_policy(settings.policy_file("retention.toml")),
                max_bytes=1 << 24,
                enqueue=_arm(point) if point else lambda _: None,
                room=Pressure(0, 1, lambda: 1, lambda: 0),
            )
            watch.look(chosen, datetime.now(UTC))
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def main(folder: Path) -> None:
    """Every point."""
    legs = [sound_file(pcm16(voice[None]), scripted.RATE_HZ) for voice in scripted.samples(scripted.script())]
    for point in POINTS:
        top = folder / point
        (top / "spool").mkdir(parents=True)
        for name, leg in zip(("a-out", "a-in"), legs, strict=True):
            (top / "spool" / f"{name}.wav").write_bytes(leg)
        code = look(top, point)
        rows = _calls(top)
        left = len(list((top / "spool").glob("*.wav")))
        again = look(top, None)
        found = {"code": code, "again": again, "rows_when_killed": len(rows), "files_when_killed": left}
        sys.stdout.write(json.dumps({"name": point, **found, "calls": _calls(top)}) + "\n")
        sys.stdout.flush()


def _calls(top: Path) -> list[str]:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(top / "data" / "callseal.db")) as connection:
        return [row[0] for row in connection.execute("SELECT call_id FROM calls")]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
