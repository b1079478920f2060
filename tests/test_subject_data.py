"""What a person is handed is theirs alone and complete; what they correct stands beside the original, redacted."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from models.fakes import FakeRecognizer
from pipeline import pii
from pipeline.config import load_settings
from pipeline.erasure.erase import carry_out
from pipeline.erasure.plan import plan_erasure
from pipeline.errors import NotFound, Refused, UsageError
from pipeline.export import export_call
from pipeline.intake.ingest import Delivery
from pipeline.metadata import parse_metadata
from pipeline.rights import own, register
from pipeline.rights import policy as policies
from pipeline.rights.bundle import Bundle, Means, export_person
from pipeline.rights.correct import NewText, NewValue, Searcher, correct
from pipeline.rights.register import Request, Right
from pipeline.rights.restrict import restrict
from pipeline.run import process
from pipeline.types import ArtifactKind, Channel, Status
from tests import scripted
from tests.kept import DAY, NOW, kept_in, object_keys
from tests.product import files, needles, run, sightings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.custody import Custody

CONFIGS = Path(__file__).parents[1] / "configs"
POLICY = policies.load_policy(CONFIGS / "rights.toml")
REDACTION = pii.load_policy(CONFIGS / "redaction.toml")
MEANS = Means(POLICY, REDACTION.audio, 600.0)
SEARCHER = Searcher(lambda: FakeRecognizer({scripted.NAME: "PERSON"}), REDACTION)
OTHER = "+12025550144"
AGENTS_WORDS = needles("lovely", "weather", "garden", "calling")
NAMES = ("audio.wav", "consent.json", "transcript.json")


@pytest.fixture(name="stored", scope="module")
def _stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A caller's stereo, mono and quarantined call, and another caller's call."""
    folder = tmp_path_factory.mktemp("stored")
    settings = load_settings(folder / "data")
    rooms = scripted.rooms(settings)
    for changed, mono in (
        ({}, False),
        ({"call_id": "CA-mono"}, True),
        ({"call_id": "CA-waiting", "jurisdictions": ["DE"], "language": "en"}, False),
        ({"call_id": "CA-other", "caller": OTHER}, False),
    ):
        (folder / "call.wav").write_bytes(scripted.recording(mono=mono))
        process(Delivery((folder / "call.wav",), (), parse_metadata(scripted.metadata(**changed))), rooms, NOW)
    rooms.records.close()
    return folder / "data"


@pytest.fixture(name="held")
def _held(stored: Path, tmp_path: Path) -> Iterator[Custody]:
    held = kept_in(Path(shutil.copytree(stored, tmp_path / "data")))
    yield held
    held.records.close()


def asked(held: Custody, right: Right = Right.EXPORT) -> Request:
    """A verified request of the scripted caller."""
    engine, subject_id = held.records.engine, held.root.subject_id(scripted.CALLER)
    made = register.receive(engine, right, subject_id, POLICY.law_named("gdpr"), by_id="desk", at=NOW)
    return register.verify(engine, POLICY, made.request_id, "callback", by_id="desk", now=NOW)


def handed(held: Custody, to: Path, **speakers: str) -> Bundle:
    """The scripted caller's bundle."""
    named = {call_id.replace("_", "-"): speaker for call_id, speaker in speakers.items()}
    return export_person(held, asked(held), to, replace(MEANS, speakers=named), NOW)


# Whose it is


TURNS = st.lists(
    st.tuples(st.sampled_from(["SPEAKER_00", "SPEAKER_01"]), st.integers(0, 300), st.integers(1, 80)), max_size=12
)


@given(TURNS)
def test_on_one_channel_nothing_is_heard_outside_the_persons_turns(drawn: list[tuple[str, int, int]]) -> None:
    """Every instant of another's turn, and every instant far from the person's own, is silenced; their own is not."""
    turns = [
        {"speaker": who, "channel": "mixed", "start_s": at / 10, "end_s": (at + length) / 10}
        for who, at, length in drawn
    ]
    silenced = own.others({"turns": turns}, (Channel.MIXED,), "SPEAKER_00", 40.0)
    for tick in range(800):
        at_s = tick / 20 + 0.025
        mine = any(t["speaker"] == "SPEAKER_00" and t["start_s"] <= at_s < t["end_s"] for t in turns)
        near = any(
            t["speaker"] == "SPEAKER_00" and t["start_s"] - own.COLLAR_S <= at_s < t["end_s"] + own.COLLAR_S
            for t in turns
        )
        theirs = any(t["speaker"] == "SPEAKER_01" and t["start_s"] <= at_s < t["end_s"] for t in turns)
        quiet = any(each.span.start_s <= at_s < each.span.end_s for each in silenced)
        assert quiet if theirs or not near else not (mine and quiet)


