"""What is told by where it stands: bare answers to any question, odd words with a capital, the number of a house.

Takes: the talk and what was found. Gives: spans. Promises: only what is said right after a question or an address of
the other side; a question for a thing ("which model?") makes no name of its answer, nor does a firm, a place or an
article beside a capital.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.pii.dialogue import sentences
from pipeline.pii.lexicon import lexicon, words
from pipeline.pii.lines import spans
from pipeline.pii.names import is_firm, is_known, looks_like_name
from pipeline.pii.quantity import is_measured
from pipeline.pii.segments import without_lead

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.pii.dialogue import Talk
    from pipeline.pii.lines import Token
    from pipeline.types import PiiSpan

MAX_BARE = 3
MAX_HOUSE = 4
MIN_ODD = 2
UNSURE, DOUBT = 0.4, 0.5


def bare_names(call: Talk) -> Iterator[PiiSpan]:
    """Spans of answers that are, or begin with, nothing but capitalised words out of no dictionary, or letters."""
    before: Sequence[Token] = ()
    for line in call.lines:
        if line.backchannel:
            continue
        for first, end in sentences(line.tokens):
            said = line.tokens[first:end]
            if before and _asks(before) and _is_other(call, before[-1], line.speaker):
                yield from spans(_bare(said), "PERSON", 0.45, "a bare answer")
            before = said


def odd_capitals(call: Talk) -> Iterator[PiiSpan]:
    """Spans of capitalised words inside sentences that are no everyday words and neither a thing nor a place."""
    lower = {token.fold for token in call.tokens if not token.capital}
    for line in call.lines:
        for at, token in enumerate(() if line.backchannel else line.tokens):
            if token.fold not in lower and not token.opens and _is_odd(token) and not _is_thing(line.tokens, at):
                yield from spans((token,), "PERSON", 0.42, "an odd word with a capital")


def _is_odd(token: Token) -> bool:
    stem = token.fold.removesuffix("'s")
    common = lexicon().is_common(stem) or any(lexicon().is_common(stem.removesuffix(end)) for end in ("s", "es"))
    shouted = token.upper and (token.sure >= DOUBT or token.fold in words("abbreviations"))
    named = looks_like_name(token) and len(stem) > MIN_ODD and not shouted
    placed = stem in words("months") or (stem in words("states") and stem not in words("namesake_states"))
    return named and not (common or placed) and lexicon().medicine.fullmatch(stem) is None


def _is_thing(tokens: Sequence[Token], at: int) -> bool:
    """Whether the words around a capital make a thing, a firm or a place of it."""
    before, after = tokens[at - 1], tokens[at + 1 : at + 2] if not (tokens[at].stop or tokens[at].pause) else ()
    told = before.fold == "that" and at > 1 and tokens[at - 2].fold in ("is", "was")
    if before.fold in words("before_things") and not (before.pause or told):
        return True
    near = (*((before,) if not (before.pause or before.stop) else ()), *after)
    beside = [each for each in near if each.capital and not each.opens and len(each.fold) > 1]
    firm = any(each.fold in words("firms") for each in (tokens[at], *beside)) or is_firm(tokens, at, at + 1)
    return firm or (bool(after) and after[0].number) or any(_is_plain_capital(each) for each in beside)


def _is_plain_capital(token: Token) -> bool:
    return lexicon().is_common(token.fold) and not is_known(token) and token.fold not in words("titles")


def _asks(sentence: Sequence[Token]) -> bool:
    return sentence[-1].question and not any(t.fold.removesuffix("'s") in words("things") for t in sentence)


def _is_other(call: Talk, token: Token, speaker: str) -> bool:
    return speaker.startswith("mixed:") or call.turns[token.line].speaker != speaker


def _bare(said: Sequence[Token]) -> Sequence[Token]:
    content = _first_clause(without_lead(said))
    if _is_spelt(content):
        return content
    named = 0 < len(content) <= MAX_BARE and all(looks_like_name(token) for token in content)
    odd = named and not any(token.upper or lexicon().medicine.fullmatch(token.fold) for token in content)
    return content if odd and not content[-1].question else ()


def _first_clause(content: Sequence[Token]) -> Sequence[Token]:
    """What is said before a pause, if that is a word or two; all of it if there is none."""
    pause = next((at + 1 for at, token in enumerate(content[:2]) if token.pause), len(content))
    return content[:pause]


def _is_spelt(content: Sequence[Token]) -> bool:
    """Whether an answer is nothing but letters, at least two: initials, or a name spelled unasked."""
    letters = sum(len(token.fold) for token in content if token.letters or len(token.fold) == 1)
    return letters > 1 and all((t.letters or len(t.fold) == 1) and t.fold.isalpha() for t in content)


def house_numbers(call: Talk, found: Sequence[PiiSpan]) -> Iterator[PiiSpan]:
    """Spans of the number that the other side answers an address with ("Number 9, yes")."""
    for span in found:
        if span.entity_type != "ADDRESS":
            continue
        line = call.turns[span.turn]
        reply = next((each for each in call.turns[span.turn + 1 :] if not each.backchannel), None)
        if reply is None or reply.speaker == line.speaker:
            continue
        content = without_lead(reply.tokens)
        lead = int(bool(content) and (content[0].fold in words("units") or content[0].sure < UNSURE))
        house = content[lead : lead + 1]
        short = bool(house) and house[0].number and len(house[0].digits) <= MAX_HOUSE
        if short and (house[0].pause or house[0].stop or lead) and not is_measured(content, lead, lead + 1):
            yield from spans(content[: lead + 1], "ADDRESS", 0.6, "a number said to an address")
