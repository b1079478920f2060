"""Withdrawal after the call: no more processing, the policy for what is stored, and everything on record."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.build import custody
from pipeline.cli.consent_text import consent_lines
from pipeline.config import load_settings
from pipeline.errors import Refused, Temporary
from pipeline.export import describe_call, export_call, require_purpose, with_words
from pipeline.intake.arrival import Legs, hand_in
from pipeline.intake.ingest import Delivery
from pipeline.metadata import parse_metadata
from pipeline.retention.holds import HoldKind, Scope, add_hold, new_hold, release_hold
from pipeline.retention.holds import Order as HoldOrder
from pipeline.retention.release import carry_out_freed
from pipeline.roles import Role
from pipeline.run import Outcome, Rooms, process, process_waiting
from pipeline.types import ArtifactKind, Purpose, Status
from pipeline.withdraw import apply
from pipeline.withdrawals import Order, Stored, standing, withdrawals, write_down
from tests import scripted
from tests.product import SCRIPTED, objects, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.custody import Custody

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
ORDER = Order("phone", LATER, "op", LATER)


class Place:
    """A data folder with a stored call of a caller who may withdraw."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        settings = load_settings(folder / "data")
        self.rooms: Rooms = scripted.rooms(settings)
        self.held: Custody = custody(settings, Role.PRIVACY_OFFICER)
        self.subject_id = self.held.root.subject_id(scripted.CALLER)
        (folder / "call.wav").write_bytes(scripted.recording())

    def process(self, now: datetime = NOW, rooms: Rooms | None = None, **changed: Any) -> Outcome:
        """The scripted call, or a variant of it, carried through."""
        told = {"recording_notice": "ivr", "notice_purposes": ["quality", "training"]}
        metadata = parse_metadata(scripted.metadata(**({"consent": told} | changed)))
        return process(Delivery((self.folder / "call.wav",), (), metadata), rooms or self.rooms, now)

    def withdraw(self, *purposes: Purpose, stored: Stored = "discard") -> tuple[str, ...]:
        """What a withdrawal changed."""
        write_down(self.held.records.engine, withdrawals(self.subject_id, purposes, ORDER, stored))
        return apply(self.held, self.subject_id, LATER).changed

    def kinds(self, call_id: str = "CA-scripted") -> set[ArtifactKind]:
        """What is held of a call; the store holds that and no more."""
        return {each.sealed.kind for each in self.held.records.artifacts(call_id)}


@pytest.fixture(name="place")
def _place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    place.process()
    yield place
    place.held.records.close()
    place.rooms.records.close()


def test_stored_calls_are_destroyed(place: Place) -> None:
    """Recording and transcript go, the consent record stays as the proof, and the history says what was lawful."""
    assert place.withdraw() == ("CA-scripted",)
    assert place.kinds() == {ArtifactKind.CONSENT_RECORD}
    assert len(objects(place.folder / "data")) == 1
    described = describe_call("CA-scripted", place.held.records)
    assert (described["status"], described["consent"]["verdict"]) == ("discarded", "implied")
    assert described["consent"]["withdrawn_at"] == "2026-11-24T13:00:00Z"
    last = described["history"][-1]
    assert (last["what"], last["channel"], last["lawful_before"]) == ("consent withdrawn", "phone", True)
    assert {each["lawful"] for each in described["consent"]["purposes"].values()} == {False}


def test_done_twice_is_done_once(place: Place) -> None:
    """Applied again, a withdrawal changes nothing."""
    place.withdraw()
    before = describe_call("CA-scripted", place.held.records)
    assert apply(place.held, place.subject_id, LATER + timedelta(days=1)).changed == ()
    assert describe_call("CA-scripted", place.held.records) == before


def test_kept_calls_are_closed(place: Place) -> None:
    """Where the policy keeps stored calls, nothing of them may leave any more."""
    place.withdraw(stored="keep")
    assert len(place.kinds()) == 4
    held = place.held
    with pytest.raises(Refused, match="withdrew"):
        export_call("CA-scripted", place.folder / "out", held.archive, held.records, held.root, LATER)


def test_one_purpose(place: Place) -> None:
    """Who withdraws from training closes that for stored and for later calls, and leaves everything else as it was."""
    place.withdraw(Purpose.TRAINING)
    place.process(LATER, call_id="CA-later")
    for call_id in ("CA-scripted", "CA-later"):
        assert place.held.records.call(call_id).status is Status.STORED  # type: ignore[union-attr]
        require_purpose(call_id, Purpose.QUALITY, place.held.records)
        with pytest.raises(Refused, match="training"):
            require_purpose(call_id, Purpose.TRAINING, place.held.records)


def test_later_calls_are_not_listened_to(place: Place) -> None:
    """A call of the caller that comes later, or waited in a queue, is not heard: only the decision is kept."""
    place.withdraw()

    def nobody() -> Any:
        raise AssertionError("the call was listened to")

    deaf = replace(place.rooms, vad=nobody, transcriber=nobody, diarizer=nobody, recognizer=nobody)
    outcome = place.process(LATER, deaf, call_id="CA-later")
    assert (outcome.status, outcome.summary["consent"]["verdict"]) == (Status.DISCARDED, "withdrawn")
    first = outcome.summary["consent"]["evidence"][0]
    assert (first["rule"], first["at"]) == ("withdrawn:phone", "2026-11-24T13:00:00Z")
    assert place.kinds("CA-later") == {ArtifactKind.CONSENT_RECORD}
    assert place.process(LATER, caller="+12025550199", call_id="CA-other").status is Status.STORED


