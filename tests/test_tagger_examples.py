"""What the reader of talks learns from: labels of what was heard, and examples that are drawn anew."""

from __future__ import annotations

import random

import pytest

from benchmarks import text_recall
from benchmarks.corpus import script
from benchmarks.tagger.examples import SETS, UNTOLD, Example, labelled, written
from benchmarks.tagger.texts import TURNS, command, cut
from benchmarks.tagger.train import Redrawn, kept_back
from pipeline.types import Channel, TimeSpan, Turn, Word
from tests.pii_calls import turns

TALK = turns("A: Which student is it?\nC: The big new lumpy. My number is 555 0145.")
LABELS = (("",) * 4, ("PERSON",) * 4 + ("",) * 3 + ("ACCOUNT_NUMBER",) * 2)


def test_nothing_is_learnt_from_what_is_held_out() -> None:
    """No held-out set is among those that examples are made of, and no script of one is in another."""
    assert not script.HELD_OUT & set(SETS)
    learnt = {template.id for name in SETS for template in script.of_set(name)}
    assert not learnt & {template.id for name in script.HELD_OUT for template in script.of_set(name)}


def test_a_word_has_the_label_that_most_of_it_lies_in() -> None:
    """Less than two fifths of a word in a label, a label of another channel and key tones are none."""
    words = tuple(Word(text, TimeSpan(at, at + 1.0), 0.9) for text, at in (("it's", 0.0), ("Dana", 1.0), ("here", 2.0)))
    said = Turn("customer", Channel.CUSTOMER, words)
    pii = [
        {"entity_type": "USERNAME", "channel": "customer", "start_s": 0.7, "end_s": 2.3},
        {"entity_type": "PERSON", "channel": "agent", "start_s": 2.0, "end_s": 3.0},
        {"entity_type": "DTMF", "channel": "customer", "start_s": 2.0, "end_s": 3.0},
    ]
    assert labelled((said,), {"pii": pii}) == (("", "PASSWORD", ""),)


@pytest.mark.parametrize("seed", range(20))
def test_what_is_drawn_anew_says_the_same_beside_the_values(seed: int) -> None:
    """Other names and figures, each of its sort and in its place; every other word as it was heard."""
    drawn = Redrawn(random.Random(seed), [Example("x", TALK, LABELS)]).of(Example("x", TALK, LABELS))  # noqa: S311
    assert [len(turn.words) for turn in drawn.turns] == [len(labels) for labels in drawn.labels]
    told = [
        [word for word, label in zip(turn.words, labels, strict=True) if not label]
        for turn, labels in zip(drawn.turns, drawn.labels, strict=True)
    ]
    assert told == [list(TALK[0].words), list(TALK[1].words[4:7])]
    sorts = [label for label in drawn.labels[1] if label]
    assert sorts == sorted(sorts, reverse=True)
    assert set(sorts) == {"PERSON", "ACCOUNT_NUMBER"}
    assert drawn.turns[1].words[-1].text[-1] == "."


def test_names_are_drawn_anew_as_names_and_as_everyday_words() -> None:
    """Over many draws hardly any name comes twice, so that none can be learnt."""
    redrawn = Redrawn(random.Random(1), [Example("x", TALK, LABELS)])  # noqa: S311
    names = {redrawn.of(Example("x", TALK, LABELS)).turns[1].words[0].text for _ in range(200)}
    assert len(names) > 80


def test_a_script_is_read_as_written_with_its_labels() -> None:
    """Every labelled value of a script is labelled in what is read of it."""
    template = next(each for each in script.of_set("learn") if "{" in " ".join(each.turns))
    example = written(template, 1)
    assert [len(turn.words) for turn in example.turns] == [len(labels) for labels in example.labels]
    assert any(label for labels in example.labels for label in labels)
    assert written(template, 1) == example != written(template, 2)


def test_a_worn_talk_says_the_same() -> None:
    """Without capitals, marks or turns the words and their labels stay, in order."""
    redrawn = Redrawn(random.Random(1), [Example("x", TALK, LABELS)])  # noqa: S311
    plain = [word.text.lower().rstrip(".,?!") for turn in TALK for word in turn.words]
    seen = set()
    for _ in range(200):
        worn = redrawn.worn(Example("x", TALK, LABELS))
        assert [w.text.lower().rstrip(".,?!") for turn in worn.turns for w in turn.words] == plain
        assert [label for labels in worn.labels for label in labels] == [label for labels in LABELS for label in labels]
        text = " ".join(w.text for turn in worn.turns for w in turn.words)
        seen.add((len(worn.turns), text.islower(), text.endswith(".")))
    assert {(1, False, True), (2, True, True), (2, False, False), (2, False, True)} <= seen


def test_real_talk_is_cut_into_parts_with_its_labels() -> None:
    """Every turn is in one part, in order, with a sort for each word of a label and none for the others."""
    said = TALK * 20
    case = text_recall.Case(said, (("PERSON", 3, 0, 2), ("ZIP_CODE", 39, 7, 9)))
    for first in (0, 1, TURNS - 1):
        parts = list(cut("x", case, first))
        assert [turn for part in parts for turn in part.turns] == list(said)
        assert all(len(part.turns) <= TURNS for part in parts)
        labels = [labels for part in parts for labels in part.labels]
        assert labels[3] == ("PERSON", "PERSON", *[""] * 7)
        assert labels[39] == (*[""] * 7, "ACCOUNT_NUMBER", "ACCOUNT_NUMBER")
        assert sum(map(bool, (label for each in labels for label in each))) == 4


def test_what_a_command_leaves_open_is_not_learnt_from() -> None:
    """A name is personal, a time is not, and nobody knows of a place."""
    told = command("call [person : mary ann] at [time : six] in [place_name : new york] please")
    assert told == [
        ("call", ""), ("mary", "PERSON"), ("ann", "PERSON"), ("at", ""), ("six", ""), ("in", ""), ("new", UNTOLD),
        ("york", UNTOLD), ("please", ""),
    ]  # fmt: skip


def test_every_talk_is_in_one_half() -> None:
    """What is learnt from is not scored, and nothing is lost."""
    cases = [text_recall.Case(TALK, (("PERSON", 1, 0, number),)) for number in range(9)]
    halves = *text_recall.scored(cases), *text_recall.unscored(cases)
    assert len(halves) == len(cases)
    assert {case.labels for case in halves} == {case.labels for case in cases}


def test_one_script_in_ten_is_kept_back() -> None:
    """Told by its name alone, so that another set of scripts keeps back the same."""
    names = [template.id for name in SETS for template in script.of_set(name)]
    kept = [name for name in names if kept_back(name)]
    assert 0.05 < len(kept) / len(names) < 0.15
    assert [number for number in range(60) if kept_back(f"call_{number}")] == [3, 14, 28, 43, 49]
