"""The story of a call with models that follow a script; store, database, keys and codecs are the real ones."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from models.fakes import FakeTranscriber
from pipeline import build
from pipeline.audio import decode_speech
from pipeline.config import load_settings
from pipeline.erasure.erase import carry_out
from pipeline.erasure.plan import plan_erasure
from pipeline.errors import BadAudio, BadMetadata, CallsealError, NotFound, Refused, Temporary
from pipeline.export import describe_call, export_call, reveal_originals
from pipeline.intake.ingest import Delivery
from pipeline.metadata import parse_metadata
from pipeline.roles import Role
from pipeline.run import Outcome, Rooms, process
from pipeline.tones import ToneListener
from pipeline.types import Channel, Status, TimeSpan
from tests import scripted
from tests.factories import pcm16, recording, sound_file
from tests.product import files, objects
from tests.test_tones import FIRST_S, keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pipeline.custody import Custody

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
STORED = {"redacted_audio", "transcript", "consent_record", "manifest"}
STAGES = ["intake", "transcribe", "diarize", "detect", "consent", "redact", "verify", "seal"]


@dataclass(frozen=True)
class Place:
    """A data folder with everything that a call passes through."""

    folder: Path
    rooms: Rooms

    def deliver(self, raw: bytes | None = None, **changed: Any) -> Delivery:
        """The scripted call, or another recording, as it arrives."""
        path = self.folder / "call.wav"
        path.write_bytes(scripted.recording() if raw is None else raw)
        return Delivery((path,), (), parse_metadata(scripted.metadata(**changed)))

    def process(
        self, raw: bytes | None = None, observe: Callable[[str], None] = lambda _: None, **changed: Any
    ) -> Outcome:
        """Carry the call through."""
        return process(self.deliver(raw, **changed), self.rooms, NOW, observe)

    def kinds(self, call_id: str = "CA-scripted") -> list[str]:
        """Kinds of the call's artifacts; every one of them is in the store, and nothing else is."""
        artifacts = self.rooms.records.artifacts(call_id)
        for artifact in artifacts:
            assert self.rooms.archive.store.stat(artifact.sealed.object_key)
        return sorted(artifact.sealed.kind.value for artifact in artifacts)

    def export(self, call_id: str = "CA-scripted") -> dict[str, bytes]:
        """What leaves, by file name."""
        to = self.folder / "out"
        written = export_call(call_id, to, self.rooms.archive, self.rooms.records, self.rooms.root, NOW)
        return {path.name: path.read_bytes() for path in written}

    def stored(self) -> int:
        """How many files are in the store."""
        return len(objects(self.folder / "data"))


@pytest.fixture(name="place")
def _place(tmp_path: Path) -> Iterator[Place]:
    rooms = scripted.rooms(load_settings(tmp_path / "data"))
    yield Place(tmp_path, rooms)
    rooms.records.close()


def _samples(raw: bytes) -> Any:
    return np.frombuffer(raw[44:], np.int16).reshape(-1, 2).T.astype(np.float64)


def test_a_lawful_call_is_stored(place: Place) -> None:
    """A lawful call leaves a redacted recording, a transcript, a consent record and a manifest, and no original."""
    outcome = place.process()
    assert (outcome.status, outcome.repeated) == (Status.STORED, False)
    assert set(place.kinds()) == STORED
    assert place.stored() == len(STORED)


def test_stages_are_told_in_order(place: Place) -> None:
    """An observer hears of each stage as it begins and how far hearing is; the summary has the time of each stage."""
    told: list[str] = []
    outcome = place.process(observe=told.append)
    assert [each for each in told if " " not in each] == STAGES
    assert [each for each in told if " " in each][:1] == ["transcribe 0:31"]
    assert set(STAGES) < outcome.summary["timings_s"].keys()


def test_redacted_audio(place: Place) -> None:
    """Where a redaction stands nothing of the voice is left, on both channels; elsewhere no sample has changed."""
    redactions = place.process().summary["redactions"]
    before, after = _samples(scripted.recording()), _samples(place.export()["redacted.wav"])
    assert before.shape == after.shape
    kept = np.ones(before.shape, dtype=bool)
    for each in redactions:
        row = ("agent", "customer").index(each["channel"])
        first, end = (round(each[key] * scripted.RATE_HZ) for key in ("start_s", "end_s"))
        voice, put_in = before[row, first + 160 : end - 160], after[row, first + 160 : end - 160]
        assert abs(voice @ put_in) <= 0.1 * np.linalg.norm(voice) * np.linalg.norm(put_in)
        assert np.linalg.norm(put_in) > 0
        kept[row, first - 160 : end + 160] = False
    assert np.array_equal(before[kept], after[kept])
    assert kept.mean() > 0.5


