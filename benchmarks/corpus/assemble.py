"""Phrases laid on one track per channel, one after the other, with the exact time of each.

A label begins and ends where its phrase does (trimmed to 10 ms frames). Word times tile their phrase in proportion to
the number of letters: exact at the phrase's ends, approximate inside.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.corpus import sounds
from benchmarks.corpus.script import Pause, Phrase

if TYPE_CHECKING:
    from benchmarks.corpus.script import Line, Script
    from benchmarks.corpus.sounds import Samples

MERGE_KEYS_S = 0.12  # key tones closer than this are one label


@dataclass(frozen=True, slots=True)
class Cast:
    """Who speaks: a voice and a speed per channel, and whose real digits are used."""

    voices: dict[str, str]
    speeds: dict[str, float]
    digit_speaker: str


@dataclass(slots=True)
class Tracks:
    """What has been laid down so far: sounds with their start, and the labels."""

    placed: list[tuple[str, float, Samples]] = field(default_factory=list)
    words: list[dict[str, Any]] = field(default_factory=list)
    pii: list[dict[str, Any]] = field(default_factory=list)
    evidence: list[dict[str, Any]] = field(default_factory=list)


def cast(script: Script, rng: random.Random) -> Cast:
    """Voices and speeds drawn for a call; the two sides never share a voice."""
    pool = list(sounds.SPANISH if script.language == "es" else (*sounds.WOMEN, *sounds.MEN))
    agent = script.options["agent"] or rng.choice(pool)
    customer = script.options["customer"] or rng.choice([name for name in pool if name != agent])
    speeds = {channel: rng.choice((0.95, 1.0, 1.05, 1.1, 1.15)) for channel in ("agent", "customer")}
    if "speed" in script.options:
        speeds = dict.fromkeys(speeds, script.options["speed"])
    return Cast({"agent": agent, "customer": customer}, speeds, rng.choice(sounds.DIGIT_SPEAKERS))


def assemble(script: Script) -> tuple[dict[str, Samples], Tracks]:
    """The call's clean tracks at ``sounds.RATE_HZ``, of equal length, and its labels.

    Raises:
        MissingSound: a voice model or recording is not on this machine.
    """
    rng = random.Random(f"{script.seed}:{script.id}:sound")  # noqa: S311 - a corpus must be repeatable
    actors = cast(script, rng)
    tracks = Tracks()
    cursor = rng.uniform(0.3, 0.9)
    for line in script.lines:
        gap = line.gap_s if line.gap_s is not None else rng.uniform(0.2, 0.7)
        cursor = _lay_line(line, max(0.0, cursor + gap), actors, tracks, rng)
    length = int((cursor + rng.uniform(0.4, 1.0)) * sounds.RATE_HZ)
    out = {channel: np.zeros(length, dtype=np.float32) for channel in ("agent", "customer")}
    for channel, start_s, samples in tracks.placed:
        first = round(start_s * sounds.RATE_HZ)
        out[channel][first : first + len(samples)] += samples[: length - first]
    return out, tracks


def _lay_line(line: Line, start_s: float, actors: Cast, tracks: Tracks, rng: random.Random) -> float:
    at = start_s
    for index, piece in enumerate(line.pieces):
        if isinstance(piece, Pause):
            at += piece.length_s
            continue
        if index and isinstance(line.pieces[index - 1], Phrase):
            ends = str(line.pieces[index - 1].text)[-1:] in ".,?!"  # type: ignore[union-attr]
            at += rng.uniform(0.12, 0.3) if ends else rng.uniform(0.03, 0.1)
        at = lay_phrase(piece, line.channel, at, actors, tracks, rng)
    return at


def lay_phrase(phrase: Phrase, channel: str, at: float, actors: Cast, tracks: Tracks, rng: random.Random) -> float:
    """Lay one phrase on a channel from ``at``; gives its end, s."""
    if phrase.source in {"dtmf", "dtmf_real"}:
        return _lay_keys(phrase, channel, at, tracks, rng)
    text = phrase.text
    if phrase.source == "voice":
        samples = sounds.voice(text, actors.voices[channel], actors.speeds[channel])
    elif phrase.source == "prompt":
        samples, text = sounds.prompt(text), sounds.prompt_texts().get(text, text)
    elif phrase.source == "fsdd":
        samples, text = sounds.real_digits(text, actors.digit_speaker, rng), " ".join(text)
    else:
        samples, text = sounds.prompt_digits(text, rng), " ".join(text)
    end = at + len(samples) / sounds.RATE_HZ
    tracks.placed.append((channel, at, samples))
    tracks.words.extend(_words(text, channel, at, end))
    if phrase.entity_type:
        tracks.pii.append(_label(phrase.entity_type, phrase.value, text, channel, at, end))
    if phrase.evidence:
        tracks.evidence.append(
            {"kind": phrase.evidence, "channel": channel, "start_s": round(at, 3), "end_s": round(end, 3)}
        )
    return end


def _lay_keys(phrase: Phrase, channel: str, at: float, tracks: Tracks, rng: random.Random) -> float:
    runs: list[tuple[str, float, float]] = []
    pressed = sounds.keys(phrase.text, rng, real=phrase.source == "dtmf_real")
    for key, (samples, gap_s) in zip(phrase.text, pressed, strict=True):
        end = at + len(samples) / sounds.RATE_HZ
        tracks.placed.append((channel, at, samples))
        if runs and at - runs[-1][2] < MERGE_KEYS_S:
            runs[-1] = (runs[-1][0] + key, runs[-1][1], end)
        else:
            runs.append((key, at, end))
        at = end + gap_s
    tracks.pii.extend(_label("DTMF", pressed_keys, "", channel, start, end) for pressed_keys, start, end in runs)
    return at


def _label(entity_type: str, value: str, spoken: str, channel: str, start_s: float, end_s: float) -> dict[str, Any]:
    return {
        "entity_type": entity_type,
        "value": value,
        "spoken": spoken,
        "channel": channel,
        "start_s": round(start_s, 3),
        "end_s": round(end_s, 3),
    }


def _words(text: str, channel: str, start_s: float, end_s: float) -> list[dict[str, Any]]:
    tokens = text.split()
    total = sum(len(token) + 1 for token in tokens)
    words = []
    at = start_s
    for token in tokens:
        end = at + (end_s - start_s) * (len(token) + 1) / total
        words.append({"text": token, "channel": channel, "start_s": round(at, 3), "end_s": round(end, 3)})
        at = end
    return words
