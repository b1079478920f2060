"""Detection in a conversation: requests, announcements, parts, corrections, read-backs, refusals."""

from __future__ import annotations

import pytest

from tests.pii_calls import found_in

ASKED = [
    ("the card number please", "4111 1111 1111 1111.", "CREDIT_CARD"),
    (
        "what's the sixteen digit number on the front",
        "four one one one, one one one one, one one one one, one one one one",
        "CREDIT_CARD",
    ),
    ("and when does it expire", "08 27.", "CARD_EXPIRY"),
    ("and the three digits on the back", "4 1 9.", "CVV"),
    ("can I have the last four of your social", "6 7 8 9.", "US_SSN"),
    ("what's a good number to reach you", "202-555-0143.", "PHONE_NUMBER"),
    ("your e-mail address please", "violet dot king at example dot com.", "EMAIL_ADDRESS"),
    ("what's your home address", "1420 Maple Street, Apartment 5, Springfield, Illinois.", "ADDRESS"),
    ("and the zip code", "62704.", "ZIP_CODE"),
    ("and your date of birth", "The fifth of April, nineteen seventy three.", "DATE_OF_BIRTH"),
    ("your account number please", "8 8 2 3 1 9 0 7.", "ACCOUNT_NUMBER"),
    ("what's the policy number", "P O L 8 8 2 1.", "POLICY_NUMBER"),
    ("your medical record number", "5567812.", "MEDICAL_RECORD"),
    ("your employee ID", "E 4 4 1 2.", "EMPLOYEE_ID"),
    ("the routing number please", "0 2 1 0 0 0 0 2 1.", "ABA_ROUTING_NUMBER"),
    ("could you confirm your PIN", "4 8 2 9.", "PIN"),
    ("what is the password on the account", "Blue elephant.", "PASSWORD"),
    ("what is your mother's maiden name", "Hawthorne.", "SECURITY_ANSWER"),
    ("and your username", "violetking.", "USERNAME"),
    ("what's the licence plate", "K J 4 7 X Y Z.", "VEHICLE_ID"),
    ("your driver's license number", "D 1 2 3 4 5 6 7.", "US_DRIVER_LICENSE"),
    ("may I have your name", "Dana Whitfield.", "PERSON"),
    ("who am I speaking with", "dana whitfield", "PERSON"),
    ("can you spell that name", "D A N A.", "PERSON"),
    ("the order number please", "4 4 5 9 1 2.", "ACCOUNT_NUMBER"),
]


@pytest.mark.parametrize("mixed", [False, True], ids=["two channels", "diarized"])
@pytest.mark.parametrize(("request_", "answer", "kind"), ASKED)
def test_an_answer_is_pii_of_the_kind_that_was_asked_for(request_: str, answer: str, kind: str, mixed: bool) -> None:  # noqa: FBT001
    """All words of the answer are redacted under the kind of the question, on two channels and on one."""
    found = found_in(f"A: Okay, {request_}?\nC: {answer}", mixed=mixed)
    assert [(k, len(w.split())) for k, w in found] == [(kind, len(answer.split()))]


@pytest.mark.parametrize(
    ("statement", "kind", "value"),
    [
        ("My card number is 4111 1111 1111 1111 by the way.", "CREDIT_CARD", "4111 1111 1111 1111"),
        ("Yeah, my social is 219 09 9999 if you need it.", "US_SSN", "219 09 9999"),
        ("I was born on March 3rd 1984 in the spring.", "DATE_OF_BIRTH", "March 3rd 1984"),
        ("I live at 27 Oak Ridge Lane for now.", "ADDRESS", "27 Oak Ridge Lane"),
        ("Hello, my name is dana whitfield and I need help.", "PERSON", "dana whitfield"),
        ("Hi, this is Ngozi Okonkwo from the warehouse.", "PERSON", "Ngozi Okonkwo"),
        ("You can call me at 202-555-0143 after lunch.", "PHONE_NUMBER", "202-555-0143"),
    ],
)
def test_what_is_announced_is_found_without_a_question(statement: str, kind: str, value: str) -> None:
    """An unprompted statement is enough, and the words around it stay."""
    assert found_in(f"C: {statement}") == [(kind, value)]


def test_parts_with_backchannels_between_are_one_answer() -> None:
    """A number in parts is found whole, whatever the other side mumbles, and so is its read-back."""
    found = found_in(
        """A: And the card number?
        C: Sure. 4111.
        A: Mm hmm.
        C: 11, um, 11.
        A: Okay.
        C: 1111 1111.
        A: So that's 4111 1111 1111 1111?"""
    )
    assert [kind for kind, _ in found] == ["CREDIT_CARD"] * 4
    assert "".join(char for _, words in found for char in words if char.isdigit()) == "4111111111111111" * 2


