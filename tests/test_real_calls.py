"""Real recordings through the product with real weights: what comes out, what does not, what erasing leaves."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import soundfile

from pipeline import audio, build
from pipeline.archive import Archive
from pipeline.config import load_settings
from pipeline.errors import CannotOpen
from pipeline.export import export_call
from pipeline.intake.ingest import Delivery
from pipeline.keys import new_subject_key, open_subject_key
from pipeline.keys.file import KeyFile
from pipeline.metadata import parse_metadata
from pipeline.numbers import e164
from pipeline.roles import Role
from pipeline.run import process
from pipeline.store.local import LocalStore
from pipeline.transcribe import transcribe
from pipeline.types import Channel, Status
from tests.factories import recording
from tests.product import CALLS, files, objects

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pipeline.keys import OpenSubjectKey
    from pipeline.run import Rooms
    from pipeline.types import SealedObject
    from tests.real import Here

pytest_plugins = ("tests.real",)
pytestmark = pytest.mark.models

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
STEREO, MONO = CALLS / "speechmatics_channels_stereo.wav", CALLS / "google_commercial_mono_30s.wav"
CALLER = "+1 202 555 0143"
METADATA = {"call_id": "CA-real", "caller": CALLER, "jurisdictions": ["US-TX"]}
# The caller of STEREO says an account number of these digits, and nothing else that has any.
NUMBER = re.compile(r"1\W*2\W*3\W*4\W*5|one\W+two\W+three|three\W+four\W+five", re.IGNORECASE)
STORED = ["consent_record", "manifest", "redacted_audio", "transcript"]


@dataclass(frozen=True)
class Kept:
    """A data folder that holds STEREO, its summary, and the folder it was exported to."""

    data_dir: Path
    rooms: Rooms
    summary: Mapping[str, Any]
    exported: Path

    def text(self, name: str) -> str:
        """An exported document."""
        return (self.exported / name).read_text(encoding="utf-8")

    def heard(self, raw: bytes) -> dict[Channel, str]:
        """What the same recogniser hears on each channel of a recording."""
        blocks = audio.decode_speech(recording(raw), 60.0)
        heard = transcribe(blocks, (Channel.AGENT, Channel.CUSTOMER), self.rooms.vad(), self.rooms.transcriber(), "en")
        words = [(each.channel, word.text) for each in heard.segments for word in each.words]
        return {channel: " ".join(text for on, text in words if on is channel) for channel in Channel}


def _metadata(folder: Path, **changed: Any) -> Path:
    path = folder / "call.json"
    path.write_text(json.dumps(METADATA | changed))
    return path


@pytest.fixture(name="kept", scope="module")
def _kept(tmp_path_factory: pytest.TempPathFactory, loaded: Rooms) -> Iterator[Kept]:
    folder = tmp_path_factory.mktemp("kept")
    names = ("vad", "transcriber", "listener", "diarizer", "recognizer", "tagger")
    models = {name: getattr(loaded, name) for name in names}
    rooms = replace(build.build(load_settings(folder / "data")), **models)
    delivery = Delivery((STEREO,), (), parse_metadata(json.dumps(METADATA).encode()))
    outcome = process(delivery, rooms, NOW)
    assert outcome.status is Status.STORED
    export_call("CA-real", folder / "out", rooms.archive, rooms.records, rooms.root, NOW)
    yield Kept(folder / "data", rooms, json.loads(json.dumps(outcome.summary)), folder / "out")
    rooms.records.close()


def test_the_recording_keeps_its_form(kept: Kept) -> None:
    """What comes out has the codec, rate, channel count and length of what went in."""
    before, after = (soundfile.info(path) for path in (STEREO, kept.exported / "redacted.wav"))
    for name in ("format", "subtype", "samplerate", "channels", "frames"):
        assert getattr(after, name) == getattr(before, name)
    assert kept.summary["duration_s"] == pytest.approx(before.duration, abs=0.001)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("redacted_audio", "redacted.wav"),
        ("transcript", "transcript.json"),
        ("consent_record", "consent.json"),
        ("manifest", "manifest.json"),
    ],
)
def test_what_leaves_is_what_was_sealed(kept: Kept, kind: str, name: str) -> None:
    """Hash and size of an exported file are those of the summary."""
    raw = (kept.exported / name).read_bytes()
    artifact = next(each for each in kept.summary["artifacts"] if each["kind"] == kind)
    assert (artifact["sha256"], artifact["size_bytes"]) == (hashlib.sha256(raw).hexdigest(), len(raw))


def test_the_number_is_redacted_once_for_both(kept: Kept) -> None:
    """The account number is found on the customer's channel; its echo on the agent's goes with it."""
    found = [r for r in kept.summary["redactions"] if r["entity_type"] == "ACCOUNT_NUMBER"]
    assert {each["channel"] for each in found} == {"agent", "customer"}
    assert len({(each["start_s"], each["end_s"]) for each in found}) == 1


def test_the_number_is_in_no_document(kept: Kept) -> None:
    """Neither together nor apart, as digits or as words, do the documents hold the account number."""
    spoken = [word["text"] for turn in json.loads(kept.text("transcript.json"))["turns"] for word in turn["words"]]
    cues = [line for line in kept.text("transcript.vtt").splitlines() if "-->" not in line]
    assert NUMBER.search(" ".join(spoken)) is None
    assert NUMBER.search("\n".join(cues)) is None
    assert "[ACCOUNT_NUMBER]" in spoken
    for name in ("transcript.json", "transcript.vtt", "consent.json", "manifest.json"):
        document = re.sub(r"[0-9a-f]{64}", "", kept.text(name))
        assert not re.search(r"12345|1, ?2, ?3, ?4, ?5|1 2 3 4 5", document)


def test_the_number_cannot_be_heard(kept: Kept) -> None:
    """The recogniser that heard the number in the original hears no digit any more, and all the rest as before."""
    before, after = (kept.heard(path.read_bytes()) for path in (STEREO, kept.exported / "redacted.wav"))
    assert NUMBER.search(before[Channel.CUSTOMER])
    assert not re.search(r"\d|one|two|three|four|five", " ".join(after.values()), re.IGNORECASE)
    assert {"help", "account"} <= set(re.findall(r"\w+", after[Channel.CUSTOMER].lower()))
    assert after[Channel.AGENT] == before[Channel.AGENT]


def test_processed_again(kept: Kept, callseal: Here, tmp_path: Path) -> None:
    """The same call again, under the same id, is answered from the record and adds no object."""
    before = objects(kept.data_dir)
    again = callseal("process", STEREO, "--metadata", _metadata(tmp_path), "--data-dir", kept.data_dir, "--json")
    assert again.code == 0
    assert again.json == kept.summary
    assert objects(kept.data_dir) == before


def test_another_recording_under_the_id(kept: Kept, callseal: Here, tmp_path: Path) -> None:
    """An id stands for one recording: another is refused with exit code 3, and nothing has changed."""
    before = objects(kept.data_dir)
    other = callseal("process", MONO, "--metadata", _metadata(tmp_path), "--data-dir", kept.data_dir, "--json")
    assert (other.code, other.json["status"]) == (3, "quarantined")
    assert objects(kept.data_dir) == before
    assert callseal("show", "CA-real", "--data-dir", kept.data_dir, "--json").json["status"] == "stored"


def test_one_file_per_leg(callseal: Here, tmp_path: Path) -> None:
    """The legs of the call as files of their own give the redaction that the two channels give, in stereo."""
    samples, rate_hz = soundfile.read(STEREO, dtype="int16")
    for row, name in enumerate(("agent", "customer")):
        soundfile.write(tmp_path / f"{name}.wav", samples[:, row], rate_hz, subtype="PCM_16")
    legs = [f"--leg={name}={tmp_path / name}.wav" for name in ("agent", "customer")]
    data_dir = tmp_path / "data"
    done = callseal("process", *legs, "--metadata", _metadata(tmp_path), "--data-dir", data_dir, "--json")
    assert (done.code, done.json["status"], done.json["channels"]) == (0, "stored", ["agent", "customer"])
    assert any(
        (each["entity_type"], each["channel"]) == ("ACCOUNT_NUMBER", "customer") for each in done.json["redactions"]
    )
    assert callseal("export", "CA-real", "--to", tmp_path / "out", "--data-dir", data_dir).code == 0
    after = soundfile.info(tmp_path / "out" / "redacted.wav")
    assert (after.samplerate, after.channels, after.frames) == (rate_hz, 2, len(samples))


def test_a_mono_call(callseal: Here, tmp_path: Path) -> None:
    """Two people on one channel are told apart by their voices, and one person's turns are one speaker's."""
    metadata = _metadata(tmp_path, call_id="CA-mono")
    done = callseal("process", MONO, "--metadata", metadata, "--data-dir", tmp_path / "data", "--json")
    assert (done.code, done.json["status"], done.json["channels"]) == (0, "stored", ["mixed"])
    assert callseal("export", "CA-mono", "--to", tmp_path / "out", "--data-dir", tmp_path / "data").code == 0
    turns = json.loads((tmp_path / "out" / "transcript.json").read_text())["turns"]
    speakers = [turn["speaker"] for turn in turns]
    assert len(set(speakers)) == 2
    buyer = {turn["speaker"] for turn in turns if re.search(r"like to buy|black one", turn["text"])}
    seller = {turn["speaker"] for turn in turns if re.search(r"which color|Would you like", turn["text"])}
    assert (len(buyer), len(seller)) == (1, 1)
    assert buyer != seller


def test_nothing_known_of_a_call(callseal: Here, tmp_path: Path) -> None:
    """A call that nothing is known of falls under the strictest rule: it is quarantined and may not leave."""
    done = callseal("process", MONO, "--data-dir", tmp_path / "data", "--json")
    assert (done.code, done.json["status"]) == (0, "quarantined")
    assert (done.json["consent"]["verdict"], done.json["consent"]["lawful"]) == ("unknown", False)
    assert done.json["call_id"] == f"call-{hashlib.sha256(MONO.read_bytes()).hexdigest()[:32]}"
    refused = callseal("export", done.json["call_id"], "--to", tmp_path / "out", "--data-dir", tmp_path / "data")
    assert refused.code == 4
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "spelling",
    ["+1 202 555 0143", "+12025550143", "202.555.0143", "(202) 555-0143", "1-202-555-0143", "tel:+1-202-555-0143"],
)
def test_spellings_of_the_caller(spelling: str) -> None:
    """However the caller's number is written, it is the same caller."""
    assert e164(spelling) == e164(CALLER)


