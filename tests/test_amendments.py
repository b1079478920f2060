"""A third party sees which corrections of an exported call are callseal's, and that nothing was made of them since."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from models.fakes import FakeRecognizer
from pipeline import pii
from pipeline.config import load_settings
from pipeline.errors import VerificationFailed
from pipeline.export import export_call
from pipeline.intake.ingest import Delivery
from pipeline.keys.signing import PublicKey, SigningKey, signed
from pipeline.manifest import check_export
from pipeline.metadata import parse_metadata
from pipeline.rights import policy as policies
from pipeline.rights import register
from pipeline.rights.correct import NewText, NewValue, Searcher, correct
from pipeline.rights.register import Right
from pipeline.run import process
from tests import scripted
from tests.kept import NOW, kept_in
from tests.product import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeline.custody import Custody

CALL = "CA-scripted"
Files = dict[str, Any]


@pytest.fixture(name="data", scope="module")
def _data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stored call."""
    folder = tmp_path_factory.mktemp("stored")
    (folder / "call.wav").write_bytes(scripted.recording())
    rooms = scripted.rooms(load_settings(folder / "data"))
    process(Delivery((folder / "call.wav",), (), parse_metadata(scripted.metadata())), rooms, NOW)
    rooms.records.close()
    return folder / "data"


