"""What of a call must not be heard, all kinds of it together: values, what nobody understood, keys, and their echoes.

Takes the talk, what was found in it and how it sounds; gives redactions. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.guards import guard
from pipeline.keypresses import between_keys, echoes, pressed
from pipeline.redact import plan, shadows, under_voices

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.pii import RedactionPolicy
    from pipeline.tones import Tone
    from pipeline.transcribe import Heard
    from pipeline.types import Channel, PiiSpan, Redaction, ReviewItem, Turn


@dataclass(frozen=True, slots=True)
class Cover:
    """What must go; ``keys`` are those of the redactions that are keys, ``review`` is what a person should look at."""

    redactions: tuple[Redaction, ...]
    keys: tuple[Redaction, ...]
    review: tuple[ReviewItem, ...]


def cover(
    turns: Sequence[Turn],
    findings: Sequence[PiiSpan],
    heard: Heard,
    tones: Sequence[Tone],
    channels: Sequence[Channel],
    policy: RedactionPolicy,
) -> Cover:
    """Everything that must go by what was found, heard and not understood."""
    planned = plan(turns, findings, heard.speech, policy)
    keys = pressed(tones, policy)
    echoed = echoes(tones, keys, channels, policy)
    guarded, review = guard(turns, between_keys(heard.speech, (*keys, *echoed)), planned, policy)
    spoken = (*planned, *guarded)
    beside = (*shadows(spoken, heard.speech), *under_voices(turns, findings, heard, policy))
    return Cover((*spoken, *beside, *keys, *echoed), tuple(keys), tuple(review))
