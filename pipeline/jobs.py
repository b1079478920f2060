"""Durable jobs: each waiting call is one workflow of DBOS, carried on by whichever worker takes it.

Takes call ids; the queue's tables hold ids, names of errors and times, as JSON, and never content. What is to be done
is in the records (a waiting call), not in the queue: a queue that is lost is filled again by :func:`enqueue_waiting`,
and a job whose call is done, erased or taken back ends at once.

What a worker may meet: an error that may pass ends the job, and the call is tried again later, ever more rarely, for as
long as its original may be kept; any other error, and a call that takes its worker down again and again,
quarantines the call with its originals. A worker that falls silent loses its jobs to the others.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from filelock import FileLock

from pipeline import schema
from pipeline.connect import reading, unavailable
from pipeline.errors import BadInput, CallsealError, MissingExtra, NotFound, Refused, Temporary
from pipeline.intake.arrival import fetch_announced, urls_of
from pipeline.intake.fetch_recording import delete_copy, fetch, is_at
from pipeline.run import give_up, process_waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from dbos import DBOSClient, DBOSConfig, EnqueueOptions

    from pipeline.config import Settings
    from pipeline.db import Records
    from pipeline.intake.fetch_recording import FetchRule
    from pipeline.run import Rooms

QUEUE: Final = "calls"
WORKFLOW: Final = "carry"
WORKFLOW_VERSION: Final = "1"  # of the steps below; jobs of one version are never run by another
LIVE, ARCHIVE = 1, 100  # priorities: a call that just ended comes before one out of an archive
ENDED_WORKER: Final = "ended its worker"  # outcome of the last job of such a call
DEADLY: Final = 3  # a call that ends its worker this often is not tried again
RETRY_S: Final = (30, 120, 600, 1800)  # how long a call waits after its first, second ... failed try
POLL_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Job:
    """One try of one call.

    Args:
        job_id: the call's id and the number of the try.
        call_id: which call.
        state: ``waiting``, ``running``, ``done``, ``failed`` or ``cancelled``.
        priority: LIVE or ARCHIVE.
        created_at: when it was put into the queue.
        worker_id: who has it or had it, if anybody.
        outcome: what became of the call, or the name of the error.
        taken_at: when a worker took it, if one did.
        ended_at: when it ended, if it did.
    """

    job_id: str
    call_id: str
    state: str
    priority: int
    created_at: datetime
    worker_id: str | None
    outcome: str | None
    taken_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the queue is.

    Args:
        waiting: jobs that nobody has taken yet.
        running: jobs that a worker has.
        per_hour: jobs that ended in an hour, by what was seen in the last one; None where none ended.
        ends_at: when the queue will be empty at that speed; None where it is not known, or empty.
    """

    waiting: int
    running: int
    per_hour: float | None
    ends_at: datetime | None


_STATES: Final = {
    "ENQUEUED": "waiting",
    "DELAYED": "waiting",
    "PENDING": "running",
    "SUCCESS": "done",
    "ERROR": "failed",
    "CANCELLED": "cancelled",
    "MAX_RECOVERY_ATTEMPTS_EXCEEDED": "failed",
}


_OPEN: Final = ("ENQUEUED", "DELAYED", "PENDING")
_WINDOW: Final = timedelta(hours=1)  # over which the speed of the queue is taken


