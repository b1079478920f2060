"""A value that was found once is found wherever it is said again, on either channel.

Takes: the talk and what was found. Gives: more spans. Numbers match by their digits, in part from four digits on;
names and words match folded, with a small edit distance or by sound; everyday words only as they were said.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from pipeline.pii.dialogue import sentences
from pipeline.pii.doubts import sounding_alike
from pipeline.pii.lexicon import lexicon, words
from pipeline.pii.lines import spans, streams
from pipeline.pii.names import is_known
from pipeline.pii.numbers import runs
from pipeline.pii.quantity import is_year
from pipeline.pii.sound import close, sound

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.pii.dialogue import Talk
    from pipeline.pii.lines import Token
    from pipeline.types import PiiSpan

MIN_DIGITS = 4
MODELLED = "recognised"
"""How a reason begins that rests on the model alone: of such findings, only widespread names are looked for again."""
MIN_SAID_BACK = 6
MIN_LETTERS = 4
MIN_SPELT = 3
MAX_PHRASE = 4
CERTAIN = 0.5
"""Findings below this score are doubts: what was hardly heard says nothing about the words it was heard as."""
_WORDY = frozenset(("PERSON", "PASSWORD", "SECURITY_ANSWER", "USERNAME", "ADDRESS", "ZIP_CODE", "EMAIL_ADDRESS"))
_FEWEST = {"PASSWORD": 2, "SECURITY_ANSWER": 2, "USERNAME": 2, "LOCATION": 1}
"""Kinds whose words are looked for together, and how many there must be."""
_CODED = frozenset(("USERNAME", "VEHICLE_ID", "ACCOUNT_NUMBER", "POLICY_NUMBER", "US_DRIVER_LICENSE", "EMPLOYEE_ID"))
_FUZZY = frozenset(("PERSON", "SECURITY_ANSWER", "PASSWORD", "ADDRESS", "ZIP_CODE"))


def repeats(call: Talk, found: Sequence[PiiSpan]) -> Iterator[PiiSpan]:
    """Spans of what was found and is said elsewhere; those that were given may come out again."""
    values: dict[str, list[PiiSpan]] = {}
    said: dict[str, str] = {}
    phrases: dict[tuple[str, ...], str] = {}
    for span in found:
        tokens = _tokens(call, span)
        if _FEWEST.get(span.entity_type, MAX_PHRASE + 1) <= len(tokens) <= MAX_PHRASE:
            phrases[tuple(token.fold for token in tokens)] = span.entity_type
        digits = "".join(token.digits for token in tokens)
        if len(digits) >= MIN_DIGITS:
            values.setdefault(digits, []).append(span)
        if span.entity_type in _WORDY and span.score >= CERTAIN:
            for token in tokens:
                if _repeatable(token) and (is_known(token) or len(tokens) > 1 or not span.reason.startswith(MODELLED)):
                    said.setdefault(token.fold.removesuffix("'s"), span.entity_type)
    yield from _numbers(call, values)
    yield from _said_back(call, values)
    yield from _codes(call, found)
    yield from _phrases(call, phrases)
    yield from _words(call, said)
    yield from _letters(call, found)
    yield from sounding_alike(call.lines, [word for word, kind in said.items() if kind in ("PERSON", "ADDRESS")])


def _tokens(call: Talk, span: PiiSpan) -> list[Token]:
    return [token for token in call.turns[span.turn].tokens if token.words.overlaps(span.words)]


def _repeatable(token: Token) -> bool:
    word = token.fold.removesuffix("'s")
    if (
        token.number
        or len(word) < 3
        or not word.replace("-", "").replace("'", "").isalpha()
        or word in words("mail_common")
    ):
        return False
    if word in words("months") or word in words("states"):
        return False
    return not lexicon().is_common(word) or is_known(token)


def _numbers(call: Talk, values: dict[str, list[PiiSpan]]) -> Iterator[PiiSpan]:
    for stream in streams(call.lines):
        for run in runs(stream):
            digits = run.digits
            if len(digits) < MIN_DIGITS or run.measured or (is_year(digits) and run.quantity) or run.listed:
                continue
            like = (span for value, found in values.items() if _shares(digits, value) for span in found)
            kind = next((span.entity_type for span in like if not _is_of(run.tokens[0], span)), None)
            if kind is not None:
                yield from spans(run.tokens, kind, 0.8, "digits of a value found elsewhere")


def _said_back(call: Talk, values: dict[str, list[PiiSpan]]) -> Iterator[PiiSpan]:
    """Spans of sentences whose numbers, read as prices or not, are together a value or the rest of one."""
    for line in call.lines:
        for start, end in sentences(line.tokens):
            numbers = [at for at in range(start, end) if line.tokens[at].number]
            digits = "".join(line.tokens[at].digits for at in numbers)
            if len(numbers) > 1 and len(digits) >= MIN_SAID_BACK:
                like = next((found for value, found in values.items() if digits in value), [])
                if like and not any(_is_of(line.tokens[numbers[0]], span) for span in like):
                    run = line.tokens[numbers[0] : numbers[-1] + 1]
                    yield from spans(run, like[0].entity_type, 0.8, "a value said back")


def _codes(call: Talk, found: Sequence[PiiSpan]) -> Iterator[PiiSpan]:
    """Codes, user names and mailboxes, spelled out or joined otherwise than where they were found."""
    codes: dict[str, list[PiiSpan]] = {}
    for span in found:
        for code in _parts(call, span):
            codes.setdefault(code, []).append(span)
    for stream in streams(call.lines) if codes else ():
        said = [token for token in stream if _plain(token) and not _is_sign(token)]
        text = "".join(_plain(token) for token in said)
        starts = dict(zip(itertools.accumulate((len(_plain(t)) for t in said), initial=0), said, strict=False))
        ends = {at + len(_plain(token)): token for at, token in starts.items()}
        for code, given in codes.items():
            for match in re.finditer(re.escape(code), text):
                if match.start() not in starts or match.end() not in ends:
                    continue
                first, last = stream.index(starts[match.start()]), stream.index(ends[match.end()])
                if not any(_is_of(stream[first], each) for each in given):
                    yield from spans(stream[first : last + 1], given[0].entity_type, 0.8, "a code found elsewhere")


def _parts(call: Talk, span: PiiSpan) -> Iterator[str]:
    """What is looked for again of a finding: of an address its mailbox, of a code all that it holds."""
    tokens = _tokens(call, span)
    if span.entity_type == "EMAIL_ADDRESS":
        text = " ".join(token.fold for token in tokens).replace(" at ", "@")
        local, at, _ = text.partition("@")
        tokens_ = [each for each in re.split(r"[^a-z0-9]+", local) if each not in words("mail_glue")]
        code = "".join(tokens_)
        enough = at and (len(tokens_) == 1 or any(char.isdecimal() for char in code))
    else:
        code = "".join(_plain(token) for token in tokens if not _is_sign(token))
        enough = span.entity_type in _CODED and not code.isdecimal()
    if enough and len(code) >= MIN_LETTERS and not lexicon().is_common(code):
        yield code


def _plain(token: Token) -> str:
    return "".join(char for char in token.fold if char.isalnum())


def _is_sign(token: Token) -> bool:
    return not token.letters and token.fold in words("mail_glue")


def _is_of(token: Token, span: PiiSpan) -> bool:
    return token.line == span.turn and token.words.overlaps(span.words)


def _shares(digits: str, value: str) -> bool:
    if digits in value or value in digits:
        return True
    if len(digits) < MIN_DIGITS + 2 or len(value) < MIN_DIGITS + 2:
        return False
    return any(digits[at : at + MIN_DIGITS] in value for at in range(len(digits) - MIN_DIGITS + 1))


def _phrases(call: Talk, phrases: dict[tuple[str, ...], str]) -> Iterator[PiiSpan]:
    """Passwords, places and the like of a few words, however common the words are."""
    for line in call.lines:
        for phrase, kind in phrases.items():
            for at in range(len(line.tokens) - len(phrase) + 1):
                run = line.tokens[at : at + len(phrase)]
                if tuple(token.fold for token in run) == phrase:
                    yield from spans(run, kind, 0.8, "words of a value found elsewhere")


def _letters(call: Talk, found: Sequence[PiiSpan]) -> Iterator[PiiSpan]:
    """Letters that spell a part of a name, however doubtful the name."""
    names = {t.fold for span in found if span.entity_type == "PERSON" for t in _tokens(call, span) if not t.letters}
    for token in call.tokens:
        if token.letters and len(token.fold) >= MIN_SPELT and any(token.fold in name for name in names):
            yield from spans((token,), "PERSON", 0.8, "letters of a name found elsewhere")


def _words(call: Talk, said: dict[str, str]) -> Iterator[PiiSpan]:
    by_sound: dict[str, list[str]] = {}
    for word, kind in said.items():
        if kind in _FUZZY and len(word) >= MIN_LETTERS:
            by_sound.setdefault(sound(word)[:1], []).append(word)
    for token in call.tokens:
        word = token.fold.removesuffix("'s")
        if token.number or len(word) < 3:
            continue
        if word in said:
            if token.capital or not lexicon().is_common(word):
                yield from spans((token,), said[word], 0.8, "a word of a value found elsewhere")
        elif len(word) >= MIN_LETTERS and not lexicon().is_common(word):
            near = next((name for name in by_sound.get(sound(word)[:1], ()) if close(word, name)), None)
            if near is not None:
                yield from spans((token,), said[near], 0.6, "sounds like a name found elsewhere")
