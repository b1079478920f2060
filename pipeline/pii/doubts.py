"""Names that the recogniser garbled: told by where they stand and by how unsure it was.

Takes: lines, whose tokens know how sure the recogniser was, and names that were found. Gives: spans. Promises: only a
place where a name is usual counts ("thank you, ..., your balance is"), or the sound of a name known from this call.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline.pii.lexicon import lexicon, words
from pipeline.pii.lines import spans
from pipeline.pii.names import goes_on_as_name, looks_like_name
from pipeline.pii.sound import distance, sound

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.pii.lines import Line, Token
    from pipeline.types import PiiSpan

UNSURE = 0.4
"""Probability below which a word may be anything."""
DOUBT = 0.55
"""The same for a word that follows on words that were made up."""
MADE_UP = 0.36
HARDLY, MIN_RUN = 0.35, 3
"""The same for each of so many words in a row."""
NOTHING = 0.23
"""The same for a word that does not even look like a name."""
SURE = 0.7
"""Probability from which on an odd word is what it says."""
MAX_GARBLE = 4
MAX_JOINED = 3
MAX_TIE = 3
SPELLED, SPELLED_ALONE = 3, 5
"""Letters that are somebody's spelling, where it is spoken of and where nothing is said of it."""
SPOKEN_OF_FOR = 6
"""Lines in which letters may follow on talk of spelling: the question, an answer, "mm hmm", the read-back."""
_INTERJECTION = re.compile(r"[aehmouw-]+|y[aeu]+[hps]?|.+ly|s\u00ed")
_TIED = re.compile(r"(?:[a-z]\.?)*[a-z]?\.?as-?in")
"""Letters and the "as in" behind them in one word ("G.H.Asin Hotel")."""
LONG_KEY = 4
"""Consonants in a name from which on its sound is unlikely to come about by chance."""


def garbled(lines: Sequence[Line]) -> Iterator[PiiSpan]:
    """Spans of unsure words where a name is usual, and of odd words that a turn opens with and pauses after."""
    for line in lines:
        for start in range(len(line.tokens)):
            if _after_address(line.tokens, start):
                run = _unsure_run(line.tokens, start, UNSURE if not _after_name(line.tokens, start) else DOUBT)
                yield from spans(run, "PERSON", 0.45, "an unsure word where a name is usual")
            elif start == 0 and (opening := _unsure_opening(line.tokens)):
                yield from spans(opening, "PERSON", 0.45, "unsure where a turn opens")
            elif _calls_out(line.tokens, start):
                yield from spans(line.tokens[start : start + 1], "PERSON", 0.45, "an odd word called out first")
            elif run := _hardly_heard(line.tokens, start):
                yield from spans(run, "PERSON", 0.45, "words in a row that were hardly heard")
            elif _made_up(line.tokens[start]):
                end = start + 2 if _goes_with(line.tokens, start + 1) else start + 1
                yield from spans(line.tokens[start:end], "PERSON", 0.45, "an odd word, all but made up")


def _after_address(tokens: Sequence[Token], start: int) -> bool:
    said = " ".join(token.fold for token in tokens[max(0, start - 4) : start])
    return any(match.end() == len(said) for match in lexicon().name_garbled_follows.finditer(said))


def _after_name(tokens: Sequence[Token], start: int) -> bool:
    """Whether "name is" or "name was" stands right before, after which nothing else is said."""
    said = [token.fold for token in tokens[max(0, start - 2) : start]]
    apart = said[-1:] == ["name"] and tokens[start - 1].pause
    return apart or said[-1:] == ["name's"] or (said[:1] == ["name"] and said[1:] in (["is"], ["was"]))


def _unsure_run(tokens: Sequence[Token], start: int, least: float) -> Sequence[Token]:
    """Words up to the clause that goes on; nothing if none of them is less sure than ``least``."""
    end = start
    most = MAX_GARBLE if least < DOUBT else MAX_GARBLE + 2
    while end < len(tokens) and end - start < most and not tokens[end].number:
        if _opens_clause(tokens[end]) and not _garbles_on(tokens, start, end):
            break
        end += 1
        torn = end < len(tokens) and tokens[end].sure < DOUBT and _unsure(tokens[start:end], least)
        if tokens[end - 1].stop or (tokens[end - 1].pause and not torn):
            break
    return tokens[start:end] if _unsure(tokens[start:end], least) else ()