@pytest.mark.parametrize(
    ("said", "entity_type"),
    [("four one one one", "CREDIT_CARD"), ("Zebulon", "PERSON"), ("at example", "EMAIL_ADDRESS")],
)
def test_what_was_said_is_gone(place: Place, said: str, entity_type: str) -> None:
    """A spoken value is not in any exported document; a mark with its type is in its place."""
    place.process()
    documents = place.export()
    text = b"".join(raw for name, raw in documents.items() if name != "redacted.wav").decode()
    assert said.lower() not in text.lower()
    assert f"[{entity_type}]" in documents["transcript.vtt"].decode()


def test_known_values_are_found(place: Place) -> None:
    """A value that the platform names is redacted wherever it is spoken, even if no recogniser knows it."""
    outcome = place.process(known_pii={"PERSON": ["lovely weather"]})
    assert any(r["channel"] == "agent" and r["entity_type"] == "PERSON" for r in outcome.summary["redactions"])
    assert "lovely" not in place.export()["transcript.vtt"].decode()


def test_keys_are_gone(place: Place) -> None:
    """Keys that were pressed are on neither channel, stand in the transcript as one mark and are recorded nowhere."""
    voices = scripted.samples(scripted.script())
    sound, spans = keys("4711", 0.1, 0.1, scripted.RATE_HZ)
    first = round((31.5 - FIRST_S) * scripted.RATE_HZ)
    voices[:, first : first + len(sound)] += sound * np.array([[0.02], [1.0]])
    summary = place.process(sound_file(pcm16(voices), scripted.RATE_HZ)).summary
    found = [each for each in summary["redactions"] if each["entity_type"] == "DTMF"]
    assert sorted(each["channel"] for each in found) == ["agent", "customer"]
    assert all(each["start_s"] <= 31.5 and each["end_s"] >= 31.5 - FIRST_S + spans[-1].end_s for each in found)
    exported = place.export()
    listener = ToneListener((Channel.AGENT, Channel.CUSTOMER))
    list(listener.listen(decode_speech(recording(exported["redacted.wav"]), 60.0)))
    assert listener.tones() == ()
    assert exported["transcript.vtt"].decode().count("[DTMF]") == 1
    assert not any(each["start_s"] > 31.0 and each["end_s"] < 33.0 for each in summary["review"])


def test_originals_are_sealed_and_shown_on_request(place: Place) -> None:
    """Where the policy makes a kind reversible, its values are sealed by themselves, and showing them is remembered."""
    entities = place.rooms.redaction.entities
    person = entities["PERSON"].model_copy(update={"reversible": True})
    redaction = place.rooms.redaction.model_copy(update={"entities": {**entities, "PERSON": person}})
    summary = process(place.deliver(), replace(place.rooms, redaction=redaction), NOW).summary
    (kept,) = [each for each in summary["artifacts"] if each["kind"] == "pii_map"]
    assert kept["retain_until"] == "2026-12-20T14:03:00Z"
    assert "originals.json" not in place.export()
    custody = (place.rooms.archive, place.rooms.records, place.rooms.root)
    shown = json.loads(reveal_originals("CA-scripted", place.folder / "out", *custody, NOW).read_bytes())
    assert {"placeholder": "[PERSON]", "entity_type": "PERSON", "value": scripted.NAME} in shown["originals"]
    assert {each["entity_type"] for each in shown["originals"]} == {"PERSON"}
    history = describe_call("CA-scripted", place.rooms.records)["history"]
    assert [each["what"] for each in history if each["what"] in ("exported", "revealed")] == ["exported", "revealed"]
    assert scripted.NAME.encode() not in b"".join(file.read_bytes() for file in files(place.folder / "data"))


def test_no_originals(place: Place) -> None:
    """Under the shipped policy there is nothing to show, and the request for it shows nothing."""
    place.process()
    custody = (place.rooms.archive, place.rooms.records, place.rooms.root)
    with pytest.raises(NotFound, match="no pii_map"):
        reveal_originals("CA-scripted", place.folder / "out", *custody, NOW)
    assert not (place.folder / "out").exists()


