"""Roles: which role may open, seal and do what. Pure; ``pipeline.access`` enforces it where keys are opened.

What a role does not list, it may not. A host acts in the roles that its settings allow (``access.roles``).
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from pipeline.types import ArtifactKind

if TYPE_CHECKING:
    from collections.abc import Mapping


class Role(StrEnum):
    """In what capacity somebody, or some process, acts."""

    INGEST = "ingest"
    WORKER = "worker"
    REVIEWER = "reviewer"
    PRIVACY_OFFICER = "privacy_officer"
    ADMIN = "admin"


class Act(StrEnum):
    """What can be done, beside opening and sealing, that is recorded and not everybody's."""

    RECEIVE = "receive"
    LIVE = "live"
    PROCESS = "process"
    EXPORT = "export"
    ERASE = "erase"
    HOLD = "hold"
    RETENTION = "retention"
    RIGHTS = "rights"
    INCIDENT = "incident"
    AUDIT = "audit"
    ROTATE = "rotate"
    BACKUP = "backup"
    RESTORE = "restore"
    POLICY = "policy"
    ADMIT = "admit"


_ALL: Final = frozenset(ArtifactKind)
_REDACTED: Final = frozenset(
    {ArtifactKind.REDACTED_AUDIO, ArtifactKind.TRANSCRIPT, ArtifactKind.AMENDMENT}
    | {ArtifactKind.CONSENT_RECORD, ArtifactKind.MANIFEST}
)

OPENS: Final[Mapping[Role, frozenset[ArtifactKind]]] = {
    Role.INGEST: frozenset(),
    Role.WORKER: _ALL,
    Role.REVIEWER: _REDACTED,
    Role.PRIVACY_OFFICER: _ALL,
    Role.ADMIN: frozenset(),
}
SEALS: Final[Mapping[Role, frozenset[ArtifactKind]]] = {
    Role.INGEST: frozenset({ArtifactKind.INTAKE, ArtifactKind.CALL_METADATA}),
    Role.WORKER: _ALL,
    Role.REVIEWER: frozenset(),
    Role.PRIVACY_OFFICER: _ALL - {ArtifactKind.INTAKE, ArtifactKind.CALL_METADATA},
    Role.ADMIN: frozenset(),
}
DOES: Final[Mapping[Role, frozenset[Act]]] = {
    Role.INGEST: frozenset({Act.RECEIVE, Act.LIVE}),
    Role.WORKER: frozenset({Act.RECEIVE, Act.PROCESS, Act.POLICY}),
    Role.REVIEWER: frozenset({Act.EXPORT}),
    Role.PRIVACY_OFFICER: frozenset(
        {Act.EXPORT, Act.ERASE, Act.HOLD, Act.RETENTION, Act.RIGHTS, Act.INCIDENT, Act.AUDIT, Act.RESTORE}
    ),
    Role.ADMIN: frozenset({Act.ROTATE, Act.BACKUP, Act.RESTORE, Act.POLICY, Act.INCIDENT, Act.AUDIT, Act.ADMIT}),
}
OPENS_UNRECORDED: Final = frozenset({Role.WORKER})  # opens each call several times; the call's history says so once
