"""Who said what without a break: turns become one line of tokens per speaker, which phrases are looked for in.

A phrase may be cut by the other side's "uh huh" or by the recogniser's segments, so turns of one speaker are joined;
a long pause ends what belongs together.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from pipeline.consent.patterns import ends_sentence, tokenize
from pipeline.types import Channel, Evidence, TimeSpan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.consent.patterns import Match, Token
    from pipeline.consent.phrases import Named, Phrases
    from pipeline.types import ConsentSignal, Turn, Word

_ECHO_S, _ECHO_WORDS, _ECHO_SHARE = 1.0, 3, 0.7  # times of an echo are as far off as a recogniser puts them
_WORD_S: Final = 0.6  # no first word of a phrase takes longer
_BREATH_S: Final = 1.0  # a pause that may be between two voices
PAUSE_S: Final = 2.5  # within a phrase; spliced announcements pause for a second and more


@dataclass(frozen=True, slots=True)
class Speech:
    """What one speaker says on one channel without a long pause; ``tokens`` is never empty."""

    speaker: str
    channel: Channel
    tokens: tuple[Token, ...] = field(repr=False)

    @property
    def span(self) -> TimeSpan:
        """From its first word to its last."""
        return TimeSpan(self.tokens[0].word.span.start_s, self.tokens[-1].word.span.end_s)

    @property
    def by_company(self) -> bool:
        """Whether it may be the company's; on a mixed channel nobody knows."""
        return self.channel is not Channel.CUSTOMER

    @property
    def by_caller(self) -> bool:
        """Whether it may be the caller's."""
        return self.channel is not Channel.AGENT

    def heard(self, match: Match) -> TimeSpan:
        """When the words of a match were said; a recogniser lets the first of them begin in the pause before it."""
        spans = [token.word.span for token in self.tokens[match.first : match.end]]
        start_s = max(min(s.start_s for s in spans), min(s.end_s for s in spans) - _WORD_S)
        return TimeSpan(start_s, max(s.end_s for s in spans))

    def confidence(self, match: Match) -> float:
        """Mean probability of the words of a match, in [0, 1]."""
        tokens = self.tokens[match.first : match.end]
        return sum(token.word.probability for token in tokens) / len(tokens)


@dataclass(frozen=True, slots=True)
class Heard:
    """A call as the rules look at it.

    Args:
        said: in order of time.
        own: likewise, less what the line carried over from the company's channel to the caller's: for what permits.
        phrases: of its language.
        least_confidence: below which nothing counts that permits.
    """

    said: tuple[Speech, ...]
    own: tuple[Speech, ...]
    phrases: Phrases
    least_confidence: float

    def evidence(self, signal: ConsentSignal, named: Named, speech: Speech, match: Match) -> Evidence:
        """A phrase that was found."""
        return Evidence(
            signal,
            named.name,
            speech.channel,
            speech.heard(match),
            speaker=speech.speaker,
            confidence=round(speech.confidence(match), 3),
        )


def speeches(turns: Sequence[Turn]) -> tuple[Speech, ...]:
    """Everything that was said, in order of time."""
    words: dict[tuple[str, Channel], list[Word]] = defaultdict(list)
    for speaker, word in _whole_sentences(turns):
        words[speaker, Channel.MIXED].append(word)
    for turn in turns:
        if turn.channel is not Channel.MIXED:
            words[turn.speaker, turn.channel].extend(turn.words)
    found = [
        Speech(speaker, channel, tokens)
        for (speaker, channel), said in words.items()
        for part in _unbroken(sorted(said, key=lambda word: word.span))
        if (tokens := tokenize(part))
    ]
    return tuple(sorted(found, key=lambda speech: speech.span))


def _whole_sentences(turns: Sequence[Turn]) -> Iterator[tuple[str, Word]]:
    """The words of a mixed channel, each sentence given to the voice that says most of it.

    A diarizer cuts short sentences into voices, and a question of two halves is no question.
    """
    spoken = [(turn.speaker, word) for turn in turns if turn.channel is Channel.MIXED for word in turn.words]
    sentence: list[tuple[str, Word]] = []
    for speaker, word in sorted(spoken, key=lambda pair: pair[1].span):
        if sentence and word.span.start_s - sentence[-1][1].span.end_s > _BREATH_S:
            yield from _by_one(sentence)
            sentence = []
        sentence.append((speaker, word))
        if ends_sentence(word.text):
            yield from _by_one(sentence)
            sentence = []
    yield from _by_one(sentence)


def _by_one(sentence: Sequence[tuple[str, Word]]) -> Iterator[tuple[str, Word]]:
    share: Counter[str] = Counter()
    for speaker, word in sentence:
        share[speaker] += len(word.text)
    yield from ((share.most_common(1)[0][0], word) for _, word in sentence)


def without_echo(said: Sequence[Speech]) -> tuple[Speech, ...]:
    """What was said, less the company's sentences that the line carried over to the caller's channel."""
    company = [token for speech in said if speech.channel is Channel.AGENT for token in speech.tokens]
    if not company:
        return tuple(said)
    kept = []
    for speech in said:
        if speech.channel is not Channel.CUSTOMER:
            kept.append(speech)
            continue
        tokens = tuple(
            token for sentence in _sentences(speech.tokens) for token in sentence if not _is_echo(sentence, company)
        )
        if tokens:
            kept.append(replace(speech, tokens=tokens))
    return tuple(kept)


def _is_echo(sentence: Sequence[Token], company: Sequence[Token]) -> bool:
    """Whether most of a sentence was said on the company's channel at about the same time."""
    if len(sentence) < _ECHO_WORDS:
        return False
    from_s, to_s = sentence[0].word.span.start_s - _ECHO_S, sentence[-1].word.span.end_s + _ECHO_S
    near = Counter(t.text for t in company if from_s <= t.word.span.start_s and t.word.span.end_s <= to_s)
    shared = (near & Counter(token.text for token in sentence)).total()
    return shared >= _ECHO_SHARE * len(sentence)


def _sentences(tokens: Sequence[Token]) -> Iterator[list[Token]]:
    sentence: list[Token] = []
    for token in tokens:
        sentence.append(token)
        if token.ends:
            yield sentence
            sentence = []
    if sentence:
        yield sentence


def _unbroken(words: Sequence[Word]) -> Iterator[list[Word]]:
    part: list[Word] = []
    for word in words:
        if part and word.span.start_s - part[-1].span.end_s > PAUSE_S:
            yield part
            part = []
        part.append(word)
    if part:
        yield part
