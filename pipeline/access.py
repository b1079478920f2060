"""Access: takes who acts in which role, lets pass what the role may do, refuses the rest, and records both.

``Archive`` asks here before it opens or seals an object, so that no way to the plaintext leads around it; commands ask
before they change anything. An open is recorded before the first byte is handed out; where it cannot be recorded,
nothing opens.
"""

from __future__ import annotations

import getpass
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pipeline.audit import Deed
from pipeline.errors import CallsealError, Refused, UsageError
from pipeline.roles import DOES, OPENS, OPENS_UNRECORDED, SEALS, Act, Role

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from pipeline.audit import Trail
    from pipeline.types import ArtifactKind


@dataclass(frozen=True, slots=True)
class Access:
    """Somebody in a role.

    Args:
        actor_id: who.
        role: in which.
        trail: where it is recorded.
    """

    actor_id: str
    role: Role
    trail: Trail = field(repr=False)

    @contextmanager
    def opening(self, kind: ArtifactKind, ids: Mapping[str, str]) -> Iterator[None]:
        """Around the opening of an object's key: records ``done`` at its end, ``failed`` where it raises.

        Raises:
            Refused: the role does not open such objects.
        """
        detail = {**ids, "kind": kind.value}
        if kind not in OPENS[self.role]:
            self._deny("open", detail)
        try:
            yield
        except CallsealError as exc:
            self._record("open", "failed", {**detail, "error": type(exc).__name__})
            raise
        if self.role not in OPENS_UNRECORDED:
            self._record("open", "done", detail)

    def sealing(self, kind: ArtifactKind, ids: Mapping[str, str]) -> None:
        """Before an object is sealed. Raises Refused: the role does not seal such objects."""
        if kind not in SEALS[self.role]:
            self._deny("seal", {**ids, "kind": kind.value})

    @contextmanager
    def acting(self, act: Act, **ids: Any) -> Iterator[dict[str, Any]]:
        """Around an act: records ``begun`` before it and ``done`` or ``failed`` after it.

        Gives a dict for the ids and counts that are only known at the end.

        Raises:
            Refused: the role does not do this.
        """
        if act not in DOES[self.role]:
            self._deny(act.value, ids)
        self._record(act.value, "begun", ids)
        found: dict[str, Any] = {}
        try:
            yield found
        except BaseException as exc:
            self._record(act.value, "failed", {**ids, "error": type(exc).__name__})
            raise
        self._record(act.value, "done", {**ids, **found})

    def restored(self, backup_id: str) -> None:
        """Takes up the trail that a backup brought back, and records how many newer entries it did not have."""
        lost = self.trail.take_up()
        self._record(Act.RESTORE.value, "done", {"backup_id": backup_id, "entries_lost": lost})

    def admit(self, roles: Collection[Role]) -> None:
        """Raises Refused where this host does not act in the role; ``roles`` are those it does."""
        if self.role not in roles:
            self._record("act_as", "denied", {})
            raise Refused(f"this host does not act as {self.role.value}: access.roles does not list it")

    def require(self, act: Act) -> None:
        """Raises Refused where the role does not do this."""
        if act not in DOES[self.role]:
            self._deny(act.value, {})

    def note_denied(self, action: str) -> None:
        """Records that somebody who could not show who they are was sent away."""
        self._record(action, "denied", {})

    def note_policies(self, sha256: Mapping[str, str]) -> None:
        """Records which policies are in force, by the hashes of their files, where they are not those before."""
        detail = {f"{name}_sha256": digest for name, digest in sorted(sha256.items())}
        before = self.trail.last(Act.POLICY.value)
        if before is None or dict(before.detail) != detail:
            self._record(Act.POLICY.value, "done", detail)

    def _deny(self, action: str, detail: Mapping[str, Any]) -> None:
        self._record(action, "denied", detail)
        raise Refused(f"the role {self.role.value} may not {action} {detail.get('kind', '')}".rstrip())

    def _record(self, action: str, outcome: str, detail: Mapping[str, Any]) -> None:
        self.trail.record(Deed(self.actor_id, self.role.value, action, outcome, detail))


def login() -> str:
    """Who runs this process, as the system names the account. Raises UsageError if nobody does."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise UsageError("nobody is logged in: set access.actor") from None
