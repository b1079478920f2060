"""Consent: what was said and what the law asks give one verdict, and doubt never makes it more permissive."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.config import shipped_configs
from pipeline.consent import decide, load_consent_policy, signals, strictest
from pipeline.consent.answers import ANSWER_WITHIN_S
from pipeline.metadata import CallMetadata, ConsentMetadata
from pipeline.types import Channel, ConsentDecision, ConsentSignal, Evidence, EvidenceKind, Purpose, Turn, Verdict
from tests.factories import dialogue, span, turn

HERE = Path(__file__).parent
GOLDEN = json.loads((HERE / "golden" / "consent.json").read_text())
REAL = json.loads((HERE / "data" / "recording_announcements.json").read_text())
POLICY = load_consent_policy(shipped_configs() / "consent.toml")
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
AGENT, CUSTOMER, MIXED = Channel.AGENT, Channel.CUSTOMER, Channel.MIXED
NOTICE = "this call may be monitored or recorded for quality and training purposes"
HELP = "I need help with my order"
ASKED = "is it okay if I record this call"
PLACES = [*POLICY.rules, "US-TX", "DE", "CA-ON", "FR", "XX"]


def decision(
    turns: tuple[Turn, ...], places: tuple[str, ...] = (), metadata: CallMetadata | None = None, language: str = "en"
) -> ConsentDecision:
    """The decision about a call."""
    metadata = metadata or CallMetadata()
    evidence = signals(turns, metadata, POLICY, language, NOW)
    return decide(evidence, places, POLICY, NOW, conditions=metadata.consent.conditions)


def shown(text: str, channel: Channel = AGENT, language: str = "en") -> set[ConsentSignal]:
    """What one turn shows."""
    return {each.signal for each in signals([turn(text, 0.0, channel)], CallMetadata(), POLICY, language, NOW)}


def answer(reply: str, question: str = ASKED, language: str = "en") -> set[str]:
    """What the answers to a question show."""
    turns = dialogue((AGENT, question), (CUSTOMER, reply))
    found = signals(turns, CallMetadata(), POLICY, language, NOW)
    return {each.signal.value for each in found if each.kind is EvidenceKind.ANSWER}


@pytest.mark.parametrize("case", GOLDEN["verdicts"], ids=lambda case: case["name"])
def test_golden_verdicts(case: dict[str, Any]) -> None:
    """Each evidence in each place has the verdict, the lawfulness and the outcome on file."""
    turns = dialogue(*((Channel(channel), text) for channel, text in case["turns"]))
    notice = ConsentMetadata(recording_notice=case["metadata_notice"])
    for place, expected in case["by_place"].items():
        found = decision(turns, (place,), CallMetadata(consent=notice))
        assert [found.verdict.value, found.lawful, POLICY.outcome_of(found)] == expected, place


@pytest.mark.parametrize("text", REAL["announcements"])
def test_real_announcements_are_notices(text: str) -> None:
    """Sentences with which real operators announce a recording are notices."""
    assert ConsentSignal.NOTICE in shown(text)


@pytest.mark.parametrize("text", REAL["other_uses_of_recorded"])
def test_real_sentences_that_record_something_else_are_none(text: str) -> None:
    """Sentences of real calls in which sales, losses or wins are recorded are no notice."""
    assert ConsentSignal.NOTICE not in shown(text)


@pytest.mark.parametrize(
    "text",
    [
        NOTICE,
        "Thank you for calling, this call is being recorded for quality and training.",
        "Just so you know you are on a recorded line.",
        "Hi, this is the billing team on a recorded line, how can I help?",
        "Calls are recorded for training purposes.",
        "I should tell you that we are recording this call.",
        "We record all calls.",
        "I'm recording this call for training.",
        "Your call will be recorded.",
        "This conversation is being recorded, by continuing you agree.",
    ],
)
def test_notices(text: str) -> None:
    """What contact centres say to announce a recording is a notice."""
    assert ConsentSignal.NOTICE in shown(text)


@pytest.mark.parametrize(
    "text",
    [
        "Your payment was recorded on the fifth.",
        "Please record your message after the tone.",
        "I see a record of the order here.",
        "We have no record of that.",
        "The balance is recorded for the month.",
        "The transaction was recorded and posted.",
        "I bought a record player.",
        "I broke my personal record.",
        "Could you call me back, I have recorded a greeting.",
        "I'll stop the recording now.",
        "Is it okay if I record this call?",
        "May we record this conversation?",
        "Do you consent to this call being recorded?",
        "Would you mind if we record the call?",
    ],
)
def test_hard_negatives_are_no_notice(text: str) -> None:
    """Other things that are recorded, a recording that ends, or the question whether one may be made are no notice."""
    assert ConsentSignal.NOTICE not in shown(text)


@pytest.mark.parametrize(
    "reply", ["Sure.", "Yes, go ahead.", "That's fine.", "Um, okay.", "I don't mind.", "No problem."]
)
def test_express_yes(reply: str) -> None:
    """A yes to the question whether the call may be recorded is one."""
    assert answer(reply) == {"yes"}


@pytest.mark.parametrize(
    "reply",
    ["No.", "No thanks.", "I'd rather you didn't.", "Please don't.", "I'm not comfortable with that.", "Uh, no."],
)
def test_express_no(reply: str) -> None:
    """A no is one, however polite."""
    assert answer(reply) == {"no"}


@pytest.mark.parametrize("reply", ["Sorry what did you say", "My order has not arrived", "Who is this"])
def test_something_else_is_no_answer(reply: str) -> None:
    """A reply that is neither yes nor no is no consent."""
    assert answer(reply) == {"unclear"}


@pytest.mark.parametrize(
    "question", ["is that okay with you", "would you like a refund", "do you have your card ready", "are you alright"]
)
def test_a_yes_to_another_question_is_no_consent(question: str) -> None:
    """A yes counts only when the question was about recording."""
    assert answer("Yes.", question) == set()


def test_a_question_may_follow_its_notice() -> None:
    """``Is that okay`` right after a notice is about the recording."""
    turns = dialogue((AGENT, NOTICE), (AGENT, "is that okay with you"), (CUSTOMER, "yes it is"))
    assert decision(turns, ("DE",)).verdict is Verdict.GRANTED


def test_an_answer_comes_soon() -> None:
    """A yes long after the question answers something else."""
    asked = turn("do I have your permission to record this call", 0.0, AGENT)
    for wait_s, verdict in ((ANSWER_WITHIN_S - 1, Verdict.GRANTED), (ANSWER_WITHIN_S + 1, Verdict.UNKNOWN)):
        turns = (asked, turn("yes", asked.span.end_s + wait_s, CUSTOMER))
        assert decision(turns, ("DE",)).verdict is verdict


@pytest.mark.parametrize(
    "text",
    [
        "Please stop recording.",
        "Can you turn off the recording?",
        "I don't want to be recorded.",
        "I do not want this call on tape.",
        "Don't record this.",
        "Take this off the record.",
        "I withdraw my consent.",
    ],
)
def test_objections(text: str) -> None:
    """A caller who objects in mid-call has withdrawn, whatever was granted before, in every place."""
    granted = ((AGENT, "may I record this call"), (CUSTOMER, "yes sure"), (AGENT, "how can I help you today"))
    for place in PLACES:
        found = decision(dialogue(*granted, (CUSTOMER, HELP), (CUSTOMER, text)), (place,))
        assert (found.verdict, found.lawful, found.lawful_before) == (Verdict.WITHDRAWN, False, True)


def test_the_agent_does_not_object() -> None:
    """An agent who repeats how to object withdraws nothing."""
    turns = dialogue((AGENT, NOTICE), (AGENT, "if you don't want to be recorded please tell me"), (CUSTOMER, HELP))
    assert decision(turns, ("US-CA",)).verdict is Verdict.IMPLIED


def test_evidence_says_when_and_where() -> None:
    """Evidence carries the channel and the span of the words that it rests on."""
    turns = dialogue((AGENT, f"good morning {NOTICE}"), (AGENT, "is that okay"), (CUSTOMER, "yes it is"))
    found = {each.signal: each for each in decision(turns, ("DE",)).evidence}
    notice, reply = found[ConsentSignal.NOTICE], found[ConsentSignal.YES]
    assert (notice.channel, notice.speaker, reply.channel, reply.speaker) == (AGENT, "agent", CUSTOMER, "customer")
    assert (notice.rule, reply.rule) == ("en.notice.call_is_recorded", "en.yes.yes_you_may")
    assert notice.purposes == {Purpose.QUALITY, Purpose.TRAINING}
    assert reply.confidence == turns[2].words[0].probability
    assert notice.span is not None
    assert reply.span is not None
    assert turns[0].words[2].span.start_s <= notice.span.start_s < notice.span.end_s <= turns[0].span.end_s
    assert reply.span == turns[2].span


def test_nobody_goes_on_before_the_notice_ends() -> None:
    """A caller who spoke before the notice and hung up after it has not gone on."""
    turns = dialogue((CUSTOMER, "hello"), (AGENT, NOTICE))
    assert decision(turns, ("US-CA",)).verdict is Verdict.UNKNOWN
    assert decision((*turns, turn("okay then", 60.0, CUSTOMER)), ("US-CA",)).verdict is Verdict.IMPLIED


def test_a_notice_outside_the_recording() -> None:
    """The platform's word for a notice counts, but not where the announcement must itself be recorded."""
    metadata = CallMetadata(consent=ConsentMetadata(recording_notice="ivr", notice_version="2026-03"))
    turns = dialogue((CUSTOMER, HELP))
    assert decision(turns, ("US-CA",), metadata).lawful
    assert decision(turns, ("US-WA",), metadata).verdict is Verdict.UNKNOWN
    first = decision(turns, ("US-CA",), metadata).evidence[0]
    assert (first.rule, first.version) == ("notice:ivr", "2026-03")


