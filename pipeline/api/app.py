"""The hook: finished calls come in over HTTP, are verified, sealed at once and answered; workers do the rest.

Takes what was joined in :class:`Door`; gives a FastAPI application. Every way in checks who sends before it reads what
is sent, and a call that comes twice is answered as done. Bodies are sealed as they arrive; nothing of them is written
plain. Answers and logs hold ids and names of errors.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from anyio import from_thread
from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse

from pipeline.api import events, metrics, multipart, s3_events
from pipeline.api.limits import Aside, Limited, RateLimit
from pipeline.api.together import Together
from pipeline.errors import BadInput, BadMetadata, CallsealError, NotFound, Refused, Temporary
from pipeline.intake.announced import Desk, take_in
from pipeline.intake.arrival import hand_in
from pipeline.intake.pressure import Pressure, pressure
from pipeline.metadata import parse_metadata
from pipeline.tokens import Scope, check_token

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from pipeline.api.events import Arrived
    from pipeline.config import Settings
    from pipeline.custody import Custody
    from pipeline.intake.arrival import Legs
    from pipeline.jobs import Progress
    from pipeline.live.sense import Ears
    from pipeline.metadata import CallMetadata
    from pipeline.retention.retain import RetentionPolicy

EVENT_BYTES: Final = 256 << 10
LOOKS_AT_ONCE: Final = 4
SEALED_AT_ONCE: Final = 8  # objects, each mostly a wait for the disk or the bucket
_STATUS: Final[tuple[tuple[type[CallsealError], int], ...]] = (
    (BadInput, 422),
    (Refused, 403),
    (NotFound, 404),
    (Temporary, 503),
)
_LATER: Final = {"Retry-After": "5"}  # seconds, for what has no room now or cannot be reached


@dataclass(frozen=True, slots=True)
class Door:
    """What the hook needs.

    Args:
        settings: limits and secrets.
        held: keys, store and records, in the role of intake.
        retention: until when an original may wait.
        enqueue: puts calls that wait into the queue.
        progress: says how far the queue is.
        clock: gives the time.
        ears: what live calls are heard with; None where this process hears none.
    """

    settings: Settings
    held: Custody
    retention: RetentionPolicy
    enqueue: Callable[[Sequence[str]], None] = field(repr=False)
    progress: Callable[[], Progress] = field(repr=False)
    clock: Callable[[], datetime] = field(repr=False)
    ears: Callable[[], Ears] | None = field(default=None, repr=False)


def make_app(door: Door) -> FastAPI:
    """The application; ``/docs`` describes it."""
    app = FastAPI(title="callseal", description="Finished calls in.", redoc_url=None)
    limit = RateLimit(door.settings.api.per_minute)
    app.add_middleware(Limited, limit=limit, clock=door.clock)

    @app.exception_handler(CallsealError)
    async def _refuse(_: Request, exc: CallsealError) -> JSONResponse:
        status = next((code for kind, code in _STATUS if isinstance(exc, kind)), 500)
        later = _LATER if isinstance(exc, Temporary) else None
        return JSONResponse({"error": type(exc).__name__, "message": str(exc)}, status, later)

    room, aside = pressure(door.settings, door.held.records), Aside(LOOKS_AT_ONCE)
    announce: Together[Arrived, dict[str, Any]] = Together(lambda calls: _announce(door, room, desk, calls))
    desk = Desk(door.held, door.retention, door.settings.audio.max_bytes, ThreadPoolExecutor(SEALED_AT_ONCE))
    _watching(app, door, aside)
    _taking(app, door, room, aside)
    _announcing(app, door, announce, aside)
    if door.ears is not None and door.settings.live.at_once:
        from pipeline.api.live import add_live

        add_live(app, door, door.ears, limit, room)
    return app


def _watching(app: FastAPI, door: Door, aside: Aside) -> None:
    """Ways to see how it is."""

    @app.get("/healthz")
    async def healthz() -> dict[str, bool]:
        """Whether the process answers."""
        return {"ok": True}

    @app.get("/readyz")
    async def readyz() -> dict[str, bool]:
        """Whether database and store answer."""
        await aside(door.held.records.root_key_ids)
        await aside(lambda: door.held.archive.store.stat("0" * 32))
        return {"ok": True}

    @app.get("/metrics", dependencies=[Depends(_token(door, Scope.METRICS, aside))])
    async def metrics_page() -> PlainTextResponse:
        """For Prometheus."""
        return PlainTextResponse(await aside(lambda: metrics.page(door.held.records, door.progress(), door.clock())))


def _taking(app: FastAPI, door: Door, room: Pressure, aside: Aside) -> None:
    """Ways in for finished calls."""

    @app.post("/calls", status_code=202, dependencies=[Depends(_token(door, Scope.DELIVER, aside))])
    def upload(request: Request) -> dict[str, Any]:
        """A call as multipart/form-data: first ``metadata`` (JSON), then ``audio``, or ``agent`` and ``customer``."""
        parts = multipart.parts(
            request.headers.get("content-type", ""), _body(request, door.settings.api.max_body_bytes)
        )
        name, first = next(parts, ("", iter(())))
        if name != "metadata":
            raise BadMetadata("the first part is called metadata")
        metadata = parse_metadata(_small(first))
        legs = multipart.legs(parts)
        return _take(door, room, legs, metadata)


def _announcing(
    app: FastAPI, door: Door, announce: Callable[[Arrived], Awaitable[dict[str, Any]]], aside: Aside
) -> None:
    """Ways in for events that name calls."""
    s3_events.s3_name_rule(door.settings.s3_events)  # a pattern that means nothing is said at the start

    @app.post("/hooks/twilio", status_code=202)
    async def twilio(request: Request) -> dict[str, Any]:
        """A recording status callback of Twilio; metadata may stand in its URL's query, which the signature covers."""
        fields = events.form(await _event(request))
        url = door.settings.api.public_url.rstrip("/") + request.url.path
        url += f"?{request.url.query}" if request.url.query else ""
        secret = door.settings.api.twilio_auth_token.get_secret_value()
        events.check_twilio(url, fields, request.headers.get("x-twilio-signature", ""), secret)
        found = events.of_twilio(fields, dict(request.query_params))
        return await announce(found) if found else {"accepted": False}

    @app.post("/hooks/standard", status_code=202)
    async def standard(request: Request) -> dict[str, Any]:
        """An event ``call.finished`` signed by the Standard Webhooks specification."""
        raw = await _event(request)
        events.check_standard(raw, dict(request.headers), door.settings.api.webhook_secret.get_secret_value())
        found = events.of_standard(raw)
        return await announce(found) if found else {"accepted": False}

    @app.post("/hooks/s3", status_code=202, dependencies=[Depends(_token(door, Scope.S3_EVENTS, aside))])
    async def s3(request: Request) -> dict[str, Any]:
        """New recordings in listed buckets, as S3, SQS, SNS, Lambda or EventBridge tell of them."""
        found = s3_events.of_s3(await _event(request), door.settings.s3_events)
        taken = await asyncio.gather(*map(announce, found))
        return {"accepted": bool(taken), "calls": taken}


