"""Transcription: the words of a call with call times, the missed ones heard again, whatever the language."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pytest

from models.fakes import FakeTranscriber, FakeVad, spoken
from pipeline.audio import SPEECH_RATE_HZ
from pipeline.speech import VAD_FRAME
from pipeline.transcribe import LANGUAGE_WINDOWS, Heard, transcribe
from pipeline.types import Channel, SpokenLanguage, TimeSpan, Word
from tests.factories import span, speaking

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pipeline.audio import Samples, Speech
    from pipeline.speech import Window

BOTH = (Channel.AGENT, Channel.CUSTOMER)
BLOCK = 300 * VAD_FRAME


def hear(
    script: Mapping[Channel, Sequence[Word]], transcriber: FakeTranscriber | None = None, language: str | None = "en"
) -> Heard:
    """What is heard of a call in which voices sound just where the script has words."""
    end_s = max((w.span.end_s for words in script.values() for w in words), default=0.0) + 0.5
    rows = [speaking(_stretches(script.get(channel, ())), end_s) for channel in BOTH]
    return transcribe(blocks(np.stack(rows)), BOTH, FakeVad(), transcriber or FakeTranscriber(script), language)


def blocks(samples: Samples) -> Iterator[Speech]:
    """The samples in blocks."""
    for at in range(0, samples.shape[1], BLOCK):
        yield samples[:, at : at + BLOCK].astype(np.float32)


def _stretches(words: Sequence[Word]) -> list[TimeSpan]:
    found: list[TimeSpan] = []
    for each in words:
        if found and each.span.start_s - found[-1].end_s < 0.2:
            found[-1] = TimeSpan(found[-1].start_s, each.span.end_s)
        else:
            found.append(each.span)
    return found


def texts(heard: Heard, channel: Channel) -> list[str]:
    """The words of a channel in order of time."""
    words = [word for segment in heard.segments if segment.channel is channel for word in segment.words]
    return [word.text for word in sorted(words, key=lambda word: word.span)]


@dataclass(slots=True)
class Counting:
    """Passes windows on and counts them."""

    inner: FakeTranscriber
    windows: list[Window] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)
    languages: set[str] = field(default_factory=set)

    def detect_language(self, windows: Sequence[Window]) -> SpokenLanguage:
        """Counts, then asks."""
        self.asked.append(len(windows))
        return self.inner.detect_language(windows)

    def transcribe(self, windows: Iterable[Window], language: str) -> Iterator[tuple[Window, tuple[Word, ...]]]:
        """Counts, then passes on."""
        self.languages.add(language)
        for window in windows:
            self.windows.append(window)
            yield from self.inner.transcribe([window], language)


SCRIPT = {
    Channel.AGENT: (*spoken("how can I help you today", 0.5), *spoken("and your number please", 70.0)),
    Channel.CUSTOMER: (*spoken("I have lost my card", 4.0), *spoken("five five five zero one four two", 75.0)),
}


def test_words_stand_at_their_time_on_their_channel() -> None:
    """Words come back with the times at which they were said, however long the silence before them."""
    heard = hear(SCRIPT)
    for channel in BOTH:
        assert texts(heard, channel) == [word.text for word in SCRIPT[channel]]
        said = [word for segment in heard.segments if segment.channel is channel for word in segment.words]
        for word, scripted in zip(said, SCRIPT[channel], strict=True):
            assert word.span.start_s == pytest.approx(scripted.span.start_s, abs=0.001)
            assert word.span.end_s == pytest.approx(scripted.span.end_s, abs=0.001)
    assert heard.duration_s == pytest.approx(SCRIPT[Channel.CUSTOMER][-1].span.end_s + 0.5, abs=0.001)


def test_segments_are_in_order_and_never_mix_channels() -> None:
    """Segments follow each other in time and none is empty."""
    heard = hear(SCRIPT)
    starts = [segment.span.start_s for segment in heard.segments]
    assert starts == sorted(starts)
    assert all(segment.words for segment in heard.segments)


def test_speech_is_reported_where_it_was() -> None:
    """Each channel's speech covers its words and not the other channel's."""
    heard = hear(SCRIPT)
    for channel in BOTH:
        for word in SCRIPT[channel]:
            assert any(
                s.start_s <= word.span.start_s and word.span.end_s <= s.end_s + 0.04 for s in heard.speech[channel]
            )
    assert not any(s.overlaps(span(4.0, 5.5)) for s in heard.speech[Channel.AGENT])


def test_missed_words_are_heard_again() -> None:
    """Words that the recogniser left out of a long window are found when their stretch is heard alone, in order."""
    script = {
        Channel.AGENT: (),
        Channel.CUSTOMER: spoken(
            "my number is five five five zero one four two and my name is Wilhelmina Quackenbush", 1.0
        ),
    }
    missed = TimeSpan(script[Channel.CUSTOMER][3].span.start_s - 0.1, script[Channel.CUSTOMER][9].span.end_s + 0.04)
    lossy = FakeTranscriber(script, swallows={Channel.CUSTOMER: (missed,)})
    heard = hear(script, lossy)
    assert texts(heard, Channel.CUSTOMER) == [word.text for word in script[Channel.CUSTOMER]]


def test_what_cannot_be_heard_stays_missing() -> None:
    """Speech that gives no words at the second time either leaves a gap, which the guards will find."""
    script = {Channel.AGENT: (), Channel.CUSTOMER: spoken("one two three four five six seven eight nine", 1.0)}
    lost = script[Channel.CUSTOMER][3:6]
    kept = {Channel.CUSTOMER: tuple(w for w in script[Channel.CUSTOMER] if w not in lost)}
    heard = hear(script, FakeTranscriber(kept))
    assert texts(heard, Channel.CUSTOMER) == ["one", "two", "three", "seven", "eight", "nine"]
    assert any(
        s.start_s < lost[0].span.start_s and lost[-1].span.end_s < s.end_s for s in heard.speech[Channel.CUSTOMER]
    )


@pytest.mark.parametrize("minutes", [0.5, 2.0])
def test_what_was_understood_is_heard_once(minutes: float) -> None:
    """A channel that is fully understood costs one pass, also when it is one long monologue cut into windows."""
    words = spoken("and so on " * round(minutes * 60 / 1.05), 1.0)
    script = {Channel.AGENT: (), Channel.CUSTOMER: words}
    counting = Counting(FakeTranscriber(script))
    end_s = words[-1].span.end_s
    rows = np.stack([np.zeros(round((end_s + 0.5) * SPEECH_RATE_HZ)), speaking([span(1.0, end_s)], end_s + 0.5)])
    transcribe(blocks(rows), BOTH, FakeVad(), counting, "en")
    heard_s = sum(len(window.samples) for window in counting.windows) / SPEECH_RATE_HZ
    assert heard_s < (end_s - 1.0) * 1.05 + 1.0


def test_a_word_at_a_cut_is_heard_once() -> None:
    """Where a monologue is cut into windows, no word is lost and none stands twice."""
    words = spoken(" ".join(f"w{number}" for number in range(400)), 1.0, word_s=0.25, gap_s=0.1)
    script = {Channel.AGENT: (), Channel.CUSTOMER: words}
    end_s = words[-1].span.end_s + 0.5
    rows = np.stack([np.zeros(round(end_s * SPEECH_RATE_HZ)), speaking([word.span for word in words], end_s)])
    heard = transcribe(blocks(rows), BOTH, FakeVad(), FakeTranscriber(script), "en")
    assert texts(heard, Channel.CUSTOMER) == [word.text for word in words]


def test_language_given_or_told() -> None:
    """A language that is given is used without asking; one that is not is told from the first windows, once."""
    given_language = Counting(FakeTranscriber(SCRIPT, language="es"))
    rows = np.stack([speaking(_stretches(SCRIPT[channel]), 80.0) for channel in BOTH])
    assert transcribe(blocks(rows), BOTH, FakeVad(), given_language, "en").language == "en"
    assert (given_language.asked, given_language.languages) == ([], {"en"})
    told = Counting(FakeTranscriber(SCRIPT, language="es", certainty=0.25))
    heard = transcribe(blocks(rows), BOTH, FakeVad(), told, None)
    assert (heard.language, heard.language_certainty) == ("es", 0.25)
    assert len(told.asked) == 1
    assert 1 <= told.asked[0] <= LANGUAGE_WINDOWS
    assert told.languages == {"es"}
    assert len(told.windows) >= told.asked[0]


def test_silence_has_no_words_and_needs_no_model() -> None:
    """A call in which nobody speaks is heard without asking the recogniser anything."""
    counting = Counting(FakeTranscriber(SCRIPT, language="es"))
    heard = transcribe(blocks(np.zeros((2, 5 * SPEECH_RATE_HZ))), BOTH, FakeVad(), counting, None)
    assert (heard.segments, heard.duration_s, counting.windows, counting.asked) == ((), 5.0, [], [])
    assert heard.speech == {Channel.AGENT: (), Channel.CUSTOMER: ()}


def test_one_mixed_channel() -> None:
    """A mono recording is heard as one channel."""
    words = spoken("good morning", 1.0)
    mono = speaking([span(1.0, 1.65)], 3.0)[np.newaxis]
    heard = transcribe(blocks(mono), (Channel.MIXED,), FakeVad(), FakeTranscriber({Channel.MIXED: words}), "en")
    assert [word.text for segment in heard.segments for word in segment.words] == ["good", "morning"]
    assert set(heard.speech) == {Channel.MIXED}


def test_windows_are_not_read_ahead() -> None:
    """The recogniser gets its first window before the rest of the call was decoded."""
    read = 0

    def watched() -> Iterator[Speech]:
        nonlocal read
        for block in blocks(np.stack([speaking([span(1.0, 200.0)], 200.0)] * 2)):
            read += 1
            yield block

    class Eager(FakeTranscriber):
        def transcribe(self, windows: Iterable[Window], language: str) -> Iterator[tuple[Window, tuple[Word, ...]]]:
            for window in windows:
                firsts.append(read)
                yield window, ()

    firsts: list[int] = []
    transcribe(watched(), BOTH, FakeVad(), Eager({}), "en")
    assert firsts[0] < read / 2
