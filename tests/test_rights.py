"""Rights: a request has a date, a verified person and an outcome; access tells all; a restriction stops everything."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import NotFound, Refused, UsageError
from pipeline.export import export_call
from pipeline.retention import holds
from pipeline.retention.duties import duties
from pipeline.rights import policy as policies
from pipeline.rights import register
from pipeline.rights.access import access
from pipeline.rights.register import Outcome, Request, Right
from pipeline.rights.restrict import lift, restrict, restrictions
from tests.kept import DAY, NOW, kept_in, number, store_call
from tests.product import run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.custody import Custody

POLICY_FILE = Path(__file__).parents[1] / "configs" / "rights.toml"
POLICY = policies.load_policy(POLICY_FILE)
GDPR, CCPA = POLICY.law_named("gdpr"), POLICY.law_named("ccpa")


@pytest.fixture(name="held")
def _held(tmp_path: Path, url: str) -> Iterator[Custody]:
    held = kept_in(tmp_path / "data", url)
    yield held
    held.records.close()


def received(held: Custody, right: Right = Right.ACCESS, last: int = 43, at: datetime = NOW) -> Request:
    """A request under the GDPR by the number 202-555-01xx."""
    subject_id = held.root.subject_id(number(last))
    return register.receive(held.records.engine, right, subject_id, GDPR, by_id="desk", at=at)


def verified(held: Custody, right: Right = Right.ACCESS) -> Request:
    """Such a request whose identity is verified."""
    asked = received(held, right)
    return register.verify(held.records.engine, POLICY, asked.request_id, "callback", by_id="desk", now=NOW)


def _day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("law", "start", "due", "extended"),
    [
        (GDPR, "2026-11-20", "2026-12-20", "2027-02-20"),
        (GDPR, "2026-12-31", "2027-01-31", "2027-03-31"),
        (GDPR, "2027-01-31", "2027-02-28", "2027-04-30"),
        (GDPR, "2028-01-30", "2028-02-29", "2028-04-30"),
        (CCPA, "2026-11-20", "2027-01-04", "2027-02-18"),
    ],
)
def test_due_dates(law: tuple[str, policies.Law], start: str, due: str, extended: str) -> None:
    """A month ends on the same day of the next or on its last; days are counted; an extension counts from receipt."""
    assert policies.due(_day(start), law[1]) == _day(due)
    assert policies.extended(_day(start), law[1]) == _day(extended)


@given(st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - given a zone
def test_no_law_gives_more_than_it_says(start: datetime) -> None:
    """Whatever the day, one month is 28 to 31 days and three are at most 92; an extension is never earlier."""
    assert timedelta(days=28) <= policies.due(start, GDPR[1]) - start <= timedelta(days=31)
    assert policies.due(start, GDPR[1]) < policies.extended(start, GDPR[1]) <= start + timedelta(days=92)
    assert policies.extended(start, CCPA[1]) - start == timedelta(days=90)


SHIPPED = POLICY_FILE.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('law = "gdpr"', 'law = "lgpd"', "law is not one of laws"),
        ("months = 1", "months = 0", "some months or days"),
        ("review_days = 90", "review_day = 90", "review_day"),
        ('then = "restrict"', 'then = "ignore"', "objection.then"),
        ("version =", "version ==", "not TOML"),
    ],
)
def test_a_policy_with_a_slip_does_not_load(tmp_path: Path, old: str, new: str, said: str) -> None:
    """The error names the field."""
    assert old in SHIPPED
    (tmp_path / "rights.toml").write_text(SHIPPED.replace(old, new))
    with pytest.raises(UsageError, match=said):
        policies.load_policy(tmp_path / "rights.toml")
    with pytest.raises(UsageError, match="cannot be read"):
        policies.load_policy(tmp_path / "none.toml")
    with pytest.raises(UsageError, match="ccpa, gdpr"):
        POLICY.law_named("lgpd")


# The register


def test_a_request_runs_its_course(held: Custody) -> None:
    """Received, verified, extended, closed: each step is on record, and the closed one is open no more."""
    engine = held.records.engine
    asked = received(held)
    assert (asked.due_at, asked.identity, asked.outcome) == (_day("2026-12-20").replace(hour=14, minute=3), None, None)
    known = register.verify(engine, POLICY, asked.request_id, "callback", by_id="desk", now=NOW + DAY)
    assert (known.identity, known.verified_by_id, known.verified_at) == ("callback", "desk", NOW + DAY)
    later = register.extend(engine, POLICY, asked.request_id, reason="many calls", now=NOW + DAY)
    assert later == replace(known, extension_reason="many calls", due_at=policies.extended(NOW, GDPR[1]))
    done = register.close(engine, asked.request_id, Outcome.GRANTED, by_id="dpo", now=NOW + 2 * DAY)
    assert done == replace(later, outcome=Outcome.GRANTED, closed_by_id="dpo", closed_at=NOW + 2 * DAY)
    assert (register.requests(engine), register.requests(engine, closed=True)) == ((), (done,))


def test_asked_twice_is_one_request_until_it_is_closed(held: Custody) -> None:
    """The open request keeps its earlier date; another right, person, or time after the end is a request of its own."""
    first = received(held)
    assert received(held, at=NOW + DAY) == first
    assert received(held, Right.EXPORT).request_id != first.request_id
    assert received(held, last=44).request_id != first.request_id
    register.close(held.records.engine, first.request_id, Outcome.REFUSED, by_id="dpo", now=NOW, reason="not theirs")
    assert received(held).request_id != first.request_id


def test_what_the_register_refuses(held: Custody) -> None:
    """Nothing is granted to a stranger, refused without a reason, extended twice, too late or after the end."""
    engine = held.records.engine
    asked = received(held).request_id
    with pytest.raises(Refused, match="nobody has verified"):
        register.close(engine, asked, Outcome.GRANTED, by_id="dpo", now=NOW)
    with pytest.raises(UsageError, match="reason"):
        register.close(engine, asked, Outcome.REFUSED, by_id="dpo", now=NOW)
    with pytest.raises(UsageError, match="looks like"):
        register.close(engine, asked, Outcome.REFUSED, by_id="dpo", now=NOW, reason=f"not {number(43)}")
    with pytest.raises(UsageError, match="callback"):
        register.verify(engine, POLICY, asked, "caller_id", by_id="desk", now=NOW)
    with pytest.raises(Refused, match="extended"):
        register.extend(engine, POLICY, asked, reason="late", now=NOW + 31 * DAY)
    register.extend(engine, POLICY, asked, reason="many", now=NOW)
    with pytest.raises(Refused, match="extended"):
        register.extend(engine, POLICY, asked, reason="more", now=NOW)
    done = register.close(engine, asked, Outcome.REFUSED, by_id="dpo", now=NOW, reason="not theirs")
    assert register.close(engine, asked, Outcome.GRANTED, by_id="x", now=NOW + DAY) == done
    with pytest.raises(Refused, match="closed"):
        register.verify(engine, POLICY, asked, "callback", by_id="desk", now=NOW)
    for unknown in (register.request, lambda e, r: lift(e, r, by_id="x", reason="y", now=NOW)):
        with pytest.raises(NotFound):
            unknown(engine, "req-0")


@pytest.mark.parametrize(("days", "late"), [(29, False), (30, True)])
def test_an_overdue_request_is_a_duty(held: Custody, days: int, *, late: bool) -> None:
    """At its due date an open request becomes a finding that names it; a closed one never is."""
    asked = received(held)
    finding = {each.name: each for each in duties(held.records.engine, NOW + days * DAY)}["requests"]
    assert (finding.ok, asked.request_id in finding.hint) == (not late, late)
    assert register.overdue(held.records.engine, NOW + days * DAY) == ((asked,) if late else ())
    register.close(held.records.engine, asked.request_id, Outcome.REFUSED, by_id="dpo", now=NOW, reason="not theirs")
    assert all(each.ok for each in duties(held.records.engine, NOW + days * DAY))


# Access


def test_access_says_what_is_held_and_why(held: Custody) -> None:
    """Every call of the person with each artifact, its end and its reason, its holds and history; nobody else's."""
    store_call(held, "CA01")
    store_call(held, "CA02", last=44)
    asked = verified(held)
    restrict(held.records.engine, POLICY, asked, by_id="dpo", reason="disputed", now=NOW)
    answer = access(held.records, asked.subject_id, POLICY, NOW)
    (call,) = answer["calls"]
    assert (call["call_id"], call["status"], [each["what"] for each in call["history"]]) == (
        "CA01",
        "stored",
        ["begun", "finished"],
    )
    assert {each["kind"]: (each["retain_until"], each["because"]) for each in call["artifacts"]} == {
        "redacted_audio": ("2026-11-21T14:03:00Z", "2026-11 recording: policy"),
        "transcript": ("2026-11-21T14:03:00Z", "2026-11 recording: policy"),
    }
    assert [each["kind"] for each in call["held_by"]] == ["restriction"]
    assert [each["request_id"] for each in answer["requests"]] == [asked.request_id]
    assert answer["told"]["purposes"]


