"""Names of people: introduced, addressed, found by the named-entity model, or simply well known.

Takes: lines, and what the model found in their written form. Gives: spans. Promises: everyday words, brands and the
first word of a sentence need better reasons than a capital letter before they count as a name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.pii.lexicon import lexicon, words
from pipeline.pii.lines import spans

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator, Sequence

    from pipeline.pii.lines import Line, Token
    from pipeline.types import PiiSpan, WordRange

MAX_NAME = 4
UNSURE = 0.7
_SAYS_WHO = frozenset(("i'm", "am"))
"""Behind these, words that were not surely heard before a name are its beginning ("I'm sold at Brannigan")."""
SURE = 0.5
"""Probability from which on an everyday word before a name is what it says."""


def looks_like_name(token: Token) -> bool:
    """Whether a token alone may be part of a name: letters, a capital, no everyday word, no brand."""
    word = token.fold.removesuffix("'s")
    if not token.capital or token.number or not word.replace("-", "").replace("'", "").isalpha() or len(word) < 2:
        return False
    if word.startswith(("x-", "e-", "t-")):  # "X-ray", "E-mail", "T-shirt"
        return False
    return (
        not {word, word.removesuffix("s")} & words("brands")
        and word not in words("titles")
        and (not lexicon().is_common(word) or is_known(token))
    )


def is_known(token: Token) -> bool:
    """Whether it is a widespread name; one that is also an everyday word needs its capital inside a sentence."""
    word = token.fold.removesuffix("'s")
    if token.number or not (lexicon().is_name(word) or _is_double(word)):
        return False
    return not lexicon().is_common(word) or (token.capital and not token.opens)


def _is_double(word: str) -> bool:
    """Whether it is two names in one ("Lacey-Mae")."""
    parts = word.split("-")
    return len(parts) == 2 and all(len(part) > 1 for part in parts) and any(map(lexicon().is_name, parts))


def _is_somebody(tokens: Sequence[Token], at: int) -> bool:
    """Whether there is a widespread name and neither a state nor, by what stands around it, a month ("in April")."""
    word = tokens[at].fold.removesuffix("'s")
    if not is_known(tokens[at]) or (word in words("states") and word not in words("namesake_states")):
        return False
    if word not in words("months"):
        return True
    before = [token for token in tokens[max(at - 1, 0) : at] if not (token.stop or token.pause)]
    after = tokens[at + 1 : at + 2] if not (tokens[at].stop or tokens[at].pause) else ()
    dated = any(token.number for token in (*before, *after))
    return not dated and not any(token.fold in words("before_month") for token in before)


def name_at(tokens: Sequence[Token], start: int, *, anchored: bool) -> Sequence[Token]:
    """The name that begins at a position, or nothing.

    ``anchored``: something before says that a name comes, so case does not matter; it ends before an everyday word.
    """
    end = start
    while end < len(tokens) and end - start < MAX_NAME and _continues(tokens, start, end, anchored=anchored):
        end += 1
        if tokens[end - 1].stop or (tokens[end - 1].pause and not (_name_follows(tokens, end) or _skips(tokens, end))):
            break
    while end > start and tokens[end - 1].fold in words("particles"):
        end -= 1
    return tokens[start:end]


def _skips(tokens: Sequence[Token], end: int) -> bool:
    """A hesitation between two parts of a name."""
    return end + 1 < len(tokens) and tokens[end].fold in ("um", "uh", "er") and looks_like_name(tokens[end + 1])


def _continues(tokens: Sequence[Token], start: int, end: int, *, anchored: bool) -> bool:
    token = tokens[end]
    if token.number:
        return False
    if anchored and end > start and _skips(tokens, end):
        return True
    if token.letters or looks_like_name(token) or is_known(token) or token.fold in words("particles"):
        return True
    if end > start and goes_on_as_name(tokens, end):
        return True
    word = token.fold.removesuffix("'s")
    odd = word.isalpha() and not lexicon().is_common(word) and word not in words("brands")
    return anchored and odd


def goes_on_as_name(tokens: Sequence[Token], at: int) -> bool:
    """Whether an everyday word has a capital right behind a part of a name ("Dana Wall")."""
    token, before = tokens[at], tokens[at - 1]
    plain = token.opens or token.upper or token.fold in words("brands") | words("firms") | words("pronouns")
    return token.capital and not plain and before.capital and "'" not in token.fold and len(token.fold) > 2


def _name_follows(tokens: Sequence[Token], end: int) -> bool:
    return end < len(tokens) and (tokens[end].letters or (looks_like_name(tokens[end]) and is_known(tokens[end])))


def names_in(tokens: Sequence[Token]) -> Iterator[Sequence[Token]]:
    """Capitalised words inside sentences that are no everyday words, in order."""
    position = 0
    while position < len(tokens):
        name = name_at(tokens, position, anchored=False)
        if name and (is_known(name[0]) or not name[0].opens):
            yield name
        position += max(1, len(name))


def _speaking(tokens: Sequence[Token], start: int) -> bool:
    """Whether a name stands before the word that announces it ("Simone speaking", "Dana here")."""
    end = start + 1
    while (
        end < len(tokens) and end - start < MAX_NAME - 1 and looks_like_name(tokens[end]) and not tokens[end - 1].pause
    ):
        end += 1
    return end < len(tokens) and tokens[end].fold in ("speaking", "here") and looks_like_name(tokens[start])


def introduced(lines: Sequence[Line]) -> Iterator[PiiSpan]:
    """Spans of names that the words around them announce."""
    for line in lines:
        tokens = line.tokens
        for start in range(len(tokens)):
            before = tokens[max(0, start - 6) : start]
            said = " ".join(token.fold for token in before)
            if (strong := _ends(lexicon().name_follows, said)) and not before[-1].stop:
                yield from _spans(name_at(tokens, start, anchored=True) or _odd_name(tokens, start), 0.9, strong)
            elif _ends(lexicon().name_may_follow, said) and not (before[-1].stop and before[-1].question):
                yield from _addressed(tokens, start, said)
            if (_is_somebody(tokens, start) and tokens[start].capital and not tokens[start].upper) or _speaking(
                tokens, start
            ):
                yield from _alone(tokens, start)


def _ends(pattern: re.Pattern[str], said: str) -> str:
    for match in pattern.finditer(said):
        if match.end() == len(said):
            return match.group()
    return ""


def _odd_name(tokens: Sequence[Token], start: int) -> Sequence[Token]:
    """A capital after "my name is" counts, though the word be common, and so does what goes on from it as a name."""
    token = tokens[start]
    if not token.capital or token.number or token.fold in ("i", "i'm"):
        return ()
    ends = token.stop or token.pause
    return (token, *(() if ends else name_at(tokens, start + 1, anchored=False)))


def _addressed(tokens: Sequence[Token], start: int, said: str) -> Iterator[PiiSpan]:
    name = name_at(tokens, start, anchored=False)
    if not name or not name[0].capital or is_firm(tokens, start, start + len(name)):
        return
    sure = bool(_ends(lexicon().name_likely_follows, said))
    after = tokens[start + len(name)] if start + len(name) < len(tokens) else None
    said_of_self = said.endswith(("i'm", "i am", "mr", "mrs", "ms", "dr", "doctor", "miss"))
    ends = said_of_self or name[-1].stop or name[-1].pause or after is None or after.fold in words("after_name")
    from_somewhere = said.endswith("it's") and after is not None and after.fold in words("after_name")
    told = from_somewhere or said.endswith(("this is", "is this"))
    odd = told and not lexicon().is_common(name[0].fold) and not name[0].upper
    likely = (sure and (ends or odd)) or (from_somewhere and odd)
    if any(_is_somebody(tokens, at) for at in range(start, start + len(name))) or (likely and len(name) < MAX_NAME):
        yield from _spans(name, 0.88, "a name after an introduction or a form of address")


def _alone(tokens: Sequence[Token], start: int) -> Iterator[PiiSpan]:
    while start and looks_like_name(tokens[start - 1]) and not (tokens[start - 1].stop or tokens[start - 1].pause):
        start -= 1
    name = name_at(tokens, start, anchored=False)
    if name and not is_firm(tokens, start, start + len(name)):
        yield from _spans(name, 0.8, "a widespread name")


def _spans(name: Sequence[Token], score: float, reason: str) -> Iterator[PiiSpan]:
    if reason and not reason.startswith("a "):
        reason = "a name after an introduction"
    yield from spans(name, "PERSON", score, reason)


def credible(tokens: Sequence[Token], call_lower: frozenset[str]) -> bool:
    """Whether what the model takes for a person can be one.

    Args:
        tokens: what it found.
        call_lower: words that this call also says without a capital.
    """
    content = [token for token in tokens if token.fold not in words("particles")]
    likely = [token for token in content if looks_like_name(token) and token.fold not in call_lower]
    if not likely or any(token.number or token.fold in words("brands") for token in content):
        return False
    if any(_is_somebody(likely, at) for at in range(len(likely))):
        return True
    if len(likely) == 1 and lexicon().medicine.fullmatch(likely[0].fold):
        return False
    return len(likely) >= 2 or not likely[0].opens


def without_title(tokens: Sequence[Token]) -> Sequence[Token]:
    """What a model found, from its first capital on that is no title ("Ms Delacroix", "for calling Brightwire")."""
    first = 0
    while first < len(tokens) and tokens[first].fold not in words("particles"):
        if tokens[first].capital and tokens[first].fold not in words("titles"):
            break
        first += 1
    return tokens[first:] if first < len(tokens) and any(token.capital for token in tokens) else tokens


def is_firm(tokens: Sequence[Token], start: int, end: int) -> bool:
    """Whether capitals name a firm: by its kind among or behind them, or by the greeting right before them.

    "Harbour Insurance Brokers", "Ledgerly support", "thank you for calling Brightwire"; a widespread name in a greeting
    is somebody's, unless a kind of firm follows it.
    """
    kinds, titled = words("firms"), start > 0 and tokens[start - 1].fold in words("titles")
    if titled or tokens[end - 1].fold.endswith("'s"):
        return False
    named = [token for token in tokens[start:end] if token.fold not in words("particles")]
    after = tokens[end : end + 1] if end and not (tokens[end - 1].stop or tokens[end - 1].pause) else ()
    if any(token.fold in kinds for token in named) or (bool(after) and after[0].fold in kinds | words("desks")):
        return True
    before = tokens[max(0, start - 3) : start]
    if not before or before[-1].stop or before[-1].pause or any(is_known(token) for token in named):
        return False
    said = " ".join(token.fold for token in before)
    return any(match.end() == len(said) for match in lexicon().firm_follows.finditer(said))


def is_articled(tokens: Sequence[Token], start: int, end: int) -> bool:
    """Whether one capital that is no widespread name stands right behind an article ("the Berber")."""
    before = tokens[start - 1 : start] if start else ()
    article = bool(before) and before[0].fold in ("a", "an", "the") and not (before[0].pause or before[0].stop)
    return article and end - start == 1 and not is_known(tokens[start])


def introducing(line: Line, words: WordRange) -> Sequence[Token]:
    """What stands between an introduction and a name found soon after it, if it may be that name's start, misheard."""
    end = next((at for at, token in enumerate(line.tokens) if token.words.overlaps(words)), 0)
    for start in range(end, max(end - MAX_NAME, -1), -1):
        said = " ".join(token.fold for token in line.tokens[max(0, start - 4) : start])
        between = line.tokens[start:end]
        torn = any(token.sure < UNSURE for token in between) and not any(t.stop or t.pause or t.number for t in between)
        if torn and start and not line.tokens[start - 1].stop and line.tokens[start - 1].fold in _SAYS_WHO:
            return between
        if _ends(lexicon().name_garbled_follows, said) and not any(t.stop or t.number for t in between):
            return () if _is_plain_talk(between) else between
    return ()


