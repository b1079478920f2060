"""Erasure: takes a subject, gives a report that nothing of the subject can be read any more. Ids and counts only.

The order is what makes it safe to die at any point and start again::

    begun            the ids of calls and objects are in the ledger, so that they can be checked after the rows are gone
    sampled          ciphertexts of some objects are in memory, and were opened with the key, to show that they can be
    shredded         the subject's key is destroyed: from here on nothing can be read, whatever else goes wrong
    objects_deleted  every object is gone from the store
    rows_deleted     no row of the subject is left
    verified         the listing has none of the objects, the database none of the rows, and the sample does not open
    finished         the ledger has the report

``plan_erasure`` after a crash finds the ledger's entry and goes on with its ids. Every step can be done twice. The
sample stands for what an attacker might have copied before: it is tried against every key that is left.

NIST SP 800-88 calls this cryptographic erase; it holds because an object never existed in the store other than sealed.
Copies of the *database and the key file* that were made before the erasure can still open copies of
the objects made before: backups of the two are the operator's, and expire on the operator's schedule.
"""

from __future__ import annotations

import secrets
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pipeline.archive import Archive, place
from pipeline.db import ErasureRecord, HeldArtifact, Records
from pipeline.errors import CannotOpen, NotFound, StoreUnavailable, VerificationFailed
from pipeline.keys import open_subject_key
from pipeline.seal import SEGMENT_BYTES
from pipeline.store.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from pipeline.keys import OpenSubjectKey, RootKey

SAMPLE_OBJECTS: Final = 5
_SAMPLE_BYTES: Final = SEGMENT_BYTES + 1  # a whole first segment, and one byte to show that it is not the last
METHOD: Final = "cryptographic erase of the subject key, then deletion of every object and row"


@dataclass(frozen=True, slots=True)
class ErasurePlan:
    """What an erasure is going to remove.

    Args:
        erasure_id: its name in the ledger.
        subject_id: the caller, as a keyed hash.
        key_ids: keys to shred.
        call_ids: calls to remove.
        object_keys: objects to remove.
        kinds: how many of these objects are of which kind.
        size_bytes: of their plaintext, all together.
        resumed: whether an earlier attempt died and this one goes on with it.
    """

    erasure_id: str
    subject_id: str
    key_ids: tuple[str, ...]
    call_ids: tuple[str, ...]
    object_keys: tuple[str, ...]
    kinds: dict[str, int]
    size_bytes: int
    resumed: bool = False


@dataclass(frozen=True, slots=True)
class ErasureReport:
    """What an erasure has removed, and how that was checked.

    Args:
        plan: what was removed.
        requested_at: when it was begun.
        finished_at: when it was verified.
        method: in one sentence.
        copies_tried: ciphertexts that were kept aside and tried after the key was destroyed; none of them opened.
        copies_opened_before: how many of them did open before. Fewer than tried when an earlier attempt had already
            destroyed the key.
    """

    plan: ErasurePlan
    requested_at: datetime
    finished_at: datetime
    method: str
    copies_tried: int
    copies_opened_before: int


@dataclass(frozen=True, slots=True)
class _Copy:
    """A ciphertext taken before the erasure: its first segment or all of it."""

    held: HeldArtifact
    ciphertext: bytes = field(repr=False)
    opened_before: bool


def plan_erasure(records: Records, subject_id: str) -> ErasurePlan:
    """What there is to erase; changes nothing.

    Raises:
        NotFound: nothing is held of the subject, and no erasure of it is under way.
    """
    held = records.artifacts_of_subject(subject_id)
    fresh = ErasurePlan(
        erasure_id=secrets.token_hex(16),
        subject_id=subject_id,
        key_ids=records.subject_key_ids(subject_id),
        call_ids=tuple(call.call_id for call in records.calls_of_subject(subject_id)),
        object_keys=tuple(found.artifact.sealed.object_key for found in held),
        kinds=dict(Counter(found.artifact.sealed.kind.value for found in held)),
        size_bytes=sum(found.artifact.sealed.size_bytes for found in held),
    )
    begun = [erasure for erasure in records.erasures_of_subject(subject_id) if erasure.finished_at is None]
    if begun:
        return _joined(fresh, begun[0])
    if not fresh.key_ids and not fresh.call_ids and not held:
        raise NotFound("nothing is held of this caller")
    return fresh


def carry_out(
    plan: ErasurePlan,
    records: Records,
    archive: Archive,
    root: RootKey,
    now: datetime,
    *,
    observe: Callable[[str], None] = lambda _step: None,
) -> ErasureReport:
    """Erases what the plan says and whatever of the subject has come since; see the module for the order.

    Done already, it gives the same report again.

    Args:
        plan: from ``plan_erasure``.
        records: the database.
        archive: where the objects are.
        root: the key that the subject's key is wrapped under.
        now: the time of the request.
        observe: called with the name of each step when it is done.

    Raises:
        VerificationFailed: something is still there or still opens; the erasure stays in the ledger as not finished.
        Temporary: the store or the database failed; plan and carry out again.
    """
    known = records.erasure(plan.erasure_id)
    if known is not None and known.finished_at is not None:
        return _from_ledger(known, known.finished_at)
    requested_at = now if known is None else known.requested_at
    records.begin_erasure(ErasureRecord(plan.erasure_id, plan.subject_id, requested_at, None, asdict(plan)))
    observe("begun")
    copies = _sample(records, archive, root, plan.subject_id)
    observe("sampled")
    records.shred_subject_key(plan.subject_id)
    observe("shredded")
    # No row can be added from here on, so this reading is complete; it may know more than the plan does.
    plan = _with_rows(plan, records)
    records.begin_erasure(ErasureRecord(plan.erasure_id, plan.subject_id, requested_at, None, asdict(plan)))
    for object_key in plan.object_keys:
        archive.store.delete(object_key)
    observe("objects_deleted")
    records.delete_subject_rows(plan.subject_id)
    observe("rows_deleted")
    _verify(plan, records, archive, root, copies)
    observe("verified")
    opened = sum(copy.opened_before for copy in copies)
    report = ErasureReport(plan, requested_at, now, METHOD, len(copies), opened)
    records.finish_erasure(plan.erasure_id, _to_ledger(report), now)
    observe("finished")
    return report


