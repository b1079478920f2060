"""Guards: what nobody understood is redacted and put on the review list, never trusted. Pure.

The transcript is a machine's. Where a voice was heard and no word stands, or one word lasts as long as a sentence,
something was said that no detector could judge; so it was where the recogniser was caught in a loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.gaps import FLUENT_S, drawn_out, fluent, looped, unworded
from pipeline.types import Redaction, ReviewItem, TimeSpan

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pipeline.pii import RedactionPolicy
    from pipeline.types import Channel, Turn, Word

UNHEARD = "UNHEARD"
SLACK_S = 0.2  # what a word's own sound may reach beyond its span


def guard(
    turns: Sequence[Turn],
    speech: Mapping[Channel, tuple[TimeSpan, ...]],
    redactions: Sequence[Redaction],
    policy: RedactionPolicy,
) -> tuple[tuple[Redaction, ...], tuple[ReviewItem, ...]]:
    """Redactions of what was not understood, and the same spans for a person to look at.

    Args:
        turns: what was understood.
        speech: per channel, where a voice was heard.
        redactions: what is redacted already.
        policy: how long speech without words may be, and what is put in its place.
    """
    found = [
        (channel, span, reason)
        for channel in speech
        for span, reason in _closed(channel, turns, speech[channel], redactions, policy)
    ]
    action = policy.rule(UNHEARD).action
    return (
        tuple(Redaction(UNHEARD, channel, span, action, reason) for channel, span, reason in found),
        tuple(ReviewItem(channel, span, reason) for channel, span, reason in found),
    )


def _words(turns: Sequence[Turn], channel: Channel, *, believed: bool = False) -> list[Word]:
    """Words of a channel, in order; those that can be believed are in no loop."""
    here = [turn for turn in turns if turn.channel is channel]
    loops = [looped(turn.words) if believed else frozenset() for turn in here]
    heard = (
        word for turn, loop in zip(here, loops, strict=True) for at, word in enumerate(turn.words) if at not in loop
    )
    return sorted(heard, key=lambda word: word.span)


def _closed(
    channel: Channel,
    turns: Sequence[Turn],
    speech: Sequence[TimeSpan],
    redactions: Sequence[Redaction],
    policy: RedactionPolicy,
) -> Iterator[tuple[TimeSpan, str]]:
    """Doubts that reach over the pause to the next redaction or doubt, if no word stands between."""
    words, believed = _words(turns, channel), _words(turns, channel, believed=True)
    doubts = [
        (span, reason)
        for span, reason in _doubts(speech, words, believed, policy.audio.unworded_s)
        if not _covered(span, channel, redactions)
    ]
    ends = [*(r.span for r in redactions if r.channel is channel), *(span for span, _ in doubts)]
    for span, reason in doubts:
        start_s = max((e.end_s for e in ends if 0 <= span.start_s - e.end_s <= FLUENT_S), default=span.start_s)
        end_s = min((e.start_s for e in ends if 0 <= e.start_s - span.end_s <= FLUENT_S), default=span.end_s)
        before, after = TimeSpan(start_s, span.start_s), TimeSpan(span.end_s, end_s)
        if any(word.span.overlaps(before) for word in believed):
            start_s = span.start_s
        if any(word.span.overlaps(after) for word in believed):
            end_s = span.end_s
        yield TimeSpan(start_s, end_s), reason


def _doubts(
    speech: Sequence[TimeSpan], words: Sequence[Word], believed: Sequence[Word], unworded_s: float
) -> Iterator[tuple[TimeSpan, str]]:
    gaps = [
        TimeSpan(max(span.start_s - SLACK_S, 0.0), span.end_s + SLACK_S)
        for span in unworded(fluent(speech), believed, unworded_s, SLACK_S)
    ]
    yield from ((gap, "speech with no words") for gap in gaps)
    for word in words:
        heard = any(word.span.overlaps(span) for span in speech)
        shown = any(gap.start_s <= word.span.start_s and word.span.end_s <= gap.end_s for gap in gaps)
        if drawn_out(word) and heard and not shown:
            yield word.span, "a word that lasts too long"


def _covered(span: TimeSpan, channel: Channel, redactions: Sequence[Redaction]) -> bool:
    return any(
        each.channel is channel and each.span.start_s <= span.start_s and each.span.end_s >= span.end_s
        for each in redactions
    )
