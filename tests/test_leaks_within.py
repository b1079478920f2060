"""What is in memory does not show its content: representations, errors at every stage, calls that are not kept."""

from __future__ import annotations

import gc
import logging
import traceback
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from pipeline import audio, build, run
from pipeline.archive import Archive
from pipeline.config import load_settings
from pipeline.errors import CallsealError
from pipeline.export import describe_call
from pipeline.intake.ingest import Delivery
from pipeline.metadata import parse_metadata
from pipeline.retention import retain
from pipeline.run import process
from pipeline.types import Channel
from pipeline.verify import correlation, verified
from tests import scripted
from tests.factories import pcm16, sound_file
from tests.product import files, needles, sightings
from tests.test_leaks import CANARIES, FAILURES, FILE_NAME, TAGS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeline.config import Settings
    from pipeline.run import Rooms
    from tests.real import Here

pytest_plugins = ("tests.real",)

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
HUNTED = CANARIES | needles(scripted.ORDINARY)
CARRIERS = {"Delivery", "CallMetadata", "Source", "Intake", "Rooms", "Segment", "Word", "Turn", "Draft", "Redaction"}
DECLINED = (
    (Channel.AGENT, "this call is recorded do you agree that we record this call", 1.0),
    (Channel.CUSTOMER, f"no I do not agree my name is {scripted.NAME}", 7.0),
)


def _deliver(folder: Path, raw: bytes | None = None, **changed: Any) -> list[str | Path]:
    """The arguments of ``process`` for the call, its file named after a caller."""
    (folder / FILE_NAME).write_bytes(scripted.recording(tags=TAGS) if raw is None else raw)
    (folder / "call.json").write_bytes(scripted.metadata(**changed))
    return ["process", folder / FILE_NAME, "--metadata", folder / "call.json", "--data-dir", folder / "data"]


def _values() -> dict[str, list[Any]]:
    """Everything of the project's own types that is alive and not frozen, by name of the type."""
    found: dict[str, list[Any]] = {}
    for each in gc.get_objects():
        if str(type(each).__module__).split(".")[0] in ("pipeline", "models"):
            found.setdefault(type(each).__name__, []).append(each)
    return found


def test_no_value_shows_what_it_holds(tmp_path: Path) -> None:
    """At every stage, whatever value came to life for the call can be printed without a word, a number or a name."""
    _deliver(tmp_path)
    gc.freeze()
    delivery = Delivery((tmp_path / FILE_NAME,), (), parse_metadata(scripted.metadata()))
    met: set[str] = set()
    shown: set[str] = set()

    def look(_stage: str) -> None:
        for name, values in _values().items():
            met.add(name)
            shown.update(name for each in values if sightings(HUNTED, f"{each!r} {each!s}"))

    rooms = scripted.rooms(load_settings(tmp_path / "data"))
    try:
        outcome = process(delivery, rooms, NOW, look)
        look("end")
    finally:
        gc.unfreeze()
    assert sightings(HUNTED, repr(outcome), str(describe_call("CA-scripted", rooms.records))) == []
    assert met >= CARRIERS
    assert shown == set()
    rooms.records.close()


def _quote(*_arguments: Any, **_options: Any) -> NoReturn:
    """Fails as libraries do: the message, and that of the cause, quote the call."""
    try:
        raise KeyError(f"{scripted.PHONE} of {TAGS['title']}")
    except KeyError as exc:
        raise ValueError(f"cannot align {scripted.NAME}, {scripted.CARD}") from exc


class _Quoting:
    """A model of any kind that fails and quotes."""

    probabilities = detect_language = transcribe = diarize = people = forms = tag = _quote


