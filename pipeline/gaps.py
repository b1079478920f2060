"""Speech that the recogniser left without words: found here, heard again by ``transcribe``, redacted by ``guards``.

A recogniser that stops early, skips a repeat or draws one word out over a sentence leaves no trace in its text. The
voice activity detector still hears the voice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.types import TimeSpan

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pipeline.types import Word

LOOP_WORDS, LOOP_TIMES = 4, 3  # so many words, said so often in one turn: nobody does
WORD_SLACK_S = 0.25  # a recogniser's word times are off by this
FLUENT_S = 0.4  # a pause this short is no silence
# Longer than anybody takes for a word of that many letters; such a word covers other speech.
LONGEST_WORD_S, PER_LETTER_S, PER_DIGIT_S = 0.9, 0.12, 0.55


def longest_s(text: str) -> float:
    """How long anybody takes to say a word, digits and letters in it one by one."""
    digits = sum(letter.isdigit() for letter in text)
    return LONGEST_WORD_S + PER_LETTER_S * (len(text) - digits) + PER_DIGIT_S * digits


def drawn_out(word: Word) -> bool:
    """Whether a word lasts so long that other speech must be in it."""
    return word.span.duration_s > longest_s(word.text)


def looped(words: Sequence[Word]) -> frozenset[int]:
    """Positions of words from the first to the last round of a loop that a recogniser was caught in."""
    said = [word.text.casefold().strip(".,?!") for word in words]
    rounds: dict[tuple[str, ...], list[int]] = {}
    for at in range(len(said) - LOOP_WORDS + 1):
        phrase = tuple(said[at : at + LOOP_WORDS])
        if all(any(map(str.isalpha, each)) for each in phrase):
            rounds.setdefault(phrase, []).append(at)
    loops = [places for places in rounds.values() if len(places) >= LOOP_TIMES]
    return frozenset(at for places in loops for at in range(places[0], places[-1] + LOOP_WORDS))


def fluent(sounds: Iterable[TimeSpan], pause_s: float = FLUENT_S) -> list[TimeSpan]:
    """Sounds with the pauses of fluent speech between them closed."""
    joined: list[TimeSpan] = []
    for span in sounds:
        if joined and span.start_s - joined[-1].end_s < pause_s:
            joined[-1] = TimeSpan(joined[-1].start_s, max(joined[-1].end_s, span.end_s))
        else:
            joined.append(span)
    return joined


def unworded(
    speech: Iterable[TimeSpan], words: Sequence[Word], min_s: float, slack_s: float = WORD_SLACK_S
) -> list[TimeSpan]:
    """Stretches of speech, at least ``min_s`` long, that no word covers; a word that is drawn out covers nothing.

    Args:
        speech: where a voice was heard, in order.
        words: what was recognised, in order.
        min_s: shorter stretches are ignored.
        slack_s: speech this near to a word belongs to it.
    """
    covers = sorted((word.span.start_s - slack_s, word.span.end_s + slack_s) for word in words if not drawn_out(word))
    missed = []
    for span in speech:
        start_s = span.start_s
        for first_s, last_s in covers:
            if last_s <= start_s or first_s >= span.end_s:
                continue
            if first_s - start_s >= min_s:
                missed.append(TimeSpan(start_s, first_s))
            start_s = max(start_s, last_s)
        if span.end_s - start_s >= min_s:
            missed.append(TimeSpan(start_s, span.end_s))
    return missed
