"""Key tones and recorder beeps: found in speech, noise and narrow codecs, and not found in voices and chords."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.audio import SPEECH_RATE_HZ, decode_speech
from pipeline.tones import BEEP_HZ, COLUMNS_HZ, KEYPAD, ROWS_HZ, ToneKind, ToneListener
from pipeline.types import Channel, TimeSpan
from tests.factories import av_file, pcm16, recording, sound_file, tone, voice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.tones import Tone
    from tests.factories import Floats

RATE_HZ = 8_000
FIRST_S = 0.6  # when the first key is pressed


def key(pressed: str, seconds: float, rate_hz: int = RATE_HZ, *, off: float = 0.0, twist_db: float = 0.0) -> Floats:
    """A key at -12 dB, its frequencies off by a share and its high tone louder than its low one by ``twist_db``."""
    row, column = divmod(KEYPAD.index(pressed), len(COLUMNS_HZ))
    louder = 10 ** (twist_db / 40)
    low = tone(float(ROWS_HZ[row]) * (1 + off), seconds, rate_hz, 0.25 / louder)
    return low + tone(float(COLUMNS_HZ[column]) * (1 + off), seconds, rate_hz, 0.25 * louder)


def keys(
    pressed: str, on_s: float, gap_s: float, rate_hz: int = RATE_HZ, **shape: float
) -> tuple[Floats, list[TimeSpan]]:
    """Keys one after the other from FIRST_S on, with as much silence after them; and where each one is."""
    samples = np.zeros(round((2 * FIRST_S + len(pressed) * (on_s + gap_s)) * rate_hz))
    spans = []
    for index, each in enumerate(pressed):
        first = round((FIRST_S + index * (on_s + gap_s)) * rate_hz)
        sound = key(each, on_s, rate_hz, **shape)
        samples[first : first + len(sound)] = sound
        spans.append(TimeSpan(first / rate_hz, (first + len(sound)) / rate_hz))
    return samples, spans


def heard(samples: Floats, rate_hz: int = RATE_HZ) -> tuple[Tone, ...]:
    """Tones in (time,) samples of a mono recording."""
    return heard_file(sound_file(pcm16(samples[None]), rate_hz))


def heard_file(raw: bytes) -> tuple[Tone, ...]:
    """Tones in a mono file, decoded as the story decodes it."""
    listener = ToneListener((Channel.MIXED,))
    for _ in listener.listen(decode_speech(recording(raw), 600.0)):
        pass
    return listener.tones()


def pressed(tones: Sequence[Tone]) -> str:
    """Which keys were heard."""
    return "".join(each.key for each in tones)


def left_s(tones: Sequence[Tone], spans: Sequence[TimeSpan]) -> float:
    """The longest part of any span, in seconds, that no tone covers at one of its ends."""
    found = [[each.span for each in tones if each.span.overlaps(span)] for span in spans]
    return max(
        max(min(f.start_s for f in over) - span.start_s, span.end_s - max(f.end_s for f in over)) if over else 9.9
        for over, span in zip(found, spans, strict=True)
    )


def noise(length: int, level_db: float) -> Floats:
    """White noise of an RMS level in dBFS."""
    return np.random.default_rng(7).standard_normal(length) * 10 ** (level_db / 20)


def test_every_key() -> None:
    """All sixteen keys are told apart, each in its place."""
    samples, spans = keys(KEYPAD, 0.08, 0.08)
    tones = heard(samples)
    assert pressed(tones) == KEYPAD
    assert left_s(tones, spans) <= 0.02
    assert all(each.span.duration_s <= 0.08 + 0.06 for each in tones)


@pytest.mark.parametrize(
    ("on_s", "gap_s", "shape"),
    [
        (0.04, 0.04, {}),
        (0.5, 0.03, {}),
        (0.08, 0.08, {"off": 0.015}),
        (0.08, 0.08, {"off": -0.015}),
        (0.08, 0.08, {"twist_db": 6.0}),
        (0.08, 0.08, {"twist_db": -8.0}),
    ],
)
def test_what_the_standard_allows(on_s: float, gap_s: float, shape: dict[str, float]) -> None:
    """Keys as short, as far off and as uneven as ITU-T Q.24 lets a telephone send them are found."""
    samples, spans = keys("1590#D", on_s, gap_s, **shape)
    assert left_s(heard(samples), spans) <= 0.02


@pytest.mark.parametrize("off", [0.035, -0.035])
def test_what_the_standard_refuses(off: float) -> None:
    """Two tones that are off by 3.5 % or more are no key."""
    assert heard(keys("1590#D", 0.08, 0.08, off=off)[0]) == ()


@pytest.mark.parametrize(
    ("codec", "container", "rate_hz", "options"),
    [
        ("ULAW", "WAV", 8_000, {}),
        ("ALAW", "WAV", 8_000, {}),
        ("GSM610", "WAV", 8_000, {}),
        ("libopus", "ogg", 8_000, {"b": "8000"}),
        ("libmp3lame", "mp3", 8_000, {"b": "16000"}),
        ("aac", "mp4", 16_000, {"b": "24000"}),
    ],
)
@pytest.mark.parametrize("noise_db", [-70.0, -32.0])
def test_codecs(codec: str, container: str, rate_hz: int, options: dict[str, str], noise_db: float) -> None:
    """Narrow codecs, on a quiet and on a noisy line, hide no key."""
    samples, spans = keys("4019*7", 0.08, 0.08, rate_hz)
    noisy = samples + noise(len(samples), noise_db)
    if container == "WAV":
        raw = sound_file(pcm16(noisy[None]), rate_hz, container, codec)
    else:
        raw = av_file(noisy[None], rate_hz, container, codec, options=options)
    assert left_s(heard_file(raw), spans) <= 0.05


@pytest.mark.parametrize("level_db", [-30.0, -20.0])
def test_keys_under_speech(level_db: float) -> None:
    """Keys that are pressed while somebody speaks about as loud are found."""
    samples, spans = keys("36028", 0.12, 0.1)
    speech = voice(len(samples) / RATE_HZ + 0.01, RATE_HZ, 3)[: len(samples)]
    loud = speech / np.sqrt(np.mean(speech**2)) * 10 ** (level_db / 20)
    assert left_s(heard(samples * 0.5 + loud), spans) <= 0.03


def test_quiet_keys() -> None:
    """A key 40 dB under full scale, alone on the line, is found."""
    samples, spans = keys("5", 0.1, 0.1)
    assert left_s(heard(samples * 0.04), spans) <= 0.02


def test_one_channel_each() -> None:
    """A key belongs to the channel it is on; each channel has its own."""
    first, second = keys("12", 0.1, 0.2)[0], keys("89", 0.1, 0.2)[0]
    listener = ToneListener((Channel.AGENT, Channel.CUSTOMER))
    raw = sound_file(pcm16(np.stack([first, second])), RATE_HZ)
    assert sum(block.shape[1] for block in listener.listen(decode_speech(recording(raw), 60.0))) == 2 * len(first)
    by_channel = {channel: [t for t in listener.tones() if t.channel is channel] for channel in Channel}
    assert pressed(by_channel[Channel.AGENT]) == "12"
    assert pressed(by_channel[Channel.CUSTOMER]) == "89"


@given(cuts=st.lists(st.integers(0, 30_000), max_size=6))
def test_blocks_do_not_matter(cuts: list[int]) -> None:
    """The same tones are heard wherever the blocks are cut, through a key and within its frames."""
    samples = keys("4711", 0.09, 0.11, SPEECH_RATE_HZ)[0].astype(np.float32)[None]
    whole, pieces = ToneListener((Channel.MIXED,)), ToneListener((Channel.MIXED,))
    list(whole.listen([samples]))
    list(pieces.listen(np.split(samples, sorted(cuts), axis=1)))
    assert pieces.tones() == whole.tones()
    assert pressed(whole.tones()) == "4711"


def test_voices_are_no_keys() -> None:
    """A minute of something like speech on a noisy line holds neither keys nor beeps."""
    for seed in range(3):
        speech = voice(20.0, RATE_HZ, seed)
        assert heard(speech + noise(len(speech), -45.0)) == ()


@pytest.mark.parametrize("chord_hz", [(440.0, 554.4, 659.3), (349.2, 698.5, 1046.5), (350.0, 440.0), (480.0, 620.0)])
def test_chords_are_no_keys(chord_hz: tuple[float, ...]) -> None:
    """Held chords with overtones, a dial tone and a busy tone are no keys."""
    notes = sum(tone(hz * n, 2.0, RATE_HZ, 0.2 / n) for hz in chord_hz for n in (1, 2, 3))
    assert [each for each in heard(np.asarray(notes) / len(chord_hz)) if each.kind is ToneKind.KEY] == []


@pytest.mark.parametrize(("hertz", "seconds"), [(1400.0, 0.2), (1400.0, 0.5), (1300.0, 0.25), (1500.0, 0.17)])
def test_beeps(hertz: float, seconds: float) -> None:
    """The tone of a recorder is a beep, with its time and without a key."""
    samples = np.zeros(2 * RATE_HZ)
    samples[RATE_HZ : RATE_HZ + round(seconds * RATE_HZ)] = tone(hertz, seconds, RATE_HZ)
    (beep,) = heard(samples + noise(len(samples), -50.0))
    assert (beep.kind, beep.key) == (ToneKind.BEEP, "")
    assert beep.span.start_s == pytest.approx(1.0, abs=0.04)
    assert beep.span.end_s == pytest.approx(1.0 + seconds, abs=0.04)


@pytest.mark.parametrize(("hertz", "seconds"), [(1400.0, 0.05), (1400.0, 2.0), (1000.0, 0.4), (BEEP_HZ[1] + 60, 0.4)])
def test_other_tones_are_no_beeps(hertz: float, seconds: float) -> None:
    """A click, a long tone and a tone of another pitch are no beep of a recorder."""
    samples = np.zeros(4 * RATE_HZ)
    samples[RATE_HZ : RATE_HZ + round(seconds * RATE_HZ)] = tone(hertz, seconds, RATE_HZ)
    assert heard(samples) == ()


def test_a_key_is_never_shown() -> None:
    """What was pressed is in no representation of a tone."""
    (found,) = heard(keys("7", 0.1, 0.1)[0])
    assert found.key == "7"
    assert repr(found) == repr(replace(found, key="3"))
