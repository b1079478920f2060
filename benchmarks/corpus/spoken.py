"""How a written value is said aloud: pure functions from characters to words.

A style is a name, or names joined with ``+``: ``single+zero+uh`` says digit by digit, zeros as "zero", with one
hesitation.
"""

from __future__ import annotations

from string import ascii_uppercase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

ONES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TEENS = (
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
)
TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
ORDINALS = [
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
    "thirteenth",
    "fourteenth",
    "fifteenth",
    "sixteenth",
    "seventeenth",
    "eighteenth",
    "nineteenth",
    "twentieth",
]
NATO = {
    "A": "Alpha",
    "B": "boy",
    "C": "Charlie",
    "D": "David",
    "E": "Edward",
    "F": "Frank",
    "G": "George",
    "H": "hotel",
    "I": "India",
    "J": "Juliet",
    "K": "kilo",
    "L": "Lima",
    "M": "Mary",
    "N": "Nancy",
    "O": "Oscar",
    "P": "Peter",
    "Q": "Quebec",
    "R": "Robert",
    "S": "Sam",
    "T": "Tom",
    "U": "uniform",
    "V": "Victor",
    "W": "whiskey",
    "X": "x-ray",
    "Y": "yellow",
    "Z": "zebra",
}
_ODD_WORDS = (
    "apple banana cat dog elephant Freddie golf Harry igloo jam kitten lemon mother nuts orange papa queen rabbit "
    "sugar tango umbrella van window xylophone yacht zoo"
)
_PHONETIC_WORDS = (
    "Alpha Bravo Charlie Delta Echo Foxtrot Golf Hotel India Juliet Kilo Lima Mike November Oscar Papa Quebec Romeo "
    "Sierra Tango Uniform Victor Whiskey X-ray Yankee Zulu"
)
ODD = dict(zip(ascii_uppercase, _ODD_WORDS.split(), strict=True))  # what people say who never learnt an alphabet
PHONETIC = dict(zip(ascii_uppercase, _PHONETIC_WORDS.split(), strict=True))  # Radio Regulations appendix 14
SYMBOLS = {".": "dot", "@": "at", "-": "dash", "_": "underscore", "/": "slash", ":": "colon"}
OTHER_SYMBOLS = {"hyphen": {"-": "hyphen"}, "period": {".": "period"}}  # by style, in addresses
REPEATS = {2: "double", 3: "triple"}


