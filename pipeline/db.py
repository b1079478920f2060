"""The records: takes what happened to calls, answers one question per method. Ids, counts and dates only.

Order of writes, which every caller keeps to:

* to store: the object, verified -> ``finish_call``, which puts the call's new rows in the place of the old ones in one
  transaction -> the objects it returns are destroyed. Dying in between leaves an object without a row, which
  ``Archive.unreferenced`` finds; never a row without an object.
* to expire: the object's key -> the object -> its row (``pipeline.retention.expire``). Doing it again completes it.
* to erase: the plan's ids -> the key is shredded -> objects -> rows -> verified -> finished (``pipeline.erasure``).

A call is *begun* (status NULL), then *finished*; it can be begun and finished again by a new policy, and what is stored
stays until the new result takes its place. A subject is *live* (it has a key) or *shredded* (its erasure is under
way); only a live subject takes calls, and only under the key it has now, so a job that was in flight
while its caller was erased is refused at the end.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

import sqlalchemy as sa

from pipeline import schema
from pipeline.connect import connect, reading, writing
from pipeline.errors import NotFound, Refused, Temporary
from pipeline.keys import OpenSubjectKey, SubjectKey, make_subject_key, open_subject_key
from pipeline.keys import roots as root_keys
from pipeline.retention.holds import held_in, refuse_restricted
from pipeline.types import Artifact, ArtifactKind, SealedObject, Status
from pipeline.withdrawals import refuse_withdrawn

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection, Engine, RowMapping

    from pipeline.keys import RootKey

_PORTION: Final = 500


@dataclass(frozen=True, slots=True)
class CallRecord:
    """What is known about a call.

    Args:
        call_id: the platform's id, or ours.
        subject_id: the customer, as a keyed hash; the call is sealed under their key.
        source_sha256: of the recording as it was delivered, hex.
        fingerprint: of the policy and the models that made the result, hex.
        received_at: when we got it.
        started_at: when the call was made, if known.
        duration_s: length of the recording, if it could be decoded.
        status: None while it is begun and not finished.
        summary: what ``process`` printed (DESIGN.md section 4); has no content, which the database checks.
        agent_subject_id: the company's side, as a keyed hash; None where it is an extension or was not said.
    """

    call_id: str
    subject_id: str
    source_sha256: str
    fingerprint: str
    received_at: datetime
    started_at: datetime | None = None
    duration_s: float | None = None
    status: Status | None = None
    summary: Mapping[str, Any] = field(default_factory=dict)
    agent_subject_id: str | None = None


@dataclass(frozen=True, slots=True)
class HeldArtifact:
    """An artifact and the call it belongs to."""

    call_id: str
    artifact: Artifact


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a call's history; ``detail`` holds ids and counts."""

    at: datetime
    what: str
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ErasureRecord:
    """An erasure as the ledger keeps it; ``finished_at`` is None while it is under way."""

    erasure_id: str
    subject_id: str
    requested_at: datetime
    finished_at: datetime | None
    report: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Records:
    """The database. Every method raises StoreUnavailable when it is busy, full or cannot be reached."""

    engine: Engine = field(repr=False)

    @classmethod
    def open(cls, url: str) -> Self:
        """Opens the database, making or migrating its tables; see ``connect.connect`` for what it raises."""
        return cls(connect(url))

    def close(self) -> None:
        """Gives its connections back."""
        self.engine.dispose()

    # Subjects

    def subject_for(self, subject_id: str, root: RootKey, now: datetime) -> OpenSubjectKey:
        """The subject's key, made now if the subject is new.

        Raises:
            CannotOpen: the key was made under another root key.
            Temporary: the subject is being erased, or the root key was rotated and its key file is not here yet.
        """
        with reading(self.engine) as connection:
            key = _live_key(connection, subject_id)
        if key is None:
            fresh, opened = make_subject_key(root, subject_id)  # writes its share: not while writers wait for this one
            with writing(self.engine) as connection:
                key = _live_key(connection, subject_id) or _add_key(connection, root, fresh, now)
            if key is fresh:
                return opened
        return open_subject_key(root, key)

    def subject_key(self, subject_id: str) -> SubjectKey | None:
        """The subject's wrapped key; None if there is no such subject or its key is shredded."""
        with reading(self.engine) as connection:
            key = _subject_key(connection, subject_id)
        return key if key is not None and key.wrapped_key else None

    def root_key_ids(self) -> frozenset[str]:
        """Ids of the root keys that the subjects' keys are wrapped under."""
        with reading(self.engine) as connection:
            return frozenset(connection.execute(sa.select(schema.subjects.c.root_key_id).distinct()).scalars())

    def subject_key_ids(self, subject_id: str) -> tuple[str, ...]:
        """Ids of the keys, replaced, live or shredded, that the subject's objects were sealed under."""
        with reading(self.engine) as connection:
            found = connection.execute(sa.select(schema.subjects.c.key_id).filter_by(subject_id=subject_id))
            return (*root_keys.retired_ids(connection, subject_id), *found.scalars())

    # Calls

    def start_call(self, call: CallRecord) -> CallRecord | None:
        """Begins a call, or begins it again; gives what was finished before under the same id, None if nothing was.

        A finished record is left as it is until ``finish_call`` replaces it.

        Raises:
            Refused: the caller was erased since the key was fetched, restricts the use of their calls, or the call has
                a result that is held.
            Temporary: the caller is being erased.
        """
        with writing(self.engine) as connection:
            _live_key_id(connection, call.subject_id)
            before = _call(connection, call.call_id)
            if before is None:
                connection.execute(schema.calls.insert().values(call_values(call)))
            elif before.status is None:
                connection.execute(schema.calls.update().filter_by(call_id=call.call_id).values(call_values(call)))
            else:
                _refuse_to_replace_held(connection, before)
            _note(connection, call.call_id, "begun", {"fingerprint": call.fingerprint}, call.received_at)
        return before if before is not None and before.status is not None else None

    def add_artifacts(self, call_id: str, artifacts: Sequence[Artifact]) -> None:
        """Adds rows for objects of a call, its intake or an amendment, next to those it has.

        Raises:
            Refused: the caller was erased, or has another key by now.
            NotFound: there is no such call.
        """
        with writing(self.engine) as connection:
            call = _call(connection, call_id)
            if call is None:
                raise NotFound(f"there is no call {call_id}")
            _insert_artifacts(connection, call, artifacts)

    def receive_call(self, call: CallRecord, artifacts: Sequence[Artifact]) -> bool:
        """Adds a call that waits with its originals, in one transaction; adds nothing and gives False if it is held.

        A call of which nothing is held but the reason why it was refused may come again.

        Raises:
            Refused: the caller was erased meanwhile, has another key by now or restricts the use of their calls.
            Temporary: the caller is being erased.
        """
        with writing(self.engine) as connection:
            _live_key_id(connection, call.subject_id)
            before = _call(connection, call.call_id)
            if before is not None:
                done = before.status is not None and "error" not in before.summary
                if done or held_artifacts(connection, schema.artifacts.c.call_id == call.call_id):
                    return False
                connection.execute(schema.calls.update().filter_by(call_id=call.call_id).values(call_values(call)))
            else:
                connection.execute(schema.calls.insert().values(call_values(call)))
            _insert_artifacts(connection, call, artifacts)
            _note(connection, call.call_id, "received", {"artifacts": len(artifacts)}, call.received_at)
        return True

    def replace_originals(
        self, call: CallRecord, artifacts: Sequence[Artifact], at: datetime
    ) -> tuple[SealedObject, ...]:
        """Puts the originals of a waiting call in the place of those it had; gives the latter, to be destroyed next.

        Raises:
            Refused: the call is done or was erased meanwhile, or its caller has another key by now.
            Temporary: the caller is being erased.
        """
        with writing(self.engine) as connection:
            before = _call(connection, call.call_id)
            if before is None or before.status is not None:
                raise Refused("the call does not wait any more")
            old = held_artifacts(connection, schema.artifacts.c.call_id == call.call_id)
            connection.execute(schema.artifacts.delete().filter_by(call_id=call.call_id))
            connection.execute(schema.calls.update().filter_by(call_id=call.call_id).values(call_values(call)))
            _insert_artifacts(connection, call, artifacts)
            _note(connection, call.call_id, "fetched", {"artifacts": len(artifacts)}, at)
        return tuple(held.artifact.sealed for held in old)

    def finish_call(self, call: CallRecord, artifacts: Sequence[Artifact], at: datetime) -> tuple[SealedObject, ...]:
        """Puts the result and its artifacts in the place of what the call had, in one transaction.

        Gives the objects that no row refers to any more; destroy them next. An artifact that the call has already
        (its intake, kept in quarantine) may be passed again and stays.

        Raises:
            Refused: the caller was erased meanwhile, has another key by now or restricts the use of their calls, or
                what the call has is held; destroy the new objects.
            Temporary: the caller is being erased, or withdrew consent meanwhile; likewise.
            VerificationFailed: the summary holds something that looks like content.
        """
        if call.status is None:
            raise ValueError("a finished call has a status")
        with writing(self.engine) as connection:
            before = _call(connection, call.call_id)
            if before is None:
                raise Refused("the call is not held: its caller was erased while it was processed")
            old = held_artifacts(connection, schema.artifacts.c.call_id == call.call_id)
            _refuse_to_replace_held(connection, before)
            refuse_withdrawn(connection, call)
            _live_key_id(connection, call.subject_id)
            connection.execute(schema.artifacts.delete().filter_by(call_id=call.call_id))
            connection.execute(schema.calls.update().filter_by(call_id=call.call_id).values(call_values(call)))
            _insert_artifacts(connection, call, artifacts)
            detail = {"status": call.status.value, "artifacts": len(artifacts), "replaced": len(old)}
            _note(connection, call.call_id, "finished", detail, at)
        kept = {artifact.sealed.object_key for artifact in artifacts}
        return tuple(held.artifact.sealed for held in old if held.artifact.sealed.object_key not in kept)

    def call(self, call_id: str) -> CallRecord | None:
        """The call, None if it is not held."""
        with reading(self.engine) as connection:
            return _call(connection, call_id)

    def calls_of_subject(self, subject_id: str) -> tuple[CallRecord, ...]:
        """The subject's calls, the oldest first."""
        query = sa.select(schema.calls).filter_by(subject_id=subject_id).order_by(schema.calls.c.received_at)
        with reading(self.engine) as connection:
            return tuple(call_record(row) for row in connection.execute(query).mappings())

    def finished_calls(self, limit: int) -> tuple[CallRecord, ...]:
        """The calls that were received last and are finished."""
        query = sa.select(schema.calls).where(schema.calls.c.status.is_not(None))
        with reading(self.engine) as connection:
            found = connection.execute(query.order_by(schema.calls.c.received_at.desc()).limit(limit)).mappings()
            return tuple(call_record(row) for row in found)

    # Artifacts

    def artifacts(self, call_id: str) -> tuple[Artifact, ...]:
        """The call's artifacts, the oldest first."""
        with reading(self.engine) as connection:
            return tuple(held.artifact for held in held_artifacts(connection, schema.artifacts.c.call_id == call_id))

    def artifacts_of_subject(self, subject_id: str) -> tuple[HeldArtifact, ...]:
        """All that is sealed under the subject's key or belongs to one of its calls."""
        with reading(self.engine) as connection:
            return held_artifacts(connection, _of_subject(subject_id))

    def object_keys(self) -> frozenset[str]:
        """Names of all objects that a row knows."""
        with reading(self.engine) as connection:
            return frozenset(connection.execute(sa.select(schema.artifacts.c.object_key)).scalars())

    def delete_artifacts(self, object_keys: Collection[str], what: str, at: datetime) -> int:
        """Removes rows whose objects are gone, and notes ``what`` in the history of their calls; gives how many."""
        with writing(self.engine) as connection:
            held = held_artifacts(connection, schema.artifacts.c.object_key.in_(object_keys))
            connection.execute(schema.artifacts.delete().where(schema.artifacts.c.object_key.in_(object_keys)))
            for found in held:
                detail = {"kind": found.artifact.sealed.kind.value, "rule": found.artifact.retention_rule}
                _note(connection, found.call_id, what, detail, at)
        return len(held)

    def count_rows(self, key_ids: Sequence[str], call_ids: Sequence[str], object_keys: Sequence[str]) -> int:
        """How many subjects, calls, artifacts and events there are under any of these ids."""
        asked = (
            (schema.subjects.c.key_id, key_ids),
            (schema.artifacts.c.subject_key_id, key_ids),
            (schema.artifacts.c.object_key, object_keys),
            (schema.calls.c.call_id, call_ids),
            (schema.events.c.call_id, call_ids),
        )
        with reading(self.engine) as connection:
            return sum(_count(connection, column, ids) for column, ids in asked)

    # History

    def note(self, call_id: str, what: str, detail: Mapping[str, Any], at: datetime) -> None:
        """Adds a line to a call's history. Raises VerificationFailed if ``detail`` looks like content."""
        with writing(self.engine) as connection:
            _note(connection, call_id, what, detail, at)

    def events(self, call_id: str) -> tuple[Event, ...]:
        """The call's history, the oldest first."""
        query = sa.select(schema.events).filter_by(call_id=call_id).order_by(schema.events.c.event_id)
        with reading(self.engine) as connection:
            return tuple(Event(row.at, row.what, row.detail) for row in connection.execute(query))

    # Erasure; pipeline.erasure.erase knows the order

    def begin_erasure(self, erasure: ErasureRecord) -> None:
        """Puts an erasure and the ids it is about into the ledger; the same id again only renews its ids."""
        values = {"requested_at": erasure.requested_at, "report": dict(erasure.report)}
        with writing(self.engine) as connection:
            row = schema.erasures.c.erasure_id == erasure.erasure_id
            if connection.execute(schema.erasures.update().where(row).values(report=values["report"])).rowcount == 0:
                ids = {"erasure_id": erasure.erasure_id, "subject_id": erasure.subject_id}
                connection.execute(schema.erasures.insert().values(ids | values))

    def finish_erasure(self, erasure_id: str, report: Mapping[str, Any], finished_at: datetime) -> None:
        """Closes an erasure with its report."""
        with writing(self.engine) as connection:
            row = schema.erasures.update().filter_by(erasure_id=erasure_id)
            connection.execute(row.values(report=dict(report), finished_at=finished_at))

    def erasure(self, erasure_id: str) -> ErasureRecord | None:
        """The erasure, None if there is none."""
        found = self._erasures(schema.erasures.c.erasure_id == erasure_id)
        return found[0] if found else None

    def erasures_of_subject(self, subject_id: str) -> tuple[ErasureRecord, ...]:
        """The subject's erasures, the oldest first."""
        return self._erasures(schema.erasures.c.subject_id == subject_id)

    def pending_erasures(self) -> tuple[ErasureRecord, ...]:
        """The erasures that were begun and not finished, the oldest first."""
        return self._erasures(schema.erasures.c.finished_at.is_(None))

    def _erasures(self, where: sa.ColumnElement[bool]) -> tuple[ErasureRecord, ...]:
        query = sa.select(schema.erasures).where(where).order_by(schema.erasures.c.requested_at)
        with reading(self.engine) as connection:
            return tuple(ErasureRecord(**row) for row in connection.execute(query).mappings())


