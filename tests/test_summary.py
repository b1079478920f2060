"""Forms: what callseal prints and writes is DESIGN.md section 4's, key by key."""

# ruff: noqa: SLF001 -- the clock is seen from inside only

from __future__ import annotations

import io
import json
import re
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import summary
from pipeline.audio import AudioFormat, Recording
from pipeline.consent.clips import Clips
from pipeline.db import CallRecord
from pipeline.errors import BadAudio, StoreUnavailable
from pipeline.intake.ingest import Intake
from pipeline.publish import Draft
from pipeline.types import (
    Action,
    Artifact,
    ArtifactKind,
    Channel,
    ConsentDecision,
    ConsentSignal,
    Evidence,
    Purpose,
    PurposeDecision,
    Redaction,
    ReviewItem,
    SealedObject,
    Status,
    Turn,
    Verdict,
)
from pipeline.verify.leaks import Understood
from pipeline.verify.verified import Verification
from tests.factories import span, word

GOLDEN = json.loads((Path(__file__).parent / "golden" / "summary.json").read_text())
NOW = datetime(2026, 11, 20, 14, 10, 0, 987654, tzinfo=UTC)
SEALED = SealedObject(ArtifactKind.REDACTED_AUDIO, "secretname", "ab" * 32, 1234, "subjectkey", b"wrapped")
TURNS = (
    Turn("agent", Channel.AGENT, (word("your", 0.5, 0.7), word("card?", 0.7, 1.0))),
    Turn("customer", Channel.CUSTOMER, (word("it's", 2.0, 2.25), word("[CREDIT_CARD]", 2.25, 6.9512))),
)
DECISION = ConsentDecision(
    Verdict.IMPLIED,
    lawful=True,
    rule="US-CA all-party",
    reason="a notice was given and the caller went on; Cal. Penal Code 632, 632.7",
    policy_version="2026-11",
    evidence=(
        Evidence(ConsentSignal.NOTICE_OUTSIDE, "notice:ivr", version="2026-03-15"),
        Evidence(
            ConsentSignal.NOTICE,
            "en.notice.call_is_recorded",
            Channel.AGENT,
            span(0.1, 1.23456),
            speaker="agent",
            confidence=0.93,
            purposes=frozenset({Purpose.TRAINING, Purpose.QUALITY}),
        ),
    ),
    decided_at=NOW,
    purposes={Purpose.SHARING: PurposeDecision(Verdict.UNKNOWN, lawful=False, reason="nothing shows it")},
    privacy_policy="2026-01",
)
DRAFT = Draft(
    record=CallRecord("CA01", "subject", "cd" * 32, "fingerprint", NOW, duration_s=277.70001),
    intake=Intake((), Recording((io.BytesIO,))),
    fmt=AudioFormat("wav", "pcm_mulaw", 8000, 2, "s16", 128000),
    channels=(Channel.AGENT, Channel.CUSTOMER),
    language="en",
    turns=TURNS,
    redactions=(Redaction("CREDIT_CARD", Channel.CUSTOMER, span(2.0, 7.3), Action.TONE, "asked for a card number"),),
    review=(ReviewItem(Channel.CUSTOMER, span(80.1, 81.0), "speech with no words"),),
    decision=DECISION,
    understood=Understood(TURNS, (), {}, "en", {}),
    doubts=("a leak",),
    verification=Verification(rounds=2, listened_s=41.23456, heard_again=1, clean=True),
)
KEPT = (Artifact(SEALED, NOW, datetime(2027, 11, 20, 14, 3, tzinfo=UTC), "default"),)


CLIPS = Clips(DECISION.evidence, DRAFT.channels, 8000)
for _ in CLIPS.listen([np.zeros((2, 8000), np.int16), np.ones((2, 8000), np.int16)]):
    pass


