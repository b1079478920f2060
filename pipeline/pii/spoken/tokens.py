"""Words of a turn cut into atoms, the smallest parts that a rule looks at.

A word is one atom, except where a hyphen or full stops hold a spoken number or a spelled name together
("forty-one", "D-A-N-A", "double-oh"). Atoms know their word, so a rule can never lose track of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from pipeline.pii.spoken import words as vocabulary

if TYPE_CHECKING:
    from collections.abc import Sequence


class PieceKind(StrEnum):
    """What a written piece is."""

    WORD = "word"
    NUMBER = "number"
    LETTERS = "letters"
    SIGN = "sign"
    DATE = "date"


@dataclass(frozen=True, slots=True)
class Draft:
    """A written piece before it has its place in the text.

    Args:
        text: what is written.
        kind: what it is.
        first: index of its first word.
        end: index after its last word.
        lead: punctuation written before it, outside the piece.
        trail: punctuation written after it, outside the piece.
        glued: whether it stands against the piece before it, without a space.
    """

    text: str = field(repr=False)
    kind: PieceKind
    first: int
    end: int
    lead: str = field(default="", repr=False)
    trail: str = field(default="", repr=False)
    glued: bool = False


@dataclass(frozen=True, slots=True)
class Atom:
    """A part of a word.

    Args:
        text: lower case, without the punctuation around it.
        shape: the same in the case it came in.
        word: index of its word.
        trail: punctuation after it, before the next atom; "-" is never part of it.
        opens: whether it is the first atom of its word.
        closes: whether it is the last atom of its word.
    """

    text: str = field(repr=False)
    shape: str = field(repr=False)
    word: int
    trail: str = field(repr=False)
    opens: bool
    closes: bool

    @property
    def whole(self) -> bool:
        """Whether the atom is a word of its own."""
        return self.opens and self.closes


_LEAD = "\"'([{<#*~`+-"
_TRAIL = ".,;:!?\"')]}>-*~`"
_PLAIN = str.maketrans({
    "\u2010": "-", "\u2011": "-", "\u2013": "-", "\u2014": "-", "\u2018": "'", "\u2019": "'", "\u2026": ".",
})  # fmt: skip  # hyphens, dashes, quotation marks and the ellipsis
_DOTTED = re.compile(r"[a-z](?:\.[a-z]){3,}", re.IGNORECASE)
_KEPT_TRAIL = ".,;:!?"
_MIN_SPELLED = 3


def lex(words: Sequence[str]) -> list[Atom]:
    """Cut every word into atoms, in order; a word has at least one."""
    atoms: list[Atom] = []
    for index, raw in enumerate(words):
        plain = raw.translate(_PLAIN).strip()
        core = plain.lstrip(_LEAD).rstrip(_TRAIL)
        trail = plain[len(plain.rstrip(_TRAIL)) :].replace("-", "") if core else ""
        parts = _parts(core)
        last = len(parts) - 1
        for place, part in enumerate(parts):
            closes = place == last
            atoms.append(Atom(part.lower(), part, index, trail if closes else "", place == 0, closes))
    return atoms


def lead_of(word: str) -> str:
    """Return the plus sign before a number, or nothing: the only leading sign that is kept."""
    return "+" if word.translate(_PLAIN).strip().lstrip("\"'([{<").startswith("+") else ""


def trail_of(atom: Atom) -> str:
    """Return the punctuation after an atom that a sentence needs."""
    return "".join(sign for sign in atom.trail if sign in _KEPT_TRAIL)


def _parts(core: str) -> list[str]:
    if "-" in core:
        parts = core.split("-")
        lowered = [part.lower() for part in parts]
        if all(part in vocabulary.NUMBER_WORDS for part in lowered[:-1]) and (
            lowered[-1] in vocabulary.NUMBER_WORDS or lowered[-1] in vocabulary.ORDINALS
        ):
            return parts
        spelled = all(len(part) == 1 and part.isascii() and part.isalnum() for part in parts)
        mixed = all(_spells(part) for part in lowered)
        if len(parts) >= _MIN_SPELLED and (spelled or mixed) and not all(part.isdigit() for part in parts):
            return parts
    elif _DOTTED.fullmatch(core):
        return core.split(".")
    return [core]


def _spells(part: str) -> bool:
    single = len(part) == 1 and part.isascii() and part.isalnum()
    return single or part in vocabulary.NUMBER_WORDS
