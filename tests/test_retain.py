"""Retention: every kind has a date and a reason, in UTC; a policy with a gap or a slip does not load."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.db import HeldArtifact
from pipeline.errors import UsageError
from pipeline.retention.holds import Hold, HoldKind, Scope
from pipeline.retention.retain import Context, Fate, RetentionPolicy, due, load_policy, plan
from pipeline.types import Artifact, ArtifactKind, SealedObject, Status

POLICY_FILE = Path(__file__).parents[1] / "configs" / "retention.toml"
POLICY = load_policy(POLICY_FILE)
GOLDEN = json.loads((Path(__file__).parent / "golden" / "retention.json").read_text())
NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)
TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.timezones())  # noqa: DTZ001 - given a zone


@pytest.mark.parametrize(
    "case", GOLDEN["cases"], ids=lambda case: f"{case['status']} {case.get('context') or case['started_at']}"
)
def test_golden_plans(case: dict[str, Any]) -> None:
    """The shipped policy decides as it did."""
    started_at = case["started_at"] and datetime.fromisoformat(case["started_at"])
    now = datetime.fromisoformat(case["now"])
    asked = case.get("context", {})
    context = Context(tuple(asked.get("sectors", ())), asked.get("purpose"), tuple(asked.get("jurisdictions", ())))
    found = plan(list(ArtifactKind), POLICY, Status(case["status"]), context, started_at=started_at, now=now)
    assert {kind.value: [kept.retain_until.isoformat(), kept.rule] for kind, kept in found.items()} == case["plan"]


@pytest.mark.parametrize("started", [datetime(year, 2, 28, tzinfo=UTC) for year in range(2020, 2032)])
def test_consent_records_last_five_calendar_years(started: datetime) -> None:
    """Whichever leap days fall between, a consent record is kept five years (16 CFR 310.5) and no week longer."""
    kinds = [ArtifactKind.CONSENT_RECORD]
    until = plan(kinds, POLICY, Status.STORED, started_at=started, now=started)[
        ArtifactKind.CONSENT_RECORD
    ].retain_until
    five_years = started.replace(year=started.year + 5)
    assert five_years <= until < five_years + timedelta(days=7)


@given(started=TIMES, now=TIMES, status=st.sampled_from(Status), kind=st.sampled_from(ArtifactKind))
def test_dates_are_utc_and_bounded(started: datetime, now: datetime, status: Status, kind: ArtifactKind) -> None:
    """Whatever the clocks say, a date is in UTC and no later than the class's days from now."""
    kept = plan([kind], POLICY, status, started_at=started, now=now)[kind]
    longest = max(max(found.days, found.quarantined or 0) for found in POLICY.classes.values() if kind in found.kinds)
    assert kept.retain_until.tzinfo is UTC
    assert kept.retain_until <= now.astimezone(UTC) + timedelta(days=longest)
    assert kept.rule.startswith(POLICY.version)


def test_only_what_is_asked_for_is_planned() -> None:
    """A call without an audio artifact gets no date for one."""
    assert set(plan([ArtifactKind.MANIFEST], POLICY, Status.STORED, started_at=NOW, now=NOW)) == {ArtifactKind.MANIFEST}


def test_times_need_a_zone() -> None:
    """A local time is refused rather than guessed at."""
    local = NOW.replace(tzinfo=None)
    for started, now in ((local, NOW), (NOW, local)):
        with pytest.raises(ValueError, match="zone"):
            plan([ArtifactKind.MANIFEST], POLICY, Status.STORED, started_at=started, now=now)
    with pytest.raises(ValueError, match="zone"):
        due([], {}, local)


HOLD = Hold("hold-1", HoldKind.LEGAL, "case-7", Scope(), "counsel", "a claim", NOW, NOW)


