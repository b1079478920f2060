"""`python -m benchmarks.pii_speed`: words per second of detection beside stock Presidio, and what each of them finds.

The same turns go through both, one set after the other, round by round in one process, so that what else the machine
does falls on both. Only detection is timed: the models are loaded and every word list is read before.
"""

from __future__ import annotations

import json
import statistics
from typing import TYPE_CHECKING, Any

from benchmarks import text_recall

if TYPE_CHECKING:
    from collections.abc import Sequence

CALLS = 6
"""Calls of every set: enough for some tens of thousands of words."""
ROUNDS = 3


def measure(rounds: int = ROUNDS, calls: int = CALLS) -> dict[str, Any]:
    """Per set: words, median words per second and recall of both, and the ratio with its extremes over the rounds."""
    detectors = {"ours": text_recall.ours(), "stock": text_recall.stock()}
    return {name: _measured(_some(name, calls), detectors, rounds) for name in text_recall.SPOKEN}


def _some(name: str, calls: int) -> list[text_recall.Case]:
    """The first calls of a set; of the one of short answers so many more that there is something to time."""
    cases = list(text_recall.scored(list(text_recall.SPOKEN[name]())))
    return cases[: calls * 40] if name == "evi" else cases[:calls]


def _measured(
    cases: Sequence[text_recall.Case], detectors: dict[str, text_recall.Detector], rounds: int
) -> dict[str, Any]:
    for detector in detectors.values():
        text_recall.score(cases[:1], detector)
    scores = [{who: text_recall.score(cases, detector) for who, detector in detectors.items()} for _ in range(rounds)]
    ratios = [each["stock"].seconds / each["ours"].seconds for each in scores]
    last = scores[-1]
    row: dict[str, Any] = {"words": last["ours"].words}
    for who in detectors:
        row[f"{who}_words_per_s"] = round(statistics.median(each[who].words / each[who].seconds for each in scores))
        row[f"{who}_recall"] = round(sum(last[who].found.values()) / max(1, sum(last[who].total.values())), 4)
        row[f"{who}_false_per_1000"] = round(1000 * last[who].false / max(1, last[who].words), 2)
    return row | {
        "ratio": round(statistics.median(ratios), 2),
        "ratio_least": round(min(ratios), 2),
        "ratio_most": round(max(ratios), 2),
    }


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
