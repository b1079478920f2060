"""Where the sound of a phrase comes from: synthesised voices, real spoken digits, real prompts, key tones.

Every function gives mono float32 at RATE_HZ that begins and ends with sound (within 10 ms), so that the times of a
track are those of the phrases laid on it. Synthesised phrases are cached by ``sha256(voice|speed|text)`` and never
made twice.
"""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import platformdirs
import soundfile as sf
from scipy.signal import resample_poly  # type: ignore[import-untyped]

if TYPE_CHECKING:
    import random

    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

RATE_HZ = 24_000
FRAME = RATE_HZ // 100  # 10 ms
TRIM_DB = -40.0  # below the loudest frame of the phrase
WOMEN = ("af_heart", "af_bella", "af_sarah", "af_nicole", "af_aoede", "af_river")
MEN = ("am_michael", "am_adam", "am_eric", "am_fenrir")
SPANISH = ("ef_dora", "em_alex", "em_santa")
DIGIT_SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
KEY_ROWS_HZ = (697.0, 770.0, 852.0, 941.0)
KEY_COLUMNS_HZ = (1209.0, 1336.0, 1477.0, 1633.0)
KEYPAD = ("123A", "456B", "789C", "*0#D")
MODEL_SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"


class MissingSound(RuntimeError):
    """A voice model or a recording that a script needs is not on this machine; the message says where it belongs."""


def cache_dir() -> Path:
    """Folder of everything generated: phrases, calls, and the voice model under ``kokoro/``."""
    return Path(os.environ.get("CALLSEAL_CORPUS_DIR") or Path(platformdirs.user_cache_dir("callseal")) / "corpus")


def recordings_dir() -> Path:
    """Folder of the real recordings (``CALLSEAL_RECORDINGS_DIR``, else ``shared/data`` beside the repository)."""
    return Path(os.environ.get("CALLSEAL_RECORDINGS_DIR") or Path(__file__).parents[3] / "shared" / "data")


def trim(samples: Samples) -> Samples:
    """Cut to the first and last 10 ms frame whose level is within TRIM_DB of the loudest one."""
    count = len(samples) // FRAME
    if count == 0:
        return samples
    level = np.sqrt(np.mean(samples[: count * FRAME].reshape(count, FRAME) ** 2, axis=1))
    loud = np.flatnonzero(level > level.max() * 10 ** (TRIM_DB / 20))
    return fade(samples[loud[0] * FRAME : (loud[-1] + 1) * FRAME]) if len(loud) else samples


def fade(samples: Samples, length: int = FRAME // 4) -> Samples:
    """Ramp the ends over 2.5 ms, so that joins do not click."""
    ramp = np.linspace(0, 1, min(length, len(samples)), dtype=np.float32)
    out = samples.copy()
    out[: len(ramp)] *= ramp
    out[len(out) - len(ramp) :] *= ramp[::-1]
    return out


def level(samples: Samples, rms_db: float = -23.0) -> Samples:
    """Scale to an RMS level in dBFS, peaks kept below 0.9."""
    rms = float(np.sqrt(np.mean(samples**2))) or 1.0
    gain = 10 ** (rms_db / 20) / rms
    peak = float(np.abs(samples).max()) or 1.0
    return (samples * min(gain, 0.9 / peak)).astype(np.float32)


@lru_cache(maxsize=1)
def _kokoro() -> Any:
    import onnxruntime  # type: ignore[import-untyped]
    from kokoro_onnx import Kokoro

    folder = cache_dir() / "kokoro"
    model, voices = folder / "kokoro-v1.0.int8.onnx", folder / "voices.npz"
    if not (model.exists() and voices.exists()):
        raise MissingSound(f"no voice model in {folder}: see benchmarks/corpus/README.md")
    if hashlib.sha256(model.read_bytes()).hexdigest() != MODEL_SHA256:
        raise MissingSound(f"{model.name} is not the model it should be")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ.get("CALLSEAL_CORPUS_THREADS", "2"))
    return Kokoro.from_session(onnxruntime.InferenceSession(str(model), options), str(voices))


