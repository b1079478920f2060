"""Timing: each second counts for one stage, and who watches is told when a stage begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.stopwatch import Stopwatch

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(name="clock")
def _clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    return now


def test_an_inner_stage_does_not_count_twice(clock: list[float]) -> None:
    """Time spent in an inner stage is the inner one's only."""
    told: list[str] = []
    watch = Stopwatch(told.append)
    with watch.stage("transcribe"):
        clock[0] += 1.0
        with watch.stage("decode"):
            clock[0] += 5.0
        clock[0] += 2.0
    assert watch.seconds == {"transcribe": pytest.approx(3.0), "decode": pytest.approx(5.0)}
    assert told == ["transcribe", "decode"]


def test_a_stage_that_fails_is_counted(clock: list[float]) -> None:
    """A stage that raises has still taken its time, and the next one starts clean."""
    watch = Stopwatch(lambda _: None)

    def fail() -> None:
        with watch.stage("seal"):
            clock[0] += 4.0
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()
    with watch.stage("seal"):
        clock[0] += 1.0
    assert watch.seconds == {"seal": pytest.approx(5.0)}


def test_time_of_items(clock: list[float]) -> None:
    """Only the time that items take to come is counted, not what is done with them."""

    def coming() -> Iterator[int]:
        for item in (1, 2):
            clock[0] += 3.0
            yield item

    watch = Stopwatch(lambda _: None)
    with watch.stage("transcribe"):
        for _ in watch.time_of("decode", coming()):
            clock[0] += 10.0
    assert watch.seconds == {"decode": pytest.approx(6.0), "transcribe": pytest.approx(20.0)}


def test_who_watches_is_told_how_far_a_stage_is() -> None:
    """In minutes and seconds of the call, with each block of it."""
    told: list[str] = []
    assert list(Stopwatch(told.append).marks("transcribe", "abc", 30.72)) == ["a", "b", "c"]
    assert told == ["transcribe 0:31", "transcribe 1:01", "transcribe 1:32"]