def test_on_two_channels_the_other_one_is_silenced_whole() -> None:
    """From the first sample to beyond the last; the person's own channel is left alone."""
    (only,) = own.others({"turns": []}, (Channel.AGENT, Channel.CUSTOMER), "customer", 37.0)
    assert (only.channel, only.span.start_s) == (Channel.AGENT, 0.0)
    assert only.span.end_s > 37.0


# The bundle


class _Page(HTMLParser):
    """What a page refers to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [str(value) for name, value in attrs if name in ("src", "href")]


def test_a_bundle_is_complete_and_holds_nobody_else(held: Custody, tmp_path: Path) -> None:
    """All of the person's calls are in it with reasons for what is left out, and no word of anybody else's."""
    made = handed(held, tmp_path / "out")
    data = json.loads((tmp_path / "out" / "data.json").read_text())
    assert {each["call_id"]: each["withheld"] != [] for each in data["bundle"]} == {
        "CA-scripted": False,
        "CA-mono": True,
        "CA-waiting": True,
    }
    assert {call_id for call_id, _ in made.withheld} == {"CA-mono", "CA-waiting"}
    found = {str(path.relative_to(tmp_path / "out")) for path in files(tmp_path / "out")}
    assert found == {
        "index.html",
        "data.json",
        *(f"calls/CA-scripted/{name}" for name in NAMES),
        *(f"calls/{call_id}/consent.json" for call_id in ("CA-mono", "CA-waiting")),
    }
    for each in data["files"]:
        raw = (tmp_path / "out" / each["path"]).read_bytes()
        assert (hashlib.sha256(raw).hexdigest(), len(raw)) == (each["sha256"], each["size_bytes"])
    assert sightings(AGENTS_WORDS, tmp_path / "out") == []
    assert sightings(needles("CA-other", scripted.NAME, scripted.CARD, scripted.CALLER, OTHER), tmp_path / "out") == []
    assert sightings(needles(scripted.ORDINARY), tmp_path / "out") != []
    assert all(path.stat().st_mode & 0o077 == 0 for path in files(tmp_path / "out"))
    assert "handed_over" in [event.what for event in held.records.events("CA-scripted")]


def test_only_the_persons_side_is_heard(held: Custody, tmp_path: Path) -> None:
    """Of two channels the other side's is silent throughout; of one, what is not the speaker's turns."""
    handed(held, tmp_path / "out", CA_mono="customer")
    stereo, rate = soundfile.read(tmp_path / "out" / "calls" / "CA-scripted" / "audio.wav")
    agent, customer = stereo.T
    assert len(customer) == round(scripted.DURATION_S * rate)
    assert not agent.any()
    assert customer.any()
    mono, rate = soundfile.read(tmp_path / "out" / "calls" / "CA-mono" / "audio.wav")
    turns = json.loads((tmp_path / "out" / "calls" / "CA-mono" / "transcript.json").read_text())["turns"]
    assert {turn["speaker"] for turn in turns} == {"customer"}
    for _, _, start_s in (line for line in scripted.LINES if line[0] is Channel.AGENT):
        assert not mono[round((start_s + 0.2) * rate) : round((start_s + 1.0) * rate)].any()
    first = turns[0]["start_s"]
    assert mono[round(first * rate) : round((first + 1.0) * rate)].any()


def test_the_page_can_be_read_without_a_network(held: Custody, tmp_path: Path) -> None:
    """It has no script, refers to files of the bundle only, and shows each call and what was said."""
    handed(held, tmp_path / "out")
    text = (tmp_path / "out" / "index.html").read_text()
    page = _Page(text)
    assert "script" not in page.tags
    assert page.links == ["data.json", "calls/CA-scripted/audio.wav"]
    assert all((tmp_path / "out" / link).is_file() for link in page.links)
    assert scripted.ORDINARY in text
    assert all(call_id in text for call_id in ("CA-scripted", "CA-mono", "CA-waiting"))


def test_the_page_names_each_export(held: Custody, tmp_path: Path) -> None:
    """The page tells the person to look with each call for who else has had it; there it stands."""
    held.records.note("CA-scripted", "exported", {"files": 2}, NOW)
    handed(held, tmp_path / "out")
    exported = f"<th>Exported</th><td>{NOW:%Y-%m-%d %H:%M}</td>"
    assert (tmp_path / "out" / "index.html").read_text().count(exported) == 1


def test_a_folder_with_something_in_it_is_refused(held: Custody, tmp_path: Path) -> None:
    """Two persons' data are never mixed; nothing is written then. A speaker that the call has not is refused, too."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "of-somebody-else").touch()
    with pytest.raises(UsageError, match="not empty"):
        handed(held, tmp_path / "out")
    assert len(files(tmp_path / "out")) == 1
    with pytest.raises(UsageError, match="no such speaker"):
        handed(held, tmp_path / "next", CA_mono="SPEAKER_07")
    assert not (tmp_path / "next" / "index.html").exists()


