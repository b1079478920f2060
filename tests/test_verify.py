"""Verification: what was written is refused unless the PII is out of it and the call is still in it."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.audio import decode_native, probe
from pipeline.errors import VerificationFailed
from pipeline.types import Action, Channel, Redaction
from pipeline.verify.correlation import check_audio
from tests.factories import recording, span
from tests.test_encode import BOTH, LIMIT_S, LOSSLESS, LOSSY, native, written

ALL = LOSSLESS | {name: raw for name, (_, raw) in LOSSY.items()}
STEREO = [name for name in ALL if probe(recording(ALL[name])).channels == 2]


def planned(channels: int) -> tuple[Redaction, ...]:
    """Long, short and very short redactions of each kind, on every channel that there is."""
    spans = [
        (0.10, 0.45, Action.TONE),
        (0.55, 0.70, Action.SILENCE),
        (0.80, 1.10, Action.NOISE),
        (1.20, 1.26, Action.SILENCE),
    ]
    return tuple(
        Redaction("PERSON", channel, span(start_s, end_s), action, "a name")
        for channel in BOTH[:channels]
        for start_s, end_s, action in spans
    )


def check(original: bytes, output: bytes, redactions: tuple[Redaction, ...]) -> None:
    """Hold one file against another."""
    before, after = recording(original), recording(output)
    fmt = probe(before)
    check_audio(
        decode_native(before, fmt, LIMIT_S),
        decode_native(after, probe(after), LIMIT_S),
        redactions,
        BOTH[: fmt.channels],
        fmt.rate_hz,
    )


@pytest.mark.parametrize("name", ALL)
def test_honest_output_passes(name: str) -> None:
    """What the encoder makes of a redacted call is accepted in every codec that is written, however short the spans."""
    plan = planned(probe(recording(ALL[name])).channels)
    check(ALL[name], written(recording(ALL[name]), plan), plan)


@pytest.mark.parametrize("missed", [0, 1, 2, 3])
@pytest.mark.parametrize("name", ALL)
def test_a_span_that_was_not_redacted_is_refused(name: str, missed: int) -> None:
    """One redaction that did not take is enough, in every codec, be it long or very short."""
    plan = planned(probe(recording(ALL[name])).channels)
    with pytest.raises(VerificationFailed, match=f"1 of {len(plan)} redactions"):
        check(ALL[name], written(recording(ALL[name]), (*plan[:missed], *plan[missed + 1 :])), plan)


@pytest.mark.parametrize("late_s", [-0.03, -0.005, 0.005, 0.03])
def test_a_recording_that_moved_is_refused(late_s: float) -> None:
    """Everything a few milliseconds too late or too early is not the call that was planned for."""
    fmt, samples = native(recording(LOSSLESS["WAV PCM 16"]))
    moved = np.roll(samples, round(late_s * fmt.rate_hz), axis=1)
    with pytest.raises(VerificationFailed, match="not the call"):
        check_audio([samples], [moved], (), BOTH, fmt.rate_hz)


@pytest.mark.parametrize(("left_s", "words"), [(1.4, "missing"), (0.5, "missing"), (0.0, "missing")])
def test_a_shorter_recording_is_refused(left_s: float, words: str) -> None:
    """A recording that ends early is refused, also when what there is of it is right."""
    fmt, samples = native(recording(LOSSLESS["WAV PCM 16"]))
    with pytest.raises(VerificationFailed, match=words):
        check_audio([samples], [samples[:, : round(left_s * fmt.rate_hz)]], (), BOTH, fmt.rate_hz)
    with pytest.raises(VerificationFailed, match=words):
        check_audio([samples], [samples[:, : round(left_s * fmt.rate_hz)]][: bool(left_s)], (), BOTH, fmt.rate_hz)


def test_a_longer_recording_is_refused() -> None:
    """Something at the end that the call does not have is refused."""
    fmt, samples = native(recording(LOSSLESS["WAV PCM 16"]))
    with pytest.raises(VerificationFailed, match="too much"):
        check_audio([samples], [samples, samples[:, :1000]], (), BOTH, fmt.rate_hz)


@pytest.mark.parametrize("name", STEREO)
def test_swapped_channels_are_refused(name: str) -> None:
    """The agent on the customer's channel is not the call."""
    fmt, samples = native(recording(ALL[name]))
    with pytest.raises(VerificationFailed):
        check_audio([samples], [samples[::-1]], (), BOTH, fmt.rate_hz)


def test_a_lost_channel_is_refused() -> None:
    """One end of the line in silence is not the call."""
    fmt, samples = native(recording(LOSSLESS["WAV PCM 16"]))
    lost = samples.copy()
    lost[1] = 0
    with pytest.raises(VerificationFailed, match="not the call"):
        check_audio([samples], [lost], (), BOTH, fmt.rate_hz)


@pytest.mark.parametrize("name", LOSSLESS)
def test_a_channel_on_which_nobody_speaks_is_no_reason_to_refuse(name: str) -> None:
    """Silence, and the least noise that a codec makes of it, has nothing to agree with; a redaction of it is fine."""
    fmt, samples = native(recording(LOSSLESS[name]))
    quiet = samples.copy()
    quiet[1] = 128 if quiet.dtype == np.uint8 else 0
    noisy = quiet.copy()
    noisy[1, ::211] += 1 if np.issubdtype(noisy.dtype, np.integer) else noisy.dtype.type(1e-5)
    redaction = Redaction("PERSON", Channel.CUSTOMER, span(0.2, 1.0), Action.SILENCE, "echo")
    check_audio([noisy], [quiet], (redaction,), BOTH, fmt.rate_hz)
    check_audio([quiet], [noisy], (redaction,), BOTH, fmt.rate_hz)


@pytest.mark.parametrize("size", [100, 1777, 12000])
def test_blocks_need_not_match(size: int) -> None:
    """The two recordings may come in blocks of different sizes."""
    fmt, samples = native(recording(LOSSLESS["WAV PCM 16"]))
    pieces = np.split(samples, range(size, samples.shape[1], size), axis=1)
    plan = planned(2)
    redacted = native(recording(written(recording(LOSSLESS["WAV PCM 16"]), plan)))[1]
    check_audio(pieces, [redacted], plan, BOTH, fmt.rate_hz)
    with pytest.raises(VerificationFailed, match="8 of 8"):
        check_audio(pieces, [samples], plan, BOTH, fmt.rate_hz)
