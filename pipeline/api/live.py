"""Live calls over WebSockets: a platform streams a call in, listeners get it redacted, a stated delay later.

``/live/twilio`` takes Media Streams, signed by Twilio or with a token; ``/live/{call_id}`` gives what comes out of a
call, to who bears a token. The platform's own socket carries nothing back, for on some streams that would be played to
the caller; a sender with a token may ask for it (``?reply=1``).
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import anyio
from anyio import to_thread
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

from pipeline.api import events
from pipeline.api.listeners import Listeners
from pipeline.api.media_streams import RATE_HZ, Media, Start, Stop, Tracks, read
from pipeline.errors import BadAudio, BadInput, CallsealError, NotFound, Refused, Temporary
from pipeline.live.admit import admit
from pipeline.live.call import LiveCall, Stream
from pipeline.live.keep import Keeper, Keeping
from pipeline.live.messages import MULAW
from pipeline.live.pace import Pace
from pipeline.live.run import backlog_of, messages_of
from pipeline.roles import Act
from pipeline.tokens import Scope, check_token

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.api.app import Door
    from pipeline.api.limits import RateLimit
    from pipeline.intake.pressure import Pressure
    from pipeline.live.backlog import Backlog
    from pipeline.live.messages import Message
    from pipeline.live.sense import Ears

START_S: Final = 15.0  # within which a stream begins
IDLE_S: Final = 60.0  # after which one that says nothing has ended
# RFC 6455, section 7.4.1, and IANA's registry of close codes.
_CODES: Final[tuple[tuple[type[CallsealError], int], ...]] = (
    (BadInput, 1007),
    (Temporary, 1013),
    (CallsealError, 1008),
)


@dataclass(slots=True)
class _Line:
    """What the sockets share."""

    door: Door
    ears: Callable[[], Ears]
    room: Pressure
    listeners: Listeners
    threads: anyio.CapacityLimiter = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Wish:
    """How a sender wants to be heard."""

    reply: bool
    waits: bool


def add_live(app: FastAPI, door: Door, ears: Callable[[], Ears], limit: RateLimit, room: Pressure) -> None:
    """Let calls in while they are spoken."""
    at_once = door.settings.live.at_once
    line = _Line(door, ears, room, Listeners(at_once), anyio.CapacityLimiter(2 * at_once))

    async def admitted(socket: WebSocket, check: Callable[[], Any]) -> bool:
        """Whether who opens the socket may; if not, it is closed before it was opened (HTTP 403)."""
        peer = socket.client.host if socket.client else ""
        try:
            if not limit.admits(peer, door.clock()):
                raise Refused("too many requests")
            await to_thread.run_sync(check)
        except CallsealError:
            await socket.close(1008)
            return False
        await socket.accept()
        return True

    @app.websocket("/live/twilio")
    async def twilio(socket: WebSocket) -> None:
        signed = "x-twilio-signature" in socket.headers
        if await admitted(socket, lambda: _check_sender(door, socket)):
            query = socket.query_params
            wish = _Wish(reply=query.get("reply") == "1" and not signed, waits=query.get("wait") == "1" and not signed)
            await _closing(socket, _take_in(socket, line, wish))

    @app.websocket("/live/{call_id}")
    async def listen(socket: WebSocket, call_id: str) -> None:
        if await admitted(socket, lambda: _check_token(door, socket, Scope.LISTEN)):
            await _closing(socket, _give_out(socket, line, call_id))


def _check_sender(door: Door, socket: WebSocket) -> None:
    """Raises Refused unless the handshake is signed by Twilio or bears a token."""
    signature = socket.headers.get("x-twilio-signature")
    if signature is None:
        _check_token(door, socket, Scope.LIVE)
        return
    api = door.settings.api
    url = "ws" + api.public_url.rstrip("/").removeprefix("http") + socket.url.path
    events.check_twilio(url, {}, signature, api.twilio_auth_token.get_secret_value())


def _check_token(door: Door, socket: WebSocket, scope: Scope) -> None:
    kind, _, text = socket.headers.get("authorization", "").partition(" ")
    try:
        check_token(door.held.records.engine, text if kind.lower() == "bearer" else "", scope, door.clock())
    except Refused:
        door.held.access.note_denied(scope.value)
        raise


async def _closing(socket: WebSocket, talk: Any) -> None:
    """Have the talk, then close the socket with a code that says how it went."""
    code, reason = 1000, ""
    try:
        await talk
    except WebSocketDisconnect:
        return
    except NotFound as exc:
        code, reason = 4404, str(exc)
    except CallsealError as exc:
        code, reason = next(code for kind, code in _CODES if isinstance(exc, kind)), str(exc)
    with suppress(RuntimeError, WebSocketDisconnect):  # the other side is gone
        await socket.close(code, reason[:120])


async def _give_out(socket: WebSocket, line: _Line, call_id: str) -> None:
    """Tell a listener everything until the call ends."""
    found = line.listeners.listen(call_id)
    await to_thread.run_sync(_note, line, call_id)
    async for message in found:
        await socket.send_text(json.dumps(message))


def _note(line: _Line, call_id: str) -> None:
    with line.door.held.access.acting(Act.LIVE, call_id=call_id, listener=True):
        """Who listens is on the trail before the first message."""


async def _take_in(socket: WebSocket, line: _Line, wish: _Wish) -> None:
    """Hear a call to its end; what was asked back is sent on the same socket."""
    start = await _started(socket)
    door, now = line.door, line.door.clock()
    live = door.settings.live
    stream = Stream(
        call_id=str(start.metadata.call_id),
        channels=tuple(start.tracks.values()),
        rate_hz=RATE_HZ,
        encoding=MULAW,
        pace=Pace.of(live.delay_s),
        purpose=live.purpose,
        waits=wish.waits,
    )
    before = await to_thread.run_sync(admit, start.metadata, door.held)
    call = await to_thread.run_sync(lambda: LiveCall(stream, line.ears(), start.metadata, before, now))
    line.listeners.open(stream.call_id, call.started())
    try:
        replies = line.listeners.listen(stream.call_id) if wish.reply else None
        keeping = Keeping(door.held, door.retention, door.settings.audio.max_bytes, line.room, now)
        keeper = Keeper(stream, start.metadata, keeping) if live.keep else None
        async with asyncio.TaskGroup() as tasks:
            if replies is not None:
                tasks.create_task(_send(socket, replies))
            try:
                await _hear(socket, line, start, call, keeper)
            finally:
                line.listeners.close(stream.call_id)
    except ExceptionGroup as group:
        raise _first(group) from None


def _first(group: BaseExceptionGroup[Any]) -> BaseException:
    found = group.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found


async def _send(socket: WebSocket, replies: Any) -> None:
    with suppress(WebSocketDisconnect, RuntimeError):  # who hung up is told nothing more
        async for message in replies:
            await socket.send_text(json.dumps(message))


async def _started(socket: WebSocket) -> Start:
    """The first message that says what comes. Raises BadInput."""
    try:
        async with asyncio.timeout(START_S):
            while True:
                found = read(await socket.receive_text())
                if isinstance(found, Start):
                    return found
                if found is not None:
                    raise BadInput("the stream does not begin with its start")
    except TimeoutError as exc:
        raise BadInput(f"no stream began within {START_S:g} s") from exc


async def _hear(socket: WebSocket, line: _Line, start: Start, call: LiveCall, keeper: Keeper | None) -> None:
    """One thread hears what this one receives; at the end the call waits for a worker."""
    loop, backlog, call_id = asyncio.get_running_loop(), backlog_of(call), call.stream.call_id

    def hear() -> None:
        with line.door.held.access.acting(Act.LIVE, call_id=call_id):
            try:
                for message in messages_of(call, backlog):
                    if message["event"] != "started":  # listeners have it already
                        loop.call_soon_threadsafe(line.listeners.tell, call_id, message)
            except CallsealError:
                raise
            except Exception as exc:  # noqa: BLE001 -- what it says may quote the call
                raise CallsealError(f"internal error: {type(exc).__name__}") from None

    heard = asyncio.ensure_future(to_thread.run_sync(hear, limiter=line.threads))
    try:
        await _receive(socket, start, backlog, keeper, line.door.settings.audio.max_duration_s)
    finally:
        backlog.end()
        try:
            await heard
        finally:
            if keeper is not None:
                kept = await to_thread.run_sync(_hand_in, line, keeper)
                line.listeners.tell(call_id, kept)


def _hand_in(line: _Line, keeper: Keeper) -> Message:
    call_id = keeper.stream.call_id
    try:
        added = keeper.end()
        if added:
            with suppress(Temporary):  # it waits, and workers fill the queue from what waits
                line.door.enqueue([call_id])
    except CallsealError as exc:
        return {"event": "not_kept", "call_id": call_id, "error": type(exc).__name__}
    return {"event": "kept", "call_id": call_id, "repeated": not added}


async def _receive(
    socket: WebSocket, start: Start, backlog: Backlog, keeper: Keeper | None, max_duration_s: float
) -> None:
    """Everything that comes until the stream stops, the platform hangs up or says nothing more."""
    tracks = Tracks(tuple(start.tracks))

    async def pass_on(*, last: bool = False) -> None:
        samples = tracks.take(last=last)
        if not samples.shape[1]:
            return
        if keeper is not None:
            keeper.put(samples)
        if backlog.waits:
            await to_thread.run_sync(backlog.put, samples)
        else:
            backlog.put(samples)
        if backlog.received_s() > max_duration_s:
            raise BadAudio("the call is longer than the limit")

    try:
        while True:
            async with asyncio.timeout(IDLE_S):
                found = read(await socket.receive_text())
            if isinstance(found, Stop):
                break
            if isinstance(found, Media):
                tracks.add(found)
                await pass_on()
    except (WebSocketDisconnect, TimeoutError, KeyError):
        pass  # KeyError: a frame that holds no text
    await pass_on(last=True)