def test_a_metadata_none_is_no_notice() -> None:
    """A platform that says that nobody gave a notice gives no evidence of one."""
    metadata = CallMetadata(consent=ConsentMetadata(recording_notice="none"))
    assert decision(dialogue((CUSTOMER, HELP)), ("US-CA",), metadata).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        (("US-TX", "US-CA"), "US-CA"),
        (("US-CA", "US-TX"), "US-CA"),
        (("US-CA", "DE"), "DE"),
        (("US-CA", "US-WA"), "US-WA"),
        (("US-TX", "XX"), "XX"),
        ((), "unknown"),
    ],
)
def test_the_strictest_place_wins(places: tuple[str, ...], expected: str) -> None:
    """Of both ends of the line the stricter rule applies, in any order; a place that is not known is strict."""
    assert strictest(places, POLICY)[0] == expected


AT = (span(0.0, 2.0), span(3.0, 3.5), span(4.0, 4.5), span(9.0, 9.5))
EVIDENCE = st.lists(
    st.builds(
        lambda signal, at, purposes: Evidence(signal, "rule", CUSTOMER, at, purposes=purposes),
        st.sampled_from(ConsentSignal),
        st.sampled_from(AT),
        st.frozensets(st.sampled_from(Purpose), max_size=3),
    ),
    max_size=6,
)
# The most permissive first.
OUTCOMES = ("keep", "keep_before", "quarantine", "discard")


