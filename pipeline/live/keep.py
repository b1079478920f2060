"""The same call for the archive: sealed while it is spoken, handed in when it ends, processed like any finished call.

Takes samples as they arrive; they go into the sealed stream of ``pipeline.intake.arrival`` and nowhere else. A process
that dies leaves an unfinished object, which is swept, and no call.
"""

from __future__ import annotations

import queue
import struct
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pipeline import mulaw
from pipeline.errors import CallsealError, StoreUnavailable
from pipeline.intake.arrival import Legs, hand_in
from pipeline.live.messages import MULAW

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from pipeline.audio import Samples
    from pipeline.custody import Custody
    from pipeline.intake.pressure import Pressure
    from pipeline.live.call import Stream
    from pipeline.metadata import CallMetadata
    from pipeline.retention.retain import RetentionPolicy

_MOST: Final = 8_192  # pieces that may wait for the store
_WAIT_S: Final = 60.0
_UNKNOWN: Final = 0xFFFF_FFFF  # length of a recording that is still being written


@dataclass(frozen=True, slots=True)
class Keeping:
    """What handing in needs: keys and store, how long an original may wait, the most bytes, and when the call began.

    Where there is no ``room`` for a call as it begins, it is not kept.
    """

    held: Custody
    retention: RetentionPolicy
    max_bytes: int
    room: Pressure = field(repr=False)
    now: datetime


class _Abandoned(CallsealError):
    """There is nothing to keep."""


@dataclass(slots=True)
class Keeper:
    """One call on its way to the archive.

    Args:
        stream: what comes in.
        metadata: what the platform says.
        keeping: where to.
    """

    stream: Stream
    metadata: CallMetadata
    keeping: Keeping
    _waiting: queue.Queue[bytes | None] = field(default_factory=lambda: queue.Queue(_MOST), repr=False)
    _thread: threading.Thread = field(init=False, repr=False)
    _failure: CallsealError | None = None
    _any: bool = False
    _added: bool = False

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._hand_in, daemon=True)
        self._thread.start()

    def put(self, samples: Samples) -> None:
        """Add (channels, time) samples; a store that does not keep up loses the recording, never the live call."""
        if self._failure is not None or not samples.shape[1]:
            return
        whole = samples.T.reshape(-1)
        raw = mulaw.encode(whole) if self.stream.encoding == MULAW else whole.astype("<i2").tobytes()
        try:
            self._waiting.put(raw, block=self.stream.waits, timeout=_WAIT_S)
            self._any = True
        except queue.Full:
            self._failure = StoreUnavailable("the store does not keep up with the call")

    def end(self) -> bool:
        """Hand the call in; gives whether it waits now, and was not held already.

        Raises:
            CallsealError: it could not be sealed; nothing of it is kept.
        """
        if not self._any:
            self._failure = self._failure or _Abandoned("the call is empty")
        while self._thread.is_alive():
            try:
                self._waiting.put(None, timeout=1.0)
                break
            except queue.Full:
                continue
        self._thread.join()
        if self._failure is not None and not isinstance(self._failure, _Abandoned):
            raise self._failure
        return self._added

    def _hand_in(self) -> None:
        keeping = self.keeping
        metadata = self.metadata.model_copy(
            update={
                "call_id": self.stream.call_id,
                "channels": self.stream.channels,
                "started_at": self.metadata.started_at or keeping.now,
            }
        )
        legs = Legs(streams=(self._chunks(),))
        try:
            keeping.room.admit(keeping.now)
            self._added = hand_in(legs, metadata, keeping.held, keeping.retention, keeping.max_bytes, keeping.now)
        except CallsealError as exc:
            self._failure = exc
        except Exception as exc:  # noqa: BLE001 -- raised by end, without what it says
            self._failure = CallsealError(f"the call could not be sealed: {type(exc).__name__}")

    def _chunks(self) -> Iterator[bytes]:
        yield _header(self.stream)
        while (chunk := self._waiting.get()) is not None:
            yield chunk
        if self._failure is not None:
            raise self._failure


def _header(stream: Stream) -> bytes:
    """A RIFF header for samples whose number is not known yet."""
    code, width = (7, 1) if stream.encoding == MULAW else (1, 2)
    frame = width * len(stream.channels)
    form = struct.pack(
        "<HHIIHHH", code, len(stream.channels), stream.rate_hz, stream.rate_hz * frame, frame, 8 * width, 0
    )
    sized = struct.pack("<4sI", b"fmt ", len(form)) + form + struct.pack("<4sI", b"data", _UNKNOWN)
    return struct.pack("<4sI4s", b"RIFF", _UNKNOWN, b"WAVE") + sized
