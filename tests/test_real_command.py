"""The installed command on real calls with real weights, one process per command, as an operator runs it."""

from __future__ import annotations

import itertools
import re
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest

from pipeline import audio
from pipeline.config import load_settings
from pipeline.db import Records
from pipeline.keys.file import KeyFile
from tests.product import files, objects, run
from tests.real import CALLER

if TYPE_CHECKING:
    from pathlib import Path

    from tests.real import Processed

pytest_plugins = ("tests.real",)
pytestmark = pytest.mark.models

ACCOUNT = "12345"
SPELLINGS = ["+12025550143", "(202) 555-0143", "202.555.0143", "001 202 555 0143", "tel:+1-202-555-0143"]
DOCUMENTS = {"transcript": "transcript.json", "consent_record": "consent.json", "manifest": "manifest.json"}


@pytest.fixture(name="call", params=["stereo", "mono"])
def _call(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


def _redacted(call: Processed) -> Path:
    return next(call.exported.glob("redacted.*"))


def _form(path: Path) -> tuple[audio.AudioFormat, int]:
    """The format of a recording and its length in samples at 16 kHz."""
    recording = audio.Recording((lambda: path.open("rb"),))
    fmt = audio.probe(recording)
    return fmt, sum(block.shape[1] for block in audio.decode_speech(recording, 600.0))


def test_it_is_stored(call: Processed) -> None:
    """A real call goes through, and what the store holds is what the summary names."""
    assert call.watched.done.code == 0, call.watched.done.err
    assert call.watched.done.err == ""
    assert call.summary["status"] == "stored"
    assert len(call.summary["artifacts"]) == len(objects(call.watched.data_dir)) == 4


def test_what_comes_out_is_what_was_sealed(call: Processed) -> None:
    """The exported files have the hashes and sizes that the summary states."""
    assert {path.name for path in call.exported.iterdir()} == {
        *DOCUMENTS.values(),
        "transcript.vtt",
        _redacted(call).name,
    }
    for each in call.summary["artifacts"]:
        raw = (call.exported / DOCUMENTS.get(each["kind"], _redacted(call).name)).read_bytes()
        assert (sha256(raw).hexdigest(), len(raw)) == (each["sha256"], each["size_bytes"])


def test_audio_is_as_it_came(call: Processed) -> None:
    """The redacted recording, a WAV or an MP3, has the container, codec, rate, channels and length of the original."""
    (before, length), (after, length_after) = _form(call.recording), _form(_redacted(call))
    assert (after.container, after.codec, after.rate_hz, after.channels) == (
        before.container,
        before.codec,
        before.rate_hz,
        before.channels,
    )
    assert length_after == pytest.approx(length, abs=0.06 * audio.SPEECH_RATE_HZ)
    assert call.summary["duration_s"] == pytest.approx(length / audio.SPEECH_RATE_HZ, abs=0.001)
    assert _redacted(call).suffix == call.recording.suffix


def test_the_account_number_cannot_be_read(stereo: Processed) -> None:
    """The number that the customer says is in no document, in digits or in words; a mark is in its place."""
    for name in (*DOCUMENTS.values(), "transcript.vtt"):
        text = (stereo.exported / name).read_text()
        spoken = re.sub(r'"(start_s|end_s|sha256|size_bytes)": "?[\w.]+"?|[\d:.]+ --> [\d:.]+', "", text)
        assert ACCOUNT not in re.sub(r"\W", "", spoken)
        assert not re.search(r"\bone\b\W+\btwo\b", spoken, re.IGNORECASE)
    assert "[ACCOUNT_NUMBER]" in (stereo.exported / "transcript.vtt").read_text()


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("stereo", ["thank you for calling", "happy to help you", "my account number is"]),
        ("mono", ["internet service provider", "send a technician after that", "thank you for calling"]),
    ],
)
def test_the_rest_can_be_read(name: str, kept: list[str], request: pytest.FixtureRequest) -> None:
    """What is no secret stays in the transcript."""
    call: Processed = request.getfixturevalue(name)
    read = (call.exported / "transcript.vtt").read_text().lower()
    assert [phrase for phrase in kept if phrase not in read] == []


def test_speakers_of_a_mono_call(mono: Processed) -> None:
    """Two people take turns on the mono call, and the transcript tells them apart."""
    turns = mono.document("transcript.json")["turns"]
    speakers = [turn["speaker"] for turn in turns if len(turn["words"]) > 5]
    assert len(speakers) >= 4
    assert len(set(speakers)) == 2
    assert all(one != two for one, two in itertools.pairwise(speakers))


VERIFIED = {
    "copies_tried": 4,
    "copies_opened_before": 4,
    "copies_opened_after": 0,
    "keys_tried": 1,
    "keys_opened_after": 0,
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_erased_by_any_spelling(stereo: Processed, tmp_path: Path, spelling: str) -> None:
    """Whatever way the number is spelled, the caller's calls are erased and can be neither shown nor exported."""
    data_dir = stereo.copy(tmp_path)
    done = run("delete", "--caller", spelling, "--yes", "--json", "--data-dir", data_dir)
    assert (done.code, done.json["erased"], done.json["calls"]) == (0, True, [stereo.call_id])
    assert done.json["verified"] == VERIFIED
    assert objects(data_dir) == {}
    assert run("export", stereo.call_id, "--to", tmp_path / "out", "--data-dir", data_dir).code == 5


def test_no_key_is_left_in_any_file(stereo: Processed, tmp_path: Path) -> None:
    """After an erasure no file holds the caller's wrapped key or that of an object, not even SQLite's log."""
    settings = load_settings(stereo.copy(tmp_path))
    records, root = Records.open(settings.database_url), KeyFile.load(settings.key_file)
    key = records.subject_key(root.subject_id(CALLER))
    assert key is not None
    keys = [key.wrapped_key, *(each.sealed.wrapped_key for each in records.artifacts(stereo.call_id))]
    records.close()
    before = [path.read_bytes() for path in files(settings.data_dir)]
    assert all(any(each in raw for raw in before) for each in keys)
    assert run("delete", "--caller", CALLER, "--yes", "--data-dir", settings.data_dir).code == 0
    after = [path.read_bytes() for path in files(settings.data_dir)]
    assert not any(each in raw for raw in after for each in keys)
