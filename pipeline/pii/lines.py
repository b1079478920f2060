"""Turns as lines of tokens: the view of a call that every rule of detection reads.

Takes: turns. Gives: one ``Line`` per turn, its ``Token`` objects folded and typed, and the streams of lines in which
one speaker goes on although the other put in an "mm hmm". Promises: every token knows the words of its turn that it
came from; a turn's tokens cover all its words in order.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.pii.lexicon import lexicon
from pipeline.pii.written import Piece, PieceKind, Written, digits_of, write
from pipeline.types import PiiSpan, WordRange

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pipeline.types import CharSpan, Turn

_EDGE = " \t.,;:!?\"'()[]{}<>*-\u2013\u2014\u2018\u2019\u201c\u201d\u2026"
_QUOTES = "\"')]\u2019\u201d"
_TAIL = re.compile(r"[.,:&@'/_-]+\w|%")
_CARDINAL = re.compile(r"\b(hundred|thousand|million|billion|trillion)\b", re.IGNORECASE)
_TENS = re.compile(
    r"\b(?:ten|eleven|twelve|(?:thir|four|fif|six|seven|eigh|nine)teen|(?:twen|thir|for|fif|six|seven|eigh|nine)ty)\b",
    re.IGNORECASE,
)
_QUANTITY_SIGN = re.compile(r"[$£€¥%°]|\d,\d{3}\b|\d\.\d|\d:\d\d|\d(st|nd|rd|th)\b", re.IGNORECASE)
_ONE_BY_ONE = re.compile(r"\d{1,2}(?:\.\d{1,2}){4,}|\d+\.\d{3,}")
_SINGLY = re.compile(r"\W*\w(?:-\w){3,}\W*")


@dataclass(frozen=True, slots=True)
class Token:
    """One piece of the written form of a turn.

    Args:
        line: index of the turn.
        words: the turn's words that it was written from.
        fold: lower case without outer punctuation; digits are ASCII.
        kind: what the written form takes it for.
        digits: its digits, if it is a number or a mix of digits and letters.
        capital: starts with an upper-case letter as recognised.
        upper: all in capitals, more than one character.
        opens: first token of a sentence.
        stop: a sentence ends after it; ``pause``: a comma or the like follows.
        question: the sentence that ends after it is a question.
        quantity: it carries a sign of measure itself, or was said with "hundred" and the like.
        singly: number of words it was said in.
        sure: the least probability that the recogniser gave its words.
        compound: it was said in words that are numbers of their own ("eighty four sixty"), not digit by digit.
    """

    line: int
    words: WordRange
    fold: str = field(repr=False)
    kind: PieceKind
    digits: str = field(repr=False)
    capital: bool
    upper: bool
    opens: bool
    stop: bool
    pause: bool
    question: bool
    quantity: bool
    singly: int
    compound: bool
    sure: float

    @property
    def number(self) -> bool:
        """Whether it is made of digits, with or without letters among them; a date with its month is not."""
        return bool(self.digits) and self.kind is not PieceKind.DATE

    @property
    def letters(self) -> bool:
        """Whether it was spelled."""
        return self.kind is PieceKind.LETTERS


@dataclass(frozen=True, slots=True)
class Line:
    """A turn as tokens.

    Args:
        index: of the turn.
        speaker: who says it, unique across channels.
        tokens: in order; never empty.
        written: the written form of its glued words.
        ranges: for each glued word, the turn's words that it is made of.
        start_s: start of the turn, seconds; ``end_s`` its end.
        backchannel: it only says that one listens.
    """

    index: int
    speaker: str
    tokens: tuple[Token, ...]
    written: Written = field(repr=False)
    ranges: tuple[WordRange, ...]
    start_s: float
    end_s: float
    backchannel: bool

    def words(self, chars: CharSpan) -> WordRange:
        """The turn's words that a span of the written text came from."""
        return _ungroup(self.ranges, self.written.words(chars))


def fold(text: str) -> str:
    """Lower case, typographic apostrophes made plain, outer punctuation gone."""
    return text.replace("\u2019", "'").casefold().strip(_EDGE)


def read(turns: Sequence[Turn]) -> tuple[Line, ...]:
    """One line per turn, in order."""
    return tuple(_line(index, turn) for index, turn in enumerate(turns))


