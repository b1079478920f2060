"""One leg of a call: gone from the sound, the words and the keys, and the other as it was."""

from __future__ import annotations

import json
import os
import shutil
import signal
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile

from pipeline.backups.backup import back_up
from pipeline.backups.restore import restore
from pipeline.build import custody
from pipeline.config import load_settings
from pipeline.erasure.erase import carry_out
from pipeline.erasure.plan import plan_erasure
from pipeline.errors import CannotOpen, NotFound, Refused
from pipeline.export import export_call
from pipeline.intake.ingest import Delivery
from pipeline.keys import open_subject_key
from pipeline.metadata import parse_metadata
from pipeline.roles import Role
from pipeline.run import process
from tests import scripted
from tests.product import SCRIPTED, objects, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pipeline.custody import Custody
    from pipeline.erasure.erase import ErasureReport

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
COMPANY = "+18005550100"
CHANNELS = ("agent", "customer")


@dataclass(frozen=True)
class Place:
    """A data folder with a stored two-channel call."""

    folder: Path
    held: Custody

    def process(self, *, mono: bool = False, **changed: Any) -> None:
        """Carry the scripted call through."""
        (self.folder / "call.wav").write_bytes(scripted.recording(mono=mono))
        delivery = Delivery((self.folder / "call.wav",), (), parse_metadata(scripted.metadata(**changed)))
        rooms = scripted.rooms(load_settings(self.folder / "data"))
        process(delivery, rooms, NOW)
        rooms.records.close()

    def close(self) -> None:
        """Give the connections back."""
        self.held.records.close()
        self.held.shares.close()

    def export(self, call_id: str = "CA-scripted") -> tuple[Any, Any, dict[str, Any]]:
        """Sound (time, channel), transcript and consent record."""
        to = self.folder / "out"
        export_call(call_id, to, self.held.archive, self.held.records, self.held.root, NOW)
        sound, _ = soundfile.read(to / "redacted.wav", dtype="int16")
        return sound, json.loads((to / "transcript.json").read_text()), json.loads((to / "consent.json").read_text())

    def erase(self, number: str, observe: Callable[[str], None] = lambda _step: None) -> ErasureReport:
        """One leg."""
        plan = plan_erasure(self.held.records, self.held.root.subject_id(number), leg_only=True)
        return carry_out(plan, self.held, lambda: NOW, observe=observe)


@pytest.fixture(name="stored", scope="module")
def _stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = Place(
        folder := tmp_path_factory.mktemp("stored"), custody(load_settings(folder / "data"), Role.PRIVACY_OFFICER)
    )
    place.process()
    place.close()
    return folder


@pytest.fixture(name="place")
def _place(tmp_path: Path, stored: Path) -> Iterator[Place]:
    shutil.copytree(stored, tmp_path, dirs_exist_ok=True)
    place = Place(tmp_path, custody(load_settings(tmp_path / "data"), Role.PRIVACY_OFFICER))
    yield place
    place.close()


@pytest.mark.parametrize(("number", "row"), [(scripted.CALLER, 1), (COMPANY, 0)])
def test_one_leg_is_silent_and_the_other_as_it_was(place: Place, number: str, row: int) -> None:
    """Sample by sample, turn by turn; what was sealed before opens with nothing that is left."""
    gone, stays = CHANNELS[row], CHANNELS[1 - row]
    sound, words, _ = place.export()
    wrapped = place.held.records.subject_key(place.held.root.subject_id(scripted.CALLER))
    assert wrapped
    report = place.erase(number)
    assert (report.plan.call_ids, report.plan.leg_call_ids) == ((), ("CA-scripted",))
    assert report.proof.copies_tried == report.proof.copies_opened_before > 0
    after, left, consent = place.export()
    assert not after[:, row].any()
    assert np.array_equal(after[:, 1 - row], sound[:, 1 - row])
    assert left["turns"] == [turn for turn in words["turns"] if turn["channel"] == stays]
    assert len(left["turns"]) < len(words["turns"])
    assert all("said" not in each for each in consent["evidence"] if each.get("channel") == gone)
    with pytest.raises(CannotOpen):
        open_subject_key(place.held.root, wrapped)
    assert set(objects(place.folder / "data")) == {
        f"{each.sealed.object_key[:2]}/{each.sealed.object_key}" for each in place.held.records.artifacts("CA-scripted")
    }


def test_the_record_says_so(place: Place) -> None:
    """The call's record names the silenced leg, and nothing of it is listed any more."""
    place.erase(scripted.CALLER)
    call = place.held.records.call("CA-scripted")
    assert call
    assert call.summary["silenced"] == ["customer"]
    assert {each["channel"] for name in ("redactions", "review") for each in call.summary[name]} <= {"agent"}
    assert call.subject_id == place.held.root.subject_id(COMPANY)
    assert call.agent_subject_id is None
    with pytest.raises(NotFound):
        plan_erasure(place.held.records, place.held.root.subject_id(scripted.CALLER))


def test_the_other_leg_goes_later(place: Place) -> None:
    """Of a call with one leg left, that party's erasure takes the rest, also where only a leg was asked for."""
    place.erase(scripted.CALLER)
    report = place.erase(COMPANY)
    assert (report.plan.call_ids, report.plan.leg_call_ids) == (("CA-scripted",), ())
    assert objects(place.folder / "data") == {}


