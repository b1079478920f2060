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

WORD_SLACK_S = 0.25  # speech this near to a word belongs to it
# Longer than anybody takes for a word of that many letters; such a word covers other speech.
LONGEST_WORD_S, PER_LETTER_S, PER_DIGIT_S = 0.9, 0.12, 0.55


def drawn_out(word: Word) -> bool:
    """Whether a word lasts so long that other speech must be in it."""
    digits = sum(letter.isdigit() for letter in word.text)
    longest_s = LONGEST_WORD_S + PER_LETTER_S * (len(word.text) - digits) + PER_DIGIT_S * digits
    return word.span.duration_s > longest_s


def unworded(speech: Iterable[TimeSpan], words: Sequence[Word], min_s: float) -> list[TimeSpan]:
    """Stretches of speech, at least ``min_s`` long, that no word covers; a word that is drawn out covers nothing.

    Args:
        speech: where a voice was heard, in order.
        words: what was recognised, in order.
        min_s: shorter stretches are ignored.
    """
    covers = sorted(
        (word.span.start_s - WORD_SLACK_S, word.span.end_s + WORD_SLACK_S) for word in words if not drawn_out(word)
    )
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