def serve_jobs(
    rooms: Rooms, settings: Settings, worker_id: str, at_once: int, clock: Callable[[], datetime]
) -> Collection[str]:
    """Begin to take jobs in this process, in ``at_once`` threads; gives the calls that it has in hand, as they change.

    Raises:
        MissingExtra: DBOS is not installed.
    """
    dbos, rule = _library(), settings.fetch_rule
    prepare_queue(settings)
    config: DBOSConfig = {
        "name": "callseal",
        "system_database_url": settings.jobs_url,
        "application_version": WORKFLOW_VERSION,
        "executor_id": worker_id,
        "serializer": dbos.DBOSPortableJSONSerializer(),
        "log_level": "CRITICAL",
        "use_listen_notify": False,
        "run_migrations": False,
    }
    dbos.DBOS(config=config)
    in_hand: set[str] = set()

    @dbos.DBOS.step(name="process")  # type: ignore[untyped-decorator,unused-ignore]
    def process_step(call_id: str) -> str:
        return try_call(call_id, rooms, rule, clock())

    @dbos.DBOS.workflow(name=WORKFLOW, max_recovery_attempts=DEADLY)  # type: ignore[untyped-decorator,unused-ignore]
    def carry(call_id: str) -> str:
        in_hand.add(call_id)
        try:
            outcome: str = process_step(call_id)
        finally:
            in_hand.discard(call_id)
        return outcome

    dbos.DBOS.launch()
    dbos.DBOS.register_queue(
        QUEUE, worker_concurrency=at_once, polling_interval_sec=POLL_S, on_conflict="always_update"
    )
    return in_hand


def stop_jobs(within_s: int) -> None:
    """Take no more jobs, and give those that run ``within_s`` to end; what does not end is done again later."""
    _library().DBOS.destroy(workflow_completion_timeout_sec=within_s)


def try_call(call_id: str, rooms: Rooms, rule: FetchRule, now: datetime) -> str:
    """Carry a waiting call on; gives its status or the name of the error, of which the call's record says more.

    An error that nobody raised on purpose may quote the call, so only the name of its type leaves this function.
    """
    try:
        _fetch(call_id, rooms, rule, now)
        return process_waiting(call_id, rooms, now).status.value
    except (BadInput, NotFound, Refused) as exc:  # quarantined already; or erased; or restricted meanwhile
        return type(exc).__name__
    except Temporary as exc:
        return type(exc).__name__
    except CallsealError as exc:
        error = exc
    except Exception as exc:  # noqa: BLE001 -- whatever it is, it must not stop the queue
        error = CallsealError(f"internal error: {type(exc).__name__}")
    give_up(call_id, error, rooms, now)
    return type(error).__name__


def _fetch(call_id: str, rooms: Rooms, rule: FetchRule, now: datetime) -> None:
    """Fetch what was only announced; what is gone, empty or too large will be so for ever, and the call is given up."""
    try:
        fetch_announced(call_id, rooms, lambda url: fetch(url, rule), now)
    except (BadInput, NotFound) as exc:
        give_up(call_id, exc, rooms, now)
        raise
    if rule.delete_at:
        _delete_copies(call_id, rooms, rule, now)


def _delete_copies(call_id: str, rooms: Rooms, rule: FetchRule, now: datetime) -> None:
    """Have the platform delete what is sealed here; done again, it changes nothing. A refusal stands in the history."""
    urls = [url for url in urls_of(call_id, rooms, now) if is_at(url, rule.delete_at)]
    deleted = sum(delete_copy(url, rule) for url in urls)
    if urls:
        rooms.records.note(call_id, "provider_copies", {"deleted": deleted, "refused": len(urls) - deleted}, now)


def prepare_queue(settings: Settings) -> None:
    """Make the queue's tables, or bring them to the version of this callseal.

    Raises:
        MissingExtra: DBOS is not installed.
    """
    url = settings.jobs_url
    if url.startswith("sqlite:///"):
        path = url.removeprefix("sqlite:///")
        Path(path).touch(mode=0o600)  # not opened if it is there: closing it would give up the locks of this process
        # One after the other: who changes the mode while another worker makes the tables finds the database locked.
        with FileLock(f"{path}.lock", mode=0o600), closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")  # readers and the writer do not wait for each other
    _library().DBOS.migrate(url)


