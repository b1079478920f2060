"""Whether a value can be read in a transcript, whatever way it is written: folded text, number words as digits.

The rule: a value is readable when its folded form, or that of the words it was said with, equals a run of whole
transcript words, or, from LONG characters on, stands anywhere in the joined text. Short forms (under SHORT
characters: a CVV, a part of a spelled name) count only within NEAR_S of the label, since "12" is somewhere in every
call. Replacements like ``[CREDIT_CARD]`` end a run.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

LONG = 6
SHORT = 4
NEAR_S = 1.0
BREAK = "\0"
_REPLACEMENT = re.compile(r"\[[A-Z][A-Z_]*(?:_\d+)?\]")
_ORDINAL_SUFFIX = re.compile(r"^(\d+)(?:st|nd|rd|th)$")
_PIECE = re.compile(r"\[[A-Z][A-Z_]*(?:_\d+)?\]|[^\W_]+")
_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_ORDINALS = (
    "zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth "
    "fifteenth sixteenth seventeenth eighteenth nineteenth"
)
_NUMBERS = {
    **{word: value for value, word in enumerate(_ONES.split())},
    **{word: value for value, word in enumerate(_ORDINALS.split())},
    "oh": 0,
    "o": 0,
    "nought": 0,
    "twentieth": 20,
    "thirtieth": 30,
}
_TENS_OF = {word: 10 * value for value, word in enumerate(_TENS.split(), start=2)}
_TIMES = {"double": 2, "triple": 3}


def tokens(text: str) -> list[str]:
    """Letters and digits in runs, folded; a replacement becomes BREAK; ``Whitfield's`` is two tokens."""
    out = []
    for piece in _PIECE.findall(text):
        if _REPLACEMENT.fullmatch(piece):
            out.append(BREAK)
            continue
        plain = unicodedata.normalize("NFKD", piece.casefold())
        folded = "".join(char for char in plain if char.isalnum())
        if folded:
            out.append(folded)
    return out


def is_number(word: str) -> bool:
    """Whether a word says a number or a part of one: ``forty``, ``oh``, ``double``."""
    folded = "".join(tokens(word))
    return folded == "hundred" or folded in _NUMBERS or folded in _TENS_OF or folded in _TIMES


def digitised(words: Sequence[str]) -> list[str]:
    """Folded tokens with number words as digits: ``forty two`` is 42, ``double five`` 55, ``sixth`` and ``6th`` 6."""
    out: list[str] = []
    index = 0
    while index < len(words):
        word = words[index]
        following = words[index + 1] if index + 1 < len(words) else ""
        if word in _TIMES and (following in _NUMBERS or following.isdigit()):
            digit = str(_NUMBERS.get(following, following))
            out.append(digit * _TIMES[word])
            index += 2
        elif word in _TENS_OF:
            unit = _NUMBERS.get(following, 0)
            joined = 1 <= unit <= 9
            out.append(str(_TENS_OF[word] + (unit if joined else 0)))
            index += 2 if joined else 1
        else:
            match = _ORDINAL_SUFFIX.match(word)
            out.append(str(_NUMBERS[word]) if word in _NUMBERS else match[1] if match else word)
            index += 1
    return out


def _forms(text: str) -> list[list[str]]:
    plain = tokens(text)
    return [plain, digitised(plain)]


def keys_of(label: Mapping[str, Any]) -> set[str]:
    """Folded forms by which a label's value would be recognised in a text; never empty strings."""
    forms = [form for text in (label.get("value") or "", label.get("spoken") or "") for form in _forms(text)]
    return {"".join(form) for form in forms} - {""}


def stands_in(key: str, words: Sequence[str]) -> bool:
    """Whether a folded key equals a run of whole tokens or, if long, stands anywhere between two BREAKs."""
    if len(key) >= LONG and any(key in part for part in "".join(words).split(BREAK)):
        return True
    for first in range(len(words)):
        joined = ""
        for word in words[first:]:
            joined += word
            if joined == key:
                return True
            if not key.startswith(joined):
                break
    return False


def _timed_words(transcript: Mapping[str, Any]) -> Iterable[tuple[str, Mapping[str, Any]]]:
    for turn in transcript.get("turns") or ():
        for word in turn.get("words") or ():
            yield turn["channel"], word


def readable(label: Mapping[str, Any], transcript: Mapping[str, Any], *, same_channel: bool = False) -> bool:
    """Whether a labelled value can be read in a transcript (the module's docstring has the rule).

    Args:
        label: ``value``, ``spoken`` if known, ``channel``, ``start_s``, ``end_s``.
        transcript: ``turns`` with ``text`` and timed ``words``, as ``transcript.json``.
        same_channel: look on the label's channel only.
    """
    turns = [turn for turn in transcript.get("turns") or () if not same_channel or turn["channel"] == label["channel"]]
    by_text = [form for turn in turns for form in _forms(str(turn.get("text") or ""))]
    by_channel: dict[str, list[str]] = {}
    near: dict[str, list[str]] = {}
    for channel, word in _timed_words({"turns": turns}):
        by_channel.setdefault(channel, []).append(str(word["text"]))
        if word["end_s"] > label["start_s"] - NEAR_S and word["start_s"] < label["end_s"] + NEAR_S:
            near.setdefault(channel, []).append(str(word["text"]))
    everything = by_text + [form for words in by_channel.values() for form in _forms(" ".join(words))]
    nearby = [form for words in near.values() for form in _forms(" ".join(words))]
    return any(stands_in(key, form) for key in keys_of(label) for form in (nearby if len(key) < SHORT else everything))
