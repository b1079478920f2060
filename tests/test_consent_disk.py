"""What is on the disk after each verdict: everything in the store is opened, and nothing is there that must not be."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pipeline.config import load_settings
from pipeline.consent.effect import WITHDRAWN
from pipeline.errors import VerificationFailed
from pipeline.export import export_call
from pipeline.intake.ingest import Delivery
from pipeline.keys import open_subject_key
from pipeline.keys.signing import check_signed
from pipeline.manifest import check_export
from pipeline.metadata import parse_metadata
from pipeline.retention.expire import expire
from pipeline.run import Outcome, Rooms, process
from pipeline.types import ArtifactKind, Channel, Status
from tests import scripted
from tests.factories import pcm16, sound_file
from tests.product import objects, run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
AGENT, CUSTOMER = Channel.AGENT, Channel.CUSTOMER
LENGTH_S = 20.0
NOTICE = (AGENT, "this call may be recorded for training", 1.0)
ASKED = (AGENT, "do I have your permission to record this call", 1.0)
MATTER = (CUSTOMER, "my parcel with the rhubarb is lost", 6.0)
OBJECTED = (CUSTOMER, "please stop recording", 10.0)
AFTER = (CUSTOMER, "the marmalade was expensive", 13.0)
SOLD = (AGENT, "we found the gooseberries", 16.0)
Line = tuple[Channel, str, float]


@dataclass(frozen=True)
class Held:
    """A call that was processed, and everything that can be read of it."""

    outcome: Outcome
    rooms: Rooms
    data: Path
    original: bytes

    def opened(self) -> dict[ArtifactKind, bytes]:
        """Every object in the store, opened with the caller's key; the store holds nothing that no row names."""
        artifacts = self.rooms.records.artifacts("CA-scripted")
        assert len(objects(self.data)) == len(artifacts)
        call = self.rooms.records.call("CA-scripted")
        assert call
        key = self.rooms.records.subject_key(call.subject_id)
        assert key
        subject = open_subject_key(self.rooms.root, key)
        return {a.sealed.kind: self.rooms.archive.read(a.sealed, "CA-scripted", subject) for a in artifacts}


def held(folder: Path, lines: Sequence[Line], place: str = "US-CA", **told: Any) -> Held:
    """The call of these lines, processed."""
    rooms = replace(scripted.rooms(load_settings(folder / "data")), **scripted.models(lines))
    words = {channel: scripted.script(lines).get(channel, []) for channel in (AGENT, CUSTOMER)}
    raw = sound_file(pcm16(scripted.samples(words, LENGTH_S)), scripted.RATE_HZ)
    (folder / "call.wav").write_bytes(raw)
    metadata = parse_metadata(scripted.metadata(jurisdictions=[place], known_pii=None, consent=told or None))
    return Held(process(Delivery((folder / "call.wav",), (), metadata), rooms, NOW), rooms, folder / "data", raw)


KEPT = {ArtifactKind.REDACTED_AUDIO, ArtifactKind.TRANSCRIPT, ArtifactKind.CONSENT_RECORD, ArtifactKind.MANIFEST}


@pytest.mark.parametrize(
    ("lines", "place", "told", "expected", "kinds"),
    [
        ((NOTICE, MATTER), "US-CA", {}, ("implied", "stored"), KEPT),
        ((ASKED, (CUSTOMER, "yes of course", 4.0), MATTER), "DE", {}, ("granted", "stored"), KEPT),
        ((MATTER,), "US-TX", {}, ("not_required", "stored"), KEPT),
        ((ASKED, (CUSTOMER, "no thank you", 4.0), MATTER), "US-TX", {}, ("declined", "discarded"), {"consent_record"}),
        ((MATTER,), "US-CA", {"recording_notice": "none"}, ("unknown", "discarded"), {"consent_record"}),
        ((MATTER,), "US-CA", {}, ("unknown", "quarantined"), {"consent_record", "manifest", "intake"}),
        ((NOTICE, MATTER), "DE", {}, ("implied", "quarantined"), {"consent_record", "manifest", "intake"}),
        ((NOTICE, MATTER, OBJECTED, AFTER), "US-CA", {}, ("withdrawn", "stored"), KEPT),
        ((MATTER, OBJECTED, AFTER), "US-CA", {}, ("withdrawn", "discarded"), {"consent_record"}),
    ],
)
def test_what_is_kept(
    tmp_path: Path,
    lines: tuple[Line, ...],
    place: str,
    told: dict[str, str],
    expected: tuple[str, str],
    kinds: set[str],
) -> None:
    """Each verdict leaves exactly its artifacts; of a call that is not kept no word but the evidence can be read."""
    call = held(tmp_path, lines, place, **told)
    opened = call.opened()
    assert (call.outcome.summary["consent"]["verdict"], call.outcome.status) == expected
    assert {kind.value for kind in opened} == {str(kind) for kind in kinds}
    documents = b"".join(content for kind, content in opened.items() if kind is not ArtifactKind.INTAKE)
    assert (b"rhubarb" in documents) == (expected[1] == "stored")
    assert json.loads(opened[ArtifactKind.CONSENT_RECORD])["verdict"] == expected[0]
    call.rooms.records.close()


