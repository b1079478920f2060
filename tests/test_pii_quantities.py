"""What stands because the talk explains it, each beside what looks like it and goes."""

from __future__ import annotations

import pytest

from pipeline.pii import detect
from tests.pii_calls import POLICY, Scripted, found_in, said, turns


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("A: Phone PIN?\nC: 4359.\nA: How much are we moving?\nC: 2600, over to my checking.", ["4359."]),
        ("A: Patient accounts, how may I assist?\nC: I got a bill for 1800 and they say it's paid.", []),
        ("A: The chart number?\nC: 419 5966.\nA: You know what? They paid 1420, so 380 is yours.", ["419 5966."]),
        ("A: When was he born?\nC: May 7, 2015.\nA: So you've met 400 of the 1500 this year.", ["May 7, 2015."]),
        ("A: When does it expire?\nC: It's at 99.95%", []),
        ("A: Your rewards number?\nC: 419 287.\nA: Okay.\nC: I never got to 2500 from there.", ["419 287."]),
        ("A: Will it fit the 8710?\nC: Yes, the 8710, the 8720 and the 7740.", []),
        ("C: What platform's the 1052?", []),
        ("C: So 16 at 598 is 9568.", []),
        ("A: Which model?\nC: It is 8710.", []),
        ("C: The balcony is 2950, and the train is at 1306.", []),
    ],
)
def test_a_number_that_the_talk_explains_stands(script: str, found: list[str]) -> None:
    """An amount asked for or paid, a share, a percentage, a round sum in a sentence, a model, a train, a result."""
    assert [words for _, words in found_in(script)] == found


@pytest.mark.parametrize(
    ("script", "value"),
    [
        ("A: Phone PIN?\nC: What?\nA: Your PIN?\nC: 2600.", "2600."),
        ("A: How much do you owe, and your account number?\nC: 4471.", "4471."),
        ("A: How much is left?\nC: Look up 44712290.", "44712290."),
        ("A: The card number?\nC: The one I paid with, 4242 4242 4242 4242.", "4242 4242 4242 4242."),
        ("A: The last four of your card?\nC: I paid, 4242.", "4242."),
        ("A: Your date of birth?\nC: The 4th of the 5th, 1980.", "4th of the 5th, 1980."),
        ("A: Your zip code?\nC: 90,210.", "90,210."),
        ("A: And the card?\nC: That is the 8710.", "8710."),
        ("A: Which code?\nC: It is 8710.", "8710."),
        ("C: The model is here. My badge. That is the 8710.", "8710."),
        ("C: It fits, and my account is the 8710.", "8710."),
        ("C: The account is at the office, 598 is 9568.", "9568."),
    ],
)
def test_a_number_that_only_looks_explained_goes(script: str, value: str) -> None:
    """A number that nothing near it explains is redacted, whatever else is said."""
    assert any(value.startswith(words) or words.endswith(value) for _, words in found_in(script))


def test_a_noun_inside_another_asks_for_nothing_of_its_own() -> None:
    """A national insurance number is no insurance number: what is counted later on the one channel stands."""
    script = "A: I need a national insurance number.\nC: QQ123456C.\nA: That's 10 installments of 113."
    assert [words for _, words in found_in(script, mixed=True)] == ["QQ123456C."]


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("A: Thank you, I have a Maria Hatad.", ["Maria Hatad."]),
        ("A: Is this the interest~ Delgado?", ["the interest Delgado?"]),
        ("C: Shoot, I think so.", []),
        ("A: Credit Union, are you a member?", []),
        ("A: Can I grab your name and your I D?", []),
        ("A: Member number?\nC: It's on the card.\nA: Okie~ dok and you're the subscriber", []),
        ("C: The password is still blue heron. Is that bad?\nA: You shouldn't tell me that.", ["still blue heron."]),
        ("A: Cell for the driver?\nC: Hers is 404 555 0194.", ["404 555 0194."]),
        ("A: Your phone number?\nC: My number is 404 555 019.", ["404 555 019."]),
        ("C: Her number is 920 708 694. And yours, 000 140 138.", ["920 708 694.", "000 140 138."]),
        ("C: My name is Maria Hatad.\nA: Okie~ fine and you're here", ["Maria Hatad."]),
        ("A: The I BAN?\nC: I~ do IE29 Alpha India Bravo Kilo 9311.", ["IE29 Alpha India Bravo Kilo 9311."]),
        ("C: 999,\nA: M hum\nC: 463 1985.", ["999,", "463 1985."]),
    ],
)
def test_the_words_around_a_value_stand(script: str, found: list[str]) -> None:
    """Everyday words that were plainly heard are no part of a value; those that were not may be."""
    assert [words for _, words in found_in(script)] == found


@pytest.mark.parametrize(
    ("line", "found"), [("C: I liked the Berber best.", []), ("C: I liked Berber best.", ["Berber"])]
)
def test_the_model_takes_no_thing_behind_an_article_for_a_person(line: str, found: list[str]) -> None:
    """One capital that is no widespread name is a thing behind an article."""
    call = turns(line)
    assert [words for _, words in said(call, detect(call, Scripted("PERSON", "Berber"), {}, POLICY))] == found
