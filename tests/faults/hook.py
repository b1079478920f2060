"""The hook: killed while it reads uploads and after it has answered; events that come twice and in the wrong order."""

from __future__ import annotations

import json
import signal
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import httpx
from standardwebhooks import Webhook

from tests import scripted
from tests.faults.calls import environment, serving, token, upload, work
from tests.faults.row import Row, count
from tests.hook import platform

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

CUTS: Final = (0, 1, 5, 20)  # chunks of an upload that the server has read when it is killed
SIGNED_BY: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
AT_ONCE: Final = 8


def faults() -> Iterator[Callable[[Path], Row]]:
    """Every fault of the hook."""
    yield killed
    yield again_and_again


def killed(top: Path) -> Row:
    """SIGKILL of the hook while it reads an upload; the platform sends again, twice."""
    data, kills = top / "data", 0
    bearer, call_ids = token(data), [f"CA-cut{cut}" for cut in CUTS]
    for call_id, cut in zip(call_ids, CUTS, strict=True):
        with serving(data) as (url, process):
            try:
                upload(url, bearer, call_id, _cut(cut, process))
            except httpx.TransportError:
                kills += 1
    with serving(data) as (url, process):
        for call_id in call_ids * 2:
            assert upload(url, bearer, call_id).status_code == 202
        process.send_signal(signal.SIGKILL)
    work(data)
    return count("hook killed, receiving", data, kills + 1, call_ids)


def _cut(cut: int, process: subprocess.Popen[bytes]) -> Callable[[int], None]:
    def kill(number: int) -> None:
        if number == cut:
            process.send_signal(signal.SIGKILL)
            process.wait()

    return kill


def again_and_again(top: Path) -> Row:
    """The same calls, uploaded many times at once, announced before and after that, and announced as begun at last."""
    data, call_ids = top / "data", ("CA-up", "CA-announced", "CA-both")
    with (
        platform() as here,
        environment(
            CALLSEAL_FETCH__HOSTS='["localhost"]',
            CALLSEAL_FETCH__PRIVATE="true",
            CALLSEAL_API__WEBHOOK_SECRET=SIGNED_BY,
        ),
    ):
        here.recordings["/call.wav"] = scripted.recording()
        bearer = token(data)
        with serving(data) as (url, _), ThreadPoolExecutor(AT_ONCE) as pool:

            def announce(call_id: str, kind: str = "call.finished") -> dict[str, Any]:
                stated = json.loads(scripted.metadata(call_id=call_id))
                return _signed(url, kind, {"metadata": stated, "recording_url": f"{here.url}/call.wav"})

            def send(call_id: str) -> dict[str, Any]:
                answer: dict[str, Any] = upload(url, bearer, call_id).json()
                return answer

            answers = list(pool.map(send, ["CA-up"] * AT_ONCE))
            answers += pool.map(announce, ["CA-up", *["CA-announced"] * AT_ONCE])
            sent_and_announced = [(each, "CA-both") for each in (send, announce) * (AT_ONCE // 2)]
            answers += pool.map(lambda each: each[0](each[1]), sent_and_announced)
            answers += [announce("CA-both", "call.started"), announce("CA-announced")]
        work(data)
    repeated = sum(answer.get("repeated", True) for answer in answers)
    assert len(answers) - repeated == len(call_ids), answers
    return count("events twice, out of order", data, repeated, call_ids)


def _signed(url: str, kind: str, about: dict[str, Any]) -> dict[str, Any]:
    body, at = json.dumps({"type": kind, "data": about}), datetime.now(UTC)
    headers = {
        "webhook-id": "msg-1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(SIGNED_BY).sign("msg-1", at, body),
    }
    answer = httpx.post(f"{url}/hooks/standard", content=body, headers=headers, timeout=60)
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = answer.json()
    return found
