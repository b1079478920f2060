"""Redaction: PII words become spans of time, and those spans are replaced in the audio.

:func:`plan` is pure. A span reaches from the speech onset before its first word to the speech offset after its last
one and a collar beyond, but not past the neighbouring words by more than an overrun, because a recogniser's word
times are off by up to 0.4 s. :func:`apply_to_audio` carries it out; the transcript is ``placeholders``' work.
"""

from __future__ import annotations

import math
import warnings
from bisect import bisect_left, bisect_right
from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.gaps import fluent
from pipeline.guards import UNHEARD
from pipeline.types import Action, Redaction, TimeSpan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pipeline.audio import AudioFormat, Samples
    from pipeline.pii.policy import AudioRule, RedactionPolicy
    from pipeline.transcribe import Heard
    from pipeline.types import Channel, PiiSpan, Turn

_NOISE_SEED = 20_26
_AT_EDGE_S = 0.02
_PAUSE_S = 0.05  # two words at least this far apart have a pause between them
_UNSURE, _UNSURE_PAUSE_S = 0.5, 0.12  # beside a word that was perhaps misheard, a shorter one may be a stop inside it
_FADES_S = 0.25  # a voice begins and ends so softly that this much of it is no sound
_REST_S = 0.5  # what is left of a sound in which no other word was heard is a rest of the value
_SILENCE_S = 0.6  # a shorter pause in what the other side says is part of it


@dataclass(frozen=True, slots=True)
class _Spoken:
    """A word on its channel's time line; ``pii`` says whether any finding covers it."""

    span: TimeSpan
    pii: bool


def plan(
    turns: Sequence[Turn],
    findings: Sequence[PiiSpan],
    speech: Mapping[Channel, tuple[TimeSpan, ...]],
    policy: RedactionPolicy,
) -> tuple[Redaction, ...]:
    """What to replace in the audio, in order of time; spans of one kind on one channel do not overlap.

    Args:
        turns: what was said.
        findings: which words must go.
        speech: per channel, where the voice activity detector heard speech.
        policy: collars, and the action of each kind.
    """
    lines = _lines(turns, findings)
    redactions = [
        Redaction(
            entity_type=found.entity_type,
            channel=turns[found.turn].channel,
            span=_reach(turns, found, lines, speech, policy.audio),
            action=policy.rule(found.entity_type).action,
            reason=found.reason,
        )
        for found in findings
    ]
    return _merged(redactions, policy.audio.merge_gap_s, lines)


def shadows(redactions: Sequence[Redaction], speech: Mapping[Channel, tuple[TimeSpan, ...]]) -> tuple[Redaction, ...]:
    """The same spans on the other channel wherever its owner is silent, for there the line may carry an echo."""
    echoed = []
    for redaction in redactions:
        for other in speech:
            if other is redaction.channel:
                continue
            voice = fluent(speech[other], _SILENCE_S)
            if redaction.entity_type == UNHEARD:
                voice = [TimeSpan(max(each.start_s - _FADES_S, 0.0), each.end_s + _FADES_S) for each in voice]
            for quiet in _outside(redaction.span, voice):
                reason = f"echo of {redaction.channel.value}: {redaction.reason}"
                echoed.append(replace(redaction, channel=other, span=quiet, reason=reason))
    return tuple(echoed)


def under_voices(
    turns: Sequence[Turn], findings: Sequence[PiiSpan], heard: Heard, policy: RedactionPolicy
) -> tuple[Redaction, ...]:
    """What the other side's own voice covers of a value, on channels where the line carries an echo.

    A voice has holes in which an echo is heard. Only the words' own time goes, not the pauses beside them, in which
    the other side may well take its turn.
    """
    covered = []
    for found in findings:
        channel = turns[found.turn].channel
        for other in heard.echoing - {channel}:
            rule = policy.rule(found.entity_type)
            reason = f"echo of {channel.value} under a voice: {found.reason}"
            covered.append(Redaction(found.entity_type, other, _core(turns, found), rule.action, reason))
    return tuple(covered)