def _take(door: Door, room: Pressure, legs: Legs, metadata: CallMetadata) -> dict[str, Any]:
    """Seal the call, or what is known of it, and let it wait."""
    room.admit(door.clock())
    limit = door.settings.audio.max_bytes
    added = hand_in(legs, metadata, door.held, door.retention, limit, door.clock())
    call_id = str(metadata.call_id)
    if added:
        _enqueue(door, [call_id])
    return _answer(call_id, added=added)


def _announce(door: Door, room: Pressure, desk: Desk, calls: Sequence[Arrived]) -> list[dict[str, Any] | Exception]:
    """Seal what is known of the calls, and let them wait."""
    room.admit(door.clock())
    ids = [str(metadata.call_id) for _, metadata in calls]
    taken = take_in(calls, desk, door.clock())
    if added := [call_id for call_id, each in zip(ids, taken, strict=True) if each is True]:
        _enqueue(door, added)
    return [
        each if isinstance(each, Exception) else _answer(call_id, added=each)
        for call_id, each in zip(ids, taken, strict=True)
    ]


def _enqueue(door: Door, call_ids: Sequence[str]) -> None:
    with suppress(Temporary):  # they wait, and workers fill the queue from what waits
        door.enqueue(call_ids)


def _answer(call_id: str, *, added: bool) -> dict[str, Any]:
    return {"accepted": True, "call_id": call_id, "repeated": not added}


def _token(door: Door, scope: Scope, aside: Aside) -> Callable[[Request], Awaitable[None]]:
    """Lets pass who bears a token that is good for the scope; everybody else is recorded."""

    def check(text: str) -> None:
        try:
            check_token(door.held.records.engine, text, scope, door.clock())
        except Refused:
            door.held.access.note_denied(scope.value)
            raise

    async def bearer(request: Request) -> None:
        kind, _, text = request.headers.get("authorization", "").partition(" ")
        await aside(lambda: check(text if kind.lower() == "bearer" else ""))

    return bearer


def _body(request: Request, limit: int) -> Iterator[bytes]:
    """The body as it arrives, read from a worker thread. Raises BadInput beyond ``limit`` bytes."""
    stream, size = request.stream(), 0

    async def following() -> bytes | None:
        async for chunk in stream:
            return chunk
        return None

    while (chunk := from_thread.run(following)) is not None:
        size += len(chunk)
        if size > limit:
            raise BadInput(f"the body is larger than the limit of {limit} bytes")
        yield chunk


async def _event(request: Request) -> bytes:
    """The body of an event. Raises BadInput beyond EVENT_BYTES."""
    whole = bytearray()
    async for chunk in request.stream():
        whole += chunk
        if len(whole) > EVENT_BYTES:
            raise BadInput(f"the body is larger than the limit of {EVENT_BYTES} bytes")
    return bytes(whole)


def _small(chunks: Iterable[bytes]) -> bytes:
    """All of a small part. Raises BadInput if it is none."""
    whole = bytearray()
    for chunk in chunks:
        whole += chunk
        if len(whole) > EVENT_BYTES:
            raise BadInput(f"more than {EVENT_BYTES} bytes where an event or metadata were expected")
    return bytes(whole)
