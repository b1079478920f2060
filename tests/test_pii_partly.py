"""Values of which only a part was heard, and answers that were hardly heard at all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.pii import detect
from pipeline.pii.written import write
from tests.pii_calls import POLICY, Unmodelled, found_in, said, turns


def _taken(script: str) -> str:
    """All words that are found in a script, in order."""
    return " ".join(words for _, words in found_in(script))


@pytest.mark.parametrize(
    ("script", "value"),
    [
        ("C: the car is a hatchback and you can't~ sell~ an~ old~ J-N-Z.", "can't sell an old J-N-Z."),
        ("C: Are we done now then? You~ can~ get~ November Kanga.~", "You can get November Kanga."),
        (
            "C: We stayed there all week. He'll heal~ two~ zero.~ He acts~ please.~",
            "He'll heal two zero. He acts please.",
        ),
        ("C: It is kept at so~ reminded,~ XY-158 is~ 184.~", "reminded, XY-158 is 184."),
    ],
)
def test_hardly_heard_words_beside_a_part_of_a_code_go_with_it(script: str, value: str) -> None:
    """Hardly heard words beside a part of a code go with it."""
    assert value in _taken(script)


def test_words_beside_a_part_of_a_code_stay_if_they_were_heard() -> None:
    """Words beside a part of a code stay if they were heard."""
    assert "hatchback" not in _taken("C: the car is a hatchback and you can't sell an old J-N-Z.")


def test_hardly_heard_words_beside_a_quantity_stay() -> None:
    """Hardly heard words beside a quantity stay."""
    assert _taken("C: it~ weighs~ about 12 kilos in~ all~ today") == ""


def test_hardly_heard_words_before_the_domain_of_a_mailbox_go_with_it() -> None:
    """Hardly heard words before the domain of a mailbox go with it."""
    assert "event determined example dot org" in _taken("C: There~ is event~ determined~ example dot org.")


def test_words_before_a_site_stay_if_they_were_heard() -> None:
    """Words before a site stay if they were heard."""
    assert _taken("C: I very much like example dot org.") == "example dot org."


def test_hardly_heard_words_after_a_title_are_a_name() -> None:
    """Hardly heard words after a title are a name."""
    assert "Why~ is that a sharp~".replace("~", "") in _taken("A: So that's Mr. Why~ is that a sharp~ lad?")


def test_what_is_surely_heard_after_a_title_is_no_name() -> None:
    """What is surely heard after a title is no name."""
    assert _taken("A: So that's Mr. and you can hold the line?") == ""


def test_an_unsure_word_that_the_next_clause_calls_she_is_a_name() -> None:
    """An unsure word that the next clause calls she is a name."""
    assert _taken("C: Today~ is on my lap, she's under two.") == "Today"
    assert _taken("C: Today is on my lap, she's under two.") == ""


def test_who_signs_is_a_question_for_a_name() -> None:
    """Who signs is a question for a name."""
    assert "wane can be Sam" in _taken("A: Who authorizes it?\nC: wane can be Sam.")


def test_a_garbled_question_word_makes_no_question_of_an_answer() -> None:
    """A garbled question word makes no question of an answer."""
    assert "What can be wane right?" in _taken("A: Who authorizes it?\nC: What~ can be~ wane~ right?")


def test_what_can_i_have_that_points_back_to_is_asked_for() -> None:
    """What can i have that points back to is asked for."""
    script = "A: And there's a password on here. Can I have that?\nC: I think I made it. Paper moon."
    assert _taken(script) == "Paper moon."
    assert _taken(script.replace(" Can I have that?", "")) == ""


def test_a_password_is_announced_though_it_is_said_what_it_opens() -> None:
    """A password is announced though it is said what it opens."""
    assert (
        _taken("C: Oh, and the password to the panel is still blue heron.\nA: You should change that.") == "blue heron."
    )


def test_an_address_on_the_net_is_awaited_until_its_domain() -> None:
    """An address on the net is awaited until its domain."""
    assert "anitavlecwa" in _taken("A: can I have your email?\nC: www\nC: anitavlecwa\nC: example.org")


def test_a_month_and_year_after_the_number_of_a_card_is_its_expiry() -> None:
    """A month and year after the number of a card is its expiry."""
    card = "C: It's 2223 0031 2200 3222. And the day 1226."
    assert ("CARD_EXPIRY", "1226.") in found_in(card)
    assert found_in("C: And the day 1226.") == []


def test_a_street_after_a_unit_is_taken_to_its_pause_though_it_was_hardly_heard() -> None:
    """A street after a unit is taken to its pause though it was hardly heard."""
    assert "flat 7 feet, 82 cstrel grow," in _taken("C: It's flat 7 feet, 82 cstrel~ grow,~ isn't it?")


@pytest.mark.parametrize(
    ("script", "value"),
    [
        ("C: why is in yellow, and that is it", "why is in yellow,"),
        ("C: that one, B is in boy today", "B is in boy"),
        ("C: It's on the card. He has an Edward U as in uniform, okay", "He has an Edward U as in uniform,"),
    ],
)
def test_a_letter_is_spelled_though_what_ties_its_word_to_it_was_misheard(script: str, value: str) -> None:
    """A letter is spelled though what ties its word to it was misheard."""
    assert value in _taken(script)


def test_is_in_with_another_letter_explains_none() -> None:
    """Is in with another letter explains none."""
    assert _taken("C: plan B is in there today") == ""


def test_an_unsure_capital_goes_with_the_made_up_word_before_it() -> None:
    """An unsure capital goes with the made-up word before it."""
    call = turns("C: Soy Bruceenko~ Walzky.~")
    surer = replace(call[0].words[2], probability=0.5)
    call = (replace(call[0], words=(*call[0].words[:2], surer)),)
    assert said(call, detect(call, Unmodelled(), {}, POLICY, "es")) == [("PERSON", "Bruceenko Walzky.")]


def test_hardly_heard_words_before_the_introduction_of_a_name_stay() -> None:
    """Hardly heard words before the introduction of a name stay."""
    call = turns("C: We said in~ the name~ is Yelanda Colossi")
    unsure = [replace(word, probability=0.5) for word in call[0].words[-2:]]
    call = (replace(call[0], words=(*call[0].words[:-2], *unsure)),)
    assert said(call, detect(call, Unmodelled(), {}, POLICY)) == [("PERSON", "Yelanda Colossi")]


@pytest.mark.parametrize(("sure", "taken"), [(0.2, True), (0.5, False)])
def test_something_must_be_hardly_heard_beside_a_part_of_a_code(sure: float, *, taken: bool) -> None:
    """Words that are merely unsure beside a part of a code stay; with one that was hardly heard they go."""
    call = tuple(
        replace(
            each, words=tuple(replace(w, probability=sure if w.text in ("old", "sell") else 0.9) for w in each.words)
        )
        for each in turns("C: the car is a hatchback and you can't sell an old J-N-Z.")
    )
    found = " ".join(words for _, words in said(call, detect(call, Unmodelled(), {}, POLICY)))
    assert ("old" in found) is taken


def test_a_street_whose_name_was_hardly_heard() -> None:
    """Between the number of a house and the kind of its street stands a name, whatever it was heard as."""
    assert "75 warp close," in _taken("C: We moved to 75 warp~ close, thanks.")
    assert found_in("C: It took 75 people to close, thanks.") == []


def test_a_number_said_back_as_prices() -> None:
    """Digits that were just given are the same value however the recogniser groups them; other prices are none."""
    given = "A: What's the customer number?\nC: It is 9-8-7-6, then 7-4-3-3-4-1.\n"
    assert "98.76, 74.33, 41." in _taken(f"{given}A: So 98.76, 74.33, 41.")
    assert "74.33" not in _taken(f"{given}A: So 98.75, 74.33, 41.")


def test_a_letter_heard_by_its_sound_before_the_word_for_it() -> None:
    """A Y is heard as "why"; tea for two is none."""
    assert write(["why", "for", "yacht", "S", "for", "sugar"]).text == "YS"
    assert write(["tea", "for", "two"]).text == "tea for 2"


def test_a_name_of_the_address_is_heard_again_in_two_words() -> None:
    """A name that is misheard as everyday words sounds like the one that was given with the address."""
    call = "A: Your full name and the first line of the address.\nC: Six, Applegate Lane.\nA: I know Apple~ gate~ well."
    assert "Apple gate" in _taken(call)
