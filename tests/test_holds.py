"""Holds: what they cover stays, whoever wants it gone; what waited is done when they end; a late review is seen."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import NotFound, Refused, UsageError
from pipeline.retention import deferrals, holds
from pipeline.retention.deferrals import Work
from pipeline.retention.duties import duties
from pipeline.retention.holds import CallFacts, Hold, HoldKind, Order, Scope
from pipeline.retention.release import carry_out_freed
from pipeline.retention.retain import load_policy
from pipeline.types import Status
from tests.kept import DAY, NOW, kept_in, number, object_keys, store_call
from tests.product import run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.custody import Custody

ORDER = Order("case-7", "counsel", "a claim about a delivery")
LATER = NOW + DAY
RETENTION = load_policy(Path(__file__).parents[1] / "configs" / "retention.toml")


@pytest.fixture(name="held")
def _held(tmp_path: Path, url: str) -> Iterator[Custody]:
    held = kept_in(tmp_path / "data", url)
    yield held
    held.records.close()


def hold(scope: Scope = Scope(), kind: HoldKind = HoldKind.LEGAL) -> Hold:  # noqa: B008 - frozen
    """A hold made now, to be reviewed in a week."""
    return holds.new_hold(kind, scope, ORDER, now=NOW, review_at=NOW + 7 * DAY)


def added(held: Custody, scope: Scope = Scope(), kind: HoldKind = HoldKind.LEGAL) -> Hold:  # noqa: B008 - frozen
    """Such a hold, written."""
    made = hold(scope, kind)
    holds.add_hold(held.records.engine, made)
    return made


CALL = CallFacts("CA01", "a" * 40, NOW)


@pytest.mark.parametrize(
    ("scope", "covered"),
    [
        (Scope(), True),
        (Scope(call_id="CA01"), True),
        (Scope(call_id="CA02"), False),
        (Scope(subject_id="a" * 40), True),
        (Scope(subject_id="b" * 40), False),
        (Scope(from_at=NOW), True),
        (Scope(from_at=NOW + timedelta(seconds=1)), False),
        (Scope(to_at=NOW), False),
        (Scope(to_at=NOW + timedelta(seconds=1)), True),
        (Scope(subject_id="a" * 40, from_at=NOW - DAY, to_at=NOW + DAY), True),
        (Scope(subject_id="a" * 40, from_at=NOW - 2 * DAY, to_at=NOW - DAY), False),
    ],
)
def test_a_scope_covers_what_meets_all_its_conditions(scope: Scope, *, covered: bool) -> None:
    """A condition that is left out is met; a range begins with its first instant and ends before its last."""
    made = hold(scope)
    assert holds.covering([CALL], [made]) == ({"CA01": (made,)} if covered else {})


@given(st.lists(st.sampled_from(["CA01", "CA02", None]), max_size=5))
def test_a_call_is_held_while_any_hold_covers_it(call_ids: list[str | None]) -> None:
    """However many holds there are, a call is free only when none of them covers it."""
    made = [hold(Scope(call_id=call_id)) for call_id in call_ids]
    found = holds.covering([CALL], made)
    assert len(found.get("CA01", ())) == sum(call_id != "CA02" for call_id in call_ids)


@pytest.mark.parametrize(
    "wrong",
    [
        {"reason": f"the caller is {number(43)}"},
        {"reason": "write to dana@example.com"},
        {"reason": " "},
        {"reason": "x" * 301},
        {"case_id": ""},
        {"case_id": "x" * 65},
        {"author_id": ""},
    ],
)
def test_a_text_that_is_no_reason_is_refused(wrong: dict[str, str]) -> None:
    """What an operator writes is short, there, and no number or address; the error does not repeat it."""
    with pytest.raises(UsageError) as caught:
        holds.new_hold(HoldKind.LEGAL, Scope(), replace(ORDER, **wrong), now=NOW, review_at=LATER)
    assert not any(said in str(caught.value) for said in ("0143", "dana", "xx"))


@pytest.mark.parametrize(
    ("scope", "review_at"), [(Scope(), NOW), (Scope(from_at=NOW, to_at=NOW), LATER), (Scope(to_at=NOW), NOW - DAY)]
)
def test_dates_that_contradict_each_other_are_refused(scope: Scope, review_at: object) -> None:
    """A review that is past already, and a range without an instant in it, make no sense."""
    with pytest.raises(UsageError):
        holds.new_hold(HoldKind.LEGAL, scope, ORDER, now=NOW, review_at=review_at)  # type: ignore[arg-type]


def test_held_calls_names_the_holds_of_each(held: Custody) -> None:
    """Of the calls that were asked for, each that is held comes with its holds, as they were written."""
    first, second = store_call(held, "CA01"), store_call(held, "CA02", last=44)
    of_caller, of_call = added(held, Scope(subject_id=first.subject_id)), added(held, Scope(call_id="CA01"))
    found = holds.held_calls(held.records.engine, ["CA01", second.call_id, "CA-unknown"])
    assert {call_id: set(each) for call_id, each in found.items()} == {"CA01": {of_caller, of_call}}


def test_many_calls_are_asked_for_in_portions(held: Custody) -> None:
    """More calls than a database takes values in one question are no more than a longer question."""
    store_call(held, "CA01")
    added(held)
    asked = [f"CA-{each}" for each in range(40_000)]
    assert set(holds.held_calls(held.records.engine, [*asked, "CA01"])) == {"CA01"}


def test_a_released_hold_holds_nothing_and_stays_on_record(held: Custody) -> None:
    """Released once, by whom and why; a second release changes nothing; an unknown hold is not found."""
    store_call(held, "CA01")
    made = added(held)
    engine = held.records.engine
    done = holds.release_hold(engine, made.hold_id, by_id="counsel", reason="settled", now=LATER)
    assert done == replace(made, released_at=LATER, released_by_id="counsel", release_reason="settled")
    assert holds.release_hold(engine, made.hold_id, by_id="x", reason="y", now=LATER + DAY) == done
    assert holds.held_calls(engine, ["CA01"]) == {}
    assert (holds.holds(engine), holds.holds(engine, released=True)) == ((), (done,))
    with pytest.raises(NotFound):
        holds.release_hold(engine, "hold-0", by_id="x", reason="y", now=LATER)


def test_a_held_result_is_not_replaced(held: Custody) -> None:
    """Processing a held call again is refused before and at its end, and its objects stay; a new call is taken."""
    call = store_call(held, "CA01")
    before = object_keys(held)
    held.records.start_call(replace(call, status=None))
    made = added(held)
    with pytest.raises(Refused, match=made.hold_id):
        held.records.finish_call(call, [], LATER)
    with pytest.raises(Refused, match=made.hold_id):
        held.records.start_call(replace(call, status=None))
    assert object_keys(held) == before == held.records.object_keys()
    store_call(held, "CA02")
    refused = replace(call, call_id="CA03", status=Status.QUARANTINED)  # without an artifact, as bad input leaves it
    held.records.start_call(replace(refused, status=None))
    held.records.finish_call(refused, [], NOW)
    assert held.records.start_call(replace(refused, status=None)) == refused


def test_a_restriction_stops_processing_of_that_person(held: Custody) -> None:
    """While it lasts no call of the person is begun or finished; others' are; lifted, everything goes on."""
    call = store_call(held, "CA01")
    begun = replace(call, call_id="CA02", status=None)
    held.records.start_call(begun)
    made = added(held, Scope(subject_id=call.subject_id), HoldKind.RESTRICTION)
    with pytest.raises(Refused, match="case-7"):
        held.records.start_call(begun)
    with pytest.raises(Refused, match="case-7"):
        held.records.finish_call(replace(begun, status=Status.STORED), [], NOW)
    store_call(held, "CA03", last=44)
    holds.release_hold(held.records.engine, made.hold_id, by_id="dpo", reason="settled", now=LATER)
    held.records.start_call(begun)


