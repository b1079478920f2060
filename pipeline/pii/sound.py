"""Do two names sound alike? A phonetic key and an edit distance, both pure and small."""

from __future__ import annotations

import re

_SPELLINGS = (
    (r"^(?:kn|gn|pn|wr|ps)", lambda m: m.group()[1]),
    (r"^x", lambda _: "s"),
    (r"^wh", lambda _: "w"),
    (r"mb$", lambda _: "m"),
    (r"ph", lambda _: "f"),
    (r"gh(?=[^aeiouy]|$)", lambda _: ""),
    (r"(?:tch|ch|sh|tion|sion)", lambda _: "x"),
    (r"th", lambda _: "t"),
    (r"ck|q|x(?!$)", lambda _: "k"),
    (r"c(?=[eiy])", lambda _: "s"),
    (r"c", lambda _: "k"),
    (r"g(?=[eiy])|dg", lambda _: "j"),
    (r"z", lambda _: "s"),
    (r"v", lambda _: "f"),
    (r"d", lambda _: "t"),
    (r"b", lambda _: "p"),
)


def sound(word: str) -> str:
    """A key that words of like sound share: consonants in classes, vowels dropped after the first letter."""
    key = re.sub(r"[^a-z]", "", word)
    for pattern, replacement in _SPELLINGS:
        key = re.sub(pattern, replacement, key)
    key = re.sub(r"(.)\1+", r"\1", key)
    if not key:
        return ""
    first = "a" if key[0] in "aeiouy" else key[0]
    return first + re.sub(r"[aeiouyhw]", "", key[1:])


def distance(first: str, second: str) -> int:
    """Edits (insert, delete, replace, swap of neighbours) that turn one word into the other."""
    rows = [list(range(len(second) + 1))]
    for i, a in enumerate(first, 1):
        row = [i]
        for j, b in enumerate(second, 1):
            best = min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (a != b))
            if i > 1 and j > 1 and a == second[j - 2] and first[i - 2] == b:
                best = min(best, rows[-2][j - 2] + 1)
            row.append(best)
        rows.append(row)
    return rows[-1][-1]


def close(first: str, second: str) -> bool:
    """Whether two folded words of at least four letters may be the same name, misheard."""
    shorter, longer = sorted((len(first), len(second)))
    if shorter < 4 or longer - shorter > 2:
        return False
    edits = distance(first, second)
    if edits <= 1:
        return True
    alike = sound(first) == sound(second)
    return alike and len(sound(first)) >= 2 and edits <= (3 if shorter >= 5 else 2)
