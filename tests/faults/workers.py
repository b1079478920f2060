"""Workers that die, that meet a call which kills all of them, that race for one call, and whose clock is wrong."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Final

from tests.faults.calls import WITHIN_S, beats, begin, give, go_on, paused, work
from tests.faults.row import Row, count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

STAGES: Final = ("transcribe", "diarize", "detect", "consent", "redact", "verify", "seal", "told")
KILLED: Final = -signal.SIGKILL
BEATS: Final = 8  # in which the other has looked at everything it looks at
MONTH_S: Final = 30 * 86_400.0


def faults() -> Iterator[Callable[[Path], Row]]:
    """Every fault of a worker."""
    yield from (partial(dies, stage) for stage in STAGES)
    yield poison
    yield race
    yield partial(wrong_clock, "ahead", MONTH_S)
    yield partial(wrong_clock, "behind", -MONTH_S)


def dies(stage: str, top: Path) -> Row:
    """SIGKILL of the worker as a stage of one of two calls begins; ``told`` is when all is done but not yet said."""
    data = top / "data"
    give(data, "CA-once", "CA-b")
    codes = [work(data, stage) for _ in range(2)]
    return count(f"worker killed, {stage}", data, codes.count(KILLED), ("CA-once", "CA-b"))


def poison(top: Path) -> Row:
    """A call that takes every worker down, between two that do not."""
    data, call_ids = top / "data", ("CA-a", "CA-deadly", "CA-b")
    give(data, *call_ids)
    codes: list[int] = []
    while 0 not in codes and len(codes) < 9:
        codes.append(work(data, "redact"))
    return count("worker killed, poison call", data, codes.count(KILLED), call_ids)


def race(top: Path) -> Row:
    """Two processes carry the same calls to their results at the same time."""
    data, call_ids = top / "data", ("CA-a", "CA-b", "CA-c")
    give(data, *call_ids)
    command = [sys.executable, "-m", "tests.faults.race", str(data), *call_ids]
    racers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(2)]
    for racer in racers:
        assert racer.stdout
        assert racer.stdout.readline() == b"ready\n"
    together = 0
    for _ in call_ids:
        for racer in racers:
            assert racer.stdin
            racer.stdin.write(b"\n")
            racer.stdin.flush()
        # What was done when it began is only looked at: then there was no race.
        together += [racer.stdout.readline() for racer in racers if racer.stdout].count(b"done\n") > 0
    assert [racer.wait(WITHIN_S) for racer in racers] == [0, 0]
    return count("two workers, one call", data, together, call_ids)


def wrong_clock(which: str, ahead_s: float, top: Path) -> Row:
    """A worker in the middle of sealing a call, beside one whose clock is wrong by a month."""
    data, call_ids = top / "data", ("CA-pause", "CA-b")
    give(data, *call_ids)
    one = begin(data, "seal")
    paused(data, one)
    other = begin(data, "none", "other", ahead_s)
    give(data, "CA-c")
    while other.poll() is None and beats(data, "other") < BEATS:
        time.sleep(0.02)
    go_on(data)
    assert [each.wait(WITHIN_S) for each in (one, other)] == [0, 0]
    return count(f"clock {which} by a month", data, 1, (*call_ids, "CA-c"))