@pytest.mark.parametrize(
    ("hours", "holds", "wrapped", "fate", "said"),
    [
        (1, [], b"k", Fate.KEEP, "to be kept until 2026-11-20 by 2026-11 recording: policy"),
        (1, [HOLD], b"k", Fate.KEEP, "to be kept"),
        (0, [], b"k", Fate.DELETE, "kept until 2026-11-20 by 2026-11 recording: policy"),
        (-1, [], b"k", Fate.DELETE, "kept until"),
        (-1, [HOLD], b"k", Fate.HOLD, "held: legal_hold hold-1, case case-7"),
        (-1, [HOLD], b"", Fate.DELETE, "destroyed already"),
    ],
)
def test_what_becomes_of_an_artifact(hours: int, holds: list[Hold], wrapped: bytes, fate: Fate, said: str) -> None:
    """Due at the very instant, not after; a hold keeps what is due, but not what was decided before it."""
    sealed = SealedObject(ArtifactKind.TRANSCRIPT, "0" * 32, "0" * 64, 1, "key", wrapped)
    held = HeldArtifact("CA01", Artifact(sealed, NOW, NOW + timedelta(hours=hours), "2026-11 recording: policy"))
    (found,) = due([held], {"CA01": holds}, NOW)
    assert (found.held, found.fate) == (held, fate)
    assert said in found.reason
    assert found.hold_ids == (("hold-1",) if fate is Fate.HOLD else ())


CONTEXTS = st.builds(
    Context,
    st.lists(st.sampled_from(POLICY.sectors), unique=True).map(tuple),
    st.sampled_from([None, *POLICY.purposes]),
    st.lists(st.sampled_from(["US-CA", "DE", "GB"]), unique=True).map(tuple),
)


@given(context=CONTEXTS, status=st.sampled_from(Status), kind=st.sampled_from(ArtifactKind))
def test_a_prohibition_goes_before_a_duty_and_a_duty_before_the_default(
    context: Context, status: Status, kind: ArtifactKind
) -> None:
    """No sector, purpose or place shortens what is kept but one that forbids it, and then nothing lengthens it."""
    kept = plan([kind], POLICY, status, context, started_at=NOW, now=NOW)[kind].retain_until
    default = plan([kind], POLICY, status, started_at=NOW, now=NOW)[kind].retain_until
    forbidden = kind is ArtifactKind.INTAKE and "payment" in context.sectors
    assert kept == NOW if forbidden else kept >= default


@pytest.mark.parametrize("context", [Context(("finanse",)), Context((), "quallity")])
def test_an_unknown_trade_is_refused(context: Context) -> None:
    """A slip in a sector or a purpose is an error, for it would fall back to the default unseen."""
    with pytest.raises(UsageError, match="the retention policy knows"):
        plan([ArtifactKind.INTAKE], POLICY, Status.STORED, context, started_at=NOW, now=NOW)


SHIPPED = POLICY_FILE.read_text()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("days = 183", "dyas = 183", "classes.recording.d"),
        ("days = 183", "days = -1", "classes.recording.days"),
        ("days = 183", 'days = "a year"', "classes.recording.days"),
        ("days = 183", "days = 183\nextra = 1", "classes.recording.extra"),
        ('kinds = ["redacted_audio", ', "kinds = [", "exactly one class: redacted_audio"),
        ('must = "at_most"', 'must = "never"', "classes.payment_original.must"),
        ('must = "at_most"\n', "", "a default has no conditions"),
        ('sectors = ["health"]', 'sectors = ["heatlh"]', "names a sector or a purpose"),
        ("[records]", "[rows]", "r"),
        ('sectors = ["payment", ', "sectors = [", "names a sector"),
        ('kinds = ["intake", ', 'kinds = ["intake", "transcript", ', "exactly one class: transcript"),
        ('kinds = ["intake", ', 'kinds = ["intake", "voiceprint", ', "classes.intake.kinds"),
        ("version = ", "versoin = ", "version"),
        ('version = "2026-11c"', "version = ", "not TOML"),
        ('version = "2026-11c"', 'version = "2026-11.2"', "look like personal data"),
    ],
)
def test_policy_with_a_slip_does_not_load(tmp_path: Path, old: str, new: str, said: str) -> None:
    """An unknown key, an odd value and a kind with no class or two are one error that names the place."""
    path = tmp_path / "retention.toml"
    assert old in SHIPPED
    path.write_text(SHIPPED.replace(old, new))
    with pytest.raises(UsageError) as caught:
        load_policy(path)
    assert said in str(caught.value)


def test_policy_that_is_not_there(tmp_path: Path) -> None:
    """A missing file is a usage error that names it."""
    with pytest.raises(UsageError, match=r"retention\.toml cannot be read"):
        load_policy(tmp_path / "retention.toml")


def test_policy_is_frozen() -> None:
    """A loaded policy cannot be changed on the way."""
    with pytest.raises(ValueError, match="frozen"):
        RetentionPolicy.model_validate(POLICY.model_dump()).version = "later"