def _line(index: int, turn: Turn) -> Line:
    raw = [word.text for word in turn.words]
    ranges = _glued(raw)
    glued = ["".join(raw[words.first : words.end]) for words in ranges]
    written = write(glued)
    tokens: list[Token] = []
    for piece in written.pieces:
        heard = glued[piece.words.first : piece.words.end]
        where = _ungroup(ranges, piece.words)
        sure = min((word.probability for word in turn.words[where.first : where.end]), default=1.0)
        tokens.append(_token(index, where, piece, heard, sure, opens=not tokens or tokens[-1].stop))
    speaker = f"{turn.channel}:{turn.speaker}"
    said = " ".join(token.fold for token in tokens)
    quiet = lexicon().backchannel.fullmatch(said) is not None
    return Line(index, speaker, tuple(tokens), written, ranges, turn.span.start_s, turn.span.end_s, quiet)


def _glued(raw: Sequence[str]) -> tuple[WordRange, ...]:
    """Words put together again that a recogniser cut at a sign ("149" ".99", "555" "-0143")."""
    ranges: list[WordRange] = []
    for index, text in enumerate(raw):
        if ranges and _TAIL.match(text) and raw[index - 1][-1:].isalnum():
            ranges[-1] = WordRange(ranges[-1].first, index + 1)
        else:
            ranges.append(WordRange(index, index + 1))
    return tuple(ranges)


def _ungroup(ranges: Sequence[WordRange], groups: WordRange) -> WordRange:
    if groups.end <= groups.first:
        at = ranges[groups.first].first if groups.first < len(ranges) else (ranges[-1].end if ranges else 0)
        return WordRange(at, at)
    return WordRange(ranges[groups.first].first, ranges[groups.end - 1].end)


def _token(line: int, words: WordRange, piece: Piece, said: Sequence[str], sure: float, *, opens: bool) -> Token:
    heard = " ".join(said)
    last = heard.rstrip(_QUOTES)
    first_letter = next((char for char in heard if char.isalnum()), "")
    digits = digits_of(piece.text)
    return Token(
        line=line,
        words=words,
        fold=fold(piece.text),
        kind=piece.kind,
        digits=digits,
        capital=first_letter.isupper(),
        upper=len(piece.text) > 1 and heard.isupper() and any(char.isalpha() for char in piece.text),
        opens=opens,
        stop=last.endswith((".", "?", "!")) and not (len(said) == 1 and fold(last) in _ABBREVIATION),
        pause=last.endswith((",", ";", ":", "-", "\u2026")),
        question=last.endswith("?"),
        quantity=bool(digits) and bool(_CARDINAL.search(heard) or _measured(heard)),
        singly=heard.count("-") + 1 if _SINGLY.fullmatch(heard) else len(said),
        compound=bool(digits) and _TENS.search(heard) is not None,
        sure=sure,
    )


def _measured(heard: str) -> bool:
    """Whether it carries a sign of measure; a stop amid many figures is a pause ("2.0.7.3.8", "9.00465")."""
    return _QUANTITY_SIGN.search(_ONE_BY_ONE.sub("", heard)) is not None


_ABBREVIATION = frozenset(("mr", "mrs", "ms", "dr", "st", "ave", "apt", "no", "jr", "sr"))


def streams(lines: Sequence[Line]) -> Iterator[tuple[Token, ...]]:
    """Tokens of consecutive lines of one speaker, joined where only a backchannel of the other stands between."""
    open_streams: dict[str, list[Token]] = {}
    for line in lines:
        if not line.backchannel:
            for speaker in [name for name in open_streams if name != line.speaker]:
                yield tuple(open_streams.pop(speaker))
        open_streams.setdefault(line.speaker, []).extend(line.tokens)
    for tokens in open_streams.values():
        yield tuple(tokens)


def spans(tokens: Iterable[Token], entity_type: str, score: float, reason: str) -> Iterator[PiiSpan]:
    """One span per turn that the tokens lie in, from the first to the last of them."""
    ranges: dict[int, WordRange] = {}
    for token in tokens:
        seen = ranges.get(token.line, token.words)
        ranges[token.line] = WordRange(min(seen.first, token.words.first), max(seen.end, token.words.end))
    for line, words in ranges.items():
        yield PiiSpan(entity_type, line, words, score, reason)
