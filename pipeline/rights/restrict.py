"""Restriction and objection: takes a person's request, stops the use of their calls until somebody lifts it.

While it lasts, no call of the person is processed, exported to others or deleted, by retention or by erasure
(GDPR Art. 18(2)); what is stopped is remembered and carried out when it is lifted.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from pipeline.errors import NotFound
from pipeline.retention import holds
from pipeline.retention.holds import HoldKind, Order, Scope

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Engine

    from pipeline.retention.holds import Hold
    from pipeline.rights.policy import RightsPolicy
    from pipeline.rights.register import Request


def restrict(engine: Engine, policy: RightsPolicy, request: Request, *, by_id: str, reason: str, now: datetime) -> Hold:
    """Restricts the use of the person's calls; done twice for one request, it is one restriction.

    Raises:
        UsageError: a text is empty, too long or looks like content.
    """
    before = restrictions(engine, request.subject_id)
    same = [each for each in before if each.case_id == request.request_id]
    if same:
        return same[0]
    review_at = now + timedelta(days=policy.restriction.review_days)
    order = Order(request.request_id, by_id, reason)
    made = holds.new_hold(
        HoldKind.RESTRICTION, Scope(subject_id=request.subject_id), order, now=now, review_at=review_at
    )
    holds.add_hold(engine, made)
    return made


def lift(engine: Engine, request_id: str, *, by_id: str, reason: str, now: datetime) -> Hold:
    """Ends the restriction of a request; the person has to be told before (GDPR Art. 18(3)).

    Raises:
        NotFound: the request restricts nothing.
        UsageError: a text is empty, too long or looks like content.
    """
    for each in holds.holds(engine, released=True):
        if each.kind is HoldKind.RESTRICTION and each.case_id == request_id:
            return holds.release_hold(engine, each.hold_id, by_id=by_id, reason=reason, now=now)
    raise NotFound(f"request {request_id} restricts nothing")


def restrictions(engine: Engine, subject_id: str) -> tuple[Hold, ...]:
    """The restrictions in force on this person's calls."""
    return tuple(
        each
        for each in holds.holds(engine)
        if each.kind is HoldKind.RESTRICTION and each.scope.subject_id == subject_id
    )
