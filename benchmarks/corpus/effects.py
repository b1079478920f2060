"""What a telephone line does to clean tracks: band, noise, sidetone, mixing. Nothing here moves a sound in time.

Rule for sidetone labels: a labelled value that leaks into the other channel is labelled there too when its bleed is
at least AUDIBLE_DB above that channel's noise floor (RMS over the label's span) and the channel's own speaker is
silent for more than half of the span. Below that it counts as inaudible.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.signal import butter, resample_poly, sosfiltfilt  # type: ignore[import-untyped]

from benchmarks.corpus.sounds import RATE_HZ

if TYPE_CHECKING:
    from benchmarks.corpus.sounds import Samples

AUDIBLE_DB = 3.0
QUIET_FLOOR_DB = -65.0  # a line is never digitally silent
AGENT_HEADSET_DB = 10.0  # an agent's headset is that much less noisy than a caller's room


def to_rate(samples: Samples, rate_hz: int, *, band: bool) -> Samples:
    """Resample from the corpus rate and, with ``band``, keep 300 to 3400 Hz (zero phase)."""
    out = resample_poly(samples, rate_hz, RATE_HZ)
    if band:
        out = sosfiltfilt(butter(4, (300, 3400), btype="bandpass", fs=rate_hz, output="sos"), out)
    return np.asarray(out, dtype=np.float32)


def rms(samples: Samples) -> float:
    """Root mean square; 0 for nothing."""
    return float(np.sqrt(np.mean(samples.astype(np.float64) ** 2))) if len(samples) else 0.0


def speech_rms(samples: Samples) -> float:
    """RMS of what is within 40 dB of the loudest sample: the level of the talker, pauses left out."""
    loud = samples[np.abs(samples) > np.abs(samples).max(initial=0.0) * 0.01]
    return rms(loud)


def noise(kind: str, length: int, source: Samples, rng: np.random.Generator) -> Samples:
    """Unit-RMS noise: ``white``, ``pink`` (1/f power), or ``babble`` (six reversed copies of the voices)."""
    if kind == "babble" and len(source):
        reversed_source = source[::-1]
        copies = [np.roll(reversed_source, int(rng.integers(len(source)))) for _ in range(6)]
        out = np.resize(np.sum(copies, axis=0, dtype=np.float64), length)
    else:
        out = rng.standard_normal(length)
    if kind == "pink":
        spectrum = np.fft.rfft(out)
        spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
        out = np.fft.irfft(spectrum, length)
    return np.asarray(out / (rms(np.asarray(out)) or 1.0), dtype=np.float32)


def noise_floors(tracks: dict[str, Samples], snr_db: float | None) -> dict[str, float]:
    """Noise RMS per channel for a signal-to-noise ratio on the caller's side; None is a quiet line."""
    quiet = 10 ** (QUIET_FLOOR_DB / 20)
    floors = {}
    for channel, samples in tracks.items():
        if snr_db is None:
            floors[channel] = quiet
        else:
            snr = snr_db + (AGENT_HEADSET_DB if channel == "agent" else 0.0)
            floors[channel] = max(quiet, speech_rms(samples) * 10 ** (-snr / 20))
    return floors


def apply_line(
    tracks: dict[str, Samples], options: dict[str, Any], keys: list[tuple[int, int]], rng: np.random.Generator
) -> tuple[dict[str, Samples], dict[str, float]]:
    """Tracks with sidetone and noise, and the noise floor of each channel; ``keys`` (samples) are not in the babble."""
    floors = noise_floors(tracks, options["snr_db"])
    voices = np.sum(list(tracks.values()), axis=0)
    for first, end in keys:
        voices[first:end] = 0.0
    out = {}
    for channel, samples in tracks.items():
        other = tracks["customer" if channel == "agent" else "agent"]
        bleed = other * 10 ** (options["sidetone_db"] / 20) if options["sidetone_db"] is not None else 0.0
        hiss = noise(options["noise"] if options["snr_db"] is not None else "white", len(samples), voices, rng)
        out[channel] = np.clip(samples + bleed + hiss * floors[channel], -1, 1).astype(np.float32)
    return out, floors


def bleed_labels(
    pii: list[dict[str, Any]],
    tracks: dict[str, Samples],
    floors: dict[str, float],
    sidetone_db: float | None,
    rate_hz: int,
) -> list[dict[str, Any]]:
    """Labels of values that are audible on the other channel (the rule is in the module's docstring)."""
    if sidetone_db is None:
        return []
    out = []
    for item in pii:
        other = "customer" if item["channel"] == "agent" else "agent"
        span = slice(int(item["start_s"] * rate_hz), int(item["end_s"] * rate_hz))
        bleed = rms(tracks[item["channel"]][span]) * 10 ** (sidetone_db / 20)
        own = tracks[other][span]
        busy = float(np.mean(np.abs(own) > 10 ** (-50 / 20))) if len(own) else 0.0
        if bleed > floors[other] * 10 ** (AUDIBLE_DB / 20) and busy < 0.5:
            out.append(item | {"channel": other, "sidetone": True})
    return out
