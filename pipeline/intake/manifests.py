"""Manifests: tables of calls, one row each, in CSV, JSON lines or Parquet. Gives rows as JSON has them.

A name with a dot, ``consent.recording_notice``, is a key in a key. Lists of CSV are split at spaces. Cells without a
value are left out.
"""

from __future__ import annotations

import csv
import json
import re
from typing import TYPE_CHECKING, Any, Final

from pipeline.errors import BadMetadata, MissingExtra, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SUFFIXES: Final = frozenset({".csv", ".jsonl", ".ndjson", ".parquet"})
_LISTS: Final = frozenset({"channels", "jurisdictions", "sectors"})
_SHORT_ZONE: Final = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?[+-]\d\d)")  # as DuckDB writes an instant
_PORTION: Final = 1000


def rows_of_text(raw: bytes, suffix: str) -> Iterator[dict[str, Any]]:
    """The rows of CSV or JSON lines.

    Raises:
        UsageError: it is not UTF-8.
        BadMetadata: a line is not a JSON object.
    """
    try:
        lines = raw.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as exc:
        raise UsageError("the manifest cannot be read as UTF-8 text") from exc
    if suffix == ".csv":
        for row in csv.DictReader(lines):
            yield _nested({key: value for key, value in row.items() if key is not None})
        return
    for number, line in enumerate(filter(str.strip, lines), 1):
        try:
            found = json.loads(line)
        except ValueError as exc:
            raise BadMetadata(f"row {number} of the manifest is not JSON") from exc
        if not isinstance(found, dict):
            raise BadMetadata(f"row {number} of the manifest is no JSON object")
        yield _nested(found)


def rows_of_parquet(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a Parquet file, read as they are asked for; nothing of them is written anywhere.

    Raises:
        UsageError: it is no Parquet file, or cannot be read.
        MissingExtra: DuckDB, which reads it, is not installed.
    """
    try:
        import duckdb
    except ImportError as exc:
        raise MissingExtra("parquet") from exc
    alone: dict[str, Any] = {
        "temp_directory": "",
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    }
    with duckdb.connect(":memory:", config=alone) as connection:
        try:
            found = connection.execute("SELECT to_json(row) FROM read_parquet(?) row", [str(path)])
            while portion := found.fetchmany(_PORTION):
                for (line,) in portion:
                    yield _nested(json.loads(line))
        except duckdb.Error:
            raise UsageError("the manifest is no Parquet file that can be read") from None


def _nested(row: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in row.items():
        outer, _, inner = key.partition(".")
        stated = _stated(outer, value)
        if stated in (None, ""):
            continue
        if inner:
            found.setdefault(outer, {})[inner] = stated
        else:
            found[key] = stated
    return found


def _stated(key: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _stated(name, each) for name, each in value.items() if each is not None} or None
    if isinstance(value, str):
        if key in _LISTS:
            return value.split() or None
        return f"{value}:00" if _SHORT_ZONE.fullmatch(value) else value
    return value
