"""Consent on the labelled set, beside the keyword baseline: ``python -m benchmarks.consent [--part NAME ...]``."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.consent import hear
from benchmarks.consent.baseline import guess
from benchmarks.consent.score import Found, figures, score
from pipeline.config import shipped_configs
from pipeline.consent import judge, load_consent_policy, places, signals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.consent.hear import Labelled
    from pipeline.consent import ConsentPolicy

PARTS = ("dev", "held_out", "prompts")  # by default; the parts whose sentences came last have to be asked for
ALL_PARTS = (*PARTS, "fresh", "answers", "refusals")
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def ours(call: Labelled, policy: ConsentPolicy) -> Found:
    """What callseal decides, from what its own rooms heard."""
    evidence = signals(call.turns, call.metadata, policy, call.language, NOW, call.tones)
    decision = judge(evidence, call.metadata, policy, NOW)
    heard = tuple((each.kind.value, each.channel, each.span) for each in evidence if each.channel and each.span)
    return Found(decision.verdict.value, decision.lawful, heard)


def keywords(call: Labelled, policy: ConsentPolicy) -> Found:
    """What the keyword baseline decides, from the same words."""
    return guess(call.turns, places(call.metadata, policy))


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print, write; returns 1 if a target was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.consent", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--part", choices=ALL_PARTS, nargs="*", default=PARTS)
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--list", action="store_true", help="name every call that is wrong")
    args = parser.parse_args(argv)
    policy = load_consent_policy(shipped_configs() / "consent.toml")
    calls = hear.labelled(args.seed, tuple(args.part))
    results: dict[str, Any] = {}
    for name, decide in (("callseal", ours), ("keywords", keywords)):
        scores = [
            score(call.call_id, call.part, call.truth, places(call.metadata, policy), decide(call, policy))
            for call in calls
        ]
        results[name] = {part: figures([each for each in scores if each.part == part]) for part in args.part}
        results[name]["all"] = figures(scores)
        for each in scores if args.list and name == "callseal" else ():
            if not each.right or each.permissive or each.found < each.labelled:
                print(f"  {each.call_id}: {each.label}, found {each.verdict}; evidence {each.found}/{each.labelled}")
        _table(name, results[name])
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    total = results["callseal"]["all"]
    return int(total["verdict_accuracy"] < 0.98 or total["wrongly_permissive"] > 0)


def _table(name: str, parts: dict[str, dict[str, Any]]) -> None:
    print(f"{name}")
    for part, found in parts.items():
        print(
            f"  {part:9} {found['calls']:4} calls, verdicts {found['verdicts_right']:3} right"
            f" ({100 * found['verdict_accuracy']:5.1f} %), wrongly permissive {found['wrongly_permissive']},"
            f" evidence {found['evidence_found']}/{found['evidence_labelled']} within 0.5 s"
        )


if __name__ == "__main__":
    raise SystemExit(main())
