"""What an erasure is going to do: takes the records and a subject, gives a plan. Ids, counts and reasons only.

A person is found by their number on either side of a call. Calls on which they are the customer are sealed under
their own key; calls on which they are the company's side (an agent's direct line, the company's own number) are sealed
under the key of the customer. The plan names every call, every object with its hash and every key that goes, and
every call that stays although it was asked for, with the reason (``pipeline.retention.holds``).

Promises: planning changes nothing. A plan merged with the plan of an attempt that died goes on with its ids.
"""

from __future__ import annotations

import secrets
from collections import Counter
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from pipeline.erasure.rows import artifacts_in_reach, calls_of_party, exported
from pipeline.errors import NotFound
from pipeline.retention.holds import held_calls
from pipeline.types import Channel, Status

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pipeline.db import CallRecord, ErasureRecord, HeldArtifact, Records
    from pipeline.erasure.rows import Behind
    from pipeline.retention.holds import Hold


@dataclass(frozen=True, slots=True)
class ErasedObject:
    """One object that goes: its name in the store, whose it was, and the SHA-256 (hex) of what it held."""

    object_key: str
    call_id: str
    kind: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Kept:
    """A call that stays although it was asked for, and why."""

    call_id: str
    reason: str
    hold_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ErasurePlan:
    """What an erasure is going to remove.

    Args:
        erasure_id: its name in the records.
        subject_id: the person, as a keyed hash.
        call_ids: calls to remove.
        leg_call_ids: calls of which only the person's leg is silenced; the rest is sealed again for the other party.
        objects: objects to destroy, those of both.
        key_ids: keys to destroy; what stays of theirs is wrapped under a new one.
        owner_ids: subjects whose keys these are.
        kept: calls that stay, with the reason.
        as_customer: on how many of the calls that go the person is the customer.
        as_company: on how many they are the company's side.
        exported_call_ids: calls that go and that were exported before; those copies are in other hands.
        identity: how it was verified who asks (configs/rights.toml); None where nobody said.
        resumed: whether an earlier attempt died and this one goes on with it.
    """

    erasure_id: str
    subject_id: str
    call_ids: tuple[str, ...]
    leg_call_ids: tuple[str, ...]
    objects: tuple[ErasedObject, ...]
    key_ids: tuple[str, ...]
    owner_ids: tuple[str, ...]
    kept: tuple[Kept, ...] = ()
    as_customer: int = 0
    as_company: int = 0
    exported_call_ids: tuple[str, ...] = ()
    identity: str | None = None
    resumed: bool = False

    @property
    def object_keys(self) -> tuple[str, ...]:
        """Names of the objects."""
        return tuple(found.object_key for found in self.objects)

    @property
    def kinds(self) -> dict[str, int]:
        """How many of the objects are of which kind."""
        return dict(Counter(found.kind for found in self.objects))

    @property
    def size_bytes(self) -> int:
        """Of their plaintext, all together."""
        return sum(found.size_bytes for found in self.objects)

    @property
    def empty(self) -> bool:
        """Whether nothing goes."""
        return not (self.call_ids or self.leg_call_ids or self.objects or self.key_ids)


def plan_erasure(records: Records, subject_id: str, *, leg_only: bool = False) -> ErasurePlan:
    """What there is to erase; changes nothing.

    Args:
        records: the database.
        subject_id: the person, as either side of a call.
        leg_only: silence the person's leg where a call has two channels, and keep the rest; other calls go whole.

    Raises:
        NotFound: nothing is held of the person, and no erasure of them is under way.
    """
    begun = [erasure for erasure in records.erasures_of_subject(subject_id) if erasure.finished_at is None]
    fresh = _read(records, subject_id, leg_only=leg_only)
    if begun:
        return _joined(fresh, begun[0])
    if fresh.empty and not fresh.kept:
        raise NotFound("nothing is held of this caller")
    return fresh


def refreshed(plan: ErasurePlan, records: Records) -> ErasurePlan:
    """The plan, with what has come since it was made."""
    return merged(plan, _read(records, plan.subject_id, leg_only=bool(plan.leg_call_ids)))


def with_behind(plan: ErasurePlan, behind: Behind) -> ErasurePlan:
    """The plan with what turned up under a key when it was taken away, and without what was held by then."""
    kept = plan.kept + tuple(each for each in kept_by(behind.held) if each.call_id in plan.call_ids)
    staying = set(behind.held)
    found = (call.call_id for call in behind.calls if call.call_id not in plan.leg_call_ids)
    objects = {each.object_key: each for each in (*plan.objects, *map(erased_object, behind.artifacts))}
    return replace(
        plan,
        call_ids=tuple(each for each in _union(plan.call_ids, tuple(found)) if each not in staying),
        objects=tuple(each for each in objects.values() if each.call_id not in staying),
        kept=kept,
    )


