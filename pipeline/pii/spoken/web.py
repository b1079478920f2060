"""E-mail and web addresses said aloud ("dana dot whitfield at gmail dot com"), read into one run of pieces.

Takes words and atoms, gives for each address drafts without spaces between them. "At" and "dot" are signs only around
a domain that ends in a known top-level domain; everything else leaves them alone.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.pii.spoken import words as vocabulary
from pipeline.pii.spoken.numerals import Sureness
from pipeline.pii.spoken.spelling import unit_at
from pipeline.pii.spoken.tokens import Draft, PieceKind, trail_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.pii.spoken.tokens import Atom

_DOMAIN = re.compile(r"@?(?:[a-z0-9][a-z0-9-]*\.)+([a-z]{2,})", re.IGNORECASE)
_LABEL = re.compile(r"[a-z0-9][a-z0-9._'+@-]*", re.IGNORECASE)
_TWO_LABELS = re.compile(r"([a-z]{2,4})\.([a-z]{2})")
_PAUSES = frozenset({"uh", "um", "er", "erm"})
_MAX_LABEL, _MAX_LOCAL, _MAX_LEVELS = 24, 40, 6
_PLAIN_WORDS = 2


@dataclass(frozen=True, slots=True)
class Address:
    """Where an address lies, in words; ``at`` is the range of the at sign, empty for a web address."""

    first: int
    end: int
    at: tuple[int, int]


class Line:
    """The words of a turn with what an address needs to know of each."""

    __slots__ = ("atoms", "opens")

    def __init__(self, atoms: Sequence[Atom]) -> None:
        self.atoms = atoms
        self.opens = [place for place, atom in enumerate(atoms) if atom.opens]

    def __len__(self) -> int:
        return len(self.opens)

    def text(self, word: int) -> str:
        """The word in lower case, or nothing if it lies outside or is several atoms."""
        if not 0 <= word < len(self.opens):
            return ""
        atom = self.atoms[self.opens[word]]
        return atom.text if atom.whole else "-"

    def trail(self, word: int) -> str:
        """The punctuation after the word."""
        return self.atoms[self.last(word)].trail

    def last(self, word: int) -> int:
        """Return the word's last atom."""
        return (self.opens[word + 1] if word + 1 < len(self.opens) else len(self.atoms)) - 1

    def is_spelled(self, word: int) -> bool:
        """Whether the word is letters or digits said one by one, or a number."""
        if word < 0:
            return False
        place = self.opens[word]
        text = self.atoms[place].text
        if not self.atoms[place].whole:
            return True
        if len(text) == 1 and text.isascii() and text.isalnum():
            return True
        return text in vocabulary.NUMBER_WORDS or (text.isascii() and text.isdigit())

    def is_plain(self, word: int) -> bool:
        """Whether the word can be part of an address as it stands."""
        text = self.text(word)
        if text == "mail" and self.text(word - 1) in {"g", "hot", "proton", "fast"}:
            return True
        return bool(_LABEL.fullmatch(text)) and text not in vocabulary.FUNCTION_WORDS and text not in vocabulary.SIGNS


def addresses(line: Line) -> list[Address]:
    """Find every address of a turn, in order, without overlaps."""
    found: list[Address] = []
    floor = word = 0
    while word < len(line):
        address = _address_at(line, word, floor)
        if address is None:
            word += 1
            continue
        found.append(address)
        floor = word = address.end
    return found


def _address_at(line: Line, word: int, floor: int) -> Address | None:
    """Read the address whose first spoken dot, or whose written domain, is ``word``."""
    text = line.text(word)
    if text in vocabulary.DOTS and word > floor:
        end, is_sure = _top_level(line, word + 1)
        if end:
            return _spoken(line, word, end, floor, is_sure=is_sure)
        return None
    if "." in text and (written := _DOMAIN.fullmatch(text)) and written[1].lower() in vocabulary.TLDS:
        at = _at_before(line, word, floor)
        if at[0] < at[1]:
            first = _local(line, at[0], floor)
            if _is_mailbox(line, first, at):
                return Address(first, _path(line, word + 1), at)
    return None


def _spoken(line: Line, dot: int, end: int, floor: int, *, is_sure: bool) -> Address | None:
    first = _domain_start(line, dot, floor)
    if first == dot:
        return None
    end = _path(line, end)
    at = _at_before(line, first, floor)
    if at[0] < at[1]:
        start = _local(line, at[0], floor)
        if _is_mailbox(line, start, at):
            return Address(start, end, at)
    if "@" in line.text(first):
        start = _local(line, first + 1, floor)
        return Address(start, end, (0, 0))
    return Address(first, end, (0, 0)) if is_sure else None