@contextmanager
def queue(settings: Settings) -> Iterator[DBOSClient]:
    """The queue as those see it who put calls in or look at them.

    Raises:
        MissingExtra: DBOS is not installed.
    """
    dbos = _library()
    prepare_queue(settings)
    client = dbos.DBOSClient(
        system_database_url=settings.jobs_url,
        serializer=dbos.DBOSPortableJSONSerializer(),
        application_name="callseal",
        retry_connection_errors=False,
    )
    try:
        yield client
    finally:
        client.destroy()


def enqueue(client: DBOSClient, call_id: str, priority: int, *, attempt: int = 1, delay_s: float = 0.0) -> None:
    """Put a waiting call into the queue; the same try of the same call is there once, however often it is put in.

    Raises:
        StoreUnavailable: the queue cannot be reached; whoever fills it again will find the call.
    """
    with unavailable():
        client.enqueue(_options(call_id, priority, attempt, delay_s), call_id)


def enqueue_many(client: DBOSClient, call_ids: Sequence[str], priority: int) -> None:
    """Put the first tries of waiting calls into the queue in one transaction; see ``enqueue``."""
    with unavailable(), client._sys_db.engine.begin() as connection:  # noqa: SLF001 -- its only way to a connection
        for call_id in call_ids:
            client.enqueue_in_transaction(connection, _options(call_id, priority), call_id)


def _options(call_id: str, priority: int, attempt: int = 1, delay_s: float = 0.0) -> EnqueueOptions:
    return {
        "queue_name": QUEUE,
        "workflow_name": WORKFLOW,
        "workflow_id": f"{call_id}:{attempt}",
        "app_version": WORKFLOW_VERSION,
        "priority": priority,
        "delay_seconds": delay_s,
    }


def enqueue_waiting(client: DBOSClient, rooms: Rooms, now: datetime) -> int:
    """Put every waiting call into the queue that has no job there; gives how many.

    A call that ended its worker DEADLY times is quarantined instead.

    Raises:
        StoreUnavailable: queue or records cannot be reached.
    """
    added = 0
    queued = {job.call_id for job in _listed(client, status=list(_OPEN))}
    for call_id in _waiting_ids(rooms.records):
        if call_id in queued:
            continue
        tries = jobs(client, call_id=call_id)
        if any(job.state in ("waiting", "running") for job in tries):
            continue
        if any(job.state == "cancelled" for job in tries[-1:]):
            continue
        if any(job.outcome == ENDED_WORKER for job in tries):
            give_up(call_id, CallsealError(f"the call ended its worker {DEADLY} times"), rooms, now)
            continue
        delay_s = RETRY_S[min(len(tries), len(RETRY_S)) - 1] if tries else 0
        priority = tries[-1].priority if tries else LIVE
        enqueue(client, call_id, priority, attempt=len(tries) + 1, delay_s=delay_s)
        added += 1
    return added


def is_busy(client: DBOSClient) -> bool:
    """Whether a job waits or runs."""
    return bool(_listed(client, status=list(_OPEN), limit=1))


def jobs(client: DBOSClient, *, call_id: str) -> list[Job]:
    """The jobs of a call, the oldest first."""
    return [job for job in _listed(client, workflow_id_prefix=f"{call_id}:") if job.call_id == call_id]


def latest(client: DBOSClient, limit: int) -> list[Job]:
    """The jobs that wait or run, and those that ended last, at most ``limit`` of each; the oldest first."""
    ended = [state for state in _STATES if state not in _OPEN]
    found = [
        job
        for states in (_OPEN, ended)
        for job in _listed(client, status=list(states), limit=limit, sort_desc=states is ended)
    ]
    return sorted(found, key=lambda job: job.created_at)


def progress(client: DBOSClient, now: datetime) -> Progress:
    """How far the queue is, and when it will be empty at the speed of the last hour."""
    depth = {state: _count(client, state) for state in _OPEN}
    since = now - _WINDOW
    ended = _listed(client, status="SUCCESS", completed_after=since.isoformat())
    running, waiting = depth.pop("PENDING"), sum(depth.values())
    begun = min((max(job.taken_at, since) for job in ended if job.taken_at), default=None)
    if begun is None or begun >= now:
        return Progress(waiting, running, None, None)
    per_s = len(ended) / (now - begun).total_seconds()
    left = waiting + running
    ends_at = now + timedelta(seconds=left / per_s) if left else None
    return Progress(waiting, running, per_s * 3600, ends_at)


