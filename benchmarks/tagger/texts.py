"""Real talk as people wrote it down, for the tagger: the halves of ``benchmarks.text_recall`` that are not scored.

What is in it that scripts have not: how people really talk of their health, their firms and their plans, and how
telephones really mishear names, postcodes and dates.
"""

from __future__ import annotations

import json
import random
import re
from typing import TYPE_CHECKING

from benchmarks import text_recall
from benchmarks.tagger.examples import NUMBER, SORT_OF, UNTOLD, Example
from pipeline.types import Channel

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.text_recall import Case

SIDES = (Channel.AGENT, Channel.CUSTOMER)
"""That take turns in giving commands, which nobody answers."""
TURNS = 24
"""Of a talk that an example is cut to."""
COMMANDS = 16
"""That make up one example."""
COMMAND_SORTS = {"person": "PERSON", "email_address": "EMAIL_ADDRESS"}
UNCERTAIN = frozenset(("artist_name", "audiobook_author", "place_name", "personal_info"))
"""Slots of a command that may be personal data or not; nothing is learnt from their words."""
_SLOT = re.compile(r"\[(\w+) : ([^\]]+)\]|(\S+)")


def texts(seed: int) -> Iterator[Example]:
    """Every example: consultations, answers to a voice robot, conference calls, commands; what is cut where by seed."""
    rng = random.Random(seed)  # noqa: S311 - must be repeatable
    for name, read in text_recall.SPOKEN.items():
        for number, case in enumerate(text_recall.unscored(list(read()))):
            yield from cut(f"{name}_{number}", case, rng.randrange(TURNS))
    yield from _commands(rng)


def cut(name: str, case: Case, first: int) -> Iterator[Example]:
    """Parts of a talk, the first of them shorter."""
    labels = [[""] * len(turn.words) for turn in case.turns]
    for kind, turn, start, end in case.labels:
        labels[turn][start:end] = [SORT_OF.get(kind, NUMBER)] * (end - start)
    for start in range(first - TURNS if first else 0, len(case.turns), TURNS):
        at = slice(max(start, 0), start + TURNS)
        yield Example(name, case.turns[at], tuple(map(tuple, labels[at])))


def _commands(rng: random.Random) -> Iterator[Example]:
    lines = (text_recall.DATA / "slurp_devel.jsonl").read_text(encoding="utf-8").splitlines()
    said = [command(json.loads(line)["sentence_annotation"]) for line in lines]
    rng.shuffle(said)
    for number, start in enumerate(range(0, len(said), COMMANDS)):
        some = said[start : start + COMMANDS]
        spoken = [(SIDES[at % 2], " ".join(word for word, _ in each)) for at, each in enumerate(some)]
        yield Example(
            f"commands_{number}", text_recall.turns_of(spoken), tuple(tuple(sort for _, sort in each) for each in some)
        )


def command(annotated: str) -> Sequence[tuple[str, str]]:
    """The words of a command and their sorts."""
    found = []
    for slot, value, word in _SLOT.findall(annotated):
        sort = UNTOLD if slot in UNCERTAIN else COMMAND_SORTS.get(slot, "")
        found += [(each, sort) for each in (value or word).split()]
    return found