def test_nobody_knows_the_other_number(place: Place) -> None:
    """Where the company's side is an extension, the rest is sealed under a key of its own, and opens."""
    place.process(mono=True, call_id="CA-mono", callee="417")
    place.erase(COMPANY)
    place.held.records.note("CA-scripted", "reviewed", {}, NOW)
    report = place.erase(scripted.CALLER)
    assert set(report.plan.call_ids) == {"CA-mono", "CA-scripted"}  # one channel; one leg left
    assert report.plan.leg_call_ids == ()


def test_an_extension(tmp_path: Path) -> None:
    """A call whose company side has no number keeps that side all the same."""
    place = Place(tmp_path, custody(load_settings(tmp_path / "data"), Role.PRIVACY_OFFICER))
    place.process(callee="417")
    place.erase(scripted.CALLER)
    sound, words, _ = place.export()
    assert sound[:, 0].any()
    assert {turn["channel"] for turn in words["turns"]} == {"agent"}
    place.held.records.close()


def test_a_call_that_cannot_be_parted_goes_whole(place: Place) -> None:
    """Of a mono call there is no leg to keep, which the plan says."""
    place.process(mono=True, call_id="CA-mono")
    plan = plan_erasure(place.held.records, place.held.root.subject_id(scripted.CALLER), leg_only=True)
    assert (plan.call_ids, plan.leg_call_ids) == (("CA-mono",), ("CA-scripted",))
    place.erase(scripted.CALLER)
    assert place.held.records.call("CA-mono") is None
    assert place.export()[1]["turns"]


def test_it_is_not_taken_in_again(place: Place) -> None:
    """The recording holds the leg that went: what is stored stays, and processing it anew or as another is refused."""
    place.erase(scripted.CALLER)
    place.process()
    assert not place.export()[0][:, 1].any()
    rooms = scripted.rooms(load_settings(place.folder / "data"))
    for changed in ({}, {"call_id": "CA-other"}):
        delivery = Delivery((place.folder / "call.wav",), (), parse_metadata(scripted.metadata(**changed)))
        with pytest.raises(Refused, match="erased on request"):
            process(delivery, replace(rooms, fingerprint="f" * 64), NOW)
    rooms.records.close()


@pytest.mark.parametrize("step", ["sampled", "silenced", "revoked"])
def test_killed_on_the_way_it_is_finished(place: Place, step: str) -> None:
    """Whatever step it dies after, asking again ends with one silent leg and no object left of before."""
    old = {each.sealed.object_key for each in place.held.records.artifacts("CA-scripted")}
    place.close()
    pid = os.fork()
    if pid == 0:
        try:
            again = Place(place.folder, custody(load_settings(place.folder / "data"), Role.PRIVACY_OFFICER))
            again.erase(scripted.CALLER, lambda name: os.kill(os.getpid(), signal.SIGKILL) if name == step else None)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    again = Place(place.folder, custody(load_settings(place.folder / "data"), Role.PRIVACY_OFFICER))
    report = again.erase(scripted.CALLER)
    assert report.plan.resumed
    assert not again.export()[0][:, 1].any()
    assert again.held.records.object_keys().isdisjoint(old)
    assert {name.split("/")[1] for name in objects(place.folder / "data")} == again.held.records.object_keys()
    again.held.records.close()


def test_restored_it_is_still_silent(place: Place) -> None:
    """A backup from before brings nothing of the call back; one from after brings the silenced call."""
    before = back_up(place.held, place.folder / "site", NOW).generation
    place.erase(scripted.CALLER)
    after = back_up(place.held, place.folder / "site", NOW).generation
    counts = []
    for generation in (before, after):
        folder = place.folder / generation.backup_id
        (folder / "keys").mkdir(parents=True)
        (folder / "keys" / "root.json").write_bytes((place.folder / "data" / "keys" / "root.json").read_bytes())
        (folder / "keys" / "root.json").chmod(0o600)
        new = Place(place.folder, custody(load_settings(folder), Role.PRIVACY_OFFICER))
        counts.append(restore(new.held, place.folder / "site", generation.backup_id).calls)
        if counts[-1]:
            assert not new.export()[0][:, 1].any()
        new.held.records.close()
    assert counts == [0, 1]


def test_the_command(tmp_path: Path) -> None:
    """``delete --leg-only`` keeps the call, and the certificate says what went."""
    (tmp_path / "call.wav").write_bytes(scripted.recording())
    (tmp_path / "call.json").write_bytes(scripted.metadata())
    data = ("--data-dir", tmp_path / "data", "--json")
    done = run("process", tmp_path / "call.wav", "--metadata", tmp_path / "call.json", *data, program=SCRIPTED)
    assert done.code == 0, done.err
    certificate = tmp_path / "c.json"
    done = run("delete", "--caller", scripted.CALLER, "--leg-only", "--yes", "--certificate", certificate, *data)
    assert done.code == 0, done.err
    assert (done.json["calls"], done.json["legs"]) == ([], ["CA-scripted"])
    body = json.loads(certificate.read_text())["certificate"]
    assert (body["request"]["scope"], body["erased"]["legs_silenced"]) == (
        "one leg of each call with two channels",
        ["CA-scripted"],
    )
    assert run("export", "CA-scripted", "--to", tmp_path / "out", *data).code == 0
