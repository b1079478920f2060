"""One object on its way out of a bucket: gives its bytes from the start, of one and the same version throughout.

A connection that breaks is opened again where it broke, a few times; bytes of another object never follow.
"""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING, Any, Final

from pipeline.errors import NotFound, StoreUnavailable
from pipeline.store.s3_client import BotoCoreError, errors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from _typeshed import WriteableBuffer

BUFFER_BYTES: Final = 1 << 20
_BREAKS: Final = 4  # in a row, without a byte between them
_PAUSE_S: Final = 0.1  # doubled after each


class S3Reader(io.RawIOBase):
    """The stream of an object; not seekable. Raises NotFound when made if there is no such object."""

    def __init__(self, client: Any, where: Mapping[str, str], name: str) -> None:
        super().__init__()
        self._client = client
        self._name = name
        self._where = dict(where)
        self._position = 0
        self._body: Any = None
        with errors(name):
            found = client.get_object(**self._where)
        self._body = found["Body"]
        self._size_bytes: int = found["ContentLength"]
        self._where["IfMatch"] = found["ETag"]
        if found.get("VersionId"):
            self._where["VersionId"] = found["VersionId"]

    def readable(self) -> bool:
        """Always true."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Some of the bytes that follow, none only at the end.

        Raises StoreUnavailable if they cannot be had, NotFound if the object was removed meanwhile.
        """
        view = memoryview(buffer).cast("B")
        wanted = min(len(view), self._size_bytes - self._position)
        if wanted <= 0:
            return 0
        for attempt in range(_BREAKS):
            data = self._some(wanted)
            if data:
                view[: len(data)] = data
                self._position += len(data)
                return len(data)
            self._drop()
            if attempt + 1 < _BREAKS:
                time.sleep(_PAUSE_S * 2**attempt)
        raise StoreUnavailable(f"object {self._name} could not be read to its end")

    def close(self) -> None:
        """Lets the connection go."""
        self._drop()
        super().close()

    def _some(self, wanted: int) -> bytes:
        """Up to ``wanted`` bytes; none where the connection broke."""
        try:
            if self._body is None:
                with errors(self._name):
                    where = self._where | {"Range": f"bytes={self._position}-"}
                    self._body = self._client.get_object(**where)["Body"]
            data: bytes = self._body.read(wanted)
        except NotFound:
            raise
        except (BotoCoreError, OSError, StoreUnavailable):
            return b""
        return data

    def _drop(self) -> None:
        if self._body is not None:
            self._body.close()
        self._body = None
