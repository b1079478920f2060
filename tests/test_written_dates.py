"""Spoken dates become figures."""

from __future__ import annotations

import pytest

from pipeline.pii.written import write

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


@pytest.mark.parametrize(("said", "expected"), DATES.items())
def test_dates_are_written_in_figures(said: str, expected: str | None) -> None:
    """Days and years are figures, the month stays as it was said, and short years get their century after a slash."""
    assert write(said.split()).text == (said if expected is None else expected)


@pytest.mark.parametrize("said", DATES)
def test_a_date_stays(said: str) -> None:
    """A date that is written already stays as it is."""
    once = write(said.split()).text
    assert write(once.split()).text == once
