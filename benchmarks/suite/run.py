"""A run of the suite: the measures one after the other, and one JSON file of what they found.

A measure that fails does not end the run: its place in the file says what kind of error it was. Each measure says how
much of the machine others used meanwhile, for a figure of a busy machine is not compared with one of a quiet one.
"""

from __future__ import annotations

import logging
import subprocess
import time
import traceback
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from benchmarks.suite import joined
from benchmarks.suite.figures import SCHEMA, Result
from benchmarks.suite.machine import Neighbours, machine
from benchmarks.suite.measures import MEASURES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from benchmarks.suite.figures import Setting


FAILED: Final = "failed: "
SAME: Final = ("schema", "commit", "quick", "machine", "asr")  # of two parts of one run


def run(
    setting: Setting,
    names: Sequence[str],
    say: Callable[[str], None],
    keep: Callable[[dict[str, Any]], None],
    before: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Carry out the measures of these names.

    Args:
        setting: what every measure is given; each gets a folder of its own below the setting's.
        names: of ``MEASURES``.
        say: told what goes on, a line at a time.
        keep: given what was found so far after each measure, so that a run that is cut off leaves that.
        before: what a run that was cut off found; it goes on from there if it was one of the same code and machine.
    """
    logging.getLogger("presidio-analyzer").setLevel(logging.ERROR)
    asr = setting.settings.asr
    found: dict[str, Any] = {
        "schema": SCHEMA,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "quick": setting.quick,
        "machine": machine(),
        "asr": asr.model_dump(),
        "measures": {},
    }
    if before and all(before.get(each) == found[each] for each in SAME):
        found["measures"] |= {name: each for name, each in before["measures"].items() if not _failed(each)}
    began = time.monotonic() - (before or {}).get("seconds", 0) * bool(found["measures"])
    for name in (each for each in names if each not in found["measures"]):
        say(f"{name} ...")
        found["measures"][name] = _measured(setting, name, say)
        found["measures"] = {each: found["measures"][each] for each in MEASURES if each in found["measures"]}
        found["seconds"] = round(time.monotonic() - began)
        keep(found)
    return found


def _failed(measure: Mapping[str, Any]) -> bool:
    return bool(measure["not_measured"].startswith(FAILED))


def _measured(setting: Setting, name: str, say: Callable[[str], None]) -> dict[str, Any]:
    folder = setting.folder / name
    folder.mkdir()
    began = time.monotonic()
    with Neighbours() as neighbours:
        try:
            result = MEASURES[name].run(replace(setting, folder=folder))
        except Exception as exc:  # noqa: BLE001 -- hours of other measures are not to be lost for one
            say("".join(traceback.format_exception(exc)))
            result = Result(not_measured=f"{FAILED}{type(exc).__name__}")
    seconds = round(time.monotonic() - began, 1)
    busy = None if neighbours.share is None else round(neighbours.share, 3)
    for figure in result.figures.values():
        say(f"  {figure.title}: {figure.value:.4g} ({figure.low:.4g} .. {figure.high:.4g}, n {figure.n}) {figure.unit}")
    say(f"  {result.not_measured or 'done'} in {seconds} s, others used {'?' if busy is None else f'{busy:.0%}'}")
    return {**result.as_dict(), "seconds": seconds, "others": busy}


def commit() -> str:
    """The short id of what is checked out, with a plus sign where files differ from it; empty outside of a checkout."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--abbrev=10", "--dirty=+", "--exclude=*"],
            cwd=joined.ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return described.stdout.strip()
