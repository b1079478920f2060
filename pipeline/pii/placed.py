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
    from collections.abc import Callable, Iterator, Sequence

    from pipeline.pii.lines import Line, Token
    from pipeline.types import PiiSpan

HARDLY = 0.4
MAX_TITLED = 6
MAX_CLAUSE = 3


def placed(lines: Sequence[Line]) -> Iterator[PiiSpan]:
    """Spans of what stands where a name does."""
    for line in lines:
        for start in range(len(line.tokens)):
            for tells, score, reason in _PLACES:
                if tells(line.tokens, start):
                    yield from spans(line.tokens[start : start + 1], "PERSON", score, reason)
            if start and line.tokens[start - 1].fold in words("name_titles"):
                titled = _titled(line.tokens[start:], whole=line.tokens[start - 1].stop)
                yield from spans(titled, "PERSON", 0.45, "heard after a title")
            if greeted := _greeting(line.tokens, start):
                yield from spans(greeted, "PERSON", 0.45, "hardly heard after this is")
            if _swallowed(line.tokens, start):
                yield from spans(line.tokens[start : start + 2], "PERSON", 0.45, "a name that was swallowed")


def _titled(tokens: Sequence[Token], *, whole: bool) -> Sequence[Token]:
    """What follows on "Mr" up to the last of a few words that was not surely heard, if the first was not.

    Two or three words to the end of their clause are taken whole if one of them was not surely heard, or if ``whole``:
    the title was heard as the end of a sentence, which it cannot be.
    """
    near = tokens[:MAX_TITLED]
    end = next((at + 1 for at, token in enumerate(near) if token.stop or token.pause), len(near))
    doubtful = [at for at, token in enumerate(near[:end]) if token.sure < DOUBT]
    if (doubtful or whole) and end <= MAX_CLAUSE:
        return near[:end]
    return near[: doubtful[-1] + 1] if doubtful[:1] == [0] else ()


def _greeting(tokens: Sequence[Token], start: int) -> Sequence[Token]:
    """The few words of a clause behind "this is" of which one was hardly heard ("This is a shock." for a name).

    Behind "I'm" one of them must be out of no dictionary, too.
    """
    before = [token.fold for token in tokens[max(0, start - 2) : start]]
    own = before[-1:] == ["i'm"] or before == ["i", "am"]
    if not (own or before == ["this", "is"]) or tokens[start - 1].stop:
        return ()
    end = next((at + 1 for at in range(start, len(tokens)) if _apart(tokens[at])), len(tokens))
    said = tokens[start:end]
    doubtful = any(token.sure < HARDLY for token in said)
    odd = not own or any(not lexicon().is_common(token.fold) for token in said)
    return said if len(said) <= MAX_CLAUSE and doubtful and odd and not any(token.number for token in said) else ()


def _apart(token: Token) -> bool:
    return token.pause or token.stop


def _named_apart(tokens: Sequence[Token], at: int) -> bool:
    """Whether a capital stands by itself behind "my name" or "under", though a full stop was heard between."""
    token = tokens[at]
    if not (at and tokens[at - 1].stop and token.capital and _apart(token)) or _is_talk(token):
        return False
    said = " ".join(each.fold for each in tokens[max(0, at - 2) : at])
    named = said.endswith("my name") or any(m.end() == len(said) for m in lexicon().name_follows.finditer(said))
    return named and not tokens[at - 1].question


def _of_role(tokens: Sequence[Token], at: int) -> bool:
    """Whether a capital between pauses stands right behind who somebody is ("the driver, May, was nice")."""
    token, before = tokens[at], tokens[at - 1] if at else None
    inside = before is not None and before.pause and before.fold in words("roles")
    return inside and token.capital and _apart(token) and not _is_talk(token)


def _greets(tokens: Sequence[Token], at: int) -> bool:
    """Whether a capital by itself stands before "how may I help" and is no word of a greeting."""
    token = tokens[at]
    follows = lexicon().goes_on.match(" ".join(each.fold for each in tokens[at + 1 : at + 4])) is not None
    alone = token.opens and token.capital and _apart(token)
    return alone and follows and at > 0 and not _is_talk(token) and not lexicon().is_common(token.fold)


def _is_talk(token: Token) -> bool:
    talk = words("talk_words") | words("pronouns") | words("clause_openers") | words("exclamations")
    return token.number or token.upper or token.fold in talk or lexicon().lead.fullmatch(token.fold) is not None


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
    if tokens[at].sure < HARDLY:
        return True
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


_PLACES: tuple[tuple[Callable[[Sequence[Token], int], bool], float, str], ...] = (
    (_speaks, 0.6, "who says that they are speaking"),
    (_is_resumed, 0.45, "hardly heard, and then she or he"),
    (_parted_from, 0.6, "a name between thanks and a farewell"),
    (_named_apart, 0.6, "a name right behind the words for it"),
    (_of_role, 0.5, "a name between pauses behind who somebody is"),
    (_greets, 0.5, "who greets"),
)
"""What tells that the word at a position is a name, how surely, and why."""
