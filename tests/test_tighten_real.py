"""A real call whose account number a lenient policy let stand, tightened with real weights from what was kept of it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pipeline import build
from pipeline.config import load_settings
from pipeline.export import export_call
from pipeline.intake.ingest import Delivery
from pipeline.metadata import parse_metadata
from pipeline.run import process
from pipeline.tighten import tighten
from pipeline.types import ArtifactKind, Channel, Status
from tests.test_real_calls import METADATA, NOW, NUMBER, STEREO, Kept
from tests.test_tighten import never_less, policy_with

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.run import Rooms

pytest_plugins = ("tests.real",)
pytestmark = pytest.mark.models


def test_a_number_that_was_let_stand_cannot_be_heard_any_more(loaded: Rooms, tmp_path: Path) -> None:
    """The stored recording has the number, the tightened one has not, and says all the rest; no original was held."""
    models = ("vad", "transcriber", "listener", "diarizer", "recognizer", "tagger")
    rooms = replace(build.build(load_settings(tmp_path / "data")), **{name: getattr(loaded, name) for name in models})
    lenient = replace(rooms, redaction=policy_with(rooms.redaction, "ACCOUNT_NUMBER", redact=False))
    metadata = parse_metadata(json.dumps(METADATA).encode())
    before = process(Delivery((STEREO,), (), metadata), replace(lenient, fingerprint="0" * 64), NOW)
    held = (rooms.archive, rooms.records, rooms.root, NOW)
    export_call("CA-real", tmp_path / "before", *held)
    assert ArtifactKind.INTAKE not in {each.sealed.kind for each in rooms.records.artifacts("CA-real")}
    after = tighten("CA-real", rooms, NOW)
    export_call("CA-real", tmp_path / "after", *held)
    assert (before.status, after.status) == (Status.STORED, Status.STORED)
    assert never_less(before.summary, after.summary)
    was, now = (Kept(tmp_path, rooms, {}, tmp_path / name) for name in ("before", "after"))
    assert NUMBER.search(was.text("transcript.vtt"))
    assert not NUMBER.search(now.text("transcript.vtt"))
    assert "[ACCOUNT_NUMBER]" in now.text("transcript.json")
    first, second = (each.heard((each.exported / "redacted.wav").read_bytes()) for each in (was, now))
    assert NUMBER.search(first[Channel.CUSTOMER])
    assert not re.search(r"\d|one|two|three|four|five", " ".join(second.values()), re.IGNORECASE)
    assert {"help", "account"} <= set(re.findall(r"\w+", second[Channel.CUSTOMER].lower()))
    assert tighten("CA-real", rooms, NOW).repeated
    again = tighten("CA-real", replace(rooms, fingerprint="1" * 64), NOW)
    assert again.summary["tightened"] == after.summary["tightened"]
    rooms.records.close()
