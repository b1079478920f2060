"""A stored call whose original is gone is redacted further by its redacted recording, and never less."""

from __future__ import annotations

import json
import re
import tempfile
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.fakes import FakeRecognizer, FakeTranscriber
from pipeline import summary
from pipeline.amendments import read_amendments
from pipeline.config import load_settings
from pipeline.errors import NotFound, Refused, VerificationFailed
from pipeline.keys.signing import signed
from pipeline.recorded import decision_of, originals_of, redactions_of, turns_of
from pipeline.reprocess import reprocess, stored_since
from pipeline.run import process
from pipeline.tighten import added, tighten
from pipeline.types import Action, ArtifactKind, Channel, Redaction, Status, TimeSpan
from pipeline.verify.spans import joined, without
from tests import scripted
from tests.factories import av_file
from tests.test_flow import NOW, STORED, Place
from tests.test_verified import Haunted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pipeline.pii import RedactionPolicy
    from pipeline.run import Outcome, Rooms

CALL = "CA-scripted"
SMALL_TALK = "Quillfeather Works"  # an organization, by what the recogniser says; the first policy keeps those
SAID = {"lovely weather": SMALL_TALK, "rhubarb": "Vexelby", "garden": "Ostrander", "goodbye": "Thistlewick"}
WORDS = ("Vexelby", "Ostrander", "Thistlewick", "Quillfeather")


def _said(text: str) -> str:
    return (
        " ".join(SAID.get(part, part) for part in re.split(rf"({'|'.join(SAID)}) ?", text)).replace("  ", " ").strip()
    )


LINES = tuple((channel, _said(text), start_s) for channel, text, start_s in scripted.LINES)


@pytest.fixture(name="place")
def _place(tmp_path: Path) -> Iterator[Place]:
    rooms = scripted.rooms(load_settings(tmp_path / "data"), LINES)
    names = {scripted.NAME: "PERSON", SMALL_TALK: "ORGANIZATION"}
    yield Place(tmp_path, replace(rooms, recognizer=lambda: FakeRecognizer(names)))
    rooms.records.close()


def policy_with(policy: RedactionPolicy, kind: str, **changed: Any) -> RedactionPolicy:
    """The policy with the rule of one kind changed."""
    rule = policy.entities[kind].model_copy(update=changed)
    return policy.model_copy(update={"entities": {**policy.entities, kind: rule}})


def _stricter(rooms: Rooms) -> Rooms:
    """Rooms under a policy that lets no organization stand."""
    return replace(rooms, redaction=policy_with(rooms.redaction, "ORGANIZATION", redact=True), fingerprint="1" * 64)


def _spans(found: Any) -> dict[Channel, list[TimeSpan]]:
    spans: dict[Channel, list[TimeSpan]] = defaultdict(list)
    for each in redactions_of(found["redactions"]):
        spans[each.channel].append(each.span)
    return spans


