"""``python -m benchmarks.tones [FOLDER ...]``: which key tones are found, and what is taken for one.

Found: keys of 40 to 100 ms in quiet, noise and a voice, through every codec of the corpus, out of those pressed. Taken
for one: keys heard in the recordings of the folders and in the corpus's calls without keys, as they are and played at
eight other speeds, which makes other voices and other tunes of them.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile as sf
from scipy.signal import resample_poly  # type: ignore[import-untyped]

from benchmarks.corpus import codecs, effects, sounds
from benchmarks.corpus.build import corpus_dir
from pipeline.audio import SPEECH_RATE_HZ
from pipeline.tones import ToneKind, ToneListener
from pipeline.types import Channel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.corpus.sounds import Samples

KEYS, TIMES = 6, 4
VOICE_DB, KEY_DB = -23.0, -20.0
CASES = {  # how long a key and the pause after it are, s; noise and voice beside it, dB below the keys
    "quiet": (0.08, 0.08, None, None),
    "40 ms": (0.04, 0.04, None, None),
    "noise -10 dB": (0.08, 0.08, 10.0, None),
    "noise -3 dB": (0.1, 0.1, 3.0, None),
    "voice -6 dB": (0.1, 0.1, None, 6.0),
    "voice 0 dB": (0.1, 0.1, None, 0.0),
    "voice +6 dB": (0.1, 0.1, None, -6.0),
}
SPEEDS = ((1, 1), (20, 17), (17, 20), (10, 9), (9, 10), (20, 23), (23, 20), (16, 15), (15, 16))
COVERED_S = 0.03  # what may be left of a key at either end


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="*", type=Path, default=[sounds.recordings_dir() / "audio"])
    parser.add_argument("--seed", type=int, default=1, help="of the keys, and of the corpus")
    options = parser.parse_args()
    rng = random.Random(options.seed)  # noqa: S311 - test material
    voices = [_read(path).mean(axis=1) for path in _calls(options.seed) if path.parent.name.startswith("none_")]
    print(f"keys found of {KEYS * TIMES}\n{'':14}" + "".join(f"{codec:>9}" for codec in codecs.NAMES))
    for case in CASES:
        print(f"{case:14}" + "".join(f"{_found(case, codec, voices, rng):9}" for codec in codecs.NAMES))
    _talk_off([*_calls(options.seed), *(path for folder in options.folder for path in _recordings(folder))])


def _found(case: str, codec: str, voices: list[Samples], rng: random.Random) -> int:
    on_s, off_s, noise_db, voice_db = CASES[case]
    count = 0
    for _ in range(TIMES):
        samples = np.zeros(round((2.0 + KEYS * (on_s + off_s)) * sounds.RATE_HZ), np.float32)
        spans = []
        for index in range(KEYS):
            key = sounds.level(sounds.key_tone(rng.choice("0123456789*#"), on_s), KEY_DB)
            first = round((1.0 + index * (on_s + off_s)) * sounds.RATE_HZ)
            samples[first : first + len(key)] += key
            spans.append((first / sounds.RATE_HZ, (first + len(key)) / sounds.RATE_HZ))
        line = effects.to_rate(samples, codecs.rate_of(codec), band=codec != "wide")
        if noise_db is not None:
            white = np.random.default_rng(rng.randrange(1 << 30)).standard_normal(len(line))
            line += (white * 10 ** ((KEY_DB - noise_db) / 20)).astype(np.float32)
        if voice_db is not None:
            line += _voice(rng.choice(voices), len(line), codecs.rate_of(codec), KEY_DB - voice_db, rng)
        heard = _keys(_through(line, codec))
        count += sum(any(a <= s + COVERED_S and b >= e - COVERED_S for a, b in heard) for s, e in spans)
    return count


def _voice(call: Samples, length: int, rate_hz: int, level_db: float, rng: random.Random) -> Samples:
    """A stretch of a call, its talk at a level."""
    voice = np.asarray(resample_poly(call, rate_hz, SPEECH_RATE_HZ), np.float32)
    start = rng.randrange(max(len(voice) - length, 1))
    part = np.resize(voice[start : start + length], length)
    return np.asarray(part * 10 ** (level_db / 20) / (effects.speech_rms(voice) or 1.0), np.float32)


def _through(line: Samples, codec: str) -> Samples:
    with tempfile.TemporaryDirectory() as folder:
        name = codecs.write(Path(folder) / "keys", line[:, None], codec)
        return codecs.decode(Path(folder) / name, SPEECH_RATE_HZ)[:, 0]


def _keys(samples: Samples) -> list[tuple[float, float]]:
    listener = ToneListener((Channel.MIXED,))
    for _ in listener.listen([np.ascontiguousarray(samples[None])]):
        pass
    return [(each.span.start_s, each.span.end_s) for each in listener.tones() if each.kind is ToneKind.KEY]


def _talk_off(paths: list[Path]) -> None:
    heard, seconds, spent_s = dict.fromkeys(SPEEDS, 0), 0.0, 0.0
    for path in paths:
        for row in _read(path).T:
            seconds += len(row) / SPEECH_RATE_HZ
            for up, down in SPEEDS:
                samples = np.asarray(row if up == down else resample_poly(row, up, down), np.float32)
                started = time.process_time()
                heard[up, down] += len(_keys(samples))
                spent_s += time.process_time() - started
    hours = seconds / 3600
    print(f"\ntaken for a key in {hours:.2f} h of recordings: {heard[1, 1]}")
    print(f"at {len(SPEEDS) - 1} other speeds: {sum(heard.values()) - heard[1, 1]}")
    print(f"processor time: {100 * spent_s / (seconds * len(SPEEDS)):.2f} % of the time of one channel")


def _calls(seed: int) -> Iterator[Path]:
    """Recordings of the corpus in which no key is pressed."""
    for truth in sorted(corpus_dir(seed).glob("*/truth.json")):
        call = json.loads(truth.read_text(encoding="utf-8"))
        if not any(each["entity_type"] == "DTMF" for each in call["pii"]):
            yield from (truth.parent / name for name in dict.fromkeys(call["audio"].values()))


def _recordings(folder: Path) -> Iterator[Path]:
    """Sound files below a folder, but for those of keys."""
    kinds = {f".{each.lower()}" for each in sf.available_formats()} | {".opus", ".mp3"}
    return (path for path in sorted(folder.rglob("*")) if path.suffix in kinds and path.parent.name != "dtmf")


def _read(path: Path) -> Samples:
    """(time, channels) at 16 kHz."""
    return codecs.decode(path, SPEECH_RATE_HZ)


if __name__ == "__main__":
    main()