def test_a_mono_call_is_told_apart(place: Place) -> None:
    """On a mono recording the diarizer says who speaks."""
    assert place.process(scripted.recording(mono=True)).summary["channels"] == ["mixed"]
    vtt = place.export()["transcript.vtt"].decode()
    assert "<v agent>" in vtt
    assert "<v customer>" in vtt


def test_one_file_per_leg(place: Place) -> None:
    """Two mono legs become one recording with a channel for each, in the order they were given."""
    voices = pcm16(scripted.samples(scripted.script()))
    legs = {Channel.CUSTOMER: voices[1:], Channel.AGENT: voices[:1]}
    paths = []
    for channel, voice in legs.items():
        paths.append(place.folder / f"{channel}.wav")
        paths[-1].write_bytes(sound_file(voice, scripted.RATE_HZ))
    delivery = Delivery(tuple(paths), tuple(legs), parse_metadata(scripted.metadata()))
    summary = process(delivery, place.rooms, NOW).summary
    assert summary["channels"] == ["customer", "agent"]
    assert _samples(place.export()["redacted.wav"]).shape == (2, voices.shape[1])
    assert {r["entity_type"] for r in summary["redactions"] if r["channel"] == "customer"} >= {"PERSON", "CREDIT_CARD"}


def test_an_unlawful_call_is_quarantined(place: Place) -> None:
    """Without the consent that the rule asks for, the sealed original waits, and nothing may leave."""
    outcome = place.process(jurisdictions=["DE"])
    assert outcome.status is Status.QUARANTINED
    assert outcome.summary["redactions"]
    assert place.kinds() == ["consent_record", "intake", "manifest"]
    with pytest.raises(Refused):
        place.export()


def test_a_declined_call_is_discarded(place: Place) -> None:
    """Of a call whose caller said no, the decision is kept and no word and no sound."""
    lines = (
        (Channel.AGENT, "this call is recorded do you agree that we record this call", 1.0),
        (Channel.CUSTOMER, "no I do not agree", 7.0),
    )
    rooms = replace(place.rooms, **scripted.models(lines))
    sound = sound_file(pcm16(scripted.samples(scripted.script(lines), 12.0)), scripted.RATE_HZ)
    outcome = process(place.deliver(sound), rooms, NOW)
    assert (outcome.status, outcome.summary["consent"]["verdict"]) == (Status.DISCARDED, "declined")
    assert place.kinds() == ["consent_record"]
    assert place.stored() == 1


def test_done_twice_is_done_once(place: Place) -> None:
    """The same recording under the same models and policies gives the same summary and touches nothing."""
    first = place.process()
    before = objects(place.folder / "data")
    again = place.process()
    assert again.repeated
    assert dict(again.summary) == dict(first.summary)
    assert objects(place.folder / "data") == before


def test_a_new_policy_replaces_the_result(place: Place) -> None:
    """Processed again by other models or policies, the new artifacts stand in the place of the old, which are gone."""
    first = place.process()
    other = replace(place.rooms, fingerprint="f" * 64)
    second = process(place.deliver(), other, NOW)
    assert not second.repeated
    assert set(place.kinds()) == STORED
    assert place.stored() == len(STORED)
    was, now_is = ({a["sha256"] for a in o.summary["artifacts"] if a["kind"] == "manifest"} for o in (first, second))
    assert was == now_is


def test_an_id_belongs_to_one_recording(place: Place) -> None:
    """Another recording under a call's id is refused, and the first is as it was."""
    place.process()
    before = objects(place.folder / "data")
    with pytest.raises(BadMetadata, match="CA-scripted"):
        place.process(scripted.recording(mono=True))
    assert objects(place.folder / "data") == before


def test_without_an_id_the_recording_is_one(place: Place) -> None:
    """A call without an id is named by its recording, so that it is found again."""
    first = place.process(call_id=None)
    assert place.process(call_id=None).repeated
    assert first.summary["call_id"].startswith("call-")


def test_a_refused_call_is_on_record(place: Place) -> None:
    """A recording that cannot be processed is recorded as quarantined, with the reason, and nothing is kept of it."""
    with pytest.raises(BadAudio):
        place.process(b"no recording at all")
    shown = describe_call("CA-scripted", place.rooms.records)
    assert (shown["status"], shown["artifacts"]) == ("quarantined", [])
    assert shown["error"]["exit_code"] == 3
    assert place.stored() == 0