def below_hundred(number: int) -> str:
    """0..99 as words: ``forty two``."""
    if number < 10:
        return ONES[number]
    if number < 20:
        return TEENS[number - 10]
    return TENS[number // 10] + (f" {ONES[number % 10]}" if number % 10 else "")


def ordinal(day: int) -> str:
    """1..31 as an ordinal: ``twenty first``."""
    if day <= len(ORDINALS):
        return ORDINALS[day - 1]
    return "thirtieth" if day == 30 else f"{TENS[day // 10]} {ORDINALS[day % 10 - 1]}"


def year(number: int) -> str:
    """A year as people say it: ``nineteen eighty two``, ``two thousand four``, ``twenty twenty seven``."""
    if 2000 <= number < 2010:
        return "two thousand" + (f" {ONES[number % 10]}" if number % 10 else "")
    century, rest = divmod(number, 100)
    tail = "hundred" if rest == 0 else f"oh {ONES[rest]}" if rest < 10 else below_hundred(rest)
    return f"{below_hundred(century)} {tail}"


def _zero(word: str, zero: str) -> str:
    return zero if word == "zero" else word


def singly(digits: str, zero: str = "zero") -> str:
    """Digit by digit: ``four one oh``."""
    return " ".join(_zero(ONES[int(d)], zero) for d in digits)


def doubled(digits: str, zero: str = "zero") -> str:
    """Digit by digit with runs collapsed: ``double four one``, ``triple seven``."""
    words: list[str] = []
    position = 0
    while position < len(digits):
        run = 1
        while run < 3 and digits[position : position + run + 1] == digits[position] * (run + 1):
            run += 1
        word = _zero(ONES[int(digits[position])], zero)
        words.append(f"{REPEATS[run]} {word}" if run in REPEATS else word)
        position += run
    return " ".join(words)


def paired(digits: str, zero: str = "zero") -> str:
    """Two at a time, a leading zero said: ``forty one oh five``; 201 is ``two oh one``, never ``twenty one``."""
    words = []
    for position in range(0, len(digits), 2):
        pair = digits[position : position + 2]
        before_last = position + 3 == len(digits) and pair[1] == "0"
        if len(pair) == 1 or pair[0] == "0" or before_last:
            words.append(singly(pair, zero))
        else:
            words.append(below_hundred(int(pair)))
    return " ".join(words)


def chunked(digits: str, sizes: Sequence[int]) -> list[str]:
    """Cut into chunks of the given sizes; the last size repeats, so that nothing is lost."""
    chunks = []
    position = 0
    index = 0
    while position < len(digits):
        size = sizes[min(index, len(sizes) - 1)]
        chunks.append(digits[position : position + size])
        position += size
        index += 1
    return chunks


def hundreds(digits: str, zero: str = "zero") -> str:
    """Three digits as ``four fifty six``, ``nine oh one`` or ``five hundred``; others two at a time or singly."""
    if len(digits) == 3 and digits[0] != "0":
        rest = "hundred" if digits[1:] == "00" else paired(digits[1:], zero)
        return f"{ONES[int(digits[0])]} {rest}"
    return paired(digits, zero) if len(digits) == 4 else singly(digits, zero)


def say_digits(digits: str, style: str, sizes: Sequence[int], rng: random.Random) -> str:
    """A digit string in chunks, in the given style; ``mixed`` takes another way of saying for each chunk."""
    names = style.split("+")
    fixed = next((name for name in ("zero", "oh", "nought") if name in names), "")
    zero = fixed or rng.choice(("zero", "oh"))
    ways = {"single": singly, "double": doubled, "pairs": paired, "threes": hundreds}
    chosen = next((name for name in names if name in {*ways, "mixed"}), "single")
    parts = []
    for chunk in chunked(digits, sizes):
        way = ways[rng.choice(("single", "double", "pairs"))] if chosen == "mixed" else ways[chosen]
        parts.append(way(chunk, zero))
    if "uh" in names and len(parts) > 1:
        parts.insert(rng.randrange(1, len(parts)), "uh")
    return ", ".join(parts)


def spelled(text: str, style: str, rng: random.Random) -> str:
    """Letter by letter, digits as words; in other styles a word for most letters, or for all of them.

    ``nato`` says ``B as in boy``, ``for`` ``B for banana``, ``like`` ``B like banana``, ``alphabet`` ``Bravo``.
    """
    names = style.split("+")
    parts = []
    for char in text:
        if char.isdigit():
            parts.append(ONES[int(char)])
        elif char in SYMBOLS:
            parts.append(SYMBOLS[char])
        elif char.isalpha():
            upper = char.upper()
            joint = next((name for name in ("for", "like") if name in names), None)
            if "alphabet" in names:
                parts.append(PHONETIC.get(upper, upper))
            elif joint:
                parts.append(f"{upper} {joint} {ODD[upper]}" if upper in ODD and rng.random() < 0.7 else upper)
            else:
                explained = "nato" in names and rng.random() < 0.7
                parts.append(f"{upper} as in {NATO[upper]}" if explained else upper)
    return ", ".join(parts)


def say_address_text(text: str, style: str, rng: random.Random) -> str:
    """E-mail addresses and web sites: ``violet dot king at example dot com``, spelled where the style says so."""
    words: list[str] = []
    token = ""
    symbols = SYMBOLS | OTHER_SYMBOLS.get(style, {})
    for char in [*text, ""]:
        if char.isalpha():
            token += char
            continue
        if token:
            keep = token in {"com", "org", "net", "www", "example"}
            words.append(spelled(token, style, rng) if "spelled" in style and not keep else token)
            token = ""
        if char.isdigit():
            words.append(ONES[int(char)])
        elif char:
            words.append(symbols[char])
    return " ".join(words)


def say_code(text: str, style: str, rng: random.Random) -> str:
    """A code of letters and digits (plate, policy, passport): letters spelled, runs of digits in the digit style."""
    parts: list[str] = []
    run = ""
    for char in [*text, ""]:
        if char.isdigit():
            run += char
            continue
        if run:
            parts.append(say_digits(run, style, (3, 3, 4), rng))
            run = ""
        if char.isalpha():
            parts.append(spelled(char, style, rng))
        elif char == "-" and "dash" in style.split("+"):
            parts.append("dash")
    return ", ".join(parts)


def say_date(iso: str, style: str) -> str:
    """A date ``YYYY-MM-DD``, or its parts ``MM-DD`` and ``YYYY``, in a style.

    ``month`` (March fourth, nineteen eighty two), ``dayfirst``, ``numeric`` and ``slash``; ``digits`` (zero three, zero
    four, nineteen eighty two), ``short`` (March fourth, eighty two), and as the British say it ``short_uk`` (the fourth
    of the third, eighty two) and ``plain_uk`` (four, three, eighty two).
    """
    if len(iso) == 4:
        return year(int(iso))
    m, d = (int(part) for part in iso[-5:].split("-"))
    if len(iso) == 5:
        return f"{MONTHS[m - 1]} {ordinal(d)}"
    y = int(iso[:4])
    two = below_hundred(y % 100) if y % 100 > 9 else f"oh {ONES[y % 10]}"
    ways = {
        "numeric": f"{paired(f'{m:02d}', 'oh')}, {paired(f'{d:02d}', 'oh')}, {two}",
        "dayfirst": f"the {ordinal(d)} of {MONTHS[m - 1]}, {year(y)}",
        "slash": f"{below_hundred(m)} slash {below_hundred(d)} slash {year(y)}",
        "digits": f"{singly(f'{m:02d}')}, {singly(f'{d:02d}')}, {year(y)}",
        "short": f"{MONTHS[m - 1]} {ordinal(d)}, {two}",
        "short_uk": f"the {ordinal(d)} of the {ordinal(m)}, {two}",
        "plain_uk": f"{below_hundred(d)}, {below_hundred(m)}, {two}",
    }
    return ways.get(style, f"{MONTHS[m - 1]} {ordinal(d)}, {year(y)}")


def say_expiry(month_year: str, style: str) -> str:
    """A card's expiry ``MM/YY``: ``numeric`` (oh four twenty seven), ``slash`` or ``month``."""
    month, short_year = month_year.split("/")
    if style == "month":
        return f"{MONTHS[int(month) - 1]} {year(2000 + int(short_year))}"
    if style == "slash":
        return f"{singly(month)} slash {singly(short_year)}"
    return f"{paired(month, 'oh')} {paired(short_year)}"


def say_house(number: str) -> str:
    """A house number: ``fourteen twenty``, ``three oh five``, ``eighty one``."""
    if len(number) == 4:
        return paired(number, "oh") if number[2:] != "00" else f"{below_hundred(int(number[:2]))} hundred"
    if len(number) == 3:
        return (
            f"{ONES[int(number[0])]} {paired(number[1:], 'oh')}"
            if number[1:] != "00"
            else f"{ONES[int(number[0])]} hundred"
        )
    return below_hundred(int(number)) if len(number) <= 2 else singly(number)
