"""Listening again with real weights: every codec carries the sentinel; what a blind detector left is found."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline import build, run
from pipeline.audio import SPEECH_RATE_HZ, probe
from pipeline.config import load_settings
from pipeline.intake.ingest import Delivery
from pipeline.metadata import parse_metadata
from pipeline.speech import Piece, Window
from pipeline.types import Channel, TimeSpan
from pipeline.verify.sentinel import sentinel
from pipeline.verify.spans import without
from tests.factories import recording
from tests.product import TESTS
from tests.test_encode import LOSSY

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from pipeline.run import Rooms

pytest_plugins = ("tests.real",)
pytestmark = pytest.mark.models

CODECS = ("MP3 8 kHz", "Opus mono", "AAC 8 kHz", "GSM")
CALL = TESTS / "data" / "corpus" / "card_plain"


def test_the_sentinel_is_recognised(loaded: Rooms) -> None:
    """Through the codecs of telephone systems, the listener hears the planted sentence."""
    planted = sentinel("en")
    assert planted is not None
    quiet = np.zeros(SPEECH_RATE_HZ // 2, np.float32)
    sounds = [planted.carried(probe(recording(raw))) for _, raw in (LOSSY[name] for name in CODECS)]
    windows = [
        Window((Piece(Channel.MIXED, 0.0, TimeSpan(0.0, 0.5)),), np.concatenate([quiet, sound])) for sound in sounds
    ]
    heard = [planted.begins(words) for _, words in loaded.listener().transcribe(windows, "en")]
    assert heard == [0] * len(CODECS)


def test_what_a_blind_detector_left_is_heard(loaded: Rooms, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the detector overlooks the first digits of a card number, the second hearing finds it and it is redacted."""
    detect, cut = run.detect, []

    def blind(*arguments: Any) -> Any:
        found = detect(*arguments)
        first = next(each for each in found if each.entity_type == "CREDIT_CARD")
        words = arguments[0][first.turn].words[first.words.first : first.words.end]
        cut.append(TimeSpan(words[0].span.start_s, words[-1].span.end_s))
        return tuple(each for each in found if each is not first)

    monkeypatch.setattr(run, "detect", blind)
    names = ("vad", "transcriber", "listener", "diarizer", "recognizer", "tagger")
    models = {name: getattr(loaded, name) for name in names}
    rooms = replace(build.build(load_settings(tmp_path / "data")), **models)
    truth, metadata = (json.loads((CALL / f"{name}.json").read_text()) for name in ("truth", "metadata"))
    stated = parse_metadata(json.dumps(metadata | {"jurisdictions": ["US-NY"]}).encode())
    delivery = Delivery((CALL / "audio.mp3",), (), stated)
    summary = run.process(delivery, rooms, datetime(2026, 11, 24, 12, 0, tzinfo=UTC)).summary
    rooms.records.close()
    again = [each for each in summary["redactions"] if each["reason"].startswith("heard again")]
    assert summary["verification"]["heard_again"] >= 1
    assert any(TimeSpan(each["start_s"], each["end_s"]).overlaps(cut[0]) for each in again)
    cards = [each for each in truth["pii"] if each["entity_type"] == "CREDIT_CARD"]
    for card in cards:
        covered = [TimeSpan(r["start_s"], r["end_s"]) for r in summary["redactions"] if r["channel"] == card["channel"]]
        left = without([TimeSpan(card["start_s"], card["end_s"])], covered)
        assert sum(each.duration_s for each in left) < 0.3
