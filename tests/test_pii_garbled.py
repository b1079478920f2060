"""Detection of what the recogniser got wrong: told by its place, its sound, and how unsure it was."""

from __future__ import annotations

import pytest

from tests.pii_calls import found_in


@pytest.mark.parametrize(
    ("script", "value"),
    [
        ("A: Thank you, the~ knee~ tray, your balance is due.", "the knee tray,"),
        ("A: Thanks mar~ golly~ have a good day.", "mar golly"),
        ("A: Is this the interest Delgado?", "the interest Delgado?"),
        ("C: Doctor a~ band~ on said so.", "a band"),
        ("A: Quorine,~ about ten minutes.", "Quorine,"),
        ("A: The same dates are fine. Tobrias.~", "Tobrias."),
        ("A: This is Lyona account number please.", "Lyona"),
        ("A: Your int,~ theatre,~ is fine.", "Your int, theatre,"),
        ("C: So I spoke with our~ growth about it.", "our growth about"),
        ("C: The copy for Marigull~ please.", "Marigull"),
        ("A: Thank you for calling, this is, how can I help?", "is, how"),
        ("A: I've got to say I'll carry speaking, how can I help you?", "carry"),
        ("A: Remember care, brandy speaking how's your day going?", "brandy"),
        ("A: Done. Thanks. May have a good day.", "May"),
        ("A: Is this Harriet Ashford?\nC: Yes, area~ fine.", "area"),
        ("A: And you are?\nC: No Fairbanks.\nA: No, the limit is 2000.", "No,"),
    ],
    ids=[
        "thanked",
        "no pause",
        "before a surname",
        "a title",
        "called out",
        "at the end",
        "introduced",
        "made up",
        "spoken of",
        "an odd word",
        "swallowed",
        "speaking",
        "speaking, in a question",
        "before a farewell",
        "said back, unsure",
        "said back, misheard alike",
    ],
)
def test_a_garbled_name_is_told_by_its_place(script: str, value: str) -> None:
    """Where somebody is addressed or introduced, words that the recogniser was unsure of are a name."""
    assert ("PERSON", value) in found_in(script)


@pytest.mark.parametrize(
    "script",
    [
        "A: Thank you for calling, how can I help?",
        "A: Thank~ you~ your payment is due.",
        "A: Okay, so the limit is two thousand.",
        "C: Hmm, that does not match.",
        "C: Sure. Monday. Thanks.",
        "A: Mm-hmm.~ Ohh,~ thankfully,~ yes.",
        "C: We sell them in packs of 12, 24 and 36.",
        "C: However, Methotrexate, once a week.",
        "A: Doctor appointments are on Monday.",
        "A: This is how we do it.",
        "A: Generally speaking, it takes a week.",
        "C: Who am I speaking with?",
        "A: Thanks, you have a good day.",
        "C: The lane~ was closed, so we waited.",
    ],
)
def test_everyday_words_in_the_same_places_stay(script: str) -> None:
    """What was plainly heard, and what opens a clause, is no name."""
    assert found_in(script) == []


@pytest.mark.parametrize(
    ("script", "value"),
    [
        ("C: My name is Dimitri Winslow.\nA: Thanks, the~ meat~ tree is fine.", "the meat tree"),
        ("C: This is Margot Beaumont.\nA: Sorry, bow~ mont was that?", "bow mont"),
    ],
)
def test_a_name_is_found_again_in_pieces(script: str, value: str) -> None:
    """Two or three words that together sound like a name of this call are that name."""
    assert any(kind == "PERSON" and value in words for kind, words in found_in(script))


@pytest.mark.parametrize(
    ("request_", "answer", "value"),
    [
        ("the doctor's licence number", "Be you 291 2737.", "Be you 291 2737."),
        ("your four-digit pen", "A36O.", "A36O."),
        ("and you are", "No Fairbanks.", "No Fairbanks."),
        ("can you spell that", "El-Ezin Lima, I-Ezin India.", "El-Ezin Lima, I-Ezin India."),
        ("the password, just say it", "Pay for moss.", "Pay for moss."),
        ("and the zip code", "Yes, 0492. Oh.", "0492. Oh."),
        ("your date of birth", "Janice 6, 1939.", "Janice 6, 1939."),
        ("your e-mail address", "are ossid underscore king at example.com", "are ossid underscore king at example.com"),
        ("the policy number", "Aye queue gee.", "Aye queue gee."),
        ("the post code", "Lima 5 3 uniform kind of", "Lima 5 3 uniform kind of"),
        ("the reservation code", "Knick~ all~ fax.", "Knick all fax."),
        ("the post code", "a 5 5 8 h t", "a 5 5 8 h t"),
        ("the post code", "go 7 7 whiskey Papa", "go 7 7 whiskey Papa"),
        ("the post code", "he 1 u v y q", "he 1 u v y q"),
        ("the licence number", "It starts with as~ then 307 4929.", "as then 307 4929."),
        ("your billing zip code", "Two~ seven-boy~ email.", "Two seven-boy email."),
        (
            "your e-mail",
            "Sure, our~ ossid underscore king at example.com.",
            "our ossid underscore king at example.com.",
        ),
        ("your plate number", "L. S. and Lima, 1706.", "L. S. and Lima, 1706."),
        ("the licence number", "Be~ new~ at~ 1-9-7-3-6.", "Be new at 1-9-7-3-6."),
        ("the member number", "A 3 9 6 doesn't~ close~ back~ G.", "A 3 9 6 doesn't close back G."),
        ("name and address", "Anna Ashford, 2963, LARX for Advent.", "2963, LARX for Advent."),
        ("the policy number and the policy holder's name", "No of Endermere.", "No of Endermere."),
    ],
)
def test_what_was_misheard_in_an_answer_goes_with_it(request_: str, answer: str, value: str) -> None:
    """Letters heard as words, a month as a name, a cut-off "oh": the whole answer is redacted."""
    assert value in " ".join(words for _, words in found_in(f"A: Okay, {request_}?\nC: {answer}"))


