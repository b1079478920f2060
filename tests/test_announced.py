"""Calls that events name, taken in together: each is answered as if it came alone, none is lost or doubled."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.api.together import Together
from pipeline.build import custody
from pipeline.config import load_settings
from pipeline.erasure.ledger import CALL, Entry
from pipeline.errors import BadMetadata, Refused, StoreUnavailable, Temporary
from pipeline.intake.announced import Desk, take_in
from pipeline.intake.arrival import Legs, hand_in, open_waiting
from pipeline.metadata import parse_metadata
from pipeline.retention import retain
from pipeline.retention.holds import HoldKind, Order, Scope, add_hold, new_hold
from pipeline.roles import Role
from tests import scripted
from tests.product import objects

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pipeline.api.events import Arrived
    from pipeline.custody import Custody
    from pipeline.retention.retain import RetentionPolicy
    from pipeline.store import Label

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
MAX_BYTES = 1 << 24
NOBODY, RESTRICTED = "+12025550144", "+12025550145"


@dataclass(frozen=True)
class Place:
    """A data folder that calls are announced to."""

    folder: Path
    held: Custody
    retention: RetentionPolicy
    threads: ThreadPoolExecutor

    def together(self, calls: Sequence[Arrived]) -> list[str]:
        """All at once; how each was answered."""
        return [_word(each) for each in take_in(calls, Desk(self.held, self.retention, MAX_BYTES, self.threads), NOW)]

    def alone(self, calls: Sequence[Arrived]) -> list[str]:
        """One after the other."""
        answers = []
        for legs, metadata in calls:
            try:
                answers.append(_word(hand_in(legs, metadata, self.held, self.retention, MAX_BYTES, NOW)))
            except (BadMetadata, Refused, Temporary) as exc:
                answers.append(_word(exc))
        return answers

    def waits(self, call_id: str) -> bool:
        """Whether a call waits, whole: one object that opens, one row, one line of history."""
        whole = replace(self.held.archive, access=None)  # intake opens nothing
        with pytest.raises(Temporary, match="not fetched yet"):
            open_waiting(call_id, self.held.records, whole, self.held.root, NOW)
        events = [event.what for event in self.held.records.events(call_id)]
        return events == ["received"] and len(self.held.records.artifacts(call_id)) == 1


@pytest.fixture(name="place")
def _place(tmp_path: Path) -> Iterator[Place]:
    with _at(tmp_path / "data") as place:
        yield place


@contextmanager
def _at(folder: Path) -> Iterator[Place]:
    settings = load_settings(folder)
    held = custody(settings, Role.INGEST)
    retention = retain.load_policy(settings.policy_file("retention.toml"))
    with ThreadPoolExecutor(4) as threads:
        yield Place(folder, held, retention, threads)
    held.records.close()


def _word(answer: bool | Exception) -> str:  # noqa: FBT001 -- what it is given
    return type(answer).__name__ if isinstance(answer, Exception) else {True: "added", False: "held"}[answer]


def announced(call_id: str | None, caller: str | None = scripted.CALLER) -> Arrived:
    """A call that is to be fetched later."""
    metadata = parse_metadata(scripted.metadata(call_id=call_id, caller=caller))
    return Legs(urls=("https://recordings.example.com/a.wav",)), metadata


def test_each_is_answered_as_if_it_came_alone(tmp_path: Path) -> None:
    """Callers old, new and withheld, calls that are held, erased, restricted, nameless or named twice, in one batch."""
    calls = [
        announced("CA-held"),
        announced("CA-a"),
        announced("CA-b", NOBODY),
        announced("CA-a"),
        announced("CA-withheld", None),
        announced("CA-erased"),
        announced(None),
        announced("CA-restricted", RESTRICTED),
        announced("None"),
        announced("CA-c", NOBODY),
    ]
    answers = {}
    for way in ("together", "alone"):
        with _at(tmp_path / way) as place:
            place.alone([announced("CA-held"), announced("CA-before", RESTRICTED)])
            place.held.ledger.enter("erasure", [Entry(CALL, "CA-erased")], NOW)
            scope = Scope(subject_id=place.held.root.subject_id(RESTRICTED))
            order = Order("REQ-1", "dpo", "disputed")
            hold = new_hold(HoldKind.RESTRICTION, scope, order, now=NOW, review_at=NOW + timedelta(days=1))
            add_hold(place.held.records.engine, hold)
            answers[way] = getattr(place, way)(calls)
            added = [
                str(each[1].call_id) for each, answer in zip(calls, answers[way], strict=True) if answer == "added"
            ]
            assert all(map(place.waits, added))
            assert len(objects(place.folder)) == len(place.held.records.object_keys()) == len(added) + 2
    assert answers["together"] == answers["alone"]
    assert answers["together"] == [
        *("held", "added", "added", "held", "added"),
        *("Refused", "BadMetadata", "Refused", "added", "added"),
    ]


def test_batches_at_once_leave_each_call_once(place: Place) -> None:
    """The same calls of the same callers in two batches at the same time: each is added by one of them."""
    calls = [announced(f"CA-{number}", (scripted.CALLER, NOBODY, None)[number % 3]) for number in range(12)]
    meet = threading.Barrier(2, timeout=20)

    def take(_: int) -> list[str]:
        meet.wait()
        return place.together(calls)

    with ThreadPoolExecutor(2) as pool:
        answers = list(zip(*pool.map(take, range(2)), strict=True))
    assert [sorted(each) for each in answers] == [["added", "held"]] * len(calls)
    assert all(place.waits(f"CA-{number}") for number in range(12))
    assert len(objects(place.folder)) == len(calls)


def test_a_store_that_fails_takes_nothing_in(place: Place) -> None:
    """Where one object cannot be sealed every sender is told to come again, and nothing is left; then all is well."""
    full = replace(place, held=replace(place.held, archive=replace(place.held.archive, store=_Full(place.held, 2))))
    calls = [announced(f"CA-{number}") for number in range(4)]
    assert full.together(calls) == ["StoreUnavailable"] * 4
    assert not objects(place.folder)
    assert place.together(calls) == ["added"] * 4


class _Full:
    """The store of a place, full after so many objects."""

    def __init__(self, held: Custody, room: int) -> None:
        self._store, self._room, self._turn = held.archive.store, room, threading.Lock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def put(self, key: str, label: Label | None = None) -> Any:
        with self._turn:
            self._room -= 1
            if self._room < 0:
                raise StoreUnavailable("full")
        return self._store.put(key, label)


def test_what_comes_meanwhile_makes_one_batch() -> None:
    """The first item waits for nothing; those that come meanwhile go together; errors go to their owners."""
    batches, begun, go = [], threading.Event(), threading.Event()

    def work(items: Sequence[int]) -> list[int | Exception]:
        batches.append(list(items))
        if len(batches) == 1:
            begun.set()
            go.wait(20)
        if 7 in items:
            raise StoreUnavailable("all of them")
        return [BadMetadata("this one") if item == 3 else item * 2 for item in items]

    async def everything() -> list[Any]:
        together = Together(work)
        tasks = [asyncio.ensure_future(together(0))]
        await asyncio.to_thread(begun.wait, 20)
        tasks += [asyncio.ensure_future(together(item)) for item in (1, 2, 3)]
        await asyncio.sleep(0)
        tasks[2].cancel()
        go.set()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        return found + await asyncio.gather(together(7), together(8), return_exceptions=True)

    found = asyncio.run(everything())
    assert batches == [[0], [1, 2, 3], [7, 8]]
    assert found[:2] == [0, 2]
    assert [type(each) for each in found[2:]] == [
        asyncio.CancelledError,
        BadMetadata,
        StoreUnavailable,
        StoreUnavailable,
    ]
