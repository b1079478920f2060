"""The model that reads a talk, with its real weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import platformdirs
import pytest

from models.fetch import resolve
from models.registry import ENCODER, TUNED_FILE
from models.tagger import TalkTagger, distances
from pipeline.errors import MissingModel
from tests.pii_calls import turns

if TYPE_CHECKING:
    from pathlib import Path

ASKED = """
A: Good morning, Greenfield school office, which student are you calling about?
C: The~ big~ new~ lumpy.~ She's in fourth grade, room 12, and she's running a fever.
A: I'm sorry to hear that. And yourself?
C: I'm her dad. The number is 555 0145.
"""
HARMLESS = """
A: How much is it to park for the day?
C: It's twelve dollars, and the machine takes coins or cards.
A: Great, we'll come by on Tuesday at ten then.
C: See you on Tuesday. Have a good one.
"""


@pytest.fixture(scope="module")
def tagger() -> TalkTagger:
    """With the weights that the product uses."""
    return TalkTagger(resolve(ENCODER, platformdirs.user_cache_path("callseal") / "models"))


def likely(tagger: TalkTagger, script: str) -> dict[str, float]:
    """How likely each word of a script is personal data; of one that is said twice, the likelier."""
    call = turns(script)
    found: dict[str, float] = {}
    for turn, tags in zip(call, tagger.tag(call), strict=True):
        for word, tag in zip(turn.words, tags, strict=True):
            found[word.text] = max(tag.probability, found.get(word.text, 0.0))
    return found


def test_a_name_that_was_misheard_is_told_by_the_question(tagger: TalkTagger) -> None:
    """Everyday words in the place of a name are likely one; what is said around them is not."""
    found = likely(tagger, ASKED)
    assert found["lumpy."] > 0.5
    assert found["555"] > 0.5
    assert max(found[word] for word in ("fever.", "sorry", "grade,", "running", "calling")) < 0.2


def test_prices_and_times_are_nobodys(tagger: TalkTagger) -> None:
    """A talk of numbers and days in which nobody says who they are has nothing likely in it."""
    assert max(likely(tagger, HARMLESS).values()) < 0.3


def test_every_word_of_a_long_talk_has_a_tag_that_its_surroundings_give(tagger: TalkTagger) -> None:
    """A talk of many windows is tagged whole, and far from its edges as a shorter one is."""
    call = turns(ASKED.strip("\n").join(["\n"] * 41))
    tags = tagger.tag(call)
    assert [len(each) for each in tags] == [len(turn.words) for turn in call]
    assert all(0 <= tag.probability < 1 for each in tags for tag in each)  # 1 is for what no window held
    names = [tags[at][3].probability for at in range(1, len(call), 4)]
    assert min(names) > 0.3
    assert tagger.tag(()) == []


def test_missing_weights_are_named(tmp_path: Path) -> None:
    """A folder without the encoder is an error that says what to do."""
    with pytest.raises(MissingModel, match="models fetch"):
        TalkTagger(tmp_path)


def test_distances_are_exact_when_near_and_in_steps_when_far() -> None:
    """The buckets of relative places of T5 (Raffel et al. 2020), which MPNet took over: 16 for each direction."""
    kinds = distances(256)
    assert [int(kinds[200, 200 - back]) for back in (0, 1, 7, 8, 15, 16, 64, 127, 128, 200)] == [
        0, 1, 7, 8, 9, 10, 14, 15, 15, 15,
    ]  # fmt: skip
    assert [int(kinds[0, ahead]) for ahead in (1, 7, 8, 127, 200)] == [17, 23, 24, 31, 31]


def test_what_was_learnt_is_small() -> None:
    """What stands in the repository is a fraction of the encoder that it was learnt on."""
    assert TUNED_FILE.stat().st_size < 3_000_000
