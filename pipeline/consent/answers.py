"""Answers: what a caller replied to the question whether the call may be recorded. Yes, no, silence, or unclear.

A doubtful answer is unclear, and unclear is no consent. Only what the caller says first counts, for a later yes may
answer another question.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pipeline.consent.patterns import Match
from pipeline.types import Channel, ConsentSignal, Evidence, TimeSpan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.consent.patterns import Token
    from pipeline.consent.phrases import Phrases
    from pipeline.consent.speech import Speech

ANSWER_WITHIN_S: Final = 12.0
_INTERRUPTS_S: Final = 1.5  # how long before the end of a question its answer may begin
_SENTENCES: Final = 2
_LONGEST: Final = 30  # tokens
_BREAK_S: Final = 1.2  # a pause after which the other side's words end an answer
_STRONG = ("no", "soft_no", "yes", "i_do", "unclear")


@dataclass(frozen=True, slots=True)
class Question:
    """A request to record: who asked it where and when, and whether a no to it is a yes ("do you mind")."""

    speaker: str
    channel: Channel
    span: TimeSpan
    minds: bool
    rule: str


def answer(question: Question, said: Sequence[Speech], phrases: Phrases, least: float, ends_s: float) -> Evidence:
    """The evidence of an answer, silence included.

    Args:
        question: what was asked.
        said: everything that was said in the call, in order of time.
        phrases: of the call's language.
        least: confidence below which a yes is unclear.
        ends_s: when the last word of the call was said, which bounds a silence.
    """
    if question.channel is Channel.MIXED and (refusal := _refusal_by_anybody(question, said, phrases)):
        return refusal
    for speech, first, end in _replies(question, said):
        tokens = speech.tokens[first:end]
        signal, rule, match = classify(tokens, phrases, minds=question.minds)
        began_s = tokens[0].word.span.start_s
        if signal is None or (signal is ConsentSignal.UNCLEAR and began_s < question.span.end_s):
            continue  # "um" is no answer yet, and what began within the question is one only if it is clear
        found = Match(first + match.first, first + match.end, match.edits)
        confidence = speech.confidence(found)
        if signal is ConsentSignal.YES and confidence < least:
            signal, rule = ConsentSignal.UNCLEAR, f"{rule}: recognised badly"
        return Evidence(
            signal, rule, speech.channel, speech.heard(found), speaker=speech.speaker, confidence=round(confidence, 3)
        )
    waited = TimeSpan(question.span.end_s, max(min(question.span.end_s + ANSWER_WITHIN_S, ends_s), question.span.end_s))
    channel = question.channel if question.channel is Channel.MIXED else Channel.CUSTOMER
    return Evidence(ConsentSignal.SILENCE, "no answer", channel, waited)


def _refusal_by_anybody(question: Question, said: Sequence[Speech], phrases: Phrases) -> Evidence | None:
    """A no right after the question, whoever seems to say it: on one channel the voices of short words are mixed up."""
    after = [
        (token, speech)
        for speech in said
        for token in speech.tokens
        if 0.0 <= token.word.span.start_s - question.span.end_s <= ANSWER_WITHIN_S
    ]
    after.sort(key=lambda pair: pair[0].word.span)
    tokens = tuple(token for token, _ in after)
    ends = [index + 1 for index, token in enumerate(tokens) if token.ends]
    reply = tokens[: ends[_SENTENCES - 1] if len(ends) >= _SENTENCES else _LONGEST]
    if not reply:
        return None
    signal, rule, match = classify(reply, phrases, minds=question.minds)
    if signal is not ConsentSignal.NO:
        return None
    words = [token.word for token in reply[match.first : match.end]]
    span = TimeSpan(words[0].span.start_s, max(word.span.end_s for word in words))
    confidence = round(sum(word.probability for word in words) / len(words), 3)
    speaker = after[match.first][1].speaker
    return Evidence(signal, rule, question.channel, span, speaker=speaker, confidence=confidence)


def classify(
    tokens: Sequence[Token], phrases: Phrases, *, minds: bool = False
) -> tuple[ConsentSignal | None, str, Match]:
    """What a reply says, by which rule, and which of its tokens say it; None for a mere "um".

    Args:
        tokens: the reply; not empty.
        phrases: of its language.
        minds: a no is a yes.
    """
    body = _without_fillers(tokens, phrases)
    whole = Match(0, len(tokens), 0)
    if body == len(tokens):
        return None, "filler", whole
    strong = [(group, named.name, match) for group in _STRONG for named, match in phrases.find(group, tokens)]
    # Of phrases that overlap the longest counts: "i do not consent" is no "i do".
    kept = [each for each in strong if not any(_beaten(each, other) for other in strong if other[0] != each[0])]
    for group in ("no", "unclear", "soft_no", "i_do", "yes"):
        for found, rule, match in kept:
            if found == group:
                beside = _contradicted(tokens, body, match, phrases, minds=minds)
                return _said(
                    _meaning(group, minds=minds), rule, match, "beside a no" if beside else "", tokens, phrases
                )
    for group in ("plain_no", "plain_yes"):
        for named, match in phrases.find(group, tokens[body:]):
            at = Match(body + match.first, body + match.end, match.edits)
            return _said(_meaning(group, minds=minds), named.name, at, "", tokens, phrases)
    return ConsentSignal.UNCLEAR, "neither yes nor no", whole


def _said(
    meaning: ConsentSignal, rule: str, match: Match, but: str, tokens: Sequence[Token], phrases: Phrases
) -> tuple[ConsentSignal, str, Match]:
    """What a phrase of a reply comes to: a yes is unclear beside a no and in a question."""
    but = but or ("in a question" if _asks(tokens, match, phrases) else "")
    if meaning is ConsentSignal.YES and but:
        return ConsentSignal.UNCLEAR, f"{rule}: {but}", Match(0, len(tokens), 0)
    return meaning, rule, match


def _asks(tokens: Sequence[Token], yes: Match, phrases: Phrases) -> bool:
    """Whether the sentence of a yes is a question: "are you sure?"; "sure, why not?" is none."""
    end = next((index for index in range(yes.end - 1, len(tokens)) if tokens[index].ends), len(tokens) - 1)
    permits = [match for _, match in phrases.find("yes", tokens)]
    return "?" in tokens[end].word.text and not any(match.first <= end < match.end for match in permits)


def _contradicted(tokens: Sequence[Token], body: int, yes: Match, phrases: Phrases, *, minds: bool) -> bool:
    """Whether a reply that has a yes in it opens with a no, or has a negation in the sentence of the yes."""
    permits = [match for group in ("yes", "soft_no") for _, match in phrases.find(group, tokens)]
    opens = [Match(body + m.first, body + m.end, m.edits) for _, m in phrases.find("plain_no", tokens[body:])]
    if not minds and any(not any(no.within(each) for each in permits) for no in opens):
        return True
    permits += [match for _, match in phrases.find("limit", tokens)]
    first = max((index + 1 for index in range(yes.first) if tokens[index].ends), default=0)
    end = next((index + 1 for index in range(yes.end - 1, len(tokens)) if tokens[index].ends), len(tokens))
    return any(
        not any(match.within(each) for each in permits) and not (minds and any(match.overlaps(no) for no in opens))
        for _, match in phrases.find("negation", tokens)
        if first <= match.first < end
    )


def _meaning(group: str, *, minds: bool) -> ConsentSignal:
    if minds and group in ("soft_no", "plain_no"):
        return ConsentSignal.YES
    if minds and group == "i_do":
        return ConsentSignal.NO
    if group == "unclear" or (minds and group == "plain_yes"):
        return ConsentSignal.UNCLEAR
    return ConsentSignal.YES if group in ("yes", "i_do", "plain_yes") else ConsentSignal.NO


def _beaten(one: tuple[str, str, Match], other: tuple[str, str, Match]) -> bool:
    """Whether a phrase gives way to a longer one that overlaps it; a no only to one that has it within."""
    match, longer = one[2], other[2]
    if match.end - match.first >= longer.end - longer.first:
        return False
    return match.within(longer) if one[0] == "no" else match.overlaps(longer)


def _without_fillers(tokens: Sequence[Token], phrases: Phrases) -> int:
    """Where the reply proper begins."""
    fillers = {index for _, match in phrases.find("filler", tokens) for index in range(match.first, match.end)}
    return next((index for index in range(len(tokens)) if index not in fillers), len(tokens))


def _replies(question: Question, said: Sequence[Speech]) -> list[tuple[Speech, int, int]]:
    """What the other side says in reply, in portions of at most two sentences: speech, first token, end token."""
    asked = question.span
    opens_s = max(asked.start_s, asked.end_s - _INTERRUPTS_S)
    found: list[tuple[Speech, int, int]] = []
    for speech in said:
        if speech.speaker == question.speaker or not speech.by_caller:
            continue
        starts = [index for index, token in enumerate(speech.tokens) if token.word.span.start_s >= opens_s]
        while starts and speech.tokens[starts[0]].word.span.start_s <= asked.end_s + ANSWER_WITHIN_S:
            first = starts[0]
            end = _end_of_reply(speech, first, question, said)
            found.append((speech, first, end))
            starts = [index for index in starts if index >= end]
    return sorted(found, key=lambda reply: reply[0].tokens[reply[1]].word.span)


def _end_of_reply(speech: Speech, first: int, question: Question, said: Sequence[Speech]) -> int:
    sentences = 0
    for index in range(first, min(first + _LONGEST, len(speech.tokens))):
        token = speech.tokens[index]
        following = speech.tokens[index + 1] if index + 1 < len(speech.tokens) else None
        sentences += token.ends
        if following is None or sentences == _SENTENCES:
            return index + 1
        gap = TimeSpan(token.word.span.end_s, following.word.span.start_s)
        if gap.duration_s > _BREAK_S and _spoken_in(gap, question, said):
            return index + 1
    return min(first + _LONGEST, len(speech.tokens))


def _spoken_in(gap: TimeSpan, question: Question, said: Sequence[Speech]) -> bool:
    return any(
        token.word.span.overlaps(gap)
        for speech in said
        if speech.speaker == question.speaker and speech.span.overlaps(gap)
        for token in speech.tokens
    )
