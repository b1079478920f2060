"""The proof of an erasure: ciphertexts and wrapped keys are kept aside before it, and tried afterwards. Gives counts.

What is kept aside stands for what an attacker, or a backup, copied before: the beginning of some objects as they lay in
the store, and the subject keys as rows of the database had them. Afterwards they are tried with everything that is
left: the rows that were kept aside with today's root key and shares, the keys that the same people have today, and the
root key itself. The listing of the store and the rows of the database are looked through for whatever was to go.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pipeline.archive import Archive, place
from pipeline.erasure.rows import artifacts_in_reach, subject_keys
from pipeline.errors import CannotOpen, NotFound, StoreUnavailable, VerificationFailed
from pipeline.keys import open_subject_key
from pipeline.seal import SEGMENT_BYTES
from pipeline.store.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from pipeline.custody import Custody
    from pipeline.db import HeldArtifact
    from pipeline.erasure.plan import ErasurePlan
    from pipeline.keys import OpenSubjectKey, RootKey, SubjectKey

SAMPLE_OBJECTS: Final = 5
_SAMPLE_BYTES: Final = SEGMENT_BYTES + 1  # a whole first segment, and one byte to show that it is not the last


@dataclass(frozen=True, slots=True)
class Copy:
    """The beginning of a ciphertext, and whether it opened before the erasure."""

    held: HeldArtifact
    ciphertext: bytes = field(repr=False)
    opened_before: bool


@dataclass(frozen=True, slots=True)
class Aside:
    """What was kept aside."""

    copies: tuple[Copy, ...]
    keys: tuple[SubjectKey, ...]


@dataclass(frozen=True, slots=True)
class Proof:
    """What was tried after the keys were destroyed; nothing of it opened.

    Args:
        copies_tried: ciphertexts.
        copies_opened_before: how many of them did open before. Fewer than tried when an earlier attempt had already
            destroyed the key, or the root key is another.
        keys_tried: wrapped subject keys, as an old copy of the database has them.
    """

    copies_tried: int
    copies_opened_before: int
    keys_tried: int


def keep_aside(plan: ErasurePlan, held: Custody) -> Aside:
    """Copies of a few objects, and of all wrapped keys that go.

    Objects' names are random, so the first by name are a fair sample.
    """
    going = set(plan.key_ids)
    keys = tuple(key for key in subject_keys(held.records, plan.owner_ids) if key.key_id in going)
    opened = tuple(_opened(held.root, keys))
    names = set(plan.object_keys)
    found = artifacts_in_reach(held.records, (*plan.call_ids, *plan.leg_call_ids), plan.key_ids)
    known = sorted(
        (each for each in found if each.artifact.sealed.object_key in names),
        key=lambda each: each.artifact.sealed.object_key,
    )
    copies = (_copy(each, held.archive, opened) for each in known[:SAMPLE_OBJECTS])
    return Aside(tuple(filter(None, copies)), keys)


def prove(plan: ErasurePlan, held: Custody, aside: Aside, locked: Collection[str] = ()) -> Proof:
    """Looks for what was to go, but for objects that are ``locked``, and tries what was kept aside.

    Raises:
        VerificationFailed: objects or rows are left, or something opens.
    """
    gone = (object_key for object_key in plan.object_keys if object_key not in locked)
    objects = sum(1 for object_key in gone for _ in held.archive.store.list(object_key))
    rows = held.records.count_rows(plan.key_ids, plan.call_ids, plan.object_keys)
    old = tuple(_opened(held.root, aside.keys))
    today = tuple(_opened(held.root, subject_keys(held.records, plan.owner_ids)))
    opening = sum(
        opens(copy.held, copy.ciphertext, (*old, *today)) or _root_opens(held.root, copy) for copy in aside.copies
    )
    if objects or rows or opening or old:
        raise VerificationFailed(
            f"erasure {plan.erasure_id}: {objects} objects and {rows} rows are left, {opening} copies still open, "
            f"and so do {len(old)} old keys"
        )
    opened_before = sum(copy.opened_before for copy in aside.copies)
    return Proof(len(aside.copies), opened_before, len(aside.keys))


def opens(held: HeldArtifact, ciphertext: bytes, keys: Sequence[OpenSubjectKey]) -> bool:
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


def _copy(held: HeldArtifact, archive: Archive, keys: Sequence[OpenSubjectKey]) -> Copy | None:
    try:
        with archive.store.open(held.artifact.sealed.object_key) as raw:
            ciphertext = raw.read(_SAMPLE_BYTES)
    except (NotFound, StoreUnavailable):
        return None  # nothing may keep the key from being destroyed
    return Copy(held, ciphertext, opens(held, ciphertext, keys))


def _opened(root: RootKey, keys: Sequence[SubjectKey]) -> Iterator[OpenSubjectKey]:
    for key in keys:
        try:
            yield open_subject_key(root, key)
        except CannotOpen:
            continue  # destroyed; or made under a root key that is lost, and opens nothing already


def _root_opens(root: RootKey, copy: Copy) -> bool:
    sealed = copy.held.artifact.sealed
    try:
        root.unwrap(sealed.wrapped_key, place(copy.held.call_id, sealed.kind, sealed.object_key))
    except CannotOpen:
        return False
    return True
