"""An archive through the rooms: what is found in it, what becomes of it, and that a stopped run goes on."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from pipeline.build import custody
from pipeline.config import load_settings, shipped_configs
from pipeline.errors import BadAudio, BadMetadata, StoreUnavailable, Temporary, UsageError
from pipeline.intake.arrival import Legs, hand_in
from pipeline.intake.fetch_object import BucketRule
from pipeline.intake.sources import entries
from pipeline.metadata import parse_metadata
from pipeline.reprocess import WAITS_S, estimate, left_of, reprocess, stored_since
from pipeline.roles import Role
from pipeline.run import process_waiting
from pipeline.types import Channel, Status
from tests import scripted
from tests.factories import pcm16, sound_file
from tests.product import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.run import Rooms

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
NOWHERE = BucketRule()
NAME = "zebulon_quackenbush"


@pytest.fixture(name="rooms")
def _rooms(tmp_path: Path) -> Iterator[Rooms]:
    rooms = scripted.rooms(load_settings(tmp_path / "data"))
    yield rooms
    rooms.records.close()


@pytest.fixture(name="archive")
def _archive(tmp_path: Path) -> Path:
    """A call with a sidecar, one of two legs, one that is no recording, and a file that is something else."""
    folder = tmp_path / "archive"
    (folder / "2026").mkdir(parents=True)
    (folder / "2026" / f"{NAME}.wav").write_bytes(scripted.recording())
    (folder / "2026" / f"{NAME}.json").write_bytes(scripted.metadata(call_id="CA-sidecar"))
    for leg, voice in zip(("agent", "customer"), scripted.samples(scripted.script()), strict=True):
        (folder / f"b_{leg}.wav").write_bytes(sound_file(pcm16(voice[None]), scripted.RATE_HZ))
    (folder / "b.json").write_bytes(scripted.metadata(call_id="CA-legs"))
    (folder / "c.mp3").write_bytes(b"no recording")
    (folder / "notes.txt").write_text("no call")
    return folder


def clock() -> datetime:
    """A clock that stands."""
    return NOW


def test_a_folder_is_read_with_sidecars_and_legs(archive: Path) -> None:
    """Every recording is one call, two legs are one, a sidecar belongs to its call, and other files are left alone."""
    found = entries(str(archive), NOWHERE)
    assert [entry.number for entry in found] == [1, 2, 3]
    legs = next(entry for entry in found if entry.legs)
    assert legs.legs == (Channel.AGENT, Channel.CUSTOMER)
    assert [file.name for file in legs.files] == ["b_agent.wav", "b_customer.wav"]
    assert {entry.delivery().metadata.call_id for entry in found} == {"CA-sidecar", "CA-legs", None}


def test_names_of_files_are_not_shown(archive: Path) -> None:
    """A file may be named by a person, so neither an entry nor its delivery shows the name."""
    assert NAME not in "".join(repr(entry) + repr(entry.delivery()) for entry in entries(str(archive), NOWHERE))


def test_an_archive_is_processed_and_reported(rooms: Rooms, archive: Path) -> None:
    """Good calls are stored, a bad one is counted by its number and reason, and each is told to the observer."""
    seen: list[int] = []
    report = reprocess(entries(str(archive), NOWHERE), rooms, clock, observe=lambda entry: seen.append(entry.number))
    assert report.summary["calls"] == {"stored": 2}
    assert report.failures == {"BadAudio": 1}
    assert [each["kind"] for each in report.failed] == ["BadAudio"]
    assert sorted(seen) == [1, 2, 3]
    assert report.audio_s == pytest.approx(2 * scripted.DURATION_S, abs=0.1)


def test_a_second_run_does_nothing_again(rooms: Rooms, archive: Path) -> None:
    """What is done stays as it is: a run that was stopped can be started again."""
    first = entries(str(archive), NOWHERE)
    reprocess(first[:2], rooms, clock)
    before = rooms.records.object_keys()
    report = reprocess(first, rooms, clock)
    assert report.statuses["repeated"] >= 1
    assert before <= rooms.records.object_keys()
    again = reprocess(first, rooms, clock)
    assert again.statuses == {"repeated": 2}
    assert again.audio_s == 0


def test_a_store_that_is_away_for_a_moment_costs_no_call(rooms: Rooms, archive: Path) -> None:
    """A failure that may pass is tried again after a while; one that lasts ends the run, to be started again later."""
    waited: list[float] = []
    failures = iter([True, True, False])

    def sometimes() -> Any:
        if next(failures, False):
            raise StoreUnavailable("away")
        return scripted.models()["transcriber"]()

    (found,) = [entry for entry in entries(str(archive), NOWHERE) if entry.legs]
    report = reprocess([found], replace(rooms, transcriber=sometimes), clock, sleep=waited.append)
    assert report.statuses == {"stored": 1}
    assert waited[:2] == list(WAITS_S[:2])

    def away() -> Any:
        raise StoreUnavailable("away")

    with pytest.raises(Temporary):
        reprocess(
            entries(str(archive), NOWHERE),
            replace(rooms, transcriber=away, fingerprint="0" * 64),
            clock,
            sleep=waited.append,
        )


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_manifest_names_recordings_and_what_is_known_of_them(archive: Path, suffix: str) -> None:
    """Rows are calls; recordings are found beside the manifest, and metadata stands in the same row."""
    rows = [
        {
            "audio": f"2026/{NAME}.wav",
            "call_id": "CA-1",
            "jurisdictions": ["US-CA", "US-NV"],
            "consent": {"recording_notice": "ivr"},
        },
        {"agent": "b_agent.wav", "customer": "b_customer.wav", "call_id": "CA-2"},
    ]
    manifest = archive / f"calls.{suffix}"
    if suffix == "parquet":
        rows[0]["started_at"] = "2026-11-20T14:03:00Z"
        (archive / "calls.json").write_text(json.dumps(rows))
        columns = "audio, agent, customer, call_id, jurisdictions, consent, started_at::timestamptz AS started_at"
        table = f"SELECT {columns} FROM read_json('{archive}/calls.json')"  # noqa: S608 -- ours
        duckdb.sql(f"COPY ({table}) TO '{manifest}'")
    elif suffix == "jsonl":
        manifest.write_text("\n".join(map(json.dumps, rows)))
    else:
        manifest.write_text(
            "audio,agent,customer,call_id,jurisdictions,consent.recording_notice\n"
            f"2026/{NAME}.wav,,,CA-1,US-CA US-NV,ivr\n,b_agent.wav,b_customer.wav,CA-2,,\n"
        )
    one, two = (entry.delivery() for entry in entries(str(manifest), NOWHERE))
    assert (one.metadata.call_id, one.metadata.jurisdictions) == ("CA-1", ("US-CA", "US-NV"))
    assert one.metadata.consent.recording_notice == "ivr"
    assert (one.metadata.started_at is None) == (suffix != "parquet")
    assert (two.metadata.call_id, two.legs) == ("CA-2", (Channel.AGENT, Channel.CUSTOMER))
    assert all(file.is_file() for file in (*one.files, *two.files))


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("calls.txt", "x", UsageError),
        ("calls.csv", "call_id\nCA-1\n", UsageError),
        ("calls.csv", "audio\n", UsageError),
        ("calls.jsonl", "{", BadMetadata),
        ("calls.jsonl", "[1]", BadMetadata),
        ("calls.parquet", "PAR1", UsageError),
    ],
)
def test_a_useless_manifest_is_refused(tmp_path: Path, name: str, text: str, error: type[Exception]) -> None:
    """A manifest of another kind, without recordings, or broken, is one clear error."""
    (tmp_path / name).write_text(text)
    with pytest.raises(error):
        entries(str(tmp_path / name), NOWHERE)


def test_an_estimate_comes_from_calls_processed_here(rooms: Rooms, archive: Path) -> None:
    """Without any call there is no speed to go by; with one, the time of all is its speed times their length."""
    found = entries(str(archive), NOWHERE)
    assert estimate(found, rooms.records.finished_calls(10)).busy_s is None
    reprocess(found[:2], rooms, clock)
    assert left_of(found, rooms.records, rooms.fingerprint) == found[1:]  # the second, which failed, states no id
    assert left_of(found, rooms.records, "another") == found
    expected = estimate(found, rooms.records.finished_calls(10))
    assert expected.calls == 3
    assert expected.audio_s == pytest.approx(2 * scripted.DURATION_S, abs=0.2)
    assert expected.busy_s is not None
    assert expected.busy_s > 0


def test_the_command_reports_as_json(tmp_path: Path, archive: Path) -> None:
    """``reprocess --json`` prints one object, exits 0 though a call failed, and a dry run changes nothing."""
    program = (sys.executable, "-m", "tests.scripted")
    data = tmp_path / "other"
    dry = run("reprocess", archive, "--dry-run", "--data-dir", data, "--json", program=program)
    assert (dry.code, dry.json["calls"], dry.json["hours"]) == (0, 3, None)
    priced = run(
        *("reprocess", archive, "--dry-run", "--speed", "2", "--price", "3.6", "--data-dir", data, "--json"),
        program=program,
    )
    assert priced.json["hours"] == pytest.approx(scripted.DURATION_S / 3600, abs=0.001)
    assert priced.json["cost"] == pytest.approx(3.6 * priced.json["hours"], abs=0.01)
    held = custody(load_settings(data), Role.PRIVACY_OFFICER)
    assert held.records.finished_calls(10) == ()
    held.records.close()
    done = run("reprocess", archive, "--data-dir", data, "--json", program=program)
    assert (done.code, done.json["calls"], done.json["failures"]) == (0, {"stored": 2}, {"BadAudio": 1})
    assert NAME not in done.out + done.err


def test_stored_calls_are_processed_again_where_the_original_is_held(rooms: Rooms, archive: Path) -> None:
    """A quarantined call gets a new result in the place of the old; one whose original is gone is skipped."""
    held = custody(load_settings(archive.parent / "data"), Role.INGEST)
    for call_id in ("CA-quarantined", "CA-bad", "CA-old"):
        metadata = parse_metadata(scripted.metadata(call_id=call_id, jurisdictions=None))
        raw = b"no recording" if call_id == "CA-bad" else scripted.recording()
        received = NOW - timedelta(days=9) if call_id == "CA-old" else NOW
        assert hand_in(Legs([[raw]]), metadata, held, rooms.retention, 1 << 24, received)
    held.records.close()
    strict = replace(rooms, verify=rooms.verify.model_copy(update={"languages": ("xx",)}))
    assert process_waiting("CA-quarantined", strict, NOW).status is Status.QUARANTINED
    with pytest.raises(BadAudio):
        process_waiting("CA-bad", rooms, NOW)
    reprocess([entry for entry in entries(str(archive), NOWHERE) if entry.legs], rooms, clock)
    found = stored_since(rooms.records, NOW - timedelta(days=1))
    assert {(each.call_id, each.source) for each in found} == {
        ("CA-quarantined", "original"),
        ("CA-bad", "original"),
        ("CA-legs", "redacted"),
    }
    before = rooms.records.object_keys()
    newer = replace(rooms, fingerprint="0" * 64)
    report = reprocess(found, newer, clock)
    assert (report.failures, report.skipped) == ({"BadAudio": 1}, {})
    assert sum(report.statuses.values()) == 2
    record = rooms.records.call("CA-quarantined")
    assert record is not None
    assert record.fingerprint == newer.fingerprint
    assert {artifact.sealed.kind.value for artifact in rooms.records.artifacts("CA-bad")} == {"intake", "call_metadata"}
    assert before - rooms.records.object_keys()
    assert reprocess(stored_since(rooms.records, NOW), newer, clock).statuses == {"repeated": 2}


def test_stored_calls_are_tightened_under_another_policy(tmp_path: Path, archive: Path) -> None:
    """``--stored --policy`` redacts stored calls further under the policies of a folder; again, it leaves them."""
    program, data, folder = (sys.executable, "-m", "tests.scripted"), tmp_path / "other", tmp_path / "policies"
    assert run("reprocess", archive, "--data-dir", data, "--json", program=program).json["calls"] == {"stored": 2}
    shutil.copytree(shipped_configs(), folder)
    lax = (folder / "redaction.toml").read_text()
    (folder / "redaction.toml").write_text(lax.replace("unexplained_digits = 5", "unexplained_digits = 4"))
    command = ("reprocess", "--stored", "--policy", folder, "--data-dir", data, "--json")
    shares = [run(*command, "--dry-run", "--share", each, program=program).json["calls"] for each in ("1/2", "2/2")]
    assert sum(shares) == 2
    assert run(*command, "--share", "3/2", program=program).code == 2
    assert run(*command, program=program).json["calls"] == {"stored": 2}
    assert run(*command, program=program).json["calls"] == {"repeated": 2}