def test_a_number_in_parts_is_no_list() -> None:
    """Two short numbers count things; a part of three digits makes it one number."""
    assert found_in("A: O-253, 73.") != []
    assert found_in("C: In packs of 12, 24 and 36.") == []


def test_letters_spelled_with_words_go_even_if_the_letter_was_misheard() -> None:
    """Nothing but spelling says "as in"."""
    found = found_in("C: You as in Quebec, knee as in November, 5 9 2.")
    assert [words for _, words in found] == ["You as in Quebec, knee as in November, 5 9 2."] or len(found) == 2
    assert "Quebec," in found[0][1]


def test_a_spelled_name_has_letters_and_no_zeros() -> None:
    """An O between the letters of a name is no digit, which would make a code of it."""
    assert found_in("A: So it's N-O-V-A-K, great.") == [("PERSON", "N-O-V-A-K,")]
    assert found_in("A: It is 5-O-2-1-7-7-8.") == [("ACCOUNT_NUMBER", "5-O-2-1-7-7-8.")]


@pytest.mark.parametrize(("between", "found"), [(0, ["and OVAK,"]), (2, ["and OVAK,"]), (8, [])])
def test_few_letters_are_a_spelling_soon_after_it_was_spoken_of(between: int, found: list[str]) -> None:
    """A read-back that lost its first letter is found though the answer was misheard as a plain word."""
    meanwhile = "".join(f"\n{who}: Mm-hmm." for who in "ACACACAC"[:between])
    said = found_in(f"A: How do you spell it?\nC: In a market.{meanwhile}\nA: So that is and~ OVAK, great.")
    assert [words for _, words in said if "OVAK" in words] == found


def test_what_stands_between_two_parts_of_a_garbled_name_goes_with_them() -> None:
    """A few words between, not all surely heard, are of the same name."""
    (found,) = found_in("C: Right, on the Moonis~ is the~ Atlantik~ Wall.")
    assert found == ("PERSON", "Moonis is the Atlantik Wall.")


def test_a_name_that_a_turn_opens_with_ends_where_the_recogniser_is_sure_again() -> None:
    """A name of which every word was misheard goes whole."""
    script = "A: And I'm talking to you.\nC: She~ made~ a~ car-trike~"
    assert found_in(script) == [("PERSON", "She made a car-trike")]
    assert found_in(f"{script} and so on") == [("PERSON", "She made a car-trike")]


@pytest.mark.parametrize("answer", ["I don't have it here.", "Just a moment please.", "Yes, sure."])
def test_an_answer_in_plain_words_is_none(answer: str) -> None:
    """A request for figures that is put off leaves the words as they are."""
    assert found_in(f"A: The policy number?\nC: {answer}") == []


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("It's 503-555-0119, but not after 5.", "but not after 5."),
        ("The routing number is 123456780.", "The routing number is"),
        ("It is dana.king@example.com and the password is on file.", "and the password is on file."),
    ],
)
def test_plain_words_beside_an_answer_stay(line: str, kept: str) -> None:
    """A clause that was plainly heard is no part of the number or address beside it."""
    found = found_in(f"A: Your phone number, routing number and e-mail address please?\nC: {line}")
    assert found
    assert not any(word in kept.split() for _, words in found for word in words.split()), found


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("So 371, Larks Berlin, Unit 37B, Milford, right?", "Unit 37B,"),
        ("You said apartment 5, correct?", "apartment 5,"),
    ],
)
def test_a_unit_alone_is_an_address(line: str, value: str) -> None:
    """A flat is somebody's even where the street was not understood."""
    assert any(value in words for _, words in found_in(f"A: {line}"))


@pytest.mark.parametrize(
    ("script", "kind", "value"),
    [
        ("A: What's your billing zip code?\nC: $27.40.", "ZIP_CODE", "$27.40."),
        ("C: My social is, leg is leg is leg, 5, 3, 3, 6, 8, 6.", "US_SSN", "is, leg is leg is leg, 5, 3, 3, 6, 8, 6."),
        ("C: It's UHU as in uniform.", "PERSON", "UHU as in uniform."),
        ("C: That's Hiroshi underscore Villanueva, Ed, example.net.", "URL", "example.net."),
    ],
    ids=[
        "a price in the place of a code",
        "digits heard as words",
        "letters run together",
        "what is left of an address",
    ],
)
def test_a_garbled_value_is_taken_whole(script: str, kind: str, value: str) -> None:
    """What stands in the place of a value goes with it, whatever the recogniser made of it."""
    assert (kind, value) in found_in(script)


def test_a_price_within_an_answer_is_no_code() -> None:
    """A price that is not all of the answer is a price."""
    assert found_in("A: What's your account number?\nC: I think it was $45.50 last month.") == []