def permits(decision: ConsentDecision) -> tuple[set[Purpose], int]:
    """Purposes that are lawful, and how little the outcome keeps."""
    lawful = {purpose for purpose, each in decision.purposes.items() if each.lawful}
    return lawful, OUTCOMES.index(POLICY.outcome_of(decision))


@settings(max_examples=200)
@given(
    EVIDENCE,
    st.lists(st.sampled_from(PLACES), max_size=2),
    st.integers(0, 6),
    st.sampled_from(AT),
    st.frozensets(st.sampled_from(Purpose), max_size=2),
)
@example(
    [Evidence(ConsentSignal.YES, "rule", CUSTOMER, AT[0]), Evidence(ConsentSignal.WITHDRAWAL, "rule")],
    [],
    2,
    AT[1],
    frozenset(),
)
def test_an_objection_never_makes_it_more_permissive(
    evidence: list[Evidence], places: list[str], at: int, when: Any, purposes: frozenset[Purpose]
) -> None:
    """Whatever else is known, one more objection opens no purpose and keeps no more of the call."""
    objection = Evidence(ConsentSignal.OBJECTION, "rule", CUSTOMER, when, purposes=purposes)
    before = decide(evidence, places, POLICY, NOW)
    after = decide([*evidence[:at], objection, *evidence[at:]], places, POLICY, NOW)
    assert permits(after)[0] <= permits(before)[0]
    about = purposes or frozenset(Purpose)
    assert all(after.purposes[purpose].verdict is Verdict.WITHDRAWN for purpose in about)
    assert permits(after)[1] >= permits(before)[1]


