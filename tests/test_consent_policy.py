"""The consent policy: what the file may say, and what a place that it does not name gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.config import shipped_configs
from pipeline.consent_policy import load_consent_policy
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
        ('version = "2026-11"', 'version = "2026-11"\nstrictness = 3', "strictness"),
        ('declined = "discard"', 'declined = "discard"\nperhaps = "keep"', "outcome.perhaps"),
        ('declined = "discard"', 'declined = "archive"', "outcome.declined"),
        ('declined = "discard"', "", "outcome.declined"),
        ('needs = "notice"', 'needs = "a notice"', "needs"),
        ("checked = 2026-11-24", 'checked = "lately"', "checked"),
        ("[rules.EU]", "[rules.EFTA]", "EU"),
        ("[rules.unknown]", "[rules.ZZ]", "unknown"),
        ("not_notice = [", "not_notise = [", "not_notise"),
        ("notice = [\n", "notice = ['(unclosed',\n", "phrases.en.notice"),
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