@pytest.fixture(name="exported", scope="module")
def _exported(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The export of the call, two turns and a field of which were corrected, and the public key beside it."""
    folder = tmp_path_factory.mktemp("exported")
    held = kept_in(shutil.copytree(data, folder / "data"))
    amended(held, NewText(0, "celery"), NewText(1, "rhubarb"), NewValue("language", "fr"))
    (folder / "key.pem").write_bytes(held.access.trail.key.public.pem())
    export_call(CALL, folder / "out", held.archive, held.records, held.root, NOW)
    held.records.close()
    return folder


def amended(held: Custody, *changes: NewText | NewValue) -> None:
    """Corrections by the scripted caller."""
    law = policies.load_policy(load_settings(None).policy_file("rights.toml"))
    redaction = pii.load_policy(load_settings(None).policy_file("redaction.toml"))
    engine, subject_id = held.records.engine, held.root.subject_id(scripted.CALLER)
    asked = register.receive(engine, Right.CORRECT, subject_id, law.law_named("gdpr"), by_id="desk", at=NOW)
    request = register.verify(engine, law, asked.request_id, "callback", by_id="desk", now=NOW)
    for change in changes:
        correct(held, request, CALL, change, Searcher(lambda: FakeRecognizer({}), redaction), NOW)


def verified(folder: Path) -> tuple[int, Any]:
    """How ``callseal manifest verify`` ends."""
    done = run("manifest", "verify", folder / "out", "--public-key", folder / "key.pem", "--json")
    return done.code, done.json


def test_an_export_of_an_amended_call_verifies_whole(exported: Path) -> None:
    """Every file is as signed; the transcript is the signed one with the marks of signed amendments."""
    code, told = verified(exported)
    assert (code, told["valid"]) == (0, True)
    assert told["files"] == {
        "redacted.wav": "as signed",
        "consent.json": "as signed",
        "transcript.json": "as signed, with signed amendments",
        "amendments.json": "as signed",
    }


def _text_and_mark(files: Files) -> None:
    next(each for each in files["amendments.json"]["amendments"] if each.get("turn") == 0)["text"] = "parsley"
    files["transcript.json"]["turns"][0]["amended"]["text"] = "parsley"


def _value(files: Files) -> None:
    next(each for each in files["amendments.json"]["amendments"] if "field" in each)["value"] = "de"


def _unsigned(files: Files) -> None:
    del files["amendments.json"]["amendments"][0]["signature"]


def _all_unsigned(files: Files) -> None:
    for each in files["amendments.json"]["amendments"]:
        del each["signature"]


def _no_file(files: Files) -> None:
    del files["amendments.json"]


def _no_mark(files: Files) -> None:
    del files["transcript.json"]["turns"][1]["amended"]


def _mark(files: Files) -> None:
    files["transcript.json"]["turns"][1]["amended"]["text"] = "parsley"


def _mark_of_nobody(files: Files) -> None:
    turns = files["transcript.json"]["turns"]
    turns[2]["amended"] = turns[1]["amended"]


def _turn(files: Files) -> None:
    files["transcript.json"]["turns"][1]["text"] = "parsley"


def _left_out(files: Files) -> None:
    files["amendments.json"]["amendments"] = [e for e in files["amendments.json"]["amendments"] if e.get("turn") != 1]


def _backwards(files: Files) -> None:
    files["amendments.json"]["amendments"].reverse()


def _of_another_call(files: Files) -> None:
    files["amendments.json"]["call_id"] = "CA-other"


def _more(files: Files) -> None:
    files["amendments.json"]["note"] = "all of these were withdrawn"


@pytest.mark.parametrize(
    "tamper",
    [
        *(_text_and_mark, _value, _unsigned, _all_unsigned, _no_file, _no_mark, _mark),
        *(_mark_of_nobody, _turn, _left_out, _backwards, _of_another_call, _more),
    ],
)
def test_a_tampered_amendment_is_seen(exported: Path, tmp_path: Path, tamper: Callable[[Files], None]) -> None:
    """An amendment or its mark that was changed, moved, added or stripped of its signature gives exit code 6."""
    shutil.copytree(exported, tmp_path, dirs_exist_ok=True)
    names = ("transcript.json", "amendments.json")
    files = {name: json.loads((tmp_path / "out" / name).read_text()) for name in names}
    tamper(files)
    for name in names:
        (tmp_path / "out" / name).unlink()
        if name in files:
            (tmp_path / "out" / name).write_text(json.dumps(files[name], ensure_ascii=False))
    code, told = verified(tmp_path)
    assert (code, told["error"]["kind"]) == (6, "VerificationFailed")


def test_a_change_that_json_does_not_see_is_seen(exported: Path, tmp_path: Path) -> None:
    """A name that stands twice is read by one reader so, by the next otherwise."""
    shutil.copytree(exported, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "out" / "amendments.json"
    path.write_text(path.read_text().replace('"text": "celery"', '"text": "parsley", "text": "celery"'))
    assert verified(tmp_path)[0] == 6


def test_what_is_signed_for_another_purpose_is_no_amendment(exported: Path, tmp_path: Path) -> None:
    """Nor is an amendment a manifest: a signature fits the format that it was made for."""
    key = SigningKey.load(load_settings(exported / "data").signing_key_file)
    shutil.copytree(exported / "out", tmp_path / "out")
    path = tmp_path / "out" / "amendments.json"
    found = json.loads(path.read_text())
    forged = {**found, "amendments": [signed({**each, "format": "other/1"}, key) for each in found["amendments"]]}
    path.write_text(json.dumps(forged, ensure_ascii=False))
    with pytest.raises(VerificationFailed, match="no amendment"):
        check_export(tmp_path / "out", key.public)
    (tmp_path / "manifest.json").write_text(json.dumps(found["amendments"][0]))
    with pytest.raises(VerificationFailed, match="is none"):
        check_export(tmp_path / "manifest.json", key.public)


def test_a_correction_on_another_host_verifies_with_its_key_too(data: Path, tmp_path: Path) -> None:
    """Each host signs with its own key; whoever verifies gives those of all of them."""
    held = kept_in(shutil.copytree(data, tmp_path / "data"))
    desk = SigningKey.create(tmp_path / "desk.pem")
    trail = replace(held.access.trail, key=desk)
    amended(replace(held, access=replace(held.access, trail=trail)), NewText(0, "celery"))
    export_call(CALL, tmp_path / "out", held.archive, held.records, held.root, NOW)
    held.records.close()
    worker = held.access.trail.key.public
    with pytest.raises(VerificationFailed):
        check_export(tmp_path / "out", worker)
    assert check_export(tmp_path / "out", desk.public, worker)["key_id"] == worker.key_id
    keys = []
    for name, key in (("worker", worker), ("desk", PublicKey.from_pem(desk.public.pem()))):
        (tmp_path / f"{name}.public").write_bytes(key.pem())
        keys += ["--public-key", str(tmp_path / f"{name}.public")]
    assert run("manifest", "verify", tmp_path / "out", *keys).code == 0