def never_less(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether every moment that was redacted before is redacted after."""
    now = _spans(after)
    return not any(without(spans, now[channel]) for channel, spans in _spans(before).items())


def _samples(raw: bytes) -> Any:
    return np.frombuffer(raw[44:], np.int16).reshape(-1, 2).T


def test_a_stricter_policy_takes_more_out(place: Place) -> None:
    """What the first policy left is taken out of recording and transcript; the rest stays, sample by sample."""
    before = place.process()
    first, first_keys = place.export(), place.rooms.records.object_keys()
    assert SMALL_TALK in first["transcript.vtt"].decode()
    after = tighten(CALL, _stricter(place.rooms), NOW)
    assert (after.status, after.repeated, after.summary["tightened"]) == (Status.STORED, False, 2)
    assert never_less(before.summary, after.summary)
    new = after.summary["redactions"][len(before.summary["redactions"]) :]
    assert {each["entity_type"] for each in new} == {"ORGANIZATION"}
    exported = place.export()
    assert SMALL_TALK not in exported["transcript.vtt"].decode() + exported["consent.json"].decode()
    assert "[ORGANIZATION]" in exported["transcript.vtt"].decode()
    assert exported["transcript.vtt"].decode().count("[CREDIT_CARD]") == first["transcript.vtt"].decode().count(
        "[CREDIT_CARD]"
    )
    was, now = _samples(first["redacted.wav"]), _samples(exported["redacted.wav"])
    same = np.ones(was.shape, dtype=bool)
    for each in new:
        row = ("agent", "customer").index(each["channel"])
        first_at, end = (round(each[key] * scripted.RATE_HZ) for key in ("start_s", "end_s"))
        assert not np.array_equal(was[row, first_at:end], now[row, first_at:end])
        same[row, max(first_at - 1, 0) : end + 1] = False
    assert np.array_equal(was[same], now[same])
    assert set(place.kinds()) == STORED
    assert place.stored() == len(STORED)
    assert not first_keys & place.rooms.records.object_keys()


def test_the_manifest_says_what_was_listened_to(place: Place) -> None:
    """It is signed as any other, lists every redaction, and names the recording that stood for the original."""
    place.process()
    (heard,) = [e.sealed for e in place.rooms.records.artifacts(CALL) if e.sealed.kind is ArtifactKind.REDACTED_AUDIO]
    after = tighten(CALL, _stricter(place.rooms), NOW)
    manifest = json.loads(place.export()["manifest.json"])
    assert manifest["made_by"]["tightened_from"]["redacted_audio"] == heard.sha256
    assert manifest["redactions"] == after.summary["redactions"]
    bare = {key: value for key, value in manifest.items() if key not in ("signature", "key_id")}
    assert signed(bare, place.rooms.signer) == manifest


def test_nothing_is_replaced_where_nothing_is_found(place: Place) -> None:
    """A call in which nothing more is found keeps its artifacts; done once, it is not done again."""
    before = place.process()
    kept = place.rooms.records.artifacts(CALL)
    newer = replace(place.rooms, fingerprint="1" * 64)
    after = tighten(CALL, newer, NOW)
    assert (after.repeated, after.summary["tightened"]) == (False, 0)
    assert after.summary["redactions"] == before.summary["redactions"]
    assert place.rooms.records.artifacts(CALL) == kept
    assert place.stored() == len(kept)
    assert tighten(CALL, newer, NOW).repeated


def test_what_only_the_stored_transcript_shows_goes(place: Place) -> None:
    """A name in the old transcript is redacted though the new recogniser takes it for something else."""
    before = place.process()
    other = {
        c: [replace(w, text="mumble") if w.text in SMALL_TALK.split() else w for w in ws]
        for c, ws in scripted.script(LINES).items()
    }
    deaf = replace(
        _stricter(place.rooms), transcriber=lambda: FakeTranscriber(other), listener=lambda: FakeTranscriber(other)
    )
    after = tighten(CALL, deaf, NOW)
    assert never_less(before.summary, after.summary)
    assert after.summary["tightened"] == 2
    text = place.export()["transcript.vtt"].decode()
    assert SMALL_TALK not in text
    assert "mumble" not in text


def test_dates_consent_and_amendments_stay(place: Place) -> None:
    """Each kind expires when it would have, the decision is the same, and what the caller had corrected is there."""
    before = place.process()
    dates = {e.sealed.kind: e.retain_until for e in place.rooms.records.artifacts(CALL)}
    record = place.rooms.records.call(CALL)
    assert record is not None
    subject = place.rooms.records.subject_for(record.subject_id, place.rooms.root, NOW)
    raw = json.dumps({"amendment_id": "a1", "at": "2026-11-24T12:00:00Z"}).encode()
    sealed = place.rooms.archive.put(CALL, ArtifactKind.AMENDMENT, subject, raw)
    amendment = replace(place.rooms.records.artifacts(CALL)[0], sealed=sealed)
    place.rooms.records.add_artifacts(CALL, [amendment])
    after = tighten(CALL, _stricter(place.rooms), NOW)
    artifacts = place.rooms.records.artifacts(CALL)
    assert {e.sealed.kind: e.retain_until for e in artifacts if e.sealed.kind in dates} == dates
    assert after.summary["consent"] == before.summary["consent"]
    assert read_amendments(place.rooms.archive, CALL, artifacts, subject)


def test_values_that_may_be_shown_again_are_kept_only_as_today_s_policy_allows(place: Place) -> None:
    """A reversible kind that is none any more loses its values; no recording has to change for that."""
    reversible = replace(place.rooms, redaction=policy_with(place.rooms.redaction, "PERSON", reversible=True))
    process(place.deliver(), reversible, NOW)
    assert "pii_map" in place.kinds()
    assert tighten(CALL, replace(reversible, fingerprint="1" * 64), NOW).summary["tightened"] == 0
    assert "pii_map" in place.kinds()
    tighten(CALL, replace(place.rooms, fingerprint="2" * 64), NOW)
    assert set(place.kinds()) == STORED


def test_a_call_that_does_not_come_clean_stays_as_it_was(place: Place) -> None:
    """Where the rounds of listening again do not suffice, nothing is replaced and nothing is left over."""
    place.process()
    kept, row = place.rooms.records.artifacts(CALL), place.rooms.records.call(CALL)
    listener = Haunted(FakeTranscriber(scripted.script(LINES)))
    few = place.rooms.verify.model_copy(update={"rounds": 2})
    haunted = replace(_stricter(place.rooms), listener=lambda: listener, verify=few)
    with pytest.raises(VerificationFailed, match="still heard"):
        tighten(CALL, haunted, NOW)
    assert (place.rooms.records.artifacts(CALL), place.rooms.records.call(CALL)) == (kept, row)
    assert place.stored() == len(kept)


def test_a_language_that_is_no_longer_known_is_not_tightened(place: Place) -> None:
    """Without rules of detection nothing can be found, and nothing is said to be clean."""
    place.process()
    verify = place.rooms.verify.model_copy(update={"languages": ("xx",)})
    with pytest.raises(VerificationFailed, match="language"):
        tighten(CALL, replace(_stricter(place.rooms), verify=verify), NOW)


@pytest.mark.parametrize("codec", ["mp3", "flac"])
def test_mixed_recordings_in_other_codecs(place: Place, codec: str) -> None:
    """One channel and a lossy codec: who speaks keeps his name, and the recording passes as a first one does."""
    raw = av_file(
        scripted.samples(scripted.script(LINES, mono=True)),
        scripted.RATE_HZ,
        codec,
        "mp3" if codec == "mp3" else "flac",
    )
    before = place.process(raw)
    speakers = {turn["speaker"] for turn in json.loads(place.export()["transcript.json"])["turns"]}
    after = tighten(CALL, _stricter(place.rooms), NOW)
    assert after.summary["tightened"] >= 1
    assert never_less(before.summary, after.summary)
    assert {turn["speaker"] for turn in json.loads(place.export()["transcript.json"])["turns"]} == speakers


def test_what_was_written_of_a_call_reads_back(place: Place) -> None:
    """Redactions, turns and consent come back as they were written."""
    done = place.process().summary
    assert summary.redactions(redactions_of(done["redactions"])) == done["redactions"]
    assert summary.consent(decision_of(done["consent"])) == done["consent"]
    transcript = json.loads(place.export()["transcript.json"])
    assert summary.transcript(CALL, "en", turns_of(transcript)) == transcript
    kept = {"originals": [{"placeholder": "[PERSON]", "entity_type": "PERSON", "value": scripted.NAME}]}
    assert summary.originals(CALL, originals_of(kept), "salt")["originals"] == kept["originals"]


def test_an_archive_is_tightened_where_no_original_is_held(place: Place) -> None:
    """Reprocessing takes every stored call that may be; one that is discarded has nothing that could be heard."""
    place.process()
    place.process(call_id="CA-discarded", consent={"recording_notice": "none"}, jurisdictions=["DE"])
    found = stored_since(place.rooms.records, None)
    assert {(each.call_id, each.source) for each in found} == {(CALL, "redacted"), ("CA-discarded", "")}
    report = reprocess(found, _stricter(place.rooms), lambda: NOW)
    assert (report.statuses, sum(report.skipped.values()), report.failures) == ({"stored": 1}, 1, {})


def test_a_call_that_is_gone_is_not_tightened(place: Place) -> None:
    """No such call, and a call that is only waiting, are not found."""
    with pytest.raises(NotFound):
        tighten("CA-nobody", place.rooms, NOW)


def test_a_held_call_keeps_its_result(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is held is not replaced, and a report says so without calling it a failure."""
    place.process()
    kept = place.rooms.records.artifacts(CALL)

    def held(*_: Any) -> Any:
        raise Refused("the call is held")

    monkeypatch.setattr("pipeline.db._refuse_to_replace_held", held)
    report = reprocess(stored_since(place.rooms.records, None), _stricter(place.rooms), lambda: NOW)
    assert (report.skipped, report.failures) == ({"refused": 1}, {})
    assert place.rooms.records.artifacts(CALL) == kept


_SPAN = st.tuples(st.integers(0, 100), st.integers(1, 30)).map(lambda at: TimeSpan(at[0] / 4, (at[0] + at[1]) / 4))
_REDACTION = st.builds(
    Redaction,
    st.sampled_from(["PERSON", "PIN"]),
    st.sampled_from([Channel.AGENT, Channel.CUSTOMER]),
    _SPAN,
    st.sampled_from(Action),
    st.just("why"),
)


@given(before=st.lists(_REDACTION, max_size=8), found=st.lists(_REDACTION, max_size=8))
def test_what_is_added_is_what_was_not_redacted(before: list[Redaction], found: list[Redaction]) -> None:
    """Together they cover what either covers, and they share nothing."""
    new = added(before, found)
    for channel in (Channel.AGENT, Channel.CUSTOMER):
        one, two, three = ([e.span for e in each if e.channel is channel] for each in (before, found, new))
        assert joined([*one, *three]) == joined([*one, *two])
        assert not any(a.overlaps(b) for a in one for b in three)


@settings(max_examples=3)
@given(first=st.sets(st.sampled_from(WORDS)), second=st.sets(st.sampled_from(WORDS)))
def test_whatever_is_found_nothing_is_loosened(first: set[str], second: set[str]) -> None:
    """Whatever the recogniser knew before and knows now, what was redacted stays so, in sound and in words."""
    with tempfile.TemporaryDirectory() as folder:
        rooms = scripted.rooms(load_settings(Path(folder) / "data"), LINES)
        rooms = replace(rooms, redaction=policy_with(rooms.redaction, "ORGANIZATION", redact=True))
        place = Place(Path(folder), replace(rooms, recognizer=lambda: _knows(first)))
        before = place.process()
        after: Outcome = tighten(CALL, replace(rooms, recognizer=lambda: _knows(second), fingerprint="1" * 64), NOW)
        text = place.export()["transcript.vtt"].decode()
        rooms.records.close()
    assert never_less(before.summary, after.summary)
    assert not any(word in text for word in first | second)


def _knows(words: set[str]) -> FakeRecognizer:
    return FakeRecognizer({scripted.NAME: "PERSON", **dict.fromkeys(words, "ORGANIZATION")})
