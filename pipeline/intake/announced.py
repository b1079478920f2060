"""Announced calls: what events name is taken in for many events at once, so that a busy hour costs little more.

Takes metadata and URLs, gives for each call what ``arrival.hand_in`` would: whether it waits now and was not held
already, or the error. Each step (look, shares, keys, ledger, rows) is one transaction for all of them; objects are
sealed side by side. Only the plain case is done together: a call of which nothing is known, of a caller whose key is in
force. Every other one goes through ``hand_in`` alone, and so do all of a step that fails, so that no call fails for
another's sake.

Order of writes as in ``arrival``: a share, a key, an object, then one transaction with the call and its rows. What a
call was answered by is durable then.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.errors import CallsealError, StoreUnavailable
from pipeline.intake import rows
from pipeline.intake.arrival import as_waiting, described, hand_in, record_of, source_of, subject_of
from pipeline.keys import make_subject_key, new_key_id, open_subject_key
from pipeline.keys.shares import with_new_shares
from pipeline.retention.retain import Context
from pipeline.unclaimed import undo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from concurrent.futures import Executor
    from datetime import datetime

    from pipeline.custody import Custody
    from pipeline.db import CallRecord
    from pipeline.intake.arrival import Legs
    from pipeline.keys import OpenSubjectKey
    from pipeline.metadata import CallMetadata
    from pipeline.retention.retain import RetentionPolicy
    from pipeline.types import SealedObject

Taken = bool | CallsealError


@dataclass(frozen=True, slots=True)
class Desk:
    """Where announced calls are taken in.

    Args:
        held: keys, store and records, in the role of intake.
        retention: until when an original may wait.
        max_bytes: of a recording.
        threads: that seal side by side.
    """

    held: Custody
    retention: RetentionPolicy
    max_bytes: int
    threads: Executor = field(repr=False)


@dataclass(frozen=True, slots=True)
class Announced:
    """A call that an event names."""

    call_id: str
    subject_id: str
    source_sha256: str
    legs: Legs
    metadata: CallMetadata


def take_in(calls: Sequence[tuple[Legs, CallMetadata]], desk: Desk, now: datetime) -> list[Taken]:
    """For each call whether it was added, False where it is held already, or why it was refused.

    Of a call that is named twice the first is taken; where that is refused, so are the others.
    """
    first = {metadata.call_id: (legs, metadata) for legs, metadata in reversed(calls)}
    done: dict[str | None, Taken] = {}
    try:
        done |= dict.fromkeys(_together([*_announced(first.values(), desk.held)], desk, now), True)
    except StoreUnavailable as exc:
        done |= dict.fromkeys(first, exc)  # alone, each would wait as long for the same answer
    except Exception:  # noqa: BLE001, S110 -- one of them is to blame, which is said when it is alone
        pass
    for call_id, (legs, metadata) in first.items():
        if call_id not in done:
            done[call_id] = _alone(legs, metadata, desk, now)
    answers = []
    for _, metadata in calls:
        answers.append(done[metadata.call_id])
        if done[metadata.call_id] is True:
            done[metadata.call_id] = False
    return answers


def _alone(legs: Legs, metadata: CallMetadata, desk: Desk, now: datetime) -> Taken:
    try:
        return hand_in(legs, metadata, desk.held, desk.retention, desk.max_bytes, now)
    except CallsealError as exc:
        return exc
    except Exception as exc:  # noqa: BLE001 -- what it says may quote the call, and the others have their answers
        return CallsealError(f"internal error: {type(exc).__name__}")


def _announced(calls: Iterable[tuple[Legs, CallMetadata]], held: Custody) -> Iterable[Announced]:
    """Those that have an id and nothing to be read."""
    for legs, metadata in calls:
        if metadata.call_id is not None and not legs.streams:
            subject_id = subject_of(metadata, held.root)
            yield Announced(metadata.call_id, subject_id, source_of([], metadata.call_id), legs, metadata)


def _together(calls: Sequence[Announced], desk: Desk, now: datetime) -> frozenset[str]:
    """Ids of the calls that were added; nothing is left of any other.

    Raises:
        CommitInDoubt: all of them were added, or none.
        CallsealError: nothing is left of any of them.
    """
    if not calls:
        return frozenset()
    held = desk.held
    found = rows.look(held.records.engine, [each.call_id for each in calls], [each.subject_id for each in calls])
    calls = [each for each in calls if each.call_id not in found.calls and each.subject_id not in found.erased]
    keys = _keys({each.subject_id for each in calls}, found.keys, desk, now)
    sealed = _side_by_side(lambda each: _sealed(each, keys[each.subject_id], held), calls, desk)
    try:
        tags = {each.call_id: held.ledger.tags(each.call_id, each.source_sha256, each.subject_id) for each in calls}
        entered = held.ledger.known([tag for each in tags.values() for tag in each])
        waiting = [
            (_record(each, held, now), as_waiting([it], desk.retention, Context(), now))
            for each, it in zip(calls, sealed, strict=True)
            if entered.isdisjoint(tags[each.call_id])
        ]
        added = rows.add_calls(held.records.engine, waiting)
    except BaseException as exc:
        undo(sealed, held.archive, held.records, exc)
        raise
    for each, it in zip(calls, sealed, strict=True):
        if each.call_id not in added:
            held.archive.destroy(it)
    return added


def _keys(wanted: Iterable[str], there: rows.Keys, desk: Desk, now: datetime) -> dict[str, OpenSubjectKey]:
    """The callers' keys, made where there are none."""
    held = desk.held
    new = {subject_id: new_key_id() for subject_id in wanted if subject_id not in there}
    root = with_new_shares(held.root, new.values())
    made = dict(zip(new, desk.threads.map(lambda each: make_subject_key(root, *each), new.items()), strict=True))
    fresh = [key for key, _ in made.values()]
    there = there | rows.add_keys(held.records.engine, held.root, fresh, now)
    opened = {}
    for each in wanted:
        mine = made.get(each)
        ready = mine is not None and mine[0].key_id == there[each].key_id
        opened[each] = mine[1] if mine and ready else open_subject_key(held.root, there[each])
    return opened


def _side_by_side(
    seal: Callable[[Announced], SealedObject], calls: Sequence[Announced], desk: Desk
) -> list[SealedObject]:
    """All of them sealed; if one cannot be, none stays."""
    if len(calls) == 1:
        return [seal(calls[0])]
    running = [desk.threads.submit(seal, each) for each in calls]
    failures = [each.exception() for each in running]
    failure = next(filter(None, failures), None)
    if failure is None:
        return [each.result() for each in running]
    for each, failed in zip(running, failures, strict=True):
        if failed is None:
            desk.held.archive.destroy(each.result())
    raise failure


def _sealed(call: Announced, subject: OpenSubjectKey, held: Custody) -> SealedObject:
    return described(call.legs, call.metadata, [], held.archive, subject)


def _record(call: Announced, held: Custody, now: datetime) -> CallRecord:
    return record_of(call.metadata, call.subject_id, call.source_sha256, held.root, now)
