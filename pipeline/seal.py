"""Sealing: takes a byte stream and a data key, gives a sealed byte stream, and the way back.

Format: Tink streaming AEAD ``AES256_GCM_HKDF_1MB``, nothing around it. A 40-byte header (its own length, salt, nonce
prefix), then segments of 1 MiB, each with a 16-byte tag; the nonce counts the segments and marks the last one, so
segments can be neither moved nor dropped. The associated data binds the stream to its call, kind and name.

Promises: memory of a few segments however long the stream is. A stream that was cut, extended, changed, or sealed
under another key or for another place raises CannotOpen, never gives short or wrong data. A writer that is dropped
without ``close`` leaves a stream that does not open. Note what streaming means: bytes of a damaged stream that lie
before the damage are handed out before the damage is found; act on the data only after the last read.
"""

from __future__ import annotations

import io
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import tink  # type: ignore[import-untyped]
from tink import streaming_aead

from pipeline.errors import CallsealError, CannotOpen, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from _typeshed import ReadableBuffer, WriteableBuffer

    from pipeline.keys import DataKey

SEGMENT_BYTES: Final = 1 << 20  # of ciphertext, tag included
HEADER_BYTES: Final = 40
TAG_BYTES: Final = 16
_BLOCK_BYTES: Final = 1 << 18  # of plaintext, what the reader fetches and keeps at a time


