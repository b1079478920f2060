"""The redaction policy: what the file may say, and what it means for a finding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.errors import UsageError
from pipeline.pii import load_policy
from pipeline.types import Action

if TYPE_CHECKING:
    from pathlib import Path

MINIMAL = 'version = "1"\n[entities]\nACCOUNT_NUMBER = { threshold = 0.5, replacement = "[ACCOUNT_NUMBER]" }\n'

PROMISED = (
    "PERSON CREDIT_CARD PHONE_NUMBER EMAIL_ADDRESS US_SSN LOCATION DATE_OF_BIRTH CVV CARD_EXPIRY PIN PASSWORD "
    "ACCOUNT_NUMBER ADDRESS ZIP_CODE POLICY_NUMBER MEDICAL_RECORD VEHICLE_ID DTMF"
)


def test_the_shipped_policy_names_every_promised_kind() -> None:
    """The kinds of the design, and at least 25 in all, are redacted by the shipped policy."""
    policy = load_policy()
    redacted = {kind for kind, rule in policy.entities.items() if rule.redact}
    assert set(PROMISED.split()) <= redacted
    assert len(redacted) >= 25


def test_a_replacement_names_its_kind() -> None:
    """The word in the transcript says what stood there."""
    for kind, rule in load_policy().entities.items():
        assert rule.replacement == f"[{kind}]"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (MINIMAL + "colour = 1\n", "colour"),
        (MINIMAL.replace("0.5", "1.5"), "threshold"),
        (MINIMAL.replace("[ACCOUNT_NUMBER]", "88"), "replacement"),
        (MINIMAL + '[rules]\norder_number = "NOTHING"\n', "order_number"),
        ('version = "1"\n[entities\n', "TOML"),
    ],
)
def test_nonsense_is_an_error_that_names_it(tmp_path: Path, text: str, named: str) -> None:
    """A wrong policy file stops the program and says where it is wrong."""
    path = tmp_path / "redaction.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=named):
        load_policy(path)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    """No policy, no redaction."""
    with pytest.raises(UsageError, match="cannot be read"):
        load_policy(tmp_path / "none.toml")


def test_a_kind_without_a_rule_is_redacted_at_any_score(tmp_path: Path) -> None:
    """What the policy does not know goes, and goes with a tone."""
    path = tmp_path / "redaction.toml"
    path.write_text(MINIMAL)
    policy = load_policy(path)
    assert policy.wants("NEW_KIND", 0.0)
    assert policy.rule("NEW_KIND").action is Action.TONE
    assert not policy.wants("ACCOUNT_NUMBER", 0.4)