def _top_level(line: Line, word: int, levels: int = _MAX_LEVELS) -> tuple[int, bool]:
    """Return the word after the top-level domain at ``word`` (0 if there is none) and whether it is no plain word."""
    label, end = _last_label(line, word)
    goes_on = levels and line.text(end) in vocabulary.DOTS and not line.trail(end - 1).strip(",")
    if goes_on and (label or line.is_plain(word)):
        further, is_sure = _top_level(line, end + 1, levels - 1)
        if further:
            return further, is_sure or label not in vocabulary.TLDS_THAT_ARE_WORDS
    return (end, label not in vocabulary.TLDS_THAT_ARE_WORDS) if label else (0, False)


def _last_label(line: Line, word: int) -> tuple[str, int]:
    """Return the top-level domain said at ``word``, as a word, letter by letter or as "co.uk", and where it ends."""
    text = line.text(word)
    if len(text) == 1:
        letters = "".join(itertools.takewhile(lambda said: len(said) == 1, (line.text(word + n) for n in range(4))))
        for width in range(len(letters), 1, -1):
            if letters[:width] in vocabulary.TLDS:
                return letters[:width], word + width
    tail = _TWO_LABELS.fullmatch(text)
    if tail is not None and tail[1] in vocabulary.TLDS and tail[2] in vocabulary.TLDS:
        return tail[1], word + 1
    return (text if text in vocabulary.TLDS else ""), word + 1


def _domain_start(line: Line, dot: int, floor: int) -> int:
    """Return the first word of the labels before the first spoken dot that ``dot`` belongs to."""
    first, last = _label_start(line, dot, floor, plain=1), dot
    while last - first < _MAX_LOCAL and first < dot and first - 2 >= floor and line.text(first - 1) in vocabulary.DOTS:
        before = _label_start(line, first - 1, floor, plain=1)
        if before == first - 1:
            break
        first, dot = before, first - 1
    for wider in range(first - 1, max(floor, first - 3) - 1, -1):
        if not line.is_plain(wider) or line.trail(wider):
            break
        if line.text(wider - 1) in {"at", "@"} and wider - 1 > floor:
            return wider
    return first


def _label_start(line: Line, end: int, floor: int, plain: int) -> int:
    """Walk left from ``end`` over one label: spelled characters, and at most ``plain`` plain words among them."""
    word, left = end, plain
    while word > floor and end - word < _MAX_LABEL:
        before = word - 1
        text = line.text(before)
        stops = line.trail(before)
        if set(stops) & set("?!;") or (stops and word == end and "." in stops):
            break
        explained = _explained_width(line, before, floor)
        if explained:
            word -= explained
        elif (text in _PAUSES and word < end) or (line.is_spelled(before) and not _is_pronoun(line, before, end)):
            word = before
        elif line.is_plain(before) and left and not (stops and word < end):
            word, left = before, left - 1
        else:
            break
    while word < end and line.text(word) in _PAUSES:
        word += 1
    return word


def _is_pronoun(line: Line, word: int, end: int) -> bool:
    """Whether "I" stands before a plain word, where it is hardly an initial."""
    return line.text(word) == "i" and word + 1 < end and not line.is_spelled(word + 1)


def _explained_width(line: Line, word: int, floor: int) -> int:
    """Return how many words "B as in boy" or "B for boy" takes, ending at ``word``; 0 if it is none."""
    text = line.text(word)
    for width, links in ((4, ("as", "in")), (3, ("for",)), (3, ("like",))):
        start = word - width + 1
        letter = line.text(start) if start >= floor else ""
        explains = len(letter) == 1 and text.startswith(letter) and len(text) > 1
        if explains and tuple(line.text(place) for place in range(start + 1, word)) == links:
            return width
    return 0


def _at_before(line: Line, word: int, floor: int) -> tuple[int, int]:
    """Return the range of the words that say "@" right before ``word``; empty if none do."""
    while word - 1 > floor and line.text(word - 1) in _PAUSES:
        word -= 1
    for said in (("at", "the", "rate", "of"), ("at", "the", "rate"), ("at", "sign"), ("at", "symbol"), ("at",), ("@",)):
        start = word - len(said)
        if start > floor and tuple(line.text(place) for place in range(start, word)) == said:
            return start, word
    return word, word