def merged(plan: ErasurePlan, other: ErasurePlan) -> ErasurePlan:
    """``plan`` with what ``other`` knows beyond it; a call that goes whole in one of them goes whole."""
    call_ids = _union(plan.call_ids, other.call_ids)
    objects = {found.object_key: found for found in (*plan.objects, *other.objects)}
    legs = tuple(found for found in _union(plan.leg_call_ids, other.leg_call_ids) if found not in set(call_ids))
    return replace(
        plan,
        call_ids=call_ids,
        leg_call_ids=legs,
        objects=tuple(objects.values()),
        key_ids=_union(plan.key_ids, other.key_ids),
        owner_ids=_union(plan.owner_ids, other.owner_ids),
        kept=tuple(found for found in other.kept if found.call_id not in set(call_ids + legs)),
        as_customer=max(plan.as_customer, other.as_customer),
        as_company=max(plan.as_company, other.as_company),
        exported_call_ids=_union(plan.exported_call_ids, other.exported_call_ids),
    )


def to_report(plan: ErasurePlan) -> dict[str, Any]:
    """As the records keep it: of calls that stay only the ids, for a reason may name a case."""
    return asdict(plan) | {"kept": [], "held_call_ids": [found.call_id for found in plan.kept]}


def from_report(report: Mapping[str, Any], *, resumed: bool) -> ErasurePlan:
    """The opposite of ``to_report``."""
    ids = {
        name: tuple(report[name]) for name in ("call_ids", "leg_call_ids", "key_ids", "owner_ids", "exported_call_ids")
    }
    return ErasurePlan(
        erasure_id=report["erasure_id"],
        subject_id=report["subject_id"],
        objects=tuple(ErasedObject(**found) for found in report["objects"]),
        kept=tuple(Kept(call_id, "held when it was asked for") for call_id in report["held_call_ids"]),
        as_customer=report["as_customer"],
        as_company=report["as_company"],
        identity=report["identity"],
        resumed=resumed,
        **ids,
    )


def erased_object(held: HeldArtifact) -> ErasedObject:
    """What a plan says of an artifact."""
    sealed = held.artifact.sealed
    return ErasedObject(sealed.object_key, held.call_id, sealed.kind.value, sealed.sha256, sealed.size_bytes)


def has_two_legs(call: CallRecord) -> bool:
    """Whether the call is kept with both parties on a channel of their own, so that one can be silenced."""
    channels = set(call.summary.get("channels", ()))
    both = {Channel.AGENT.value, Channel.CUSTOMER.value} <= channels
    two = call.subject_id != call.agent_subject_id
    return call.status is Status.STORED and both and two and not call.summary.get("silenced")


def _read(records: Records, subject_id: str, *, leg_only: bool) -> ErasurePlan:
    calls = calls_of_party(records, subject_id)
    held = held_calls(records.engine, [call.call_id for call in calls])
    going = [call for call in calls if call.call_id not in held]
    legs = {call.call_id for call in going if leg_only and has_two_legs(call)}
    owners = dict.fromkeys([subject_id, *(call.subject_id for call in going)])
    own_keys = records.subject_key_ids(subject_id)
    artifacts = [
        found
        for found in artifacts_in_reach(records, [call.call_id for call in going], own_keys)
        if found.call_id not in held
    ]
    spent = owners if _own_key_goes(subject_id, calls, held) else owners.keys() - {subject_id}
    keys = [found.artifact.sealed.subject_key_id for found in artifacts]
    keys += [key_id for owner in owners if owner in spent for key_id in records.subject_key_ids(owner)]
    as_customer = sum(call.subject_id == subject_id for call in going)
    return ErasurePlan(
        erasure_id=secrets.token_hex(16),
        subject_id=subject_id,
        call_ids=tuple(call.call_id for call in going if call.call_id not in legs),
        leg_call_ids=tuple(call.call_id for call in going if call.call_id in legs),
        objects=tuple(map(erased_object, artifacts)),
        key_ids=tuple(dict.fromkeys(keys)),
        owner_ids=tuple(owners),
        kept=kept_by(held),
        as_customer=as_customer,
        as_company=len(going) - as_customer,
        exported_call_ids=exported(records, [call.call_id for call in going]),
    )


def kept_by(held: Mapping[str, tuple[Hold, ...]]) -> tuple[Kept, ...]:
    """Calls that holds keep, with what the first of them says."""
    return tuple(
        Kept(
            call_id,
            f"{holds[0].kind.value} {holds[0].hold_id}, case {holds[0].case_id}: {holds[0].reason}",
            tuple(hold.hold_id for hold in holds),
        )
        for call_id, holds in held.items()
    )


def _own_key_goes(subject_id: str, calls: Sequence[CallRecord], held: Collection[str]) -> bool:
    """Unless all that is sealed under it is held."""
    own = [call.call_id for call in calls if call.subject_id == subject_id]
    return not own or any(call_id not in held for call_id in own)


def _joined(fresh: ErasurePlan, begun: ErasureRecord) -> ErasurePlan:
    """The plan of the records, with what the rows show beyond it."""
    return merged(from_report(begun.report, resumed=True), fresh)


def _union(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(first + second))
