"""Telephone numbers: every common spelling of one caller gives one E.164 number, and nothing else gives any."""

from __future__ import annotations

import pytest

from pipeline.errors import UsageError
from pipeline.numbers import e164


@pytest.mark.parametrize(
    "spelling",
    [
        "+12025550143",
        "2025550143",
        "12025550143",
        "(202) 555-0143",
        "202.555.0143",
        "202-555-0143",
        "1-202-555-0143",
        "+1 202 555 0143",
        "+1 (202) 555\u20110143",
        "001 202 555 0143",
        "0012025550143",
        " 202 555 0143\n",
        "\uff12\uff10\uff12\uff15\uff15\uff15\uff10\uff11\uff14\uff13",
        "202 555 0143 ext. 12",
        "202-555-0143 x12",
        "2025550143,,12#",
        "tel:+1-202-555-0143",
        "tel:2025550143;phone-context=+1",
        "TEL:+12025550143;ext=12",
        "sip:+12025550143@pbx.example.com",
        "sip:+12025550143@pbx.example.com;user=phone",
        "sip:+12025550143:5060@pbx.example.com",
        "sips:2025550143@pbx.example.com:5061",
        "<sip:+12025550143@pbx.example.com>",
        "whatsapp:+12025550143",
    ],
)
def test_one_caller_has_one_spelling(spelling: str) -> None:
    """Every spelling of a number in the test range 555-01xx is the same caller."""
    assert e164(spelling) == "+12025550143"


@pytest.mark.parametrize(
    ("spelling", "region", "expected"),
    [
        ("020 7946 0958", "GB", "+442079460958"),
        ("00 44 20 7946 0958", "US", "+442079460958"),
        ("011 44 20 7946 0958", "US", "+442079460958"),
        ("+44 (0)20 7946 0958", "US", "+442079460958"),
        ("01 99 00 12 34", "FR", "+33199001234"),
        ("737 874 2833", "US", "+17378742833"),
    ],
)
def test_region_matters_only_without_country_code(spelling: str, region: str, expected: str) -> None:
    """A national spelling is read for its region, an international one for itself."""
    assert e164(spelling, region) == expected


@pytest.mark.parametrize(
    "spelling",
    [
        "",
        "  ",
        "anonymous",
        "Anonymous",
        "sip:anonymous@anonymous.invalid",
        "sip:+12025550143@anonymous.invalid",
        "Restricted",
        "UNAVAILABLE",
        "unknown number",
        "Private Number",
        "No Caller ID",
        "out of area",
        "+266696687",
        "+7378742833",
    ],
)
def test_withheld_numbers_are_none(spelling: str) -> None:
    """What platforms send for a withheld number is no number, and no error."""
    assert e164(spelling) is None


@pytest.mark.parametrize(
    "spelling",
    ["abc", "12", "555-0143", "+1202555014399", "+999 202 555 0143", "sip:dana@example.com", "client:agent-7", "+"],
)
def test_what_is_no_number_is_refused_without_being_quoted(spelling: str) -> None:
    """An invalid number costs one UsageError, and neither it nor its cause repeats the input."""
    with pytest.raises(UsageError) as caught:
        e164(spelling)
    assert spelling not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
