"""What was said becomes what would be written, and every piece knows its words."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.pii.written import PieceKind, Written, digits_of, number_runs, write
from pipeline.types import CharSpan, WordRange

DIGIT_RUNS = {
    "four one one one one one one one": "41111111",
    "four one 1 1": "4111",
    "4 one 1 1 1 1 eleven 1 1": "4111111111",
    "41 11": "4111",
    "4111-1111": "41111111",
    "1-1-1-1, 2-2-2-2.": "11112222.",
    "four one 1 1 , uh 41 11": "41114111",
    "four one one one dash two two two two": "41112222",
    "four one one one space two two two two": "41112222",
    "four one one one and two two two two": "41112222",
    "four one one one and then two two two two": "41112222",
    "four one one one that's four one one one": "41114111",
    "4111 and 1111 and 1111 and 1111": "4111111111111111",
    "4111, 1111, 1111, 1111": "4111111111111111",
    "4111. 1111. 1111. 1111.": "4111111111111111.",
    "4111 1111 1111 1111": "4111111111111111",
    "double seven": "77",
    "double seven triple oh double-oh": "7700000",
    "triple nine": "999",
    "double 5 three": "553",
    "five zero nought naught": "5000",
    "in five oh one": "in 501",
    "five o one": "501",
    "nine-one-one": "911",
    "call nine one one now": "call 911 now",
    "my pin is 4, 7, 2, 9": "my pin is 4729",
    "the cvv is 1, 2, 3.": "the cvv is 123.",
    "Four, seven, two.": "472.",
    "one two three dash four five dash six seven eight nine": "123456789",
    "123-45-6789": "123456789",
    "1-800-555-0199.": "18005550199.",
    "(555) 555-0199": "5555550199",
    "the number is (202)555-0143.": "the number is 2025550143.",
    "202.555.0143": "2025550143",
    "+1 202 555 0143": "+12025550143",
    "+12025550143": "+12025550143",
    "area code 202, 555, 0143": "area code 2025550143",
    "one eight hundred five five five oh one nine nine": "18005550199",
    "4,111": "4111",
    "4,111 1111": "41111111",
    "555-0199 to 555-0198": "5550199 to 5550198",
    "my number is five five five oh one nine nine to": "my number is 55501992",
    "four one for two seven": "41427",
    "five five ate five": "5585",
    "transfer 5 5 5 to my account": "transfer 555 to my account",
    "5 5 5 0 1 9 too.": "5550192.",
}
NUMBERS = {
    "nineteen eighty two": "1982",
    "fourteen fifty": "1450",
    "forty two twenty": "4220",
    "twenty twenty four": "2024",
    "one hundred and five": "105",
    "a hundred and five": "105",
    "two thousand and six": "2006",
    "two thousand twenty four": "2024",
    "nineteen oh five": "1905",
    "nineteen hundred": "1900",
    "twelve hundred": "1200",
    "sixty-three": "63",
    "seven hundred": "700",
    "forty-one eleven": "4111",
    "one thousand two hundred and thirty four": "1234",
    "one hundred twenty three thousand four hundred fifty six": "123456",
    "two hundred fifty dollars": "250 dollars",
    "twenty five percent": "25 percent",
    "one percent": "1 percent",
    "one fifty": "150",
    "ten fifteen minutes": "10 15 minutes",
    "two three days": "2 3 days",
    "in 2019 43 stores": "in 2019 43 stores",
}
PLAIN = {
    "the one that I like": None,
    "no one knows one of them and this one": None,
    "three, four, 500": "3, 4, 500",
    "two, three times a week": "2, 3 times a week",
    "three or four times": "3 or 4 times",
    "five to six times a day": "5 to 6 times a day",
    "nine to five": "9 to 5",
    "from 2019 to 2020 we grew": None,
    "2019, 2020, 2021": None,
    "in 2019 and 2020": None,
    "10, 20, 30, 40": None,
    "500, 600, 700, 800": None,
    "$1,250.00 at 12:30 is 5%": None,
    "$43,000": None,
    "3.5 million at 12.25": None,
    "1-2 days": None,
    "10-15 minutes": None,
    "24/7 at 192.168.0.1": None,
    "11 a.m. to 5 p.m.": None,
    "it is 5pm on the 3rd": None,
    "Q3 2019": None,
    "oh two of them": "oh 2 of them",
    "oh, I see": None,
    "double check that": None,
    "thirty-five-year-old": None,
    "twenty-first century": None,
    "the third quarter": None,
    "I need a B and B": None,
    "J R Smith": None,
    "I.D. number is U.S.A.": None,
    "Mike, Oscar, Victor": None,
    "my dog Charlie ate two of them": "my dog Charlie ate 2 of them",
    "call Mike 555 0199": "call Mike 5550199",
    "type A, B, or C": None,
    "options A, B, C": None,
    "plan B for 2 people": None,
    "a, uh, a U shape": None,
    "Are you there? I would be.": None,
    "to too for ate won": None,
}
LETTERS = {
    "D A N A": "DANA",
    "D-A-N-A": "DANA",
    "D-A-N-A,": "DANA,",
    "d. a. n. a.": "DANA.",
    "D, A, N, A": "DANA",
    "D.A.N.A.": "DANA.",
    "I A N": "IAN",
    "A D A M": "ADAM",
    "B as in boy": "B",
    "A as in apple": "A",
    "J for Juliet": "J",
    "J like John": "J",
    "B, bravo": "B",
    "capital J": "J",
    "capital D small a n a": "DANA",
    "double L": "LL",
    "S M I double T": "SMITT",
    "alpha bravo charlie": "ABC",
    "D as in dog A N as in Nancy A": "DANA",
    "K-A-T-H-Y": "KATHY",
    "S M I T H, first name D A N A": "SMITH, first name DANA",
    "my name's D A N I and I live here": "my name's DANI and I live here",
    "z e zed": "ZEZ",
    "bravo seven alpha tango": "B7AT",
    "Tango November 11 for Lima Delta": "TN114LD",
    "November 5 Delta 2 bravo bravo": "N5D2BB",
    "okay Charlie 6 7 golf Juliet": "okay C67GJ",
    "alpha 1 x ray 2": "alpha 1X2",
    "A B 1 2 3": "AB123",
    "the 5th W Z": None,
    "AB12 3CD": "AB123CD",
    "AB12 CDE": "AB12CDE",
    "s w one a two a a": "SW1A2AA",
    "S W 1 A, 2 A A": "SW1A2AA",
    "policy A B C 1 2 3 4": "policy ABC1234",
    "P as in Peter 7 7 Q for Queen": "P77Q",
    "n 4 double u 6": "N4W6",
}
ADDRESSES = {
    "dana dot whitfield at gmail dot com": "dana.whitfield@gmail.com",
    "d whitfield 42 at example dot com": "dwhitfield42@example.com",
    "my email is dana whitfield at gmail dot com": "my email is danawhitfield@gmail.com",
    "it's d a n a at g mail dot com, okay?": "it's dana@gmail.com, okay?",
    "dana.whitfield at gmail.com": "dana.whitfield@gmail.com",
    "dana@gmail dot com": "dana@gmail.com",
    "dana.whitfield@gmail.com": None,
    "D-A-N-A dot W at example dot org": "dana.w@example.org",
    "dana dash whitfield at the rate example dot com": "dana-whitfield@example.com",
    "dana hyphen w at sign example dot net": "dana-w@example.net",
    "dana minus w at example dot edu": "dana-w@example.edu",
    "john underscore smith 99 at yahoo dot co dot uk": "john_smith99@yahoo.co.uk",
    "dana plus work at example dot io": "dana+work@example.io",
    "dana point whitfield at example dot com": "dana.whitfield@example.com",
    "B as in boy O B at hotmail dot com": "bob@hotmail.com",
    "m dot jones eighty two at btinternet dot com.": "m.jones82@btinternet.com.",
    "dana at example dot c o m": "dana@example.com",
    "dana dot uh whitfield at example dot com": "dana.whitfield@example.com",
    "contact us at example dot com": "contact us at example.com",
    "look at example dot com slash help": "look at example.com/help",
    "w w w dot example dot com": "www.example.com",
    "double u double u double u dot example dot com": "www.example.com",
    "the dot com bubble": None,
    "meet me at the store": None,
    "she is at work and there is a dot on it": None,
}
DATES = {
    "march fifth nineteen eighty two": "march 5 1982",
    "March 5th, 1982.": "March 5 1982.",
    "the 5th of March 1982": "the 5 March 1982",
    "the twenty-first of May nineteen sixty": "the 21 May 1960",
    "second of june two thousand and five": "2 june 2005",
    "on the fifth of April, uh, nineteen seventy three": "on the 5 April 1973",
    "the third of march eighty two.": "the 3 march 1982.",
    "sixteenth of May, nineteen, eighty two.": "16 May 1982.",
    "December twenty fifth": "December 25",
    "22nd of July": "22 July",
    "April the 27th": "April 27",
    "five October 1996": "5 October 1996",
    "april twenty twenty seven": "april 2027",
    "September of 2020": "September 2020",
    "oh three oh five eighty two": "030582",
    "three slash five slash eighty two": "3/5/1982",
    "03/05/82": "03/05/1982",
    "03-05-1982": "03/05/1982",
    "1982-03-05": None,
    "31/12 1940": "31/12/1940",
    "the 18th of the 7th 1936": "the 18/7/1936",
    "expires oh four slash twenty seven": "expires 04/27",
    "born in nineteen ninety one, um, seventeenth of November.": "born in 1991, um, 17 November.",
    "you may 5": None,
    "April for the team and July to go": None,
}
CASES = {**DIGIT_RUNS, **NUMBERS, **PLAIN, **LETTERS, **ADDRESSES, **DATES}


@pytest.mark.parametrize(("said", "expected"), CASES.items())
def test_spoken_form_becomes_written_form(said: str, expected: str | None) -> None:
    """Digits, letters, dates and addresses are written as such; everything else stays as it was said."""
    assert write(said.split()).text == (said if expected is None else expected)


@pytest.mark.parametrize("said", CASES)
def test_writing_again_changes_nothing(said: str) -> None:
    """Text that is already written stays as it is."""
    once = write(said.split()).text
    assert write(once.split()).text == once


def test_pieces_name_their_words() -> None:
    """A number keeps the fillers between its digits, an address the words of each of its parts."""
    written = write(
        [
            "my",
            "card",
            "is",
            "four",
            "one",
            ",",
            "uh",
            "one",
            "one",
            "and",
            "dana",
            "dot",
            "w",
            "at",
            "example",
            "dot",
            "com",
        ]
    )
    number, *parts = [piece for piece in written.pieces if piece.kind is not PieceKind.WORD or "@" in piece.text]
    assert (number.text, number.words) == ("4111", WordRange(3, 9))
    signs = [(part.text, part.words) for part in parts if part.kind is PieceKind.SIGN]
    assert signs == [(".", WordRange(11, 12)), ("@", WordRange(13, 14)), (".", WordRange(15, 16))]
    assert written.words(_find(written, "dana.w@example.com")) == WordRange(10, 17)
    assert written.words(_find(written, "4111")) == WordRange(3, 9)


@pytest.mark.parametrize(
    ("said", "part", "words"),
    [
        ("call 1-800-555-0199. Thanks", "0199.", WordRange(1, 2)),
        ("call 1-800-555-0199. Thanks", ".", WordRange(1, 2)),
        ("call +1 202 555 0143 now", "+1", WordRange(1, 5)),
        ("born March fifth, nineteen eighty two in Boston", "1982", WordRange(1, 6)),
        ("I am Dana Whitfield, hello", "Dana Whitfield", WordRange(2, 4)),
        ("B as in boy", "B", WordRange(0, 4)),
    ],
)
def test_characters_lead_back_to_words(said: str, part: str, words: WordRange) -> None:
    """Any character, punctuation at a number included, belongs to the words it was written from."""
    written = write(said.split())
    assert written.words(_find(written, part)) == words


def test_words_lead_to_characters() -> None:
    """A word range gives the characters of every piece that it touches; an empty one gives none."""
    written = write(["my", "pin", "is", "four", "seven", "two", "nine", "thanks"])
    assert written.chars(WordRange(4, 5)) == _find(written, "4729")
    assert written.chars(WordRange(0, 8)) == CharSpan(0, len(written.text))
    assert written.chars(WordRange(2, 2)) == CharSpan(7, 7)
    assert write([]).chars(WordRange(0, 1)) == CharSpan(0, 0)


def test_empty_span_gives_empty_range() -> None:
    """A span without characters covers no word."""
    written = write(["four", "five"])
    assert written.words(CharSpan(0, 0)) == WordRange(0, 0)
    assert written.words(CharSpan(9, 12)) == WordRange(2, 2)
    assert write([]) == Written("", ())


def test_content_stays_out_of_repr() -> None:
    """What was said is never part of a repr."""
    written = write(["four", "one", "one", "one", "Whitfield"])
    assert "4111" not in repr(written)
    assert "Whitfield" not in repr(written)


def test_digits_of_keeps_digits_only() -> None:
    """Digits of any script come out in ASCII; nothing else does."""
    assert digits_of("+1 (202) 555-0143 ext. \u0661\u00b2") == "120255501431"


def test_number_runs_are_filtered_by_length() -> None:
    """Only numbers with enough digits are runs; dates and amounts are none."""
    written = write(["two", "of", "AB12", "3CD", "and", "4111", "1111", "on", "March", "5", "1982", "for", "$1,250.00"])
    assert [piece.text for piece in number_runs(written, 4)] == ["41111111"]
    assert [piece.text for piece in number_runs(written, 3)] == ["AB123CD", "41111111"]


NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
TEENS = ["ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def _one(digit: str, style: int) -> str:
    if style == 0:
        return digit
    return "oh" if style == 1 and digit == "0" else NAMES[int(digit)]


def _pair(pair: str) -> str:
    if pair[0] == "0":
        return f"oh {NAMES[int(pair[1])]}" if pair[1] != "0" else "double oh"
    if pair[0] == "1":
        return TEENS[int(pair[1])]
    tens = TENS[int(pair[0]) - 2]
    return tens if pair[1] == "0" else f"{tens}-{NAMES[int(pair[1])]}"


@st.composite
def spoken_digits(draw: st.DrawFn) -> tuple[str, str]:
    """Draw digits and one way to say them, digit by digit, by pairs, grouped or with multiples."""
    digits = draw(st.text("0123456789", min_size=4, max_size=24))
    way = draw(st.sampled_from(["single", "pairs", "groups", "hyphens", "multiples"]))
    if way == "single":
        said = [_one(digit, draw(st.integers(0, 2))) for digit in digits]
        joint = draw(st.sampled_from([" ", ", ", " uh ", " um, "]))
        said[0] = "zero" if said[0] == "oh" else said[0]  # "oh, two" is an exclamation
        return digits, joint.join(said) if len(digits) > 4 else " ".join(said)
    if way == "pairs":
        digits = digits[: len(digits) // 2 * 2]
        return digits, " ".join(_pair(digits[place : place + 2]) for place in range(0, len(digits), 2))
    size = draw(st.integers(3, 4))
    if way == "groups":
        return digits, " ".join(re.findall(rf"\d{{1,{size}}}", digits))
    if way == "hyphens":
        return digits, "-".join(digits)
    runs = [match[0] for match in re.finditer(r"(\d)\1?", digits)]
    return digits, " ".join(_one(run[0], 2) if len(run) == 1 else f"double {_one(run[0], 2)}" for run in runs)


@given(spoken_digits())
@settings(deadline=None, max_examples=400)
def test_any_digit_string_comes_back(case: tuple[str, str]) -> None:
    """Digits said in any common way are written as the same digits, in one number."""
    digits, said = case
    written = write(["number", "is", *said.split()])
    assert digits_of(written.text) == digits
    assert [piece.text for piece in number_runs(written)] == [digits]


VOCABULARY = st.sampled_from(
    [
        "four",
        "one",
        "11",
        "4111",
        "double",
        "triple",
        "oh",
        "o",
        "zero",
        "to",
        "for",
        "too",
        "a",
        "I",
        "B",
        "N",
        "dana",
        "whitfield",
        "dot",
        "at",
        "com",
        "gmail.com",
        "gmail",
        "co",
        "uk",
        "dash",
        "slash",
        "march",
        "fifth",
        "of",
        "the",
        "5th",
        "1982",
        "nineteen",
        "eighty",
        "hundred",
        "thousand",
        "and",
        "uh",
        "um",
        ",",
        ".",
        "comma",
        "that's",
        "bravo",
        "november",
        "mike",
        "capital",
        "as",
        "in",
        "boy",
        "like",
        "D-A-N-A",
        "AB12",
        "PB",
        "$43,000",
        "12:30",
        "4,111",
        "3/5/82",
        "04/27",
        "1-1-1-1",
        "forty-one",
        "double-oh",
        "x",
        "ray",
        "twenty-first",
        "under",
        "score",
        "underscore",
        "you",
        "are",
        "zed",
        "percent",
        "dollars",
        "www",
        "555-0199.",
        "(555)",
        "+1",
        "five,",
        "six.",
        "seven?",
    ]
)
TOKENS = st.lists(VOCABULARY | st.text(max_size=12), max_size=30)


@given(TOKENS)
@example(["a"] * 50)
@example(["three", "slash"])
@example(["", " ", "\u2014", "-", "--", "1-", "\u0130", "\u00b2", "four", ""])
@settings(deadline=None, max_examples=500)
def test_pieces_cover_every_word_once(words: list[str]) -> None:
    """Whatever is said, pieces are in order, cover each word once, and stand where they say they stand."""
    written = write(words)
    covered = [index for piece in written.pieces for index in range(piece.words.first, piece.words.end)]
    assert covered == list(range(len(words)))
    end = 0
    for piece in written.pieces:
        assert piece.words.first < piece.words.end
        assert end <= piece.chars.start <= piece.chars.end
        assert written.text[piece.chars.start : piece.chars.end] == piece.text
        assert piece.text == "" or written.words(piece.chars) == piece.words
        assert written.chars(piece.words) == piece.chars
        end = piece.chars.end


@given(TOKENS)
@settings(deadline=None, max_examples=300)
def test_plain_words_stay_verbatim(words: list[str]) -> None:
    """A piece of one plain word outside an address is that word, untouched."""
    written = write(words)
    plain = [word for word in words if word.isalpha() and len(word) > 8 and word.isascii()]
    assert all(word in written.text for word in plain)


def test_long_turns_take_linear_steps() -> None:
    """Long rows of doubtful words neither overflow the stack nor change meaning."""
    for words in (
        ["to"] * 5000,
        ["dot", "co"] * 2500,
        ["a", "dot"] * 2500,
        ["oh"] * 5000,
        ["at", "example", "dot"] * 1500,
    ):
        written = write(words)
        assert written.pieces[-1].words.end == len(words)


def _find(written: Written, part: str) -> CharSpan:
    start = written.text.index(part)
    return CharSpan(start, start + len(part))
