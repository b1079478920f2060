"""The phrases of one language: ``configs/consent.<language>.toml``, checked and compiled.

A language is data: the file, and the sentences that test it. A call in a language without a file has no spoken
evidence, so that nothing in it is taken for consent.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping  # noqa: TC003 -- the policy is checked at run time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pipeline.consent.patterns import Match, Pattern, PatternError, compile_pattern
from pipeline.errors import UsageError
from pipeline.types import Purpose

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pipeline.consent.patterns import Token

# What each group of phrases shows, and how many edits of a recogniser it forgives. What restricts may be misheard a
# little more than what permits; answers are short words, of which one edit makes another word.
GROUPS: Final[Mapping[str, int]] = {
    "notice": 2,  # the company says that it records
    "by_me": 1,  # a notice in the first person: on a channel with both voices it may be the caller's own
    "not_notice": 2,  # something else that is recorded, where it stands nearer to the verb than the call does
    "denial": 2,  # not, no longer, if, another call
    "topic": 2,  # names recording without announcing it, so that a tag question after it is about recording
    "request": 2,  # asks whether it may record
    "request_as_question": 2,  # likewise, where a question mark ends the sentence
    "request_not_to_mind": 2,  # likewise, so that a no is a yes
    "not_request": 2,  # asks for leave to note something down
    "tag_question": 1,  # asks about what was said before: "is that all right?"
    "asks_whether": 2,  # a caller asks whether the call is recorded
    "says_so": 1,  # a company says that it records, when a caller asked
    "yes": 0,
    "i_do": 0,  # a yes, but a no to "do you mind"
    "negation": 0,  # makes a yes that it stands beside none
    "plain_yes": 0,  # at the beginning of an answer
    "no": 1,
    "soft_no": 0,  # a no, but a yes to "do you mind"
    "unclear": 1,  # neither yes nor no, whatever else is said
    "plain_no": 0,  # at the beginning of an answer
    "filler": 0,  # no answer yet
    "thanks": 0,  # what a company says to a yes
    "acknowledgement": 0,  # likewise, and what it says to a no
    "caller_says": 0,  # what a caller says and a company does not, where voices are not told apart
    "company_says": 1,  # makes a sentence a company's all the same
    "about_recording": 1,  # a caller speaks of the recording: a doubt, where no other phrase explains it
    "objection": 2,
    "not_objection": 2,
    "confirmation": 2,  # the company says that the recording has stopped
    "key_to_refuse": 1,
    "key_to_consent": 1,
    "limit": 1,  # comes before a purpose that the caller excludes: "not for"
}


@dataclass(frozen=True, slots=True)
class Named:
    """A phrase and its name, such as ``en.notice.on_recorded_line``: the rule that evidence names."""

    name: str
    pattern: Pattern


@dataclass(frozen=True, slots=True)
class Phrases:
    """All phrases of a language.

    Args:
        language: ISO 639-1.
        groups: phrases by group.
        purposes: words that name a purpose.
        digits: words for the keys of a telephone.
    """

    language: str
    groups: Mapping[str, tuple[Named, ...]]
    purposes: Mapping[Purpose, Pattern]
    digits: Mapping[str, str]

    def find(self, group: str, tokens: Sequence[Token]) -> Iterator[tuple[Named, Match]]:
        """Every match of a group's phrases, by where it begins; of those that overlap, the longest."""
        tolerance = GROUPS[group]
        found = [(each, match) for each in self.groups[group] for match in each.pattern.find(tokens, tolerance)]
        found.sort(key=lambda pair: (pair[1].first - pair[1].end, pair[1].edits))
        kept: list[tuple[Named, Match]] = []
        for named, match in found:
            if not any(match.overlaps(other) for _, other in kept):
                kept.append((named, match))
        return iter(sorted(kept, key=lambda pair: pair[1].first))

    def says(self, group: str, tokens: Sequence[Token]) -> bool:
        """Whether any phrase of a group is in the tokens."""
        return any(True for _ in self.find(group, tokens))

    def purposes_in(self, tokens: Sequence[Token]) -> frozenset[Purpose]:
        """The purposes that are named."""
        return frozenset(purpose for purpose, pattern in self.purposes.items() if any(pattern.find(tokens, 1)))


def load_phrases(path: Path) -> Phrases:
    """The phrases in a file.

    Raises:
        UsageError: it cannot be read, or it has a group, a purpose or a pattern that means nothing.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        return _phrases(raw, path.name.split(".")[1])
    except OSError as exc:
        raise UsageError(f"the phrases {path.name} cannot be read: {exc.strerror}") from exc
    except tomllib.TOMLDecodeError as exc:
        raise UsageError(f"the phrases {path.name} are not TOML: {exc}") from exc
    except (PatternError, ValueError, TypeError, AttributeError) as exc:
        raise UsageError(f"the phrases {path.name}: {exc}") from exc


def _phrases(raw: dict[str, Any], language: str) -> Phrases:
    words: dict[str, str] = raw.pop("words", {})
    purposes: dict[str, str] = raw.pop("purposes", {})
    digits: dict[str, str] = raw.pop("digits", {})
    wrong = sorted(raw.keys() ^ GROUPS.keys())
    if wrong:
        raise ValueError(f"unknown or missing: {', '.join(wrong)}")
    return Phrases(
        language,
        {group: tuple(_compiled(language, group, raw[group], words)) for group in GROUPS},
        {Purpose(name): compile_pattern(text, words) for name, text in purposes.items()},
        {**{str(key): str(key) for key in range(10)}, **digits},
    )


def _compiled(language: str, group: str, phrases: Mapping[str, str], words: Mapping[str, str]) -> Iterator[Named]:
    for name, text in phrases.items():
        try:
            yield Named(f"{language}.{group}.{name}", compile_pattern(text, words))
        except PatternError as exc:
            raise PatternError(f"{group}.{name}: {exc}") from exc