@dataclass(frozen=True)
class Copy:
    """What somebody took before an erasure: the objects and their rows, without the key file."""

    archive: Archive
    rows: tuple[SealedObject, ...]

    def opened(self, key: OpenSubjectKey) -> int:
        """How many objects open under a key."""
        return sum(self._opens(sealed, key) for sealed in self.rows)

    def _opens(self, sealed: SealedObject, key: OpenSubjectKey) -> bool:
        try:
            return hashlib.sha256(self.archive.read(sealed, "CA-real", key)).hexdigest() == sealed.sha256
        except CannotOpen:
            return False


def test_erased(kept: Kept, callseal: Here, tmp_path: Path) -> None:
    """Erasing a caller leaves no object, no row and no key; a copy taken before opens then, and never again."""
    data_dir = shutil.copytree(kept.data_dir, tmp_path / "data")
    held = build.custody(load_settings(data_dir), Role.PRIVACY_OFFICER)
    subject_id = held.root.subject_id(e164(CALLER) or "")
    subject_key = held.records.subject_key(subject_id)
    assert subject_key is not None
    rows = tuple(each.sealed for each in held.records.artifacts("CA-real"))
    copy = Copy(Archive(LocalStore(shutil.copytree(data_dir / "objects", tmp_path / "copy"))), rows)
    held.records.subject_for(held.root.subject_id("+12025550199"), held.root, NOW)
    assert copy.opened(open_subject_key(held.root, subject_key)) == len(STORED)
    secrets = (subject_key.wrapped_key, *(sealed.wrapped_key for sealed in rows))
    on_disk = b"".join(path.read_bytes() for path in files(data_dir))
    assert all(secret in on_disk for secret in secrets)

    done = callseal("delete", "--caller", "202.555.0143", "--yes", "--data-dir", data_dir, "--json")
    assert (done.code, done.json["erased"], done.json["calls"]) == (0, True, ["CA-real"])
    assert sorted(done.json["kinds"]) == STORED
    assert objects(data_dir) == {}
    for command in (("show", "CA-real"), ("export", "CA-real", "--to", tmp_path / "out")):
        assert callseal(*command, "--data-dir", data_dir).code == 5
    assert callseal("delete", "--caller", CALLER, "--yes", "--data-dir", data_dir).code == 5

    assert held.records.subject_key(subject_id) is None
    left = held.records.subject_for(held.root.subject_id("+12025550199"), held.root, NOW)
    again = held.records.subject_for(subject_id, held.root, NOW)
    forged = open_subject_key(held.root, new_subject_key(held.root, subject_id))
    assert [copy.opened(key) for key in (left, again, forged)] == [0, 0, 0]
    held.records.close()
    on_disk = b"".join(path.read_bytes() for path in files(data_dir))
    assert not [secret for secret in secrets if secret in on_disk]


def test_an_erased_recording_is_refused(kept: Kept, callseal: Here, tmp_path: Path) -> None:
    """After an erasure the same recording, delivered again under any id, is refused and leaves nothing."""
    data_dir = shutil.copytree(kept.data_dir, tmp_path / "data")
    assert callseal("delete", "--caller", CALLER, "--yes", "--data-dir", data_dir).code == 0
    for call_id in ("CA-real", "CA-other"):
        metadata = _metadata(tmp_path, call_id=call_id)
        again = callseal("process", STEREO, "--metadata", metadata, "--data-dir", data_dir, "--json")
        assert (again.code, again.json["error"]["kind"]) == (4, "Refused")
    assert objects(data_dir) == {}
    assert KeyFile.load(data_dir / "keys" / "root.json").key_id == kept.rooms.root.key_id  # only the caller's key went
