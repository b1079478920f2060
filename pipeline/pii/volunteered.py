"""What nobody asked for: a secret told in passing, a town where somebody lives, the expiry behind a card's number.

Takes: the talk, and where the number of a card was found. Gives: spans. Promises: a secret is one short clause of words
of content; a town needs a capital and "lives in" before it; an expiry is a month and a year.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from pipeline.pii.answers import MAX_GARBLED
from pipeline.pii.asked import NEAR_CARD
from pipeline.pii.dates import dates
from pipeline.pii.dialogue import clauses
from pipeline.pii.lexicon import lexicon, words
from pipeline.pii.lines import spans
from pipeline.pii.segments import HARDLY, without_lead

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.pii.dialogue import Talk
    from pipeline.pii.lines import Line, Token
    from pipeline.types import PiiSpan

MAX_SECRET = 3
"""Words of a secret that is told in passing."""
MAX_CLAUSES = 4
"""Clauses behind the word for a secret within which it is told."""
NEAR_TALK = 4
"""Lines since a secret was talked of."""
CARD = 8
"""Digits of a card's number from which on its expiry may follow."""


def volunteered(call: Talk) -> Iterator[PiiSpan]:
    """Spans of secrets told in passing and of towns where somebody lives."""
    talked_at = -NEAR_TALK - 1
    asked: Line | None = None
    for number, line in enumerate(call.lines):
        yield from spans(_secret(line), "PASSWORD", 0.6, "a secret told in passing")
        yield from spans(_typed(line.tokens), "PASSWORD", 0.6, "a word of which is said how it is typed")
        if asked is not None and number - talked_at <= NEAR_TALK and asked.speaker != line.speaker:
            yield from spans(_bare(line), "PASSWORD", 0.5, "a bare answer where a secret is talked of")
        if lexicon().secret_talk.search(" ".join(token.fold for token in line.tokens)):
            talked_at = number
        if not line.backchannel:
            asked = line if line.tokens[-1].question else None
        for at, token in enumerate(line.tokens):
            if token.fold == "slash" and all(each.number for each in line.tokens[at - 1 : at + 2 : 2]) and at > 0:
                yield from spans(line.tokens[at - 1 : at + 2], "CARD_EXPIRY", 0.5, "numbers with a slash between")
            if _is_town(line.tokens, at):
                yield from spans((token,), "LOCATION", 0.6, "where somebody lives")


def _secret(line: Line) -> Sequence[Token]:
    """The first clause of a few words of content behind the word for a secret ("my usual password, paper moon")."""
    text, starts = "", {}
    for at, token in enumerate(line.tokens):
        starts[len(text)] = at
        text += token.fold + " "
    match = lexicon().secret.search(text)
    if match is None:
        return ()
    named = next((at for start, at in starts.items() if start >= match.end() - 1), len(line.tokens))
    if any(token.question for token in line.tokens[named - 1 : named]):
        return ()
    for clause in itertools.islice(clauses(line.tokens[named - 1 :]), 1, MAX_CLAUSES + 1):
        if clause[0].sure <= HARDLY and not clause[0].number:
            return clause[:MAX_GARBLED]
        content = _before_talk(without_lead(clause))
        if 0 < len(content) <= MAX_SECRET and _tells(content):
            return content
    return ()


def _bare(line: Line) -> Sequence[Token]:
    """What a reply says in up to three words of content before it goes on."""
    for clause in itertools.islice(clauses(line.tokens), 2):
        content = _before_talk(without_lead(clause))
        if content:
            return content if len(content) <= MAX_SECRET and _tells(content) else ()
    return ()


def _typed(tokens: Sequence[Token]) -> Sequence[Token]:
    """The word or two in front of a clause that says how they are typed ("sandpiper, all one word")."""
    for clause, after in itertools.pairwise(clauses(tokens)):
        if lexicon().typed.match(" ".join(token.fold for token in after)):
            first = len(clause)
            while first and len(clause) - first < MAX_SECRET - 1 and _tells(clause[first - 1 : first]):
                first -= 1
            return clause[first:]
    return ()


def _before_talk(clause: Sequence[Token]) -> Sequence[Token]:
    """A clause up to the word with which the next one begins ("paper moon if you need it")."""
    opens = words("clause_openers") | words("pronouns")
    return clause[: next((at for at, token in enumerate(clause) if token.fold in opens), len(clause))]


def _tells(content: Sequence[Token]) -> bool:
    """Whether a clause is nothing but words of content: no question, no number, no word that makes talk of it."""
    talk = words("clause_openers") | words("pronouns") | words("exclamations") | words("talk_words")
    plain = any(t.fold in talk or "'" in t.fold or t.number or lexicon().filler.fullmatch(t.fold) for t in content)
    return not (plain or content[-1].question)


def _is_town(tokens: Sequence[Token], at: int) -> bool:
    """Whether a capital that is no everyday word stands behind "lives in"."""
    token = tokens[at]
    if (
        not token.capital
        or token.digits
        or token.upper
        or lexicon().is_common(token.fold)
        or token.fold in words("brands")
    ):
        return False
    before = tokens[max(0, at - 4) : at]
    cut = max((place + 1 for place, each in enumerate(before[:-1]) if each.stop or each.pause), default=0)
    said = " ".join(each.fold for each in before[cut:])
    return any(match.end() == len(said) for match in lexicon().lives_in.finditer(said))


def expiries(call: Talk, found: Sequence[PiiSpan]) -> Iterator[PiiSpan]:
    """Spans of a month and a year said soon after the number of a card."""
    for span in found:
        if span.entity_type != "CREDIT_CARD":
            continue
        card = [token for token in call.turns[span.turn].tokens if token.words.overlaps(span.words)]
        if sum(len(token.digits) for token in card) < CARD:
            continue
        end = call.position(card[-1]) + 1
        for line in call.lines:
            if call.last(line) <= end or call.firsts[line.index] > end + NEAR_CARD:
                continue
            for date in dates(line.tokens):
                said = line.tokens[date.first : date.end]
                near = end <= call.firsts[line.index] + date.first <= end + NEAR_CARD
                digits = "".join(token.digits for token in said)
                if near and date.month and len(digits) in (2, 4) and digits[-2:] > "23" and not _is_day(digits):
                    yield from spans(said, "CARD_EXPIRY", 0.6, "month and year after the number of a card")


def _is_day(digits: str) -> bool:
    """Whether two digits may be a day of the month."""
    return len(digits) == 2 and int(digits) <= 31