def test_a_call_in_the_queue(place: Place) -> None:
    """A call that was waiting when its caller withdrew consent is not heard, and its sealed original goes."""
    metadata = parse_metadata(scripted.metadata(call_id="CA-waits"))
    whole = Legs((iter([scripted.recording()]),), ())
    door = custody(load_settings(place.folder / "data"), Role.INGEST)
    assert hand_in(whole, metadata, door, place.rooms.retention, 1 << 24, NOW)
    door.records.close()
    place.withdraw()
    assert len(place.kinds("CA-waits")) == 2
    assert process_waiting("CA-waits", place.rooms, LATER).status is Status.DISCARDED
    assert place.kinds("CA-waits") == {ArtifactKind.CONSENT_RECORD}
    assert len(objects(place.folder / "data")) == 2


def test_a_call_in_flight(place: Place) -> None:
    """Consent that is withdrawn while a call is processed stops it at its end; tried again, it is not listened to."""

    def withdrawn(stage: str) -> None:
        if stage == "seal":
            write_down(place.held.records.engine, withdrawals(place.subject_id, (), ORDER, "discard"))

    metadata = parse_metadata(scripted.metadata(call_id="CA-flight"))
    delivery = Delivery((place.folder / "call.wav",), (), metadata)
    before = objects(place.folder / "data")
    with pytest.raises(Temporary, match="withdrew"):
        process(delivery, place.rooms, NOW, withdrawn)
    assert objects(place.folder / "data") == before
    assert process(delivery, place.rooms, LATER).status is Status.DISCARDED


def test_consent_given_again(place: Place) -> None:
    """A call for which the caller consented anew, after the withdrawal, is processed."""
    place.withdraw()
    again = {"given": "yes", "given_at": (LATER + timedelta(days=1)).isoformat()}
    earlier = {"given": "yes", "given_at": NOW.isoformat()}
    later = LATER + timedelta(days=2)
    assert place.process(later, call_id="CA-again", consent=again).status is Status.STORED
    assert place.process(later, call_id="CA-earlier", consent=earlier).status is Status.DISCARDED
    assert apply(place.held, place.subject_id, later).changed == ()


def test_a_held_call_waits(place: Place) -> None:
    """A call under legal hold stays whole, and the withdrawal is carried out when the hold is released."""
    order = HoldOrder("case-1", "op", "litigation")
    hold = new_hold(HoldKind.LEGAL, Scope(call_id="CA-scripted"), order, now=NOW, review_at=LATER)
    add_hold(place.held.records.engine, hold)
    write_down(place.held.records.engine, withdrawals(place.subject_id, (), ORDER, "discard"))
    assert apply(place.held, place.subject_id, LATER).held == ("CA-scripted",)
    assert len(place.kinds()) == 4
    release_hold(place.held.records.engine, hold.hold_id, by_id="op", reason="settled", now=LATER)
    assert carry_out_freed(place.held, place.rooms.retention, LATER)["withdrawal"] == 1
    assert place.kinds() == {ArtifactKind.CONSENT_RECORD}


def test_the_command(place: Place) -> None:
    """``subject withdraw`` takes any spelling of the number, writes time and channel down and says what it did."""
    data = place.folder / "data"
    to = ("--data-dir", data, "--json")
    said = ("--channel", "mail", "--received", "2026-11-20")
    done = run("subject", "withdraw", "--caller", "(202) 555-0143", *said, *to, program=SCRIPTED)
    assert (done.code, done.json["calls"], done.json["purposes"]) == (0, ["CA-scripted"], ["recording"])
    assert done.json["requested_at"] == "2026-11-20T00:00:00Z"
    (found,) = standing(place.held.records.engine, place.subject_id)
    assert (found.channel, found.purpose) == ("mail", Purpose.RECORDING)
    asked = ("subject", "withdraw", "--caller", scripted.CALLER)
    wrong = run(*asked, "--purpose", "fun", *to, program=SCRIPTED)
    assert wrong.code == 2
    assert "0143" not in done.out + done.err + wrong.err


def test_what_a_privacy_officer_reads(place: Place) -> None:
    """``show`` says who was told what, in their words, when, under which rule and for which purposes."""
    held = place.held
    described = with_words(describe_call("CA-scripted", held.records), held.archive, held.records, held.root)
    text = "\n".join(consent_lines(described))
    assert "implied, lawful under US-CA all-party" in text
    assert "Cal. Penal Code 632" in text
    assert 'agent     told that the call is recorded: "call is recorded"' in text
    assert "14:03:0" in text
    assert "for       recording, transcription, quality, training: implied" in text
    assert "rhubarb" not in text
    place.withdraw()
    described = with_words(describe_call("CA-scripted", held.records), held.archive, held.records, held.root)
    text = "\n".join(consent_lines(described))
    assert "withdrawn 2026-11-24T13:00:00Z; what was done before stays lawful" in text
