"""Purposes and kinds of call: consent is decided for each purpose, and some calls have rules of their own."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from pipeline.config import shipped_configs
from pipeline.consent import ConsentPolicy, decide, load_consent_policy, signals
from pipeline.consent.policy import PrivacyPolicy
from pipeline.metadata import CallMetadata, ConsentMetadata
from pipeline.tones import Tone, ToneKind
from pipeline.types import Channel, ConsentDecision, ConsentSignal, Purpose, Verdict
from tests.factories import dialogue, span, turn

POLICY = load_consent_policy(shipped_configs() / "consent.toml")
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
AGENT, CUSTOMER = Channel.AGENT, Channel.CUSTOMER
ASKED = (AGENT, "may we record this call for training")
HELP = (CUSTOMER, "I need help with my order")
BASE = {Purpose.RECORDING, Purpose.TRANSCRIPTION}


def decided(
    *lines: tuple[Channel, str], place: str = "DE", policy: ConsentPolicy = POLICY, tones: Any = (), **told: Any
) -> ConsentDecision:
    """The decision about a call."""
    metadata = CallMetadata(consent=ConsentMetadata(**told))
    evidence = signals(dialogue(*lines), metadata, policy, "en", NOW, tones)
    return decide(evidence, (place,), policy, NOW, conditions=metadata.consent.conditions)


def lawful(decision: ConsentDecision) -> set[Purpose]:
    """The purposes that are open."""
    return {purpose for purpose, each in decision.purposes.items() if each.lawful}


def test_only_what_was_named() -> None:
    """Where purposes have to be named, a yes covers the recording, its transcription and what the question named."""
    assert lawful(decided(ASKED, (CUSTOMER, "yes sure"))) == BASE | {Purpose.TRAINING}
    assert lawful(decided((AGENT, "may we record this call"), (CUSTOMER, "yes sure"))) == BASE


@pytest.mark.parametrize(
    ("notice", "more"),
    [
        ("this call is recorded.", set()),
        ("this call is recorded for quality and training purposes.", {Purpose.QUALITY, Purpose.TRAINING}),
        ("this call is recorded and may be shared with third parties.", {Purpose.SHARING}),
        ("this call is recorded. Could you share the training code with me?", set()),
        ("would you research our training partners? This call is recorded.", set()),
    ],
)
def test_a_notice_covers_what_it_names(notice: str, more: set[Purpose]) -> None:
    """Who goes on after a notice has agreed to the recording, its transcription, and what the notice said it is for."""
    found = decided((AGENT, notice), HELP, place="US-CA")
    assert found.verdict is Verdict.IMPLIED
    assert lawful(found) == BASE | more
    assert found.purposes[Purpose.ANALYTICS].verdict is Verdict.UNKNOWN


def test_a_notice_outside_covers_what_it_names() -> None:
    """A notice in the platform's menu covers the purposes that the platform says it named."""
    assert lawful(decided(HELP, place="US-CA", recording_notice="ivr")) == BASE
    named = decided(HELP, place="US-CA", recording_notice="ivr", notice_purposes=("quality",))
    assert lawful(named) == BASE | {Purpose.QUALITY}


def test_all_that_goes_with_it() -> None:
    """Where the law is about the recording alone, an express consent to it covers every purpose."""
    assert lawful(decided(ASKED, (CUSTOMER, "yes sure"), place="US-CA")) == set(Purpose)
    assert lawful(decided(HELP, place="US-TX")) == set(Purpose)


def test_a_limit() -> None:
    """Who says yes but not for training has consented to the recording and closed one purpose."""
    limited = decided(ASKED, (CUSTOMER, "yes but not for training"), place="US-CA")
    assert limited.verdict is Verdict.GRANTED
    assert lawful(limited) == set(Purpose) - {Purpose.TRAINING}
    assert limited.purposes[Purpose.TRAINING].verdict is Verdict.WITHDRAWN


