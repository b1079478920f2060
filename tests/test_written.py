"""What was said becomes what would be written, and every piece knows its words."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.pii.written import PieceKind, Written, write
from pipeline.types import CharSpan, WordRange

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


@pytest.mark.parametrize(("said", "expected"), PLAIN.items())
def test_plain_talk_is_left_alone(said: str, expected: str | None) -> None:
    """Lists, ranges, times, amounts and words that only sound like figures or letters stay as they were said."""
    assert write(said.split()).text == (said if expected is None else expected)


@pytest.mark.parametrize("said", PLAIN)
def test_plain_talk_stays(said: str) -> None:
    """Written again it is the same."""
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


SAID = """
    four one 11 4111 double triple oh o zero to for too a I B N dana whitfield dot at com gmail.com gmail co uk
    dash slash march fifth of the 5th 1982 nineteen eighty hundred thousand and uh um , . comma that's bravo
    november mike capital as in boy like D-A-N-A AB12 PB $43,000 12:30 4,111 3/5/82 04/27 1-1-1-1 forty-one
    double-oh x ray twenty-first under score underscore you are zed percent dollars www 555-0199. (555) +1 five,
    six. seven?
"""
TOKENS = st.lists(st.sampled_from(SAID.split()) | st.text(max_size=12), max_size=30)


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
