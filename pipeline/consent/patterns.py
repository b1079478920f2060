"""Word patterns: the form in which phrases stand in ``configs/consent.<language>.toml``, and how they are found.

A pattern is words with single spaces between them, matched on :class:`Token`::

    recorded            the word, folded: lower case, no accents, no apostrophes
    (stop|turn off)     one of these; an empty one, as in (please|), makes the group optional
    ..4                 up to four words of any kind, none of them beyond the end of a sentence
    <recorded>          the pattern of that name in the file's ``[words]``
    ^ and $             the beginning of what is searched, and the end of a sentence

A recogniser mishears. Where a tolerance is given, a word of five letters may be one edit away from the one in the
pattern and a word of eight letters two, and the edits of a whole match never exceed the tolerance.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

from rapidfuzz.distance import Levenshtein

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pipeline.types import Word

    _Part = str | int | tuple["Pattern", ...]
    _Parts = tuple[_Part, ...]

_FUZZY_FROM, _FUZZIER_FROM = 5, 8  # letters
_SPELLED: Final = re.compile(r"\s*(\.\.\d|<\w+>|[\^$(|)]|[^\s()|<>^$]+)")
_END: Final = "$"
_SENTENCE_END: Final = re.compile(r"[.?!…]['\")]*$")


@dataclass(frozen=True, slots=True)
class Token:
    """One folded word of a recognised one; ``ends`` says that a sentence ends with it."""

    text: str
    word: Word
    ends: bool


@dataclass(frozen=True, slots=True)
class Match:
    """Tokens ``first`` to ``end`` (half-open) and how many edits away from the pattern they are."""

    first: int
    end: int
    edits: int

    def overlaps(self, other: Match) -> bool:
        """Whether the two share a token."""
        return self.first < other.end and other.first < self.end

    def within(self, other: Match) -> bool:
        """Whether the other covers it."""
        return other.first <= self.first and self.end <= other.end


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled pattern: a sequence of words, gaps (a number) and alternatives."""

    parts: _Parts
    anchored: bool = False

    def find(self, tokens: Sequence[Token], tolerance: int) -> Iterator[Match]:
        """Matches from left to right that do not overlap, each with the fewest edits and then the shortest."""
        first = 0
        while first < len(tokens):
            ends = list(_ends(self.parts, tokens, first, tolerance))
            if ends:
                left, end = max(ends, key=lambda each: (each[0], -each[1]))
                yield Match(first, end, tolerance - left)
            if self.anchored:
                return
            first = max(end, first + 1) if ends else first + 1


class PatternError(ValueError):
    """A pattern that cannot be read; the message says where it stands wrong."""


def fold(text: str) -> list[str]:
    """The words of a text in lower case, without accents, punctuation or apostrophes."""
    plain = unicodedata.normalize("NFKD", text.casefold().replace("\u2019", "'").replace("'", ""))
    return re.findall(r"\w+", "".join(c for c in plain if not unicodedata.combining(c)))


def ends_sentence(text: str) -> bool:
    """Whether a sentence ends with a word, by its punctuation."""
    return _SENTENCE_END.search(text) is not None


def tokenize(words: Sequence[Word]) -> tuple[Token, ...]:
    """Tokens of recognised words, in their order."""
    tokens: list[Token] = []
    for word in words:
        folded = fold(word.text)
        last = len(folded) - 1
        ends = ends_sentence(word.text)
        tokens.extend(Token(text, word, ends and index == last) for index, text in enumerate(folded))
    return tuple(tokens)


def compile_pattern(text: str, words: Mapping[str, str]) -> Pattern:
    """The pattern of a text.

    Args:
        text: see the module.
        words: named patterns; they may name each other, but not themselves.

    Raises:
        PatternError: a bracket too many or too few, no such name, or a name that leads back to itself.
    """
    parts = _SPELLED.findall(text)
    if "".join(parts) != re.sub(r"\s", "", text):
        raise PatternError(f"cannot be read: {text}")
    alternatives, rest = _alternatives(parts, words, ())
    if rest or len(alternatives) != 1:
        raise PatternError(f"a bracket is missing: {text}")
    pattern = alternatives[0]
    if not pattern.parts or isinstance(pattern.parts[0], int) or isinstance(pattern.parts[-1], int):
        raise PatternError(f"begins and ends with a word: {text}")
    return pattern


def _alternatives(
    parts: Sequence[str], words: Mapping[str, str], inside: tuple[str, ...]
) -> tuple[list[Pattern], Sequence[str]]:
    """Alternatives up to a closing bracket or the end, and what comes from there on."""
    found: list[Pattern] = []
    sequence: list[_Part] = []
    anchored = False
    while parts and parts[0] != ")":
        part, parts = parts[0], parts[1:]
        if part == "|":
            found.append(Pattern(tuple(sequence), anchored))
            sequence, anchored = [], False
        elif part == "(":
            inner, parts = _alternatives(parts, words, inside)
            if not parts:
                raise PatternError("a bracket is missing")
            parts = parts[1:]
            sequence.append(tuple(inner))
        elif part == "^":
            anchored = True
        elif part == _END:
            sequence.append(_END)
        elif part.startswith(".."):
            sequence.append(int(part[2:]))
        elif part.startswith("<"):
            sequence.append(_named(part[1:-1], words, inside))
        else:
            sequence.extend(fold(part))
    found.append(Pattern(tuple(sequence), anchored))
    return found, parts


def _named(name: str, words: Mapping[str, str], inside: tuple[str, ...]) -> tuple[Pattern, ...]:
    if name not in words or name in inside:
        raise PatternError(f"no words are named <{name}>" if name not in words else f"<{name}> leads back to itself")
    found, rest = _alternatives(_SPELLED.findall(words[name]), words, (*inside, name))
    if rest:
        raise PatternError(f"a bracket is missing in <{name}>")
    return tuple(found)


def _ends(parts: _Parts, tokens: Sequence[Token], at: int, left: int) -> Iterator[tuple[int, int]]:
    """Edits that are left and the end, for every way in which ``parts`` match from ``at`` on."""
    if not parts:
        yield left, at
        return
    for left_then, end in _steps(parts[0], tokens, at, left):
        yield from _ends(parts[1:], tokens, end, left_then)


def _steps(part: _Part, tokens: Sequence[Token], at: int, left: int) -> Iterator[tuple[int, int]]:
    """Likewise for a single part."""
    if isinstance(part, tuple):
        for alternative in part:
            yield from _ends(alternative.parts, tokens, at, left)
    elif isinstance(part, int):
        yield from ((left, end) for end in _gap(part, tokens, at))
    elif part == _END:
        if at > 0 and (at == len(tokens) or tokens[at - 1].ends):
            yield left, at
    else:
        edits = _edits(part, tokens[at].text) if at < len(tokens) else None
        if edits is not None and edits <= left:
            yield left - edits, at + 1


def _gap(longest: int, tokens: Sequence[Token], at: int) -> Iterator[int]:
    """Where a gap may end: here, or after some words, none of them beyond the end of a sentence."""
    yield at
    for end in range(at, min(at + longest, len(tokens))):
        if tokens[end].ends or (end == at > 0 and tokens[at - 1].ends):
            return
        yield end + 1


@cache
def _edits(wanted: str, heard: str) -> int | None:
    """How far a word is from the one in the pattern; None for too far."""
    if wanted == heard:
        return 0
    allowed = 0 if len(wanted) < _FUZZY_FROM else 1 if len(wanted) < _FUZZIER_FROM else 2
    distance = Levenshtein.distance(wanted, heard, score_cutoff=allowed) if allowed else 1
    return distance if distance <= allowed else None
