"""Back-pressure: where there is no room for more calls, the sender is told to come later, and nothing is begun."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from pipeline import jobs
from pipeline.api.app import Door, make_app
from pipeline.build import custody
from pipeline.config import load_settings
from pipeline.errors import StoreUnavailable, Temporary
from pipeline.intake.pressure import Pressure, waiting_calls
from pipeline.retention import retain
from pipeline.roles import Role
from pipeline.tokens import Scope, create_token
from tests import scripted
from tests.hook import serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("free_bytes", "waiting", "error"),
    [(10, 4, None), (9, 0, StoreUnavailable), (10, 5, Temporary), (0, 9, StoreUnavailable)],
)
def test_what_stops_intake(free_bytes: int, waiting: int, error: type[Exception] | None) -> None:
    """A disk with less than the reserve, and as many waiting calls as may wait; up to there calls come in."""
    room = Pressure(10, 5, lambda: free_bytes, lambda: waiting)
    if error is None:
        room.admit(NOW)
        return
    with pytest.raises(error):
        room.admit(NOW)


def test_calls_are_counted_once_in_a_while() -> None:
    """What was counted counts for a second; then it is counted again, also where the clock was put back."""
    waiting = [4, 5, 4]
    room = Pressure(10, 5, lambda: 10, lambda: waiting.pop(0))
    room.admit(NOW)
    room.admit(NOW + timedelta(seconds=0.9))
    with pytest.raises(Temporary):
        room.admit(NOW + timedelta(seconds=1))
    room.admit(NOW - timedelta(days=1))
    assert waiting == []


def test_the_disk_is_looked_at_each_time() -> None:
    """Calls that come within a moment do not fill what is left to the workers."""
    free = [10, 9, 10]
    room = Pressure(10, 5, lambda: free.pop(0), lambda: 0)
    room.admit(NOW)
    with pytest.raises(StoreUnavailable):
        room.admit(NOW)
    room.admit(NOW)


def away(_: Any) -> None:
    """A queue that cannot be reached."""
    raise StoreUnavailable("away")


@pytest.mark.parametrize(
    ("changed", "enqueue", "statuses"),
    [
        ({"reserve_bytes": 1 << 60}, away, [503, 503]),
        ({"max_waiting": 1}, lambda _: None, [202, 503]),
        ({"per_minute": 1}, lambda _: None, [202, 429]),
        ({}, away, [202, 202]),
    ],
)
def test_who_is_told_to_come_later(
    socket_enabled: None, tmp_path: Path, changed: dict[str, Any], enqueue: Callable[[Any], None], statuses: list[int]
) -> None:
    """503 or 429 with Retry-After, and no row and no object; a queue that is away stops nothing: workers fill it."""
    settings = load_settings(tmp_path / "data")
    settings = settings.model_copy(update={"api": settings.api.model_copy(update=changed)})
    held = custody(settings, Role.INGEST)
    retention = retain.load_policy(settings.policy_file("retention.toml"))
    _, bearer = create_token(held.records.engine, [Scope.DELIVER], NOW, NOW + timedelta(days=1))
    clock = (NOW + timedelta(seconds=2 * number) for number in range(99))  # a look each time
    still = [NOW] if "per_minute" in changed else []
    door = Door(
        settings,
        held,
        retention,
        enqueue,
        lambda: jobs.Progress(0, 0, None, None),
        lambda: still[0] if still else next(clock),
    )
    answers = []
    with serving(make_app(door)) as url:
        for number, _ in enumerate(statuses):
            files = [
                ("metadata", ("m", scripted.metadata(call_id=f"CA-{'ab'[number]}"))),
                ("audio", ("a", scripted.recording())),
            ]
            answers.append(
                httpx.post(f"{url}/calls", files=files, headers={"authorization": f"Bearer {bearer}"}, timeout=60)
            )
    assert [answer.status_code for answer in answers] == statuses
    assert all("retry-after" in answer.headers for answer in answers if answer.status_code != 202)
    assert waiting_calls(held.records, 99) == statuses.count(202)
    assert len(held.records.object_keys()) == 2 * statuses.count(202) == len(list(held.archive.store.list()))
    held.records.close()
