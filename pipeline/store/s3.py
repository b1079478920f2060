"""A store in a bucket of S3, or of a server that speaks its language; see ``pipeline.store`` for the promises.

A bucket keeps old versions of what was removed or replaced, marks that hide them, and the parts of unfinished uploads:
``list`` shows the first two, ``delete`` removes all three and looks again before it says that nothing is left. A bare
"not found" of the service proves nothing. Removing needs the right to delete versions (``s3:DeleteObjectVersion``),
under a GOVERNANCE lock also ``s3:BypassGovernanceRetention``: who removes an object here has decided that it may go.
"""

from __future__ import annotations

import io
import re
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast
from urllib.parse import urlencode

from pipeline.errors import Locked, NotFound, StoreUnavailable
from pipeline.store import Label, ObjectStat, check_key, is_key
from pipeline.store.s3_client import ClientError, S3Options, client, code_of, errors
from pipeline.store.s3_reader import BUFFER_BYTES, S3Reader
from pipeline.store.s3_upload import Upload

if TYPE_CHECKING:
    from collections.abc import Iterator

RULE_TAG: Final = "retention-rule"
UNTIL_TAG: Final = "retain-until"
_ROUNDS: Final = 3
_NOT_IN_TAGS: Final = re.compile(r"[^\w +\-=.:/@]")
_TAG_CHARS: Final = 256
_UNKNOWN: Final = frozenset({"NotImplemented", "MethodNotAllowed", "501", "405"})