def test_access_where_nothing_is_held(held: Custody) -> None:
    """That nothing is held is an answer, not an error."""
    answer = access(held.records, held.root.subject_id(number(43)), POLICY, NOW)
    assert (answer["calls"], answer["erasures"]) == ([], [])


# Restriction


def test_a_restriction_lasts_until_it_is_lifted(held: Custody) -> None:
    """It stops the export to others and the processing of the person's calls; once per request; lifted, all goes on."""
    call = store_call(held, "CA01")
    engine = held.records.engine
    asked = verified(held, Right.RESTRICT)
    made = restrict(engine, POLICY, asked, by_id="dpo", reason="disputed", now=NOW)
    assert restrict(engine, POLICY, asked, by_id="dpo", reason="disputed", now=NOW + DAY) == made
    assert restrictions(engine, asked.subject_id) == (made,)
    assert (made.case_id, made.review_at) == (asked.request_id, NOW + 90 * DAY)
    assert set(holds.held_calls(engine, ["CA01"])) == {"CA01"}
    with pytest.raises(Refused, match=asked.request_id):
        export_call("CA01", Path("unused"), held.archive, held.records, held.root, NOW)
    with pytest.raises(Refused, match=asked.request_id):
        held.records.start_call(replace(call, call_id="CA02", status=None))
    lift(engine, asked.request_id, by_id="dpo", reason="corrected", now=NOW + DAY)
    assert (restrictions(engine, asked.subject_id), holds.held_calls(engine, ["CA01"])) == ((), {})
    store_call(held, "CA02")


