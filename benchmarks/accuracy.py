"""How much is left after redaction: ``python -m benchmarks.accuracy [--set dev|held-out|real|...] [--calls N] ...``.

Runs ``callseal process`` and ``export`` on every labelled call, with ``--stock`` the stock chain beside it, scores
both with ``benchmarks.score``, prints a table per entity kind and writes JSON and one HTML page. Results per call are
kept in the user's cache folder under a digest of the code that made them, so a run that was cut off goes on where it
was, and a run after a change starts anew.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import logging
import os
import platform
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

from benchmarks import calls, report, score, stock
from benchmarks.corpus import build, codecs, script, sounds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from benchmarks.calls import LabelledCall, Outcome

SOURCES = {"callseal": ("pipeline", "models", "configs"), "stock": ("benchmarks/stock.py",)}


def code_digest(parts: Sequence[str], root: Path = calls.ROOT) -> str:
    """Digest of the files that decide a result, so that kept results are never those of other code."""
    digest = hashlib.sha256()
    for part in parts:
        base = root / part
        files = [base] if base.is_file() else sorted(base.rglob("*"))
        for path in files:
            if path.is_file() and path.suffix in {".py", ".toml"}:
                digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def kept_in(chain: str, weights: Path) -> Path:
    """Folder of the results of a chain as its code is now."""
    return sounds.cache_dir() / "results" / f"{chain}-{weights.name}-{code_digest(SOURCES[chain])}"


def kept_name(call: LabelledCall, *, listen: bool) -> str:
    """File name of a call's result; it changes with the label and the metadata."""
    label = json.dumps([call.truth, call.metadata], sort_keys=True)
    return f"{call.call_id}-{hashlib.sha256(label.encode()).hexdigest()[:12]}{'-heard' if listen else ''}.json"


def remembered(path: Path, make: Callable[[], Outcome]) -> Outcome:
    """The kept outcome, or a new one that is kept from now on."""
    if path.exists():
        return calls.Outcome(**json.loads(path.read_text(encoding="utf-8")))
    outcome = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.tmp")
    partial.write_text(json.dumps(dataclasses.asdict(outcome)), encoding="utf-8")
    partial.replace(path)
    return outcome


class Chains:
    """The two chains over one set of loaded models."""

    def __init__(self, weights: Path, *, listen: bool) -> None:
        self._weights = weights
        self._listen = listen
        self._recogniser: stock.Recogniser | None = None
        self._engine: Any = None

    def _ears(self) -> stock.Recogniser:
        if self._recogniser is None:
            self._recogniser = stock.Recogniser(self._weights)
        return self._recogniser

    def callseal(self, call: LabelledCall) -> Outcome:
        """Our chain, and a fresh hearing of what it exported."""
        with tempfile.TemporaryDirectory(prefix="callseal-heard-") as folder:
            outcome = calls.process(call, Path(folder))
            files = sorted(Path(folder).glob("redacted.*"))
            if not (self._listen and files):
                return outcome
            samples = codecs.decode(files[0], stock.RATE_HZ)
            heard = dict(zip(call.truth["channels"], samples.T, strict=True))
            return dataclasses.replace(outcome, heard=stock.hear(self._ears(), heard, call.language))

    def stock(self, call: LabelledCall) -> Outcome:
        """The stock chain, and a fresh hearing of what it muted."""
        began = datetime.now(UTC)
        self._engine = self._engine or stock.analyser()
        channels = stock.read_channels(call.truth["audio"], call.truth["channels"], call.folder)
        summary, transcript, muted = stock.redact(channels, self._ears(), self._engine, call.language)
        seconds = (datetime.now(UTC) - began).total_seconds()
        heard = stock.hear(self._ears(), muted, call.language) if self._listen else None
        return calls.Outcome(0, summary, transcript, seconds, heard)


@dataclass(frozen=True, slots=True)
class Run:
    """What one chain made of a set; calls that failed are listed, not scored."""

    scores: tuple[score.CallScore, ...]
    failed: tuple[dict[str, Any], ...]
    seconds: float
    audio_s: float