def _count(client: DBOSClient, state: str) -> int:
    return len(_listed(client, status=state, load_output=False))


def _listed(client: DBOSClient, **which: Any) -> list[Job]:
    with unavailable():
        return [_job(each) for each in client.list_workflows(name=WORKFLOW, load_input=False, **which)]


def cancel(client: DBOSClient, call_id: str) -> int:
    """Take the waiting jobs of a call out of the queue; the call waits, sealed, until ``retry``. Gives how many."""
    open_jobs = [job for job in jobs(client, call_id=call_id) if job.state in ("waiting", "running")]
    for job in open_jobs:
        client.cancel_workflow(job.job_id)
    return len(open_jobs)


def retry(client: DBOSClient, call_id: str, records: Records) -> None:
    """Put a waiting call into the queue again, now.

    Raises:
        NotFound: no such call waits.
    """
    if call_id not in _waiting_ids(records, [call_id]):
        raise NotFound(f"call {call_id} does not wait to be processed")
    enqueue(client, call_id, LIVE, attempt=len(jobs(client, call_id=call_id)) + 1)


def take_over(worker_ids: list[str]) -> None:
    """Put the jobs that these workers had back into the queue."""
    if worker_ids:
        _library().DBOS._recover_pending_workflows(worker_ids)  # noqa: SLF001 -- DBOS has no other name for it


def take_up_dropped(
    client: DBOSClient, worker_id: str, in_hand: Collection[str], dropped_before: Collection[str]
) -> set[str]:
    """Put the jobs back into the queue that this worker took and does not have, as seen twice in a row.

    A thread of DBOS that cannot reach its database may end without a word; its job would stay taken for as long as the
    worker lives. Gives the jobs that are seen so for the first time, for the next look.
    """
    taken = _listed(client, status="PENDING", executor_id=worker_id)
    dropped = {job.job_id for job in taken if job.call_id not in in_hand}
    for job_id in dropped & set(dropped_before):
        with unavailable():
            client.resume_workflow(job_id, queue_name=QUEUE)
    return dropped - set(dropped_before)


def _waiting_ids(records: Records, among: Iterable[str] | None = None) -> list[str]:
    """Calls that wait with their originals, the oldest first."""
    calls, artifacts = schema.calls.c, schema.artifacts.c
    originals = sa.select(artifacts.call_id).where(artifacts.kind == "call_metadata")
    query = sa.select(calls.call_id).where(calls.status.is_(None), calls.call_id.in_(originals))
    if among is not None:
        query = query.where(calls.call_id.in_(list(among)))
    with reading(records.engine) as connection:
        return list(connection.execute(query.order_by(calls.received_at)).scalars())


def _job(found: Any) -> Job:
    call_id, _, _ = found.workflow_id.rpartition(":")
    deadly = found.status == "MAX_RECOVERY_ATTEMPTS_EXCEEDED"
    return Job(
        job_id=found.workflow_id,
        call_id=call_id,
        state=_STATES[found.status],
        priority=found.priority or LIVE,
        created_at=datetime.fromtimestamp(found.created_at / 1000, UTC),
        worker_id=found.executor_id,
        outcome=ENDED_WORKER if deadly else found.output,
        taken_at=_instant(found.dequeued_at),
        ended_at=_instant(found.completed_at),
    )


def _instant(at_ms: int | None) -> datetime | None:
    return None if at_ms is None else datetime.fromtimestamp(at_ms / 1000, UTC)


def _library() -> Any:
    try:
        import dbos
    except ImportError as exc:
        raise MissingExtra("api") from exc
    return dbos