def _garbles_on(tokens: Sequence[Token], start: int, at: int) -> bool:
    """Whether a word that could open a clause is one of those that a name was heard as: beside it is nothing surer."""
    after = tokens[at + 1 : at + 2]
    if at == start:
        return _unsure(after)
    beside = tokens[at].sure if tokens[at - 1].pause else tokens[at - 1].sure
    return bool(after) and max(after[0].sure, beside) < DOUBT and not _opens_clause(after[0])


def _unsure_opening(tokens: Sequence[Token]) -> Sequence[Token]:
    """Two words that a turn opens with and the recogniser all but made up, what is before them and what is no surer."""
    first = next((at for at, token in enumerate(tokens) if not lexicon().lead.fullmatch(token.fold)), 0)
    opening = tokens[first : first + MAX_GARBLE - 1]
    odd = [at for at, token in enumerate(opening) if token.sure < MADE_UP and not _is_empty(token)]
    if len(odd) < 2:
        return ()
    end = first + odd[-1] + 1
    while end < len(tokens) and not tokens[end - 1].stop and tokens[end].sure < DOUBT:
        end += 1
    run = tokens[first:end]
    return () if any(token.number for token in run) else run


def _is_empty(token: Token) -> bool:
    return _opens_clause(token) or _INTERJECTION.fullmatch(token.fold) is not None


def _opens_clause(token: Token) -> bool:
    return token.fold in words("clause_openers")


def _unsure(run: Sequence[Token], least: float = UNSURE) -> bool:
    return any(token.sure < least and not _opens_clause(token) for token in run)


def _calls_out(tokens: Sequence[Token], start: int) -> bool:
    token = tokens[start]
    odd = looks_like_name(token) and not lexicon().is_common(token.fold) and not _INTERJECTION.fullmatch(token.fold)
    alone = token.opens and (token.pause or (token.stop and not token.question))
    return alone and odd and token.sure < SURE and not token.upper


def _hardly_heard(tokens: Sequence[Token], start: int) -> Sequence[Token]:
    """At least three words in a row that were hardly heard, one of them out of no dictionary."""
    end = start
    while end < len(tokens) and tokens[end].sure < HARDLY and not tokens[end].number:
        end += 1
    run = tokens[start:end]
    odd = any(not lexicon().is_common(token.fold) and not _INTERJECTION.fullmatch(token.fold) for token in run)
    return run if len(run) >= MIN_RUN and odd else ()


def _made_up(token: Token) -> bool:
    """Whether a word is no everyday one and was hardly heard: a name, more often than not."""
    plain = token.number or lexicon().is_common(token.fold) or _INTERJECTION.fullmatch(token.fold)
    named = token.fold in lexicon().given_names and len(token.fold) > 2
    return token.sure < (MADE_UP if token.capital else UNSURE if named else NOTHING) and not plain


def _goes_with(tokens: Sequence[Token], at: int) -> bool:
    """Whether a capital goes on with the name that the word before it was made up for."""
    if at >= len(tokens) or tokens[at - 1].stop or tokens[at - 1].pause:
        return False
    return goes_on_as_name(tokens, at) or (looks_like_name(tokens[at]) and tokens[at].sure < DOUBT)


def spelled_with_words(lines: Sequence[Line]) -> Iterator[PiiSpan]:
    """Spans of letters where spelling is spoken of, and of "D as in dog" where the letter or its tie was misheard."""
    spoken_of = -SPOKEN_OF_FOR
    for number, line in enumerate(lines):
        kind = "ACCOUNT_NUMBER" if any(token.number for token in line.tokens) else "PERSON"
        if any(token.fold in words("spelling") for token in line.tokens):
            spoken_of = number
        enough = SPELLED if number - spoken_of < SPOKEN_OF_FOR else SPELLED_ALONE
        for at, token in enumerate(line.tokens):
            if _TIED.fullmatch(token.fold) and at + 1 < len(line.tokens):
                lettered = at and not line.tokens[at - 1].pause and token.fold.startswith("asin")
                yield from spans(line.tokens[at - int(bool(lettered)) : at + 2], kind, 0.5, "spelled with a word")
            letters = len(token.fold) if token.letters else 0
            if token.singly > letters > 1 or letters >= enough or (enough == SPELLED and _in_capitals(token)):
                yield from spans(line.tokens[_misheard_first(line.tokens, at) : at + 1], kind, 0.5, "spelled out")
            if token.singly > letters > 0 and (before := _tied_before(line.tokens, at)) < at:
                yield from spans(line.tokens[before : at + 1], kind, 0.5, "spelled with a word")
            first = _misheard_letter(line.tokens, at)
            first = _tied_letter(line.tokens, at) if first is None else first
            if first is not None:
                yield from spans(line.tokens[first : at + 1], kind, 0.5, "spelled with a word")


