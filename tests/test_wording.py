"""Text-only counting of what detection leaves: words of scripts, numbers as a recogniser writes them."""

from __future__ import annotations

from itertools import pairwise

import pytest

from benchmarks import wording
from benchmarks.corpus import script


def call(*turns: str, **values: str) -> script.Script:
    """A script of these turns, filled with seed 3."""
    template = next(item for item in script.load() if item.id == "card_plain")
    plain = script.Template("wording_test", turns, values, template.options)
    return script.fill(plain, 3)


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("it is four one, double two.", "it is 41-22."),
        ("nine hundred, oh seven", "900-07"),
        ("one of them, at ten. Twelve pounds", "one of them, at ten. Twelve pounds"),
        ("twenty one rooms", "21 rooms"),
    ],
)
def test_runs_of_number_words_are_written_as_digits(said: str, written: str) -> None:
    """A single number word stays a word, and a full stop ends a number."""
    ((_, phrases),) = wording.spoken(call(f"A: {said}"))
    assert " ".join(word.text for phrase in phrases for word in phrase.words) == written


def test_turns_follow_each_other_and_key_tones_are_left_out() -> None:
    """Words are in order of time; what is no speech has none."""
    lines = wording.spoken(
        call("A: Hello, {name}.", "C: {keys:dtmf}", "C: <pause 0.5> It is me.", name="person", keys="keys")
    )
    words = [word for _, phrases in lines for phrase in phrases for word in phrase.words]
    assert [channel.value for channel, _ in lines] == ["agent", "customer"]
    assert all(one.span.end_s <= two.span.start_s for one, two in pairwise(words))
    assert [phrase.entity_type for _, phrases in lines for phrase in phrases] == [None, "PERSON", None]