def sealed_size(size_bytes: int) -> int:
    """Length of the sealed stream, in bytes, for a plaintext of ``size_bytes``."""
    segments = max(1, -(-(size_bytes + HEADER_BYTES) // (SEGMENT_BYTES - TAG_BYTES)))
    return HEADER_BYTES + size_bytes + TAG_BYTES * segments


def plain_size(sealed_bytes: int) -> int:
    """The opposite of ``sealed_size``; 0 for what is too short to be a sealed stream, which will not open."""
    segments = -(-sealed_bytes // SEGMENT_BYTES)
    return max(0, sealed_bytes - HEADER_BYTES - TAG_BYTES * segments)


def seal_writer(raw: BinaryIO, data_key: DataKey, associated_data: bytes) -> SealWriter:
    """A writer that seals what it is given into ``raw``; ``raw`` is not closed and must be kept by the caller."""
    return SealWriter(raw, data_key, associated_data)


def open_reader(
    open_raw: Callable[[], BinaryIO], data_key: DataKey, associated_data: bytes, size_bytes: int
) -> SealReader:
    """A seekable reader of the plaintext.

    Args:
        open_raw: opens the sealed stream at its start; called again for every seek backward past what is kept.
        data_key: the key it was sealed with.
        associated_data: what it was sealed with.
        size_bytes: of the plaintext; a stream of another length raises CannotOpen when its end is read.
    """
    return SealReader(open_raw, data_key, associated_data, size_bytes)


class SealWriter:
    """Takes plaintext and passes ciphertext on; only ``close`` makes the stream whole.

    Not an ``io`` class on purpose: those close themselves when they are collected, and Tink's writer would then put
    the mark of a complete stream under half a recording.
    """

    def __init__(self, raw: BinaryIO, data_key: DataKey, associated_data: bytes) -> None:
        self._sink = _Sink(raw)
        self._state = "open"
        with self._passing("sealing could not start"):
            self._stream = _primitive(data_key).new_encrypting_stream(self._sink, associated_data)

    def write(self, data: ReadableBuffer, /) -> int:
        """Seals all of ``data``, gives its length. Raises what ``raw`` raises, StoreUnavailable for an OSError."""
        if self._state != "open":
            raise ValueError("write to a sealed stream that is closed or has failed")
        view = memoryview(data).cast("B")
        with self._passing("sealing failed"):
            self._stream.write(view)
        return len(view)

    def writable(self) -> bool:
        """Always true."""
        return True

    def close(self) -> None:
        """Writes the last segment. Raises as ``write`` does, and ValueError after a failure or ``abort``."""
        if self._state == "closed":
            return
        if self._state != "open":
            raise ValueError("the sealed stream has failed and cannot be completed")
        with self._passing("sealing could not finish"):
            self._stream.close()
        self._state = "closed"

    def abort(self) -> None:
        """Gives up: the stream stays incomplete and will never open."""
        self._state = "failed"

    @contextmanager
    def _passing(self, what: str) -> Iterator[None]:
        self._sink.passing = True
        try:
            yield
        except (tink.TinkError, OSError) as exc:
            self._state = "failed"
            raise _translated(exc, self._sink.failure, CallsealError(what)) from None
        except BaseException:
            self._state = "failed"
            raise
        finally:
            self._sink.passing = False


class SealReader(io.RawIOBase):
    """Seekable plaintext of a sealed stream; see ``open_reader``.

    Keeps one decrypting stream that only runs forward, the first block (players and demultiplexers come back to it)
    and the last block read. ``read`` and ``readinto`` give all that was asked for, short only at the end.
    """

    def __init__(
        self, open_raw: Callable[[], BinaryIO], data_key: DataKey, associated_data: bytes, size_bytes: int
    ) -> None:
        super().__init__()
        self._open_raw = open_raw
        self._primitive = _primitive(data_key)
        self._associated_data = associated_data
        self._size_bytes = size_bytes
        self._position = 0
        self._source: _Source | None = None
        self._stream: BinaryIO | None = None
        self._next_block = 0
        self._kept: dict[int, bytes] = {}

    def readable(self) -> bool:
        """Always true."""
        return True

    def seekable(self) -> bool:
        """Always true."""
        return True

    def tell(self) -> int:
        """Position in the plaintext, in bytes."""
        self._check_open()
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Moves to a position in the plaintext; reads nothing, so it never fails on a damaged stream."""
        self._check_open()
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size_bytes}.get(whence)
        if start is None or start + offset < 0:
            raise ValueError("seek to before the start, or from an unknown place")
        self._position = start + offset
        return self._position

    def readall(self) -> bytes:
        """Everything from here to the end."""
        return self.read(max(0, self._size_bytes - self._position)) or b""

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fills ``buffer`` as far as the plaintext goes; gives the number of bytes.

        Raises:
            CannotOpen: the stream was cut, extended or changed, or key or associated data are others.
            StoreUnavailable: ``raw`` could not be read.
        """
        self._check_open()
        view = memoryview(buffer).cast("B")
        done = 0
        if self._size_bytes == 0:
            self._block(0)  # there is nothing to read, but that has to be authentic
        while done < len(view):
            data = self._block(self._position // _BLOCK_BYTES)
            piece = data[self._position % _BLOCK_BYTES :][: len(view) - done]
            if not piece:
                break
            view[done : done + len(piece)] = piece
            done += len(piece)
            self._position += len(piece)
        return done

    def close(self) -> None:
        """Closes the stream below and forgets the plaintext kept."""
        if not self.closed:
            self._drop_stream()
            self._kept.clear()
        super().close()

    def _block(self, index: int) -> bytes:
        if index * _BLOCK_BYTES >= max(1, self._size_bytes):
            return b""
        if index not in self._kept:
            try:
                data = self._fetch(index)
            except (tink.TinkError, OSError) as exc:
                failure = self._source.failure if self._source else None
                self._drop_stream()
                raise _translated(exc, failure, CannotOpen("a sealed object does not open")) from None
            except BaseException:
                self._drop_stream()
                raise
            self._kept = {number: kept for number, kept in self._kept.items() if number == 0}
            self._kept[index] = data
        return self._kept[index]

    def _fetch(self, index: int) -> bytes:
        if self._stream is None or self._next_block > index:
            self._drop_stream()
            self._source = _Source(self._open_raw())
            self._stream = self._primitive.new_decrypting_stream(self._source, self._associated_data)
        while True:
            data = self._read_block(self._stream)
            if self._next_block > index:
                return data

    def _read_block(self, stream: BinaryIO) -> bytes:
        start = self._next_block * _BLOCK_BYTES
        wanted = min(_BLOCK_BYTES, self._size_bytes - start)
        data = stream.read(wanted) if wanted else b""
        if len(data) != wanted:
            raise CannotOpen("a sealed object is shorter than it was")
        if start + wanted == self._size_bytes:
            self._check_end(stream)
        self._next_block += 1
        return data

    def _check_end(self, stream: BinaryIO) -> None:
        """Tink ignores bytes after a full last segment; the count of bytes taken from the source does not."""
        if stream.read(1) or self._source is None or self._source.drain() != sealed_size(self._size_bytes):
            raise CannotOpen("a sealed object is longer than it was")

    def _drop_stream(self) -> None:
        if self._source is not None:
            self._source.close()
        self._source = None
        self._stream = None
        self._next_block = 0

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("read from a closed sealed object")


class _Sink(io.RawIOBase):
    """Where Tink writes: passes on to ``raw`` while told to, swallows the rest (what Tink writes when collected)."""

    def __init__(self, raw: BinaryIO) -> None:
        super().__init__()
        self._raw = raw
        self.passing = False
        self.failure: BaseException | None = None

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        view = memoryview(data)
        if self.passing and self.failure is None:
            try:
                self._raw.write(view)
            except BaseException as exc:
                self.failure = exc
                raise
        return len(view)


class _Source(io.RawIOBase):
    """Where Tink reads: counts the bytes and remembers why reading failed, which Tink turns into text and loses."""

    def __init__(self, raw: BinaryIO) -> None:
        super().__init__()
        self._raw = raw
        self._count = 0
        self.failure: BaseException | None = None

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        try:
            data = self._raw.read(size)
        except BaseException as exc:
            self.failure = exc
            raise
        self._count += len(data)
        return data

    def drain(self) -> int:
        """Bytes taken so far, plus one if there are more."""
        return self._count + len(self._raw.read(1))

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


def _primitive(data_key: DataKey) -> Any:
    return data_key.handle.primitive(streaming_aead.StreamingAead)


def _translated(exc: BaseException, failure: BaseException | None, otherwise: CallsealError) -> BaseException:
    """What to raise for ``exc``: the failure beneath Tink, where there is one (an interrupt, a full disk)."""
    # Raised without its cause: Tink's text quotes file paths, and the interpreter state of the callback.
    cause = failure if failure is not None else exc
    if isinstance(cause, OSError):
        return StoreUnavailable("the store failed while a sealed object was read or written")
    if isinstance(cause, tink.TinkError):
        return otherwise
    return cause