def test_a_damaged_redelivery_does_not_replace(place: Place) -> None:
    """A stored call stays stored when the same id comes again, damaged."""
    place.process()
    with pytest.raises(BadMetadata):
        place.process(scripted.recording()[:-30_000])
    assert describe_call("CA-scripted", place.rooms.records)["status"] == "stored"
    assert place.export()


class Stopped(Exception):
    """Raised by an observer."""


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("error", [Stopped, KeyboardInterrupt])
def test_whatever_fails_leaves_the_store_as_it_was(place: Place, stage: str, error: type[BaseException]) -> None:
    """A failure at any stage leaves no object, and the next attempt stores the call."""

    def fail(name: str) -> None:
        if name == stage:
            raise error

    with pytest.raises(error):
        place.process(observe=fail)
    assert place.stored() == 0
    assert place.process().status is Status.STORED
    assert place.stored() == len(STORED)


@pytest.mark.parametrize("stage", STAGES)
def test_a_failing_replacement_leaves_the_result(place: Place, stage: str) -> None:
    """A call that is processed again, in vain, keeps the result it had."""
    place.process()
    before = objects(place.folder / "data")

    def fail(name: str) -> None:
        if name == stage:
            raise Stopped

    with pytest.raises(Stopped):
        process(place.deliver(), replace(place.rooms, fingerprint="f" * 64), NOW, fail)
    assert objects(place.folder / "data") == before
    assert place.export()


@pytest.mark.parametrize("stage", STAGES)
def test_erased_while_it_was_processed(place: Place, stage: str) -> None:
    """A caller who is erased while a call is in flight stays erased: the call is refused at the end."""
    subject = place.rooms.root.subject_id(scripted.CALLER)
    held = build.custody(load_settings(place.folder / "data"), Role.PRIVACY_OFFICER)

    def erase(name: str) -> None:
        if name == stage:
            carry_out(plan_erasure(held.records, subject), held, lambda: NOW)

    with pytest.raises(CallsealError) as refused:
        place.process(observe=erase)
    assert isinstance(refused.value, Refused)
    assert place.stored() == 0
    assert place.rooms.records.calls_of_subject(subject) == ()
    with pytest.raises(Refused, match="erased on request"):
        place.process()
    held.records.close()


def _erased(place: Place, number: str) -> Custody:
    held = build.custody(load_settings(place.folder / "data"), Role.PRIVACY_OFFICER)
    carry_out(plan_erasure(held.records, held.root.subject_id(number)), held, lambda: NOW)
    return held


BACK_AGAIN: dict[str, dict[str, Any]] = {
    "under its id, encoded anew": {"raw": scripted.recording(mono=True)},
    "under another id": {"call_id": "CA-other"},
    "under another id, encoded anew": {"raw": scripted.recording(mono=True), "call_id": "CA-other"},
    "without its number": {"caller": "anonymous", "call_id": "CA-other"},
}


@pytest.mark.parametrize("delivered", BACK_AGAIN)
def test_an_erased_call_is_not_taken_in_again(place: Place, delivered: str) -> None:
    """An archive that still has the recording cannot bring it back: not by its id, its bytes, its caller and date."""
    place.process()
    held = _erased(place, scripted.CALLER)
    with pytest.raises(Refused, match="erased on request"):
        place.process(**BACK_AGAIN[delivered])
    assert (place.stored(), held.records.root_key_ids()) == (0, frozenset())
    held.records.close()


def test_an_erased_caller_may_call_again(place: Place) -> None:
    """A call that the caller makes after the erasure is a call like any other, under a new key."""
    place.process()
    _erased(place, scripted.CALLER).records.close()
    later = place.process(scripted.recording(mono=True), call_id="CA-new", started_at="2026-11-24T13:00:00Z")
    assert later.status is Status.STORED
    assert place.kinds("CA-new") == sorted(STORED)