def _local(line: Line, at: int, floor: int) -> int:
    """Return the first word of the part before the at sign at ``at``; ``at`` itself if there is none."""
    first = _label_start(line, at, floor, _PLAIN_WORDS)
    while first < at and at - first < _MAX_LOCAL:
        sign = _sign_before(line, first, floor)
        before = _label_start(line, sign, floor, _PLAIN_WORDS) if sign < first else sign
        if before == sign:
            break
        first = before
    return first


def _sign_before(line: Line, word: int, floor: int) -> int:
    """Return where the spoken sign before ``word`` begins, past pauses; ``word`` itself if there is none."""
    place = word - 1
    while place > floor and line.text(place) in _PAUSES:
        place -= 1
    if place > floor and line.text(place) == "score" and line.text(place - 1) == "under":
        return place - 1
    return place if place > floor and line.text(place) in vocabulary.SIGNS else word


def _is_mailbox(line: Line, first: int, at: tuple[int, int]) -> bool:
    """Whether what stands before "at" can be a mailbox."""
    return first < at[0] and not (first + 1 == at[0] and line.text(first) in vocabulary.FUNCTION_WORDS - {"i", "a"})


def _path(line: Line, end: int) -> int:
    while (
        line.text(end) == "slash" and not line.trail(end - 1) and (line.is_plain(end + 1) or line.is_spelled(end + 1))
    ):
        if end + 1 >= len(line):
            break
        end += 2
    return end


def drafts(words: Sequence[str], line: Line, address: Address) -> list[Draft]:
    """Write an address: its words, letters, digits and signs, all glued to each other."""
    pieces: list[Draft] = []
    word = address.first
    while word < address.end:
        piece = _piece(words, line, word, address)
        if piece is None:
            pieces[-1] = _longer(pieces[-1])
            word += 1
            continue
        pieces.append(piece)
        word = piece.end
    trail = trail_of(line.atoms[line.last(address.end - 1)])
    last = pieces[-1]
    pieces[-1] = Draft(last.text, last.kind, last.first, last.end, trail=trail, glued=last.glued)
    return pieces


def _longer(piece: Draft) -> Draft:
    return Draft(piece.text, piece.kind, piece.first, piece.end + 1, glued=piece.glued)


def _piece(words: Sequence[str], line: Line, word: int, address: Address) -> Draft | None:
    glued = word > address.first
    if word == address.at[0] and address.at[0] < address.at[1]:
        return Draft("@", PieceKind.SIGN, word, address.at[1], glued=glued)
    text = line.text(word)
    if glued and text == "under" and line.text(word + 1) == "score" and word + 2 < address.end:
        return Draft("_", PieceKind.SIGN, word, word + 2, glued=True)
    if glued and text in vocabulary.SIGNS and word + 1 < address.end:
        return Draft(vocabulary.SIGNS[text], PieceKind.SIGN, word, word + 1, glued=True)
    if glued and text in _PAUSES:
        return None
    spelled = _spelled(line, word, address)
    if spelled is not None:
        return spelled
    plain = "".join(atom.shape for atom in line.atoms[line.opens[word] : line.last(word) + 1])
    if not line.atoms[line.opens[word]].whole:
        plain = words[word].strip(".,;:!?")
    return Draft(plain, PieceKind.WORD, word, word + 1, glued=glued)


def _spelled(line: Line, word: int, address: Address) -> Draft | None:
    """Write letters and digits from ``word`` on that are whole words, in lower case."""
    place, text = line.opens[word], ""
    stop = line.opens[address.end] if address.end < len(line) else len(line.atoms)
    end = place
    while end < stop and (end == place or not _is_sign(line, end, address)):
        unit = unit_at(line.atoms, end)
        if unit is None or unit.end > stop or not (_counts(unit.sureness) or len(line.atoms[end].text) == 1):
            break
        is_letter = (
            unit.sureness is Sureness.OH and not text[-1:].isdigit() and not _digit_follows(line, unit.end, stop)
        )
        text, end = text + ("O" if is_letter else unit.text), unit.end
    while end > place and not line.atoms[end - 1].closes:
        return None
    if end == place:
        return None
    kind = PieceKind.NUMBER if text.isdigit() else PieceKind.LETTERS
    return Draft(text.lower(), kind, word, line.atoms[end - 1].word + 1, glued=word > address.first)


def _digit_follows(line: Line, place: int, stop: int) -> bool:
    unit = unit_at(line.atoms, place) if place < stop else None
    return unit is not None and unit.is_digits and unit.sureness is Sureness.SURE


def _is_sign(line: Line, place: int, address: Address) -> bool:
    return line.atoms[place].word == address.at[0] and address.at[0] < address.at[1]


def _counts(sureness: Sureness) -> bool:
    return sureness in {Sureness.SURE, Sureness.OH}