def _subject_key(connection: Connection, subject_id: str) -> SubjectKey | None:
    row = connection.execute(sa.select(schema.subjects).filter_by(subject_id=subject_id)).mappings().one_or_none()
    if row is None:
        return None
    return SubjectKey(subject_id, row["key_id"], row["root_key_id"], row["wrapped_key"] or b"")


def _live_key(connection: Connection, subject_id: str) -> SubjectKey | None:
    key = _subject_key(connection, subject_id)
    if key is not None and not key.wrapped_key:
        raise Temporary("the caller is being erased")
    return key


def _refuse_to_replace_held(connection: Connection, before: CallRecord) -> None:
    """Raises Refused where a new result would destroy one that is held."""
    held = held_in(connection, [before.call_id]) if before.status is not None else {}
    if held and held_artifacts(connection, schema.artifacts.c.call_id == before.call_id):
        hold_id = held[before.call_id][0].hold_id
        raise Refused(f"call {before.call_id} is held by {hold_id}: its result stays as it is")


def _add_key(connection: Connection, root: RootKey, key: SubjectKey, now: datetime) -> SubjectKey:
    root_keys.require_current(connection, root, now)
    connection.execute(schema.subjects.insert().values(**asdict(key), created_at=now))
    return key


def _live_key_id(connection: Connection, subject_id: str) -> str:
    """The key id of a person whose calls may be processed."""
    refuse_restricted(connection, subject_id)
    return _key_id(connection, subject_id)


