"""Export: the files of a stored call appear whole, for their owner only, or not at all."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from pipeline import summary
from pipeline.archive import Archive
from pipeline.db import CallRecord, Records
from pipeline.erasure.rows import replace_key
from pipeline.errors import CannotOpen, NotFound, Refused, StoreUnavailable
from pipeline.export import describe_call, export_call
from pipeline.keys.file import KeyFile
from pipeline.store.local import LocalStore
from pipeline.types import Artifact, ArtifactKind, Channel, Status, Turn
from tests.factories import word

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = datetime(2026, 11, 20, 14, 3, tzinfo=UTC)
LATER = datetime(2027, 11, 20, 14, 3, tzinfo=UTC)
AUDIO = b"RIFF a redacted recording" * 100_000
TURN = Turn("customer", Channel.CUSTOMER, (word("hello", 1.0, 1.4), word("[PERSON]", 1.5, 2.0)))
CONTENT = {
    ArtifactKind.REDACTED_AUDIO: AUDIO,
    ArtifactKind.TRANSCRIPT: json.dumps(summary.transcript("CA01", "en", [TURN])).encode(),
    ArtifactKind.CONSENT_RECORD: b'{"verdict": "granted"}',
    ArtifactKind.MANIFEST: b'{"audio_suffix": "mp3"}',
}
NAMES = {"redacted.mp3", "transcript.json", "transcript.vtt", "consent.json", "manifest.json"}


@dataclass(frozen=True)
class Held:
    """A call in an archive."""

    archive: Archive
    records: Records
    root: KeyFile
    to: Path

    def export(self, call_id: str = "CA01") -> tuple[Path, ...]:
        """Export it."""
        return export_call(call_id, self.to, self.archive, self.records, self.root, NOW)

    def files(self) -> dict[str, bytes]:
        """What is in the folder, temporary files included."""
        return {path.name: path.read_bytes() for path in self.to.iterdir()} if self.to.exists() else {}


@pytest.fixture(name="held")
def _held(tmp_path: Path) -> Iterator[Held]:
    root = KeyFile.load_or_create(tmp_path / "root.json")
    records = Records.open(f"sqlite:///{tmp_path / 'callseal.db'}")
    archive = Archive(LocalStore(tmp_path / "objects"))
    subject = records.subject_for(root.subject_id("+12025550143"), root, NOW)
    for number, status in enumerate((Status.STORED, Status.QUARANTINED, Status.DISCARDED, None), 1):
        record = CallRecord(f"CA0{number}", subject.subject_id, f"{number}" * 64, "f" * 64, NOW)
        records.start_call(record)
        if status:
            kinds = CONTENT if status is Status.STORED else [ArtifactKind.CONSENT_RECORD, ArtifactKind.MANIFEST]
            sealed = [archive.put(record.call_id, kind, subject, CONTENT[kind]) for kind in kinds]
            records.finish_call(
                replace(record, status=status), [Artifact(s, NOW, LATER, "default") for s in sealed], NOW
            )
    yield Held(archive, records, root, tmp_path / "out" / "deeper")
    records.close()


def test_the_files(held: Held) -> None:
    """All five files are there, as they were sealed, readable by their owner only, and the export is on record."""
    written = held.export()
    assert {path.name for path in written} == NAMES
    files = held.files()
    assert set(files) == NAMES
    assert files["redacted.mp3"] == AUDIO
    assert files["transcript.json"] == CONTENT[ArtifactKind.TRANSCRIPT]
    assert files["consent.json"] == CONTENT[ArtifactKind.CONSENT_RECORD]
    assert files["transcript.vtt"].decode() == summary.vtt(json.loads(files["transcript.json"]))
    assert {path.stat().st_mode & 0o777 for path in written} == {0o600}
    assert [event.what for event in held.records.events("CA01")].count("exported") == 1


def test_again_over_what_is_there(held: Held) -> None:
    """An export replaces an older one."""
    held.export()
    (held.to / "redacted.mp3").write_bytes(b"old")
    held.export()
    assert held.files()["redacted.mp3"] == AUDIO


@pytest.mark.parametrize("call_id", ["CA02", "CA03"])
def test_what_is_not_stored_does_not_leave(held: Held, call_id: str) -> None:
    """Nothing of a quarantined or discarded call may leave."""
    with pytest.raises(Refused, match=call_id):
        held.export(call_id)
    assert held.files() == {}


@pytest.mark.parametrize("call_id", ["CA04", "CA99"])
def test_what_is_not_there(held: Held, call_id: str) -> None:
    """A call that is unknown or not finished is not found."""
    with pytest.raises(NotFound, match=call_id):
        held.export(call_id)
    assert held.files() == {}


@pytest.mark.parametrize("kind", CONTENT)
def test_a_missing_artifact(held: Held, kind: ArtifactKind) -> None:
    """A call of which an artifact is kept no longer is not exported in part."""
    (gone,) = (each.sealed for each in held.records.artifacts("CA01") if each.sealed.kind is kind)
    held.records.delete_artifacts([gone.object_key], "expired", NOW)
    with pytest.raises(NotFound, match=kind.value):
        held.export()
    assert held.files() == {}


def test_a_changed_object_leaves_no_file(held: Held, tmp_path: Path) -> None:
    """An object that was changed in its last part does not become a file that ends early."""
    (audio,) = (e.sealed for e in held.records.artifacts("CA01") if e.sealed.kind is ArtifactKind.REDACTED_AUDIO)
    (path,) = (p for p in (tmp_path / "objects").rglob("*") if p.is_file() and p.name in audio.object_key)
    sealed = bytearray(path.read_bytes())
    sealed[-1] ^= 1
    path.chmod(0o600)
    path.write_bytes(sealed)
    with pytest.raises(CannotOpen):
        held.export()
    assert held.files() == {}


def test_a_folder_that_cannot_be_written(held: Held) -> None:
    """A folder that is a file is a failure of the place, not of the call."""
    held.to.parent.mkdir()
    held.to.write_bytes(b"")
    with pytest.raises(StoreUnavailable):
        held.export()


def test_an_erased_caller(held: Held) -> None:
    """After the caller's key is destroyed nothing can be exported."""
    replace_key(held.records, held.root, held.root.subject_id("+12025550143"), lambda _call: False, NOW)
    with pytest.raises(NotFound, match="destroyed"):
        held.export()
    assert held.files() == {}


def test_what_is_known_of_a_call(held: Held) -> None:
    """The description has the record, its artifacts and its history, and no content; an unknown call is not found."""
    held.export()
    described = describe_call("CA01", held.records)
    assert (described["call_id"], described["status"]) == ("CA01", "stored")
    assert {each["kind"] for each in described["artifacts"]} == {kind.value for kind in CONTENT}
    assert "exported" in [each["what"] for each in described["history"]]
    assert "hello" not in json.dumps(described)
    assert describe_call("CA04", held.records)["status"] == "in_progress"
    with pytest.raises(NotFound):
        describe_call("CA99", held.records)