def test_after_an_objection(tmp_path: Path) -> None:
    """From its end on both channels are silent and no word is left; before it the call is as it was."""
    call = held(tmp_path, (NOTICE, MATTER, OBJECTED, AFTER, SOLD))
    withdrawn = [each for each in call.outcome.summary["redactions"] if each["entity_type"] == WITHDRAWN]
    objection = next(e for e in call.outcome.summary["consent"]["evidence"] if e["kind"] == "objection")
    assert {each["channel"] for each in withdrawn} == {"agent", "customer"}
    assert {(each["start_s"], each["action"]) for each in withdrawn} == {(objection["end_s"], "silence")}
    opened = call.opened()
    for content in opened.values():
        assert not {word for word in (b"marmalade", b"expensive", b"gooseberries") if word in content}
    assert b"rhubarb" in opened[ArtifactKind.TRANSCRIPT]
    assert b"stop recording" in opened[ArtifactKind.TRANSCRIPT]
    before, after = _samples(call.original), _samples(opened[ArtifactKind.REDACTED_AUDIO])
    end = round(objection["end_s"] * scripted.RATE_HZ) + 1
    assert before[:, end:].any(axis=1).all()
    assert not after[:, end:].any()
    assert np.array_equal(before[:, : end - 1], after[:, : end - 1])
    call.rooms.records.close()


def test_a_quarantine_ends(tmp_path: Path) -> None:
    """The sealed original of a call without consent has a deadline of its own, and is destroyed when that has come."""
    call = held(tmp_path, (MATTER,))
    artifacts = call.rooms.records.artifacts("CA-scripted")
    intake = next(each for each in artifacts if each.sealed.kind is ArtifactKind.INTAKE)
    assert intake.retain_until == NOW + timedelta(days=7)
    for when, left in ((timedelta(days=6, hours=23), True), (timedelta(days=7), False)):
        expire(call.rooms.archive, call.rooms.records, call.rooms.retention, NOW + when)
        assert (ArtifactKind.INTAKE in call.opened()) is left
    call.rooms.records.close()


def test_evidence_survives(tmp_path: Path) -> None:
    """Notice and answer are audible and readable in what is exported; the signed manifest has a digest of each."""
    call = held(tmp_path, (ASKED, (CUSTOMER, "yes of course", 4.0), MATTER), "DE")
    rooms = call.rooms
    to = tmp_path / "out"
    export_call("CA-scripted", to, rooms.archive, rooms.records, rooms.root, NOW)
    record = json.loads((to / "consent.json").read_text())
    manifest = json.loads((to / "manifest.json").read_text())
    said = {each["signal"]: each.get("said") for each in record["evidence"]}
    assert said == {"request": "do I have your permission to record", "yes": "yes of course"}
    audio = _samples((to / "redacted.wav").read_bytes())
    check_signed(manifest, rooms.signer.public)
    with pytest.raises(VerificationFailed):
        check_signed(manifest | {"source": {}}, rooms.signer.public)
    for each in manifest["consent"]["evidence"]:
        first, end = (round(each[edge] * scripted.RATE_HZ) for edge in ("start_s", "end_s"))
        clip = np.ascontiguousarray(audio[("agent", "customer").index(each["channel"]), first:end])
        assert each["clip_sha256"] == sha256(clip.tobytes()).hexdigest()
        assert each["intact"]
        assert clip.any()
    rooms.records.close()