def _key_id(connection: Connection, subject_id: str) -> str:
    key = _live_key(connection, subject_id)
    if key is None:
        raise Refused("the caller was erased while the call was processed")
    return key.key_id


def _call(connection: Connection, call_id: str) -> CallRecord | None:
    row = connection.execute(sa.select(schema.calls).filter_by(call_id=call_id)).mappings().one_or_none()
    return None if row is None else call_record(row)


def call_record(row: RowMapping) -> CallRecord:
    """A row of ``calls``."""
    status = row["status"]
    return CallRecord(**{**row, "status": None if status is None else Status(status)})


def call_values(call: CallRecord) -> dict[str, Any]:
    """What a row of ``calls`` holds."""
    status = None if call.status is None else call.status.value
    return {**asdict(call), "status": status, "summary": dict(call.summary)}


def _insert_artifacts(connection: Connection, call: CallRecord, artifacts: Sequence[Artifact]) -> None:
    key_id = _key_id(connection, call.subject_id)
    used = {artifact.sealed.subject_key_id for artifact in artifacts} - {key_id}
    if used and used <= set(root_keys.retired_ids(connection, call.subject_id)):
        raise Temporary("the caller's key was rotated while the call was processed")
    if used:
        raise Refused("the caller was erased while the call was processed, and has another key by now")
    rows = [artifact_values(call.call_id, artifact) for artifact in artifacts]
    if rows:
        connection.execute(schema.artifacts.insert(), rows)