# What waits


def test_an_erasure_that_waited_is_carried_out_after_the_last_hold(held: Custody) -> None:
    """It is remembered once per hold, freed by the release, done by the next run, and then forgotten."""
    call = store_call(held, "CA01")
    engine = held.records.engine
    first, second = added(held), added(held, Scope(call_id="CA01"))
    for _ in range(2):
        deferrals.defer(engine, Work.ERASURE, call.subject_id, [first.hold_id, second.hold_id], NOW)
    assert {each.hold_id for each in deferrals.waiting(engine)} == {first.hold_id, second.hold_id}
    assert carry_out_freed(held, RETENTION, NOW) == {}
    for made in (first, second):
        holds.release_hold(engine, made.hold_id, by_id="counsel", reason="settled", now=LATER)
    assert len(deferrals.freed(engine)) == 2
    assert carry_out_freed(held, RETENTION, LATER) == {"erasure": 1}
    assert (object_keys(held), deferrals.waiting(engine), held.records.call("CA01")) == (set(), (), None)
    assert carry_out_freed(held, RETENTION, LATER) == {}


def test_what_failed_stays_freed(held: Custody) -> None:
    """A deletion that fails after the release is tried again by the next run."""
    engine = held.records.engine
    made = added(held)
    deferrals.defer(engine, Work.EXPIRY, "0" * 32, [made.hold_id], NOW)
    holds.release_hold(engine, made.hold_id, by_id="counsel", reason="settled", now=LATER)

    def fail(_targets: tuple[str, ...]) -> int:
        raise Refused("not today")

    with pytest.raises(Refused):
        deferrals.carry_out(engine, {Work.EXPIRY: fail})
    assert deferrals.carry_out(engine, {Work.EXPIRY: len}) == {Work.EXPIRY: 1}
    assert deferrals.carry_out(engine, {Work.EXPIRY: len}) == {}
    assert deferrals.freed(engine) == ()


