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


@pytest.mark.parametrize(
    ("asked", "reply", "verdict"),
    [
        (ASKED, "No, you may not.", Verdict.DECLINED),
        (ASKED, "You certainly do not.", Verdict.DECLINED),
        (ASKED, "It's not okay with me.", Verdict.DECLINED),
        (ASKED, "I cannot agree to that.", Verdict.DECLINED),
        (ASKED, "My lawyer told me not to agree to that.", Verdict.DECLINED),
        (ASKED, "What would you do with it?", Verdict.UNKNOWN),
        (ASKED, "I never said that's fine.", Verdict.DECLINED),
        (ASKED, "I don't think you heard that's fine.", Verdict.UNKNOWN),
        (ASKED, "You may do no such thing.", Verdict.UNKNOWN),
        (ASKED, "Are you sure that's legal?", Verdict.UNKNOWN),
        (ASKED, "You can hear me alright.", Verdict.UNKNOWN),
        (ASKED, "You can. My name is Lee.", Verdict.GRANTED),
        (ASKED, "You may record it.", Verdict.GRANTED),
        (ASKED, "Sure, why not?", Verdict.GRANTED),
        (ASKED, "You do.", Verdict.GRANTED),
        (ASKED, "Yes, but not for training.", Verdict.GRANTED),
        (ASKED, "That's fine. I can't find my number.", Verdict.GRANTED),
        ("Do you mind if we record this call?", "Yes, actually, I do.", Verdict.DECLINED),
        ("Do you mind if we record this call?", "No, I don't care.", Verdict.GRANTED),
    ],
)
def test_a_yes_beside_a_no(asked: str, reply: str, verdict: Verdict) -> None:
    """A reply that opens with a no, or negates in the sentence of its yes, is no consent unless the no permits."""
    said = (turn(asked, 0.0, Channel.AGENT), turn(reply, 5.0, Channel.CUSTOMER))
    evidence = signals(said, CallMetadata(), POLICY, "en", NOW)
    assert decide(evidence, ("DE",), POLICY, NOW).verdict is verdict


@pytest.mark.parametrize(
    ("said", "objects"),
    [
        ("You don't have my permission to record me.", True),
        ("I never said you could record this.", True),
        ("Take me off the recording.", True),
        ("I want this recording deleted.", True),
        ("No recordings, please.", True),
        ("This should not be taped.", True),
        ("Delete what you recorded.", True),
        ("You're not allowed to record me.", True),
        ("You never recorded my payment.", False),
        ("I don't mind being recorded.", False),
        ("No, I have no problem with you recording this.", False),
        ("I didn't know that calls are recorded.", False),
        ("Why don't you record my new address?", False),
    ],
)
def test_objections_in_other_words(said: str, *, objects: bool) -> None:
    """Whoever speaks of recording and negates it objects, unless it is no matter to them or they only ask or tell."""
    turns = (turn(TOLD, 0.0, Channel.AGENT), turn(said, 4.0, Channel.CUSTOMER))
    found = signals(turns, CallMetadata(), POLICY, "en", NOW)
    against = {ConsentSignal.OBJECTION, ConsentSignal.NO}  # said at once to a notice it is a no
    assert any(each.signal in against for each in found) is objects


@pytest.mark.parametrize(
    ("said", "language"),
    [
        ("Can we skip the recording bit today?", "en"),
        ("I thought you people had given up taping this.", "en"),
        ("Is there a way to do this with the recorder somewhere else?", "en"),
        ("My lawyer says nothing of mine goes on tape.", "en"),
        ("I would like to speak to somebody whose recordings end up nowhere.", "en"),
        ("This feels like eavesdropping.", "en"),
        ("Lo de la grabacion me lo salto.", "es"),
        ("Por favor, déjete grabar.", "es"),
    ],
)
@pytest.mark.parametrize("channels", [(Channel.AGENT, Channel.CUSTOMER), (Channel.MIXED, Channel.MIXED)])
def test_what_nobody_understands_of_the_recording(said: str, language: str, channels: tuple[Channel, Channel]) -> None:
    """A caller who speaks of the recording in words that no rule explains has not simply gone on after the notice."""
    told = TOLD if language == "en" else "Esta llamada puede ser grabada para fines de calidad."
    turns = (turn(told, 0.0, channels[0]), turn(said, 9.0, channels[1], "other"))
    evidence = signals(turns, CallMetadata(), POLICY, language, NOW)
    decision = decide(evidence, ("US-CA",), POLICY, NOW)
    assert decision.verdict in {Verdict.UNKNOWN, Verdict.WITHDRAWN, Verdict.DECLINED}
    assert not decision.lawful


@pytest.mark.parametrize(
    "said",
    [
        "Is this call recorded?",
        "Record my new address, please.",
        "My payment was recorded twice.",
        "I have a question about my medical record.",
        "I don't mind being recorded.",
        "For the record, I called last week.",
    ],
)
def test_other_records(said: str) -> None:
    """Questions about the recording, and what else is recorded, leave a caller who went on as one who went on."""
    turns = (turn(TOLD, 0.0, Channel.AGENT), turn(said, 9.0, Channel.CUSTOMER))
    assert decide(signals(turns, CallMetadata(), POLICY, "en", NOW), ("US-CA",), POLICY, NOW).verdict is Verdict.IMPLIED


def test_a_question_by_its_mark() -> None:
    """What is a statement in writing is a question where the recogniser hears one."""
    assert one_voice("You consent to being recorded? I'd rather not.", "US-CA").verdict is Verdict.DECLINED
