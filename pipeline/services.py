"""What callseal keeps things in, as the doctor sees it: which store and which database, and whether they answer.

Takes the settings, gives findings. Asks each of them one or two questions; makes, migrates and changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.connect import open_engine, version_of
from pipeline.doctor import Finding
from pipeline.errors import CallsealError
from pipeline.schema import HEAD
from pipeline.store.local import LocalStore

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.store import Store

_BUCKET_HINT = "the bucket must exist, and the credentials of this environment may list, read, write and delete in it"


def store_findings(store: Store | CallsealError) -> tuple[Finding, ...]:
    """Which store it is and whether it answers; ``store`` may be the reason why it could not be opened."""
    if isinstance(store, CallsealError):
        return (Finding("store", ok=False, detail=str(store), hint=_BUCKET_HINT),)
    if isinstance(store, LocalStore):
        return (_folder(store.folder),)
    return _bucket(store)


def database_finding(url: str) -> Finding:
    """Which kind of database it is, whether it answers, and whether its tables are those of this version."""
    kind = "SQLite" if url.startswith("sqlite") else "PostgreSQL"
    try:
        engine = open_engine(url)
        try:
            version = version_of(engine)
        finally:
            engine.dispose()
    except CallsealError as exc:
        return Finding("database", ok=False, detail=f"{kind}: {exc}", hint="see [database] url and its server")
    if version is None:
        return Finding("database", ok=True, detail=f"{kind}, answers; the first call makes its tables")
    detail = f"{kind}, answers; tables of version {version}"
    if version > HEAD:
        return Finding("database", ok=False, detail=detail, hint=f"this callseal knows {HEAD}: install a newer one")
    return Finding("database", ok=True, detail=detail)


def _folder(folder: Path) -> Finding:
    if not folder.exists():
        return Finding("store", ok=True, detail="a folder; the first call makes it")
    good = folder.is_dir()
    return Finding("store", ok=good, detail="a folder", hint="" if good else "a file is in its place: move it away")


def _bucket(store: Store) -> tuple[Finding, ...]:
    from pipeline.store import s3_bucket
    from pipeline.store.s3 import S3Store

    if not isinstance(store, S3Store):
        return ()
    name = f"bucket {store.options.bucket}"
    try:
        found = s3_bucket.look(store)
    except CallsealError as exc:
        return (Finding("store", ok=False, detail=f"{name}: {exc}", hint=_BUCKET_HINT),)
    tidy = "removes leftovers by itself" if found.tidies else "keeps leftovers of writers that died"
    findings = [
        Finding(
            "store", ok=True, detail=f"{name}, answers; {'every version' if found.versioned else 'one version'} kept"
        ),
        Finding("bucket rules", found.tidies, tidy, "" if found.tidies else "callseal store prepare", needed=False),
    ]
    if store.options.object_lock and not found.locks:
        hint = "make a bucket with Object Lock, or leave store.object_lock empty"
        findings.append(Finding("bucket locks", ok=False, detail="Object Lock is off", hint=hint))
    return tuple(findings)
