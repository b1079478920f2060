"""Places: whose rules apply, by the metadata, else by both numbers; what nobody knows is unknown."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.config import shipped_configs
from pipeline.consent import load_consent_policy, places
from pipeline.consent.places import place_of
from pipeline.metadata import CallMetadata

POLICY = load_consent_policy(shipped_configs() / "consent.toml")


@pytest.mark.parametrize(
    ("number", "place"),
    [
        ("+14155550123", "US-CA"),
        ("+12065550123", "US-WA"),
        ("+12025550143", "US-DC"),
        ("+12125550123", "US-NY"),
        ("+13125550123", "US-IL"),
        ("+18085550123", "US-HI"),
        ("+17875550100", "PR"),
        ("+18005550100", "unknown"),
        ("+14165550111", "CA"),
        ("+442079460958", "GB"),
        ("+4930901820", "DE"),
        ("+80012345678", "unknown"),
        ("204", "unknown"),
        (None, "unknown"),
    ],
)
def test_place_of_a_number(number: str | None, place: str) -> None:
    """A number tells its country, and in the United States its state; toll-free and internal ones tell nothing."""
    assert place_of(number) == place


@pytest.mark.parametrize(
    ("metadata", "home", "expected"),
    [
        ({"jurisdictions": ("US-CA",), "caller": "+12125550123"}, (), ("US-CA",)),
        ({"caller": "+12125550123", "callee": "+14155550123"}, (), ("US-NY", "US-CA")),
        ({"caller": "+12125550123", "callee": "+12125550124"}, (), ("US-NY",)),
        ({"caller": "+12125550123", "callee": "+18005550100"}, (), ("US-NY", "unknown")),
        ({"caller": "+12125550123", "callee": "+18005550100"}, ("US-TX",), ("US-NY", "US-TX")),
        ({"caller": "+18005550100", "callee": "+12125550123", "direction": "outbound"}, ("US-TX",), ("US-NY", "US-TX")),
        ({"caller": None, "callee": "+14155550123"}, ("US-TX",), ("unknown", "US-CA")),
        ({"caller": "+12125550123"}, (), ("US-NY", "unknown")),
        ({}, ("US-TX",), ("unknown",)),
    ],
)
def test_both_ends(metadata: dict[str, Any], home: tuple[str, ...], expected: tuple[str, ...]) -> None:
    """The metadata come first, then both numbers; the company's own place stands in where its number tells none."""
    assert places(CallMetadata(**metadata), POLICY.model_copy(update={"home": home})) == expected
