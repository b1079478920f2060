"""A worker: takes jobs until it is told to stop, says that it is alive, and takes over from workers that fell silent.

Models are loaded once, by the first call. SIGTERM and SIGINT stop it: no new job is taken, calls that are being
processed get a while to end, and what does not end is done again by another worker or the next start.
"""

from __future__ import annotations

import signal
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from pipeline import jobs
from pipeline.alive import Neighbours
from pipeline.errors import Temporary
from pipeline.sweep import GRACE, sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from dbos import DBOSClient

    from pipeline.config import Settings
    from pipeline.run import Rooms

BEAT_S: Final = 10.0
SWEEP_BEATS: Final = 360  # once an hour
WITHIN_S: Final = 120  # that a call which is being processed gets to end


def work(
    rooms: Rooms, settings: Settings, worker_id: str, clock: Callable[[], datetime], *, at_once: int, until_empty: bool
) -> None:
    """Carry calls on until a signal comes, or, with ``until_empty``, until none waits.

    Args:
        rooms: models, policies, keys, store and records.
        settings: where the queue is.
        worker_id: of this process; a worker of the same name takes up what this one leaves.
        clock: gives the time.
        at_once: how many calls are processed at the same time.
        until_empty: end when no call waits.

    Raises:
        MissingExtra: DBOS is not installed.
    """
    in_hand = jobs.serve_jobs(rooms, settings, worker_id, at_once, clock)
    beats, neighbours = 0, Neighbours(rooms.records, worker_id)
    dropped: set[str] = set()
    try:
        with jobs.queue(settings) as client, stopped() as stop:
            while not stop.is_set():
                with suppress(Temporary):  # a store or database that is away for a while is no reason to end
                    idle = not jobs.is_busy(client)
                    dropped = jobs.take_up_dropped(client, worker_id, in_hand, dropped)
                    added = _beat(client, rooms, neighbours, clock(), sweeping=beats % SWEEP_BEATS == 0)
                    if until_empty and idle and not added:
                        break
                beats += 1
                stop.wait(jobs.POLL_S if until_empty else BEAT_S)
    finally:
        jobs.stop_jobs(WITHIN_S)
        with suppress(Temporary):
            neighbours.leave()


def _beat(client: DBOSClient, rooms: Rooms, neighbours: Neighbours, now: datetime, *, sweeping: bool) -> int:
    """Gives how many calls were put into the queue."""
    jobs.take_over(neighbours.beat(now, time.monotonic()))
    added = jobs.enqueue_waiting(client, rooms, now)
    if sweeping:
        sweep(rooms.archive, rooms.records, now - GRACE)
    return added


@contextmanager
def stopped() -> Iterator[threading.Event]:
    """Set by the signals that ask a process to end."""
    stop = threading.Event()
    before = {each: signal.signal(each, lambda *_: stop.set()) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
