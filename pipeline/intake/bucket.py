"""An archive in a bucket: which objects lie below a prefix, and their bytes, straight from the bucket.

Nothing is copied to a disk: an object is read once to be hashed and once to be sealed. Names of objects are shown
nowhere, for they may be those of people; an error names an object by its place in the listing.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast
from urllib.parse import urlsplit

from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.intake.fetch_object import BucketRule

SCHEME: Final = "s3://"
_SMALL_BYTES: Final = 1 << 26
_HEAD_BYTES: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class BucketFile:
    """An object of a bucket, readable as a file is.

    Args:
        number: its place in the listing.
        name: its name in the bucket.
        size_bytes: of the object.
    """

    number: int
    name: PurePosixPath = field(repr=False)
    size_bytes: int
    _bucket: str = field(repr=False)
    _client: Any = field(repr=False)

    def open(self, mode: str = "rb") -> BinaryIO:
        """A stream of its bytes.

        Raises:
            NotFound: it is gone.
            StoreUnavailable: the bucket cannot be used.
        """
        from pipeline.store.s3_reader import BUFFER_BYTES, S3Reader

        if mode != "rb":
            raise ValueError("an object of an archive is only read")
        where = {"Bucket": self._bucket, "Key": str(self.name)}
        return cast("BinaryIO", io.BufferedReader(S3Reader(self._client, where, f"{self.number}"), BUFFER_BYTES))

    def head(self) -> io.BytesIO:
        """Its first bytes, in which most formats say how they are made. Raises as :meth:`open` does."""
        with self.open() as raw:
            return io.BytesIO(raw.read(_HEAD_BYTES))

    def read_bytes(self) -> bytes:
        """All of it. Raises UsageError if it is larger than what is held in memory, and as :meth:`open` does."""
        if self.size_bytes > _SMALL_BYTES:
            raise UsageError(f"object {self.number} of the archive is too large for a list of calls")
        with self.open() as raw:
            return raw.read()


def objects(url: str, rule: BucketRule) -> list[BucketFile]:
    """What lies below ``s3://bucket/prefix``, in the order of names; a prefix may be the name of one object.

    Raises:
        UsageError: the URL names no bucket.
        StoreUnavailable: the bucket cannot be reached or used.
        MissingExtra: boto3 is not installed.
    """
    from pipeline.store.s3_client import S3Options, client, errors

    parts = urlsplit(url)
    if not parts.netloc:
        raise UsageError("an archive in a bucket is named s3://bucket/prefix")
    using = client(S3Options(bucket=parts.netloc, endpoint=rule.endpoint, region=rule.region))
    found: list[BucketFile] = []
    with errors():
        pages = using.get_paginator("list_objects_v2").paginate(Bucket=parts.netloc, Prefix=parts.path.lstrip("/"))
        for page in pages:
            for each in page.get("Contents", ()):
                name = PurePosixPath(each["Key"])
                found.append(BucketFile(len(found) + 1, name, each["Size"], parts.netloc, using))
    return found