def _joined(fresh: ErasurePlan, begun: ErasureRecord) -> ErasurePlan:
    """The plan of the ledger, with what the rows show beyond it."""
    return _merged(_plan_from(begun.report, resumed=True), fresh)


def _with_rows(plan: ErasurePlan, records: Records) -> ErasurePlan:
    try:
        return _merged(plan, plan_erasure(records, plan.subject_id))
    except NotFound:
        return plan


def _merged(plan: ErasurePlan, other: ErasurePlan) -> ErasurePlan:
    """``plan`` with the ids of ``other``; counts are those of whichever saw more objects."""
    larger = plan if len(plan.object_keys) >= len(other.object_keys) else other
    return ErasurePlan(
        erasure_id=plan.erasure_id,
        subject_id=plan.subject_id,
        key_ids=_union(plan.key_ids, other.key_ids),
        call_ids=_union(plan.call_ids, other.call_ids),
        object_keys=_union(plan.object_keys, other.object_keys),
        kinds=larger.kinds,
        size_bytes=larger.size_bytes,
        resumed=plan.resumed,
    )


def _union(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(first + second))


def _sample(records: Records, archive: Archive, root: RootKey, subject_id: str) -> tuple[_Copy, ...]:
    """Copies of a few objects. Their names are random, so the first by name are a fair sample."""
    held = sorted(records.artifacts_of_subject(subject_id), key=lambda found: found.artifact.sealed.object_key)
    keys = _keys_left(records, root, subject_id)
    return tuple(filter(None, (_copy(found, archive, keys) for found in held[:SAMPLE_OBJECTS])))


def _copy(held: HeldArtifact, archive: Archive, keys: Sequence[OpenSubjectKey]) -> _Copy | None:
    try:
        with archive.store.open(held.artifact.sealed.object_key) as raw:
            ciphertext = raw.read(_SAMPLE_BYTES)
    except (NotFound, StoreUnavailable):
        return None  # nothing may keep the key from being destroyed
    return _Copy(held, ciphertext, _opens(held, ciphertext, keys))


def _keys_left(records: Records, root: RootKey, subject_id: str) -> tuple[OpenSubjectKey, ...]:
    key = records.subject_key(subject_id)
    try:
        return () if key is None else (open_subject_key(root, key),)
    except CannotOpen:
        return ()  # made under a root key that is lost: it opens nothing already


def _opens(held: HeldArtifact, ciphertext: bytes, keys: Sequence[OpenSubjectKey]) -> bool:
    """Whether one of the keys opens the start of the object."""
    sealed = held.artifact.sealed
    archive = Archive(MemoryStore())
    with archive.store.put(sealed.object_key) as raw:
        raw.write(ciphertext)
    for key in keys:
        try:
            with archive.open(sealed, held.call_id, key) as reader:
                reader.read(1)
        except CannotOpen:
            continue
        return True
    return False


def _verify(plan: ErasurePlan, records: Records, archive: Archive, root: RootKey, copies: Sequence[_Copy]) -> None:
    objects = sum(1 for object_key in plan.object_keys for _ in archive.store.list(object_key))
    rows = records.count_rows(plan.key_ids, plan.call_ids, plan.object_keys)
    keys = _keys_left(records, root, plan.subject_id)
    opening = sum(_opens(copy.held, copy.ciphertext, keys) or _root_opens(root, copy) for copy in copies)
    if objects or rows or opening:
        raise VerificationFailed(
            f"erasure {plan.erasure_id}: {objects} objects and {rows} rows are left, {opening} copies still open"
        )


def _root_opens(root: RootKey, copy: _Copy) -> bool:
    sealed = copy.held.artifact.sealed
    try:
        root.unwrap(sealed.wrapped_key, place(copy.held.call_id, sealed.kind, sealed.object_key))
    except CannotOpen:
        return False
    return True


def _to_ledger(report: ErasureReport) -> dict[str, Any]:
    return asdict(report.plan) | {
        "method": report.method,
        "copies_tried": report.copies_tried,
        "copies_opened_before": report.copies_opened_before,
    }


def _from_ledger(record: ErasureRecord, finished_at: datetime) -> ErasureReport:
    return ErasureReport(
        plan=_plan_from(record.report, resumed=bool(record.report["resumed"])),
        requested_at=record.requested_at,
        finished_at=finished_at,
        method=record.report["method"],
        copies_tried=record.report["copies_tried"],
        copies_opened_before=record.report["copies_opened_before"],
    )


def _plan_from(report: Mapping[str, Any], *, resumed: bool) -> ErasurePlan:
    return ErasurePlan(
        erasure_id=report["erasure_id"],
        subject_id=report["subject_id"],
        key_ids=tuple(report["key_ids"]),
        call_ids=tuple(report["call_ids"]),
        object_keys=tuple(report["object_keys"]),
        kinds=report["kinds"],
        size_bytes=report["size_bytes"],
        resumed=resumed,
    )