# The command


def test_the_command_asks_who_is_asking(tmp_path: Path) -> None:
    """Without a verified identity a request is written down and refused; taken up again with one it is answered."""
    data = ("--data-dir", tmp_path / "data", "--json")
    caller = ("--caller", "(202) 555-0143")
    done = run("subject", "access", *caller, *data)
    assert (done.code, done.json["error"]["kind"]) == (4, "Refused")
    (asked,) = run("subject", "requests", *data).json["requests"]
    assert (asked["right"], asked["identity"], asked["overdue"]) == ("access", None, False)
    assert asked["request_id"] in done.err
    other = run("subject", "access", "--caller", number(44), "--request", asked["request_id"], *data)
    assert other.code == 2, other.err
    answer = run("subject", "access", *caller, "--request", asked["request_id"], "--identity", "callback", *data)
    assert answer.code == 0, answer.err
    assert (answer.json["calls"], answer.json["request"]["outcome"]) == ([], "granted")
    assert "0143" not in answer.out + done.out + done.err
    assert run("subject", "requests", *data).json == {"requests": []}


def test_the_command_restricts_and_lifts(tmp_path: Path) -> None:
    """An objection restricts, as the policy says, and stays open; its restriction is lifted, the request refused."""
    data = ("--data-dir", tmp_path / "data", "--json")
    made = run("subject", "object", "--caller", number(43), "--identity", "callback", "--law", "ccpa", *data)
    assert made.code == 0, made.err
    request_id = made.json["request"]["request_id"]
    (listed,) = run("hold", "list", *data).json["holds"]
    assert (listed["hold_id"], listed["kind"], listed["case"]) == (made.json["restriction"], "restriction", request_id)
    extended = run("subject", "extend", request_id, "--reason", "to be weighed", *data)
    assert extended.json["request"]["due_at"] > made.json["request"]["due_at"]
    lifted = run("subject", "lift", request_id, "--reason", "compelling grounds", *data)
    assert (lifted.code, lifted.json["lifted"]) == (0, made.json["restriction"])
    closed = run("subject", "close", request_id, "--refuse", "--reason", "compelling grounds", *data)
    assert closed.json["request"]["outcome"] == "refused"
    assert run("hold", "list", *data).json == {"holds": []}
    text = run("subject", "requests", "--all", "--data-dir", tmp_path / "data").out
    assert f"{request_id}  object, refused" in text