def evaluate(
    chain: str,
    labelled: Sequence[LabelledCall],
    outcome_of: Callable[[LabelledCall], Outcome],
    folder: Path,
    *,
    listen: bool,
) -> Run:
    """Run a chain over a set, or take its kept results from ``folder``, and score it; prints a line per call."""
    scores, failed, seconds, audio_s = [], [], 0.0, 0.0
    for call in labelled:
        path = folder / kept_name(call, listen=listen)
        outcome = remembered(path, lambda call=call: outcome_of(call))  # type: ignore[misc]
        if outcome.exit_code:
            failed.append({"call_id": call.call_id, "exit_code": outcome.exit_code})
            print(f"{chain:9} {call.call_id:34} exit {outcome.exit_code}", flush=True)
            path.unlink()
            continue
        seconds += outcome.seconds
        audio_s += float(call.truth.get("duration_s", 0.0))
        consent = call.truth["consent"] if chain == "callseal" else {}  # the stock chain decides no consent
        truth = {**call.truth, "consent": consent}
        result = score.score_call(truth, outcome.summary, outcome.transcript, outcome.heard)
        scores.append(dataclasses.replace(result, call_id=call.call_id))
        print(f"{chain:9} {report.call_line(scores[-1])}", flush=True)
    return Run(tuple(scores), tuple(failed), seconds, audio_s)


def compared(runs: Mapping[str, Run], *, held_out: bool = False) -> dict[str, dict[str, Any]]:
    """Figures per chain over the calls that every chain got through, so that all totals are over the same calls.

    Of a held-out set the worst leaks are left out, so that nobody is led to look at what was missed.
    """
    common = set.intersection(*({item.call_id for item in run.scores} for run in runs.values())) if runs else set()
    figures = {}
    for name, run in runs.items():
        scores = [item for item in run.scores if item.call_id in common]
        named = [] if held_out else score.worst(scores)
        worst = [{"call_id": call_id, **dataclasses.asdict(entity)} for call_id, entity in named]
        figures[name] = {
            "totals": score.total(scores).as_dict(),
            "failed": list(run.failed),
            "worst": worst,
            "calls": [report.call_figures(item) for item in scores],
            "seconds": round(run.seconds, 1),
            "audio_s": round(run.audio_s, 1),
        }
    return figures


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print, write; returns 1 if a call failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=__doc__.splitlines()[0])
    parser.add_argument("--set", choices=calls.SETS, default="dev")
    parser.add_argument("--calls", type=int, help="only N calls, of mixed kinds")
    parser.add_argument("--only", nargs="*", help="only these call ids, with or without 'bench-'")
    parser.add_argument("--seed", type=int, help="of a generated set: 1 for dev, else 3")
    parser.add_argument("--existing", action="store_true", help="take the calls that are generated, make no new ones")
    parser.add_argument("--stock", action="store_true", help="the stock chain as well")
    parser.add_argument("--stock-only", action="store_true", help="the stock chain alone")
    parser.add_argument("--no-listen", action="store_true", help="leave out the fresh hearing of the redacted audio")
    parser.add_argument(
        "--weights", type=Path, default=Path(platformdirs.user_cache_dir("callseal")) / "models" / "base"
    )
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--html", type=Path, help="write the page here")
    args = parser.parse_args(argv)
    logging.getLogger("presidio-analyzer").setLevel(logging.ERROR)
    seed = args.seed or (1 if args.set == "dev" else 3)
    labelled = calls.calls_of(args.set, seed=seed, limit=args.calls, only=args.only, make=not args.existing)
    listen = not args.no_listen
    chains = Chains(args.weights, listen=listen)
    wanted = {} if args.stock_only else {"callseal": chains.callseal}
    if args.stock or args.stock_only:
        wanted["stock"] = chains.stock
    folders = {name: kept_in(name, args.weights) for name in wanted}
    runs = {name: evaluate(name, labelled, chain, folders[name], listen=listen) for name, chain in wanted.items()}
    results = {
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "set": args.set,
        "seed": seed if args.set in script.FILES else None,
        "corpus_version": build.VERSION,
        "weights": args.weights.name,
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs",
        "chains": compared(runs, held_out=args.set in script.HELD_OUT),
    }
    print(report.table(results))
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    if args.html:
        args.html.write_text(report.page(results), encoding="utf-8")
    return int(any(chain["failed"] for chain in results["chains"].values()))


if __name__ == "__main__":
    raise SystemExit(main())