def forms() -> dict[str, Any]:
    """Every form, of one invented call."""
    return {
        "summary": summary.call(DRAFT, Status.STORED, KEPT, {"decode": 0.12345, "transcribe": 14.0}),
        "consent": summary.consent_record("CA01", DECISION, TURNS),
        "transcript": summary.transcript("CA01", "en", TURNS),
        "vtt": summary.vtt(summary.transcript("CA01", "en", TURNS)),
        "manifest": summary.manifest(DRAFT, {"callseal": "0.1.0"}, [SEALED], CLIPS, NOW),
        "error": summary.error(StoreUnavailable("the store is full")),
        "bad input": summary.error(BadAudio("the recording is empty")),
    }


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_forms(name: str) -> None:
    """Each form of an invented call is the one on file."""
    assert json.loads(json.dumps(forms()[name])) == GOLDEN[name]


def test_the_contract() -> None:
    """The summary has at least the keys that DESIGN.md section 4 promises, at each level."""
    printed = forms()["summary"]
    assert printed.keys() >= {
        "call_id", "status", "duration_s", "channels", "consent", "redactions", "review", "artifacts", "timings_s",
    }  # fmt: skip
    assert printed["consent"].keys() >= {"verdict", "lawful", "rule", "policy_version", "evidence"}
    assert printed["consent"]["evidence"][1].keys() >= {"kind", "channel", "start_s", "end_s"}
    assert printed["redactions"][0].keys() >= {"entity_type", "channel", "start_s", "end_s", "reason"}
    assert printed["review"][0].keys() >= {"start_s", "end_s", "reason"}
    assert printed["artifacts"][0].keys() >= {"kind", "sha256", "size_bytes", "retain_until"}


def test_no_form_names_a_key_or_an_object() -> None:
    """What is printed helps nobody find or open a sealed object."""
    shown = json.dumps(forms())
    for secret in ("secretname", "wrapped", "subjectkey", '"subject"'):
        assert secret not in shown


TEXT = st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Z", "C"]), min_size=1, max_size=12)


@settings(max_examples=60)
@given(
    st.lists(st.tuples(TEXT, st.floats(0, 100_000), st.floats(0.001, 5_000)), min_size=1, max_size=5),
)
def test_subtitles(cues: list[tuple[str, float, float]]) -> None:
    """Each turn is one cue with its clock times, and no word of it can end the cue or begin a tag."""
    turns = [Turn("customer", Channel.CUSTOMER, (word(text, at, at + length),)) for text, at, length in cues]
    document = summary.transcript("CA01", "en", turns)
    head, *blocks = summary.vtt(document).split("\n\n")
    assert head == "WEBVTT"
    assert len(blocks) == len(turns)
    for block, turn in zip(blocks, document["turns"], strict=True):
        clock, text = block.rstrip("\n").split("\n")
        times = re.fullmatch(r"(\d{2,}):([0-5]\d):([0-5]\d)\.(\d{3}) --> (\d{2,}):([0-5]\d):([0-5]\d)\.(\d{3})", clock)
        assert times
        numbers = [int(each) for each in times.groups()]
        start_ms, end_ms = ((h * 60 + m) * 60_000 + s * 1000 + ms for h, m, s, ms in (numbers[:4], numbers[4:]))
        assert start_ms <= end_ms
        assert (start_ms, end_ms) == (round(turn["start_s"] * 1000), round(turn["end_s"] * 1000))
        said = text.removeprefix("<v customer>")
        assert "<" not in said
        assert "-->" not in said
        assert said.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") == turn["text"]


def test_the_clock_only_goes_forward() -> None:
    """Later times are later on the clock, over seconds, minutes and hours."""
    times = [0.0, 0.0004, 0.9996, 59.9994, 59.9996, 60.0, 3599.9999, 3600.0, 35_999.5, 360_000.0]
    shown = [summary._clock(each) for each in times]
    assert all(len(one) < len(two) or one <= two for one, two in pairwise(shown))
    assert shown[4] == "00:01:00.000"
