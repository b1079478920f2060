"""An archive for the workers: its calls are sealed and put into their queue, behind the calls of today, and waited for.

Takes an archive's calls, gives the report of what became of them. No more wait at a time than the workers need, so that
an archive of any size takes little room twice. Started again after its end, however it ended, it hands in what is not
held yet and waits for the rest.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from pipeline import schema
from pipeline.connect import reading
from pipeline.errors import CallsealError, Refused, Temporary
from pipeline.intake import ingest
from pipeline.intake.arrival import Legs, hand_in
from pipeline.jobs import ARCHIVE, enqueue
from pipeline.reprocess import WAITS_S, Report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from dbos import DBOSClient

    from pipeline.custody import Custody
    from pipeline.db import Records
    from pipeline.intake.sources import Entry
    from pipeline.retention.retain import RetentionPolicy

AHEAD: Final = 200  # calls that wait, sealed, at a time
LOOK_S: Final = 1.0
_PORTION: Final = 400


@dataclass(frozen=True, slots=True)
class Door:
    """Where calls are handed in.

    Args:
        held: keys, store and records.
        retention: until when an original may wait.
        max_bytes: of a recording.
        client: of the workers' queue.
        clock: gives the time.
        sleep: waits.
    """

    held: Custody
    retention: RetentionPolicy
    max_bytes: int
    client: DBOSClient = field(repr=False)
    clock: Callable[[], datetime]
    sleep: Callable[[float], None] = time.sleep


def hand_over(
    found: Iterable[Entry], door: Door, *, observe: Callable[[Entry], None] = lambda _: None, ahead: int = AHEAD
) -> Report:
    """Hand every call in, and wait until the workers are done with all of them.

    Args:
        found: the calls of an archive.
        door: where they are handed in.
        observe: told of each call when it is done.
        ahead: how many may wait at a time.

    Raises:
        Temporary: store or database stayed away; start again later, what is done is done.
    """
    report, open_calls = Report(), dict[str, "Entry"]()
    began = time.perf_counter()
    for entry in found:
        while len(open_calls) >= ahead:
            _look(open_calls, door, report, observe)
        try:
            call_id = _patiently(entry, door)
        except Temporary:
            raise
        except Refused as exc:
            report.refuse(entry, exc)
        except CallsealError as exc:
            report.fail(entry, exc)
        else:
            if call_id is not None:
                open_calls[call_id] = entry
                continue
            report.statuses["repeated"] += 1
        observe(entry)
    while open_calls:
        _look(open_calls, door, report, observe)
    report.busy_s = time.perf_counter() - began
    return report


def _patiently(entry: Entry, door: Door) -> str | None:
    for wait_s in WAITS_S:
        try:
            return _handed_in(entry, door)
        except Temporary:
            door.sleep(wait_s)
    return _handed_in(entry, door)


def _handed_in(entry: Entry, door: Door) -> str | None:
    """The id of a call that waits now; None for one that is done, under whichever policy."""
    delivery = entry.delivery()
    source = ingest.inspect(delivery, door.max_bytes)
    call_id = delivery.metadata.call_id or f"call-{source.sha256[:32]}"
    before = door.held.records.call(call_id)
    if before is not None and before.status is not None and "error" not in before.summary:
        return None
    metadata = delivery.metadata.model_copy(update={"call_id": call_id})
    streams = [ingest.reread(file, part) for file, part in zip(delivery.files, source.parts, strict=True)]
    now = door.clock()
    if hand_in(Legs(streams, delivery.legs), metadata, door.held, door.retention, door.max_bytes, now):
        enqueue(door.client, call_id, ARCHIVE)
    return call_id


def _look(open_calls: dict[str, Entry], door: Door, report: Report, observe: Callable[[Entry], None]) -> None:
    """Take out the calls that are done; wait a moment if none is."""
    done = _done(door.held.records, list(open_calls))
    for call_id, status, duration_s, told in done:
        entry = open_calls.pop(call_id)
        if "error" in told:
            report.fail_as(entry, told["error"]["kind"], told["error"]["message"])
        else:
            report.statuses[status] += 1
            report.audio_s += duration_s or 0.0
        observe(entry)
    if not done:
        door.sleep(LOOK_S)


def _done(records: Records, call_ids: Sequence[str]) -> list[Any]:
    calls = schema.calls.c
    query = sa.select(calls.call_id, calls.status, calls.duration_s, calls.summary).where(calls.status.is_not(None))
    with reading(records.engine) as connection:
        return [
            row
            for first in range(0, len(call_ids), _PORTION)
            for row in connection.execute(query.where(calls.call_id.in_(call_ids[first : first + _PORTION]))).all()
        ]
