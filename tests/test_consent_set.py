"""The labelled consent set as text, in make test; as sound it is make bench-consent."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from benchmarks.consent.hear import CALLS
from benchmarks.consent.score import Found, figures, score
from benchmarks.corpus import script
from pipeline.config import shipped_configs
from pipeline.consent import judge, load_consent_policy, signals
from pipeline.metadata import parse_metadata
from pipeline.types import Channel, TimeSpan, Turn, Word

if TYPE_CHECKING:
    from benchmarks.corpus.script import Script

POLICY = load_consent_policy(shipped_configs() / "consent.toml")
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
WORD_S = 0.3


def turns_of(call: Script) -> tuple[Turn, ...]:
    """The call's lines one after the other, evenly spoken, as a recogniser without errors would hear them."""
    turns, at_s = [], 0.5
    for line in call.lines:
        at_s += line.gap_s if line.gap_s is not None else 0.4
        words = []
        for piece in line.pieces:
            for text in piece.text.split() if isinstance(piece, script.Phrase) else ():
                words.append(Word(text, TimeSpan(at_s, at_s + WORD_S * 0.9), 0.9))
                at_s += WORD_S
        turns.append(Turn(line.channel, Channel(line.channel), tuple(words)))
    return tuple(sorted(turns, key=lambda turn: turn.span))


@pytest.mark.parametrize("part", ["dev", "held_out"])
def test_verdicts(part: str) -> None:
    """Every call of the set has the verdict of its label."""
    for template in script.load(CALLS, only=f"{part}.toml"):
        call = script.fill(template, 1)
        metadata = parse_metadata(json.dumps(call.metadata).encode())
        evidence = signals(turns_of(call), metadata, POLICY, call.language, NOW)
        decision = judge(evidence, metadata, POLICY, NOW)
        assert decision.verdict == call.verdict, template.id
        assert decision.lawful <= (call.verdict in ("granted", "not_required", "implied")), template.id


def test_the_set_is_large_enough() -> None:
    """The set has more than 80 calls, half of them never tuned to, and every verdict."""
    calls = script.load(CALLS)
    assert len(calls) >= 120
    assert {str(call.options["verdict"]) for call in calls} == {
        *("withdrawn", "declined", "granted", "implied", "not_required", "unknown"),
    }


LABEL = {"consent": {"verdict": "implied", "evidence": [
    {"kind": "notice", "channel": "agent", "start_s": 1.0, "end_s": 2.0},
    {"kind": "notice", "channel": "agent", "start_s": 2.1, "end_s": 3.0},
]}}  # fmt: skip


@pytest.mark.parametrize(
    ("decided", "place", "span", "counts"),
    [
        (("implied", True), "US-CA", (1.1, 2.9), (1, 0, 1)),
        (("implied", True), "DE", (1.1, 2.9), (1, 1, 1)),
        (("granted", True), "DE", (1.1, 2.9), (0, 1, 1)),
        (("unknown", False), "DE", (0.6, 3.4), (0, 0, 1)),
        (("unknown", False), "DE", (0.4, 3.4), (0, 0, 0)),
        (("unknown", False), "DE", (3.0, 3.4), (0, 0, 0)),
    ],
)
def test_scores(decided: tuple[str, bool], place: str, span: tuple[float, float], counts: tuple[int, ...]) -> None:
    """A verdict is right or not, permissive where the label does not allow the call, evidence near or not."""
    given = Found(*decided, (("notice", Channel.AGENT, TimeSpan(*span)),))
    counted = figures([score("c", "dev", LABEL, (place,), given)])
    assert (counted["verdicts_right"], counted["wrongly_permissive"], counted["evidence_found"]) == counts
    assert counted["evidence_labelled"] == 1