def test_an_opt_out_on_file() -> None:
    """A purpose that the caller has opted out of stays closed; to opt out of the recording closes all of them."""
    assert lawful(decided(HELP, place="US-TX", opt_out=("analytics",))) == set(Purpose) - {Purpose.ANALYTICS}
    nothing = decided(ASKED, (CUSTOMER, "yes sure"), opt_out=("recording",))
    assert (nothing.verdict, lawful(nothing)) == (Verdict.DECLINED, set())


def test_consent_before_the_call() -> None:
    """An answer that the platform took before counts for the purposes it was given for, and a no declines."""
    assert lawful(decided(HELP, given="yes")) == BASE
    assert lawful(decided(HELP, given="yes", purposes=("recording", "quality"))) == {Purpose.RECORDING, Purpose.QUALITY}
    assert decided(HELP, place="US-TX", given="no").verdict is Verdict.DECLINED


def test_a_significant_change_asks_again() -> None:
    """Consent from before a significant change of the privacy policy, or of no known date, counts no longer."""
    changed = PrivacyPolicy(version="B", effective=date(2026, 3, 1), significant=True)
    policy = POLICY.model_copy(update={"privacy_policies": (changed,)})
    for given_at, verdict in (
        (datetime(2026, 2, 28, tzinfo=UTC), Verdict.UNKNOWN),
        (None, Verdict.UNKNOWN),
        (datetime(2026, 3, 2, tzinfo=UTC), Verdict.GRANTED),
    ):
        found = decided(HELP, policy=policy, given="yes", given_at=given_at)
        assert (found.verdict, found.privacy_policy) == (verdict, "B")
    assert "asked for again" in decided(HELP, policy=policy, given="yes").reason


def test_a_minor() -> None:
    """A minor's own yes is none; a guardian's, given before, is, and some purposes stay closed."""
    own = decided(ASKED, (CUSTOMER, "yes sure"), place="US-TX", minor=True)
    assert (own.verdict, own.lawful, own.rule) == (Verdict.GRANTED, False, "minor guardian's consent")
    guarded = decided(HELP, place="US-TX", minor=True, given="yes", given_by="guardian", purposes=tuple(Purpose))
    assert lawful(guarded) == set(Purpose) - set(POLICY.when["minor"].withhold)


@pytest.mark.parametrize("kind", ["health", "card"])
def test_kinds_of_data(kind: str) -> None:
    """Health and card data close purposes whatever was said, and leave the rest to the place."""
    found = decided(HELP, place="US-TX", data_kinds=(kind,))
    assert lawful(found) == set(Purpose) - set(POLICY.when[kind].withhold)
    assert found.rule == "US-TX one-party"


def test_consent_before_the_recording_starts() -> None:
    """Where a rule wants the yes before the recording, one inside it comes too late."""
    rules = {**POLICY.rules, "EU": POLICY.rules["EU"].model_copy(update={"before_recording": True})}
    strict = POLICY.model_copy(update={"rules": rules})
    late = decided(ASKED, (CUSTOMER, "yes sure"), policy=strict)
    assert (late.verdict, late.lawful) == (Verdict.GRANTED, False)
    assert "after the recording had begun" in late.reason
    assert decided(HELP, policy=strict, given="yes").lawful


def test_nobody_told_the_caller() -> None:
    """Without a notice nothing is kept if the platform says that there was none; otherwise a person looks first."""
    assert POLICY.outcome_of(decided(HELP, place="US-CA", recording_notice="none")) == "discard"
    assert POLICY.outcome_of(decided(HELP, place="US-CA")) == "quarantine"
    asked = decided(ASKED, (CUSTOMER, "who is this"), place="US-CA", recording_notice="none")
    assert POLICY.outcome_of(asked) == "quarantine"


def key(pressed: str, at_s: float, channel: Channel = CUSTOMER) -> Tone:
    """A key, or a beep."""
    return Tone(channel, span(at_s, at_s + 0.2), ToneKind.KEY if pressed else ToneKind.BEEP, -20.0, pressed)


