"""What of a recording is one person's own: takes a transcript, gives their turns and the spans of everybody else.

On two channels a person is the channel of their side; the other is silenced whole. On a mixed channel a voice is only
a guess, so somebody has to listen and say which speaker the person is; what that speaker's turns do not cover is
silenced. Nobody's words are handed to the other side of a call (GDPR Art. 15(4), 20(4)).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pipeline.types import Action, Channel, Redaction, TimeSpan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OTHERS: Final = "OTHER_PARTY"
COLLAR_S: Final = 0.1  # kept around a turn on a mixed channel, where nobody else's turn begins


def turns_of(transcript: Mapping[str, Any], speaker: str) -> list[dict[str, Any]]:
    """The turns of one speaker, or of one channel where that is what names them, each with its number in the call."""
    turns = enumerate(transcript["turns"])
    return [{"turn": at, **turn} for at, turn in turns if speaker in (turn["speaker"], turn["channel"])]


def others(
    transcript: Mapping[str, Any], channels: Sequence[Channel], speaker: str, duration_s: float
) -> tuple[Redaction, ...]:
    """What to silence so that only the speaker is heard.

    Args:
        transcript: a ``transcript.json``.
        channels: of the recording.
        speaker: a channel's name, or a speaker of the mixed channel.
        duration_s: of the recording; what lies behind it is silenced, too.
    """
    end_s = duration_s + 60.0
    if tuple(channels) != (Channel.MIXED,):
        return tuple(_silence(each, TimeSpan(0.0, end_s)) for each in channels if each.value != speaker)
    own = [TimeSpan(turn["start_s"], turn["end_s"]) for turn in transcript["turns"] if turn["speaker"] == speaker]
    strange = [TimeSpan(turn["start_s"], turn["end_s"]) for turn in transcript["turns"] if turn["speaker"] != speaker]
    heard = sorted(_widened(span, strange) for span in own)
    gaps, at_s = [], 0.0
    for span in heard:
        if span.start_s > at_s:
            gaps.append(TimeSpan(at_s, span.start_s))
        at_s = max(at_s, span.end_s)
    gaps.append(TimeSpan(at_s, end_s))
    both = (TimeSpan(max(a.start_s, b.start_s), min(a.end_s, b.end_s)) for a in heard for b in strange if a.overlaps(b))
    return tuple(_silence(Channel.MIXED, span) for span in sorted([*gaps, *both]))


def _widened(span: TimeSpan, strange: Sequence[TimeSpan]) -> TimeSpan:
    before = max((each.end_s for each in strange if each.end_s <= span.start_s), default=0.0)
    after = min((each.start_s for each in strange if each.start_s >= span.end_s), default=span.end_s + COLLAR_S)
    return TimeSpan(max(before, span.start_s - COLLAR_S, 0.0), min(after, span.end_s + COLLAR_S))


def _silence(channel: Channel, span: TimeSpan) -> Redaction:
    return Redaction(OTHERS, channel, span, Action.SILENCE, "not this person's part of the call")