@settings(max_examples=100)
@given(EVIDENCE, st.lists(st.sampled_from(PLACES), max_size=2), st.integers(0, 6), st.sampled_from(AT))
def test_a_doubt_never_makes_it_more_permissive(
    evidence: list[Evidence], places: list[str], at: int, when: Any
) -> None:
    """Whatever else is known, what a caller says of the recording and nobody understands keeps no more of the call."""
    remark = Evidence(ConsentSignal.REMARK, "rule", CUSTOMER, when)
    before = decide(evidence, places, POLICY, NOW)
    after = decide([*evidence[:at], remark, *evidence[at:]], places, POLICY, NOW)
    assert permits(after)[0] <= permits(before)[0]
    assert permits(after)[1] >= permits(before)[1]


@settings(max_examples=100)
@given(
    EVIDENCE, st.lists(st.sampled_from(PLACES), min_size=1, max_size=2), st.sampled_from([*PLACES, "minor", "health"])
)
def test_another_rule_never_opens_a_purpose(evidence: list[Evidence], places: list[str], more: str) -> None:
    """One more place, or a kind of call with a rule of its own, makes nothing lawful that was not."""
    before = decide(evidence, places, POLICY, NOW)
    conditions = [more] if more in POLICY.when else []
    after = decide(evidence, places if conditions else [*places, more], POLICY, NOW, conditions=conditions)
    assert permits(after)[0] <= permits(before)[0]


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([AGENT, CUSTOMER]), st.sampled_from([NOTICE, HELP, "may I record this", "yes", "no"])
        ),
        max_size=6,
    ),
    st.integers(0, 6),
)
def test_a_spoken_objection_anywhere_withdraws(lines: list[tuple[Channel, str]], at: int) -> None:
    """A caller's objection is heard at any place in a call."""
    turns = dialogue(*lines[:at], (CUSTOMER, "please stop recording"), *lines[at:])
    assert decision(turns, ("US-TX",)).verdict is Verdict.WITHDRAWN


def test_spanish() -> None:
    """Notices, answers and objections are known in Spanish."""
    assert ConsentSignal.NOTICE in shown("Esta llamada puede ser grabada por motivos de calidad.", AGENT, "es")
    question = "tenemos su consentimiento para grabar"
    assert answer("Sí, doy mi consentimiento.", question, "es") == {"yes"}
    assert answer("Prefiero que no.", question, "es") == {"no"}
    assert ConsentSignal.OBJECTION in shown("Por favor deje de grabar.", CUSTOMER, "es")


def test_a_language_without_phrases_has_no_spoken_evidence() -> None:
    """In a language that the policy does not know nothing is taken for consent."""
    turns = dialogue((AGENT, NOTICE), (CUSTOMER, HELP))
    assert decision(turns, ("US-CA",), language="fi").verdict is Verdict.UNKNOWN


def test_a_mixed_channel() -> None:
    """On one channel the diarizer's speakers answer each other, and an objection by any of them counts."""
    turns = (
        turn("is it okay if I record this call", 0.0, MIXED, "SPEAKER_00"),
        turn("yes it is", 5.0, MIXED, "SPEAKER_01"),
    )
    assert decision(turns, ("DE",)).verdict is Verdict.GRANTED
    objected = (*turns, turn("please stop recording", 8.0, MIXED, "SPEAKER_01"))
    assert decision(objected, ("DE",)).verdict is Verdict.WITHDRAWN


def test_the_decision_says_why() -> None:
    """Rule, source, policy version and time are in every decision, and not one word of the call."""
    found = decision(dialogue((AGENT, NOTICE), (CUSTOMER, "my name is Quackenbush")), ("US-CA",))
    assert (found.rule, found.policy_version, found.decided_at) == ("US-CA all-party", POLICY.version, NOW)
    assert POLICY.rules["US-CA"].source in found.reason
    assert "Quackenbush" not in repr(found)