def _in_capitals(token: Token) -> bool:
    """Whether a word is written as letters are that were said quickly, one after the other."""
    plain = lexicon().is_common(token.fold) or token.fold in words("abbreviations")
    return token.upper and len(token.fold) >= SPELLED and not plain


def _misheard_first(tokens: Sequence[Token], at: int) -> int:
    """Where letters begin: with the word before them, if that is what a letter is heard as ("and OVAK" for NOVAK)."""
    if at == 0 or tokens[at - 1].pause or tokens[at - 1].stop:
        return at
    before = tokens[at - 1]
    letter = before.fold in words("heard_letters") or (before.sure < SURE and before.fold in words("letter_words"))
    return at - 1 if letter else at


def _misheard_letter(tokens: Sequence[Token], at: int) -> int | None:
    """Where a letter stands that is followed by "as in", or what that became, and the word at a position."""
    if at < MAX_TIE or any(token.stop or token.pause for token in tokens[at - 2 : at]):
        return None
    first, second = tokens[at - 2].fold, tokens[at - 1].fold
    letter, word = tokens[at - 3].fold, tokens[at].fold
    if (first, second) == ("as", "in"):
        return at - 3 if len(letter) == 1 or letter in words("heard_letters") else None
    torn = second == "in" and first in words("as_in") and not tokens[at - 3].stop and not tokens[at].number
    explained = letter == word[:1] and letter not in ("a", "i")
    heard = letter in words("heard_letters") and not _opens_clause(tokens[at])
    return at - 3 if torn and (explained or heard) else None


def _tied_before(tokens: Sequence[Token], first: int) -> int:
    """Where spelling begins: with a capital before it that is tied to a misheard letter ("He has an Edward, U")."""
    while first > MAX_TIE and tokens[first - 1].capital and not tokens[first - 1].opens:
        tie = [token.fold for token in tokens[first - MAX_TIE : first - 1]]
        if not all(word in words("as_in") for word in tie) or any(t.stop for t in tokens[first - 4 : first - 1]):
            break
        first -= MAX_TIE + 1
    return first


def _tied_letter(tokens: Sequence[Token], at: int) -> int | None:
    """Where a letter stands that the capitalised word at a position begins with, tied to it by what "as in" became."""
    word = tokens[at]
    tied = at > 1 and (tokens[at - 1].fold == "for" or [token.fold for token in tokens[at - 2 : at]] == ["as", "in"])
    tied = tied and not any(token.pause for token in tokens[at - 2 : at])
    if not (word.capital or tied) or word.letters or word.number or len(word.fold) < MAX_TIE:
        return None
    for back in range(at - 1, max(at - MAX_TIE - 1, -1), -1):
        letter = tokens[back].fold
        code = tokens[back].letters or (tied and tokens[back].upper)
        spelled = code or (len(letter) == 1 and (tied or letter not in "ia"))
        if tokens[back].stop and not spelled:
            return None
        if spelled and word.fold[0] in letter[-2:] and back < at - 1:
            return back
        if tokens[back].fold not in words("as_in") and not spelled:
            return None
    return None


def sounding_alike(lines: Sequence[Line], names: Sequence[str]) -> Iterator[PiiSpan]:
    """Spans of two or three words that together sound like a name known from this call."""
    keys = {key for name in names if len((key := sound(name)).lstrip("a")) >= LONG_KEY}
    for line in lines:
        for start in range(len(line.tokens)):
            for size in range(MAX_JOINED, 1, -1):
                run = line.tokens[start : start + size]
                if len(run) == size and any(_alike(run, key) for key in keys):
                    yield from spans(run, "PERSON", 0.45, "sounds like a name found elsewhere")
                    break


def _alike(run: Sequence[Token], key: str) -> bool:
    if any(token.number or not token.fold.isalpha() for token in run) or any(token.stop for token in run[:-1]):
        return False
    if all(token.sure >= UNSURE for token in run):
        return False
    return distance(sound("".join(token.fold for token in run)), key) <= 1
