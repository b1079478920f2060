"""The recogniser with real weights: what it does where decoding runs in a circle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import platformdirs
import pytest

from models.asr import AsrOptions, WhisperTranscriber, words_of
from models.fetch import resolve
from pipeline.audio import Recording, decode_speech
from pipeline.speech import Piece, Window
from pipeline.types import Channel, TimeSpan

CALL = Path(__file__).resolve().parents[2] / "scripts" / "demo" / "call.wav"


@pytest.fixture(scope="module")
def window() -> Window:
    """The first 12 s of the demo call's agent."""
    samples = next(iter(decode_speech(Recording((lambda: CALL.open("rb"),)), 60.0)))[0, : 12 * 16_000]
    return Window((Piece(Channel.AGENT, 0.0, TimeSpan(0.0, 12.0)),), samples)


@pytest.fixture(scope="module")
def transcriber() -> WhisperTranscriber:
    """The smallest model."""
    return WhisperTranscriber(
        resolve("tiny.en", platformdirs.user_cache_path("callseal") / "models"), AsrOptions(workers=1)
    )


@pytest.mark.parametrize(("loops", "tries"), [(1, 2), (2, 3), (9, 4)])
def test_a_loop_is_left_or_its_words_are_not_trusted(
    transcriber: WhisperTranscriber, window: Window, monkeypatch: pytest.MonkeyPatch, loops: int, tries: int
) -> None:
    """A window that is decoded to a loop is decoded in other ways; where all of them loop, nothing was heard."""
    asked: list[list[int]] = []

    def looping(tokens: list[int], _tokenizer: Any) -> bool:
        asked.append(tokens)
        return len(asked) <= loops

    monkeypatch.setattr(transcriber, "_looping", looping)
    [(_, words)] = transcriber.transcribe([window], "en")
    assert len(asked) == tries
    assert bool(words) is (loops < tries)


def test_a_call_is_heard_the_same_way_twice(transcriber: WhisperTranscriber, window: Window) -> None:
    """One window, decoded twice, has the same words at the same times."""
    first, second = (list(transcriber.transcribe([window], "en")) for _ in range(2))
    assert first[0][1] == second[0][1]
    assert first[0][1]


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        ([(" 149", 0.0, 0.8), (".99", 0.8, 1.4)], [("149.99", 0.0, 1.4)]),
        ([(" -5", 0.0, 0.5), (" .5", 0.5, 1.0)], [("-5", 0.0, 0.5), (".5", 0.5, 1.0)]),
        ([(" 4", 0.0, 0.5), (".1", 0.5, 1.0), (".", 1.0, 1.1)], [("4.1.", 0.0, 1.0)]),
        ([(" 4", 0.0, 0.5), (".1", 0.5, 3.5), (".7", 3.5, 4.0)], [("4", 0.0, 0.5), ("1", 0.5, 3.5), ("7", 3.5, 4.0)]),
        ([("4", 0.0, 0.5), (" yes", 0.5, 1.0), (" ", 1.0, 1.2)], [("4", 0.0, 0.5), ("yes", 0.5, 1.0)]),
    ],
)
def test_pieces_become_words(pieces: list[tuple[str, float, float]], words: list[tuple[str, float, float]]) -> None:
    """Figures without a space between them are one word, unless one lasts so long that something else is in it."""
    aligned = [
        {"word": text, "start": start, "end": end, "probability": 0.9, "tokens": []} for text, start, end in pieces
    ]
    assert [(word.text, word.span.start_s, word.span.end_s) for word in words_of(aligned)] == words
