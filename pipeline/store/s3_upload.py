"""One object on its way into a bucket: takes bytes, keeps one part of them in memory, and makes them an object at once.

A small object is one request; a larger one is a multipart upload, which the service shows to nobody before it is
complete. Every request carries the SHA-256 of its bytes, which the service checks. The object comes into being only
if there is none of its name; that and a mark of ours, kept with it, tell our own object from another's when an answer
was lost on the way and the request was tried again.
"""

from __future__ import annotations

import base64
import hashlib
import io
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from pipeline.errors import NotFound, StoreUnavailable
from pipeline.store.s3_client import BotoCoreError, ClientError, code_of, errors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from _typeshed import ReadableBuffer

PART_BYTES: Final = 8 << 20  # of at most 10,000 parts: 78 GiB, far more than any recording
_TAKEN: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
_MARK: Final = "callseal-write"


class Upload(io.RawIOBase):
    """A writer; ``finish`` makes the object, ``abort`` makes that there is none."""

    def __init__(self, client: Any, where: Mapping[str, str], settings: Mapping[str, str]) -> None:
        """Begins nothing yet.

        Args:
            client: of the service.
            where: ``Bucket`` and ``Key``.
            settings: what goes with the request that makes the object: encryption, tags.
        """
        super().__init__()
        self._client = client
        self._where = dict(where)
        self._mark = secrets.token_hex(16)
        self._settings = {**settings, "Metadata": {_MARK: self._mark}}
        self._buffer = bytearray()
        self._upload_id = ""
        self._parts: list[dict[str, Any]] = []
        self._may_exist = False

    def writable(self) -> bool:
        """Always true."""
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        """Takes all of ``data``, gives its length. Raises StoreUnavailable."""
        view = memoryview(data).cast("B")
        done = 0
        while done < len(view):
            if len(self._buffer) == PART_BYTES:
                self._send_part()
            taken = view[done : done + PART_BYTES - len(self._buffer)]
            self._buffer += taken
            done += len(taken)
        return len(view)

    def finish(self) -> None:
        """Makes the object.

        Raises:
            ValueError: there is one of this name, which is left as it is.
            StoreUnavailable: it could not be made.
        """
        if self._upload_id:
            self._send_part()
        if self._head() is not None:  # not every service knows a write that is conditional
            raise ValueError("an object of this name exists")
        try:
            self._may_exist = True
            self._make()
        except (ClientError, BotoCoreError, OSError) as exc:
            if self._mine() is not None:
                return  # it was made, and only the answer did not reach us
            if isinstance(exc, ClientError) and code_of(exc) in _TAKEN:
                self._may_exist = False
                raise ValueError("an object of this name exists") from None
            with errors():
                raise
        finally:
            self._buffer.clear()

    def abort(self) -> None:
        """Takes back what was sent; nothing is raised, for there is an error under way already."""
        self._buffer.clear()
        with suppress(StoreUnavailable, NotFound):
            if self._upload_id:
                with errors(self._where["Key"]):
                    self._client.abort_multipart_upload(**self._where, UploadId=self._upload_id)
        with suppress(StoreUnavailable, NotFound):
            if self._may_exist and (mine := self._mine()) is not None:
                version = {"VersionId": mine["VersionId"]} if mine.get("VersionId") else {}
                with errors(self._where["Key"]):
                    self._client.delete_object(**self._where, **version)

    def _make(self) -> None:
        if not self._upload_id:
            body = bytes(self._buffer)
            self._client.put_object(
                **self._where, **self._settings, Body=body, ChecksumSHA256=_sha256(body), IfNoneMatch="*"
            )
            return
        self._client.complete_multipart_upload(
            **self._where, UploadId=self._upload_id, MultipartUpload={"Parts": self._parts}, IfNoneMatch="*"
        )

    def _send_part(self) -> None:
        with errors():
            if not self._upload_id:
                begun = self._client.create_multipart_upload(
                    **self._where, **self._settings, ChecksumAlgorithm="SHA256"
                )
                self._upload_id = begun["UploadId"]
            body, number = bytes(self._buffer), len(self._parts) + 1
            sent = self._client.upload_part(
                **self._where, UploadId=self._upload_id, PartNumber=number, Body=body, ChecksumSHA256=_sha256(body)
            )
        self._parts.append({"PartNumber": number, "ETag": sent["ETag"], "ChecksumSHA256": _sha256(body)})
        self._buffer.clear()

    def _mine(self) -> dict[str, Any] | None:
        """What the service says of the object of this name, if it is the one that was made here."""
        found = self._head()
        marks = {value for name, value in (found or {}).get("Metadata", {}).items() if name.lower() == _MARK}
        return found if self._mark in marks else None

    def _head(self) -> dict[str, Any] | None:
        try:
            with errors(self._where["Key"]):
                found: dict[str, Any] = self._client.head_object(**self._where)
        except NotFound:
            return None
        return found


def _sha256(body: bytes) -> str:
    return base64.b64encode(hashlib.sha256(body).digest()).decode("ascii")
