"""`python -m benchmarks.erasure`: what an erasure costs, step by step, beside deleting without proof, in one run.

A caller has so many calls of four objects each, beside other callers. The erasure is timed by its own steps. Beside it
stands what deletion alone takes: the same number of objects removed from the same kind of store, and rows from the same
kind of database. Then the price of the design: a subject key opened with its share and without, a call taken out of a
key that others stay under, and the plan for one caller as the index grows.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import schema
from pipeline.build import custody
from pipeline.config import load_settings
from pipeline.connect import writing
from pipeline.db import CallRecord
from pipeline.erasure.erase import AT_ONCE, carry_out
from pipeline.erasure.plan import plan_erasure
from pipeline.erasure.rows import delete_rows
from pipeline.keys import new_subject_key, open_subject_key
from pipeline.keys.shares import SplitRoot
from pipeline.roles import Role
from pipeline.types import Artifact, ArtifactKind, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipeline.custody import Custody

NOW = datetime(2026, 11, 24, tzinfo=UTC)
KINDS = (
    ArtifactKind.REDACTED_AUDIO,
    ArtifactKind.TRANSCRIPT,
    ArtifactKind.CONSENT_RECORD,
    ArtifactKind.MANIFEST,
)
SIZES_BYTES = (200_000, 8_000, 2_000, 4_000)
OPENINGS = 2_000
CALLER, OTHER, PLAIN = "+12025550143", "+12025550144", "+12025550145"


def main() -> None:
    """Run every case, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1_000, help="calls of the caller who is erased")
    parser.add_argument("--index", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--json", type=Path, help="where to write the figures")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), options.calls, options.index)
    _print(found)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def measure(folder: Path, calls: int, sizes: Sequence[int]) -> dict[str, Any]:
    """Erasing a caller with so many calls, the price of keys, and the plan in indexes of these sizes."""
    found = {"calls": calls, **_erasing(_custody(folder / "erase"), calls)}
    found["keys"] = _keys(_custody(folder / "keys"))
    found["index"] = [_plan(_custody(folder / f"index-{size}"), size) for size in sizes]
    return found


def _custody(folder: Path) -> Custody:
    return custody(load_settings(folder), Role.PRIVACY_OFFICER)


def _store(held: Custody, number: str, calls: int, agent: str | None = None) -> None:
    key = held.records.subject_for(held.root.subject_id(number), held.root, NOW)
    for index in range(calls):
        call_id = f"CA{number[-4:]}-{index}-{agent or ''}"
        record = CallRecord(call_id, key.subject_id, "a" * 64, "f" * 64, NOW)
        record = replace(record, agent_subject_id=held.root.subject_id(agent) if agent else None)
        held.records.start_call(record)
        sealed = [
            held.archive.put(call_id, kind, key, b"x" * size, verify=False)
            for kind, size in zip(KINDS, SIZES_BYTES, strict=True)
        ]
        artifacts = [Artifact(each, NOW, NOW + timedelta(days=365), "rule") for each in sealed]
        held.records.finish_call(replace(record, status=Status.STORED), artifacts, NOW)


def _erasing(held: Custody, calls: int) -> dict[str, Any]:
    for number in (CALLER, OTHER, PLAIN):
        _store(held, number, calls)
    _store(held, OTHER, 1, agent="+18005550100")
    steps: dict[str, float] = {}
    last = time.perf_counter()

    def observe(step: str) -> None:
        nonlocal last
        steps[step], last = time.perf_counter() - last, time.perf_counter()

    plan = plan_erasure(held.records, held.root.subject_id(CALLER))
    observe("planned")
    carry_out(plan, held, lambda: NOW, observe=observe)
    one = plan_erasure(held.records, held.root.subject_id("+18005550100"))
    return {
        "steps_s": steps,
        "erased_s": sum(steps.values()),
        "deleted_only_s": _seconds(lambda: _delete_only(held)),
        "one_of_many_s": _seconds(lambda: carry_out(one, held, lambda: NOW)),
    }


def _delete_only(held: Custody) -> None:
    """Objects and rows of a caller, as many at a time as an erasure removes, and no more."""
    subject_id = held.root.subject_id(PLAIN)
    objects = [each.artifact.sealed.object_key for each in held.records.artifacts_of_subject(subject_id)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(held.archive.store.delete, objects))
    calls = [call.call_id for call in held.records.calls_of_subject(subject_id)]
    delete_rows(held.records, calls, objects, [subject_id])


def _keys(held: Custody) -> dict[str, float]:
    """Seconds for one key, with its share and without."""
    split = held.root
    assert isinstance(split, SplitRoot)  # noqa: S101 -- as _custody made it
    with_share, without = new_subject_key(split, "5" * 40), new_subject_key(split.whole, "5" * 40)
    return {
        "open_with_share_s": _each(lambda: open_subject_key(split, with_share)),
        "open_without_s": _each(lambda: open_subject_key(split.whole, without)),
        "make_with_share_s": _each(lambda: new_subject_key(split, "5" * 40), 200),
        "make_without_s": _each(lambda: new_subject_key(split.whole, "5" * 40), 200),
    }


def _plan(held: Custody, size: int) -> dict[str, float]:
    """The plan for one caller with five calls among ``size``."""
    key = held.records.subject_for(held.root.subject_id(CALLER), held.root, NOW)
    filler = held.records.subject_for(held.root.subject_id(OTHER), held.root, NOW)
    base = {"source_sha256": "a" * 64, "fingerprint": "f" * 64, "received_at": NOW, "status": "stored", "summary": {}}
    sealed = {"kind": "transcript", "sha256": "a" * 64, "size_bytes": 1, "wrapped_key": b"k" * 120, "created_at": NOW}
    kept = {"retain_until": NOW + timedelta(days=365), "retention_rule": "rule"}
    with writing(held.records.engine) as connection:
        for start in range(0, size, 10_000):
            ids = range(start, min(start + 10_000, size))
            owners = [key if index < 5 else filler for index in ids]
            calls = [
                {**base, "call_id": f"CA{i}", "subject_id": o.subject_id, "agent_subject_id": f"{i % 997:040x}"}
                for i, o in zip(ids, owners, strict=True)
            ]
            rows = [
                {**sealed, **kept, "object_key": f"{i:032x}", "call_id": f"CA{i}", "subject_key_id": o.key_id}
                for i, o in zip(ids, owners, strict=True)
            ]
            connection.execute(schema.calls.insert(), calls)
            connection.execute(schema.artifacts.insert(), rows)
    seconds = _each(lambda: plan_erasure(held.records, key.subject_id), 20)
    return {"calls": size, "plan_s": seconds}


def _seconds(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def _each(act: Callable[[], object], times: int = OPENINGS) -> float:
    return _seconds(lambda: [act() for _ in range(times)]) / times


def _print(found: dict[str, Any]) -> None:
    total, plain = found["erased_s"], found["deleted_only_s"]
    print(f"{found['calls']} calls erased, {4 * found['calls']} objects: {total:.2f} s")
    for step, seconds in found["steps_s"].items():
        print(f"  {step:16} {seconds:8.3f} s {seconds / total:6.1%}")
    print(f"deleting the same and no more: {plain:.2f} s; the erasure takes {total / plain:.2f} times as long")
    print(f"one call out of a key with {found['calls']} others: {found['one_of_many_s']:.3f} s")
    keys = found["keys"]
    for what in ("open", "make"):
        split, whole = keys[f"{what}_with_share_s"], keys[f"{what}_without_s"]
        print(f"{what} a subject key: {split * 1e6:.0f} us with its share, {whole * 1e6:.0f} us without")
    for row in found["index"]:
        print(f"plan for one caller among {row['calls']:>9,} calls: {row['plan_s'] * 1e3:.1f} ms")


if __name__ == "__main__":
    main()