@pytest.mark.parametrize(
    ("script", "value"),
    [
        ("C: Can you log the van, it's Q, Q, six seven, A, Y, B.", "Q, Q, six seven, A, Y, B."),
        ("A: I didn't catch it.\nC: A, Q as in Quebec, G.", "A, Q as in Quebec, G."),
        (
            "A: And the IBAN?\nC: I, E, two nine Alpha, India, Bravo, Kilo nine three one one.",
            "Alpha, India, Bravo, Kilo",
        ),
        (
            "A: Postcode?\nC: It's A, V for van, three, four, A for apple, R.",
            "A, V for van, three, four, A for apple, R.",
        ),
        ("A: And the vin?\nC: It's long. one, M, A, Z, Z, eight one, F, nine seven.", "one, M, A, Z, Z,"),
        ("A: Date of birth?\nC: oh five, twenty two, fifty two.", "oh five, twenty two, fifty two."),
        (
            "A: Shall I text you?\nC: On oh seven seven oh oh, nine hundred, three eighty eight.",
            "oh seven seven oh oh,",
        ),
        (
            "A: Her licence number, it's the long one.\nC: S, M, I, T, H, two.\nA: Mm hmm.\nC: Y, A, one, N, T.",
            "one, N, T.",
        ),
        ("C: I can't open www dot violetking dot example today.", "www dot violetking dot example"),
        ("A: So surname Osei, first name Doreen.", "Osei,"),
        ("C: I'm outside, it's Flat twelve C.", "Flat twelve C."),
        ("A: And the end date?\nC: September twenty eight.", "September twenty eight."),
        ("A: Three digits from the back?\nC: Four one nine.", "Four one nine."),
        ("A: Booking reference?\nC: K as in kilo, J, 4, 7, X.", "J, 4, 7, X."),
        ("A: And your login?\nC: v king 82.", "v king 82."),
        ("C: Send it to violet at king dash law dot co dot uk.", "violet at king dash law dot co dot uk."),
        ("A: Is that with a K?\nC: K A T R I N.", "K A T R I N."),
        ("C: They've spelled it wrong, it's B E R G with an E.", "B E R G"),
        ("C: It says M Whitfield on it.", "M Whitfield"),
        ("A: Which doctor do you see?\nC: Whitfield.", "Whitfield."),
        ("A: Your date of birth?\nC: ship of December 1927.", "ship of December 1927."),
        ("C: It was kept overnight at T, Q, one seven, P, M.", "T, Q, one seven, P, M."),
        ("A: Hi, it's Oluwaseun in the upgrades team.", "Oluwaseun"),
        ("A: Place of birth?\nC: Springfield.", "Springfield."),
        ("C: It's one sixteen The Spinney.", "one sixteen The Spinney."),
        ("C: We move to twenty six hundred Old Mill Terrace.", "twenty six hundred Old Mill Terrace."),
        ("A: I'll reset it to blue elephant.\nC: Blue elephant. I'm in!", "Blue elephant."),
    ],
)
def test_a_code_is_found_whole_however_it_is_said(script: str, value: str) -> None:
    """Letters, code words, a zero at the edge, and what stands between two parts, asked for or not."""
    assert any(value in words for _, words in found_in(script))


@pytest.mark.parametrize(
    "line",
    [
        "A: It takes the 953 XL, and they are 34.99 each.",
        "A: It opens at 11 30 P M.",
        "C: It costs six hundred dollars, and it's a long drive.",
        "A: Two hundred million dollars were spent.",
        "A: They do it at the local hospital, A and E. And then they call.",
        "C: I like, for instance, hiking.",
        "C: Your policy is up for renewal, so we should talk about it.",
    ],
)
def test_a_model_a_sum_and_a_statement_without_a_value_stay(line: str) -> None:
    """Nothing in them is a code, and nothing was given."""
    assert found_in(line) == []


def test_a_correction_is_found_as_well() -> None:
    """The wrong value and the right one both go."""
    found = found_in("A: Your phone number?\nC: 202 555 0143. No, sorry, it's 202 555 0144.")
    assert [words for _, words in found] == ["202 555 0143.", "202 555 0144."]


def test_a_question_back_leaves_the_request_open() -> None:
    """A refusal is no PII, and the answer that follows is."""
    found = found_in("A: Can I get your name?\nC: Why do you need that?\nA: For the record.\nC: It's Dana Whitfield.")
    assert found == [("PERSON", "Dana Whitfield.")]


def test_a_misheard_name_is_taken_whole() -> None:
    """A few odd words after a request for a name are the name."""
    assert found_in("A: May I have your name?\nC: Then a wit field.") == [("PERSON", "Then a wit field.")]


