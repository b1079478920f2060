"""New recordings in buckets: notifications in every wrapping, and objects that are fetched later from a real server."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import httpx
import pytest

from pipeline import jobs
from pipeline.api.app import Door, make_app
from pipeline.api.s3_events import of_s3
from pipeline.build import custody
from pipeline.config import S3EventSettings, load_settings
from pipeline.errors import NotFound, Refused, StoreUnavailable, UsageError
from pipeline.intake.fetch_object import BucketRule, fetch_object
from pipeline.roles import Role
from pipeline.tokens import Scope, create_token
from pipeline.types import Status
from tests import scripted
from tests.hook import serving
from tests.product import needles, sightings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pipeline.config import Settings
    from pipeline.custody import Custody
    from pipeline.run import Rooms
    from tests.servers import S3Server

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
KEY = "2026/11/Zebulon Quackenbush+12025550143.wav"
PATTERN = r".*(?P<caller>\+\d+)"
SETTINGS = S3EventSettings(
    buckets=("calls",), endpoint="", region="", pattern="", started_format="%Y", zone="UTC", jurisdictions=("US-CA",)
)


def event(key: str = KEY, name: str = "ObjectCreated:Put", bucket: str = "calls", **marks: str) -> dict[str, Any]:
    """As S3 tells of an object; names are quoted as in a form."""
    quoted = key.replace("+", "%2B").replace(" ", "+")
    about = {"bucket": {"name": bucket}, "object": {"key": quoted, "eTag": "e1"} | marks}
    return {"Records": [{"eventName": name, "s3": about}]}


def bus(key: str = KEY) -> dict[str, Any]:
    """As EventBridge tells of it; names stand as they are."""
    detail = {"bucket": {"name": "calls"}, "object": {"key": key, "etag": "e1"}}
    return {"detail-type": "Object Created", "detail": detail}


WRAPPINGS: dict[str, Callable[[Any], Any]] = {
    "bare": lambda inner: inner,
    "SQS": lambda inner: {"MessageId": "m", "Body": json.dumps(inner)},
    "SQS batch": lambda inner: {"Messages": [{"Body": json.dumps(inner)}]},
    "Lambda": lambda inner: {"Records": [{"body": json.dumps(inner)}]},
    "SNS": lambda inner: {"Type": "Notification", "Message": json.dumps(inner)},
    "SNS in SQS": lambda inner: {"Body": json.dumps({"Type": "Notification", "Message": json.dumps(inner)})},
}


@pytest.mark.parametrize("wrapping", list(WRAPPINGS))
@pytest.mark.parametrize("inner", [event(), bus()])
def test_every_wrapping_names_the_same_call(wrapping: str, inner: Any) -> None:
    """However the news come, the object is one URL and one id, neither of which is shown."""
    ((legs, metadata),) = of_s3(json.dumps(WRAPPINGS[wrapping](inner)).encode(), SETTINGS)
    assert legs.urls == ("s3://calls/2026/11/Zebulon%20Quackenbush%2B12025550143.wav",)
    assert metadata.call_id == of_s3(json.dumps(event()).encode(), SETTINGS)[0][1].call_id
    assert "Zebulon" not in repr(legs)


def test_another_version_is_another_call() -> None:
    """A version is fetched as such; an object that was overwritten is not the call that it was."""
    found = [
        of_s3(json.dumps(event(**marks)).encode(), SETTINGS)[0] for marks in ({}, {"eTag": "e2"}, {"versionId": "v"})
    ]
    assert len({metadata.call_id for _, metadata in found}) == 3
    assert found[2][0].urls[0].endswith("?versionId=v")


@pytest.mark.parametrize(
    "nothing", [event(name="ObjectRemoved:Delete"), event("notes.txt"), {"Event": "s3:TestEvent"}, {"Records": []}]
)
def test_other_events_name_no_call(nothing: Any) -> None:
    """Removals, other files, and what a new subscription is tried with."""
    assert of_s3(json.dumps(nothing).encode(), SETTINGS) == []


def test_what_a_name_says_is_metadata() -> None:
    """By the pattern of the settings; a pattern of legs makes no sense for one object."""
    found = SETTINGS.model_copy(update={"pattern": PATTERN})
    assert of_s3(json.dumps(event()).encode(), found)[0][1].caller == "+12025550143"
    with pytest.raises(UsageError, match="leg"):
        of_s3(json.dumps(event()).encode(), SETTINGS.model_copy(update={"pattern": "(?P<leg>rx|tx)"}))


@dataclass
class Bucketed:
    """A hook with a bucket whose news it hears of."""

    url: str
    token: str
    bucket: str
    client: Any = field(repr=False)
    settings: Settings
    held: Custody
    rooms: Rooms
    queued: list[str]

    def tell(self, body: Any, token: str | None = None) -> httpx.Response:
        """A notification."""
        bearer = {"authorization": f"Bearer {self.token if token is None else token}"}
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return httpx.post(f"{self.url}/hooks/s3", content=content, headers=bearer)

    def work(self, call_id: str) -> str:
        """What a worker does."""
        return jobs.try_call(call_id, self.rooms, self.settings.fetch_rule, NOW)


@pytest.fixture(name="hook")
def _hook(versioned_s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucketed]:
    bucket = versioned_s3.bucket()
    monkeypatch.setenv("CALLSEAL_S3_EVENTS__BUCKETS", json.dumps([bucket]))
    monkeypatch.setenv("CALLSEAL_S3_EVENTS__ENDPOINT", versioned_s3.endpoint)
    monkeypatch.setenv("CALLSEAL_S3_EVENTS__PATTERN", PATTERN)
    monkeypatch.setenv("CALLSEAL_S3_EVENTS__JURISDICTIONS", '["US-CA"]')
    settings = load_settings(tmp_path / "data")
    held, rooms = custody(settings, Role.INGEST), scripted.rooms(settings)
    _, token = create_token(held.records.engine, [Scope.S3_EVENTS], NOW, NOW + timedelta(days=1))
    queued: list[str] = []
    client = boto3.client("s3", endpoint_url=versioned_s3.endpoint)
    with serving(
        make_app(
            Door(settings, held, rooms.retention, queued.extend, lambda: jobs.Progress(2, 1, 60.0, None), lambda: NOW)
        )
    ) as url:
        yield Bucketed(url, token, bucket, client, settings, held, rooms, queued)
    held.records.close()
    rooms.records.close()


def test_a_new_object_becomes_a_stored_call(hook: Bucketed) -> None:
    """It is announced, waits with its name sealed, is fetched by the worker and stored under its caller; once."""
    hook.client.put_object(Bucket=hook.bucket, Key=KEY, Body=scripted.recording())
    told = hook.tell(WRAPPINGS["SQS"](event(bucket=hook.bucket)))
    assert told.status_code == 202
    (call_id,) = hook.queued
    assert told.json() == {"accepted": True, "calls": [{"accepted": True, "call_id": call_id, "repeated": False}]}
    assert sightings(needles("Quackenbush", "+12025550143"), hook.settings.data_dir) == []
    assert hook.work(call_id) == Status.STORED
    record = hook.held.records.call(call_id)
    assert record is not None
    assert record.subject_id == hook.held.root.subject_id(scripted.CALLER)
    assert hook.tell(event(bucket=hook.bucket)).json()["calls"][0]["repeated"] is True
    assert hook.queued == [call_id]


def test_an_object_that_is_gone_is_quarantined(hook: Bucketed) -> None:
    """It will never come, so the call is given up with that reason, which does not name the object."""
    hook.tell(event(bucket=hook.bucket))
    (call_id,) = hook.queued
    assert hook.work(call_id) == "NotFound"
    record = hook.held.records.call(call_id)
    assert record is not None
    assert (record.status, record.summary["error"]["kind"]) == (Status.QUARANTINED, "NotFound")
    assert "Quackenbush" not in str(record.summary)


@pytest.mark.parametrize(
    ("body", "token", "status"),
    [
        (event(), "x", 403),
        (event(bucket="elsewhere"), None, 403),
        (b"{", None, 422),
        (b"[]", None, 422),
        (b'{"Records": [{"s3": {}}]}', None, 422),
        (b'{"Body": "{\\"Body\\": \\"{}\\"}"}', None, 422),
        (json.dumps({"Records": [[]] * 3}).encode(), None, 422),
        (event("no-number.wav"), None, 403),  # of a bucket that is not listed, which is looked at first
    ],
)
def test_who_and_what_is_not_let_in(hook: Bucketed, body: Any, token: str | None, status: int) -> None:
    """Without a token of this scope, of other buckets, or what is no notification: nothing waits."""
    assert hook.tell(body, token).status_code == status
    assert hook.queued == []


def test_a_token_for_uploads_is_not_one_for_notifications(hook: Bucketed) -> None:
    """Who may announce an object of the listed buckets need not be allowed to upload, nor the other way round."""
    _, other = create_token(hook.held.records.engine, [Scope.DELIVER], NOW, NOW + timedelta(days=1))
    assert hook.tell(event(bucket=hook.bucket), other).status_code == 403
    answer = httpx.post(
        f"{hook.url}/calls", files={"metadata": b"{}"}, headers={"authorization": f"Bearer {hook.token}"}
    )
    assert answer.status_code == 403


def test_only_listed_buckets_are_fetched_from(versioned_s3: S3Server) -> None:
    """Whatever a sealed announcement says; a version is fetched as it was, and a server that is away may come back."""
    bucket = versioned_s3.bucket()
    client = boto3.client("s3", endpoint_url=versioned_s3.endpoint)
    first = client.put_object(Bucket=bucket, Key="a b.wav", Body=b"one")["VersionId"]
    client.put_object(Bucket=bucket, Key="a b.wav", Body=b"two")
    rule = BucketRule((bucket,), versioned_s3.endpoint)
    assert b"".join(fetch_object(f"s3://{bucket}/a%20b.wav?versionId={first}", rule, 60.0)) == b"one"
    assert b"".join(fetch_object(f"s3://{bucket}/a%20b.wav", rule, 60.0)) == b"two"
    with pytest.raises(NotFound):
        list(fetch_object(f"s3://{bucket}/c.wav", rule, 60.0))
    with pytest.raises(Refused):
        list(fetch_object("s3://other/a.wav", rule, 60.0))
    with pytest.raises(StoreUnavailable):
        list(fetch_object(f"s3://{bucket}/a%20b.wav", rule, -1.0))