def test_the_company_number_is_found_too(place: Place) -> None:
    """Both numbers of a call find it, whoever called whom."""
    place.process()
    place.process(
        scripted.recording(mono=True),
        call_id="CA-out",
        caller="+18005550100",
        callee="+12025550177",
        direction="outbound",
    )
    company, customer = (place.rooms.root.subject_id(each) for each in ("+18005550100", "+12025550177"))
    plans = [plan_erasure(place.rooms.records, each) for each in (company, customer)]
    assert [plan.call_ids for plan in plans] == [("CA-scripted", "CA-out"), ("CA-out",)]
    assert [(plan.as_customer, plan.as_company) for plan in plans] == [(0, 2), (1, 0)]


def test_a_withheld_number_is_nobody_twice(place: Place) -> None:
    """Two calls whose number is withheld have nothing in common."""
    for call_id in ("CA-1", "CA-2"):
        place.process(call_id=call_id, caller="anonymous")
    subjects = {call.subject_id for each in ("CA-1", "CA-2") if (call := place.rooms.records.call(each))}
    assert len(subjects) == 2


def test_calls_side_by_side(place: Place) -> None:
    """Several workers on one call at the same time end with one result, and nothing is left over."""
    failed: list[BaseException] = []
    delivery = place.deliver()

    def work() -> None:
        try:
            process(delivery, place.rooms, NOW)
        except Temporary as exc:
            failed.append(exc)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(failed) < len(workers)
    assert set(place.kinds()) == STORED
    assert place.stored() == len(STORED)


def test_silence_is_refused(place: Place) -> None:
    """A recording without a sound is an error, not an empty call."""
    with pytest.raises(BadAudio, match="silent"):
        place.process(sound_file(np.zeros((2, 80_000), np.int16), scripted.RATE_HZ))


def _doubted(place: Place, because: str, raw: bytes | None = None, **models: Any) -> Any:
    """The summary of a call that is lawful to keep and is quarantined all the same, its sealed original with it."""
    outcome = process(place.deliver(raw, jurisdictions=["US-NY"]), replace(place.rooms, **models), NOW)
    assert outcome.summary["consent"]["lawful"]
    assert outcome.status is Status.QUARANTINED
    assert any(because in doubt for doubt in outcome.summary["doubts"])
    assert {each["channel"] for each in outcome.summary["review"] if because in each["reason"]} == {"agent", "customer"}
    assert place.kinds() == ["consent_record", "intake", "manifest"]
    return outcome.summary


def test_sound_without_words_is_not_kept(place: Place) -> None:
    """Voices that no word was recognised for are put up for review, all of them, and nothing of the call may leave."""
    summary = _doubted(place, "no word was understood", **scripted.models(()))
    spans = [TimeSpan(r["start_s"], r["end_s"]) for r in summary["redactions"] if r["channel"] == "customer"]
    assert any(each.overlaps(TimeSpan(15.0, 20.0)) for each in spans)
    assert {each["entity_type"] for each in summary["redactions"]} == {"UNHEARD"}


def test_sound_without_a_voice_is_not_kept(place: Place) -> None:
    """A recording that has sound, in which the detector hears nobody, is not taken for one without secrets."""
    hiss = np.random.default_rng(1).standard_normal((2, 80_000)) * 0.003
    _doubted(place, "no voice", sound_file(pcm16(hiss), scripted.RATE_HZ))


@pytest.mark.parametrize(("language", "certainty"), [("fi", 1.0), ("en", 0.2)])
def test_a_language_without_rules_is_not_kept(place: Place, language: str, certainty: float) -> None:
    """A call in a language that has no rules, or that is told with little certainty, waits for a person."""
    words = scripted.script()
    unsure = FakeTranscriber(words, language=language, certainty=certainty)
    _doubted(place, f"language {language}", transcriber=lambda: unsure)


def test_a_language_that_is_stated_is_certain(place: Place) -> None:
    """The platform's word for the language counts, so that no guess is asked for; it must have rules all the same."""
    unsure = FakeTranscriber(scripted.script(), language="fi", certainty=0.1)
    rooms = replace(place.rooms, transcriber=lambda: unsure)
    assert process(place.deliver(language="en"), rooms, NOW).status is Status.STORED
    assert process(place.deliver(call_id="CA-es", language="es"), rooms, NOW).status is Status.QUARANTINED


def test_files_are_for_their_owner(place: Place) -> None:
    """Nobody else on the machine may read what is kept."""
    place.process()
    data = place.folder / "data"
    assert files(data)
    assert {path.stat().st_mode & 0o077 for path in (data, *data.rglob("*")) if path.is_file() or path == data} == {0}
