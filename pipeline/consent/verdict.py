"""The verdict: evidence and the rules of the places give a decision for every purpose, with its reason. Pure.

The strongest evidence decides: withdrawn, declined, granted, implied, not required, unknown. ``lawful`` says whether
the strictest rule that applies accepts that verdict for that purpose. More objections, more places or more kinds of
data never make a decision more permissive.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.consent.places import UNKNOWN
from pipeline.consent.policy import NEEDS
from pipeline.types import ConsentDecision, ConsentSignal, Evidence, Purpose, PurposeDecision, TimeSpan, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from datetime import datetime

    from pipeline.consent.policy import ConsentPolicy, ConsentRule

_REFUSALS = {ConsentSignal.NO, ConsentSignal.KEY_TO_REFUSE, ConsentSignal.REFUSAL_OUTSIDE}
_CONSENTS = {ConsentSignal.YES, ConsentSignal.KEY_TO_CONSENT, ConsentSignal.CONSENT_OUTSIDE}
_OBJECTIONS = {ConsentSignal.OBJECTION, ConsentSignal.WITHDRAWAL}
_TOLD = {ConsentSignal.NOTICE, ConsentSignal.REQUEST, ConsentSignal.NOTICE_OUTSIDE, ConsentSignal.BEEP}


def decide(
    evidence: Sequence[Evidence],
    jurisdictions: Sequence[str],
    policy: ConsentPolicy,
    now: datetime,
    *,
    at: datetime | None = None,
    conditions: Sequence[str] = (),
) -> ConsentDecision:
    """The verdict and whether it is lawful where the call took place.

    Args:
        evidence: from :func:`pipeline.consent.signals.signals`.
        jurisdictions: of both ends; the strictest counts, and none at all counts as unknown.
        policy: rules by jurisdiction.
        now: when the decision is made.
        at: when the call was made, if that is known.
        conditions: kinds of call that have a rule of their own (``minor``, ``health``, ``card``).
    """
    place, rule = strictest(jurisdictions, policy, conditions)
    purposes = {purpose: _for_purpose(purpose, evidence, rule, policy) for purpose in Purpose}
    recording = purposes[Purpose.RECORDING]
    return ConsentDecision(
        verdict=recording.verdict,
        lawful=recording.lawful,
        rule=f"{place} {rule.label}",
        reason=f"{recording.reason}; {rule.source}",
        policy_version=policy.version,
        evidence=tuple(evidence),
        decided_at=now,
        purposes=purposes,
        privacy_policy=policy.privacy_policy_at(at or now),
        untold=_untold(evidence),
        lawful_before=_lawful_before(evidence, rule, policy),
    )


def strictest(
    jurisdictions: Sequence[str], policy: ConsentPolicy, conditions: Sequence[str] = ()
) -> tuple[str, ConsentRule]:
    """The place, or the kind of call, whose rule asks most, and that rule with whatever the others ask beyond it."""
    rules = [(place, policy.rule(place)) for place in jurisdictions] or [(UNKNOWN, policy.rule(UNKNOWN))]
    rules += [(condition, rule) for condition, rule in policy.when.items() if condition in conditions]
    place, rule = max(rules, key=lambda each: each[1].strictness)
    beyond = {
        "notice_must_be_recorded": any(each.notice_must_be_recorded for _, each in rules),
        "before_recording": any(each.before_recording for _, each in rules),
        "purposes": "named" if any(each.purposes == "named" for _, each in rules) else "all",
        "withhold": tuple(purpose for purpose in Purpose if any(purpose in each.withhold for _, each in rules)),
    }
    return place, rule.model_copy(update=beyond)


def _for_purpose(
    purpose: Purpose, evidence: Sequence[Evidence], rule: ConsentRule, policy: ConsentPolicy
) -> PurposeDecision:
    verdict, deciding, reason = _verdict(purpose, evidence, rule, policy)
    if purpose in rule.withhold:
        return PurposeDecision(verdict, lawful=False, reason=f"{reason}, and the kind of data closes this purpose")
    lawful, but = _accepts(rule, verdict, deciding)
    return PurposeDecision(verdict, lawful, f"{reason}{but}")


def _verdict(
    purpose: Purpose, evidence: Sequence[Evidence], rule: ConsentRule, policy: ConsentPolicy
) -> tuple[Verdict, tuple[Evidence, ...], str]:
    """The verdict, what it rests on, and why."""
    against = [each for each in evidence if not each.purposes or purpose in each.purposes]
    found = _of(against, _OBJECTIONS)
    if found:
        earlier = all(each.signal is ConsentSignal.WITHDRAWAL for each in found)
        why = "the caller had withdrawn consent before" if earlier else "the caller objected during the call"
        return Verdict.WITHDRAWN, found, why
    found = _of(against, _REFUSALS)
    if found:
        return Verdict.DECLINED, found, "the caller was asked and said no"
    doubts = _of(against, {ConsentSignal.REMARK}) if rule.needs != "one_party" else ()
    covering = [] if doubts else [each for each in evidence if _covers(each, purpose, rule, policy)]
    found = _of(covering, _CONSENTS)
    if found:
        return Verdict.GRANTED, found, "the caller was asked and said yes"
    found = tuple(
        each for each in covering if each.signal is ConsentSignal.CONTINUED and _follows(each, evidence, rule)
    )
    if found:
        return Verdict.IMPLIED, found, "a notice was given and the caller went on"
    if rule.needs == "one_party":
        return Verdict.NOT_REQUIRED, (), "the agent's own consent is enough"
    return Verdict.UNKNOWN, doubts, _why_unknown(evidence, doubts)


def _why_unknown(evidence: Sequence[Evidence], doubts: Sequence[Evidence]) -> str:
    if doubts:
        return "the caller spoke of the recording in words that no rule explains"
    if any(each.signal is ConsentSignal.CONSENT_OUTDATED for each in evidence):
        return "consent is required and nothing shows it: it has to be asked for again since the privacy policy changed"
    return "consent is required and nothing shows it"


def _covers(found: Evidence, purpose: Purpose, rule: ConsentRule, policy: ConsentPolicy) -> bool:
    """Whether a consent or a notice is about a purpose: by its name, with the recording, or by the place's rule.

    Who goes on after a notice has agreed to what the notice told them and to nothing else, wherever they are.
    """
    if found.signal is ConsentSignal.CONSENT_OUTSIDE:
        named = found.purposes
    else:
        named = found.purposes.union(policy.with_recording)
    express = found.signal in _CONSENTS and rule.purposes == "all" and Purpose.RECORDING in named
    return purpose in named or express


def _follows(continued: Evidence, evidence: Sequence[Evidence], rule: ConsentRule) -> bool:
    """Whether the caller went on after a notice that the rule accepts; it may have to be one that was heard."""
    heard = any(each.signal is ConsentSignal.NOTICE and _before(each, continued) for each in evidence)
    outside = any(each.signal is ConsentSignal.NOTICE_OUTSIDE for each in evidence)
    return heard or (outside and not rule.notice_must_be_recorded)


def _before(one: Evidence, other: Evidence) -> bool:
    return one.span is not None and other.span is not None and one.span.end_s <= other.span.end_s


def _accepts(rule: ConsentRule, verdict: Verdict, deciding: Sequence[Evidence]) -> tuple[bool, str]:
    """Whether a rule accepts a verdict, and why not where that needs saying."""
    if verdict is Verdict.NOT_REQUIRED:
        return True, ""
    if verdict is Verdict.GRANTED:
        outside = [each for each in deciding if each.signal is ConsentSignal.CONSENT_OUTSIDE]
        if rule.needs == "guardian" and not any(each.rule == "given:guardian" for each in outside):
            return False, ", and it needs a guardian's"
        if rule.before_recording and not outside:
            return False, ", but only after the recording had begun"
        return True, ""
    return verdict is Verdict.IMPLIED and NEEDS.index(rule.needs) < NEEDS.index("opt_in"), ""


def _untold(evidence: Sequence[Evidence]) -> bool:
    signals = {each.signal for each in evidence}
    return ConsentSignal.NO_NOTICE_OUTSIDE in signals and not signals & (_TOLD | _CONSENTS)


def _lawful_before(evidence: Sequence[Evidence], rule: ConsentRule, policy: ConsentPolicy) -> bool:
    """Whether the part of a call before its first objection is lawful, as if the call had ended there.

    It is not if the rest of the call, without the objections, would make it unlawful: a refusal is one wherever it
    stands, and so is what the caller withdrew before the call.
    """
    objection = _first_objection(evidence)
    if objection is None:
        return False
    rest = [each for each in evidence if each.signal is not ConsentSignal.OBJECTION]
    before = [each for each in rest if _ended(each, objection.start_s)]
    return all(_for_purpose(Purpose.RECORDING, part, rule, policy).lawful for part in (before, rest))


def _ended(found: Evidence, at_s: float) -> bool:
    return found.span is None or found.span.end_s <= at_s


def objected_at(evidence: Iterable[Evidence]) -> float | None:
    """End of the first objection to the recording itself, s; None where there is none or it came before the call."""
    objection = _first_objection(evidence)
    return objection.end_s if objection else None


def _first_objection(evidence: Iterable[Evidence]) -> TimeSpan | None:
    spans = [
        each.span
        for each in evidence
        if each.signal is ConsentSignal.OBJECTION and each.span and Purpose.RECORDING in (each.purposes or Purpose)
    ]
    return min(spans, default=None)


def _of(evidence: Iterable[Evidence], signals: Collection[ConsentSignal]) -> tuple[Evidence, ...]:
    return tuple(each for each in evidence if each.signal in signals)
