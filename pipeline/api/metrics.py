"""Figures for Prometheus: what waits, what became of the calls, how old the oldest waiting one is. Counts only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from pipeline import schema
from pipeline.connect import reading

if TYPE_CHECKING:
    from datetime import datetime

    from pipeline.db import Records


def page(records: Records, now: datetime) -> str:
    """The text format of Prometheus.

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
    return generate_latest(registry).decode()