def voice(text: str, name: str, speed: float) -> Samples:
    """A phrase spoken by a Kokoro voice, from the cache if it was made before.

    Raises:
        MissingSound: it is not cached and the model is not there.
    """
    key = hashlib.sha256(f"{name}|{speed:.2f}|{text}".encode()).hexdigest()
    path = cache_dir() / "phrases" / key[:2] / f"{key}.flac"
    if not path.exists():
        raw, _ = _kokoro().create(text, voice=name, speed=speed, lang="es" if name[0] == "e" else "en-us", trim=False)
        samples = level(trim(np.asarray(raw, dtype=np.float32)))
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{key}.{os.getpid()}.flac")
        sf.write(partial, samples, RATE_HZ, subtype="PCM_16")
        partial.replace(path)
    samples, _ = sf.read(path, dtype="float32")
    return np.asarray(samples, dtype=np.float32)


@lru_cache(maxsize=256)
def _recording(name: str) -> Samples:
    path = recordings_dir() / "audio" / name
    if not path.exists():
        raise MissingSound(f"no recording {name}")
    samples, rate = sf.read(path, dtype="float32", always_2d=True)
    mono = samples.mean(axis=1)
    return trim(np.asarray(resample_poly(mono, RATE_HZ, rate), dtype=np.float32))


def prompt(name: str) -> Samples:
    """A real recorded prompt."""
    return level(_recording(f"prompts_allison/{name}.wav"))


@lru_cache(maxsize=1)
def prompt_texts() -> dict[str, str]:
    """What each prompt says, by name."""
    texts: dict[str, str] = {}
    for name in ("core-sounds-en.txt", "extra-sounds-en.txt"):
        path = recordings_dir() / "audio" / "prompts_allison" / name
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
        for line in lines:
            key, colon, text = line.partition(":")
            if colon and not line.startswith(";"):
                texts[key.strip().replace("digits/", "digits_")] = text.strip()
    return texts


def joined(parts: list[Samples], gaps_s: list[float]) -> Samples:
    """Sounds one after the other, with ``gaps_s[i]`` of silence after the i-th; the last gap is not used."""
    out: list[Samples] = []
    for index, part in enumerate(parts):
        out.append(part)
        if index + 1 < len(parts):
            out.append(np.zeros(int(gaps_s[index] * RATE_HZ), dtype=np.float32))
    return np.concatenate(out)


def real_digits(digits: str, speaker: str, rng: random.Random) -> Samples:
    """Digits said by a real person (FSDD), with the gaps of somebody who reads them out in threes or fours."""
    parts = [level(_recording(f"fsdd/{d}_{speaker}_{_take(d, speaker, rng)}.wav")) for d in digits]
    size = rng.choice((3, 4))
    gaps = [rng.uniform(0.18, 0.4) if (i + 1) % size == 0 else rng.uniform(0.03, 0.12) for i in range(len(parts))]
    return joined(parts, gaps)


def _take(digit: str, speaker: str, rng: random.Random) -> str:
    folder = recordings_dir() / "audio" / "fsdd"
    takes = sorted(path.stem.rsplit("_", 1)[1] for path in folder.glob(f"{digit}_{speaker}_*.wav"))
    if not takes:
        raise MissingSound(f"no recording of digit {digit}")
    return rng.choice(takes)


def prompt_digits(digits: str, rng: random.Random) -> Samples:
    """Digits read out by the prompt voice, as a voice menu does."""
    return joined([prompt(f"digits_{d}") for d in digits], [rng.uniform(0.05, 0.15) for _ in digits])


def key_tone(key: str, length_s: float) -> Samples:
    """One key of a telephone (ITU-T Q.23), each tone at a third of full scale."""
    row = next(index for index, keys in enumerate(KEYPAD) if key in keys)
    times = np.arange(int(length_s * RATE_HZ)) / RATE_HZ
    low = np.sin(2 * np.pi * KEY_ROWS_HZ[row] * times)
    high = np.sin(2 * np.pi * KEY_COLUMNS_HZ[KEYPAD[row].index(key)] * times)
    return fade(((low + high) * 0.22).astype(np.float32))


def keys(digits: str, rng: random.Random, *, real: bool) -> list[tuple[Samples, float]]:
    """Key tones with the silence after each one, s: made here, or the recorded ones."""
    length_s, gap_s = rng.uniform(0.13, 0.25), rng.choice((0.05, 0.08, 0.3, 0.5))
    sounds = []
    for digit in digits:
        tone = level(_recording(f"dtmf/dtmf-{digit}.wav"), -18.0) if real else key_tone(digit, length_s)
        sounds.append((tone, gap_s * rng.uniform(0.9, 1.1)))
    return sounds
