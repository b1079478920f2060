"""Consent: what the call shows, what the law of the place asks, and the verdict of the two. Pure.

:func:`signals` reads the evidence from turns and metadata; :func:`decide` weighs it. The verdict states what the
evidence shows, the strongest first: withdrawn, declined, granted, implied, not required, unknown; ``lawful`` says
whether the strictest rule that applies accepts it. Rules and phrases are data: ``configs/consent.toml``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline.types import Channel, ConsentDecision, Evidence, EvidenceKind, TimeSpan, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from pipeline.consent_policy import ConsentPolicy, ConsentRule, Phrases
    from pipeline.metadata import CallMetadata
    from pipeline.types import Turn, Word

ANSWER_WITHIN_S = 12.0
_NEEDS = {"one_party": 0, "notice": 1, "opt_in": 2}


def signals(
    turns: Sequence[Turn], metadata: CallMetadata, policy: ConsentPolicy, language: str
) -> tuple[Evidence, ...]:
    """Everything that bears on consent, metadata first, then in order of time.

    Args:
        turns: what was said.
        metadata: what the platform did.
        policy: phrases.
        language: of the call; one without phrases has no spoken evidence.
    """
    found: list[Evidence] = []
    if metadata.consent.recording_notice in ("ivr", "agent"):
        version = metadata.consent.notice_version or "unnamed"
        found.append(Evidence(EvidenceKind.METADATA, f"notice:{metadata.consent.recording_notice}:{version}"))
    phrases = policy.phrases.get(language)
    if phrases:
        found.extend(_spoken(turns, phrases))
    return tuple(found)


def decide(
    evidence: Sequence[Evidence],
    turns: Sequence[Turn],
    jurisdictions: Sequence[str],
    policy: ConsentPolicy,
    now: datetime,
) -> ConsentDecision:
    """The verdict and whether it is lawful where the call took place.

    Args:
        evidence: from :func:`signals`.
        turns: what was said, to see whether the caller went on after a notice.
        jurisdictions: of both ends; the strictest counts, and none at all counts as unknown.
        policy: rules by jurisdiction.
        now: when the decision is made.
    """
    place, rule = strictest(jurisdictions, policy)
    verdict, reason = _verdict(evidence, turns, rule)
    lawful = _accepts(rule, verdict)
    return ConsentDecision(
        verdict=verdict,
        lawful=lawful,
        rule=f"{place} {rule.label}",
        reason=f"{reason}; {rule.source}",
        policy_version=policy.version,
        evidence=tuple(evidence),
        decided_at=now,
    )


def strictest(jurisdictions: Sequence[str], policy: ConsentPolicy) -> tuple[str, ConsentRule]:
    """The place whose rule asks most, and that rule."""
    rules = [(place, policy.rule(place)) for place in jurisdictions] or [("unknown", policy.rules["unknown"])]
    return max(rules, key=lambda each: (_NEEDS[each[1].needs], each[1].notice_must_be_recorded))


def _verdict(evidence: Sequence[Evidence], turns: Sequence[Turn], rule: ConsentRule) -> tuple[Verdict, str]:
    said = {each.rule for each in evidence}
    notices = [each for each in evidence if each.kind is EvidenceKind.NOTICE]
    noticed = bool(notices) or (
        not rule.notice_must_be_recorded and any(each.kind is EvidenceKind.METADATA for each in evidence)
    )
    if any(each.kind is EvidenceKind.OBJECTION for each in evidence):
        return Verdict.WITHDRAWN, "the caller objected during the call"
    if "answer:no" in said:
        return Verdict.DECLINED, "the caller was asked and said no"
    if "answer:yes" in said:
        return Verdict.GRANTED, "the caller was asked and said yes"
    if noticed and _went_on(notices, turns):
        return Verdict.IMPLIED, "a notice was given and the caller went on"
    if rule.needs == "one_party":
        return Verdict.NOT_REQUIRED, "the agent's own consent is enough"
    return Verdict.UNKNOWN, "consent is required and nothing shows it"


def _accepts(rule: ConsentRule, verdict: Verdict) -> bool:
    if verdict in (Verdict.GRANTED, Verdict.NOT_REQUIRED):
        return True
    return verdict is Verdict.IMPLIED and rule.needs != "opt_in"


def _went_on(notices: Sequence[Evidence], turns: Sequence[Turn]) -> bool:
    """Whether anybody but the one who gave the notice spoke after it; one given before the call is before all turns."""
    if not notices:
        return any(turn.channel is not Channel.AGENT for turn in turns)
    first = notices[0]
    after_s = first.span.end_s if first.span else 0.0
    return any(
        turn.span.start_s >= after_s and (turn.channel is not first.channel or turn.channel is Channel.MIXED)
        for turn in turns
    )


def _spoken(turns: Sequence[Turn], phrases: Phrases) -> Iterator[Evidence]:
    for index, turn in enumerate(turns):
        text, offsets = _folded(turn.words)
        if not any(pattern.search(text) for pattern in phrases.not_notice):
            for match in _matches(phrases.notice, text):
                yield Evidence(EvidenceKind.NOTICE, "notice:spoken", turn.channel, _span(turn, offsets, match))
                break
        if turn.channel is not Channel.AGENT:
            for match in _matches(phrases.objection, text):
                yield Evidence(EvidenceKind.OBJECTION, "objection:spoken", turn.channel, _span(turn, offsets, match))
                break
        if any(pattern.search(text) for pattern in phrases.request) and _about_recording(turns, index, phrases):
            answer = _answer(turns, index, phrases)
            if answer:
                yield answer


def _about_recording(turns: Sequence[Turn], index: int, phrases: Phrases) -> bool:
    """Whether a question stands with a notice or names recording itself, so that a yes is a yes to that."""
    near = [turn for turn in turns[max(index - 2, 0) : index + 1] if turn.speaker == turns[index].speaker]
    return any(pattern.search(_folded(turn.words)[0]) for turn in near for pattern in (*phrases.notice, *phrases.topic))


def _answer(turns: Sequence[Turn], index: int, phrases: Phrases) -> Evidence | None:
    asked = turns[index]
    for turn in turns[index + 1 :]:
        if turn.span.start_s > asked.span.end_s + ANSWER_WITHIN_S:
            return None
        if turn.speaker == asked.speaker:
            continue
        text, offsets = _folded(turn.words)
        for kind, patterns in (("no", phrases.no), ("yes", phrases.yes)):
            for match in _matches(patterns, text):
                return Evidence(EvidenceKind.ANSWER, f"answer:{kind}", turn.channel, _span(turn, offsets, match))
        return None
    return None


def _matches(patterns: Iterable[re.Pattern[str]], text: str) -> Iterator[re.Match[str]]:
    for pattern in patterns:
        match = pattern.search(text)
        if match:
            yield match


def _folded(words: Sequence[Word]) -> tuple[str, list[int]]:
    """The words in lower case without punctuation, and for each character the index of its word."""
    text, owners = "", []
    for index, word in enumerate(words):
        folded = " ".join(re.findall(r"\w+", word.text.casefold()))
        if folded:
            piece = (" " if text else "") + folded
            text += piece
            owners.extend([index] * len(piece))
    return text, owners


def _span(turn: Turn, owners: Sequence[int], match: re.Match[str]) -> TimeSpan:
    first, last = owners[min(match.start(), len(owners) - 1)], owners[max(match.end() - 1, 0)]
    return TimeSpan(turn.words[first].span.start_s, turn.words[last].span.end_s)
