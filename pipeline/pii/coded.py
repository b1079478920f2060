"""Answers in figures and letters, however the recogniser heard them: codes, numbers, dates that were misheard.

Takes: what is said in reply to a request. Gives: runs of tokens. Promises: plainly heard talk beside a code stays, and
a quantity is no code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.pii.dialogue import sentences
from pipeline.pii.lexicon import lexicon, words
from pipeline.pii.quantity import is_measured
from pipeline.pii.segments import refuses, without_lead
from pipeline.pii.written import PieceKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.pii.lines import Token

MAX_CODED = 3
MIN_CODE = 3
MAX_CODE = 8
MAX_TAIL = 2
SURE = 0.7


def coded(parts: Sequence[tuple[Token, ...]]) -> Iterator[Sequence[Token]]:
    """Sentences of an answer that hold digits or letters and little else, whole: what is between them was misheard."""
    for part in parts[:MAX_CODED]:
        for first, end in sentences(part):
            content = without_lead(part[first:end])
            if _heard_as_words(content):
                yield content
                continue
            talk = refuses(content) or (content and content[0].fold in words("pronouns"))
            if content and not measures(content) and (_mostly_spelt(content) or not talk):
                yield from _coded_parts(content)


def _heard_as_words(content: Sequence[Token]) -> bool:
    """Whether a short sentence is a code whose first letters were heard as words ("Why is the SE, a 296 5H?")."""
    coded = sum(len(token.fold) for token in content if is_coded(token))
    begun = bool(content) and content[0].fold in words("heard_letters") and not is_coded(content[0])
    return begun and len(content) <= MAX_CODE and coded >= MIN_CODE and not measures(content)


def measures(content: Sequence[Token]) -> bool:
    """Whether a number of an answer plainly counts or measures something."""
    return any(is_measured(content, at, at + 1) for at, token in enumerate(content) if token.number)


def _coded_parts(content: Sequence[Token]) -> Iterator[Sequence[Token]]:
    """Parts of a sentence between words that were plainly heard, as far as they hold digits or letters."""
    unbroken = is_coded(content[0]) and len(content) <= MAX_CODE and not any(token.pause for token in content[:-1])
    for at, part in enumerate((content,) if unbroken else map(_after_clause, between_plain_words(content))):
        if _mostly_spelt(part):
            last = max(at for at, token in enumerate(part) if _is_spelt(token))
            yield part[: last + 1] if _goes_on(part[last + 1 :]) else part
            continue
        core = without_common_ends(part)
        coded = [token for token in core if is_coded(token)]
        if not coded:
            core = coded = _heard_letters(part)
        enough = sum(len(token.fold) for token in coded) >= MIN_CODE or (at == 0 and 2 * len(coded) >= len(core))
        if coded and enough and len(core) <= MAX_CODE:
            yield core


def _after_clause(part: Sequence[Token]) -> Sequence[Token]:
    """What follows a clause of surely heard words that are no figures ("a debit card, 5200 ...")."""
    first = next((at for at, token in enumerate(part) if is_coded(token)), 0)
    clause = part[:first]
    heard = [t for t in clause if t.fold in words("heard_letters") or t.fold in words("code_words") or t.sure < SURE]
    return part[first:] if clause and clause[-1].pause and not heard else part


def _mostly_spelt(content: Sequence[Token]) -> bool:
    """Whether a short sentence is figures and letters, or mostly so and said without a pause."""
    said = sum(token.singly for token in content)
    spelt = sum(token.singly for token in content if _is_spelt(token))
    unbroken = not any(token.pause for token in content[:-1])
    return said >= MIN_CODE and len(content) <= MAX_CODE and (spelt == said or (unbroken and 2 * spelt > said))


def _is_spelt(token: Token) -> bool:
    return is_coded(token) or token.fold in ("a", "one") or token.fold in words("code_words")


def _heard_letters(part: Sequence[Token]) -> list[Token]:
    """Letters that were all heard as words ("ay queue gee"), if there are at least three."""
    heard = [token for token in part if token.fold in words("heard_letters")]
    return heard if len(heard) >= MIN_CODE else []


def between_plain_words(content: Sequence[Token]) -> Iterator[Sequence[Token]]:
    """The parts of a sentence between two plain words and more in a row."""
    plain = [is_plain(token) for token in content]
    start = 0
    for at in range(1, len(content)):
        if plain[at] and plain[at - 1]:
            yield content[start : at - 1]
            start = at + 1
    yield content[start:]


def is_plain(token: Token) -> bool:
    """Whether a token is an everyday word, surely heard, and no letter of a code."""
    plain = not is_coded(token) and token.fold not in words("heard_letters")
    return plain and token.sure >= SURE and lexicon().is_common(token.fold)


def without_common_ends(content: Sequence[Token]) -> Sequence[Token]:
    """The answer from its first token that is no everyday word; a last word or two may have been misheard and stay."""
    kept = [at for at, token in enumerate(content) if is_coded(token) or not lexicon().is_common(token.fold)]
    if not kept:
        return ()
    tail = len(content) - kept[-1] - 1
    keeps_tail = tail <= MAX_TAIL and not content[-1].question and not _goes_on(content[kept[-1] + 1 :])
    first = kept[0]
    while first and content[first - 1].fold in words("heard_letters"):
        first -= 1
    return content[first : None if keeps_tail else kept[-1] + 1]


def _goes_on(tail: Sequence[Token]) -> bool:
    """Whether plainly heard words after a value are talk ("yes", "I think") rather than more of it."""
    sure = bool(tail) and tail[0].fold not in words("heard_letters") and all(token.sure >= SURE for token in tail)
    said = " ".join(token.fold for token in tail)
    return sure and (lexicon().backchannel.fullmatch(said) is not None or tail[0].fold in words("pronouns"))


def is_coded(token: Token) -> bool:
    """Whether a token looks like a part of a number or a code."""
    letter = len(token.fold) == 1 and token.fold not in ("i", "a")
    return (
        token.number
        or token.letters
        or letter
        or token.kind is PieceKind.DATE
        or (token.upper and token.fold not in words("abbreviations"))
    )
