"""What was said, as it would be written, with every piece tied to the words it came from.

Takes the words of one turn, as a recogniser returned them, in any mix of spoken and written form. Gives ``Written``:
one text and its pieces, in order, each with a contiguous range of words; together they cover every word exactly once.
Digits, spelled letters, dates and addresses are written as such; everything else stays verbatim, so that a name
recogniser still sees natural text. English; no model; never raises on any text.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.pii.spoken import web
from pipeline.pii.spoken.dates import date_at
from pipeline.pii.spoken.runs import run_at
from pipeline.pii.spoken.tokens import Draft, PieceKind, lex
from pipeline.types import CharSpan, WordRange

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.pii.spoken.tokens import Atom

__all__ = ["Piece", "PieceKind", "Written", "digits_of", "number_runs", "write"]


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the written text.

    Args:
        text: the part itself; a NUMBER holds digits, or digits and capital letters, without punctuation.
        chars: where it stands in the written text.
        words: the words it came from, fillers inside a number included; never empty.
        kind: what it is. NUMBER: digits, or a code of digits and letters. LETTERS: spelled letters. SIGN: "@", "." and
            the like inside an address. DATE: a month with a day or a year, or day, month and year in figures. WORD:
            anything else, verbatim.
    """

    text: str = field(repr=False)
    chars: CharSpan
    words: WordRange
    kind: PieceKind


@dataclass(frozen=True, slots=True)
class Written:
    """The written text of one turn. ``pieces`` are in order and cover every word of the turn exactly once."""

    text: str = field(repr=False)
    pieces: tuple[Piece, ...]

    def words(self, span: CharSpan) -> WordRange:
        """Return the smallest word range whose pieces, with the punctuation at them, cover ``span``.

        An empty span, or one of spaces only, gives an empty range.
        """
        if span.end <= span.start:
            return self._nowhere(span.start)
        first = bisect_right(self.pieces, span.start, key=_start)
        first = max(0, first - 1)
        while first < len(self.pieces) and self._owned(first).end <= span.start:
            first += 1
        last = bisect_left(self.pieces, span.end, key=_start) - 1
        if last + 1 < len(self.pieces) and self._owned(last + 1).start < span.end:
            last += 1
        if first > last:
            return self._nowhere(span.start)
        return WordRange(self.pieces[first].words.first, self.pieces[last].words.end)

    def chars(self, words: WordRange) -> CharSpan:
        """Return the span of the pieces that share a word with ``words``; empty if none do."""
        first = bisect_right(self.pieces, words.first, key=_end_word)
        last = bisect_left(self.pieces, words.end, key=_first_word) - 1
        if first > last or words.end <= words.first:
            at = self.pieces[first].chars.start if first < len(self.pieces) else len(self.text)
            return CharSpan(at, at)
        return CharSpan(self.pieces[first].chars.start, self.pieces[last].chars.end)

    def _owned(self, index: int) -> CharSpan:
        """Return the characters of a piece and of the punctuation at it."""
        chars = self.pieces[index].chars
        before = self.pieces[index - 1].chars.end if index else 0
        after = self.pieces[index + 1].chars.start if index + 1 < len(self.pieces) else len(self.text)
        space = self.text.rfind(" ", before, chars.start)
        start = space + 1 if space >= 0 else (0 if index == 0 else chars.start)
        space = self.text.find(" ", chars.end, after)
        return CharSpan(start, space if space >= 0 else after)

    def _nowhere(self, char: int) -> WordRange:
        index = bisect_left(self.pieces, char, key=_start)
        word = self.pieces[index].words.first if index < len(self.pieces) else self._word_count()
        return WordRange(word, word)

    def _word_count(self) -> int:
        return self.pieces[-1].words.end if self.pieces else 0


def write(words: Sequence[str]) -> Written:
    """Write what was said.

    Args:
        words: the recogniser's words of one turn, in order: "4111", "four", "1-1-1-1,", "D-A-N-A", "$43,000", ...

    Returns:
        The written text with its alignment; for no words, an empty text and no pieces.
    """
    return _assemble(_drafts(words))


def digits_of(text: str) -> str:
    """Return the decimal digits of ``text``, in ASCII, in order."""
    digits = (unicodedata.decimal(char, None) for char in text)
    return "".join(str(digit) for digit in digits if digit is not None)


def number_runs(written: Written, least: int = 1) -> tuple[Piece, ...]:
    """Return the pieces of kind NUMBER that hold at least ``least`` digits, in order."""
    return tuple(
        piece for piece in written.pieces if piece.kind is PieceKind.NUMBER and len(digits_of(piece.text)) >= least
    )


def _drafts(words: Sequence[str]) -> list[Draft]:
    atoms = lex(words)
    line = web.Line(atoms)
    addresses = {found.first: found for found in web.addresses(line)}
    drafts: list[Draft] = []

    def stops(place: int) -> bool:
        return atoms[place].word in addresses or date_at(atoms, place) is not None

    place = 0
    while place < len(atoms):
        word = atoms[place].word
        address = addresses.get(word)
        date = None if address else date_at(atoms, place)
        if address is not None:
            drafts.extend(web.drafts(words, line, address))
        elif date is not None:
            drafts.append(date)
        else:
            found, _ = run_at(words, atoms, place, stops)
            drafts.extend(found or [Draft(words[word], PieceKind.WORD, word, word + 1)])
        place = _atom_of(atoms, place, drafts[-1].end)
    return drafts


def _atom_of(atoms: Sequence[Atom], place: int, word: int) -> int:
    while place < len(atoms) and atoms[place].word < word:
        place += 1
    return place


def _assemble(drafts: Sequence[Draft]) -> Written:
    parts: list[str] = []
    pieces: list[Piece] = []
    length = 0
    for draft in drafts:
        before = draft.lead if draft.glued or not pieces else " " + draft.lead
        start = length + len(before)
        end = start + len(draft.text)
        parts.extend((before, draft.text, draft.trail))
        pieces.append(Piece(draft.text, CharSpan(start, end), WordRange(draft.first, draft.end), draft.kind))
        length = end + len(draft.trail)
    return Written("".join(parts), tuple(pieces))


def _start(piece: Piece) -> int:
    return piece.chars.start


def _first_word(piece: Piece) -> int:
    return piece.words.first


def _end_word(piece: Piece) -> int:
    return piece.words.end
