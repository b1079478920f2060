"""What counts as worse between two runs of the benchmarks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.suite.compare import compare, worsened
from benchmarks.suite.figures import SCHEMA, figure
from tests.product import run

if TYPE_CHECKING:
    from pathlib import Path

MACHINE = {"processor": "a processor", "cores": 2, "gpus": []}


def plain(value: float, low: float, high: float, unit: str, better: str, *, depends: bool = False) -> dict[str, Any]:
    """A figure as a result file has it."""
    return {
        "title": "a figure",
        "value": value,
        "low": low,
        "high": high,
        "n": 5,
        "unit": unit,
        "better": better,
        "depends": depends,
    }


def results(figures: dict[str, Any] | None, *, others: float | None = 0.01, **changed: Any) -> dict[str, Any]:
    """A result file with one measure; None for one that was not measured."""
    measure = {"figures": figures or {}, "not_measured": "" if figures else "no GPU on this machine", "others": others}
    return {"schema": SCHEMA, "quick": False, "machine": MACHINE, "measures": {"two_channels": measure}} | changed


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ((2.0, 1.9, 2.1, "x", "higher"), (1.99, 1.9, 2.1, "x", "higher"), "same"),
        ((2.0, 1.95, 2.05, "x", "higher"), (1.5, 1.45, 1.55, "x", "higher"), "worse"),
        ((2.0, 1.95, 2.05, "x", "higher"), (2.6, 2.55, 2.65, "x", "higher"), "better"),
        ((2.0, 1.0, 3.0, "x", "higher"), (1.5, 0.9, 2.5, "x", "higher"), "same"),  # noise is wide
        ((2.0, 2.0, 2.0, "x", "higher"), (1.91, 1.91, 1.91, "x", "higher"), "same"),  # below the floor
        ((4.0, 3.9, 4.1, "x", "lower"), (5.0, 4.9, 5.1, "x", "lower"), "worse"),
        ((4.0, 3.9, 4.1, "x", "lower"), (3.0, 2.9, 3.1, "x", "lower"), "better"),
        ((4.0, 4.0, 4.0, "count", "lower"), (5.0, 5.0, 5.0, "count", "lower"), "worse"),  # counts have no noise
        ((4.0, 4.0, 4.0, "count", "lower"), (4.0, 4.0, 4.0, "count", "lower"), "same"),
        ((1800.0, 1800.0, 1800.0, "MB", "lower"), (1840.0, 1840.0, 1840.0, "MB", "lower"), "same"),
        ((1800.0, 1800.0, 1800.0, "MB", "lower"), (1900.0, 1900.0, 1900.0, "MB", "lower"), "worse"),
        ((3.0, 3.0, 3.0, "%", "lower"), (3.9, 3.9, 3.9, "%", "lower"), "same"),  # a point of a share
        ((3.0, 3.0, 3.0, "%", "lower"), (5.0, 5.0, 5.0, "%", "lower"), "worse"),
        ((9.0, 9.0, 9.0, "ms", ""), (90.0, 90.0, 90.0, "ms", ""), "same"),  # only describes
    ],
)
def test_a_figure_is_worse_beyond_the_noise_only(old: tuple[Any, ...], new: tuple[Any, ...], finding: str) -> None:
    """The median has to move the wrong way by more than half of both spreads and the floor of its unit."""
    (found,) = compare(results({"a": plain(*old)}), results({"a": plain(*new)}))
    assert (found.finding, found.key) == (finding, "a")
    assert bool(worsened([found])) == (finding == "worse")


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ({}, {}, "worse"),
        ({"others": 0.4}, {}, "not compared"),
        ({}, {"others": 0.4}, "not compared"),
        ({}, {"others": None}, "not compared"),
        ({}, {"machine": MACHINE | {"cores": 8}}, "not compared"),
        ({"machine": MACHINE | {"gpus": [{"name": "a GPU"}]}}, {}, "not compared"),
    ],
)
def test_seconds_are_compared_between_quiet_runs_of_like_machines(
    old: dict[str, Any], new: dict[str, Any], finding: str
) -> None:
    """Whatever depends on the machine says nothing if something else ran there, or if it is another one."""
    slow = plain(9.0, 8.9, 9.1, "s", "lower", depends=True), plain(20.0, 19.0, 21.0, "s", "lower", depends=True)
    (found,) = compare(results({"a": slow[0]}, **old), results({"a": slow[1]}, **new))
    assert found.finding == finding


def test_ratios_are_compared_whatever_else_ran() -> None:
    """Chains that took turns were slowed alike."""
    before, after = plain(2.0, 1.9, 2.1, "x", "higher"), plain(1.0, 0.9, 1.1, "x", "higher")
    (found,) = compare(results({"a": before}, others=0.8), results({"a": after}, others=0.1, machine={}))
    assert found.finding == "worse"


A_FIGURE = plain(1, 1, 1, "x", "higher")


@pytest.mark.parametrize(
    ("old", "new", "findings"),
    [
        ({"a": A_FIGURE}, None, ["lost"]),
        ({"a": A_FIGURE, "b": A_FIGURE}, {"b": A_FIGURE}, ["lost", "same"]),
        (None, None, ["same"]),
        (None, {"a": A_FIGURE}, ["new"]),
        ({"a": A_FIGURE}, {"a": A_FIGURE, "b": A_FIGURE}, ["same", "new"]),
    ],
)
def test_what_is_not_measured_any_more_is_lost(
    old: dict[str, Any] | None, new: dict[str, Any] | None, findings: list[str]
) -> None:
    """A figure that disappears counts as worse, so that a broken measure is no progress."""
    found = compare(results(old), results(new))
    assert [each.finding for each in found] == findings
    assert len(worsened(found)) == findings.count("lost")


def test_a_measure_that_was_left_out_is_named() -> None:
    """Running a part of the suite is no regression."""
    found = compare(results({"a": plain(1, 1, 1, "x", "higher")}), results(None, measures={}))
    assert [each.finding for each in found] == ["not compared"]


@pytest.mark.parametrize("changed", [{"schema": SCHEMA + 1}, {"quick": True}])
def test_unlike_files_are_refused(changed: dict[str, Any]) -> None:
    """Another schema, or a quick run beside a whole one, means other things."""
    with pytest.raises(ValueError, match=r"schema|quick"):
        compare(results(None), results(None, **changed))


def test_the_spread_is_that_of_the_samples() -> None:
    """Quartiles from four samples on, the extremes below."""
    many, few = figure("a", [5, 1, 2, 3, 4], "s"), figure("a", [2, 4], "s")
    assert (many.low, many.value, many.high, many.n) == (2, 3, 4, 5)
    assert (few.low, few.value, few.high, few.n) == (2, 3, 4, 2)


@pytest.mark.parametrize(("value", "code", "said"), [(2.0, 0, "0 worse of 1"), (1.0, 6, "1 worse of 1")])
def test_the_command_ends_with_6_if_something_got_worse(tmp_path: Path, value: float, code: int, said: str) -> None:
    """The check can stand in a script, and names what got worse."""
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_text(json.dumps(results({"ratio": plain(2.0, 1.9, 2.1, "x", "higher")})))
    new.write_text(json.dumps(results({"ratio": plain(value, value, value, "x", "higher")})))
    done = run("bench", "check", old, new)
    assert (done.code, done.out.splitlines()[-1]) == (code, said)
    assert ("two_channels.ratio" in done.out) == bool(code)
    assert run("bench", "check", old, tmp_path / "none.json").code == 2