@pytest.mark.parametrize(
    ("file", "state"),
    [("redacted.wav", "redacted.wav"), ("consent.json", "consent.json"), ("manifest.json", "signature")],
)
def test_what_a_third_party_checks(tmp_path: Path, file: str, state: str) -> None:
    """With the public key alone anybody sees that an exported call is as signed, and that a changed one is not."""
    rooms = held(tmp_path, (ASKED, (CUSTOMER, "yes of course", 4.0), MATTER), "DE").rooms
    to = tmp_path / "out"
    export_call("CA-scripted", to, rooms.archive, rooms.records, rooms.root, NOW)
    rooms.records.close()
    whole = ["as signed"] * 3
    checked = check_export(to, rooms.signer.public)
    assert (list(checked["files"].values()), checked["clips"], checked["valid"]) == (whole, 2, True)
    alone = check_export(to / "manifest.json", rooms.signer.public)
    assert (alone["files"], alone["clips"]) == ({}, 0)
    raw = bytearray((to / file).read_bytes())
    raw[len(raw) // 2] ^= 1
    (to / file).write_bytes(raw)
    with pytest.raises(VerificationFailed, match=f"{state}|damaged"):
        check_export(to, rooms.signer.public)
    (to / file).unlink()
    if file != "manifest.json":
        assert check_export(to, rooms.signer.public)["files"][file] == "missing"


def test_a_manifest_by_the_command(tmp_path: Path) -> None:
    """The command answers 0 for what is whole, 6 for what was changed, 5 for what is not there."""
    rooms = held(tmp_path, (NOTICE, MATTER), "US-CA").rooms
    to, key = tmp_path / "out", tmp_path / "key.pem"
    export_call("CA-scripted", to, rooms.archive, rooms.records, rooms.root, NOW)
    rooms.records.close()
    key.write_bytes(rooms.signer.public.pem())
    command = ("manifest", "verify", str(to), "--public-key", str(key))
    assert run(*command).code == 0
    transcript = (to / "transcript.json").read_bytes()
    (to / "transcript.json").write_bytes(transcript + b" ")
    (to / "amendments.json").write_text("{}")  # nobody signed it, so it excuses nothing
    assert run(*command).code == 6
    (to / "transcript.json").write_bytes(transcript)
    manifest = json.loads((to / "manifest.json").read_text())
    manifest["consent"]["verdict"] = "granted"
    (to / "manifest.json").write_text(json.dumps(manifest))
    assert run(*command).code == 6
    (to / "manifest.json").unlink()
    assert run(*command).code == 5


def test_doubt_never_keeps_what_was_objected_to(tmp_path: Path) -> None:
    """A withdrawn call that nobody could have redacted is discarded: a quarantine would keep what came after."""
    call = held(tmp_path, (NOTICE, MATTER, OBJECTED, AFTER), "US-CA")
    assert call.outcome.status is Status.STORED
    strict = call.rooms.verify.model_copy(update={"languages": ("de",)})
    rooms = replace(call.rooms, verify=strict, fingerprint="f" * 64)
    metadata = parse_metadata(scripted.metadata(jurisdictions=["US-CA"], known_pii=None))
    again = process(Delivery((tmp_path / "call.wav",), (), metadata), rooms, NOW)
    assert again.status is Status.DISCARDED
    assert set(replace(call, outcome=again, rooms=rooms).opened()) == {ArtifactKind.CONSENT_RECORD}
    rooms.records.close()


def test_a_dated_wording(tmp_path: Path) -> None:
    """A notice whose version is a date is recorded with it."""
    call = held(tmp_path, (MATTER,), recording_notice="ivr", notice_version="2026-03-15")
    told = call.outcome.summary["consent"]["evidence"][0]
    assert (call.outcome.status, told["version"]) == (Status.STORED, "2026-03-15")
    call.rooms.records.close()


def _samples(raw: bytes) -> Any:
    return np.frombuffer(raw[44:], np.int16).reshape(-1, 2).T
