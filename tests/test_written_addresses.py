"""Spoken mail and web addresses become those that can be typed."""

from __future__ import annotations

import pytest

from pipeline.pii.written import write

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


@pytest.mark.parametrize(("said", "expected"), ADDRESSES.items())
def test_addresses_are_written_with_their_signs(said: str, expected: str | None) -> None:
    """Dots, dashes and at-signs that are said in an address are its signs; said elsewhere they are words."""
    assert write(said.split()).text == (said if expected is None else expected)


@pytest.mark.parametrize("said", ADDRESSES)
def test_an_address_stays(said: str) -> None:
    """An address that is written already stays as it is."""
    once = write(said.split()).text
    assert write(once.split()).text == once