def _is_plain_talk(said: Sequence[Token]) -> bool:
    """Whether everyday words were plainly heard that no name goes on from ("hello dear, it's", "for calling")."""
    ends = bool(said) and (said[-1].pause or said[-1].fold in words("clause_openers") | words("pronouns"))
    ends = ends or (bool(said) and said[0].fold == "for")
    return ends and all(token.sure >= SURE and lexicon().is_common(token.fold) for token in said)


def first_of(line: Line, words_: WordRange) -> Sequence[Token]:
    """An initial or another capitalised word right before a name found inside a sentence ("M Raman", "Per Holm")."""
    end = next((at for at, token in enumerate(line.tokens) if token.words.overlaps(words_)), 0)
    before = line.tokens[end - 1 : end] if end else ()
    if not before or before[0].stop or before[0].pause or before[0].number or not before[0].capital:
        return ()
    word = before[0].fold
    plain = len(word) > 1 and lexicon().lead.fullmatch(word)
    if before[0].opens or plain or word.startswith("i'") or word in {"i", "a"} | words("titles") | words("brands"):
        return ()
    return before


def beside(line: Line, words: WordRange) -> Sequence[Token]:
    """The capitalised name right before a number found in a line, or nothing ("Margot Beaumont, 555 ...")."""
    end = next((at for at, token in enumerate(line.tokens) if token.words.overlaps(words)), 0)
    start = end
    while start and end - start < MAX_NAME - 1 and looks_like_name(line.tokens[start - 1]):
        if line.tokens[start - 1].stop:
            break
        start -= 1
    name = line.tokens[start:end]
    return name if len(name) >= 2 or (name and is_known(name[0])) else ()
