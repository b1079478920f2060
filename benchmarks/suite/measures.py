"""The registry: every measure by name, in the order of the table, with what it is about and the targets it has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from benchmarks.suite import calls, costs, gpu, layouts, memory, queue, roofline, transcription

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.suite.figures import Result, Setting


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure; ``title`` heads its table."""

    title: str
    run: Callable[[Setting], Result]


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure is held against.

    Args:
        measure: name of the measure.
        key: of the figure.
        title: in words.
        sense: whether the figure has to be at least or at most the value.
        value: of the target.
        unit: of the value.
    """

    measure: str
    key: str
    title: str
    sense: Literal["at least", "at most"]
    value: float
    unit: str


MEASURES: Final[dict[str, Measure]] = {
    "two_channels": Measure("Two channels, end to end", calls.two_channels),
    "mono": Measure("One channel with diarization, end to end", calls.mono),
    "transcription": Measure("The recogniser alone", transcription.transcription),
    "layouts": Measure("Threads and batches", layouts.layouts),
    "roofline": Measure("What the machine can do", roofline.roofline),
    "memory": Measure("Memory against length", memory.memory),
    "pii": Measure("Detection of personal data", costs.pii),
    "sealing": Measure("Sealing", costs.sealing),
    "erasure": Measure("Erasure", costs.erasure),
    "queue": Measure("The queue", queue.queue),
    "hook": Measure("The hook", costs.hook),
    "start": Measure("Starting up", costs.start),
    "accuracy": Measure("What stays audible", costs.accuracy),
    "gpu": Measure("GPU", gpu.gpu),
}

TARGETS: Final = (
    Target("two_channels", "ratio_batched", "two channels against the batched composition", "at least", 1.5, "x"),
    Target("two_channels", "ratio_sequential", "two channels against the sequential composition", "at least", 2.5, "x"),
    Target("mono", "ratio_pyannote", "mono against pyannote defaults + the batched composition", "at least", 10.0, "x"),
    Target("mono", "diarization", "diarization alone", "at least", 30.0, "x real time"),
    Target("transcription", "errors_beyond", "word errors beyond the sequential decoder's", "at most", 1.0, "%"),
    Target(
        "transcription", "numbers_behind", "numbers that only the sequential decoder hears", "at most", 0.0, "count"
    ),
    Target("memory", "growth", "growth of peak memory with the length of the call", "at most", 15.0, "%"),
    Target("pii", "primock57_ratio", "detection against stock Presidio", "at least", 5.0, "x"),
    Target("pii", "primock57_recall", "recall beyond stock Presidio's", "at least", 0.0, "%"),
    Target("two_channels", "around_models", "time around the models", "at most", 8.0, "%"),
    Target("start", "import_alone", "import of the command line", "at most", 0.3, "s"),
    Target("start", "help", "callseal --help", "at most", 0.5, "s"),
)
"""Of the hot path; a target whose figure is not in a run is not measured."""
