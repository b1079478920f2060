"""Live against finished: ``python -m benchmarks.live [--calls N] [--delay S ...] [--paced]``.

Lays labelled two-channel calls end to end, as one long call of one party's consent, hears it live at each delay and
processes it as a finished call, with the same weights; scores both with ``benchmarks.score`` and prints JSON. With
``--paced`` the call comes in at the speed of speech and nobody waits for the machine, so that the delays are real.
"""

from __future__ import annotations

import argparse
import base64
import json
import logging
import tempfile
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import soundfile
from scipy.signal import resample_poly

from benchmarks import score
from benchmarks.corpus import sounds
from pipeline import build, run
from pipeline.config import load_settings
from pipeline.intake.ingest import Delivery
from pipeline.live import messages
from pipeline.live.call import LiveCall, Stream
from pipeline.live.pace import Pace
from pipeline.live.run import backlog_of, messages_of
from pipeline.metadata import CallMetadata
from pipeline.types import Channel, Purpose

if TYPE_CHECKING:
    from pipeline.audio import Samples
    from pipeline.live.backlog import Backlog
    from pipeline.live.messages import Message
    from pipeline.live.sense import Ears
    from pipeline.run import Rooms

RATE_HZ: Final = 8_000
CHANNELS: Final = (Channel.AGENT, Channel.CUSTOMER)
APART_S: Final = 2.0
FRAME_S: Final = 0.02
METADATA: Final = CallMetadata(jurisdictions=("US-NY",), language="en")


@dataclass(slots=True)
class Long:
    """Labelled calls end to end: samples (channels, time) of 16 bits, and their labels."""

    parts: list[Samples] = field(default_factory=list)
    truth: dict[str, Any] = field(default_factory=lambda: {"channels": list(CHANNELS), "words": [], "pii": []})
    length_s: float = 0.0

    def add(self, samples: Samples, truth: dict[str, Any]) -> None:
        """Add a call and a pause."""
        for kind in ("words", "pii"):
            for each in truth[kind]:
                later = {"start_s": each["start_s"] + self.length_s, "end_s": each["end_s"] + self.length_s}
                self.truth[kind].append(each | later)
        pause = np.zeros((len(CHANNELS), int(APART_S * RATE_HZ)), np.int16)
        self.parts += [samples, pause]
        self.length_s += (samples.shape[1] + pause.shape[1]) / RATE_HZ

    @property
    def samples(self) -> Samples:
        """All of it."""
        return np.concatenate(self.parts, axis=1)


def long_call(count: int, corpus: Path) -> Long:
    """The first ``count`` two-channel English calls of a corpus that need nothing known beforehand."""
    call, taken = Long(), 0
    for folder in sorted(corpus.iterdir()):
        file, label = folder / "audio.wav", folder / "truth.json"
        if taken == count or not file.is_file():
            continue
        truth, stated = json.loads(label.read_text()), json.loads((folder / "metadata.json").read_text())
        usual = stated.get("language", "en") == "en" and not stated.get("known_pii") and "consent" not in folder.name
        if usual and truth["channels"] == list(CHANNELS) and "spanish" not in folder.name:
            call.add(_samples(file), truth)
            taken += 1
    return call


def _samples(file: Path) -> Samples:
    samples, rate_hz = soundfile.read(file, always_2d=True)
    resampled = resample_poly(samples.T, RATE_HZ, rate_hz, axis=1) if rate_hz != RATE_HZ else samples.T
    return (np.clip(resampled, -1, 1) * 32767).astype(np.int16)


def heard_live(call: Long, ears: Ears, delay_s: float, *, paced: bool) -> tuple[list[Message], float]:
    """Everything that is told, and how long it took, s."""
    stream = Stream("bench", CHANNELS, RATE_HZ, messages.PCM16, Pace.of(delay_s), Purpose.RECORDING, waits=not paced)
    live = LiveCall(stream, ears, METADATA, (), datetime.now(UTC))
    backlog, started = backlog_of(live), time.perf_counter()
    feeder = threading.Thread(target=_feed, args=(backlog, call.samples, paced), daemon=True)
    feeder.start()
    told = list(messages_of(live, backlog))
    return told, time.perf_counter() - started


