"""An archive in a bucket of a real server: found, estimated, processed straight from there, and gone on with."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from pipeline.config import load_settings
from pipeline.errors import StoreUnavailable, UsageError
from pipeline.intake.fetch_object import BucketRule
from pipeline.intake.sources import entries
from pipeline.reprocess import estimate, reprocess
from pipeline.types import Channel
from tests import scripted
from tests.factories import pcm16, sound_file
from tests.product import needles, run, sightings
from tests.test_flow import NOW

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.run import Rooms
    from tests.servers import S3Server

NAME = "zebulon quackenbush"
ONE = pytest.mark.parametrize("filled", ["plain_s3"], indirect=True)
CSV = f"audio,call_id,jurisdictions\n2026/{NAME}.wav,CA-row,US-CA US-NV\n"


@pytest.fixture(name="rooms")
def _rooms(tmp_path: Path) -> Iterator[Rooms]:
    rooms = scripted.rooms(load_settings(tmp_path / "data"))
    yield rooms
    rooms.records.close()


@pytest.fixture(name="filled", params=["plain_s3", "versioned_s3"])
def _filled(request: pytest.FixtureRequest) -> tuple[BucketRule, str]:
    """A call with a sidecar, one of two legs, one that is no recording, another file and a manifest."""
    server: S3Server = request.getfixturevalue(request.param)
    name = server.bucket()
    legs = {
        f"calls/b_{leg}.wav": sound_file(pcm16(voice[None]), scripted.RATE_HZ)
        for leg, voice in zip(("agent", "customer"), scripted.samples(scripted.script()), strict=True)
    }
    held: dict[str, bytes] = legs | {
        f"calls/2026/{NAME}.wav": scripted.recording(),
        f"calls/2026/{NAME}.json": scripted.metadata(call_id="CA-sidecar"),
        "calls/b.json": scripted.metadata(call_id="CA-legs"),
        "calls/c.mp3": b"no recording",
        "calls/notes.txt": b"no call",
        "calls/calls.csv": CSV.encode(),
        "elsewhere/d.wav": scripted.recording(),
    }
    client = boto3.client("s3", endpoint_url=server.endpoint)
    for key, body in held.items():
        client.put_object(Bucket=name, Key=key, Body=body)
    return BucketRule(endpoint=server.endpoint), f"s3://{name}"


def test_a_prefix_is_an_archive(filled: tuple[BucketRule, str], rooms: Rooms, tmp_path: Path) -> None:
    """Its calls become stored ones without a copy on the disk; a second run leaves them; nothing shows their names."""
    rule, url = filled
    found = entries(f"{url}/calls/", rule)
    assert [each.number for each in found] == [1, 2, 3]
    assert {each.delivery().metadata.call_id for each in found} == {"CA-sidecar", "CA-legs", None}
    assert next(each for each in found if each.legs).legs == (Channel.AGENT, Channel.CUSTOMER)
    assert "zebulon" not in "".join(repr(each) + repr(each.delivery()) for each in found)
    expected = estimate(found, rooms.records.finished_calls(1))
    assert expected.calls == 3
    assert expected.audio_s == pytest.approx(2 * scripted.DURATION_S, rel=0.01)
    first = reprocess(found, rooms, lambda: NOW)
    assert (first.statuses, first.failures) == ({"stored": 2}, {"BadAudio": 1})
    assert reprocess(found, rooms, lambda: NOW).statuses == {"repeated": 2}
    assert not sightings(needles("quackenbush", scripted.recording()[250_000:250_064]), tmp_path)


@ONE
def test_a_manifest_in_a_bucket(filled: tuple[BucketRule, str]) -> None:
    """It names objects relative to itself, and only those that are there."""
    rule, url = filled
    (found,) = entries(f"{url}/calls/calls.csv", rule)
    assert found.delivery().metadata.jurisdictions == ("US-CA", "US-NV")
    assert found.size_bytes == len(scripted.recording())
    for wrong in ("calls/none.csv", "calls/calls.parquet", "nothing/"):
        with pytest.raises(UsageError):
            entries(f"{url}/{wrong}", rule)


@ONE
def test_a_bucket_that_cannot_be_used(filled: tuple[BucketRule, str]) -> None:
    """One that is not there is a failure that may pass, and no bucket at all is a slip."""
    rule, url = filled
    with pytest.raises(StoreUnavailable):
        entries(f"{url}-none/calls/", rule)
    with pytest.raises(UsageError):
        entries("s3:///calls", rule)


@ONE
def test_the_command_takes_a_prefix(filled: tuple[BucketRule, str], tmp_path: Path) -> None:
    """``reprocess s3://...`` reads from where the settings say buckets are, and shows no name of an object."""
    rule, url = filled
    settings: dict[str, Any] = {"CALLSEAL_S3_EVENTS__ENDPOINT": rule.endpoint}
    program = (sys.executable, "-m", "tests.scripted")
    command = ("reprocess", f"{url}/calls/", "--data-dir", tmp_path / "data", "--json")
    done = run(*command, program=program, **settings)
    assert (done.code, done.json["calls"], done.json["failures"]) == (0, {"stored": 2}, {"BadAudio": 1})
    assert "zebulon" not in (done.out + done.err).lower()
    assert json.loads(done.out)["audio_hours"] > 0
    assert os.environ["AWS_ACCESS_KEY_ID"] not in done.out + done.err
