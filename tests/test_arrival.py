"""Calls that are handed in as streams and wait, sealed, until a worker carries them on."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.build import custody
from pipeline.config import load_settings
from pipeline.erasure.erase import carry_out
from pipeline.erasure.plan import plan_erasure
from pipeline.errors import BadAudio, BadMetadata, NotFound, Refused, StoreUnavailable
from pipeline.intake.arrival import Legs, hand_in
from pipeline.metadata import parse_metadata
from pipeline.roles import Role
from pipeline.run import Rooms, process_waiting
from pipeline.types import Channel, Status
from tests import scripted
from tests.factories import pcm16, sound_file
from tests.product import needles, objects, sightings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.custody import Custody

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
CALL = "CA-scripted"
MAX_BYTES = 1 << 24


@dataclass(frozen=True)
class Door:
    """A data folder that calls are handed into, and the rooms that carry them on."""

    folder: Path
    held: Custody
    rooms: Rooms

    def hand_in(self, *streams: Any, named: tuple[Channel, ...] = (), **changed: Any) -> bool:
        """The scripted call, or other streams, in chunks."""
        metadata = parse_metadata(scripted.metadata(**changed))
        whole = streams or (chunks(scripted.recording()),)
        return hand_in(Legs(whole, named), metadata, self.held, self.rooms.retention, MAX_BYTES, NOW)

    def kinds(self) -> list[str]:
        """Kinds of the call's artifacts."""
        return sorted(artifact.sealed.kind.value for artifact in self.held.records.artifacts(CALL))

    def stored(self) -> int:
        """How many objects are in the store."""
        return len(objects(self.folder))


@pytest.fixture(name="door")
def _door(tmp_path: Path) -> Iterator[Door]:
    settings = load_settings(tmp_path / "data")
    held, rooms = custody(settings, Role.INGEST), scripted.rooms(settings)
    yield Door(tmp_path / "data", held, rooms)
    held.records.close()
    rooms.records.close()


def chunks(raw: bytes, size: int = 10_000) -> Iterator[bytes]:
    """A recording as it comes over a network."""
    yield from (raw[at : at + size] for at in range(0, len(raw), size))


def unread() -> Iterator[bytes]:
    """A stream that must not be read."""
    raise AssertionError("the stream was read")
    yield b""


def test_a_call_that_was_handed_in_is_processed_like_any_other(door: Door) -> None:
    """It waits with its original and metadata, comes out stored, and then no original is left of it."""
    assert door.hand_in()
    assert door.kinds() == ["call_metadata", "intake"]
    outcome = process_waiting(CALL, door.rooms, NOW)
    assert outcome.status is Status.STORED
    assert {each["entity_type"] for each in outcome.summary["redactions"]} >= {"CREDIT_CARD", "PERSON"}
    assert not {"call_metadata", "intake"} & set(door.kinds())
    assert door.stored() == len(door.kinds())


def test_a_waiting_call_is_nowhere_plain(door: Door) -> None:
    """Neither what is said nor what the platform says can be found in any file while the call waits."""
    door.hand_in()
    secret = needles(scripted.CALLER, scripted.KNOWN["PERSON"][0], scripted.recording()[80_000:80_064])
    assert sightings(secret, door.folder) == []


def test_the_same_call_waits_once(door: Door) -> None:
    """A second delivery is known by its id, before, while and after the call is processed; its stream is not read."""
    assert door.hand_in()
    assert not door.hand_in(unread())
    process_waiting(CALL, door.rooms, NOW)
    assert not door.hand_in(unread())
    assert process_waiting(CALL, door.rooms, NOW).repeated


def test_deliveries_at_once_leave_one_call(door: Door) -> None:
    """Of two deliveries whose streams are read at the same time one is kept, and nothing of the other."""
    meet = threading.Barrier(2, timeout=20)

    def slow() -> Iterator[bytes]:
        meet.wait()
        yield scripted.recording()

    with ThreadPoolExecutor(2) as pool:
        added = list(pool.map(lambda _: door.hand_in(slow()), range(2)))
    assert sorted(added) == [False, True]
    assert door.kinds() == ["call_metadata", "intake"]
    assert door.stored() == 2