def _feed(backlog: Backlog, samples: Samples, paced: bool) -> None:  # noqa: FBT001 -- of a thread
    started, frame = time.perf_counter(), int(FRAME_S * RATE_HZ)
    for at in range(0, samples.shape[1], frame):
        if paced:
            time.sleep(max(started + at / RATE_HZ - time.perf_counter(), 0.0))
        backlog.put(samples[:, at : at + frame])
    backlog.end()


def live_score(told: list[Message], call: Long) -> dict[str, Any]:
    """The figures of DESIGN.md section 5 for what came out, and those of ``ended``.

    An entity that was withheld, rather than found, is not counted as leaked; ``withheld_s`` says how much was.
    """
    replaced = [cut for each in told if each["event"] == "audio" for cut in each["replaced"]]
    transcript = {"turns": [each for each in told if each["event"] == "turn"]}
    figures = score.total([score.score_call(call.truth, {"redactions": replaced}, transcript)]).as_dict()
    return (
        _few(figures)
        | {"unchanged": _unchanged(told, call)}
        | {k: v for k, v in told[-1].items() if k not in ("event", "call_id")}
    )


def _unchanged(told: list[Message], call: Long) -> bool:
    """Whether every sample that nothing says was replaced is the one that came in, and they are all there."""
    pieces = [each for each in told if each["event"] == "audio"]
    raw = [[np.frombuffer(base64.b64decode(row), "<i2") for row in each["payload"].values()] for each in pieces]
    came_out, came_in = np.concatenate([np.stack(rows) for rows in raw], axis=1), call.samples
    kept = np.ones(came_in.shape, bool)
    for each in pieces:
        for cut in each["replaced"]:
            row = CHANNELS.index(Channel(cut["channel"]))
            kept[row, int((cut["start_s"] - 0.001) * RATE_HZ) : int((cut["end_s"] + 0.001) * RATE_HZ) + 1] = False
    return came_out.shape == came_in.shape and bool((came_out == came_in)[kept].all())


def finished_score(call: Long, rooms: Rooms, folder: Path) -> dict[str, Any]:
    """The same figures for the same call, processed when it had ended."""
    file = folder / "call.wav"
    soundfile.write(file, call.samples.T, RATE_HZ, subtype="PCM_16")
    delivery = Delivery((file,), (), METADATA.model_copy(update={"channels": CHANNELS}))
    outcome = run.process(delivery, rooms, datetime.now(UTC))
    figures = score.total([score.score_call(call.truth, outcome.summary, None)]).as_dict()
    return _few(figures) | {"status": outcome.status.value, "timings_s": outcome.summary["timings_s"]}


def _few(figures: dict[str, Any]) -> dict[str, Any]:
    wanted = ("entities", "audible_entities", "readable_entities", "pii_s", "leaked_s", "over_redaction")
    return {name: round(figures[name], 4) for name in wanted}


def main() -> None:
    """Run it and print one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.live", description=__doc__)
    parser.add_argument("--calls", type=int, default=20)
    parser.add_argument("--delay", type=float, nargs="+", default=[30.0])
    parser.add_argument("--paced", action="store_true")
    parser.add_argument("--finished", action="store_true", help="process it as a finished call, too")
    parser.add_argument("--corpus", type=Path, default=sounds.cache_dir() / "calls-v1-seed1")
    args = parser.parse_args()
    logging.disable(logging.CRITICAL)
    call = long_call(args.calls, args.corpus)
    found: dict[str, Any] = {"calls": args.calls, "length_s": round(call.length_s, 1), "paced": args.paced}
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(Path(folder))
        rooms = build.build(settings)
        ears = build.live_ears(settings)
        for delay_s in args.delay:
            told, took_s = heard_live(call, ears, delay_s, paced=args.paced)
            kinds: dict[str, int] = defaultdict(int)
            for each in told:
                if each["event"] == "late":
                    kinds[each["entity_type"]] += 1
            speed = round(call.length_s / took_s, 2)
            found[f"live {delay_s:g}"] = live_score(told, call) | {"times_real_time": speed, "late_kinds": dict(kinds)}
        if args.finished:
            found["finished"] = finished_score(call, rooms, Path(folder))
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