def test_a_name_is_found_when_it_is_said_again() -> None:
    """The first name alone, on the other channel, and a name that only sounds like it."""
    found = found_in("A: Your full name?\nC: Kalim Brennan.\nA: One moment, Callum. So, Kalim, how are you?")
    assert [words for _, words in found] == ["Kalim Brennan.", "Callum.", "Kalim,"]


def test_the_end_of_a_number_is_found_when_it_is_said_again() -> None:
    """Four digits of a value found elsewhere are enough."""
    found = found_in(
        "A: Your account number?\nC: 88231907.\nA: Thanks for waiting. It is the one with 1907 as usual, right?"
    )
    assert [words for _, words in found] == ["88231907.", "1907"]


def test_an_answer_heard_too_early_still_follows_its_question() -> None:
    """The recogniser moves words: an answer counts although its turn seems to begin before the question ends."""
    from dataclasses import replace

    from pipeline.pii import detect
    from pipeline.types import TimeSpan
    from tests.pii_calls import POLICY, Unmodelled, said, turns

    question, answer = turns("A: And the card number please?\nC: 4 1 1")
    first = replace(answer.words[0], span=TimeSpan(0.0, answer.words[0].span.end_s))
    early = replace(answer, words=(first, *answer.words[1:]))
    call = (early, question)
    assert said(call, detect(call, Unmodelled(), {}, POLICY)) == [("CREDIT_CARD", "4 1 1")]


NUMBERS_WITHOUT_PII = [
    "The 2019 Civic is 17,995 dollars and has about 42,000 miles on it.",
    "It's $142.50, and the refund posts within 3 to 5 business days.",
    "We are open from 9 to 5, and 10 to 4 on Saturday.",
    "Your appointment is on March 14th at 3:30 p.m. in room 204.",
    "The rate is 3.9 percent for 60 months, 299 a month.",
    "I'd like the Galaxy S21 or the iPhone 13 with 256 gigabytes.",
    "Take 20 milligrams twice a day for 10 days, blood pressure is 120 over 80.",
    "I saw it for six ninety nine, so a payment of eighty four sixty is fine.",
    "It was built in nineteen eighty two and sold in two thousand and twelve.",
    "About fourteen hundred square feet, two bedrooms and one bath.",
    "I have one question, just one second, which one is the red one?",
    "We had 2 outages in 2021 and 3 in 2022, about 1500 people were hit.",
    "You need version 10.4.2, press 1, then 2, then go to page 15.",
    "There are 120 people ahead of you, the wait is 20 minutes.",
    "The population is 43,000 and it grew by 12 percent in 2020.",
]


@pytest.mark.parametrize("sentence", NUMBERS_WITHOUT_PII)
@pytest.mark.parametrize("speaker", ["A", "C"])
def test_quantities_are_left_alone(speaker: str, sentence: str) -> None:
    """Prices, dates, times, model names, percentages, doses, years and counts are no PII."""
    assert found_in(f"A: How can I help you today?\n{speaker}: {sentence}") == []


@pytest.mark.parametrize("run", ["8823190", "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 2", "EM3985771", "20255501", "7 3 9 1"])
def test_digits_that_nothing_explains_are_redacted(run: str) -> None:
    """A long run goes though nobody asked, and though its checksum is wrong."""
    assert [words for _, words in found_in(f"C: So I have here {run} on the paper.")] == [run]


@pytest.mark.parametrize(
    ("script", "found"),
    [
        (
            "A: What's the address?\nC: 2081 Sycamore Boulevard.\nA: The copy is $10. It takes 2 to 4 days.",
            "2081 Sycamore Boulevard.",
        ),
        ("A: The card number?\nC: The one ending 95, 72, yes.", "95, 72,"),
        ("A: Zip?\nC: 7 7 4 6 8 I think.", "7 7 4 6 8"),
        ("A: Your social security number? Could you repeat the last four? 4329.", "4329."),
        ("A: The account number?\nC: 380777.\nA: Thanks, that was opened in 2019.", "380777."),
        ("A: And the password, just say it.\nC: Pay for food.\nC: You have three new messages.", "Pay for food."),
        ("C: My name is Rhea Delgado.\nA: Birthday~ please?", "Rhea Delgado."),
        ("A: Your policy number?\nC: MV269167. It renews in October at 410.", "MV269167."),
        ("A: The account number?\nC: 319.\nC: Hold on, 380.", "319. 380."),
        ("A: The account number?\nC: 319.\nC: And then it goes to 380.", "319. 380."),
        ("A: And the password, just say it.\nC: I'd like to raise my limit to five thousand.", ""),
    ],
)
def test_the_answer_ends_where_the_talk_goes_on(script: str, found: str) -> None:
    """Prices, years, agreement, the next question and what is said after an answer are no part of it."""
    assert " ".join(words for _, words in found_in(script, mixed=True)) == found
