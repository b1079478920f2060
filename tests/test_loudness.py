"""Loudness: sounds are found in noise of any level, and the pauses between words are not part of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline.audio import SPEECH_RATE_HZ
from pipeline.loudness import HOP_S, Loudness, carries_echo, sounds
from tests.factories import span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.audio import Speech
    from pipeline.types import TimeSpan

WORDS = (span(0.5, 1.0), span(1.2, 1.6), span(2.4, 3.1))


def recording(parts: Sequence[TimeSpan], seconds: float, noise_db: float, voice_db: float = -20.0) -> Speech:
    """(1, time): a hum in each part, in noise."""
    times = np.arange(round(seconds * SPEECH_RATE_HZ)) / SPEECH_RATE_HZ
    noise = np.random.default_rng(7).standard_normal(len(times)) * 10 ** (noise_db / 20)
    hum = np.sin(2 * np.pi * 180 * times) * 2**0.5 * 10 ** (voice_db / 20)
    spoken = sum(((times >= each.start_s) & (times < each.end_s) for each in parts), np.zeros(len(times), bool))
    return (noise + hum * spoken).astype(np.float32)[None]


def levels(samples: Speech, block: int = 512 * 7) -> Loudness:
    """The loudness of a recording that passed in blocks."""
    loudness = Loudness()
    blocks = [samples[:, at : at + block] for at in range(0, samples.shape[1], block)]
    passed = list(loudness.watch(blocks))
    assert all(one is two for one, two in zip(passed, blocks, strict=True))
    return loudness


@pytest.mark.parametrize("noise_db", [-90.0, -60.0, -45.0, -35.0])
def test_speech_is_cut_at_its_pauses(noise_db: float) -> None:
    """One span of speech becomes its words, to within three hops, whatever the noise of the line."""
    found = sounds(levels(recording(WORDS, 4.0, noise_db)).levels()[0], [span(0.3, 3.4)])
    assert len(found) == len(WORDS)
    for one, two in zip(found, WORDS, strict=True):
        assert (one.start_s, one.end_s) == pytest.approx((two.start_s, two.end_s), abs=3 * HOP_S)


def test_a_quiet_voice_counts_beside_a_loud_one() -> None:
    """Fifteen decibels less is another speaker, not silence."""
    samples = recording(WORDS[:2], 4.0, -60.0) + recording(WORDS[2:], 4.0, -90.0, voice_db=-35.0)
    assert len(sounds(levels(samples).levels()[0], [span(0.3, 3.4)])) == len(WORDS)


def test_noise_alone_is_no_sound() -> None:
    """What a detector takes for speech on a line that carries nothing but noise has no sound in it."""
    samples = recording(WORDS, 8.0, -50.0)
    assert len(sounds(levels(samples).levels()[0], [span(0.3, 3.4), span(5.0, 6.0)])) == len(WORDS)


@pytest.mark.parametrize("block", [160, 512, 1000, 64000])
def test_levels_do_not_depend_on_the_blocks(block: int) -> None:
    """However a recording is cut, its levels are the same."""
    samples = recording(WORDS, 4.0, -50.0)
    assert np.array_equal(levels(samples, block).levels(), levels(samples, 64000).levels())


@pytest.mark.parametrize(
    ("noise_db", "echo_db", "carries"), [(-60.0, -50.0, True), (-40.0, -55.0, False), (-60.0, None, False)]
)
def test_an_echo_is_told_from_noise(noise_db: float, echo_db: float | None, carries: bool) -> None:  # noqa: FBT001
    """A channel carries an echo if it is louder while only the other side speaks than while nobody does."""
    mine, others = (span(0.5, 1.5),), (span(1.3, 2.6), span(4.0, 5.2))
    samples = recording(mine, 8.0, noise_db)
    if echo_db is not None:
        samples = samples + recording(others, 8.0, -120.0, voice_db=echo_db)
    own = levels(samples).levels()[0]
    assert carries_echo(own, mine, others) is carries
    assert not carries_echo(own, mine, ())


def test_nothing_has_no_sounds() -> None:
    """No blocks, no levels, no speech: no sounds."""
    assert sounds(Loudness().levels().reshape(-1), []) == ()
