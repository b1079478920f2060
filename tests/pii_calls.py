"""Calls written as a script, for the tests of detection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.pii import TextEntity, detect, load_policy
from pipeline.types import Channel, PiiSpan, TimeSpan, Turn, Word

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

POLICY = load_policy()
WORD_S = 0.3


class Unmodelled:
    """A recognizer that finds nothing: what is found without it rests on the rules alone."""

    def people(self, texts: Sequence[str]) -> list[list[TextEntity]]:
        """An empty list per text."""
        return [[] for _ in texts]

    def forms(self, texts: Sequence[str]) -> list[list[TextEntity]]:
        """An empty list per text."""
        return [[] for _ in texts]


class Scripted(Unmodelled):
    """A recognizer that takes given words for entities of one kind.

    Args:
        entity_type: the kind.
        values: texts to find.
    """

    def __init__(self, entity_type: str, *values: str) -> None:
        self._entity_type = entity_type
        self._values = values

    def people(self, texts: Sequence[str]) -> list[list[TextEntity]]:
        """Each value's first place in each text."""
        from pipeline.types import CharSpan

        return [
            [
                TextEntity(self._entity_type, CharSpan(text.index(value), text.index(value) + len(value)), 0.85, "test")
                for value in self._values
                if value in text
            ]
            for text in texts
        ]


def turns(script: str, *, mixed: bool = False) -> tuple[Turn, ...]:
    """Turns of a script whose lines begin with ``A:`` (agent) or ``C:`` (customer).

    ``mixed``: on one channel, told apart as a diarizer does. A word with a tilde behind it is one that the recogniser
    was unsure of.
    """
    at, found = 0.0, []
    for line in script.strip().splitlines():
        who, _, text = line.strip().partition(": ")
        words = []
        for word in text.split():
            words.append(Word(word.rstrip("~"), TimeSpan(at, at + WORD_S), 0.2 if word.endswith("~") else 0.9))
            at += WORD_S
        channel = Channel.MIXED if mixed else {"A": Channel.AGENT, "C": Channel.CUSTOMER}[who]
        found.append(Turn(f"SPEAKER_0{'AC'.index(who)}" if mixed else channel.value, channel, tuple(words)))
    return tuple(found)


def found_in(
    script: str, *, mixed: bool = False, known: Mapping[str, Sequence[str]] | None = None
) -> list[tuple[str, str]]:
    """Kind and words of every span that the rules alone find in a script."""
    call = turns(script, mixed=mixed)
    return said(call, detect(call, Unmodelled(), known or {}, POLICY))


def said(call: Sequence[Turn], spans: Sequence[PiiSpan]) -> list[tuple[str, str]]:
    """Kind and words of spans."""
    return [
        (span.entity_type, " ".join(word.text for word in call[span.turn].words[span.words.first : span.words.end]))
        for span in spans
    ]
