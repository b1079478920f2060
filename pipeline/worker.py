"""A worker: takes jobs until it is told to stop, says that it is alive, and takes over from workers that fell silent.

Models are loaded once, by the first call. SIGTERM and SIGINT stop it: no new job is taken, calls that are being
processed get a while to end, and what does not end is done again by another worker or the next start.
"""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from pipeline import jobs
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
    jobs.serve_jobs(rooms, settings, worker_id, at_once, clock)
    beats = 0
    try:
        with jobs.queue(settings) as client, stopped() as stop:
            while not stop.is_set():
                with suppress(Temporary):  # a store or database that is away for a while is no reason to end
                    _beat(client, rooms, worker_id, clock(), sweeping=beats % SWEEP_BEATS == 0)
                    if until_empty and not jobs.waiting(client):
                        break
                beats += 1
                stop.wait(jobs.POLL_S if until_empty else BEAT_S)
    finally:
        jobs.stop_jobs(WITHIN_S)
        with suppress(Temporary):
            jobs.leave(rooms.records, worker_id)


def _beat(client: DBOSClient, rooms: Rooms, worker_id: str, now: datetime, *, sweeping: bool) -> None:
    jobs.take_over(jobs.beat(rooms.records, worker_id, now))
    jobs.enqueue_waiting(client, rooms, now)
    if sweeping:
        sweep(rooms.archive, rooms.records, now - GRACE)


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
