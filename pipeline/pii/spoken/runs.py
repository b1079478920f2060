"""Runs of digits and letters: which neighbours belong together, and which doubtful words are digits.

Takes atoms, gives drafts. A row of units is cut at what links them: nothing, a hesitation, a comma, an "and", a full
stop. Tight neighbours are one chunk; chunks become one number only if they read as a digit sequence and not as a list.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import TYPE_CHECKING

from pipeline.pii.spoken import words as vocabulary
from pipeline.pii.spoken.doubtful import is_nato, settle
from pipeline.pii.spoken.numerals import Sureness, Unit
from pipeline.pii.spoken.spelling import unit_at
from pipeline.pii.spoken.tokens import Draft, PieceKind, lead_of, trail_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipeline.pii.spoken.tokens import Atom


class Link(IntEnum):
    """What stands between two units, the weakest tie last."""

    TIGHT = 0
    HESITATION = 1
    COMMA = 2
    AND = 3
    STOP = 4
    BREAK = 5


@dataclass(frozen=True, slots=True)
class Chunk:
    """Units that belong together; ``link`` ties it to the chunk before it."""

    units: tuple[Unit, ...]
    link: Link

    @property
    def text(self) -> str:
        """The digits and letters."""
        return "".join(unit.text for unit in self.units)

    @property
    def is_digits(self) -> bool:
        """Whether it holds digits only."""
        return all(unit.is_digits for unit in self.units)

    @property
    def is_letters(self) -> bool:
        """Whether it holds letters only."""
        return all(unit.is_letters for unit in self.units)

    @property
    def is_spelled(self) -> bool:
        """Whether it was said digit by digit, at least two of them, or begins with a zero that a quantity lacks."""
        units = self.units
        if len(self.text) > 1 and self.text[0] == "0":
            return True
        return all(unit.spelled for unit in units) and sum(len(unit.text) for unit in units) > 1


_MAX_FILLERS = 4
_MAX_ROW = 128  # bounds the work on a row; no number is that long
_MIN_LETTERS = 3
_MIN_SEQUENCE = 7  # the digits of a local telephone number


def run_at(
    words: Sequence[str], atoms: Sequence[Atom], place: int, stops: Callable[[int], bool]
) -> tuple[list[Draft], int]:
    """Read the run that starts at the atom ``place``.

    Args:
        words: the words of the turn.
        atoms: their atoms.
        place: where to start; the first atom of a word.
        stops: whether something else begins at an atom, so that a run must not take it.

    Returns:
        Drafts that cover words from that of ``place`` on, and the atom after the last one covered; no draft if there
        is no run.
    """
    row, links = _collect(atoms, place, stops)
    if not row:
        return [], place
    chunks = _chunks(atoms, row, links)
    drafts: list[Draft] = []
    end = row[0].first
    for group in _joined(atoms, chunks):
        first = group[0].units[0].first
        drafts.extend(_verbatim(words, atoms, end, first))
        end = group[-1].units[-1].end
        drafts.extend(_written(words, atoms, group))
    end_of_row = row[-1].end
    while end_of_row < len(atoms) and not atoms[end_of_row].opens:
        end_of_row += 1
    drafts.extend(_verbatim(words, atoms, end, end_of_row))
    return drafts, end_of_row


def _collect(atoms: Sequence[Atom], place: int, stops: Callable[[int], bool]) -> tuple[list[Unit], list[Link]]:
    row: list[Unit] = []
    links: list[Link] = []
    link = Link.BREAK
    while place < len(atoms) and len(row) < _MAX_ROW:
        if row and atoms[place].opens and row[-1].sureness is not Sureness.NATO and stops(place):
            break
        unit = unit_at(atoms, place)
        if unit is None:
            break
        if link is Link.COMMA and (_are_letters(row[-1], unit) or _is_listed_zero(row[-1], unit)):
            link = Link.HESITATION
        row.append(unit)
        links.append(link)
        link, place = _link_after(atoms, unit)
        if link is Link.BREAK:
            break
    return row, links


def _are_letters(left: Unit, right: Unit) -> bool:
    return all(unit.is_letters and unit.sureness in {Sureness.SURE, Sureness.ARTICLE} for unit in (left, right))


def _is_listed_zero(left: Unit, right: Unit) -> bool:
    """Whether one of two units is "oh" and the other a single digit: "four, oh, five"."""
    return Sureness.OH in {left.sureness, right.sureness} and left.spelled and right.spelled


def _link_after(atoms: Sequence[Atom], unit: Unit) -> tuple[Link, int]:
    """Return how ``unit`` is tied to what follows and where that starts, skipping fillers."""
    last = atoms[unit.end - 1]
    link = _link_of(last.trail, is_letter=unit.is_letters and len(last.text) == 1)
    place = unit.end
    for _ in range(_MAX_FILLERS):
        if place >= len(atoms) or not atoms[place].whole:
            break
        atom = atoms[place]
        filler = atom.text
        if filler in vocabulary.HESITATIONS:
            link = Link.HESITATION if link <= Link.COMMA else link
        elif filler in vocabulary.CONJUNCTIONS:
            link = max(link, Link.AND)
        elif filler == "comma" or (not filler and "," in atom.trail):
            link = max(link, Link.COMMA)
        elif filler:
            break
        if set(atom.trail) & set("?!"):
            link = Link.BREAK
        place += 1
    return link, place


def _link_of(trail: str, *, is_letter: bool) -> Link:
    if set(trail) & set("?!"):
        return Link.BREAK
    if set(trail) & set(".;:"):
        return Link.TIGHT if is_letter and trail == "." else Link.STOP
    return Link.COMMA if "," in trail else Link.TIGHT


def _chunks(atoms: Sequence[Atom], row: list[Unit], links: list[Link]) -> list[Chunk]:
    """Cut the row at weak links, decide the doubtful units, and leave out what is a plain word."""
    chunks: list[Chunk] = []
    start, covered = 0, -1
    for place in range(1, len(row) + 1):
        if place < len(row) and links[place] <= Link.HESITATION:
            continue
        for units in _settled(atoms, row[start:place]):
            follows = covered == start and units[0].first == row[start].first
            chunks.append(Chunk(tuple(units), links[start] if follows else Link.BREAK))
            covered = place if units[-1].end == row[place - 1].end else -1
        start = place
    return chunks


def _settled(atoms: Sequence[Atom], row: list[Unit]) -> list[list[Unit]]:
    """Return the parts of a tight row that are digits or letters, each of whole words."""
    spelled_in_nato = is_nato(row)
    parts: list[list[Unit]] = []
    part: list[Unit] = []
    for index, unit in enumerate(row):
        settled = unit if spelled_in_nato and unit.sureness is Sureness.NATO else settle(atoms, row, index)
        if settled is not None:
            part.append(settled)
        elif part:
            parts.append(part)
            part = []
    if part:
        parts.append(part)
    pieces = [piece for part in parts for piece in _apart(atoms, part)]
    return [piece for piece in pieces if _is_valid(atoms, piece) and _is_of_whole_words(atoms, piece)]


def _is_of_whole_words(atoms: Sequence[Atom], units: list[Unit]) -> bool:
    return atoms[units[0].first].opens and atoms[units[-1].end - 1].closes


def _is_valid(atoms: Sequence[Atom], units: list[Unit]) -> bool:
    if all(unit.is_digits for unit in units):
        return True
    if all(unit.is_letters for unit in units):
        if any(unit.phonetic for unit in units):
            return True
        listed = any("," in atoms[unit.end - 1].trail for unit in units[:-1])
        climbs = len(units) == _MIN_LETTERS and listed and _climbs([ord(unit.text[0]) for unit in units])
        return len(units) >= _MIN_LETTERS and not climbs and any(not _is_capitals(unit) for unit in units)
    return True


def _is_capitals(unit: Unit) -> bool:
    return unit.sureness is Sureness.CAPITALS


def _apart(atoms: Sequence[Atom], units: list[Unit]) -> list[list[Unit]]:
    """Keep apart two numbers that estimate a quantity ("two three days") and a year before a count."""
    end = units[-1].end
    counted = end < len(atoms) and atoms[end].text in vocabulary.COUNTED and not atoms[end - 1].trail
    if len(units) < 2 or not counted or not atoms[units[-1].first].opens:
        return [units]
    left, right = units[-2:]
    if not right.is_digits or left.text.startswith("0"):
        return [units]
    if len(units) == 2 and left.is_letters:
        return [units[:1], units[1:]]
    ascending = left.is_digits and len(left.text) == len(right.text) <= 2 and int(left.text) < int(right.text)
    year = left.is_digits and _is_year(left.text)
    return [units[:-1], units[-1:]] if len(units) == 2 and (ascending or year) else [units]


def _is_year(text: str) -> bool:
    return len(text) == 4 and text[:2] in {"18", "19", "20"}


def _joined(atoms: Sequence[Atom], chunks: list[Chunk]) -> list[list[Chunk]]:
    """Group chunks that are one number or one spelled name."""
    groups: list[list[Chunk]] = []
    series: list[Chunk] = []
    for chunk in chunks:
        if series and not _continues(series[-1], chunk):
            groups.extend(_decide(atoms, series))
            series = []
        series.append(chunk)
    if series:
        groups.extend(_decide(atoms, series))
    return groups


def _continues(left: Chunk, right: Chunk) -> bool:
    if right.link is Link.BREAK or left.is_letters != right.is_letters or left.is_digits != right.is_digits:
        mixed = not (left.is_digits or left.is_letters) and right.is_digits and right.is_spelled
        return right.link is Link.COMMA and mixed
    if left.is_letters:
        return right.link is Link.COMMA
    if right.link is Link.STOP:
        alike = len(left.text) == len(right.text) and not (_is_year(left.text) and _is_year(right.text))
        return alike or right.text.startswith("0") or (left.is_spelled and right.is_spelled)
    if right.link is Link.AND:
        return (
            (left.is_spelled and right.is_spelled) or (len(left.text) == len(right.text) == 4) or _single(left, right)
        )
    return True


def _single(left: Chunk, right: Chunk) -> bool:
    return (left.is_spelled and len(right.text) == 1) or (right.is_spelled and len(left.text) == 1)


def _decide(atoms: Sequence[Atom], series: list[Chunk]) -> list[list[Chunk]]:
    if len(series) == 1 or _is_sequence(atoms, series):
        return [series]
    return [[chunk] for chunk in series]


def _is_sequence(atoms: Sequence[Atom], series: list[Chunk]) -> bool:
    """Whether chunks joined by commas and the like read as one number rather than as a list."""
    texts = [chunk.text for chunk in series]
    total = sum(map(len, texts))
    end = series[-1].units[-1].end
    if series[0].is_letters:
        return total > _MIN_LETTERS or (total == _MIN_LETTERS and not _climbs([ord(t[0]) for t in texts]))
    if not series[0].is_digits or not all(chunk.is_digits for chunk in series):
        return True
    if any(chunk.is_spelled for chunk in series):
        return total >= _MIN_SEQUENCE or all(chunk.is_spelled or len(chunk.text) == 1 for chunk in series)
    values = [int(text) for text in texts]
    if all(len(text) == 1 for text in texts):
        counted = end < len(atoms) and not atoms[end - 1].trail
        return len(texts) > _MIN_LETTERS or (len(texts) == _MIN_LETTERS and not (_climbs(values) and counted))
    round_numbers = sum(text.endswith("00") for text in texts)
    if all(map(_is_year, texts)) or _climbs(values) or round_numbers * 2 > len(texts):
        return False
    grouped = any(unit.quantity for chunk in series for unit in chunk.units) and total < 13
    return total >= _MIN_SEQUENCE and not grouped


def _climbs(values: list[int]) -> bool:
    steps = {right - left for left, right in pairwise(values)}
    return len(steps) == 1 and steps.pop() != 0


def _written(words: Sequence[str], atoms: Sequence[Atom], group: list[Chunk]) -> list[Draft]:
    units = [unit for chunk in group for unit in chunk.units]
    first, last = units[0].first, units[-1].end - 1
    start, end = atoms[first].word, atoms[last].word + 1
    text = "".join(unit.text for unit in units)
    alone = len(units) == 1
    if alone and _stays_word(words, atoms, units[0]):
        return [Draft(word, PieceKind.WORD, place, place + 1) for place, word in enumerate(words[start:end], start)]
    if alone and not units[0].is_digits and not units[0].is_letters:
        text = atoms[first].shape
    kind = PieceKind.LETTERS if text.isalpha() else PieceKind.NUMBER
    return [Draft(text, kind, start, end, lead_of(words[start]), trail_of(atoms[last]))]


def _stays_word(words: Sequence[str], atoms: Sequence[Atom], unit: Unit) -> bool:
    """Whether a lone unit is left as it is: "one" as a pronoun, a letter, "5pm"."""
    atom = atoms[unit.first]
    if unit.sureness is Sureness.CAPITALS:
        return True
    if unit.is_letters:
        return not unit.phonetic
    if atom.text == "one" and unit.end == unit.first + 1:
        next_text = atoms[unit.end].text if unit.end < len(atoms) else ""
        return len(words) > 1 and next_text not in vocabulary.MONEY | vocabulary.SCALE_NOUNS
    return False


def _verbatim(words: Sequence[str], atoms: Sequence[Atom], place: int, end: int) -> list[Draft]:
    if place >= end:
        return []
    start, stop = atoms[place].word, atoms[end - 1].word + 1
    return [Draft(word, PieceKind.WORD, index, index + 1) for index, word in enumerate(words[start:stop], start)]
