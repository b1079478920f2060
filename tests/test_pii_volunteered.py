"""What nobody asked for in the usual words is found all the same; what only looks alike is left alone."""

from __future__ import annotations

import pytest

from pipeline.pii import detect
from pipeline.types import Channel, TimeSpan, Turn, Word
from tests.pii_calls import POLICY, Unmodelled, found_in, said


@pytest.mark.parametrize(
    ("script", "kind", "value"),
    [
        ("C: It's the same password as the till, paper moon, I know.", "PASSWORD", "paper moon,"),
        ("C: There's a phrase on the account, midnight lantern if you want.", "PASSWORD", "midnight lantern"),
        ("A: Is the wifi locked?\nC: It is.\nA: What do you type?\nC: Velvet anchor.", "PASSWORD", "Velvet anchor."),
        ("C: I typed sandpiper, all one word, and it said no.", "PASSWORD", "typed sandpiper,"),
        ("A: The memorable word?\nC: Er, now then. Is it tangerine?\nA: It is.", "PASSWORD", "tangerine?"),
        ("A: Can you log in? What are you signing in as?\nC: Jarvisligh.", "USERNAME", "Jarvisligh."),
        ("C: And he lives over in Kettering, he said.", "LOCATION", "Kettering,"),
        ("A: Which card?\nC: 5200 8282 8282 8210, and that's up in April 2027.", "CREDIT_CARD", "April 2027."),
        ("C: Through 0.08~ slash~ 31.", "CARD_EXPIRY", "0.08 slash 31."),
        ("C: There is a gate, it's 1947, then the pound sign.", "PIN", "1947,"),
        ("A: I'll stop the card ending, $70.89. A new one is on its way.", "CREDIT_CARD", "$70.89."),
        ("A: And the tail end of your social, just the four?\nC: 1969.", "US_SSN", "1969."),
        ("A: Who do I say?\nC: May windsloth.~", "PERSON", "May windsloth."),
        ("A: Brilliant, and whereabouts is it?\nC: It's 36 station~ per~ night.~", "ADDRESS", "36 station per night."),
        ("A: What is your PAN?\nC: Why is the SE,~ a 296 5H?~", "IN_PAN", "Why is the SE, a 296 5H?"),
        ("C: Born on the fifth of April, 1973, I was.", "DATE_OF_BIRTH", "the fifth of April, 1973,"),
    ],
)  # fmt: skip
def test_a_value_that_was_not_asked_for_in_the_usual_words(script: str, kind: str, value: str) -> None:
    """It goes whole, under its kind."""
    assert (kind, value) in found_in(script)


@pytest.mark.parametrize(
    ("script", "value"),
    [
        ("C: Hello, payment security, my name. May, I gather you asked me to ring.", "May,"),
        ("C: And the driver, May, super nice, left it in the rain.", "May,"),
        ("A: Thank you for calling customer care myself. Dory, how may I assist you?", "Dory,"),
        ("A: Here we go, it's under. Braya? That's right.", "Braya?"),
        ("C: The landlord's mister. the Which field? It matters.", "the Which field?"),
        ("C: He said his name was, see~ big new, a~ dammit,~ and he'd had it three days.", "see big new, a dammit,"),
        ("C: It's in my partner's name, some~ go see wane~ right.", "some go see wane right."),
        ("A: I can only speak to a~ goasy,~ unless they're there.", "a goasy,"),
        ("C: Do you need him it they~ beg~ news~ illemskay~", "they beg news illemskay"),
        ("A: Who am I speaking with?\nC: Oh! sold at Applegate, the main one.", "sold at Applegate,"),
        ("A: And I'm talking to?\nC: why had~ it?~", "why had it?"),
        ("C: Mine is three mornings a week and a~ lois.~ She's off.", "lois."),
        ("A: Is that Angosibotan? It's me.", "Angosibotan?"),
        ("C: It was signed by Dana Wall, I think.", "Dana Wall,"),
        ("C: Ironworks Fitness, Zbegneau at the front desk.", "Zbegneau"),
    ],
)  # fmt: skip
def test_a_name_that_was_misheard(script: str, value: str) -> None:
    """Where a name is usual, what was heard there is one."""
    assert value in [words for kind, words in found_in(script) if kind == "PERSON"]


