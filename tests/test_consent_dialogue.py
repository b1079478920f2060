"""One channel, one voice: who speaks is told from what is said, and what could be anybody's is nobody's consent."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pipeline.config import shipped_configs
from pipeline.consent import decide, load_consent_policy, signals
from pipeline.metadata import CallMetadata
from pipeline.types import Channel, ConsentDecision, ConsentSignal, Verdict
from tests.factories import turn

POLICY = load_consent_policy(shipped_configs() / "consent.toml")
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
ASKED = "May we record this call?"
TOLD = "This call is recorded."


def one_voice(text: str, place: str, language: str = "en") -> ConsentDecision:
    """The decision about a call on one channel in which one voice was told."""
    said = (turn(text, 0.0, Channel.MIXED, "SPEAKER_00"),)
    evidence = signals(said, CallMetadata(), POLICY, language, NOW)
    return decide(evidence, (place,), POLICY, NOW)


@pytest.mark.parametrize(
    "reply",
    [
        "I do. Thank you.",
        "You may. Great, how can I help?",
        "Um. Yes, sure. Thanks.",
        "Yes, sure. Whatever you need. Thanks.",
        "Sure, go ahead. Perfect, one moment.",
        "No problem at all. Lovely.",
    ],
)
def test_a_yes_that_is_thanked_for(reply: str) -> None:
    """A clear yes, for which thanks come at once, answers a question that the same voice seems to have asked."""
    found = one_voice(f"{ASKED} {reply}", "DE")
    assert (found.verdict, found.lawful) == (Verdict.GRANTED, True)
    assert any("voices not told apart" in each.rule for each in found.evidence if each.signal is ConsentSignal.YES)


@pytest.mark.parametrize(
    "reply",
    [
        "Okay, great. So, I have your file here.",
        "All right, thank you. Perfect.",
        "Thank you. Great.",
        "Yes? Thank you.",
        "Yes. What is your name?",
        "Sure. Okay, how can I help?",
        "Of course. I will turn it off. Thank you.",
        "Of course. Not recording now. Thank you.",
        "Sure. Recording is off. Great.",
        "You can refuse if you want to. Thank you.",
        "Yes, sure. I would rather not. Thank you.",
        "Sorry, I did not catch that. Yes. Thank you.",
        "Why do you need that? It is for quality. Yes. Thank you.",
    ],
)
def test_what_may_be_the_companys_own(reply: str) -> None:
    """What a company says to a no as well, asks, or says without thanks for an answer is no consent."""
    found = one_voice(f"{ASKED} {reply}", "DE")
    assert found.verdict in {Verdict.UNKNOWN, Verdict.DECLINED}
    assert not found.lawful


@pytest.mark.parametrize("no", ["No.", "No, thank you.", "I would rather not.", "No, I don't consent."])
def test_a_no_counts_whoever_says_it(no: str) -> None:
    """A no after the question declines, whatever is said after it, though its voice is not told apart."""
    assert one_voice(f"{ASKED} {no} Yes. Thank you.", "DE").verdict is Verdict.DECLINED


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        (f"{TOLD} My internet is down again.", Verdict.IMPLIED),
        (f"{TOLD} Hello. I need to change my flight.", Verdict.IMPLIED),
        (f"{TOLD} How can I help? The water is cold.", Verdict.IMPLIED),
        (f"{TOLD} I need your card.", Verdict.UNKNOWN),
        (f"{TOLD} I am calling about your order.", Verdict.UNKNOWN),
        (f"{TOLD} Please hold the line.", Verdict.UNKNOWN),
        (f"My internet is down again. {TOLD}", Verdict.UNKNOWN),
    ],
)
def test_going_on_after_a_notice(text: str, verdict: Verdict) -> None:
    """Only an answer to a later question, or what a caller alone says, is going on after a notice in one voice."""
    assert one_voice(text, "US-CA").verdict is verdict


def test_in_spanish() -> None:
    """The same holds in the other language that is shipped."""
    asked = "¿Nos permite grabar la llamada?"
    assert one_voice(f"{asked} Sí, claro. Gracias.", "ES", "es").verdict is Verdict.GRANTED
    assert one_voice(f"{asked} De acuerdo. Gracias.", "ES", "es").verdict is Verdict.UNKNOWN
    assert one_voice("Esta llamada es grabada. Quiero cambiar mi cita.", "US-CA", "es").verdict is Verdict.IMPLIED


def test_an_answer_in_the_wrong_voice() -> None:
    """A short answer that the diarizer gives to the one who asked counts where another voice only says thanks."""
    said = (
        turn("Do you consent to being recorded? I do.", 0.0, Channel.MIXED, "SPEAKER_01"),
        turn("Thank you. How can I help you?", 4.5, Channel.MIXED, "SPEAKER_00"),
    )
    evidence = signals(said, CallMetadata(), POLICY, "en", NOW)
    assert decide(evidence, ("DE",), POLICY, NOW).verdict is Verdict.GRANTED


def test_a_question_by_its_mark() -> None:
    """What is a statement in writing is a question where the recogniser hears one."""
    assert one_voice("You consent to being recorded? I'd rather not.", "US-CA").verdict is Verdict.DECLINED
