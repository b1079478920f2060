"""callseal as it is compared: its whole flow on loaded models, in this process.

Everything counts that it does for a user: intake, consent, listening again, sealing, rows. Models are loaded before
the clock starts, as in a worker.
"""

from __future__ import annotations

import itertools
import json
import time
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from benchmarks.suite import joined
from benchmarks.suite.passes import Pass
from pipeline.intake.ingest import Delivery
from pipeline.metadata import parse_metadata
from pipeline.run import process

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.suite.joined import JoinedCall
    from pipeline.config import Settings
    from pipeline.run import Rooms

_NUMBERS: Final = itertools.count()  # of calls in this process, so that no two have one id


class Models:
    """The rooms that calls pass through, with their models once they are loaded."""

    def __init__(self, settings: Settings) -> None:
        from pipeline.build import build

        self.rooms: Rooms = build(settings)

    def warm(self, *, diarized: bool = False) -> None:
        """Load the models."""
        rooms = self.rooms
        for load in (rooms.vad, rooms.transcriber, rooms.listener, rooms.recognizer, rooms.tagger):
            load()
        if diarized:
            rooms.diarizer()

    def callseal(self, call: JoinedCall) -> Pass:
        """Our whole flow, under a call id of its own; what it made is read back after the clock was stopped."""
        call_id = f"bench-{next(_NUMBERS)}-{call.name}"
        metadata = parse_metadata(json.dumps({**joined.METADATA, "call_id": call_id}).encode())
        delivery = Delivery((call.path,), (), metadata)
        began = time.perf_counter()
        outcome = process(delivery, self.rooms, datetime.now(UTC))
        seconds = time.perf_counter() - began
        summary = outcome.summary
        transcript = self._transcript(call_id, call.path.parent) if outcome.status == "stored" else None
        return Pass(seconds, dict(summary["timings_s"]), summary["redactions"], transcript, outcome.status)

    def _transcript(self, call_id: str, scratch: Path) -> dict[str, Any]:
        from pipeline.export import export_call

        to, rooms = scratch / f"{call_id}-out", self.rooms
        export_call(call_id, to, rooms.archive, rooms.records, rooms.root, datetime.now(UTC))
        found: dict[str, Any] = json.loads((to / "transcript.json").read_text(encoding="utf-8"))
        return found


@cache
def models_of(settings: Settings) -> Models:
    """The models of these settings, loaded once for all measures of a run."""
    return Models(settings)
