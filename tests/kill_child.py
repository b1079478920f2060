"""A process that dies while it carries a call through: ``python -m tests.kill_child FOLDER`` tries point after point.

Prints one JSON line per point. Each attempt is a forked child that processes the scripted call and kills itself when a
stage begins; as a power cut would, just before the n-th time that it creates, links or removes something in its store;
or, when the call was stored before by other models, just before it removes the n-th object that nobody needs any more.
What the dead child left is copied to ``FOLDER/POINT-left``; a second child then processes the call again, in
``FOLDER/POINT``.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import av  # noqa: F401 -- here, so that no child has to import it

from pipeline.config import load_settings
from pipeline.intake.ingest import Delivery
from pipeline.metadata import parse_metadata
from pipeline.run import process
from tests import scripted

if TYPE_CHECKING:
    from collections.abc import Callable

    Prepare = Callable[[], Callable[[str], None]]

STAGES: Final = ("intake", "transcribe", "diarize", "detect", "consent", "redact", "verify", "seal")
_TOUCHES: Final = {"open", "os.link", "os.remove", "os.mkdir"}
OTHER_MODELS: Final = "f" * 64


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Point:
    """Where to die; its data folder, and whether the call is stored there already, by other models."""

    name: str
    data_dir: Path
    replaces: bool = False

    def attempt(self, prepare: Prepare, fingerprint: str = OTHER_MODELS) -> int:
        """Process the call in a child; its exit status, negative for the signal that ended it."""
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                observe = prepare()
                delivery = Delivery((self.data_dir.parent / "call.wav",), (), parse_metadata(scripted.metadata()))
                rooms = replace(scripted.rooms(load_settings(self.data_dir)), fingerprint=fingerprint)
                process(delivery, rooms, datetime.now(UTC), observe)
                code = 0
            finally:
                os._exit(code)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def report(self, prepare: Prepare) -> int:
        """Die, keep what is left, try again, say how it went; gives the exit status of the first attempt."""
        if self.replaces:
            self.attempt(_quiet, "0" * 64)
        died = self.attempt(prepare)
        shutil.copytree(self.data_dir, self.data_dir.with_name(f"{self.name}-left"), dirs_exist_ok=True)
        again = self.attempt(_quiet)
        print(json.dumps({"point": self.name, "died": died, "again": again}), flush=True)  # noqa: T201
        return died


def _quiet() -> Callable[[str], None]:
    return lambda _stage: None


def _at_stage(wanted: str) -> Prepare:
    return lambda: lambda stage: _die() if stage == wanted else None


def _at_removal(number: int, store: Path) -> Prepare:
    """Die just before the ``number``-th finished object is removed."""

    def prepare() -> Callable[[str], None]:
        count = itertools.count(1)

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            if event != "os.remove":
                return
            path = Path(str(arguments[0]))
            if path.is_relative_to(store) and path.parent.name != "partial" and next(count) == number:
                _die()

        sys.addaudithook(hook)
        return _quiet()

    return prepare


def _at_touch(number: int, store: Path) -> Prepare:
    """Die just before the ``number``-th change of a file in the store."""

    def prepare() -> Callable[[str], None]:
        count = itertools.count(1)

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            if event in _TOUCHES and str(arguments[0]).startswith(str(store)):
                reads = event == "open" and not int(arguments[2] or 0) & os.O_CREAT
                if not reads and next(count) == number:
                    _die()

        sys.addaudithook(hook)
        return _quiet()

    return prepare


def main(folder: Path) -> None:
    """Every stage, then every touch and every removal until one attempt ends well."""
    (folder / "call.wav").write_bytes(scripted.recording())
    scripted.rooms(load_settings(folder / "fresh")).records.close()  # so that no child has to import everything anew
    for stage in STAGES:
        Point(stage, folder / stage).report(_at_stage(stage))
    _until_well(folder, "touch", _at_touch, replaces=False)
    _until_well(folder, "removal", _at_removal, replaces=True)


def _until_well(folder: Path, kind: str, at: Callable[[int, Path], Prepare], *, replaces: bool) -> None:
    for number in itertools.count(1):
        data_dir = Path(shutil.copytree(folder / "fresh", folder / f"{kind}-{number}"))
        if Point(data_dir.name, data_dir, replaces).report(at(number, data_dir / "objects")) == 0:
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]))
