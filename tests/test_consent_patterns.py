"""Word patterns: what they match, what a recogniser's errors may cost, and where a gap ends."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.consent.patterns import PatternError, compile_pattern, fold, tokenize
from tests.factories import spoken

WORDS = {"thing": "(call|line)", "taped": "(recorded|taped)"}


def found(pattern: str, text: str, tolerance: int = 0) -> list[str]:
    """The words of every match."""
    tokens = tokenize(spoken(text, 0.0))
    matches = compile_pattern(pattern, WORDS).find(tokens, tolerance)
    return [" ".join(token.text for token in tokens[match.first : match.end]) for match in matches]


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("recorded line", "on a Recorded line.", ["recorded line"]),
        ("<thing> ..2 <taped>", "this call is being recorded", ["call is being recorded"]),
        ("<thing> ..2 <taped>", "this call is now being recorded", []),
        ("<thing> ..2 <taped>", "About your call. It is recorded.", []),
        ("<thing> ..2 <taped>", "Your call. Recorded.", ["call recorded"]),
        ("(stop|end) (the|) call", "stop call or end the call", ["stop call", "end the call"]),
        ("^ no", "no it is no", ["no"]),
        ("^ no", "well no", []),
        ("may i $", "May I? May I ask. Well, may I", ["may i", "may i"]),
        ("i dont", "I don't, I don\u2019t", ["i dont", "i dont"]),
        ("grabacion", "la grabaci\u00f3n", ["grabacion"]),
        ("a b", "a-b", ["a b"]),
    ],
)
def test_matches(pattern: str, text: str, expected: list[str]) -> None:
    """Words, names, gaps, alternatives and anchors match what the module says."""
    assert found(pattern, text) == expected


@pytest.mark.parametrize(
    ("text", "tolerance", "expected"),
    [
        ("this call is recorder", 1, True),
        ("this call is accorded", 1, False),
        ("this call is accorded", 2, True),
        ("this call is recorder", 0, False),
        ("this call is awarded", 2, False),
        ("this cell is recorded", 2, False),
    ],
)
def test_recogniser_errors(text: str, tolerance: int, expected: bool) -> None:  # noqa: FBT001
    """Long words may be misheard by an edit or two within the tolerance, short ones not at all."""
    assert bool(found("call is recorded", text, tolerance)) is expected


@settings(max_examples=60)
@given(st.text(max_size=40))
def test_folding_is_idempotent(text: str) -> None:
    """What is folded stays as it is when it is folded again."""
    once = fold(text)
    assert fold(" ".join(once)) == once


@pytest.mark.parametrize("pattern", ["(a|b", "a)", "<nobody>", "..2 a", "a ..2", ""])
def test_what_cannot_be_read(pattern: str) -> None:
    """A pattern with a missing bracket, an unknown name or a gap at its edge is refused."""
    with pytest.raises(PatternError):
        compile_pattern(pattern, WORDS)