def test_a_restriction_does_not_keep_a_person_from_their_own(held: Custody, tmp_path: Path) -> None:
    """What is restricted for others can be handed to the person and be corrected."""
    restrict(held.records.engine, POLICY, asked(held, Right.RESTRICT), by_id="dpo", reason="disputed", now=NOW)
    with pytest.raises(Refused):
        export_call("CA-scripted", tmp_path / "to-others", held.archive, held.records, held.root, NOW)
    assert len(handed(held, tmp_path / "out").files) == 7
    change = NewValue("language", "de")
    assert correct(held, asked(held, Right.CORRECT), "CA-scripted", change, SEARCHER, NOW)


# Correction


def amended(held: Custody, change: NewText | NewValue, call_id: str = "CA-scripted") -> str:
    """A correction by the scripted caller."""
    return correct(held, asked(held, Right.CORRECT), call_id, change, SEARCHER, NOW + DAY)


def exported(held: Custody, to: Path) -> dict[str, Any]:
    """What others get of the scripted call, by file name; only what is JSON."""
    found = export_call("CA-scripted", to, held.archive, held.records, held.root, NOW + DAY)
    return {path.name: json.loads(path.read_text()) for path in found if path.suffix == ".json"}


def test_a_corrected_turn_stands_beside_the_original(held: Custody, tmp_path: Path) -> None:
    """The export marks the turn with the correction, who made it and when; the original and its seal are unchanged."""
    before = exported(held, tmp_path / "before")
    assert "amendments.json" not in before
    kept = held.records.artifacts("CA-scripted")
    at = next(i for i, turn in enumerate(before["transcript.json"]["turns"]) if scripted.ORDINARY in turn["text"])
    made = amended(held, NewText(at, f"my name is {scripted.NAME} and I like celery"))
    after = exported(held, tmp_path / "after")
    turns = after["transcript.json"]["turns"]
    mark = turns[at].pop("amended")
    assert turns == before["transcript.json"]["turns"]
    assert mark == {
        "text": "my name is [PERSON] and I like celery",
        "at": "2026-11-21T14:03:00Z",
        "by": "desk",
        "amendment_id": made,
    }
    assert [each["amendment_id"] for each in after["amendments.json"]["amendments"]] == [made]
    assert held.records.artifacts("CA-scripted")[: len(kept)] == kept
    (added,) = held.records.artifacts("CA-scripted")[len(kept) :]
    like = next(each for each in kept if each.sealed.kind is ArtifactKind.TRANSCRIPT)
    assert (added.sealed.kind, added.retain_until) == (ArtifactKind.AMENDMENT, like.retain_until)
    handed(held, tmp_path / "own")
    assert "celery" in (tmp_path / "own" / "index.html").read_text()


def test_a_correction_is_searched_in_its_place_in_the_conversation(held: Custody, tmp_path: Path) -> None:
    """A number that answers a question for a card number is redacted in a correction, too; nothing of it stays."""
    turns = exported(held, tmp_path / "before")["transcript.json"]["turns"]
    at = next(i for i, turn in enumerate(turns) if "[CREDIT_CARD]" in turn["text"])
    amended(held, NewText(at, "four two four two four two four two four two four two four two four two"))
    (only,) = exported(held, tmp_path / "after")["amendments.json"]["amendments"]
    assert "four" not in only["text"].split()
    assert only["text"].startswith("[")


