"""What is told by its shape or by where it stands, in words that no rule lists: codes, streets, names, passwords."""

from __future__ import annotations

import pytest

from tests.pii_calls import found_in


@pytest.mark.parametrize(
    ("script", "value"),
    [
        pytest.param("A: And for the file?\nC: I drive BX 68 KFE.", "BX 68 KFE.", id="registration"),
        pytest.param("A: Now it says W P 7 0 V H L.", "W P 7 0 V H L.", id="spelled code"),
        pytest.param("C: Well, 2.0.7.3.8.2. Got it?", "2.0.7.3.8.2.", id="figures with full stops between"),
        pytest.param("A: It is going to CW9 2TT, yes?", "CW9 2TT,", id="postcode"),
        pytest.param("A: It says X-ray, Tango, 54, Bravo, Echo.", "X-ray, Tango, 54, Bravo, Echo.", id="code words"),
        pytest.param("A: What did you pick?\nC: jpetrov22.", "jpetrov22.", id="login"),
        pytest.param("C: It's copper 47 exclamation mark.", "copper 47 exclamation mark.", id="sign"),
        pytest.param("A: I'll reset it to winter orchid.", "winter orchid.", id="reset to"),
        pytest.param("C: I use the one ending in 2019.", "2019.", id="a year at the end of a number"),
        pytest.param("C: It ends 0 4 4 8.", "0 4 4 8.", id="end of a number, told"),
        pytest.param("A: Is it still the one ending in 5 0 2?", "5 0 2?", id="end of a number, asked for"),
        pytest.param("A: Your card runs out 05 slash 27?", "05 slash 27?", id="expiry in a question"),
        pytest.param("A: And your birthday's in October?", "October?", id="birthday in a question"),
        pytest.param("A: When was she born?\nC: 4th of the 8th 2021.", "4th of the 8th 2021.", id="born"),
        pytest.param("A: Is it Hollybush Crescent?", "Hollybush Crescent?", id="street without a number"),
        pytest.param("A: So 5 The Paddocks, then.", "5 The Paddocks,", id="house with an article"),
        pytest.param("C: She's at 19 Thistledown, love.", "19 Thistledown,", id="house before a name"),
        pytest.param("A: Street?\nC: 55 West Magnolia.", "55 West Magnolia.", id="house with a side"),
        pytest.param("C: It's The Vicarage, Sloe Lane, thanks.", "The Vicarage, Sloe Lane,", id="name of a house"),
        pytest.param("C: I keep punching in 8 8 1 star 2 4 0.", "8 8 1 star 2 4 0.", id="keys with a sign between"),
        pytest.param("A: What did she go by before?\nC: Featherstone.", "Featherstone.", id="bare name"),
        pytest.param("A: What shall I put?\nC: J R T.", "J R T.", id="initials"),
        pytest.param("A: Is it Desmond?\nC: Vezz, thanks.", "Vezz,", id="bare name before a pause"),
        pytest.param("A: Ask whether Yusrana did it.", "Yusrana", id="odd capital"),
        pytest.param("C: I was born fifty eight.", "fifty eight.", id="year of birth in two figures"),
        pytest.param("C: Friends call me Skip Vandermole.", "Skip Vandermole.", id="what friends call somebody"),
        pytest.param("C: He has Lacey-Mae with him.", "Lacey-Mae", id="double name"),
        pytest.param("A: You're through to Zorvane, hello.", "Zorvane,", id="greeter"),
        pytest.param("A: You're through too. All~ day~ son,~ hello.", "All day son,", id="greeter misheard"),
        pytest.param(
            "C: It's are like Apple, emlike Mother, Eslec Sugar, W-like Window.",
            "are like Apple, emlike Mother, Eslec Sugar, W-like Window.",
            id="letters explained with like",
        ),
        pytest.param(
            "A: And her licence number?\nC: QRUV-E. 8 O 0 4.", "QRUV-E. 8 O 0 4.", id="letters before a full stop"
        ),
    ],
)
@pytest.mark.parametrize("mixed", [False, True], ids=["two channels", "diarized"])
def test_a_value_is_told_by_its_shape_or_place(script: str, value: str, mixed: bool) -> None:  # noqa: FBT001
    """The value goes whole, whoever asked for it and however."""
    assert value in {words for _, words in found_in(script, mixed=mixed)}


@pytest.mark.parametrize(
    ("script", "values"),
    [
        pytest.param(
            "A: I have your address as 2786 Larks Lane. Is that still current?\nC: It's 3526.",
            ["2786 Larks Lane.", "3526."],
            id="read out, asked whether, corrected",
        ),
        pytest.param(
            "A: So that's Hollybush Crescent?\nC: Number 9, yes.", ["Hollybush Crescent?", "Number 9,"], id="house"
        ),
        pytest.param(
            "C: I moved here in 2019. 4 4 1 8 7 7 2 9 it says.", ["4 4 1 8 7 7 2 9"], id="number after a year"
        ),
        pytest.param(
            "C: My username is jpetrov22.\nA: J Petrov 22, okay.", ["jpetrov22.", "J Petrov 22,"], id="login said again"
        ),
        pytest.param(
            "C: Lima Delta 19 X-ray Oscar Bravo.\nA: LD19 XOB, lovely.",
            ["Lima Delta 19 X-ray Oscar Bravo.", "LD19 XOB,"],
            id="registration said again",
        ),
        pytest.param(
            "C: It's srn77 at example dot com.\nA: S R N 7 7, there.",
            ["srn77 at example dot com.", "S R N 7 7,"],
            id="mailbox said again",
        ),
    ],
)
def test_what_was_said_is_found_in_every_form(script: str, values: list[str]) -> None:
    """A correction and a second saying are found with the first."""
    assert [words for _, words in found_in(script)] == values


@pytest.mark.parametrize(
    "script",
    [
        "A: Then press the pound sign.",
        "A: You need the hash key, or the number sign key.",
        "C: It runs windows11 and I have an iphone15.",
        "A: Which model is it?\nC: Corsa.",
        "A: What make?\nC: Zanussi.",
        "A: Are you sure?\nC: Not really.",
        "C: I read it in the Wall Street Journal on the High Street.",
        "C: I like it like Monday, like always.",
        "A: Is there a model 3 or a model 5?\nC: Number 5, please.",
        "C: There are plans A, B and C.",
        "C: It has two Rs and two Ls.",
        "A: You have version 2.0.7.3, section 4.2.1.",
        "A: Which size do you take?\nC: X L.",
        "C: I drive a Corsavo in Bramstead, and their Zenolux is dead.",
        "A: We're with Liberton Mutual and Costal Energy.",
        "C: It opened in 2019. We went in 2021.",
    ],
)
def test_what_only_looks_like_a_value_stays(script: str) -> None:
    """Keys, products, everyday streets and choices are none."""
    assert found_in(script) == []
