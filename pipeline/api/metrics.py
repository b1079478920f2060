"""Figures for Prometheus: what waits, what became of the calls, how old the oldest waiting one is. Counts only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from pipeline import schema
from pipeline.connect import reading

if TYPE_CHECKING:
    from datetime import datetime

    from prometheus_client import CollectorRegistry
    from sqlalchemy.engine import Connection

    from pipeline.db import Records
    from pipeline.jobs import Progress

LAST: Final = 200  # calls over which the time of a stage is taken


def page(records: Records, queue: Progress, now: datetime) -> str:
    """The text format of Prometheus.

    Args:
        records: the database.
        queue: how far the queue is.
        now: the time.

    Raises:
        MissingExtra: prometheus-client is not installed.
    """
    from prometheus_client import CollectorRegistry, Gauge, generate_latest

    calls, requests = schema.calls.c, schema.requests.c
    with reading(records.engine) as connection:
        counted = connection.execute(sa.select(calls.status, sa.func.count()).group_by(calls.status)).all()
        oldest = connection.execute(sa.select(sa.func.min(calls.received_at)).where(calls.status.is_(None))).scalar()
        overdue = connection.execute(
            sa.select(sa.func.count()).where(requests.closed_at.is_(None), requests.due_at < now)
        ).scalar_one()
        workers = connection.execute(sa.select(sa.func.count()).select_from(schema.workers)).scalar_one()
        marked = _marked(connection)
    registry = CollectorRegistry()
    outcomes = Gauge(
        "callseal_calls", "Calls by outcome; waiting ones are not finished.", ["outcome"], registry=registry
    )
    for status, count in counted:
        outcomes.labels(status or "waiting").set(count)
    age_s = (now - oldest).total_seconds() if oldest else 0.0
    Gauge("callseal_oldest_waiting_seconds", "Age of the oldest waiting call.", registry=registry).set(max(age_s, 0.0))
    Gauge("callseal_overdue_requests", "Requests of callers past their due date.", registry=registry).set(overdue)
    Gauge("callseal_workers", "Workers that are alive.", registry=registry).set(workers)
    backlog = Gauge("callseal_review_backlog", "Calls that a person should look at.", ["kind"], registry=registry)
    backlog.labels("quarantined").set(dict(tuple(row) for row in counted).get("quarantined", 0))
    backlog.labels("marked").set(marked)
    depth = Gauge("callseal_jobs", "Jobs of the queue that have not ended.", ["state"], registry=registry)
    depth.labels("waiting").set(queue.waiting)
    depth.labels("running").set(queue.running)
    _stages(records, registry)
    return generate_latest(registry).decode()


def _marked(connection: Connection) -> int:
    """Stored calls in which something was put up for review."""
    first = sa.type_coerce(schema.calls.c.summary, sa.JSON)["review", 0].as_string()
    stored = schema.calls.c.status == "stored"
    return connection.execute(
        sa.select(sa.func.count()).select_from(schema.calls).where(stored, first.is_not(None))
    ).scalar_one()


def _stages(records: Records, registry: CollectorRegistry) -> None:
    """Seconds of work by stage, and of audio, of the last calls: their ratio is the speed."""
    from prometheus_client import Gauge

    spent: dict[str, float] = {}
    audio_s = 0.0
    for record in records.finished_calls(LAST):
        audio_s += record.duration_s or 0.0
        for stage, seconds in record.summary.get("timings_s", {}).items():
            spent[stage] = spent.get(stage, 0.0) + seconds
    stages = Gauge(
        "callseal_last_stage_seconds", f"Seconds by stage of the last {LAST} calls.", ["stage"], registry=registry
    )
    for stage, seconds in spent.items():
        stages.labels(stage).set(seconds)
    Gauge("callseal_last_audio_seconds", f"Length of the last {LAST} calls.", registry=registry).set(audio_s)
