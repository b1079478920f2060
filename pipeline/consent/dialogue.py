"""Dialogue: who speaks, told from what is said, where the voices on one channel were not told apart. Pure.

A diarizer hears one voice in many calls of a few seconds, and gives an answer of two words to whoever spoke before it.
What only one side says then stands in for the voice. It is used for what nobody else was heard to say, never against a
refusal, and evidence that rests on it says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pipeline.consent.answers import classify
from pipeline.types import Channel, ConsentSignal, Evidence, TimeSpan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.consent.answers import Question
    from pipeline.consent.patterns import Token
    from pipeline.consent.phrases import Phrases
    from pipeline.consent.speech import Speech

NOT_TOLD_APART: Final = "voices not told apart"
_SOON_S: Final = 5.0  # within which the answer and the thanks for it come
_ANSWER_WORDS: Final = 3
_LONGEST_YES, _FEW_WORDS = 10, 3
_AGAINST: Final = ("no", "plain_no", "denial", "confirmation")
_REPLIES: Final = 2  # sentences that may be a mere "um" before the answer
_BREATH_S: Final = 1.0  # a pause that ends a sentence


def thanked_yes(question: Question, said: Sequence[Speech], phrases: Phrases, least: float) -> Evidence | None:
    """A yes to a question that its own voice seems to give, if the company thanks for it in the next breath.

    Nobody consents to their own question, and thanks tell that an answer was heard. What a company says to a no as
    well ("okay", "all right, thank you") is no such yes, nor is a yes that asks.
    """
    spoken = [sentence for sentence in sentences(said) if sentence[0].word.span.start_s >= question.span.end_s - 0.1]
    for index, reply in enumerate(spoken[:_REPLIES]):
        if reply[0].word.span.start_s - question.span.end_s > _SOON_S:
            return None
        signal, rule, match = classify(reply, phrases, minds=question.minds)
        if signal is None:
            continue  # "um" is no answer yet
        sure = sum(token.word.probability for token in reply) / len(reply)
        clear = sure >= least and len(reply) <= _LONGEST_YES and "?" not in reply[-1].word.text
        own = _opens(reply, "acknowledgement", phrases)
        if signal is not ConsentSignal.YES or not clear or own or not _thanked(reply, spoken[index + 1 :], phrases):
            return None
        words = [token.word.span for token in reply[match.first : match.end]]
        span = TimeSpan(words[0].start_s, max(word.end_s for word in words))
        return Evidence(
            signal, f"{rule}, and thanks for it; {NOT_TOLD_APART}", Channel.MIXED, span, confidence=round(sure, 3)
        )
    return None


def _thanked(reply: Sequence[Token], later: Sequence[Sequence[Token]], phrases: Phrases) -> bool:
    """Whether thanks come right after a reply, or after a few more words that go with it."""
    ends_s = reply[-1].word.span.end_s
    for sentence in later[:2]:
        if sentence[0].word.span.start_s - ends_s > _SOON_S:
            return False
        if _opens(sentence, "thanks", phrases):
            return True
        asks = "?" in sentence[-1].word.text
        if asks or len(sentence) > _FEW_WORDS or any(phrases.says(group, sentence) for group in _AGAINST):
            return False
    return False


def sentences(said: Sequence[Speech]) -> list[list[Token]]:
    """Everything that was said on a mixed channel, sentence by sentence, whoever said it."""
    tokens = [token for speech in said if speech.channel is Channel.MIXED for token in speech.tokens]
    tokens.sort(key=lambda token: token.word.span)
    found: list[list[Token]] = [[]]
    for token in tokens:
        if found[-1] and token.word.span.start_s - found[-1][-1].word.span.end_s > _BREATH_S:
            found.append([])
        found[-1].append(token)
        if token.ends:
            found.append([])
    return [sentence for sentence in found if sentence]


def after_question(tokens: Sequence[Token]) -> list[Token]:
    """The sentence of three words or more, itself no question, that follows the first question."""
    asked = next((index for index, token in enumerate(tokens) if "?" in token.word.text and token.ends), None)
    if asked is None:
        return []
    rest = list(tokens[asked + 1 :])
    end = next((index for index, token in enumerate(rest) if token.ends), len(rest) - 1)
    sentence = rest[: end + 1]
    return sentence if len(sentence) >= _ANSWER_WORDS and "?" not in sentence[-1].word.text else []


def callers_own(tokens: Sequence[Token], phrases: Phrases) -> list[Token]:
    """The first sentence in which somebody says what only a caller says, such as what they need."""
    sentence: list[Token] = []
    for token in tokens:
        sentence.append(token)
        if token.ends:
            if _is_callers(sentence, phrases):
                return sentence
            sentence = []
    return sentence if _is_callers(sentence, phrases) else []


def _is_callers(sentence: Sequence[Token], phrases: Phrases) -> bool:
    return phrases.says("caller_says", sentence) and not phrases.says("company_says", sentence)


def _opens(sentence: Sequence[Token], group: str, phrases: Phrases) -> bool:
    return any(match.first == 0 for _, match in phrases.find(group, sentence))
