"""Arrival: a finished call is handed in by a hook or an archive and waits, sealed, to be processed.

Takes streams and what the platform says; gives the call's id. A waiting call is a call that is begun and holds its
originals and its metadata as sealed artifacts: what erases, holds, expires or rotates artifacts reaches it too. Nothing
of it is plain outside memory, and a job needs no more than its id.

Order of writes: originals and metadata are sealed, then one transaction adds the call and their rows. Dying before it
leaves objects that ``pipeline.sweep`` removes; the sender, who was told nothing, sends again. The same call handed in
twice, one after the other or at once, waits once.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from pipeline.db import CallRecord
from pipeline.errors import BadMetadata, NotFound, Temporary
from pipeline.intake.ingest import Delivery, Intake, reopen, seal_stream
from pipeline.keys import anonymous_subject_id
from pipeline.metadata import parse_metadata
from pipeline.retention import retain
from pipeline.retention.retain import Context
from pipeline.types import Artifact, ArtifactKind, Channel, Status
from pipeline.unclaimed import undo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from pipeline.archive import Archive
    from pipeline.custody import Custody
    from pipeline.db import Records
    from pipeline.keys import OpenSubjectKey, RootKey
    from pipeline.metadata import CallMetadata
    from pipeline.retention.retain import RetentionPolicy
    from pipeline.run import Rooms
    from pipeline.types import SealedObject

NOT_YET: Final = ""  # fingerprint of a call that no policy has been applied to


@dataclass(frozen=True, slots=True)
class Legs:
    """The recording of a call as it comes in.

    Args:
        streams: one of all channels, or one per leg, each as chunks of bytes.
        named: who is heard on each stream, where there is one per leg; else empty.
        urls: where the recording, or each leg of it, can be fetched later, in the place of streams.
    """

    streams: Sequence[Iterable[bytes]] = field(repr=False, default=())
    named: tuple[Channel, ...] = ()
    urls: tuple[str, ...] = field(repr=False, default=())


@dataclass(frozen=True, slots=True)
class Waiting:
    """A waiting call, opened: what is needed to process it."""

    record: CallRecord
    delivery: Delivery
    intake: Intake
    subject: OpenSubjectKey


def hand_in(
    legs: Legs, metadata: CallMetadata, held: Custody, retention: RetentionPolicy, max_bytes: int, now: datetime
) -> bool:
    """Seal a finished call and let it wait; gives False if it is held already, and then reads no stream.

    Args:
        legs: the recording.
        metadata: with the platform's ``call_id``, by which a second delivery is known.
        held: keys, store and records.
        retention: until when an original may wait.
        max_bytes: of each stream.
        now: the time of arrival.

    Raises:
        BadMetadata: there is no ``call_id``, or it belongs to another recording.
        BadAudio: a stream is empty or larger than ``max_bytes``.
        Refused: the call was erased, or its caller restricts processing.
        CommitInDoubt: the call waits, whole, or nothing is kept; send again.
        StoreUnavailable: nothing is kept; send again.
    """
    call_id = metadata.call_id
    if call_id is None:
        raise BadMetadata("call_id: a call that is handed in needs the platform's id")
    if _is_held(held, call_id):
        return False
    subject_id = subject_of(metadata, held.root)
    subject = held.records.subject_for(subject_id, held.root, now)
    sealed: list[SealedObject] = []
    try:
        sealed.extend(seal_stream(stream, call_id, held.archive, subject, max_bytes) for stream in legs.streams)
        source_sha256 = source_of([each.sha256 for each in sealed], call_id)
        held.ledger.refuse_erased(call_id, source_sha256, subject_id, metadata.started_at)
        sealed.append(described(legs, metadata, sealed, held.archive, subject))
        record = record_of(metadata, subject_id, source_sha256, held.root, now)
        added = held.records.receive_call(record, as_waiting(sealed, retention, Context(), now))
    except BaseException as exc:
        undo(sealed, held.archive, held.records, exc)
        raise
    if not added:
        for each in sealed:
            held.archive.destroy(each)
    return added


def open_waiting(call_id: str, records: Records, archive: Archive, root: RootKey, now: datetime) -> Waiting | None:
    """The waiting call; None if it is done already.

    Raises:
        NotFound: there is no such call, or no original of it: it was erased, or has expired.
        CannotOpen: its metadata does not open.
    """
    record = records.call(call_id)
    if record is None:
        raise NotFound(f"there is no call {call_id}")
    return None if record.status is not None else open_held(record, records, archive, root, now)


def open_held(record: CallRecord, records: Records, archive: Archive, root: RootKey, now: datetime) -> Waiting:
    """A call that was handed in and still has its originals, whatever became of it.

    Raises:
        NotFound: there is no original of it: it was erased, has expired or was not needed any more.
        Temporary: its recording was not fetched yet.
        CannotOpen: its metadata does not open.
    """
    call_id = record.call_id
    originals = {artifact.sealed.object_key: artifact.sealed for artifact in records.artifacts(call_id)}
    described = [each for each in originals.values() if each.kind is ArtifactKind.CALL_METADATA]
    if not described:
        raise NotFound(f"there is no original of call {call_id}")
    subject = records.subject_for(record.subject_id, root, now)
    wrapper = json.loads(archive.read(described[0], call_id, subject))
    if not wrapper["objects"]:
        raise Temporary(f"the recording of call {call_id} was not fetched yet")
    parts = [originals[name] for name in wrapper["objects"]]
    metadata = parse_metadata(json.dumps(wrapper["metadata"]).encode())
    delivery = Delivery((), tuple(map(Channel, wrapper["legs"])), metadata)
    intake = Intake((*parts, described[0]), reopen(parts, call_id, archive, subject))
    return Waiting(record, delivery, intake, subject)


def fetch_announced(
    call_id: str,
    rooms: Rooms,
    fetch: Callable[[str], Iterable[bytes]],
    now: datetime,
) -> bool:
    """Fetch and seal the recording of a call that was handed in by URL; gives False if there is nothing to fetch.

    Args:
        call_id: of the call.
        rooms: keys, store and records.
        fetch: gives the bytes behind a URL.
        now: the time.

    Raises:
        BadAudio: the recording is empty or larger than the limit.
        Refused: the call was erased, or may not be fetched from there.
        StoreUnavailable: not there yet, nothing is kept, or that is in doubt; try again.
    """
    record = rooms.records.call(call_id)
    artifacts = rooms.records.artifacts(call_id)
    described = [each.sealed for each in artifacts if each.sealed.kind is ArtifactKind.CALL_METADATA]
    if record is None or record.status is not None or len(artifacts) != 1 or not described:
        return False
    subject = rooms.records.subject_for(record.subject_id, rooms.root, now)
    wrapper = json.loads(rooms.archive.read(described[0], call_id, subject))
    sealed: list[SealedObject] = []
    try:
        limit = rooms.audio.max_bytes
        sealed.extend(seal_stream(fetch(url), call_id, rooms.archive, subject, limit) for url in wrapper["urls"])
        source_sha256 = source_of([each.sha256 for each in sealed], call_id)
        rooms.ledger.refuse_erased(call_id, source_sha256, record.subject_id, record.started_at)
        sealed.append(_described(wrapper, sealed, call_id, rooms.archive, subject))
        waiting = as_waiting(sealed, rooms.retention, Context(), now)
        replaced = rooms.records.replace_originals(replace(record, source_sha256=source_sha256), waiting, now)
    except BaseException as exc:
        undo(sealed, rooms.archive, rooms.records, exc)
        raise
    for each in replaced:
        rooms.archive.destroy(each)
    return True


def urls_of(call_id: str, rooms: Rooms, now: datetime) -> tuple[str, ...]:
    """Where the sealed originals of a waiting call were fetched from; nothing if they were not fetched, or not yet."""
    record = rooms.records.call(call_id)
    artifacts = rooms.records.artifacts(call_id)
    described = [each.sealed for each in artifacts if each.sealed.kind is ArtifactKind.CALL_METADATA]
    if record is None or record.status is not None or not described:
        return ()
    subject = rooms.records.subject_for(record.subject_id, rooms.root, now)
    wrapper = json.loads(rooms.archive.read(described[0], call_id, subject))
    return tuple(wrapper["urls"]) if wrapper["objects"] else ()


def subject_of(metadata: CallMetadata, root: RootKey) -> str:
    """The caller, as a keyed hash; somebody of their own where no number is known."""
    return root.subject_id(metadata.customer_number) if metadata.customer_number else anonymous_subject_id()


def record_of(metadata: CallMetadata, subject_id: str, source_sha256: str, root: RootKey, now: datetime) -> CallRecord:
    """What is known about a call that has an id and waits."""
    return CallRecord(
        call_id=str(metadata.call_id),
        subject_id=subject_id,
        source_sha256=source_sha256,
        fingerprint=NOT_YET,
        received_at=now,
        started_at=metadata.started_at,
        agent_subject_id=root.subject_id(metadata.agent_number) if metadata.agent_number else None,
    )


def described(
    legs: Legs, metadata: CallMetadata, sealed: Sequence[SealedObject], archive: Archive, subject: OpenSubjectKey
) -> SealedObject:
    """What is known of a call that has an id, and which objects are its recording, sealed."""
    wrapper = {"metadata": metadata.model_dump(mode="json"), "legs": legs.named, "urls": legs.urls}
    return _described(wrapper, sealed, str(metadata.call_id), archive, subject)


def _described(
    wrapper: Mapping[str, Any],
    sealed: Sequence[SealedObject],
    call_id: str,
    archive: Archive,
    subject: OpenSubjectKey,
) -> SealedObject:
    """What the platform says and which objects are the recording, sealed."""
    whole = json.dumps({**wrapper, "objects": [each.object_key for each in sealed]}).encode()
    return archive.put(call_id, ArtifactKind.CALL_METADATA, subject, whole, verify=False)


def _is_held(held: Custody, call_id: str) -> bool:
    before = held.records.call(call_id)
    if before is None:
        return False
    done = before.status is not None and "error" not in before.summary
    return done or bool(held.records.artifacts(call_id))


def as_waiting(
    sealed: Sequence[SealedObject], retention: RetentionPolicy, context: Context, now: datetime
) -> list[Artifact]:
    """The rows of originals: they may wait as long as those in quarantine."""
    kinds = {each.kind for each in sealed}
    until = retain.plan(kinds, retention, Status.QUARANTINED, context, started_at=None, now=now)
    return [Artifact(each, now, until[each.kind].retain_until, until[each.kind].rule) for each in sealed]


def source_of(parts: Sequence[str], call_id: str) -> str:
    """The digest of a recording; one that is still to be fetched has a name of its own, which no other call shares."""
    if not parts:
        return hashlib.sha256(f"announced {call_id}".encode()).hexdigest()
    return parts[0] if len(parts) == 1 else hashlib.sha256("".join(parts).encode()).hexdigest()