def test_a_correction_is_sealed_and_goes_with_the_caller(held: Custody, tmp_path: Path) -> None:
    """No file of the installation shows it; an erasure takes it; it outlives a new result of its call."""
    amended(held, NewText(0, "celery celery"))
    assert sightings(needles("celery"), tmp_path / "data") == []
    before = held.records.object_keys()
    (tmp_path / "call.wav").write_bytes(scripted.recording())
    delivery = Delivery((tmp_path / "call.wav",), (), parse_metadata(scripted.metadata()))
    rooms = replace(scripted.rooms(load_settings(tmp_path / "data")), fingerprint="e" * 64)
    assert process(delivery, rooms, NOW + DAY).status is Status.STORED
    rooms.records.close()
    call = held.records.call("CA-scripted")
    assert call is not None
    kept = {each.sealed.kind for each in held.records.artifacts("CA-scripted") if each.sealed.object_key in before}
    assert (call.fingerprint, kept) == ("e" * 64, {ArtifactKind.AMENDMENT})
    assert len(exported(held, tmp_path / "out")["amendments.json"]["amendments"]) == 1
    carry_out(plan_erasure(held.records, call.subject_id), held, lambda: NOW + DAY)
    assert held.records.artifacts("CA-scripted") == ()
    assert {each.call_id for each in held.records.calls_of_subject(held.root.subject_id(OTHER))} == {"CA-other"}
    assert object_keys(held) == held.records.object_keys()


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("started_at", "2026-11-19T15:00:00+01:00", "2026-11-19T14:00:00Z"),
        ("direction", "outbound", "outbound"),
        ("language", "es", "es"),
        ("jurisdictions", "US-NV,CA", ["US-NV", "CA"]),
    ],
)
def test_a_field_is_corrected_in_the_form_of_the_metadata(
    held: Custody, tmp_path: Path, name: str, value: str, kept: Any
) -> None:
    """The amendment holds the field and its value, checked as the metadata are."""
    made = amended(held, NewValue(name, value))
    (only,) = exported(held, tmp_path / "out")["amendments.json"]["amendments"]
    assert (only["amendment_id"], only["field"], only["value"]) == (made, name, kept)


@pytest.mark.parametrize(
    ("change", "call_id", "error"),
    [
        (NewText(99, "celery"), "CA-scripted", NotFound),
        (NewText(-1, "celery"), "CA-scripted", NotFound),
        (NewText(0, "  "), "CA-scripted", UsageError),
        (NewText(0, "x " * 6000), "CA-scripted", UsageError),
        (NewText(0, "celery"), "CA-other", NotFound),
        (NewText(0, "celery"), "CA-none", NotFound),
        (NewText(0, "celery"), "CA-waiting", Refused),
        (NewValue("caller", OTHER), "CA-scripted", UsageError),
        (NewValue("language", "English"), "CA-scripted", UsageError),
    ],
)
def test_a_correction_that_makes_no_sense_changes_nothing(
    held: Custody, change: NewText | NewValue, call_id: str, error: type[Exception]
) -> None:
    """No such turn, text, field, value or call of this caller: refused, without the value, and nothing is kept."""
    before = object_keys(held)
    with pytest.raises(error) as caught:
        amended(held, change, call_id)
    assert "celery" not in str(caught.value)
    assert "English" not in str(caught.value)
    assert object_keys(held) == before


# The command


def test_the_command_hands_over(stored: Path, tmp_path: Path) -> None:
    """What is left out makes it a partial answer with a reason; a correction shows in the next export."""
    data = ("--data-dir", Path(shutil.copytree(stored, tmp_path / "data")), "--json")
    caller = ("--caller", scripted.CALLER, "--identity", "one_time_code")
    fixed = run("subject", "correct", *caller, "--call", "CA-scripted", "--field", "language", "--value", "fr", *data)
    assert (fixed.code, fixed.json["request"]["outcome"]) == (0, "granted"), fixed.err
    done = run("subject", "export", *caller, "--to", tmp_path / "out", "--speaker", "CA-mono=customer", *data)
    assert done.code == 0, done.err
    assert (done.json["request"]["outcome"], [each["call_id"] for each in done.json["withheld"]]) == (
        "partly",
        ["CA-waiting"],
    )
    transcript = json.loads((tmp_path / "out" / "calls" / "CA-scripted" / "transcript.json").read_text())
    assert [each["value"] for each in transcript["corrections"]] == ["fr"]
    both = run("subject", "correct", *caller, "--call", "CA-scripted", "--turn", "1", "--field", "language", *data)
    assert both.code == 2