@dataclass(frozen=True, slots=True)
class S3Store:
    """Objects ``prefix + key`` in a bucket that exists already."""

    options: S3Options
    client: Any = field(repr=False)

    @classmethod
    def connect(cls, options: S3Options) -> S3Store:
        """A store on that bucket; talks to nobody yet."""
        return cls(options, client(options))

    @contextmanager
    def put(self, key: str, label: Label | None = None) -> Iterator[BinaryIO]:
        """See Store; the label becomes the object's tags."""
        upload = Upload(self.client, self._where(key), self._settings(label))
        try:
            yield cast("BinaryIO", upload)
            upload.finish()
        except BaseException:
            upload.abort()
            raise

    def lock(self, key: str, until: datetime) -> None:
        """See Store; a lock can be made longer, never shorter, but in the mode GOVERNANCE."""
        if not self.options.object_lock:
            return
        if self.stat(key) is None:
            raise NotFound(f"there is no stored object {key}")
        retention = {"Mode": self.options.object_lock, "RetainUntilDate": until.astimezone(UTC)}
        with errors(key):
            self.client.put_object_retention(**self._where(key), Retention=retention)

    def open(self, key: str) -> BinaryIO:
        """See Store; the reader only runs forward."""
        return cast("BinaryIO", io.BufferedReader(S3Reader(self.client, self._where(key), key), BUFFER_BYTES))

    def stat(self, key: str) -> ObjectStat | None:
        """See Store."""
        name = self._where(key)["Key"]
        newest = [found for found in self._versions(key) if found["Key"] == name and found.get("IsLatest", True)]
        return _stat(newest[0], key) if newest and not _is_marker(newest[0]) else None

    def list(self, prefix: str = "") -> Iterator[ObjectStat]:
        """See Store; a delete marker has no bytes."""
        start = len(self.options.prefix)
        for found in self._versions(prefix):
            key = found["Key"][start:]
            if is_key(key):
                yield _stat(found, key)

    def delete(self, key: str) -> None:
        """See Store."""
        where = self._where(key)
        for _ in range(_ROUNDS):
            uploads = [found["UploadId"] for found in self._uploads(key)]
            versions = [found.get("VersionId") for found in self._versions(key) if found["Key"] == where["Key"]]
            if not uploads and not versions:
                return
            for upload_id in uploads:
                self._abort(where, upload_id)
            for version in versions:
                self._delete_version(key, {"VersionId": version} if version else {})
        raise StoreUnavailable(f"object {key} is still there after it was removed")

    def remove_partial(self, before: datetime) -> int:
        """See Store."""
        removed = 0
        for found in self._uploads(""):
            name = found["Key"]
            if is_key(name[len(self.options.prefix) :]) and found["Initiated"] < before:
                removed += self._abort({"Bucket": self.options.bucket, "Key": name}, found["UploadId"])
        return removed

    def _where(self, key: str) -> dict[str, str]:
        return {"Bucket": self.options.bucket, "Key": self.options.prefix + check_key(key)}

    def _settings(self, label: Label | None) -> dict[str, str]:
        settings = {"ContentType": "application/octet-stream"}
        if self.options.sse:
            settings["ServerSideEncryption"] = self.options.sse
        if self.options.kms_key:
            settings["SSEKMSKeyId"] = self.options.kms_key
        if label is not None and self.options.tags:
            rule = _NOT_IN_TAGS.sub(" ", label.rule)[:_TAG_CHARS]
            settings["Tagging"] = urlencode({RULE_TAG: rule, UNTIL_TAG: f"{label.retain_until:%Y-%m-%d}"})
        return settings

    def _versions(self, prefix: str) -> Iterator[dict[str, Any]]:
        """Versions and delete markers; what there is, where the service keeps no versions."""
        where = {"Bucket": self.options.bucket, "Prefix": self.options.prefix + prefix}
        with errors():
            try:
                for page in self.client.get_paginator("list_object_versions").paginate(**where):
                    yield from page.get("Versions", ())
                    yield from ({**marker, "Size": 0} for marker in page.get("DeleteMarkers", ()))
            except ClientError as exc:
                if code_of(exc) not in _UNKNOWN:
                    raise
                for page in self.client.get_paginator("list_objects_v2").paginate(**where):
                    yield from page.get("Contents", ())

    def _uploads(self, prefix: str) -> Iterator[dict[str, Any]]:
        where = {"Bucket": self.options.bucket, "Prefix": self.options.prefix + prefix}
        with suppress(NotFound), _errors_of_upload():  # a bucket without any is "no such upload" to some services
            for page in self.client.get_paginator("list_multipart_uploads").paginate(**where):
                yield from page.get("Uploads", ())

    def _abort(self, where: dict[str, str], upload_id: str) -> int:
        """1 if the upload was there."""
        with suppress(NotFound), _errors_of_upload():
            self.client.abort_multipart_upload(**where, UploadId=upload_id)
            return 1
        return 0

    def _delete_version(self, key: str, version: dict[str, str]) -> None:
        bypass = {"BypassGovernanceRetention": True} if self.options.object_lock == "GOVERNANCE" else {}
        try:
            with errors(key):
                self.client.delete_object(**self._where(key), **version, **bypass)
        except NotFound:
            return
        except StoreUnavailable:
            self._check_lock(key, version)
            raise

    def _check_lock(self, key: str, version: dict[str, str]) -> None:
        """Raises Locked if that is why the version could not be removed."""
        with suppress(ClientError):
            found = self.client.head_object(**self._where(key), **version)
            if found.get("ObjectLockLegalHoldStatus") == "ON":
                raise Locked(key, None)
            until = found.get("ObjectLockRetainUntilDate")
            if until is not None and until > datetime.now(UTC):
                raise Locked(key, until.astimezone(UTC))


@contextmanager
def _errors_of_upload() -> Iterator[None]:
    """As ``errors``, and an upload that is gone is NotFound."""
    with errors():
        try:
            yield
        except ClientError as exc:
            if code_of(exc) == "NoSuchUpload":
                raise NotFound("there is no such upload") from None
            raise


def _is_marker(found: dict[str, Any]) -> bool:
    return "ETag" not in found


def _stat(found: dict[str, Any], key: str) -> ObjectStat:
    return ObjectStat(key, found["Size"], found["LastModified"].astimezone(UTC))
