"""Reactions: what the caller does about an announcement, and what the company says to that. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pipeline.consent.answers import Question, answer
from pipeline.consent.dialogue import NOT_TOLD_APART, after_question, callers_own, thanked_yes
from pipeline.types import Channel, ConsentSignal, Evidence, TimeSpan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.consent.patterns import Token
    from pipeline.consent.speech import Heard, Speech
    from pipeline.types import Turn, Word

_ANNOUNCED_S: Final = 12.0  # before a request, within which a notice names what the request is about
_FIRST_WORDS: Final = 8
_SOON_S, _PAUSE_S = 3.0, 1.0
_ANSWERS: Final = frozenset({ConsentSignal.YES, ConsentSignal.NO, ConsentSignal.UNCLEAR})
_EXPLAINING: Final = (
    *("notice", "by_me", "not_notice", "topic", "request", "request_as_question", "request_not_to_mind", "not_request"),
    *("asks_whether", "says_so", "objection", "not_objection", "confirmation", "limit", "key_to_refuse"),
    "key_to_consent",
)


def answers(heard: Heard, notices: Sequence[Evidence], requests: Sequence[tuple[Evidence, bool]]) -> Iterator[Evidence]:
    """What was replied to each request. One that is repeated before anything was replied has one answer."""
    ends_s = max((speech.span.end_s for speech in heard.said), default=0.0)
    ordered = sorted(requests, key=lambda each: each[0].span or TimeSpan(0.0, 0.0))
    known: set[TimeSpan] = set()
    for number, (request, minds) in enumerate(ordered):
        if request.span is None or request.channel is None or request.speaker is None:
            continue
        question = Question(request.speaker, request.channel, request.span, minds, request.rule)
        found = answer(question, heard.own, heard.phrases, heard.least_confidence, ends_s)
        if request.channel is Channel.MIXED and found.signal in (ConsentSignal.SILENCE, ConsentSignal.UNCLEAR):
            found = thanked_yes(question, heard.own, heard.phrases, heard.least_confidence) or found
        later = ordered[number + 1][0].span if number + 1 < len(ordered) else None
        if later and found.span and found.span.start_s >= later.end_s:
            continue
        if found.span in known:
            continue
        known.add(found.span or TimeSpan(0.0, 0.0))
        if found.signal is ConsentSignal.YES:
            covered = frozenset(request.purposes).union(
                *(n.purposes for n in notices if n.span and 0 <= request.span.start_s - n.span.start_s <= _ANNOUNCED_S)
            )
            found = replace(found, purposes=covered)
        yield found


def refusals(heard: Heard, notices: Sequence[Evidence], answered: Sequence[Evidence]) -> Iterator[Evidence]:
    """A no that a caller says to a notice, for the question that stood with it may not have been understood.

    One that answers another question is none: then the company has asked something since the notice.
    """
    for notice in notices:
        if notice.span is None or notice.channel is None or notice.speaker is None:
            continue
        rest = _same_breath(heard, notice)
        if any("?" in word.text for word in rest):
            continue
        until = TimeSpan(notice.span.start_s, rest[-1].span.end_s if rest else notice.span.end_s)
        question = Question(notice.speaker, notice.channel, until, minds=False, rule=notice.rule)
        found = answer(question, heard.own, heard.phrases, heard.least_confidence, until.end_s)
        soon = found.span is not None and found.span.start_s - until.end_s <= _SOON_S
        if found.signal is ConsentSignal.NO and soon and not any(found.span == each.span for each in answered):
            yield found


def _same_breath(heard: Heard, notice: Evidence) -> list[Word]:
    """What the one who gave a notice says after it without a pause; word times overlap by a little."""
    until_s = ends_s = notice.span.end_s if notice.span else 0.0
    words: list[Word] = []
    for speech in heard.said:
        for token in speech.tokens if speech.speaker == notice.speaker else ():
            word = token.word.span
            if word.end_s > ends_s and word.start_s - until_s <= _PAUSE_S:
                words.append(token.word)
                until_s = max(until_s, word.end_s)
    return words


def objections(heard: Heard, answers: Sequence[Evidence]) -> Iterator[Evidence]:
    """A caller objects in mid-call; what answers a request is its answer, and a limit to a purpose is for that."""
    phrases = heard.phrases
    replies = [each for each in answers if each.signal is ConsentSignal.NO]
    for speech in heard.said:
        if not speech.by_caller:
            continue
        others = [match for _, match in phrases.find("not_objection", speech.tokens)]
        for named, match in phrases.find("objection", speech.tokens):
            found = heard.evidence(ConsentSignal.OBJECTION, named, speech, match)
            if any(match.overlaps(other) for other in others) or any(_is_reply(found, each) for each in replies):
                continue
            yield found
        for named, match in phrases.find("limit", speech.tokens):
            excluded = phrases.purposes_in(speech.tokens[match.end : match.end + 4])
            if excluded:
                reach = type(match)(match.first, min(match.end + 4, len(speech.tokens)), match.edits)
                yield replace(heard.evidence(ConsentSignal.OBJECTION, named, speech, reach), purposes=excluded)


def _is_reply(objection: Evidence, reply: Evidence) -> bool:
    """Whether the objection is the very words, or stands in the same breath, that a request was answered with."""
    if objection.speaker != reply.speaker or objection.span is None or reply.span is None:
        return False
    return reply.span.start_s - 2.0 <= objection.span.start_s <= reply.span.end_s + 1.0


def remarks(heard: Heard, told: Sequence[Evidence]) -> Iterator[Evidence]:
    """A caller speaks of the recording, and no phrase tells what they mean by it: it may be an objection.

    Args:
        heard: the call.
        told: what is understood already; what stands in the breath of an answer goes with it.
    """
    answered = [each for each in told if each.signal in _ANSWERS]
    for speech in heard.own:
        if not speech.by_caller:
            continue
        known = [match for group in _EXPLAINING for _, match in heard.phrases.find(group, speech.tokens)]
        for named, match in heard.phrases.find("about_recording", speech.tokens):
            found = heard.evidence(ConsentSignal.REMARK, named, speech, match)
            if not any(match.overlaps(other) for other in known) and not any(_is_reply(found, a) for a in answered):
                yield found


def confirmations(heard: Heard) -> Iterator[Evidence]:
    """The company says that the recording has stopped."""
    for speech in heard.said:
        if speech.by_company:
            for named, match in heard.phrases.find("confirmation", speech.tokens):
                yield heard.evidence(ConsentSignal.CONFIRMATION, named, speech, match)


def continued(heard: Heard, notices: Sequence[Evidence]) -> Iterator[Evidence]:
    """The caller's first words after a notice: on a mixed channel those of another voice than the notice's.

    Where only one voice could be told there, the words that answer a question which was asked after the notice, or that
    only a caller says.
    """
    for notice in sorted(notices, key=lambda each: each.span or TimeSpan(0.0, 0.0)):
        if notice.span is None:
            continue
        for speech in heard.own:
            tokens = [token for token in speech.tokens if token.word.span.start_s >= notice.span.end_s]
            rule = "went on after a notice"
            if notice.channel is Channel.MIXED and len({each.speaker for each in heard.own}) == 1:
                answering = after_question(tokens)
                rule = f"a question after the notice was answered; {NOT_TOLD_APART}"
                if not answering:
                    answering = callers_own(tokens, heard.phrases)
                    rule = f"said after the notice what only a caller says; {NOT_TOLD_APART}"
                tokens = answering
            elif speech.speaker == notice.speaker or not speech.by_caller:
                continue
            if tokens:
                yield _first_words(tokens, speech, rule, notice)
                return


def _first_words(tokens: Sequence[Token], speech: Speech, rule: str, notice: Evidence) -> Evidence:
    words = [token.word for token in tokens[:_FIRST_WORDS]]
    return Evidence(
        ConsentSignal.CONTINUED,
        rule,
        speech.channel,
        TimeSpan(words[0].span.start_s, max(word.span.end_s for word in words)),
        speaker=speech.speaker,
        confidence=round(sum(word.probability for word in words) / len(words), 3),
        purposes=notice.purposes,
    )


def went_on(turns: Sequence[Turn], notice: Evidence) -> Iterator[Evidence]:
    """The caller's first words, where a notice was given before the recording."""
    for turn in turns:
        if turn.channel is not Channel.AGENT:
            yield Evidence(
                ConsentSignal.CONTINUED,
                "spoke after the platform's notice",
                turn.channel,
                turn.span,
                speaker=turn.speaker,
                purposes=notice.purposes,
            )
            return
