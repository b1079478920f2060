"""What detection leaves when everything is heard right: ``python -m benchmarks.wording [--set fresh] [--list]``.

Takes the scripts of a generated set as words with times, numbers written as a recogniser writes them, and gives how
many labelled values lose a word to the transcript and how many other words are taken. No sound and no recogniser: a
minute for any seed. It bounds from below what a run of ``benchmarks.accuracy`` leaves, and tells a rule that does not
know a wording from a recogniser that did not hear it. ``--list`` shows what was missed, except of the held-out sets.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.corpus import script
from benchmarks.folding import digitised, is_number, tokens
from pipeline.build import build
from pipeline.config import load_settings
from pipeline.pii import detect
from pipeline.speakers import attribute
from pipeline.types import Channel, Segment, TimeSpan, Word

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.build import Rooms
    from pipeline.types import Turn

LETTER_S, GAP_S = 0.068, 0.4  # as the corpus' voices speak
_STOP = re.compile(r"[.?!]$")


@dataclass(frozen=True, slots=True)
class Said:
    """A phrase as words, and what it is labelled as."""

    words: tuple[Word, ...]
    entity_type: str | None


@dataclass(slots=True)
class Counted:
    """Labelled values, those with a word left, other words, those taken; ``missed`` tells which."""

    labelled: Counter[str] = field(default_factory=Counter)
    leaked: Counter[str] = field(default_factory=Counter)
    others: int = 0
    taken: int = 0
    missed: list[str] = field(default_factory=list, repr=False)


def spoken(call: script.Script) -> list[tuple[Channel, list[Said]]]:
    """The turns of a call, one phrase after the other; key tones and recorded prompts are left out."""
    at_s, lines = 0.5, []
    for line in call.lines:
        said = []
        for piece in line.pieces:
            if isinstance(piece, script.Pause):
                at_s += piece.length_s
            elif piece.source not in {"dtmf", "dtmf_real", "prompt"}:
                digits = piece.source in {"fsdd", "allison"}
                words = tuple(_timed((" ".join(piece.text) if digits else piece.text).split(), at_s))
                at_s = words[-1].span.end_s + LETTER_S
                said.append(Said(_written(words), piece.entity_type))
        at_s += GAP_S
        if said:
            lines.append((Channel(line.channel), said))
    return lines


def _timed(texts: Sequence[str], at_s: float) -> Iterator[Word]:
    for text in texts:
        end_s = at_s + LETTER_S * (len(text) + 1)
        yield Word(text, TimeSpan(at_s, end_s), 0.9)
        at_s = end_s


def _written(words: Sequence[Word]) -> tuple[Word, ...]:
    """Runs of two number words and more as digits, joined by hyphens where the speaker paused."""
    out: list[Word] = []
    index = 0
    while index < len(words):
        end = index
        while (
            end < len(words) and is_number(words[end].text) and not (end > index and _STOP.search(words[end - 1].text))
        ):
            end += 1
        if end - index < 2:
            out.append(words[index])
            index += 1
            continue
        groups = " ".join(word.text for word in words[index:end]).split(",")
        text = "-".join("".join(digitised(tokens(group))) for group in groups if group.strip()).replace("hundred", "00")
        tail = words[end - 1].text.lstrip("abcdefghijklmnopqrstuvwxyz-")
        span = TimeSpan(words[index].span.start_s, words[end - 1].span.end_s)
        out.append(Word(text + tail, span, 0.9))
        index = end
    return tuple(out)


def count(call: script.Script, rooms: Rooms, counted: Counted) -> None:
    """Detect in a call what the policy wants found, and count what became of its labels."""
    lines = spoken(call)
    segments = [Segment(channel, tuple(word for each in said for word in each.words)) for channel, said in lines]
    turns = attribute(tuple(segments), {})
    known = call.metadata.get("known_pii", {})
    found = detect(turns, rooms.recognizer(), known, rooms.redaction, call.language, rooms.tagger())
    gone = {(each.turn, index): each for each in found for index in range(each.words.first, each.words.end)}
    reason = {_key(turns, *at): f"{each.entity_type}, {each.reason}" for at, each in gone.items()}
    for channel, said in lines:
        for phrase in said:
            keys = [(channel, word.span) for word in phrase.words]
            taken = [key in reason for key in keys]
            if phrase.entity_type is None:
                counted.others += len(keys)
                counted.taken += sum(taken)
                marks = [f"{w.text!r}: {reason[k]}" for w, k in zip(phrase.words, keys, strict=True) if k in reason]
                counted.missed += [f"{call.id} took {mark}" for mark in marks]
                continue
            counted.labelled[phrase.entity_type] += 1
            if not all(taken):
                counted.leaked[phrase.entity_type] += 1
                left = " ".join(w.text for w, gone_too in zip(phrase.words, taken, strict=True) if not gone_too)
                counted.missed.append(f"{call.id} left {phrase.entity_type}: {left!r}")


def _key(turns: Sequence[Turn], turn: int, word: int) -> tuple[Channel, TimeSpan]:
    return turns[turn].channel, turns[turn].words[word].span


def main(argv: Sequence[str] | None = None) -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.wording", description=__doc__.splitlines()[0])
    parser.add_argument("--set", choices=script.FILES, default="fresh")
    parser.add_argument("--seeds", type=int, nargs="*", default=[3])
    parser.add_argument("--list", action="store_true", help="what was missed and what was taken for nothing")
    args = parser.parse_args(argv)
    counted = Counted()
    with tempfile.TemporaryDirectory(prefix="callseal-wording-") as folder:
        rooms = build(load_settings(Path(folder)))
        for seed in args.seeds:
            for template in script.of_set(args.set):
                count(script.fill(template, seed), rooms, counted)
    if args.list and args.set not in script.HELD_OUT:
        print("\n".join(counted.missed))
    for kind, labelled in sorted(counted.labelled.items()):
        print(f"{kind:22}{counted.leaked[kind]:5} of {labelled}")
    entities, leaked = counted.labelled.total(), counted.leaked.total()
    share = 100 * leaked / max(entities, 1)
    over = 100 * counted.taken / max(counted.others, 1)
    print(f"{args.set}: {leaked} of {entities} values left, {share:.1f} %; {over:.1f} % of the other words taken")


if __name__ == "__main__":
    main()
