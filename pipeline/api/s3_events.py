"""Notifications that a bucket has a new recording: takes the body that a queue or a bus delivers, gives what to fetch.

The event may stand alone or be wrapped as Amazon SQS, SNS, Lambda or EventBridge wrap it; MinIO and Ceph send the same.
Only buckets that the settings list are heard of. An object's name can be that of a person: it is kept sealed, as the
URL to fetch, and the call is named by a digest unless the settings' pattern finds an id in the name.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote_plus, urlencode

from pipeline.errors import BadMetadata, Refused, UsageError
from pipeline.intake.arrival import Legs
from pipeline.intake.sources import SUFFIXES
from pipeline.intake.watch_names import name_rule, stated_by
from pipeline.metadata import parse_metadata

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pipeline.api.events import Arrived
    from pipeline.config import S3EventSettings
    from pipeline.intake.watch_names import NameRule

_DEPTH: Final = 5  # an S3 event in SNS in SQS in a batch


def s3_name_rule(settings: S3EventSettings) -> NameRule:
    """How names of objects are read. Raises UsageError if the pattern means nothing, or means legs."""
    rule = name_rule(settings.pattern, settings.started_format, settings.zone, "none", settings.jurisdictions)
    if rule.pattern and "leg" in rule.pattern.groupindex:
        raise UsageError("s3_events.pattern: an object is one whole recording, so there is no leg")
    return rule


def of_s3(body: bytes, settings: S3EventSettings) -> list[Arrived]:
    """The calls that a notification names; none for other events and for objects that are no recordings.

    Raises:
        BadMetadata: it is no notification, or a name makes no sense by the pattern.
        Refused: a bucket is not listed.
    """
    try:
        found = [
            each for each in _objects(json.loads(body), _DEPTH) if PurePosixPath(each[1]).suffix.lower() in SUFFIXES
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise BadMetadata("the event is no notification of a bucket") from exc
    if any(bucket not in settings.buckets for bucket, _, _ in found):
        raise Refused("a recording is in a bucket that s3_events.buckets does not list")
    rule = s3_name_rule(settings)
    return [_arrived(bucket, key, version, rule) for bucket, key, version in found]


def _arrived(bucket: str, key: str, version: dict[str, str], rule: NameRule) -> Arrived:
    mark = "\0".join((bucket, key, *version.values()))
    stated = dict(stated_by(PurePosixPath(key).stem, rule))
    stated.setdefault("call_id", f"s3-{hashlib.sha256(mark.encode()).hexdigest()[:32]}")
    query = {name: value for name, value in version.items() if name == "versionId"}
    url = f"s3://{bucket}/{quote(key)}" + (f"?{urlencode(query)}" if query else "")
    return Legs(urls=(url,)), parse_metadata(json.dumps(stated).encode())


def _objects(event: Any, depth: int) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Bucket, key and version or tag of each object that was made."""
    if depth == 0 or not isinstance(event, dict):
        raise ValueError
    inside = _unwrapped(event)
    if inside is not None:
        for each in inside:
            yield from _objects(each, depth - 1)
    elif "s3" in event:
        if str(event["eventName"]).removeprefix("s3:").startswith("ObjectCreated:"):
            about = event["s3"]["object"]
            yield _object(event["s3"]["bucket"], unquote_plus(about["key"]), about, "versionId", "eTag")
    elif "detail" in event:
        if event["detail-type"] == "Object Created":
            about = event["detail"]["object"]
            yield _object(event["detail"]["bucket"], about["key"], about, "version-id", "etag")
    elif event.get("Event") != "s3:TestEvent":
        raise ValueError


def _unwrapped(event: Mapping[str, Any]) -> Sequence[Any] | None:
    """What an envelope holds; None if this is none."""
    for name in ("Body", "body", "Message"):  # SQS, Lambda, SNS: JSON in a string
        if isinstance(event.get(name), str):
            return [json.loads(event[name])]
    for name in ("Messages", "Records"):
        if isinstance(event.get(name), list):
            return list(event[name])
    return None


def _object(
    bucket: dict[str, str], key: str, about: dict[str, str], version: str, tag: str
) -> tuple[str, str, dict[str, str]]:
    marks = {"versionId": about[version]} if about.get(version) else {"eTag": about.get(tag, "")}
    return bucket["name"], key, marks
