"""The sentinel: it survives every codec that is written, and only its own words count."""

from __future__ import annotations

import numpy as np
import pytest

from models.fakes import spoken
from pipeline.audio import SPEECH_RATE_HZ, probe
from pipeline.verify.sentinel import sentinel
from tests.factories import recording
from tests.test_verify import ALL

PLANTED = sentinel("en")
assert PLANTED is not None


@pytest.mark.parametrize("name", ALL)
def test_it_goes_through_the_codec(name: str) -> None:
    """After the codec, rate and channels of a call it is as long as before, and still loud."""
    assert PLANTED is not None
    sound = PLANTED.carried(probe(recording(ALL[name])))
    assert sound.dtype == np.float32
    assert len(sound) / SPEECH_RATE_HZ == pytest.approx(2.08, abs=0.1)
    assert 0.1 < np.abs(sound).max() <= 1.1


@pytest.mark.parametrize(
    ("heard", "begins"),
    [
        ("and that is all Purple elephants cross the frozen river.", 4),
        ("purple elephants, cross the frozen river", 0),
        ("it is purple elephants across the frozen river thank you", 2),
        ("purple elephants cross the frozen river and then a whole other sentence that is long", None),
        ("one two three purple river", None),
        ("one two three", None),
        ("", None),
    ],
)
def test_it_is_recognised_at_the_end(heard: str, begins: int | None) -> None:
    """Enough of its words at the end of what was heard show that the end was heard; they say where it began."""
    assert PLANTED is not None
    assert PLANTED.begins(spoken(heard, 0.0)) == begins


def test_a_language_without_one() -> None:
    """There is none for a language in which nobody recorded one."""
    assert sentinel("fi") is None
