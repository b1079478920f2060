"""Announcements: the company says that it records, or asks whether it may. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pipeline.types import Channel, ConsentSignal, TimeSpan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.consent.patterns import Match, Token
    from pipeline.consent.phrases import Named, Phrases
    from pipeline.consent.speech import Heard, Speech
    from pipeline.types import Evidence, Purpose

_BACK_S: Final = 12.0  # how long before a tag question that which it asks about may have been said
_NEAR: Final = 12  # tokens around an announcement in which it names its purposes
_ANSWERED_S: Final = 6.0  # within which a company says whether it records, when a caller asks


def notices(heard: Heard) -> Iterator[Evidence]:
    """The company says that it records."""
    phrases = heard.phrases
    for speech in heard.said:
        if not speech.by_company:
            continue
        nearer = [match for _, match in phrases.find("not_notice", speech.tokens)]
        denials = [match for _, match in phrases.find("denial", speech.tokens)]
        questions = [match for _, match, _ in _asking(phrases, speech.tokens)]
        questions += [match for _, match in phrases.find("asks_whether", speech.tokens)]
        for named, match in phrases.find("notice", speech.tokens):
            vetoed = any(match.overlaps(other) and other.first > match.first for other in nearer)
            denied = any(match.overlaps(other) for other in denials)
            asked = any(match.overlaps(other) and other.first <= match.first for other in questions)
            own = [m for _, m in phrases.find("by_me", speech.tokens)] if speech.channel is Channel.MIXED else []
            purposes = _named_purposes(heard, speech, match)
            anybodys = not purposes and any(match.overlaps(other) for other in own)
            if vetoed or denied or asked or anybodys:
                continue
            found = heard.evidence(ConsentSignal.NOTICE, named, speech, match)
            if found.confidence is not None and found.confidence >= heard.least_confidence:
                yield replace(found, purposes=purposes)
    yield from _said_when_asked(heard)


def requests(heard: Heard, notices: Sequence[Evidence]) -> Iterator[tuple[Evidence, bool]]:
    """The company asks whether it may record; the second value says that a no is a yes."""
    phrases = heard.phrases
    for speech in heard.said:
        if not speech.by_company:
            continue
        tokens = speech.tokens
        other = [match for _, match in phrases.find("not_request", tokens)]
        found: list[tuple[Match, Evidence, bool]] = []
        for named, match, minds in _asking(phrases, tokens):
            if not any(match.overlaps(each) for each in [*other, *(known for known, _, _ in found)]):
                found.append((match, heard.evidence(ConsentSignal.REQUEST, named, speech, match), minds))
        topics = [heard.evidence(ConsentSignal.REQUEST, named, speech, m) for named, m in phrases.find("topic", tokens)]
        for named, match in phrases.find("tag_question", tokens):
            if any(match.overlaps(known) for known, _, _ in found):
                continue
            tag = heard.evidence(ConsentSignal.REQUEST, named, speech, match)
            about = _asked_about(tag, [*notices, *topics, *(each for _, each, _ in found)])
            if about is not None and about.span is not None and tag.span is not None:
                whole = TimeSpan(about.span.start_s, tag.span.end_s)
                minds = any(token.text == "mind" for token in tokens[match.first : match.end])
                found.append((match, replace(tag, span=whole), minds))
        for match, request, minds in found:
            yield replace(request, purposes=_named_purposes(heard, speech, match)), minds


def _asking(phrases: Phrases, tokens: Sequence[Token]) -> Iterator[tuple[Named, Match, bool]]:
    """Phrases that ask whether the call may be recorded; some of them only where the sentence is a question."""
    for group, minds in (("request_not_to_mind", True), ("request", False)):
        yield from ((named, match, minds) for named, match in phrases.find(group, tokens))
    for named, match in phrases.find("request_as_question", tokens):
        last = next((token for token in tokens[match.end - 1 :] if token.ends), None)
        if last is not None and "?" in last.word.text:
            yield named, match, False


def covered_by(notice: Evidence, requests: Sequence[tuple[Evidence, bool]]) -> bool:
    """Whether a request covers the notice: one piece of evidence for one sentence is enough."""
    return any(
        request.speaker == notice.speaker
        and request.span is not None
        and notice.span is not None
        and request.span.start_s <= notice.span.start_s
        and notice.span.end_s <= request.span.end_s
        and request.rule.split(".")[1] != "tag_question"
        for request, _ in requests
    )


def _said_when_asked(heard: Heard) -> Iterator[Evidence]:
    """A caller asks whether the call is recorded, and the company says yes."""
    phrases = heard.phrases
    for asking in heard.said:
        if not asking.by_caller:
            continue
        for named, match in phrases.find("asks_whether", asking.tokens):
            asked = asking.heard(match)
            for speech in heard.said:
                reply_s = speech.span.start_s - asked.end_s
                if speech.speaker == asking.speaker or not speech.by_company or not -1.0 <= reply_s <= _ANSWERED_S:
                    continue
                if not phrases.says("denial", speech.tokens[:_NEAR]):
                    found = [m for group in ("plain_yes", "says_so") for _, m in phrases.find(group, speech.tokens)]
                    yield from (heard.evidence(ConsentSignal.NOTICE, named, speech, said) for said in found[:1])
                break


def _asked_about(tag: Evidence, candidates: Sequence[Evidence]) -> Evidence | None:
    """What a tag question refers to: the same speaker's last words about recording, if they are near."""
    near = [
        each
        for each in candidates
        if each.speaker == tag.speaker
        and each.span is not None
        and tag.span is not None
        and each.span.start_s < tag.span.start_s <= each.span.end_s + _BACK_S
    ]
    return max(near, key=lambda each: each.span or TimeSpan(0.0, 0.0), default=None)


def _named_purposes(heard: Heard, speech: Speech, match: Match) -> frozenset[Purpose]:
    """What the sentence of an announcement says that the recording is for."""
    tokens = speech.tokens
    before = range(match.first - 1, max(match.first - _NEAR, 0) - 1, -1)
    first = next((index + 1 for index in before if tokens[index].ends), max(match.first - _NEAR, 0))
    after = range(match.end - 1, min(match.end + _NEAR, len(tokens)))
    end = next((index + 1 for index in after if tokens[index].ends), min(match.end + _NEAR, len(tokens)))
    return heard.phrases.purposes_in(tokens[first:end])
