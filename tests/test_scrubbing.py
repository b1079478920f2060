"""Everything that carries text besides the voices is scrubbed: tags of every container, names of files, metadata.

Planted text is hunted in the exported files, in the sealed artifacts once they are opened, in the database and all
other files of the data folder, and in what the command prints and logs.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pytest

from pipeline.build import custody
from pipeline.config import load_settings
from pipeline.keys import open_subject_key
from pipeline.roles import Role
from pipeline.types import ArtifactKind
from tests import scripted
from tests.carriers import CARRIERS, PLANTED
from tests.factories import pcm16, sound_file
from tests.product import files, needles, sightings
from tests.test_leaks import CANARIES, FILE_NAME

if TYPE_CHECKING:
    from pathlib import Path

    from tests.real import Here

pytest_plugins = ("tests.real",)

KINDS = {ArtifactKind.REDACTED_AUDIO, ArtifactKind.TRANSCRIPT, ArtifactKind.CONSENT_RECORD, ArtifactKind.MANIFEST}
HUNTED = CANARIES | needles(*PLANTED)


def opened(data_dir: Path, call_id: str = "CA-scripted") -> dict[ArtifactKind, bytes]:
    """Every artifact of a call, opened."""
    held = custody(load_settings(data_dir), Role.PRIVACY_OFFICER)
    call = held.records.call(call_id)
    assert call is not None
    key = held.records.subject_key(call.subject_id)
    assert key is not None
    subject = open_subject_key(held.root, key)
    found = {a.sealed.kind: held.archive.read(a.sealed, call_id, subject) for a in held.records.artifacts(call_id)}
    held.records.close()
    return found


def hunt(acted: Here, folder: Path, *arguments: str | Path) -> dict[str, bytes]:
    """Process and export a call; gives the exported files. Nothing planted is anywhere but in what went in."""
    data = folder / "data"
    processed = acted("process", *arguments, "--metadata", folder / "call.json", "--json", "--data-dir", data)
    assert processed.code == 0, processed.err
    exported = acted("export", "CA-scripted", "--to", folder / "out", "--data-dir", data)
    assert exported.code == 0, exported.err
    artifacts = opened(data)
    assert set(artifacts) == KINDS
    assert (data / "callseal.db").stat().st_size > 0
    said = [text for done in (processed, exported) for text in (done.out, done.err)]
    assert sightings(HUNTED, *said, data, folder / "out", *artifacts.values()) == []
    return {path.name: path.read_bytes() for path in files(folder / "out")}


@pytest.mark.parametrize("carrier", CARRIERS)
def test_tags_do_not_come_out(acted: Here, tmp_path: Path, caplog: pytest.LogCaptureFixture, carrier: str) -> None:
    """No tag, picture, comment, label, lyric, private block or loose byte of a container is in what is kept."""
    caplog.set_level(logging.DEBUG)
    raw = CARRIERS[carrier]()
    for planted in PLANTED:
        assert sightings(needles(planted), raw), "nothing was planted"
    (tmp_path / "call").write_bytes(raw)
    (tmp_path / "call.json").write_bytes(scripted.metadata())
    exported = hunt(acted, tmp_path, tmp_path / "call")
    assert sightings(HUNTED, caplog.text) == []
    assert scripted.ORDINARY in exported["transcript.vtt"].decode()


def test_names_of_files_do_not_come_out(acted: Here, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Neither the names of the legs, nor of their folder, nor of the metadata are in anything that is kept."""
    caplog.set_level(logging.DEBUG)
    folder = tmp_path / "Wilhelmina Oxenford" / "2025550187"
    folder.mkdir(parents=True)
    voices = pcm16(scripted.samples(scripted.script()))
    legs = [folder / f"agent {FILE_NAME}", folder / f"customer {FILE_NAME}"]
    for leg, voice in zip(legs, voices, strict=True):
        leg.write_bytes(sound_file(voice[None], scripted.RATE_HZ))
    (tmp_path / "call.json").write_bytes(scripted.metadata())
    exported = hunt(acted, tmp_path, "--leg", f"agent={legs[0]}", "--leg", f"customer={legs[1]}")
    assert sightings(HUNTED, caplog.text) == []
    assert set(exported) == {"redacted.wav", "transcript.json", "transcript.vtt", "consent.json", "manifest.json"}


def test_every_word_of_a_document_is_accounted_for(acted: Here, tmp_path: Path) -> None:
    """What is said in a transcript is what its words say, and the other documents quote nothing of the caller."""
    (tmp_path / "call.wav").write_bytes(scripted.recording())
    (tmp_path / "call.json").write_bytes(scripted.metadata())
    exported = hunt(acted, tmp_path, tmp_path / "call.wav")
    transcript = json.loads(exported["transcript.json"])
    for turn in transcript["turns"]:
        assert turn["text"] == " ".join(word["text"] for word in turn["words"])
        assert set(turn) == {"speaker", "channel", "start_s", "end_s", "text", "words"}
        assert all(set(word) == {"text", "start_s", "end_s"} for word in turn["words"])
    assert all(turn["text"] in exported["transcript.vtt"].decode() for turn in transcript["turns"])
    said = [turn["text"] for turn in transcript["turns"] if turn["channel"] == "customer"]
    for name in ("consent.json", "manifest.json"):  # the one quotes the announcement, which is the agent's
        assert sightings(needles(scripted.ORDINARY, *said), exported[name]) == []


def test_known_values_are_used_and_forgotten(acted: Here, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Values that the platform names beforehand, spoken in the call or not, are in nothing that is kept."""
    caplog.set_level(logging.DEBUG)
    known = {"PERSON": ["lovely weather", "Xanthippe Vandersloot"], "ACCOUNT_NUMBER": ["88231907"]}
    (tmp_path / "call.wav").write_bytes(scripted.recording())
    (tmp_path / "call.json").write_bytes(scripted.metadata(known_pii=known))
    exported = hunt(acted, tmp_path, tmp_path / "call.wav")
    values = needles("lovely weather", "Xanthippe Vandersloot", "88231907")
    assert sightings(values, *exported.values(), *opened(tmp_path / "data").values(), caplog.text) == []
    assert sightings(values, tmp_path / "data") == []
