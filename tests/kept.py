"""A real key file, database and store in a folder, and calls in them as the scripted call leaves them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from pydantic import SecretStr

from pipeline.build import custody
from pipeline.config import DatabaseSettings, load_settings
from pipeline.db import CallRecord
from pipeline.roles import Role
from pipeline.types import Artifact, ArtifactKind, Status

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipeline.custody import Custody

NOW: Final = datetime(2026, 11, 20, 14, 3, tzinfo=UTC)
DAY: Final = timedelta(days=1)
KINDS: Final = (ArtifactKind.REDACTED_AUDIO, ArtifactKind.TRANSCRIPT)
RULE: Final = "2026-11 recording: policy"


def kept_in(folder: Path, url: str = "") -> Custody:
    """Opens, or makes, what is in the folder; the records elsewhere, where ``url`` says so."""
    settings = load_settings(folder)
    return custody(settings.model_copy(update={"database": DatabaseSettings(url=SecretStr(url))}), Role.PRIVACY_OFFICER)


def number(last: int) -> str:
    """An invented number, 202-555-01xx."""
    return f"+120255501{last:02}"


def store_call(
    held: Custody,
    call_id: str,
    last: int = 43,
    *,
    status: Status = Status.STORED,
    days: Mapping[ArtifactKind, int] | int = 1,
    started_at: datetime = NOW,
) -> CallRecord:
    """A finished call of that number; ``days`` from its start each kind of artifact is kept."""
    kinds = dict.fromkeys(KINDS, days) if isinstance(days, int) else days
    key = held.records.subject_for(held.root.subject_id(number(last)), held.root, NOW)
    call = CallRecord(call_id, key.subject_id, "a" * 64, "f" * 64, started_at, started_at, 2.5, status)
    held.records.start_call(replace(call, status=None))
    archive = replace(held.archive, access=None)  # a worker's part, in the officer's custody
    artifacts = [
        Artifact(archive.put(call_id, kind, key, b"x" * 100), NOW, started_at + DAY * kept, RULE)
        for kind, kept in kinds.items()
    ]
    held.records.finish_call(call, artifacts, NOW)
    return call


def object_keys(held: Custody) -> set[str]:
    """Names of all objects in the store."""
    return {found.key for found in held.archive.store.list()}
