"""Joining the rooms: a data folder opens under its own key file and no other."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from pipeline.build import custody
from pipeline.config import load_settings
from pipeline.errors import CannotOpen

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.config import Settings

NOW = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.fixture
def used(tmp_path: Path) -> Settings:
    """Settings of a data folder that knows a caller."""
    settings = load_settings(tmp_path / "data")
    held = custody(settings)
    held.records.subject_for(held.root.subject_id("+12025550143"), held.root, NOW)
    held.records.close()
    return settings


def test_the_same_key_file_opens_it_again(used: Settings) -> None:
    """A data folder opens as often as one likes with the key it was made with."""
    assert custody(used).records.root_key_ids() == {custody(used).root.key_id}


def test_another_key_file_is_refused(used: Settings, tmp_path: Path) -> None:
    """Under another key every caller has another name, so an erasure must not say that nothing is held."""
    other = load_settings(tmp_path / "other")
    custody(other)
    used.key_file.write_bytes(other.key_file.read_bytes())
    with pytest.raises(CannotOpen, match="another key file"):
        custody(used)


def test_a_lost_key_file_is_not_replaced(used: Settings) -> None:
    """A key file that is gone is asked back, never made anew beside callers' keys that it cannot open."""
    used.key_file.unlink()
    with pytest.raises(CannotOpen, match="put it back"):
        custody(used)
    assert not used.key_file.exists()
