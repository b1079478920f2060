"""Names told by the words around them, whatever they were heard as: who speaks, who is thanked, who has a title.

Takes: lines. Gives: spans. Promises: only unsure words, but for who speaks and who
is thanked.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from pipeline.pii.doubts import DOUBT
from pipeline.pii.lexicon import lexicon, words
from pipeline.pii.lines import spans

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.pii.lines import Line, Token
    from pipeline.types import PiiSpan

MAX_TITLED = 6


def placed(lines: Sequence[Line]) -> Iterator[PiiSpan]:
    """Spans of what stands where a name does."""
    for line in lines:
        for start in range(len(line.tokens)):
            here = line.tokens[start : start + 1]
            if start and line.tokens[start - 1].fold in words("name_titles"):
                yield from spans(_titled(line.tokens[start:]), "PERSON", 0.45, "hardly heard after a title")
            if _swallowed(line.tokens, start):
                yield from spans(line.tokens[start : start + 2], "PERSON", 0.45, "a name that was swallowed")
            if _speaks(line.tokens, start):
                yield from spans(here, "PERSON", 0.6, "who says that they are speaking")
            if _is_resumed(line.tokens, start):
                yield from spans(here, "PERSON", 0.45, "hardly heard, and then she or he")
            if _parted_from(line.tokens, start):
                yield from spans(here, "PERSON", 0.6, "a name between thanks and a farewell")


def _titled(tokens: Sequence[Token]) -> Sequence[Token]:
    """What follows on "Mr" up to the last of a few words that was not surely heard, if the first was not."""
    near = tokens[:MAX_TITLED]
    end = next((at + 1 for at, token in enumerate(near) if token.stop or token.pause), len(near))
    doubtful = [at for at, token in enumerate(near[:end]) if token.sure < DOUBT]
    return near[: doubtful[-1] + 1] if doubtful[:1] == [0] else ()


def _swallowed(tokens: Sequence[Token], at: int) -> bool:
    """Whether a name is missing after the last word of an introduction ("This is, how can I help?")."""
    said = " ".join(token.fold for token in tokens[max(0, at - 2) : at + 1])
    if not any(match.end() == len(said) for match in lexicon().name_swallowed.finditer(said)):
        return False
    return lexicon().goes_on.match(" ".join(token.fold for token in tokens[at + 1 : at + 4])) is not None


def _speaks(tokens: Sequence[Token], at: int) -> bool:
    """Whether a word, however it was heard, stands where a greeting has its name ("Harry speaking, how ...")."""
    after = tokens[at + 1 : at + 3]
    if not after or after[0].fold != "speaking" or tokens[at].stop or tokens[at].fold in words("not_speakers"):
        return False
    return after[0].pause or after[0].stop or (len(after) > 1 and after[1].fold in words("after_speaking"))


def _parted_from(tokens: Sequence[Token], at: int) -> bool:
    """Whether a capital stands between thanks and a farewell."""
    token, before = tokens[at], [each.fold for each in tokens[max(0, at - 2) : at]]
    thanked = before[-1:] == ["thanks"] or before == ["thank", "you"]
    farewell = lexicon().parting.match(" ".join(each.fold for each in tokens[at + 1 : at + 4]))
    return thanked and token.capital and token.fold not in words("pronouns") and farewell is not None


def _is_resumed(tokens: Sequence[Token], at: int) -> bool:
    """Whether an unsure word opens a sentence as who is spoken of ("Today is on my lap, she's under two")."""
    if not tokens[at].opens or tokens[at].sure >= DOUBT or [token.fold for token in tokens[at + 1 : at + 2]] != ["is"]:
        return False
    end = next((here for here in range(at, len(tokens)) if tokens[here].stop), len(tokens))
    return any(
        before.pause and after.fold in words("resumed")
        for before, after in itertools.pairwise(tokens[at + 1 : end + 1])
    )
