"""The redacted recording is listened to until it is clean, or the call waits for a person; models follow a script."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from models.fakes import FakeTranscriber
from pipeline.config import load_settings
from pipeline.errors import VerificationFailed
from pipeline.run import process
from pipeline.types import Channel, Status, TimeSpan, Word
from tests import scripted
from tests.factories import pcm16, sound_file
from tests.test_flow import NOW, STORED, Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from pipeline.run import Outcome
    from pipeline.speech import Window
    from pipeline.transcribe import Transcriber

SMALL_TALK, DROPPED = "lovely weather", scripted.NAME
LINES = tuple((channel, text.replace(SMALL_TALK, DROPPED), start_s) for channel, text, start_s in scripted.LINES)


@pytest.fixture(name="place")
def _place(tmp_path: Path) -> Iterator[Place]:
    rooms = scripted.rooms(load_settings(tmp_path / "data"))
    yield Place(tmp_path, rooms)
    rooms.records.close()


def _misheard() -> FakeTranscriber:
    """The call in which a name that the agent drops was taken for small talk, without much certainty."""
    words = scripted.script()
    small_talk = SMALL_TALK.split()
    agent = [replace(each, probability=0.2) if each.text in small_talk else each for each in words[Channel.AGENT]]
    return FakeTranscriber(words | {Channel.AGENT: agent})


def _through(place: Place, listener: Transcriber, first: FakeTranscriber | None = None, rounds: int = 3) -> Outcome:
    verify = place.rooms.verify.model_copy(update={"rounds": rounds})
    rooms = replace(place.rooms, listener=lambda: listener, verify=verify)
    if first is not None:
        rooms = replace(rooms, transcriber=lambda: first)
    return process(place.deliver(), rooms, NOW)


def _quarantined(place: Place, outcome: Outcome, because: str) -> Any:
    """The summary of a call that waits for a person, of which nothing redacted is kept."""
    assert outcome.status is Status.QUARANTINED
    assert [because in doubt for doubt in outcome.summary["doubts"]] == [True]
    assert any(because in each["reason"] for each in outcome.summary["review"])
    assert outcome.summary["consent"]["lawful"]
    assert not outcome.summary["verification"]["clean"]
    assert place.kinds() == ["consent_record", "intake", "manifest"]
    assert place.stored() == 3
    return outcome.summary


def test_a_clean_call_is_listened_to_once(place: Place) -> None:
    """A recording in which nothing is heard again is stored after one round."""
    outcome = _through(place, FakeTranscriber(scripted.script()))
    verification = outcome.summary["verification"]
    assert outcome.status is Status.STORED
    assert (verification["rounds"], verification["heard_again"], verification["clean"]) == (1, 0, True)
    assert 3.0 < verification["listened_s"] < 2 * scripted.DURATION_S


def test_what_is_heard_again_is_redacted(place: Place) -> None:
    """A name that the first hearing took for something else is taken out of the recording and of the transcript."""
    outcome = _through(place, FakeTranscriber(scripted.script(LINES)), _misheard())
    verification = outcome.summary["verification"]
    assert outcome.status is Status.STORED
    assert (verification["rounds"], verification["clean"]) == (2, True)
    found = [each for each in outcome.summary["redactions"] if each["reason"].startswith("heard again")]
    assert verification["heard_again"] == len(found) == 1
    said = [w.span for w in scripted.script(LINES)[Channel.AGENT] if w.text in DROPPED.split()]
    assert (found[0]["entity_type"], found[0]["channel"]) == ("PERSON", "agent")
    assert found[0]["start_s"] <= said[0].start_s
    assert found[0]["end_s"] >= said[-1].end_s
    exported = place.export()
    text = exported["transcript.vtt"].decode()
    assert SMALL_TALK not in text
    assert "[PERSON_2] the garden goodbye" in text
    before, after = (
        np.frombuffer(raw[44:], np.int16).reshape(-1, 2).T for raw in (scripted.recording(), exported["redacted.wav"])
    )
    gone = slice(round(said[0].start_s * scripted.RATE_HZ), round(said[-1].end_s * scripted.RATE_HZ))
    assert not np.array_equal(after[0, gone], before[0, gone])
    assert set(place.kinds()) == STORED
    assert place.stored() == len(STORED)


@dataclass(frozen=True)
class Haunted:
    """Hears a card number in everything that it is given."""

    inner: FakeTranscriber

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def transcribe(self, windows: Iterable[Window], language: str) -> Iterator[tuple[Window, tuple[Word, ...]]]:
        """The number in every piece, and then the sentinel."""
        for window, words in self.inner.transcribe(windows, language):
            number = [Word(scripted.CARD, TimeSpan(p.offset_s, p.offset_s + 0.1), 1.0) for p in window.pieces]
            yield window, (*number, *words[-6:])


@pytest.mark.parametrize("rounds", [1, 2])
def test_a_call_that_does_not_come_clean_is_not_stored(place: Place, rounds: int) -> None:
    """After as many rounds as the settings allow, what is still heard is put up for review and nothing is kept."""
    haunted = Haunted(FakeTranscriber(scripted.script()))
    summary = _quarantined(place, _through(place, haunted, rounds=rounds), "still heard")
    assert summary["verification"]["rounds"] == rounds
    assert summary["verification"]["heard_again"] >= rounds
    assert any(each["reason"].startswith("heard again") for each in summary["redactions"])


@pytest.mark.parametrize("listener", [FakeTranscriber(scripted.script(), deaf=True), FakeTranscriber({})])
def test_a_verifier_that_cannot_hear_verifies_nothing(place: Place, listener: FakeTranscriber) -> None:
    """Neither one that misses the sentinel nor one that hears it and nothing else lets a call pass."""
    summary = _quarantined(place, _through(place, listener), "too much could not be heard")
    assert summary["verification"]["rounds"] == 1


@dataclass(frozen=True)
class Muffled:
    """Hears nothing in a window that holds a moment of the call."""

    inner: FakeTranscriber
    at: TimeSpan

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def transcribe(self, windows: Iterable[Window], language: str) -> Iterator[tuple[Window, tuple[Word, ...]]]:
        """No word, nor the sentinel, where the moment is."""
        for window, words in self.inner.transcribe(windows, language):
            yield window, () if any(piece.span.overlaps(self.at) for piece in window.pieces) else words


def test_a_little_that_cannot_be_heard_is_redacted(place: Place) -> None:
    """One part that the verifier does not hear through goes, from the sound too, and is put up for review."""
    moment = TimeSpan(9.4, 9.5)
    outcome = _through(place, Muffled(FakeTranscriber(scripted.script()), moment))
    assert outcome.status is Status.STORED
    covered = [
        r for r in outcome.summary["redactions"] if r["start_s"] <= moment.start_s and moment.end_s <= r["end_s"]
    ]
    assert {"UNHEARD"} <= {each["entity_type"] for each in covered}
    assert any("nothing could be heard" in each["reason"] for each in outcome.summary["review"])
    assert outcome.summary["verification"]["clean"]


def test_a_language_in_which_nothing_shows_that_it_is_heard(place: Place) -> None:
    """A language that the settings allow and for which there is no sentinel is not verified."""
    verify = place.rooms.verify.model_copy(update={"languages": ("en", "fi")})
    outcome = process(place.deliver(language="fi", jurisdictions=["US-NY"]), replace(place.rooms, verify=verify), NOW)
    assert outcome.status is Status.QUARANTINED
    assert "nothing shows" in outcome.summary["doubts"][0]


@dataclass(frozen=True)
class Failing:
    """Fails while it listens."""

    error: type[BaseException]

    def detect_language(self, windows: Sequence[Window]) -> Any:
        """Never asked."""

    def transcribe(self, windows: Iterable[Window], language: str) -> Iterator[tuple[Window, tuple[Word, ...]]]:
        """No further than the first window."""
        yield from ()
        next(iter(windows))
        raise self.error


@pytest.mark.parametrize("error", [VerificationFailed, MemoryError, KeyboardInterrupt])
def test_a_failure_while_listening_leaves_nothing(place: Place, error: type[BaseException]) -> None:
    """Whatever happens while the recording is listened to, no object stays, and the next attempt stores the call."""
    with pytest.raises(error):
        _through(place, Failing(error))
    assert place.stored() == 0
    assert place.process().status is Status.STORED


def test_a_call_of_one_channel(place: Place) -> None:
    """A mono call is listened to like any other, and who says what is told the same way as before."""
    outcome = place.process(scripted.recording(mono=True))
    assert outcome.status is Status.STORED
    assert outcome.summary["verification"]["clean"]


def test_a_call_that_is_not_kept_is_not_listened_to(place: Place) -> None:
    """Where the consent decides against storing, no time is spent on listening."""
    outcome = place.process(jurisdictions=["DE"])
    assert outcome.summary["verification"] == {"rounds": 0, "listened_s": 0.0, "heard_again": 0, "clean": False}


def test_nothing_to_redact_is_listened_to_all_the_same(place: Place) -> None:
    """A call without any finding passes through the verifier, which must hear what the first hearing was unsure of."""
    lines = ((Channel.AGENT, "lovely weather in the garden", 1.0), (Channel.CUSTOMER, "it is", 4.0))
    words = {channel: [replace(w, probability=0.3) for w in said] for channel, said in scripted.script(lines).items()}
    raw = sound_file(pcm16(scripted.samples(words, 8.0)), scripted.RATE_HZ)
    rooms = replace(
        place.rooms, transcriber=lambda: FakeTranscriber(words), listener=lambda: FakeTranscriber(words, deaf=True)
    )
    delivery = place.deliver(raw, jurisdictions=["US-NY"], known_pii={})
    assert process(delivery, rooms, NOW).status is Status.QUARANTINED
