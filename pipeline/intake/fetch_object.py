"""Fetching a recording that a bucket's notification named.

Takes an ``s3://`` URL and the buckets that the settings list, gives the bytes as they come. Credentials come from the
chain that every AWS tool uses. Errors hold no names of objects.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, unquote, urlsplit

from pipeline.errors import NotFound, Refused, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK_BYTES: Final = 1 << 18
_GONE: Final = frozenset({"NoSuchKey", "NoSuchVersion", "NoSuchBucket", "404"})


@dataclass(frozen=True, slots=True)
class BucketRule:
    """From which buckets recordings are fetched.

    Args:
        buckets: their names.
        endpoint: of a server that is not AWS; empty for AWS.
        region: empty for that of the environment.
    """

    buckets: tuple[str, ...] = ()
    endpoint: str = ""
    region: str = ""


def fetch_object(url: str, rule: BucketRule, within_s: float) -> Iterator[bytes]:
    """The recording, in chunks.

    Raises:
        Refused: the bucket is not listed.
        NotFound: there is no such object, or no longer.
        StoreUnavailable: the bucket cannot be reached or used, or was too slow; try again.
        MissingExtra: boto3 is not installed.
    """
    parts = urlsplit(url)
    bucket, key = parts.netloc, unquote(parts.path.removeprefix("/"))
    if bucket not in rule.buckets:
        raise Refused("a recording is in a bucket that s3_events.buckets does not list")
    from pipeline.store.s3_client import ClientError, S3Options, client, code_of, errors

    version = parse_qs(parts.query).get("versionId", [])
    asked = {"Bucket": bucket, "Key": key} | ({"VersionId": version[0]} if version else {})
    ends = time.monotonic() + within_s
    with errors():
        try:
            answer = client(S3Options(bucket=bucket, endpoint=rule.endpoint, region=rule.region)).get_object(**asked)
        except ClientError as exc:
            if code_of(exc) in _GONE:
                raise NotFound("the bucket does not hold the recording any more") from None
            raise
        for chunk in answer["Body"].iter_chunks(_CHUNK_BYTES):
            if time.monotonic() > ends:
                raise StoreUnavailable(f"a bucket took longer than {within_s:.0f} s for a recording")
            yield chunk
