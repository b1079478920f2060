"""Intake: a recording is sealed as it was delivered, or nothing of it stays."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from pipeline.archive import Archive
from pipeline.errors import BadAudio, StoreUnavailable, Temporary, UsageError
from pipeline.intake.ingest import Delivery, inspect, reopen, seal_intake
from pipeline.keys import OpenSubjectKey, anonymous_subject_id, new_subject_key, open_subject_key
from pipeline.keys.file import KeyFile
from pipeline.metadata import CallMetadata
from pipeline.store.memory import MemoryStore
from pipeline.types import ArtifactKind, Channel

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.store import Label

LIMIT = 1 << 20
ONE, TWO = b"the first leg" * 1000, b"the second leg" * 1000


@pytest.fixture(name="key")
def _key(tmp_path: Path) -> OpenSubjectKey:
    root = KeyFile.load_or_create(tmp_path / "root.json")
    return open_subject_key(root, new_subject_key(root, anonymous_subject_id()))


def delivery(folder: Path, *contents: bytes) -> Delivery:
    """A delivery of these files."""
    files = []
    for index, content in enumerate(contents):
        files.append(folder / f"leg{index}.wav")
        files[-1].write_bytes(content)
    legs = (Channel.AGENT, Channel.CUSTOMER) if len(contents) == 2 else ()
    return Delivery(tuple(files), legs, CallMetadata())


def test_fingerprint(tmp_path: Path) -> None:
    """One file is known by its own hash; two by a hash that depends on both and on their order."""
    single = inspect(delivery(tmp_path, ONE), LIMIT)
    assert (single.sha256, single.parts, single.sizes_bytes) == (
        hashlib.sha256(ONE).hexdigest(),
        (single.sha256,),
        (len(ONE),),
    )
    both, swapped = inspect(delivery(tmp_path, ONE, TWO), LIMIT), inspect(delivery(tmp_path, TWO, ONE), LIMIT)
    assert both.sizes_bytes == (len(ONE), len(TWO))
    assert len({single.sha256, both.sha256, swapped.sha256}) == 3


def test_what_cannot_be_taken_in(tmp_path: Path) -> None:
    """An empty file, one beyond the limit and one that is not there are refused."""
    with pytest.raises(BadAudio, match="empty"):
        inspect(delivery(tmp_path, b""), LIMIT)
    with pytest.raises(BadAudio, match="larger than the limit of 100 bytes"):
        inspect(delivery(tmp_path, b"x" * 101), 100)
    assert inspect(delivery(tmp_path, b"x" * 100), 100).sizes_bytes == (100,)
    with pytest.raises(UsageError):
        inspect(Delivery((tmp_path / "none.wav",), (), CallMetadata()), LIMIT)


def test_sealed_as_delivered(tmp_path: Path, key: OpenSubjectKey) -> None:
    """Each file becomes an object of its own that reads back as it was, as often as it is opened."""
    archive = Archive(MemoryStore())
    given = delivery(tmp_path, ONE, TWO)
    intake = seal_intake(given, inspect(given, LIMIT), "CA01", archive, key)
    assert [sealed.kind for sealed in intake.objects] == [ArtifactKind.INTAKE] * 2
    for recording in (intake.recording, reopen(intake.objects, "CA01", archive, key)):
        for source, content in zip(recording.sources, (ONE, TWO), strict=True):
            for _ in range(2):
                with source() as raw:
                    assert raw.read() == content


def test_a_file_that_changes_meanwhile(tmp_path: Path, key: OpenSubjectKey) -> None:
    """A file that is still being written is a temporary failure, and nothing of any leg stays in the store."""
    archive = Archive(MemoryStore())
    given = delivery(tmp_path, ONE, TWO)
    source = inspect(given, LIMIT)
    given.files[1].write_bytes(TWO + b"more")
    with pytest.raises(Temporary, match="changed"):
        seal_intake(given, source, "CA01", archive, key)
    assert list(archive.store.list()) == []


def test_a_store_that_fails(tmp_path: Path, key: OpenSubjectKey, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that fails at the second leg keeps nothing of the first."""
    store = MemoryStore()
    archive = Archive(store)
    given = delivery(tmp_path, ONE, TWO)
    source = inspect(given, LIMIT)
    put, puts = MemoryStore.put, []

    def failing(self: MemoryStore, name: str, label: Label | None = None) -> object:
        puts.append(name)
        if len(puts) == 2:
            raise StoreUnavailable("no space left")
        return put(self, name, label)

    monkeypatch.setattr(MemoryStore, "put", failing)
    with pytest.raises(StoreUnavailable):
        seal_intake(given, source, "CA01", archive, key)
    assert list(store.list()) == []