def test_legs_keep_their_order(door: Door) -> None:
    """A call of one stream per leg is heard as the agent and the customer that the sender named."""
    voices = scripted.samples(scripted.script())
    agent, customer = (sound_file(pcm16(voice[None]), scripted.RATE_HZ) for voice in voices)
    named = (Channel.CUSTOMER, Channel.AGENT)
    door.hand_in(chunks(customer), chunks(agent), named=named)
    summary = process_waiting(CALL, door.rooms, NOW).summary
    assert summary["channels"] == ["customer", "agent"]
    assert {each["channel"] for each in summary["redactions"] if each["entity_type"] == "CREDIT_CARD"} >= {"customer"}


@pytest.mark.parametrize("streams", [(b"",), (b"x" * (MAX_BYTES + 1),), (b"RIFF", b"")])
def test_a_useless_stream_is_refused_and_leaves_nothing(door: Door, streams: tuple[bytes, ...]) -> None:
    """An empty or oversized stream is bad input; no object and no waiting call stays, and the call may come again."""
    with pytest.raises(BadAudio):
        door.hand_in(*([each] if each else [] for each in streams))
    assert door.stored() == 0
    assert door.hand_in()


def test_a_stream_that_breaks_leaves_nothing(door: Door) -> None:
    """When the line is cut the error goes to the sender, and the store is as it was."""

    def cut() -> Iterator[bytes]:
        yield scripted.recording()[:20_000]
        raise StoreUnavailable("the line was cut")

    with pytest.raises(StoreUnavailable):
        door.hand_in(cut())
    assert door.stored() == 0
    with pytest.raises(NotFound):
        process_waiting(CALL, door.rooms, NOW)


def test_a_call_without_an_id_is_refused(door: Door) -> None:
    """A second delivery could not be told from the first."""
    with pytest.raises(BadMetadata, match="call_id"):
        door.hand_in(unread(), call_id=None)


def test_what_cannot_be_processed_is_quarantined_with_its_original(door: Door) -> None:
    """The sender may have nothing left, so the original stays, sealed, with a reason and a date by which it goes."""
    door.hand_in([b"this is no recording"])
    with pytest.raises(BadAudio):
        process_waiting(CALL, door.rooms, NOW)
    record = door.held.records.call(CALL)
    assert record is not None
    assert record.status is Status.QUARANTINED
    assert record.summary["error"]["kind"] == "BadAudio"
    assert door.kinds() == ["call_metadata", "intake"]
    assert all(NOW < each.retain_until <= NOW + timedelta(days=30) for each in door.held.records.artifacts(CALL))
    assert not door.hand_in(unread())


def test_a_failure_that_may_pass_leaves_the_call_waiting(door: Door) -> None:
    """The call is processed from the same original when it is tried again."""
    door.hand_in()

    def broken() -> Any:
        raise StoreUnavailable("for a moment")

    with pytest.raises(StoreUnavailable):
        process_waiting(CALL, replace(door.rooms, transcriber=broken), NOW)
    assert door.kinds() == ["call_metadata", "intake"]
    assert process_waiting(CALL, door.rooms, NOW).status is Status.STORED


def test_an_erasure_reaches_a_waiting_call(door: Door) -> None:
    """Nothing is left to process, and the same call is not taken in again."""
    door.hand_in()
    plan = plan_erasure(door.held.records, door.held.root.subject_id(scripted.CALLER))
    officer = custody(load_settings(door.folder), Role.PRIVACY_OFFICER)
    carry_out(plan, officer, lambda: NOW)
    officer.records.close()
    assert door.stored() == 0
    with pytest.raises(NotFound):
        process_waiting(CALL, door.rooms, NOW)
    with pytest.raises(Refused):
        door.hand_in()
    assert door.stored() == 0
