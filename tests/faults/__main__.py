"""``make test-faults``: prints one row for each fault, and their sum.

Ends with 1 if a call was lost or doubled, anything plain was left, the audit trail does not verify, or a fault did not
happen. ``python -m tests.faults WORD`` makes only the faults whose name holds the word.
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import astuple, fields
from pathlib import Path
from typing import TYPE_CHECKING

from tests.faults import disk, hook, hostile, servers, watcher, workers
from tests.faults.row import Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def rows(wanted: str) -> Iterator[Row]:
    """Every fault in a folder of its own."""
    for room in (workers, hook, servers, disk, hostile):
        for fault in room.faults():
            if wanted in _name(room.__name__, fault):
                with tempfile.TemporaryDirectory(prefix="callseal-faults-") as top:
                    yield fault(Path(top))
    if wanted in watcher.__name__:
        with tempfile.TemporaryDirectory(prefix="callseal-faults-") as top:
            yield from watcher.rows(Path(top))


def _name(room: str, fault: Callable[[Path], Row]) -> str:
    called, how = getattr(fault, "func", fault), getattr(fault, "args", ())
    return f"{room}.{called.__name__} {' '.join(map(str, how))}"


def main(wanted: str = "") -> None:
    """Print the table as it grows, and its sum."""
    names = [field.name for field in fields(Row)]
    form = "{:28}" + "".join(f"{{:>{max(len(name), 4) + 2}}}" for name in names[1:]) + "{:>8}"
    sys.stdout.write(form.format(*names, "s") + "\n")
    found, begun = [], time.monotonic()
    for row in rows(wanted):
        found.append(row)
        took_s, begun = time.monotonic() - begun, time.monotonic()
        sys.stdout.write(form.format(*map(str, astuple(row)), f"{took_s:.0f}") + ("\n" if row.good else "  <- BAD\n"))
        sys.stdout.flush()
    sums = [sum(values) for values in list(zip(*map(astuple, found), strict=True))[1:-1]]
    good = all(row.good for row in found)
    sys.stdout.write(form.format("sum", *map(str, sums), "ok" if good else "BAD", "") + "\n")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main(*sys.argv[1:2])
