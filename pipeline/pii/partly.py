"""Values of which only a part was heard: figures, letters, names and mailboxes amid words that are anything but sure.

Takes: the talk and what was found. Gives: spans that take in the hardly heard words beside the part. Promises: never
over a quantity, and never over more than a few words of which none was hardly heard.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.pii.lexicon import lexicon, words
from pipeline.pii.lines import spans
from pipeline.pii.quantity import is_measured, is_quantity
from pipeline.pii.segments import without_lead

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.pii.dialogue import Talk
    from pipeline.pii.lines import Line, Token
    from pipeline.types import PiiSpan

DOUBT = 0.6
"""Probability below which a word beside a part may belong to it."""
UNSURE = 0.4
HARDLY = 0.3
"""Probability below which a word was hardly heard: without one, nothing is taken in."""
PIECE = 0.8
MAX_BESIDE = 6
MAX_BEFORE = 5
MAX_PART = 6
"""Characters of a part; more than these are heard whole, more often than not."""
_NET = frozenset(("EMAIL_ADDRESS", "URL"))


def partly_coded(lines: Sequence[Line]) -> Iterator[PiiSpan]:
    """Spans of figures, letters and code words together with the hardly heard words beside them."""
    for line in lines:
        for at in range(len(line.tokens)):
            if _is_part(line.tokens, at):
                before = without_lead(line.tokens[_back(line.tokens, at) : at])
                after = line.tokens[at + 1 : _on(line.tokens, at + 1)]
                run = (*before, line.tokens[at], *after)
                if any(token.sure < UNSURE and not token.number for token in (*before, *after)):
                    yield from spans(run, "ACCOUNT_NUMBER", 0.45, "part of a code, hardly heard")


def _is_part(tokens: Sequence[Token], at: int) -> bool:
    token = tokens[at]
    if token.fold in words("code_words"):
        return token.fold != "oh"
    if len(token.fold) > MAX_PART:
        return False
    if token.number:
        lone = token.fold.isdecimal() and not len(token.digits) == token.singly > 1
        return not lone and not is_quantity(tokens, at, at + 1)
    odd = token.upper and not lexicon().is_common(token.fold) and token.fold not in words("abbreviations")
    return token.letters or odd


def _back(tokens: Sequence[Token], at: int) -> int:
    """Where the words begin that are hardly heard in a row before a position, one surer word between allowed."""
    first = at
    for here in range(at - 1, max(at - MAX_BESIDE, 0) - 1, -1):
        if is_measured(tokens, here, here + 1) and tokens[here].number:
            break
        if tokens[here].sure < DOUBT:
            first = here
        elif first - here > 1:
            break
    return first - 1 if 0 < first < at and tokens[first - 1].opens else first


def _on(tokens: Sequence[Token], end: int) -> int:
    last = end
    for here in range(end, min(end + MAX_BESIDE, len(tokens))):
        if tokens[here].number and is_measured(tokens, here, here + 1):
            break
        if tokens[here].sure < DOUBT:
            last = here + 1
        elif here - last >= 1:
            break
    return _with_tied(tokens, last)


def _with_tied(tokens: Sequence[Token], end: int) -> int:
    """Past the word that a letter is tied to by the "as" which a value cannot end in."""
    if tokens[end - 1].fold != "as" or tokens[end - 1].stop:
        return end
    tie = int(tokens[end].fold in words("as_in")) if end < len(tokens) else 0
    return min(end + tie + 1, len(tokens))


def partly_heard(call: Talk, found: Sequence[PiiSpan]) -> Iterator[PiiSpan]:
    """Spans from the first doubtful word before a doubtful name, or before an address on the net, to its start."""
    for span in found:
        if span.entity_type == "PERSON" or span.entity_type in _NET:
            tokens = call.turns[span.turn].tokens
            at = next((at for at, token in enumerate(tokens) if token.words.overlaps(span.words)), 0)
            first = _garbled_before(tokens, at, name=span.entity_type == "PERSON")
            if span.entity_type in _NET and (lettered := _lettered_before(tokens, first)) < first:
                yield from spans(tokens[lettered:at], "EMAIL_ADDRESS", 0.5, "letters before it")
            kind, score = ("EMAIL_ADDRESS", 0.5) if span.entity_type in _NET else ("PERSON", 0.45)
            yield from spans(without_lead(tokens[first:at]), kind, score, "hardly heard before it")


def torn_names(call: Talk, found: Sequence[PiiSpan]) -> Iterator[PiiSpan]:
    """Spans from hardly heard names over what is not surely heard right beside them: pieces of the same name."""
    for span in found:
        if span.entity_type != "PERSON":
            continue
        tokens = call.turns[span.turn].tokens
        inside = [at for at, token in enumerate(tokens) if token.words.overlaps(span.words)]
        if not inside or min(tokens[at].sure for at in inside) >= UNSURE:
            continue
        first, end = inside[0], inside[-1] + 1
        while first and not (tokens[first - 1].stop or tokens[first - 1].pause) and _is_piece(tokens[first - 1]):
            first -= 1
        while end < len(tokens) and not (tokens[end - 1].stop or tokens[end - 1].pause) and _is_piece(tokens[end]):
            end += 1
        if (first, end) != (inside[0], inside[-1] + 1):
            yield from spans(tokens[first:end], "PERSON", 0.45, "not surely heard beside a name")


def _is_piece(token: Token) -> bool:
    talk = words("clause_openers") | words("pronouns")
    return token.sure < PIECE and not (token.number or token.fold in talk)


def _lettered_before(tokens: Sequence[Token], at: int) -> int:
    """Where an address begins: with capitals and letters before it, and what they were heard as ("I am ERC, ER...")."""
    first = at
    while first and not tokens[first - 1].stop and (tokens[first - 1].upper or tokens[first - 1].letters):
        first -= 1
    if first == at or lexicon().is_common(tokens[first].fold):
        return at
    heard_as = [token.fold for token in tokens[max(first - 2, 0) : first]]
    return first - 2 if heard_as == ["i", "am"] else first


def _garbled_before(tokens: Sequence[Token], at: int, *, name: bool) -> int:
    if not at or (name and not (tokens[at].capital and HARDLY <= tokens[at].sure < DOUBT)):
        return at
    first, hardly = at, False
    for here in range(at - 1, max(at - MAX_BEFORE, 0) - 1, -1):
        parted = tokens[here].stop or (tokens[here].pause and here == at - 1) or tokens[here].number
        if (parted and (name or tokens[here].sure >= UNSURE)) or (name and _introduces(tokens, here)):
            break
        if tokens[here].sure < DOUBT:
            first = here
            hardly = hardly or tokens[here].sure < HARDLY
        elif first - here > 2:
            break
    return first if hardly else at


def _introduces(tokens: Sequence[Token], at: int) -> bool:
    """Whether a name begins right after a position, by the words that end there ("my name is")."""
    said = " ".join(token.fold for token in tokens[max(0, at - 3) : at + 1])
    return any(match.end() == len(said) for match in lexicon().name_follows.finditer(said))
