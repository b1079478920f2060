"""Duties: takes the database, gives what people owe by now: reviews of holds, answers, deletions that are free."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.doctor import Finding
from pipeline.retention import deferrals, holds
from pipeline.rights import register

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Engine


def duties(engine: Engine, now: datetime) -> tuple[Finding, ...]:
    """One finding for each duty; none of them keeps calls from being processed."""
    in_force = holds.holds(engine)
    late = [hold.hold_id for hold in in_force if hold.review_at <= now]
    asked = register.requests(engine)
    owed = [each.request_id for each in asked if each.due_at <= now]
    free = deferrals.freed(engine)
    return (
        Finding(
            "holds",
            ok=not late,
            detail=f"{len(in_force)} in force, {len(late)} past their review date",
            hint=f"release or renew: {', '.join(late[:5])}" if late else "",
            needed=False,
        ),
        Finding(
            "requests",
            ok=not owed,
            detail=f"{len(asked)} open, {len(owed)} overdue",
            hint=f"answer, extend or refuse: {', '.join(owed[:5])}" if owed else "",
            needed=False,
        ),
        Finding(
            "deferred deletions",
            ok=not free,
            detail=f"{len(free)} set free and not carried out yet",
            hint="callseal retention run" if free else "",
            needed=False,
        ),
    )
