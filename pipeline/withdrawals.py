"""Withdrawals: the register of consents that callers took back after a call, by purpose. Ids and dates only.

What is on record is in force: no call of the caller is processed any more (``pipeline.run``), and one that is in flight
is refused at its end. A consent that the caller gave again later lifts it for the calls that name it.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import sqlalchemy as sa

from pipeline import schema
from pipeline.connect import reading, writing
from pipeline.errors import Temporary
from pipeline.retention.holds import check_words
from pipeline.types import ConsentSignal, Evidence, Purpose, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection, Engine

    from pipeline.db import CallRecord
    from pipeline.metadata import CallMetadata

Stored = Literal["discard", "keep"]
# A call that may not be transcribed cannot be redacted, so that it cannot be kept either.
CLOSING: Final = frozenset({Purpose.RECORDING, Purpose.TRANSCRIPTION})


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """One purpose that a caller withdrew.

    Args:
        withdrawal_id: its name.
        subject_id: the caller, as a keyed hash.
        purpose: what is closed; RECORDING closes everything.
        channel: how the request came in, such as ``phone`` or ``mail``.
        requested_at: when.
        stored: what becomes of calls that were stored by then.
        author_id: who wrote it down.
        recorded_at: and when.
    """

    withdrawal_id: str
    subject_id: str
    purpose: Purpose
    channel: str
    requested_at: datetime
    stored: Stored
    author_id: str
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Order:
    """Who ordered a withdrawal: how and when the request came in, who wrote it down, and when."""

    channel: str
    requested_at: datetime
    author_id: str
    recorded_at: datetime


def withdrawals(subject_id: str, purposes: Iterable[Purpose], order: Order, stored: Stored) -> tuple[Withdrawal, ...]:
    """A withdrawal of some purposes, of everything if none is named.

    Raises:
        UsageError: the channel or the author looks like content.
    """
    check_words(author_id=order.author_id, channel=order.channel)
    return tuple(
        Withdrawal(
            withdrawal_id=secrets.token_hex(16),
            subject_id=subject_id,
            purpose=purpose,
            channel=order.channel,
            requested_at=order.requested_at,
            stored=stored,
            author_id=order.author_id,
            recorded_at=order.recorded_at,
        )
        for purpose in dict.fromkeys(purposes or (Purpose.RECORDING,))
    )


def write_down(engine: Engine, found: Sequence[Withdrawal]) -> None:
    """Puts withdrawals on record; from here on they are in force."""
    with writing(engine) as connection:
        rows = [{name: getattr(each, name) for name in Withdrawal.__dataclass_fields__} for each in found]
        connection.execute(schema.withdrawals.insert(), rows)


def standing(engine: Engine, subject_id: str, metadata: CallMetadata | None = None) -> tuple[Withdrawal, ...]:
    """The caller's withdrawals in force, the oldest first, less those that a consent given since has lifted."""
    with reading(engine) as connection:
        found = _of(connection, subject_id)
    told = metadata.consent if metadata else None
    if told is None or told.given != "yes" or told.given_at is None:
        return found
    again = frozenset(told.purposes or CLOSING)
    return tuple(each for each in found if each.purpose not in again or each.requested_at >= told.given_at)


def evidence(found: Iterable[Withdrawal]) -> tuple[Evidence, ...]:
    """Withdrawals as evidence for the consent decision of a call."""
    return tuple(
        Evidence(
            ConsentSignal.WITHDRAWAL,
            f"withdrawn:{each.channel}",
            purposes=frozenset() if each.purpose in CLOSING else frozenset({each.purpose}),
            at=each.requested_at,
        )
        for each in found
    )


def closes(found: Iterable[Withdrawal]) -> bool:
    """Whether no call of the caller may be processed at all."""
    return any(each.purpose in CLOSING for each in found)


def refuse_withdrawn(connection: Connection, call: CallRecord) -> None:
    """Raises Temporary where consent was withdrawn while the call was processed; tried again, it is not processed."""
    if call.status not in (Status.STORED, Status.QUARANTINED):
        return
    applied = call.summary.get("withdrawal_ids", ())
    found = _of(connection, call.subject_id)
    since = [each for each in found if each.recorded_at >= call.received_at and each.withdrawal_id not in applied]
    if closes(since):
        raise Temporary("the caller withdrew consent while the call was processed")


def _of(connection: Connection, subject_id: str) -> tuple[Withdrawal, ...]:
    query = sa.select(schema.withdrawals).filter_by(subject_id=subject_id).order_by(schema.withdrawals.c.requested_at)
    return tuple(
        Withdrawal(**{**row, "purpose": Purpose(row["purpose"])}) for row in connection.execute(query).mappings()
    )
