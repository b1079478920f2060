"""The words of detection, as data: phrases of a conversation, common words, common names.

Takes: ``configs/dialogue.en.toml`` and the lists in ``configs/pii``. Gives: one frozen ``Lexicon``, read once.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING

from pipeline.pii.policy import config_dir

if TYPE_CHECKING:
    from collections.abc import Mapping


class Shape(StrEnum):
    """What the answer to a question looks like."""

    DIGITS = "digits"
    CODE = "code"
    DATE = "date"
    NAME = "name"
    ADDRESS = "address"
    EMAIL = "email"
    FREE = "free"
    SPELLED = "spelled"


@dataclass(frozen=True, slots=True)
class Field:
    """One kind of data that a caller may be asked for.

    Args:
        kind: entity type of the answer.
        shape: what the answer looks like.
        noun: how the field is named, over folded words.
        only: naming the field counts only within a request or an announcement.
        expected: digits of a whole answer; 0 if it has none to count.
    """

    kind: str
    shape: Shape
    noun: re.Pattern[str]
    only: bool
    expected: int


@dataclass(frozen=True, slots=True, repr=False)  # tens of thousands of words
class Lexicon:
    """Everything that the rules know about English; patterns match folded words."""

    backchannel: re.Pattern[str]
    filler: re.Pattern[str]
    cue: re.Pattern[str]
    refusal: re.Pattern[str]
    wish: re.Pattern[str]
    points_back: re.Pattern[str]
    lead: re.Pattern[str]
    quantity_asked: re.Pattern[str]
    quantity_after: re.Pattern[str]
    quantity_before: re.Pattern[str]
    quantity_before_short: re.Pattern[str]
    medicine: re.Pattern[str]
    name_follows: re.Pattern[str]
    name_likely_follows: re.Pattern[str]
    name_may_follow: re.Pattern[str]
    name_garbled_follows: re.Pattern[str]
    name_swallowed: re.Pattern[str]
    firm_follows: re.Pattern[str]
    secret: re.Pattern[str]
    secret_talk: re.Pattern[str]
    typed: re.Pattern[str]
    lives_in: re.Pattern[str]
    keyed: re.Pattern[str]
    goes_on: re.Pattern[str]
    parting: re.Pattern[str]
    place_of_somebody: re.Pattern[str]
    fields: tuple[Field, ...]
    words: Mapping[str, frozenset[str]]
    common: frozenset[str]
    given_names: frozenset[str]
    surnames: frozenset[str]

    def is_common(self, word: str) -> bool:
        """Whether a folded word is everyday vocabulary, possessives and contractions included."""
        stem, _, _ = word.partition("'")
        plain = word.replace("-", "")
        for ending in ("ed", "ing", "ly"):
            root = word.removesuffix(ending)
            if root != word and not self.is_name(word) and (root in self.common or root + "e" in self.common):
                return True
        return word in self.common or (stem in self.common and stem != "o") or plain in self.common

    def is_name(self, word: str) -> bool:
        """Whether a folded word is a widespread given name or family name."""
        stem = word.removesuffix("'s")
        return stem in self.given_names or stem in self.surnames


@cache
def lexicon() -> Lexicon:
    """The English lexicon, read on first use."""
    data = tomllib.loads((config_dir() / "dialogue.en.toml").read_text(encoding="utf-8"))
    talk, quantity = data["talk"], data["quantity"]
    return Lexicon(
        backchannel=re.compile(rf"(?:{talk['backchannel']})(?: (?:{talk['backchannel']}))*"),
        filler=re.compile(talk["filler"]),
        cue=_whole(talk["cue"]),
        refusal=_whole(talk["refusal"]),
        wish=_whole(talk["wish"]),
        points_back=_whole(talk["points_back"]),
        lead=_whole(talk["lead"]),
        quantity_asked=_whole(quantity["asked"]),
        quantity_after=re.compile(quantity["after"]),
        quantity_before=re.compile(quantity["before"]),
        quantity_before_short=re.compile(quantity["before_short"]),
        medicine=re.compile(data["names"]["medicine"]),
        name_follows=_whole(data["names"]["follows"]),
        name_likely_follows=_whole(data["names"]["likely"]),
        name_may_follow=_whole(data["names"]["may"]),
        name_garbled_follows=_whole(data["names"]["garbled"]),
        name_swallowed=_whole(data["names"]["swallowed"]),
        firm_follows=_whole(data["names"]["firm"]),
        secret=_whole(data["talk"]["secret"]),
        secret_talk=_whole(data["talk"]["secret_talk"]),
        typed=re.compile(data["talk"]["typed"]),
        lives_in=_whole(data["places"]["lives_in"]),
        keyed=re.compile(data["talk"]["keyed"]),
        goes_on=_whole(data["names"]["goes_on"]),
        parting=_whole(data["names"]["parting"]),
        place_of_somebody=_whole(data["places"]["of_somebody"]),
        fields=tuple(_field(item) for item in data["field"]),
        words={name: frozenset(listed.split()) for name, listed in data["words"].items()},
        common=_words("common_words") | frozenset(data["words"]["exclamations"].split()),
        given_names=_words("given_names"),
        surnames=_words("surnames"),
    )


def words(name: str) -> frozenset[str]:
    """A set of words of ``configs/dialogue.en.toml`` by its name."""
    return lexicon().words[name]


def _field(item: dict[str, object]) -> Field:
    return Field(
        kind=str(item["kind"]),
        shape=Shape(str(item["shape"])),
        noun=_whole(f"(?:{item['noun']})(?:'s)?"),
        only=bool(item.get("only", False)),
        expected=int(str(item.get("expected", 0))),
    )


def _whole(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![^ ])(?:{pattern})(?![^ ])")


def _words(name: str) -> frozenset[str]:
    return frozenset((config_dir() / "pii" / f"{name}.en.txt").read_text(encoding="utf-8").split())
