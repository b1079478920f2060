"""The consent policy: what the file may say, and what a place that it does not name gets."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest

from pipeline.config import shipped_configs
from pipeline.consent import load_consent_policy
from pipeline.errors import UsageError
from pipeline.schema import check_content_free

if TYPE_CHECKING:
    from pathlib import Path

SHIPPED = shipped_configs() / "consent.toml"
TEXT = SHIPPED.read_text()


def edited(tmp_path: Path, old: str, new: str) -> Path:
    """The shipped policy with one change."""
    assert old in TEXT
    file = tmp_path / "consent.toml"
    file.write_text(TEXT.replace(old, new, 1))
    for phrases in SHIPPED.parent.glob("consent.*.toml"):
        (tmp_path / phrases.name).write_text(phrases.read_text())
    return file


def test_every_source_can_be_recorded() -> None:
    """No source of a rule looks like a telephone number or other content to the database."""
    check_content_free([rule.source for rule in load_consent_policy(SHIPPED).rules.values()])


@pytest.mark.parametrize(
    ("place", "needs"),
    [
        ("US-CA", "notice"),
        ("US-WA", "notice"),
        ("US-TX", "one_party"),
        ("US", "one_party"),
        ("DE", "opt_in"),
        ("FR", "opt_in"),
        ("DE-BY", "opt_in"),
        ("NO", "opt_in"),
        ("GB", "opt_in"),
        ("CA", "opt_in"),
        ("JP", "opt_in"),
        ("", "opt_in"),
    ],
)
def test_rule_of_a_place(place: str, needs: str) -> None:
    """A place has its own rule, else its country's, else its union's, else the strictest there is."""
    assert load_consent_policy(SHIPPED).rule(place).needs == needs


def test_every_rule_has_a_source() -> None:
    """No rule is in the file without a source and a day on which it was read."""
    for rule in load_consent_policy(SHIPPED).rules.values():
        assert rule.source
        assert rule.checked.year >= 2026


def test_the_unknown_is_the_strictest() -> None:
    """No rule asks more than that of an unknown place."""
    policy = load_consent_policy(SHIPPED)
    assert policy.rules["unknown"].needs == "opt_in"
    assert policy.outcome.unknown != "keep"


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('version = "', 'strictness = 3\nversion = "', "strictness"),
        ('declined = "discard"', 'declined = "discard"\nperhaps = "keep"', "outcome.perhaps"),
        ('declined = "discard"', 'declined = "archive"', "outcome.declined"),
        ('declined = "discard"', "", "outcome.declined"),
        ('needs = "notice"', 'needs = "a notice"', "needs"),
        ("checked = 2026-11-24", 'checked = "lately"', "checked"),
        ("[rules.EU]", "[rules.EFTA]", "EU"),
        ("[rules.unknown]", "[rules.ZZ]", "unknown"),
        ("[when.minor]", "[when.giant]", "when.giant"),
        ("[when.card]", "[when.health_card]", "card"),
        ('withhold = ["sharing"]', 'withhold = ["gossip"]', "withhold"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, old: str, new: str, named: str) -> None:
    """An unknown key, a wrong value, a missing rule or a broken pattern is an error that names it."""
    with pytest.raises(UsageError, match=r"consent\.toml") as failed:
        load_consent_policy(edited(tmp_path, old, new))
    assert named in str(failed.value)


def test_no_file_and_no_toml(tmp_path: Path) -> None:
    """A missing file and one that is not TOML are usage errors."""
    with pytest.raises(UsageError, match="cannot be read"):
        load_consent_policy(tmp_path / "consent.toml")
    with pytest.raises(UsageError, match="not TOML"):
        load_consent_policy(edited(tmp_path, "[outcome]", "[outcome"))


def test_an_override_comes_first(tmp_path: Path) -> None:
    """An operator's own reading of a place is in force, says so by its source, and leaves every other place alone."""
    row = '[overrides.US-MI]\nneeds = "one_party"\nsource = "memo of counsel"\nchecked = 2026-11-24\n'
    row += 'confidence = "high"\n\n'
    policy = load_consent_policy(edited(tmp_path, "[when.minor]", f"{row}[when.minor]"))
    assert (policy.rule("US-MI").needs, policy.rule("US-MI").source) == ("one_party", "memo of counsel")
    assert policy.rule("US-DE").needs == "notice"


@pytest.mark.parametrize(
    ("day", "version", "since"),
    [(date(2024, 12, 31), None, None), (date(2025, 1, 1), "A", None), (date(2026, 7, 1), "C", date(2026, 3, 1))],
)
def test_the_privacy_policy_in_force(tmp_path: Path, day: date, version: str | None, since: date | None) -> None:
    """Of all versions the newest in force on the day of the call counts, and the last significant change."""
    rows = [("B", date(2026, 3, 1), "true"), ("A", date(2025, 1, 1), "false"), ("C", date(2026, 6, 1), "false")]
    text = "".join(
        f'[[privacy_policies]]\nversion = "{name}"\neffective = {from_}\nsignificant = {significant}\n'
        for name, from_, significant in rows
    )
    policy = load_consent_policy(edited(tmp_path, "[when.minor]", f"{text}[when.minor]"))
    at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    assert (policy.privacy_policy_at(at), policy.asked_again_since(at)) == (version, since)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("[notice]", "[notise]", "notise"),
        ('analytics = "', 'gossip = "', "gossip"),
        ('recording_stopped = "(', 'recording_stopped = "((', "confirmation.recording_stopped"),
        ('recording_stopped = "(', 'recording_stopped = "<nothing> (', "no words are named"),
        ('recorded = "(recorded|taped)"', 'recorded = "(recorded|<recorded>)"', "leads back to itself"),
        ("[notice]", "[notice", "not TOML"),
    ],
)
def test_phrases_that_make_no_sense_are_refused(tmp_path: Path, old: str, new: str, named: str) -> None:
    """A group, a purpose or a pattern that means nothing is an error that names it."""
    file = edited(tmp_path, "", "")
    phrases = file.with_name("consent.en.toml")
    assert old in phrases.read_text()
    phrases.write_text(phrases.read_text().replace(old, new, 1))
    with pytest.raises(UsageError, match=r"consent\.en\.toml") as failed:
        load_consent_policy(file)
    assert named in str(failed.value)


def test_another_language_is_a_file(tmp_path: Path) -> None:
    """A language that lies beside the policy is known without any change of code."""
    file = edited(tmp_path, "", "")
    file.with_name("consent.it.toml").write_text(file.with_name("consent.es.toml").read_text())
    assert load_consent_policy(file).phrases.keys() == {"en", "es", "it"}
