"""What a run tells of sets whose misses nobody may look at."""

from __future__ import annotations

from benchmarks import accuracy, report, score
from benchmarks.corpus import script


def test_a_held_out_set_gives_totals_and_never_names_what_was_missed() -> None:
    """The worst leaks are in neither the figures nor the table, the totals are the same."""
    leak = score.EntityScore("PIN", "customer", 1.0, 2.0, uncovered_s=1.0, readable=True)
    run = accuracy.Run((score.CallScore("bench-x", (leak,), 5.0, 0.0, 0.0),), (), 1.0, 9.0)
    told = accuracy.compared({"callseal": run})
    kept = accuracy.compared({"callseal": run}, held_out=True)
    assert "worst of callseal" in report.table({"chains": told})
    assert kept["callseal"]["totals"] == told["callseal"]["totals"]
    assert kept["callseal"]["worst"] == []
    assert "worst" not in report.table({"chains": kept})
    assert set(script.FILES) >= script.HELD_OUT == {name for name in script.FILES if name.startswith("held-out")}
