"""Figures: what a measure gives. A median with its spread, a unit, and which way is better.

Everything here is plain data that goes to JSON and back; nothing measures.
"""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pipeline.config import Settings

SCHEMA: Final = 1  # of the result files; another number is another meaning
MINUTES, QUICK_MINUTES = (5.0, 60.0), (1.0, 5.0)
Better = Literal["higher", "lower", ""]


@dataclass(frozen=True, slots=True)
class Figure:
    """One number.

    Args:
        title: what it is, in words, as a table shows it.
        value: the median of ``n`` samples.
        low: first quartile of the samples (with fewer than four, the least).
        high: third quartile (with fewer than four, the greatest).
        n: how many samples.
        unit: ``x`` for ratios and multiples of real time, ``s``, ``MB``, ``%``, ``1/s``, ``count`` and the like.
        better: which way is better; empty for figures that only describe.
        depends: it changes with the machine and what else runs there, so it is compared between quiet runs only.
    """

    title: str
    value: float
    low: float
    high: float
    n: int
    unit: str
    better: Better = ""
    depends: bool = True


@dataclass(slots=True)
class Result:
    """What a measure found; with ``not_measured`` it found nothing, for that reason.

    Args:
        figures: by key; a key means the same in every run.
        detail: what tables and plots need beside the figures.
        notes: sentences about how it was measured.
        not_measured: why there is nothing.
    """

    figures: dict[str, Figure] = field(default_factory=dict)
    detail: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    not_measured: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain data, numbers rounded to what they are worth."""
        figures = {key: _rounded(asdict(figure)) for key, figure in self.figures.items()}
        return {
            "figures": figures,
            "detail": _rounded(self.detail),
            "notes": self.notes,
            "not_measured": self.not_measured,
        }


@dataclass(frozen=True, slots=True)
class Setting:
    """What a measure is given.

    Args:
        settings: of callseal; models and devices are those of every chain.
        folder: scratch, on the disk that is measured.
        quick: the short version, for a look during development.
        minutes: lengths of the calls whose memory is measured.
        accuracy: JSON of a run of ``benchmarks.accuracy``, or None for what lies at its usual place.
        price_per_hour: of the machine or GPU, in any currency, for the cost of 1,000 call hours; None for none.
        sweep: run the sweep of a GPU host on the CPU as well.
    """

    settings: Settings
    folder: Path
    quick: bool = False
    minutes: tuple[float, ...] = MINUTES
    accuracy: Path | None = None
    price_per_hour: float | None = None
    sweep: bool = False


def figure(
    title: str, samples: Sequence[float], unit: str, better: Better = "", *, depends: bool | None = None
) -> Figure:
    """The median of the samples with its spread; ratios and counts do not depend on the machine unless told so."""
    ordered = sorted(samples)
    if len(ordered) >= 4:
        low, value, high = statistics.quantiles(ordered, n=4, method="inclusive")
    else:
        low, value, high = ordered[0], statistics.median(ordered), ordered[-1]
    return Figure(title, value, low, high, len(ordered), unit, better, unit != "count" if depends is None else depends)


def figure_of(plain: Mapping[str, Any]) -> Figure:
    """A figure from JSON."""
    return Figure(**plain)


def _rounded(value: Any) -> Any:
    """Four significant digits are more than any figure here is worth."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {str(key): _rounded(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(each) for each in value]
    return value