@pytest.mark.parametrize(("days", "ok"), [(6, True), (7, False)])
def test_a_hold_past_its_review_is_a_duty(held: Custody, days: int, *, ok: bool) -> None:
    """On the day of its review a hold becomes a finding that names it; it still holds."""
    store_call(held, "CA01")
    made = added(held)
    finding = next(each for each in duties(held.records.engine, NOW + days * DAY) if each.name == "holds")
    assert (finding.ok, made.hold_id in finding.hint) == (ok, not ok)
    assert holds.held_calls(held.records.engine, ["CA01"])


# The command


def test_the_command(tmp_path: Path) -> None:
    """Add, list and remove speak the same values; the number is in no output; doctor knows the duty."""
    data = ("--data-dir", tmp_path / "data", "--json")
    add = run(
        "hold", "add", "--case", "case-7", "--caller", number(43), "--reason", "a claim", "--by", "counsel", *data
    )
    assert add.code == 0, add.err
    assert "0143" not in add.out
    assert (add.json["case"], add.json["by"], set(add.json["scope"])) == ("case-7", "counsel", {"subject_id"})
    listed = run("hold", "list", *data).json["holds"]
    assert listed == [add.json | {"waiting": 0, "overdue": False}]
    removed = run("hold", "remove", add.json["hold_id"], "--reason", "settled", "--by", "counsel", *data)
    assert (removed.code, removed.json["carried_out"], removed.json["released_by"]) == (0, {}, "counsel")
    assert run("hold", "list", *data).json == {"holds": []}
    doctor = json.loads(run("doctor", *data).out)
    assert {"holds", "deferred deletions"} <= {each["name"] for each in doctor["findings"]}


@pytest.mark.parametrize("scope", [(), ("--all", "--call", "CA01"), ("--caller", "anonymous"), ("--from", "soon")])
def test_a_scope_has_to_be_said(tmp_path: Path, scope: tuple[str, ...]) -> None:
    """Nothing stated, everything and something, nobody's number and no date are bad usage."""
    done = run("hold", "add", "--case", "c", "--reason", "r", *scope, "--data-dir", tmp_path / "data", "--json")
    assert (done.code, done.json["error"]["kind"]) == (2, "UsageError")
