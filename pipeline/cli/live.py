"""``callseal live``: a call while it is spoken, from standard input; redacted turns and redacted audio come out."""

from __future__ import annotations

import base64
import secrets
import sys
import threading
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path  # noqa: TC003 -- typer reads it
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Final, cast

import typer

from pipeline.cli.common import AsJson, ConfigFile, DataDir, purpose_named, settings_of
from pipeline.errors import BadAudio, CallsealError, StoreUnavailable, Temporary, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from io import BufferedReader

    from pipeline.config import Settings
    from pipeline.live.backlog import Backlog
    from pipeline.live.call import Stream
    from pipeline.live.keep import Keeper
    from pipeline.metadata import CallMetadata
    from pipeline.types import Channel

_CHUNK_BYTES = 1 << 14


class Encoding(StrEnum):
    """How the samples come in."""

    PCM = "s16le"
    MULAW = "mulaw"


def live_command(
    *,
    rate: Annotated[int, typer.Option(min=4_000, max=48_000, help="Samples a second.")] = 8_000,
    channel: Annotated[
        list[str] | None, typer.Option(help="Who is heard on each channel, in order: agent, customer; one: mixed.")
    ] = None,
    encoding: Annotated[Encoding, typer.Option(help="Of the samples, interleaved, without a header.")] = Encoding.PCM,
    metadata: Annotated[Path | None, typer.Option(help="JSON file with what the platform says about the call.")] = None,
    delay: Annotated[float | None, typer.Option(min=12, max=300, help="Seconds; else the settings'.")] = None,
    purpose: Annotated[str | None, typer.Option(help="What it is listened to for; else the settings'.")] = None,
    audio: Annotated[Path | None, typer.Option(help="File or pipe for the redacted samples, 16 bits, raw.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Seal the call as well; a worker processes it.")] = False,
    real_time: Annotated[
        bool, typer.Option("--real-time", help="The source does not wait: what is heard too late comes out silent.")
    ] = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Redact a call while it is spoken: samples on standard input, one line per turn and verdict on standard output.

    With --json each line is one JSON object (docs/live.md), redacted audio among them unless --audio says where to.
    """
    settings = settings_of(data_dir, config)
    from pipeline.live.call import Stream
    from pipeline.live.messages import MULAW, PCM16
    from pipeline.live.pace import Pace
    from pipeline.metadata import CallMetadata, read_metadata

    known = read_metadata(metadata) if metadata else CallMetadata()
    stream = Stream(
        call_id=known.call_id or f"live-{secrets.token_hex(8)}",
        channels=_channels(channel, known, settings),
        rate_hz=rate,
        encoding=MULAW if encoding is Encoding.MULAW else PCM16,
        pace=Pace.of(delay or settings.live.delay_s),
        purpose=purpose_named(purpose) if purpose else settings.live.purpose,
        waits=not real_time,
    )
    with ExitStack() as stack:
        try:
            out = stack.enter_context(audio.open("wb", buffering=0)) if audio else None
        except OSError as exc:
            raise StoreUnavailable(f"the redacted audio cannot be written: {exc.strerror}") from exc
        for message in _heard(stream, known, settings, keep=keep):
            _print(message, out, as_json=as_json)


def _heard(stream: Stream, known: CallMetadata, settings: Settings, *, keep: bool) -> Iterator[dict[str, Any]]:
    """The messages of the call on standard input, and where it waits if it is kept."""
    from pipeline.build import custody, live_ears
    from pipeline.intake.pressure import pressure
    from pipeline.live.admit import admit
    from pipeline.live.call import LiveCall
    from pipeline.live.keep import Keeper, Keeping
    from pipeline.live.run import backlog_of, messages_of
    from pipeline.retention import retain
    from pipeline.roles import Act, Role

    now, held = datetime.now(UTC), custody(settings, Role.INGEST)
    with held.access.acting(Act.LIVE, call_id=stream.call_id):
        call = LiveCall(stream, live_ears(settings), known, admit(known, held), now)
        backlog, keeper = backlog_of(call), None
        if keep:
            retention = retain.load_policy(settings.policy_file("retention.toml"))
            keeper = Keeper(
                stream, known, Keeping(held, retention, settings.audio.max_bytes, pressure(settings, held.records), now)
            )
        reader = _Reader(stream, backlog, keeper, settings.audio.max_duration_s)
        reader.start()
        yield from messages_of(call, backlog)
        reader.join()
        if keeper is not None:
            yield _handed_in(stream, keeper, settings)
        if reader.failure is not None:
            raise reader.failure


def _handed_in(stream: Stream, keeper: Keeper, settings: Settings) -> dict[str, Any]:
    from pipeline import jobs

    added = keeper.end()
    if added:
        with suppress(Temporary), jobs.queue(settings) as queue:  # it waits, and workers fill the queue from what waits
            jobs.enqueue(queue, stream.call_id, jobs.LIVE)
    return {"event": "kept", "call_id": stream.call_id, "repeated": not added}


class _Reader(threading.Thread):
    """Reads standard input to its end into the backlog, and to the archive."""

    def __init__(self, stream: Stream, backlog: Backlog, keeper: Keeper | None, max_duration_s: float) -> None:
        super().__init__(daemon=True)
        self._stream, self._backlog, self._keeper, self._left_s = stream, backlog, keeper, max_duration_s
        self.failure: CallsealError | None = None

    def run(self) -> None:
        """Read; a failure is kept for the main thread."""
        import numpy as np

        from pipeline import mulaw
        from pipeline.live.messages import MULAW

        coded = self._stream.encoding == MULAW
        source = cast("BufferedReader", sys.stdin.buffer)
        frame, rest = len(self._stream.channels) * (1 if coded else 2), b""
        try:
            while chunk := source.read1(_CHUNK_BYTES):
                raw = rest + chunk
                whole = len(raw) // frame * frame
                rest = raw[whole:]
                flat = mulaw.decode(raw[:whole]) if coded else np.frombuffer(raw[:whole], "<i2").astype(np.int16)
                samples = flat.reshape(-1, len(self._stream.channels)).T
                self._left_s -= samples.shape[1] / self._stream.rate_hz
                if self._left_s < 0:
                    raise BadAudio("the call is longer than the limit")
                if self._keeper is not None:
                    self._keeper.put(samples)
                self._backlog.put(samples)
        except CallsealError as exc:
            self.failure = exc
        except Exception as exc:  # noqa: BLE001 -- raised by the main thread, without what it says
            self.failure = CallsealError(f"the call could not be read to its end: {type(exc).__name__}")
        finally:
            self._backlog.end()


def _channels(named: list[str] | None, known: CallMetadata, settings: Settings) -> tuple[Channel, ...]:
    """Who is heard: as the options say, else the metadata, else the settings' two channels."""
    from pipeline.types import Channel

    if not named:
        return known.channels or settings.audio.two_channels
    try:
        found = tuple(Channel(each) for each in named)
    except ValueError:
        raise UsageError(f"a channel is one of {', '.join(Channel)}") from None
    if len(found) > 2 or len(set(found)) != len(found) or (len(found) == 2 and Channel.MIXED in found):
        raise UsageError("a call has one channel, or the agent's and the customer's")
    return found


def _print(message: dict[str, Any], out: BinaryIO | None, *, as_json: bool) -> None:
    import json

    if message["event"] == "audio" and out is not None:
        out.write(_interleaved(message))
        message = {key: value for key, value in message.items() if key != "payload"}
    if as_json:
        print(json.dumps(message, ensure_ascii=False), flush=True)  # noqa: T201
    elif line := _line(message):
        print(line, flush=True)  # noqa: T201


def _interleaved(message: dict[str, Any]) -> bytes:
    """The samples of all channels as 16 bits, whatever they came in as."""
    import numpy as np

    from pipeline import mulaw
    from pipeline.live.messages import MULAW

    raw = [base64.b64decode(each) for each in message["payload"].values()]
    rows = [mulaw.decode(each) if message["encoding"] == MULAW else np.frombuffer(each, "<i2") for each in raw]
    return np.stack(rows, axis=1).astype("<i2").tobytes()


def _line(message: dict[str, Any]) -> str:
    """A message for a person; audio has none."""
    line = _LINES.get(message["event"])
    return line(message) if line else ""


def _verdict(message: dict[str, Any]) -> str:
    consent = message["consent"]
    state = "open" if consent["open"] else f"closed: {consent['reason_closed']}"
    return f"{message['heard_s']:9.2f}  consent    {consent['verdict']}, {state}"


def _ended(message: dict[str, Any]) -> str:
    late = f"{message['late_findings']} found late ({message['late_s']:.1f} s)"
    return f"ended       {message['duration_s']:.1f} s, {message['withheld_s']:.1f} s withheld, {late}"


_LINES: Final[Mapping[str, Callable[[dict[str, Any]], str]]] = {
    "started": lambda m: f"live        {m['call_id']}, {m['delay_s']:g} s behind",
    "turn": lambda m: f"{m['start_s']:9.2f}  {m['speaker']:10} {m['text']}",
    "consent": _verdict,
    "late": lambda m: f"{m['start_s']:9.2f}  LATE       {m['entity_type']}, came out until {m['end_s']:.2f} s",
    "ended": _ended,
    "kept": lambda m: f"kept        {m['call_id']} waits for a worker",
}
