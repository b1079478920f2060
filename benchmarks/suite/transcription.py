"""The recogniser alone: callseal's transcription beside faster-whisper's own two ways, with what each got wrong.

Time includes decoding the file, finding speech and the times of words. Word error rate and labelled numbers are
counted where the joined calls have labels; digits that are dropped for speed would show here.
"""

from __future__ import annotations

import re
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from rapidfuzz.distance import Levenshtein

from benchmarks.folding import digitised, readable, tokens
from benchmarks.suite import joined
from benchmarks.suite.chains import models_of
from benchmarks.suite.compositions import apart_of
from benchmarks.suite.figures import Result, figure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from benchmarks.suite.chains import Models
    from benchmarks.suite.compositions import Apart
    from benchmarks.suite.figures import Setting
    from benchmarks.suite.joined import JoinedCall

CALLS, QUICK_CALLS = 4, 1
OURS: Final = "callseal"
WAYS: Final = {
    OURS: "callseal",
    "batched": "faster-whisper batched, defaults (beam 5)",
    "batched_beam1": "faster-whisper batched, beam 1",
    "sequential": "faster-whisper sequential, defaults (beam 5)",
    "sequential_beam1": "faster-whisper sequential, beam 1",
}
DECODING: Final = {
    "batched": (True, 5),
    "batched_beam1": (True, 1),
    "sequential": (False, 5),
    "sequential_beam1": (False, 1),
}
Words = dict[str, list[dict[str, Any]]]


def transcription(setting: Setting) -> Result:
    """Speed, word error rate and numbers heard of each way to use the same weights."""
    models, others = models_of(setting.settings), apart_of(setting.settings)
    calls = joined.write_calls(setting.folder, QUICK_CALLS if setting.quick else CALLS)
    models.warm()
    others.warm()
    ways: dict[str, Callable[[JoinedCall], tuple[float, Words]]] = {OURS: lambda call: _timed(models, call)}
    for name, (batched, beam_size) in DECODING.items():
        ways[name] = partial(_theirs, others, batched=batched, beam_size=beam_size)
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    heard: dict[str, list[Words]] = {name: [] for name in ways}
    for number, call in enumerate(calls):
        names = list(ways)
        first = number % len(names)
        for name in names[first:] + names[:first]:
            spent_s, words = ways[name](call)
            heard[name].append(words)
            seconds[name].append(spent_s)
    return _figures(calls, seconds, heard)


def _timed(models: Models, call: JoinedCall) -> tuple[float, Words]:
    began = time.perf_counter()
    words = hear(models, call)
    return time.perf_counter() - began, words


def _theirs(others: Apart, call: JoinedCall, *, batched: bool, beam_size: int) -> tuple[float, Words]:
    seconds, channels = others.heard(call, batched=batched, beam_size=beam_size)
    names = call.truth["channels"]
    return seconds, {
        name: [word for segment in segments for word in segment] for name, segments in zip(names, channels, strict=True)
    }


def hear(models: Models, call: JoinedCall) -> Words:
    """What callseal's recogniser hears in a call, by channel."""
    from pipeline import audio
    from pipeline.transcribe import transcribe
    from pipeline.types import Channel

    rooms, names = models.rooms, tuple(Channel(name) for name in call.truth["channels"])
    recording = audio.Recording((lambda: call.path.open("rb"),))
    blocks = audio.decode_speech(recording, rooms.audio.max_duration_s)
    found = transcribe(blocks, names, rooms.vad(), rooms.transcriber(), "en")
    words: Words = {name.value: [] for name in names}
    for segment in found.segments:
        words[segment.channel.value] += [
            {"text": word.text, "start_s": word.span.start_s, "end_s": word.span.end_s} for word in segment.words
        ]
    return words


def _figures(calls: list[JoinedCall], seconds: dict[str, list[float]], heard: dict[str, list[Words]]) -> Result:
    found = Result()
    add = found.figures
    ours = seconds[OURS]
    for name, title in WAYS.items():
        speeds = [call.duration_s / each for call, each in zip(calls, seconds[name], strict=True)]
        add[f"speed_{name}"] = figure(title, speeds, "x real time", "higher")
    for name, title in WAYS.items():
        if name != OURS:
            ratios = [theirs / mine for theirs, mine in zip(seconds[name], ours, strict=True)]
            add[f"ratio_{name}"] = figure(f"callseal against {title}", ratios, "x", "higher", depends=False)
    errors = {name: error_rate(calls, found_words) for name, found_words in heard.items()}
    numbers = {name: numbers_heard(calls, found_words) for name, found_words in heard.items()}
    found.detail["word_error_rate"] = errors
    found.detail["numbers_heard"] = numbers
    beyond = [100 * (errors[OURS] - errors["sequential"])]
    title = "word error rate of callseal beyond that of the sequential decoder, in points"
    add["errors_beyond"] = figure(title, beyond, "%", "lower", depends=False)
    behind = [float(max(numbers["sequential"][0] - numbers[OURS][0], 0))]
    title = "labelled values with digits that the sequential decoder heard and callseal did not, net"
    add["numbers_behind"] = figure(title, behind, "count", "lower")
    add["word_error_rate"] = figure("word error rate of callseal", [100 * errors[OURS]], "%", "lower", depends=False)
    add["numbers_heard"] = figure(
        f"labelled values with digits that callseal heard, of {numbers[OURS][1]}",
        [float(numbers[OURS][0])],
        "count",
        "higher",
    )
    return found


def error_rate(calls: list[JoinedCall], heard: list[Words]) -> float:
    """Word error rate over the labelled parts, numbers written as digits on both sides."""
    wrong = total = 0
    for call, words in zip(calls, heard, strict=True):
        for start_s, end_s in call.labelled:
            for channel in call.truth["channels"]:
                said = _text(call.truth["words"], channel, start_s, end_s)
                got = _text([{**each, "channel": channel} for each in words[channel]], channel, start_s, end_s)
                wrong += Levenshtein.distance(said, got)
                total += len(said)
    return wrong / total if total else 0.0


def _text(words: Iterable[Mapping[str, Any]], channel: str, start_s: float, end_s: float) -> list[str]:
    inside = [
        word
        for word in words
        if word["channel"] == channel and start_s <= (word["start_s"] + word["end_s"]) / 2 < end_s
    ]
    said = " ".join(word["text"] for word in sorted(inside, key=lambda word: word["start_s"]))
    return _apart(digitised(tokens(said)))


def _apart(folded: Iterable[str]) -> list[str]:
    """Digits one by one, so that it does not matter how a number is grouped."""
    return [part for token in folded for part in (token if token.isdigit() else [token])]


def numbers_heard(calls: list[JoinedCall], heard: list[Words]) -> tuple[int, int]:
    """How many labelled values that have at least four digits can be read in what was heard, and how many there are."""
    found = total = 0
    for call, words in zip(calls, heard, strict=True):
        turns = [
            {"channel": channel, "text": " ".join(word["text"] for word in each), "words": each}
            for channel, each in words.items()
        ]
        for label in call.truth["pii"]:
            if len(re.sub(r"\D", "", str(label.get("value") or ""))) >= 4:
                total += 1
                found += readable(label, {"turns": turns}, same_channel=True)
    return found, total
