"""Values that their own shape tells, whatever was asked for: user names, dictated codes, passwords with a sign in them.

Takes: lines. Gives: spans. Promises: a word of a menu ("press the pound sign") and a product ("windows11") are none.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline.pii.lexicon import lexicon, words
from pipeline.pii.lines import spans
from pipeline.pii.written import PieceKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.pii.lines import Line, Token
    from pipeline.types import PiiSpan

MIN_CODE_WORDS = 3
KEYED = 2
UNSURE = 0.5
MAX_SIGNED = 6
"""Words before a sign that may be a password with it."""
_LOGIN = re.compile(r"([a-z][a-z._-]{3,})\d{1,4}")
_SIGN = re.compile(
    r"(?:exclamation|question) (?:mark|point)|(?:number|hash|hashtag|dollar|pound|percent|at|plus|equals) sign"
    r"|ampersand|asterisk|semicolon|backslash|hashtag|underscore"
)


def shaped(lines: Sequence[Line]) -> Iterator[PiiSpan]:
    """Spans of values that their shape tells."""
    for line in lines:
        for at, token in enumerate(line.tokens):
            if _is_login(token):
                yield from spans((token,), "USERNAME", 0.5, "a word with figures at its end")
            if end := _sign_end(line.tokens, at):
                yield from spans(line.tokens[_start(line.tokens, at) : end], "PASSWORD", 0.5, "words with a sign")
            if _is_keyed(line.tokens, at):
                yield from spans(line.tokens[at - 1 : at + 2], "PIN", 0.5, "figures keyed in with a sign between")
        for run in _dictated(line.tokens):
            yield from spans(run, "ACCOUNT_NUMBER", 0.5, "a code said letter by letter")


def _is_keyed(tokens: Sequence[Token], at: int) -> bool:
    """Whether a key with a sign stands between figures said one by one ("8 8 1 star 2 4 0")."""
    beside = (*tokens[max(0, at - 1) : at], *tokens[at + 1 : at + 2])
    keyed = len(beside) == KEYED and all(t.fold.isdecimal() and t.singly == len(t.digits) > 1 for t in beside)
    return keyed and tokens[at].fold in ("star", "pound", "hash", "asterisk")


def _dictated(tokens: Sequence[Token]) -> Iterator[Sequence[Token]]:
    """Code words, letters and figures in a row ("X-ray, Tango, 54, Bravo"): three code words, or more of all kinds."""
    start = 0
    for at in range(len(tokens) + 1):
        if at < len(tokens) and _is_dictated(tokens[at]) and not (at > start and tokens[at - 1].stop):
            continue
        if start < at < len(tokens) - 1 and tokens[at].sure < UNSURE and _is_dictated(tokens[at + 1]):
            continue
        run = tokens[start:at]
        named = sum(_is_code_word(token) for token in run)
        lettered = named + sum(not (token.number or _is_code_word(token)) for token in run)
        if named >= MIN_CODE_WORDS or (lettered > 1 and any(t.number for t in run) and len(run) > MIN_CODE_WORDS):
            yield run
        start = at if at < len(tokens) and _is_dictated(tokens[at]) else at + 1


def _is_dictated(token: Token) -> bool:
    if token.number:
        return not token.quantity
    letter = token.letters or (len(token.fold) == 1 and token.fold.isalpha() and token.fold not in "ai")
    return letter or _is_code_word(token)


def _is_code_word(token: Token) -> bool:
    """Whether it stands for a letter; "3, November" reads as a date."""
    return token.fold in words("code_words") or (token.kind is PieceKind.DATE and token.fold.endswith("november"))


def _is_login(token: Token) -> bool:
    found = None if token.capital else _LOGIN.fullmatch(token.fold)
    plain = found is not None and (lexicon().is_common(found[1]) or found[1] in words("brands"))
    return found is not None and not plain


def _sign_end(tokens: Sequence[Token], at: int) -> int:
    """Past the name of a sign that begins at a position; 0 if there is none, or a key is spoken of."""
    size = next((n for n in (2, 1) if _SIGN.fullmatch(" ".join(t.fold for t in tokens[at : at + n]))), 0)
    near = {token.fold for token in (*tokens[max(0, at - 4) : at], *tokens[at + size : at + size + 2])}
    return 0 if not size or near & words("keypad") else at + size


def _start(tokens: Sequence[Token], at: int) -> int:
    """Where what the sign belongs to begins: after the word that leads into it."""
    start = at
    while start and at - start < MAX_SIGNED and not tokens[start - 1].stop:
        if tokens[start - 1].fold in words("before_value") | words("pronouns") | {"to", "be", "put", "type", "enter"}:
            linked = tokens[start - 1].fold in ("and", "then") and start > 1
            if not linked:
                break
        start -= 1
    return start
