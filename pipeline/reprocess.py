"""Reprocessing an archive: every call through the rooms, with a report of what became of them.

A call that was processed under the same models and policies is left as it is, so a run that was stopped goes on
when it is started again; one that was processed under others gets a new result, which takes the place of the old one
only once it is verified. A stored call is taken from its original while that is held, else its redacted recording is
heard again and tightened (``pipeline.tighten``). Calls that were erased are refused, those that are held keep their
result.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import sqlalchemy as sa

from pipeline import schema
from pipeline.connect import reading
from pipeline.errors import BadInput, CallsealError, NotFound, Refused, Temporary, UsageError
from pipeline.run import process, process_again
from pipeline.tighten import tighten
from pipeline.types import ArtifactKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from pipeline.db import CallRecord, Records
    from pipeline.intake.bucket import BucketFile
    from pipeline.intake.sources import Entry
    from pipeline.run import Outcome, Rooms

LISTED: Final = 1000  # calls that a report names at most, of each kind
SAMPLE: Final = 1000  # calls whose length an estimate asks for
PORTION: Final = 500  # ids in one question
WAITS_S: Final = (1.0, 5.0, 30.0)  # before a call is tried again whose failure may pass


@dataclass(slots=True)
class Report:
    """What became of the calls of an archive.

    Args:
        statuses: how many calls ended in each status; ``repeated`` were done before and left as they are.
        failures: how many calls failed by each kind of error.
        failed: for each of the first calls that failed, its number in the source, the error's kind and message.
        skipped: how many calls were left as they are, by the reason.
        refused: for each of the first calls that are held, were erased or are restricted, likewise.
        audio_s: length of what was processed now, without what was done before.
        busy_s: how long that took.
    """

    statuses: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    failed: list[dict[str, Any]] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    refused: list[dict[str, Any]] = field(default_factory=list)
    audio_s: float = 0.0
    busy_s: float = 0.0

    def fail(self, entry: Entry | Stored, error: CallsealError) -> None:
        """Count a call that failed."""
        self.fail_as(entry, type(error).__name__, str(error))

    def fail_as(self, entry: Entry | Stored, kind: str, message: str) -> None:
        """Count a call that failed, by what its record says."""
        self.failures[kind] += 1
        _told(self.failed, entry, kind, message)

    def refuse(self, entry: Entry | Stored, error: CallsealError) -> None:
        """Count a call that may not be processed."""
        self.skipped["refused"] += 1
        _told(self.refused, entry, type(error).__name__, str(error))

    @property
    def summary(self) -> dict[str, Any]:
        """As the command prints it."""
        return {
            "calls": dict(self.statuses),
            "failures": dict(self.failures),
            "skipped": dict(self.skipped),
            "failed": self.failed,
            "refused": self.refused,
            "audio_hours": round(self.audio_s / 3600, 4),
            "times_real_time": round(self.audio_s / self.busy_s, 2) if self.busy_s else None,
        }


@dataclass(frozen=True, slots=True)
class Stored:
    """A call that was finished before; ``number`` is its place in the run, by which a report names it.

    Args:
        number: counted from the oldest.
        call_id: its name.
        duration_s: of its recording, where it was decoded.
        source: what of its sound is held: ``original``, ``redacted``, or nothing.
    """

    number: int
    call_id: str
    duration_s: float
    source: Literal["original", "redacted", ""]


@dataclass(frozen=True, slots=True)
class Estimate:
    """What an archive will take.

    Args:
        calls: how many there are.
        size_bytes: of their recordings.
        audio_s: their length, as far as the files state it.
        times_real_time: measured on the calls of this installation; None if there are none.
    """

    calls: int
    size_bytes: int
    audio_s: float
    times_real_time: float | None

    @property
    def busy_s(self) -> float | None:
        """How long one worker will take."""
        return self.audio_s / self.times_real_time if self.times_real_time else None


def estimate(found: Sequence[Entry], measured: Iterable[CallRecord]) -> Estimate:
    """What processing these calls will take, by the speed of those already done; of a large archive, by a sample."""
    size_bytes = sum(entry.size_bytes for entry in found)
    asked = found[:: max(len(found) // SAMPLE, 1)]
    audio_s = sum(max((_stated_s(file) for file in entry.files), default=0.0) for entry in asked)
    if len(asked) < len(found):
        audio_s *= size_bytes / max(sum(entry.size_bytes for entry in asked), 1)
    return Estimate(len(found), size_bytes, audio_s, _speed(measured))


def left_of(found: Sequence[Entry], records: Records, fingerprint: str) -> list[Entry]:
    """The calls of an archive without those that were done under this policy, as far as they state an id."""
    columns = schema.calls.c
    done = sa.select(columns.call_id).where(columns.fingerprint == fingerprint, columns.status.is_not(None))
    with reading(records.engine) as connection:
        any_done = connection.execute(done.limit(1)).first() is not None
    ids = {entry.number: _stated_id(entry) for entry in found} if any_done else {}
    stated, known = [call_id for call_id in ids.values() if call_id], set[str]()
    with reading(records.engine) as connection:
        for start in range(0, len(stated), PORTION):
            query = done.where(columns.call_id.in_(stated[start : start + PORTION]))
            known.update(connection.execute(query).scalars())
    return [entry for entry in found if ids.get(entry.number) not in known]


def _stated_id(entry: Entry) -> str | None:
    try:
        return entry.delivery().metadata.call_id
    except (BadInput, UsageError):
        return None  # processing it will say so


def stored_since(records: Records, since: datetime | None) -> list[Stored]:
    """The finished calls that were received since then, or all, the oldest first."""
    calls, artifacts = schema.calls.c, schema.artifacts.c

    def holds(kind: ArtifactKind) -> sa.ColumnElement[bool]:
        return sa.exists().where(artifacts.call_id == calls.call_id, artifacts.kind == kind.value)

    source = sa.case(
        (holds(ArtifactKind.CALL_METADATA), "original"), (holds(ArtifactKind.REDACTED_AUDIO), "redacted"), else_=""
    )
    query = sa.select(calls.call_id, calls.duration_s, source).where(calls.status.is_not(None))
    if since is not None:
        query = query.where(calls.received_at >= since)
    with reading(records.engine) as connection:
        rows = connection.execute(query.order_by(calls.received_at, calls.call_id)).all()
    return [Stored(number, row[0], row[1] or 0.0, row[2]) for number, row in enumerate(rows, 1)]


def estimate_stored(found: Sequence[Stored], measured: Iterable[CallRecord]) -> Estimate:
    """What processing those again will take of which there is something to hear."""
    again = [each for each in found if each.source]
    return Estimate(len(again), 0, sum(each.duration_s for each in again), _speed(measured))


def reprocess(
    found: Iterable[Entry | Stored],
    rooms: Rooms,
    clock: Callable[[], datetime],
    *,
    observe: Callable[[Entry | Stored], None] = lambda _: None,
    pause_s: float = 0.0,
    sleep: Callable[[float], None] = time.sleep,
) -> Report:
    """Carry every call through.

    Args:
        found: the calls, of an archive or already stored.
        rooms: models, policies, keys, store and records.
        clock: gives the time.
        observe: told of each call when it is done.
        pause_s: to wait after each call that was processed, for the sake of others.
        sleep: waits.

    Raises:
        Temporary: store or database stayed away; start again later, what is done is done.
    """
    report = Report()
    for entry in found:
        begun = time.perf_counter()
        try:
            outcome = _patiently(entry, rooms, clock, sleep)
        except Temporary:
            raise
        except NotFound:
            report.skipped["nothing of it is held that could be heard"] += 1
        except Refused as exc:
            report.refuse(entry, exc)
        except CallsealError as exc:
            report.fail(entry, exc)
        except Exception as exc:  # noqa: BLE001 -- its message may quote the call, and the others go on
            report.fail(entry, CallsealError(f"internal error: {type(exc).__name__}"))
        else:
            report.statuses["repeated" if outcome.repeated else outcome.status.value] += 1
            if not outcome.repeated:
                report.audio_s += outcome.summary["duration_s"]
                report.busy_s += time.perf_counter() - begun
                sleep(pause_s)
        observe(entry)
    return report


def _carry(entry: Entry | Stored, rooms: Rooms, now: datetime) -> Outcome:
    if not isinstance(entry, Stored):
        return process(entry.delivery(), rooms, now)
    again = process_again if entry.source == "original" else tighten
    return again(entry.call_id, rooms, now)


def _patiently(
    entry: Entry | Stored, rooms: Rooms, clock: Callable[[], datetime], sleep: Callable[[float], None]
) -> Any:
    for wait_s in WAITS_S:
        try:
            return _carry(entry, rooms, clock())
        except Temporary:
            sleep(wait_s)
    return _carry(entry, rooms, clock())


def _told(found: list[dict[str, Any]], entry: Entry | Stored, kind: str, message: str) -> None:
    if len(found) < LISTED:
        found.append({"number": entry.number, "kind": kind, "message": message})


def _stated_s(file: Path | BucketFile) -> float:
    """The length that a file's header states; of an object, by its rate and size. 0 where nothing states it."""
    import av

    try:
        source = str(file) if isinstance(file, Path) else file.head()
        with av.open(source, mode="r", metadata_errors="ignore") as container:
            if not isinstance(file, Path):
                return file.size_bytes * 8 / container.bit_rate if container.bit_rate else 0.0
            return container.duration / av.time_base if container.duration else 0.0
    except (av.FFmpegError, OSError, ValueError, CallsealError):
        return 0.0


def _speed(measured: Iterable[CallRecord]) -> float | None:
    audio_s = busy_s = 0.0
    for record in measured:
        timings: Mapping[str, float] = record.summary.get("timings_s", {})
        if record.duration_s and timings:
            audio_s += record.duration_s
            busy_s += sum(timings.values())
    return audio_s / busy_s if busy_s else None