@pytest.mark.parametrize(
    ("script", "value"),
    [
        ("C: The bloke wrote it on the box. 198.5~ 1.100.56.~", "198.5 1.100.56."),
        ("A: Are you still using? Fatima.Sengupti. That one.", "Fatima.Sengupti."),
        ("C: Emails good, Rammus~ 278 at Maple Coast dot exam.~", "Rammus 278 at Maple Coast dot exam."),
        ("C: I am ERC, ERadexample.com.", "I am ERC,"),
        ("C: Surname is W. Asin Whiskey, I.Asin India, H.Asin Hotel.", "W. Asin Whiskey, I.Asin India, H.Asin Hotel."),
        ("C: I'm only at Pj 139 QH, so I'll walk it.", "Pj 139 QH,"),
        ("C: Hold on now. FQX 426822.", "FQX 426822."),
        ("C: I took a photo, it's QQ11USX and silver.", "QQ11USX"),
        ("C: It says works number J650. 5.3~ is that any good?", "J650. 5.3"),
        ("C: It's 15 Elm Street, Q for Queen, and 4-4-V-Z.", "4-4-V-Z."),
        ("A: That's O-7700, 9.00465.\nC: Call 0770900465.", "O-7700, 9.00465."),
        ("C: and it's Whiskey, Sula,~ 1, 3, 3, November, Bravo.", "Whiskey, Sula, 1, 3, 3, November, Bravo."),
        ("C: Sorry, the account is 7282, 1, I did two pounds first.", "7282, 1,"),
        ("A: Your IBAN?\nC: Have you a pen? I, E, 2-9 then A, I, B, K, 9-3-1.", "I, E, 2-9 then A, I, B, K, 9-3-1."),
    ],
)  # fmt: skip
def test_a_code_that_the_recogniser_tore_apart(script: str, value: str) -> None:
    """Its parts go together, however they were written."""
    assert any(value in words for _, words in found_in(script))


@pytest.mark.parametrize(
    "script",
    [
        "A: Thank you for calling Brightwire Internet, how can I help you today?",
        "A: You're through to Greenfield Energy, how can I help?",
        "A: Good morning, Ledgerly support, how may I help you?",
        "A: Harbour Insurance Brokers, good morning.",
        "C: They did two X-rays and a cast, and sent an E-mail.",
        "C: I've got one of your Corollas, and a Dutch oven.",
        "A: It covers about 2500 square feet, at four point eleven.",
        "A: Orchestra is 62 and the balcony is 2950, all before the discount.",
        "C: The meter reading was 84117 on the first, and then 84602.",
        "C: I've never set a password, sorry, and it's fine.",
        "A: Hang on, unlimited? Ballpark, that's fine.",
        "C: And it's still 402 a month, right?",
        "A: We're open until six, and 730 to noon on Saturdays.",
    ],
)
def test_talk_that_only_looks_personal(script: str) -> None:
    """Firms, things, prices, readings and hours stay."""
    assert found_in(script) == []


def test_a_date_that_was_given_closes_the_question() -> None:
    """Prices said after a date of birth are none of it; a corrected year is."""
    call = "A: Date of birth?\nC: 25 March 1991.\nA: Band one's 2740, or 300 and 2670.\nC: Sorry, it was 1992."
    assert found_in(call) == [("DATE_OF_BIRTH", "25 March 1991."), ("DATE_OF_BIRTH", "1992.")]


def test_titles_are_no_part_of_a_name_and_neither_is_the_lead_of_an_address() -> None:
    """Only what tells somebody goes."""
    assert found_in("A: E-mail?\nC: Good, ramaswamy78@maplepost.example.") == [
        ("EMAIL_ADDRESS", "ramaswamy78@maplepost.example.")
    ]
    assert ("CREDIT_CARD", "5200828282828210.") in found_in(
        "A: Can I take a card?\nC: It's a debit card, 5200828282828210."
    )


def test_a_word_not_surely_heard_beside_a_name_that_was_hardly_heard_goes_with_it() -> None:
    """A name is torn into words of which the last was heard better than the first."""
    heard = [("It", 0.9), ("was", 0.9), ("for", 0.9), ("Zamzon", 0.2), ("win", 0.3), ("slow", 0.75), ("today", 0.95)]
    words = tuple(Word(text, TimeSpan(0.3 * at, 0.3 * at + 0.3), sure) for at, (text, sure) in enumerate(heard))
    call = (Turn("customer", Channel.CUSTOMER, words),)
    assert said(call, detect(call, Unmodelled(), {}, POLICY)) == [("PERSON", "Zamzon win slow")]
