"""`python -m benchmarks.index`: how the index grows, and what one caller's erasure plan costs in a large one.

Invented calls are written straight into the tables, with four artifacts and two lines of history each; at every power
of ten the database is opened anew and asked what the product asks. One caller has 500 calls, the others ten.
Times are medians; on a machine that does other things too, compare the rows of one run with each other. With
`--url` the same runs on a PostgreSQL database, which has to be empty.
"""

from __future__ import annotations

import argparse
import json
import secrets
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from pipeline import schema
from pipeline.connect import connect, reading, writing
from pipeline.db import CallRecord, Records
from pipeline.erasure.plan import plan_erasure
from pipeline.types import Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Engine

NOW: Final = datetime(2026, 11, 20, 14, 3, tzinfo=UTC)
KINDS: Final = ("redacted_audio", "transcript", "consent_record", "manifest")
BATCH: Final = 5_000
CALLS_EACH, CALLS_OF_ONE = 10, 500
BUSY_ONE: Final = "f" * 40
REPEATS: Final = 5
SUMMARY: Final = {
    "status": "stored",
    "channels": ["agent", "customer"],
    "duration_s": 277.7,
    "consent": {"verdict": "implied", "lawful": True, "rule": "US-CA all-party", "policy_version": "2026-11"},
    "redactions": [
        {"entity_type": "CREDIT_CARD", "channel": "customer", "start_s": 61.2 + n, "end_s": 66.9 + n, "reason": "luhn"}
        for n in range(8)
    ],
    "review": [],
    "timings_s": {"decode": 0.1, "transcribe": 14.0, "detect": 0.3, "redact": 0.1, "verify": 1.1, "seal": 0.05},
}


def main() -> None:
    """Fill, measure at each size, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, nargs="+", default=[10**3, 10**4, 10**5, 10**6], help="sizes, rising")
    parser.add_argument("--url", help="an empty PostgreSQL database; SQLite in a temporary folder otherwise")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = options.url or f"sqlite:///{folder}/callseal.db"
        rows, there = [], 0
        for size in sorted(options.calls):
            started = time.perf_counter()
            fill(url, there, size)
            there = size
            rows.append({"calls": size, "filled_s": time.perf_counter() - started} | measure(url, Path(folder), size))
            print_row(rows[-1], rows[0])
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def fill(url: str, first: int, last: int) -> None:
    """Adds the calls from ``first`` to ``last``."""
    engine = connect(url)
    if first == 0:
        with writing(engine) as connection:
            connection.execute(schema.subjects.insert(), _subject(BUSY_ONE))
    for start in range(first, last, BATCH):
        numbers = range(start, min(start + BATCH, last))
        owners = {number: _owner(number) for number in numbers}
        calls = [_call(number, owner) for number, owner in owners.items()]
        new = sorted({owner for number, owner in owners.items() if owner != BUSY_ONE and number % CALLS_EACH == 0})
        with writing(engine) as connection:
            if new:
                connection.execute(schema.subjects.insert(), [_subject(owner) for owner in new])
            connection.execute(_unchecked(schema.calls, "summary"), calls)
            connection.execute(
                schema.artifacts.insert(), [row for call in calls for row in _artifacts(call, secrets.randbelow(1827))]
            )
            events = [(call["call_id"], what) for call in calls for what in ("begun", "finished")]
            rows = [{"call_id": call_id, "what": what, "detail": {}, "at": NOW} for call_id, what in events]
            connection.execute(_unchecked(schema.events, "detail"), rows)
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")
    engine.dispose()


def _unchecked(table: sa.Table, column: str) -> sa.Insert:
    """An insert that does not look into the JSON, which is the same each time."""
    return table.insert().values({column: sa.bindparam(column, type_=sa.JSON)})


def measure(url: str, folder: Path, size: int) -> dict[str, Any]:
    """What the product asks, of a database that was just opened."""
    records = Records.open(url)
    ordinary = _owner(size - 1)
    plans = {name: plan_erasure(records, who) for name, who in (("ordinary", ordinary), ("busy", BUSY_ONE))}
    new = CallRecord("CA-new", ordinary, "a" * 64, "f" * 64, NOW)

    def store_and_take_back() -> None:
        records.start_call(new)
        done = CallRecord("CA-new", ordinary, "a" * 64, "f" * 64, NOW, status=Status.DISCARDED, summary=SUMMARY)
        records.finish_call(done, [], NOW)

    found = {
        "bytes": _size(records.engine, folder),
        "ordinary_objects": len(plans["ordinary"].object_keys),
        "busy_objects": len(plans["busy"].object_keys),
        "plan_ordinary_s": _median(lambda: plan_erasure(records, ordinary)),
        "plan_busy_s": _median(lambda: plan_erasure(records, BUSY_ONE)),
        "begin_and_finish_s": _median(store_and_take_back),
    }
    with writing(records.engine) as connection:
        for table in (schema.events, schema.calls):
            connection.execute(table.delete().filter_by(call_id="CA-new"))
    records.close()
    return found


def print_row(row: dict[str, Any], first: dict[str, Any]) -> None:
    """One line, with the ratios to the smallest size."""
    print(
        f"{row['calls']:>9,} calls  {row['bytes'] / row['calls']:7,.0f} B/call  "
        f"plan: {1000 * row['plan_ordinary_s']:8.1f} ms for {row['ordinary_objects']} objects "
        f"(x{row['plan_ordinary_s'] / first['plan_ordinary_s']:.1f}), "
        f"{1000 * row['plan_busy_s']:8.1f} ms for {row['busy_objects']}  "
        f"begin + finish: {1000 * row['begin_and_finish_s']:6.1f} ms  "
        f"(filled in {row['filled_s']:.0f} s)",
        flush=True,
    )


def _owner(number: int) -> str:
    return BUSY_ONE if number < CALLS_OF_ONE else f"{number // CALLS_EACH:040x}"


def _subject(subject_id: str) -> dict[str, Any]:
    key_id = subject_id[:24] + subject_id[-8:]
    fields = {"key_id": f"key-{key_id}", "root_key_id": "root", "wrapped_key": secrets.token_bytes(190)}
    return fields | {"subject_id": subject_id, "created_at": NOW}


def _call(number: int, owner: str) -> dict[str, Any]:
    return {
        "call_id": f"CA{number:030x}",
        "subject_id": owner,
        "status": "stored",
        "source_sha256": secrets.token_hex(32),
        "fingerprint": "f" * 64,
        "received_at": NOW - timedelta(seconds=number % 10**6),
        "started_at": NOW,
        "duration_s": 277.7,
        "summary": SUMMARY,
    }


def _artifacts(call: dict[str, Any], days: int) -> list[dict[str, Any]]:
    return [
        {
            "object_key": secrets.token_hex(16),
            "call_id": call["call_id"],
            "kind": kind,
            "sha256": secrets.token_hex(32),
            "size_bytes": 5_000_000,
            "subject_key_id": _subject(call["subject_id"])["key_id"],
            "wrapped_key": secrets.token_bytes(120),
            "created_at": NOW,
            "retain_until": NOW + timedelta(days=days),
            "retention_rule": "2026-11 recording: company privacy policy",
        }
        for kind in KINDS
    ]


def _median(question: Callable[[], object]) -> float:
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        question()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def _size(engine: Engine, folder: Path) -> int:
    if engine.dialect.name == "sqlite":
        return sum(path.stat().st_size for path in folder.iterdir())
    with reading(engine) as connection:
        return int(connection.execute(sa.text("SELECT pg_database_size(current_database())")).scalar_one())


if __name__ == "__main__":
    main()
