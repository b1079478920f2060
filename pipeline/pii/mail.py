"""Addresses on the net: e-mail addresses, written or left as words, and IP addresses.

Takes: lines. Gives: spans. Promises: an address whose local part was spelled or split is taken back to where it begins.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline.pii.lexicon import lexicon, words
from pipeline.pii.lines import spans
from pipeline.types import CharSpan, PiiSpan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.pii.lines import Line, Token

_MAIL = re.compile(r"[\w.+%-]+ ?@ ?[\w-]+(?:\.[\w-]+)+", re.IGNORECASE)
_SITE = re.compile(r"\bwww\.[\w-]+(?:\.[\w-]+)+", re.IGNORECASE)
_BARE = re.compile(
    r"(?<![\w@.])[^\W\d_][\w-]+(?:\.[\w-]{2,})*\.(?:com|org|net|edu|gov|biz|info|io|example(?:\.\w{2,3})?)\b",
    re.IGNORECASE,
)
_DOMAIN = re.compile(r"@?[\w-]+(?:\.[\w-]+)*\.[a-z]{2,8}")
_DOTTED = re.compile(r"[a-z]{3,}[._][a-z]{3,}")
"""A mailbox whose "at" was not heard as one."""
_DOTS = ("dot", ".", "")  # a sign alone folds to nothing
_FIGURES = re.compile(r"\d[\d.]*\.[\d.]*\d")
MAX_BACK = 8
UNSURE = 0.5
IP_PARTS = 4


def mail(lines: Sequence[Line], streams: Sequence[Sequence[Token]]) -> Iterator[PiiSpan]:
    """Spans of every e-mail address, and of every site or bare domain: what is left of an address often is one."""
    forms = ((_MAIL, "EMAIL_ADDRESS", "an e-mail address"), (_SITE, "URL", "a site"), (_BARE, "URL", "a domain"))
    for line in lines:
        for form, kind, reason in forms:
            for match in form.finditer(line.written.text):
                yield PiiSpan(kind, line.index, line.words(CharSpan(match.start(), match.end())), 0.95, reason)
        for at, token in enumerate(line.tokens):
            if _DOTTED.fullmatch(token.fold):
                yield from spans((token,), "EMAIL_ADDRESS", 0.6, "a word with a dot in it")
            if end := _figures_end(line.tokens, at):
                yield from spans(line.tokens[at:end], "IP_ADDRESS", 0.6, "figures with dots between")
    for stream in streams:
        for position, token in enumerate(stream):
            end = _domain_end(stream, position) if token.fold in ("at", "@") and _has_local(stream, position) else 0
            if end:
                start = _local_start(stream, position)
                yield from spans(stream[start:end], "EMAIL_ADDRESS", 0.85, "an e-mail address in words")


def _figures_end(tokens: Sequence[Token], at: int) -> int:
    """Past figures with three dots or more in them, wherever the recogniser parted them ("198.5 1.100.56"); or 0."""
    end = at
    while end < len(tokens) and _FIGURES.fullmatch(tokens[end].fold):
        end += 1
    dots = sum(token.fold.count(".") for token in tokens[at:end])
    return end if end - at > 1 and dots >= IP_PARTS - 1 else 0


def address_start(tokens: Sequence[Token]) -> int:
    """Where the first whole e-mail address begins among tokens, in words or written; 0 if there is none."""
    for position, token in enumerate(tokens):
        if _MAIL.fullmatch(token.fold):
            return position
        if token.fold in ("at", "@") and _has_local(tokens, position) and _domain_end(tokens, position):
            return _local_start(tokens, position)
    return 0


def _domain_end(stream: Sequence[Token], at: int) -> int:
    """Past the last token of a domain that begins after ``at``; 0 if there is none."""
    if at + 1 < len(stream) and _DOMAIN.fullmatch(stream[at + 1].fold):
        return at + 2
    for position in range(at + 2, min(at + 8, len(stream) - 1)):
        top = stream[position + 1]
        if stream[position].fold == "dot" and top.stop and top.sure < UNSURE:
            return position + 2
        if stream[position].fold in _DOTS and top.fold in words("top_domains"):
            end = position + 2
            while end + 1 < len(stream) and stream[end].fold in _DOTS and stream[end + 1].fold in words("top_domains"):
                end += 2
            return end
    return 0


def _has_local(stream: Sequence[Token], at: int) -> bool:
    """Whether what stands before "at" can be a mailbox ("our website at example.com" has none)."""
    if not at:
        return False
    before = stream[at - 1]
    joined = at > 1 and stream[at - 2].fold in words("mail_glue")
    return before.number or before.letters or joined or not lexicon().is_common(before.fold) or len(before.fold) == 1


def _local_start(stream: Sequence[Token], at: int) -> int:
    start = at
    while start > 0 and at - start < MAX_BACK:
        token = stream[start - 1]
        if token.stop and start < at and token.fold not in words("mail_glue"):
            break
        glued = start < at and stream[start].fold in words("mail_glue")
        piece = token.number or token.letters or token.fold in words("mail_glue") or len(token.fold) == 1
        if start < at and not (piece or glued or not lexicon().is_common(token.fold)):
            break
        start -= 1
    misheard = start and start < at and stream[start - 1].fold in words("heard_letters")
    return start - 1 if misheard and not stream[start - 1].stop else start


def net_addresses(stream: Sequence[Token]) -> Iterator[PiiSpan]:
    """Spans of "two zero three dot zero dot one one three dot nine": four numbers with dots between."""
    position = 0
    while position < len(stream):
        end, numbers = position, 0
        while end < len(stream) and stream[end].number:
            numbers += 1
            end += 1
            if end + 1 < len(stream) and stream[end].fold in ("dot", ".", "point") and stream[end + 1].number:
                end += 1
            else:
                break
        if numbers >= IP_PARTS:
            yield from spans(stream[position:end], "IP_ADDRESS", 0.9, "four numbers with dots between")
        position = max(end, position + 1)