OFFER = (AGENT, "this call is recorded to opt out of the recording press nine")


@pytest.mark.parametrize(
    ("pressed", "at_s", "channel", "told", "verdict"),
    [
        ("9", 6.0, CUSTOMER, {}, Verdict.DECLINED),
        ("8", 6.0, CUSTOMER, {}, Verdict.IMPLIED),
        ("9", 6.0, AGENT, {}, Verdict.IMPLIED),
        ("9", 60.0, CUSTOMER, {}, Verdict.IMPLIED),
        ("5", 60.0, CUSTOMER, {"key_to_refuse": "5"}, Verdict.DECLINED),
        ("5", 60.0, CUSTOMER, {"key_to_consent": "5"}, Verdict.GRANTED),
    ],
)
def test_keys(pressed: str, at_s: float, channel: Channel, told: dict[str, str], verdict: Verdict) -> None:
    """A key means what was offered shortly before or what the platform says; other keys mean nothing."""
    found = decided(OFFER, HELP, place="US-CA", tones=[key(pressed, at_s, channel)], **told)
    assert found.verdict is verdict
    assert pressed not in " ".join(each.rule for each in found.evidence)


def test_a_recorders_beep() -> None:
    """Beeps that come again every so often are evidence of a recorder, and alone no notice."""
    found = decided(HELP, place="US-CA", tones=[key("", 1.0), key("", 16.0), key("", 18.0)])
    assert {each.signal for each in found.evidence} == {ConsentSignal.BEEP}
    assert found.verdict is Verdict.UNKNOWN


def test_an_interrupted_question_and_a_repeated_one() -> None:
    """A reply that begins before the question ends is one, and a question that is repeated has one answer."""
    asked = turn("is it okay with you if I record this call", 0.0, AGENT)
    early = (asked, turn("yes sure", asked.span.end_s - 0.5, CUSTOMER))
    question = (AGENT, "may I record this call")
    again = dialogue(question, (CUSTOMER, "sorry what was that"), question, (CUSTOMER, "of course"))
    for turns in (early, again):
        evidence = signals(turns, CallMetadata(), POLICY, "en", NOW)
        assert decide(evidence, ("DE",), POLICY, NOW).verdict is Verdict.GRANTED


@pytest.mark.parametrize(
    ("question", "reply", "signal"),
    [
        ("would you mind if I recorded this call", "no not at all", ConsentSignal.YES),
        ("would you mind if I recorded this call", "yes I do mind", ConsentSignal.NO),
        ("would you mind if I recorded this call", "yes", ConsentSignal.UNCLEAR),
        ("may I record this call", "not really no", ConsentSignal.NO),
        ("may I record this call", "I'm not sure", ConsentSignal.UNCLEAR),
        ("may I record this call", "sure but why", ConsentSignal.UNCLEAR),
        ("may I record this call", "um", ConsentSignal.SILENCE),
        ("may I record this call", "no problem", ConsentSignal.YES),
        ("may I record this call", "I do not consent", ConsentSignal.NO),
    ],
)
def test_answers_that_are_not_what_they_begin_with(question: str, reply: str, signal: ConsentSignal) -> None:
    """A no to "do you mind" is a yes, and doubt is no consent."""
    evidence = signals(dialogue((AGENT, question), (CUSTOMER, reply)), CallMetadata(), POLICY, "en", NOW)
    assert signal in {each.signal for each in evidence}
    assert len([each for each in evidence if each.kind.value == "answer"]) == 1


def test_a_badly_heard_yes_is_unclear() -> None:
    """A yes that the recogniser guessed is no consent."""
    asked, reply = dialogue((AGENT, "may I record this call"), (CUSTOMER, "yes"))
    guessed = replace(reply, words=tuple(replace(word, probability=0.1) for word in reply.words))
    evidence = signals((asked, guessed), CallMetadata(), POLICY, "en", NOW)
    assert decide(evidence, ("DE",), POLICY, NOW).verdict is Verdict.UNKNOWN