def artifact_values(call_id: str, artifact: Artifact) -> dict[str, Any]:
    """What a row of ``artifacts`` holds."""
    sealed = artifact.sealed
    return {
        "object_key": sealed.object_key,
        "call_id": call_id,
        "kind": sealed.kind.value,
        "sha256": sealed.sha256,
        "size_bytes": sealed.size_bytes,
        "subject_key_id": sealed.subject_key_id,
        "wrapped_key": sealed.wrapped_key,
        "created_at": artifact.created_at,
        "retain_until": artifact.retain_until,
        "retention_rule": artifact.retention_rule,
    }


def held_artifacts(connection: Connection, where: sa.ColumnElement[bool]) -> tuple[HeldArtifact, ...]:
    """Artifacts from their rows, the oldest first."""
    columns = schema.artifacts.c
    query = sa.select(schema.artifacts).where(where).order_by(columns.created_at, columns.object_key)
    found = connection.execute(query).mappings()
    return tuple(held_artifact(row) for row in found)


def held_artifact(row: RowMapping) -> HeldArtifact:
    """An artifact from its row."""
    sealed = SealedObject(
        kind=ArtifactKind(row["kind"]),
        object_key=row["object_key"],
        sha256=row["sha256"],
        size_bytes=row["size_bytes"],
        subject_key_id=row["subject_key_id"],
        wrapped_key=row["wrapped_key"],
    )
    artifact = Artifact(sealed, row["created_at"], row["retain_until"], row["retention_rule"])
    return HeldArtifact(row["call_id"], artifact)


def _of_subject(subject_id: str) -> sa.ColumnElement[bool]:
    """A call can move to another subject when it is begun again; its old objects are still under the old key."""
    of_calls = sa.select(schema.calls.c.call_id).filter_by(subject_id=subject_id).scalar_subquery()
    of_key = sa.select(schema.subjects.c.key_id).filter_by(subject_id=subject_id).scalar_subquery()
    return schema.artifacts.c.call_id.in_(of_calls) | (schema.artifacts.c.subject_key_id == of_key)


def _note(connection: Connection, call_id: str, what: str, detail: Mapping[str, Any], at: datetime) -> None:
    connection.execute(schema.events.insert().values(at=at, call_id=call_id, what=what, detail=dict(detail)))


def _count(connection: Connection, column: sa.Column[Any], ids: Sequence[str]) -> int:
    """In portions, because a database takes only so many values in one question."""
    portions = (ids[start : start + _PORTION] for start in range(0, len(ids), _PORTION))
    query = sa.select(sa.func.count()).select_from(column.table)
    return sum(connection.execute(query.where(column.in_(portion))).scalar_one() for portion in portions)
