"""What got worse between two result files: a pure decision, figure by figure, with its reason.

A figure is worse if its median moved the wrong way by more than half of both spreads and a floor for its unit together.
Figures that depend on the machine (seconds, speeds) are compared only between runs on the same kind of machine that
had it to themselves; ratios, memory, shares and counts are compared always. A figure or measure that was there and is
not any more is lost, which counts as worse; one that is new is only named.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from benchmarks.suite.figures import SCHEMA, Figure, figure_of
from benchmarks.suite.machine import BUSY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Finding = Literal["worse", "better", "same", "lost", "new", "not compared"]
FLOORS: Final = {"count": 0.0, "%": 0.05, "MB": 0.03, "x": 0.05}
FLOOR: Final = 0.10  # of any other unit: times and rates
POINTS: Final = 1.0  # percentage points that a share may move besides
SAME_MACHINE: Final = ("processor", "cores", "gpus")


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure of both runs.

    Args:
        measure: name of the measure.
        key: of the figure; empty where the whole measure is meant.
        finding: what is to be said of it.
        reason: why, in words.
        old: median before, None where there was none.
        new: median after, None where there is none.
    """

    measure: str
    key: str
    finding: Finding
    reason: str
    old: float | None = None
    new: float | None = None


def compare(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Comparison]:
    """Every figure of both files, in the order of the older one.

    Raises:
        ValueError: the files are of different schemas, or not comparable: one was a quick run and the other was not.
    """
    if {old.get("schema"), new.get("schema")} != {SCHEMA}:
        raise ValueError(f"both files must be of schema {SCHEMA}")
    if old["quick"] != new["quick"]:
        raise ValueError("a quick run measures other calls than a whole one")
    alike = all(old["machine"].get(each) == new["machine"].get(each) for each in SAME_MACHINE)
    found: list[Comparison] = []
    for name, before in old["measures"].items():
        after = new["measures"].get(name)
        found += [_lost(name, before)] if after is None else _measure(name, before, after, alike=alike)
    found += [
        Comparison(name, "", "new", "was not measured before")
        for name in new["measures"]
        if name not in old["measures"]
    ]
    return found


def _lost(name: str, before: Mapping[str, Any]) -> Comparison:
    if before["not_measured"]:
        return Comparison(name, "", "same", "not measured in either run")
    return Comparison(name, "", "not compared", "was left out of the newer run")


def _measure(name: str, before: Mapping[str, Any], after: Mapping[str, Any], *, alike: bool) -> Iterator[Comparison]:
    if after["not_measured"]:
        lost = not before["not_measured"]
        yield Comparison(name, "", "lost" if lost else "same", after["not_measured"])
        return
    why_not = _incomparable(before, after, alike=alike)
    for key, plain in before["figures"].items():
        if key not in after["figures"]:
            yield Comparison(name, key, "lost", "is not measured any more", plain["value"])
        else:
            yield _figure(name, key, figure_of(plain), figure_of(after["figures"][key]), why_not)
    for key, plain in after["figures"].items():
        if key not in before["figures"]:
            yield Comparison(name, key, "new", "was not measured before", None, plain["value"])


def _incomparable(before: Mapping[str, Any], after: Mapping[str, Any], *, alike: bool) -> str:
    """Why seconds and speeds of two runs cannot be compared; empty if they can."""
    if not alike:
        return "another machine"
    shares = [each.get("others") for each in (before, after)]
    if any(share is None for share in shares):
        return "nobody knows what else ran"
    return "the machine was busy" if max(shares) > BUSY else ""


def _figure(measure: str, key: str, old: Figure, new: Figure, why_not: str) -> Comparison:
    if not new.better:
        return Comparison(measure, key, "same", "only describes", old.value, new.value)
    if new.depends and why_not:
        return Comparison(measure, key, "not compared", why_not, old.value, new.value)
    noise = _half_spread(old) + _half_spread(new) + _floor(old)
    gain = new.value - old.value if new.better == "higher" else old.value - new.value
    reason = f"moved by {new.value - old.value:+.4g} {new.unit}, noise {noise:.4g}"
    finding: Finding = "worse" if gain < -noise else "better" if gain > noise else "same"
    return Comparison(measure, key, finding, reason, old.value, new.value)


def _half_spread(figure: Figure) -> float:
    return (figure.high - figure.low) / 2


def _floor(figure: Figure) -> float:
    return abs(figure.value) * FLOORS.get(figure.unit, FLOOR) + (POINTS if figure.unit == "%" else 0.0)


def worsened(found: list[Comparison]) -> list[Comparison]:
    """What somebody has to look at."""
    return [each for each in found if each.finding in ("worse", "lost")]