def apply_to_audio(
    blocks: Iterable[Samples],
    redactions: Sequence[Redaction],
    channels: Sequence[Channel],
    fmt: AudioFormat,
    rule: AudioRule,
    first: int = 0,
) -> Iterator[Samples]:
    """The blocks with redacted spans replaced; every other sample is passed on as it is.

    Args:
        blocks: (channels, time) in the sample type of ``fmt``.
        redactions: what to replace.
        channels: names of the rows.
        fmt: rate and sample type.
        rule: pitch and level of what is put in.
        first: number, in the recording, of the first sample of the first block.
    """
    fills = _Fills(fmt, rule)
    spans = [
        (channels.index(r.channel), int(r.span.start_s * fmt.rate_hz), -int(-r.span.end_s * fmt.rate_hz // 1), r.action)
        for r in sorted(redactions, key=lambda r: r.span)
    ]
    position = first
    for block in blocks:
        end = position + block.shape[1]
        hit = [span for span in spans if span[1] < end and span[2] > position]
        redacted = block.copy() if hit else block
        for row, begins, last, action in hit:
            start, stop = max(begins, position), min(last, end)
            redacted[row, start - position : stop - position] = fills.fill(action, start, stop, block.dtype)
        yield redacted
        position = end


def muted(redactions: Iterable[Redaction]) -> tuple[Redaction, ...]:
    """The same spans with nothing in their place."""
    return tuple(replace(each, action=Action.SILENCE) for each in redactions)


class _Fills:
    """Tone, noise or silence for any stretch of the recording, the same wherever a block happens to begin."""

    def __init__(self, fmt: AudioFormat, rule: AudioRule) -> None:
        with warnings.catch_warnings():
            # It looks for ffmpeg, which nothing here needs, and imports a module that Python is about to drop.
            warnings.simplefilter("ignore")
            from pydub.generators import Sine

        rate, second_ms = fmt.rate_hz, 1000
        tone = Sine(round(rule.tone_hz), sample_rate=rate, bit_depth=16).to_audio_segment(second_ms, rule.tone_dbfs)
        noise = np.random.default_rng(_NOISE_SEED).standard_normal(rate)
        self._second = {
            Action.SILENCE: np.zeros(rate),
            Action.TONE: np.array(tone.get_array_of_samples(), dtype=np.float64)[:rate] / 32768.0,
            Action.NOISE: np.clip(noise * 10 ** (rule.tone_dbfs / 20) / 2**0.5, -1, 1),  # as loud as the tone
        }

    def fill(self, action: Action, first: int, end: int, dtype: np.dtype[Any]) -> Samples:
        """Samples ``first`` to ``end`` of the recording."""
        second = self._second[action]
        wave: Samples = second[np.arange(first, end) % len(second)]
        if dtype == np.uint8:
            return np.round(wave * 127 + 128).astype(dtype)
        if np.issubdtype(dtype, np.integer):
            return np.round(wave * np.iinfo(dtype).max).astype(dtype)
        return wave.astype(dtype)


def _pauses(turns: Sequence[Turn], found: PiiSpan) -> tuple[float, float]:
    """How long the silence before a finding and after it must be to be one, s."""
    edges = (turns[found.turn].words[at] for at in (found.words.first, found.words.end - 1))
    before_s, after_s = (_UNSURE_PAUSE_S if word.probability < _UNSURE else _PAUSE_S for word in edges)
    return before_s, after_s


def _core(turns: Sequence[Turn], found: PiiSpan) -> TimeSpan:
    words = turns[found.turn].words[found.words.first : found.words.end]
    return TimeSpan(min(w.span.start_s for w in words), max(w.span.end_s for w in words))


def _lines(turns: Sequence[Turn], findings: Sequence[PiiSpan]) -> dict[Channel, list[_Spoken]]:
    """Every channel's words in order of time."""
    pii = {(found.turn, index) for found in findings for index in range(found.words.first, found.words.end)}
    lines: dict[Channel, list[_Spoken]] = defaultdict(list)
    for number, turn in enumerate(turns):
        for index, word in enumerate(turn.words):
            lines[turn.channel].append(_Spoken(word.span, (number, index) in pii))
    for line in lines.values():
        line.sort(key=lambda spoken: spoken.span)
    return lines


def _reach(
    turns: Sequence[Turn],
    found: PiiSpan,
    lines: Mapping[Channel, list[_Spoken]],
    speech: Mapping[Channel, tuple[TimeSpan, ...]],
    rule: AudioRule,
) -> TimeSpan:
    """From the sound of the words outwards by a collar, over a pause to the next word, little into one said without."""
    core, channel = _core(turns, found), turns[found.turn].channel
    least_before_s, least_after_s = _pauses(turns, found)
    others = [spoken.span for spoken in lines[channel] if not spoken.pii]
    before = max((span.end_s for span in others if span.start_s < core.start_s), default=-math.inf)
    after = min((span.start_s for span in others if span.end_s > core.end_s), default=math.inf)
    sounds = speech.get(channel, ())
    paused_before = core.start_s - before >= least_before_s and _ends_a_sound(before, sounds)
    paused_after = after - core.end_s >= least_after_s and _begins_a_sound(after, sounds)
    floor_s = before if paused_before else min(before, core.start_s) - rule.overrun_s
    ceiling_s = after if paused_after else max(after, core.end_s) + rule.overrun_s
    own = [each for each in sounds if each.overlaps(core)]
    begins_s = min((each.start_s for each in own if each.start_s >= before), default=core.start_s)
    ends_s = max((each.end_s for each in own if each.end_s <= after), default=core.end_s)
    lead_s = rule.onset_s if _begins_a_sound(begins_s, sounds) else rule.collar_s
    start_s = max(min(core.start_s, begins_s) - lead_s, floor_s)
    end_s = min(max(core.end_s, ends_s) + rule.collar_s, ceiling_s)
    for sound in (each for each in sounds if each.start_s < end_s and start_s < each.end_s):
        if sound.start_s < start_s <= sound.start_s + _REST_S and before <= sound.start_s:
            start_s = sound.start_s
        if sound.end_s - _REST_S <= end_s < sound.end_s <= after:
            end_s = sound.end_s
    return TimeSpan(max(min(start_s, core.start_s), 0.0), max(end_s, core.end_s))


def _begins_a_sound(at_s: float, sounds: Sequence[TimeSpan]) -> bool:
    return any(abs(each.start_s - at_s) <= _AT_EDGE_S for each in sounds)


def _ends_a_sound(at_s: float, sounds: Sequence[TimeSpan]) -> bool:
    return any(abs(each.end_s - at_s) <= _AT_EDGE_S for each in sounds)


def _merged(
    redactions: Iterable[Redaction], gap_s: float, lines: Mapping[Channel, list[_Spoken]]
) -> tuple[Redaction, ...]:
    """Redactions of one kind and channel that nothing else was said between become one."""
    kept: dict[tuple[Channel, str], list[Redaction]] = defaultdict(list)
    clear = {channel: [s.span for s in line if not s.pii] for channel, line in lines.items()}
    for redaction in sorted(redactions, key=lambda r: (r.channel, r.span)):
        line = kept[redaction.channel, redaction.entity_type]
        last = line[-1] if line else None
        if last and redaction.span.start_s - last.span.end_s < gap_s:
            gap = TimeSpan(last.span.end_s, redaction.span.start_s)
            if gap.duration_s <= 0 or not any(span.overlaps(gap) for span in clear[redaction.channel]):
                end_s = max(last.span.end_s, redaction.span.end_s)
                line[-1] = replace(last, span=TimeSpan(last.span.start_s, end_s))
                continue
        line.append(redaction)
    flat = sorted((r for line in kept.values() for r in line), key=lambda r: (r.channel, r.span))
    closed = [_up_to(one, two, clear[one.channel], gap_s) for one, two in zip_longest(flat, flat[1:])]
    return tuple(sorted(closed, key=lambda r: (r.span, r.channel)))


def _up_to(one: Redaction, two: Redaction | None, clear: Sequence[TimeSpan], gap_s: float) -> Redaction:
    """The first of two neighbours, reaching up to the second if nothing else was said between."""
    if two is None or two.channel is not one.channel or not 0 < two.span.start_s - one.span.end_s < gap_s:
        return one
    gap = TimeSpan(one.span.end_s, two.span.start_s)
    if any(span.overlaps(gap) for span in clear):
        return one
    return replace(one, span=TimeSpan(one.span.start_s, two.span.start_s))


def _outside(span: TimeSpan, speech: Sequence[TimeSpan]) -> Iterator[TimeSpan]:
    """Parts of a span in which there is no speech."""
    start_s = span.start_s
    first = bisect_left([each.end_s for each in speech], span.start_s)
    last = bisect_right([each.start_s for each in speech], span.end_s)
    for each in speech[first:last]:
        if each.start_s > start_s:
            yield TimeSpan(start_s, min(each.start_s, span.end_s))
        start_s = max(start_s, each.end_s)
    if start_s < span.end_s:
        yield TimeSpan(start_s, span.end_s)
