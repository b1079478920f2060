"""Whether what was heard of a call can be relied on at all: pure.

Takes what was heard; gives the reasons why it cannot, and what a person should look at. A call about which there is a
doubt is never stored as redacted: what found nothing in it may not have been able to find anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.types import ReviewItem, TimeSpan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.config import VerifySettings
    from pipeline.transcribe import Heard
    from pipeline.types import Channel


def doubts(
    heard: Heard, channels: Sequence[Channel], rule: VerifySettings
) -> tuple[tuple[str, ...], tuple[ReviewItem, ...]]:
    """Reasons not to store the call, and for each of them the whole call on every channel as an item of review.

    Args:
        heard: what was heard in a recording that is not silent.
        channels: of the recording.
        rule: the languages whose calls can be redacted, and how certain the language must be.
    """
    reasons = tuple(_reasons(heard, rule))
    whole = TimeSpan(0.0, heard.duration_s)
    return reasons, tuple(ReviewItem(channel, whole, reason) for reason in reasons for channel in channels)


def _reasons(heard: Heard, rule: VerifySettings) -> Iterator[str]:
    if not any(heard.speech.values()):
        yield "sound in which no voice was found"
        return
    if not heard.segments:
        yield "voices of which no word was understood"
        return
    if heard.language not in rule.languages:
        yield f"no rules of detection for language {heard.language}"
    if heard.language_certainty < rule.min_language_certainty:
        yield f"language {heard.language} told with certainty {heard.language_certainty:.2f} only"
