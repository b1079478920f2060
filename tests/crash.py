"""A process that dies at each change of a file: ``python -m tests.crash FOLDER``.

Prints one JSON line per point: a forked child processes the scripted call and kills itself, as a power cut would, just
before the n-th time that it creates, links or removes something in its store. What it left is copied to
``FOLDER/POINT-left``; a second child then processes the call again, in ``FOLDER/POINT``. ``tests.kill_child`` dies at
each stage, and where a result is replaced.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import av  # noqa: F401 -- here, so that no child has to import it

from pipeline.config import load_settings
from tests import scripted
from tests.kill_child import Point

if TYPE_CHECKING:
    from collections.abc import Callable

_TOUCHES: Final = {"open", "os.link", "os.remove", "os.mkdir"}


def _at_touch(number: int, store: str) -> Callable[[], Callable[[str], None]]:
    """Die just before the ``number``-th change of a file in the store."""

    def prepare() -> Callable[[str], None]:
        count = itertools.count(1)

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            if event in _TOUCHES and str(arguments[0]).startswith(store):
                reads = event == "open" and not int(arguments[2] or 0) & os.O_CREAT
                if not reads and next(count) == number:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        return lambda _stage: None

    return prepare


def main(folder: Path) -> None:
    """Every touch until one attempt ends well."""
    (folder / "call.wav").write_bytes(scripted.recording(mono=True))
    # Every attempt begins with this, so that no child has to import everything and make the tables anew.
    scripted.rooms(load_settings(folder / "fresh")).records.close()
    for number in itertools.count(1):
        data_dir = Path(shutil.copytree(folder / "fresh", folder / f"touch-{number}"))
        if Point(data_dir.name, data_dir).report(_at_touch(number, f"{data_dir}/objects")) == 0:
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]))