FAILING: dict[str, Callable[[pytest.MonkeyPatch], object]] = {
    "sealing": lambda patch: patch.setattr(Archive, "write", _quote),
    "decoding": lambda patch: patch.setattr(audio, "decode_speech", _quote),
    "consent": lambda patch: patch.setattr(run, "judge", _quote),
    "planning": lambda patch: patch.setattr("pipeline.cover.plan", _quote),
    "redacting": lambda patch: patch.setattr(verified, "apply_to_audio", _quote),
    "verifying": lambda patch: patch.setattr(correlation, "check_audio", _quote),
    "writing": lambda patch: patch.setattr(Archive, "put", _quote),
    "dating": lambda patch: patch.setattr(retain, "plan", _quote),
}


def _told(acted: Here, folder: Path, caplog: pytest.LogCaptureFixture, arguments: list[str | Path]) -> int:
    """Run a command that fails; nothing of the call is printed, logged or left. Gives the exit code."""
    caplog.set_level(logging.DEBUG)
    done = acted(*arguments)
    assert sightings(HUNTED, done.out, done.err, caplog.text, folder / "data") == []
    assert files(folder / "data" / "objects") == []
    assert "ValueError" in done.err
    assert len(done.err.splitlines()) == 1
    return done.code


@pytest.mark.parametrize("failing", FAILING)
def test_a_room_that_fails_does_not_quote(
    acted: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, failing: str
) -> None:
    """Wherever a call fails, the error names kind and place, and neither a message nor its cause is passed on."""
    FAILING[failing](monkeypatch)
    assert _told(acted, tmp_path, caplog, [*_deliver(tmp_path), "--json"]) == 1


@pytest.mark.parametrize("model", ["vad", "transcriber", "listener", "diarizer", "recognizer", "tagger"])
def test_a_model_that_fails_does_not_quote(
    acted: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, model: str
) -> None:
    """A model that fails and quotes what it heard is not passed on."""

    def rooms(settings: Settings) -> Rooms:
        broken: dict[str, Any] = {model: _Quoting}
        return replace(scripted.rooms(settings), **broken)

    monkeypatch.setattr(build, "build", rooms)
    assert _told(acted, tmp_path, caplog, [*_deliver(tmp_path, scripted.recording(mono=True)), "--json"]) == 1


def test_bad_metadata_do_not_show_in_a_traceback() -> None:
    """What wraps a refusal of metadata, down to its first cause, may be logged by whoever embeds the product."""
    refused = 0
    for _, metadata in FAILURES.values():
        try:
            parse_metadata(metadata)
        except CallsealError as exc:
            refused += 1
            lines = traceback.format_exception(exc, chain=True)
            assert sightings(CANARIES, *lines) == []
    assert refused > 5


@pytest.mark.parametrize("status", ["quarantined", "discarded"])
def test_what_is_not_kept_is_not_told(
    acted: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, status: str
) -> None:
    """A call that waits for consent, or is given up for want of it, is nowhere readable, and cannot be exported."""
    caplog.set_level(logging.DEBUG)
    if status == "discarded":
        monkeypatch.setattr(build, "build", lambda settings: scripted.rooms(settings, DECLINED))
        sound = sound_file(pcm16(scripted.samples(scripted.script(DECLINED), 12.0)), scripted.RATE_HZ, tags=TAGS)
        arguments = _deliver(tmp_path, sound)
    else:
        arguments = _deliver(tmp_path, jurisdictions=["DE"])
    done = acted(*arguments, "--json")
    assert (done.code, done.json["status"]) == (0, status)
    assert done.json["redactions"]
    told = [done, acted(*arguments), acted("show", "CA-scripted", "--json", "--data-dir", tmp_path / "data")]
    told.append(acted("export", "CA-scripted", "--to", tmp_path / "out", "--data-dir", tmp_path / "data"))
    assert [each.code for each in told] == [0, 0, 0, 4]
    said = [text for each in told for text in (each.out, each.err)]
    assert sightings(HUNTED, *said, caplog.text, tmp_path / "data") == []
    assert files(tmp_path / "out") == []
    held = acted("delete", "--caller", scripted.CALLER, "--yes", "--json", "--data-dir", tmp_path / "data")
    assert held.code == 0
    assert sightings(HUNTED, held.out, held.err, tmp_path / "data") == []
    assert files(tmp_path / "data" / "objects") == []
