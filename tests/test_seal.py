"""Sealing: what goes in comes out, however it is cut and read; what was tampered with does not come out."""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tink import json_proto_keyset_format, secret_key_access  # type: ignore[import-untyped]

from pipeline.errors import CallsealError, CannotOpen, NotFound, StoreUnavailable
from pipeline.keys import DataKey, new_data_key
from pipeline.seal import HEADER_BYTES, SEGMENT_BYTES, TAG_BYTES, open_reader, seal_writer, sealed_size

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.seal import SealReader

GOLDEN = json.loads((Path(__file__).parent / "golden" / "seal.json").read_text())
KEY = new_data_key()
AD = b'["here"]'
FIRST = SEGMENT_BYTES - HEADER_BYTES - TAG_BYTES  # plaintext bytes of a full first segment
NEXT = SEGMENT_BYTES - TAG_BYTES  # and of each after it
BOUNDARIES = [0, 1, FIRST - 1, FIRST, FIRST + 1, FIRST + NEXT - 1, FIRST + NEXT, FIRST + NEXT + 1, 3 << 20]
NOISE = os.urandom(1 << 16) * 64  # 4 MiB

_MEASURED = """
import io, re
from pathlib import Path
from pipeline.keys import new_data_key
from pipeline.seal import seal_writer

class Forgetting(io.RawIOBase):
    def writable(self): return True
    def write(self, data): return len(data)

def peak():  # not getrusage, which inherits the peak of the process that started this one
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024

def seal(mebibytes):
    writer = seal_writer(Forgetting(), new_data_key(), b"")
    for _ in range(mebibytes): writer.write(bytes(1 << 20))
    writer.close()

seal(4)
before = peak()
seal(200)
print(peak() - before)
"""


def seal(pieces: Iterable[bytes], key: DataKey = KEY, associated_data: bytes = AD) -> bytes:
    """The sealed stream."""
    raw = io.BytesIO()
    writer = seal_writer(raw, key, associated_data)
    for piece in pieces:
        writer.write(piece)
    writer.close()
    return raw.getvalue()


def reader(sealed: bytes, size_bytes: int, key: DataKey = KEY, associated_data: bytes = AD) -> SealReader:
    """A reader over it."""
    return open_reader(lambda: io.BytesIO(sealed), key, associated_data, size_bytes)


def _drain(plain: SealReader) -> None:
    while plain.read(1 << 16):
        pass


def _read_all(sealed: bytes, size_bytes: int) -> bytes:
    with reader(sealed, size_bytes) as plain:
        return plain.read()


@pytest.mark.parametrize("vector", GOLDEN["vectors"], ids=lambda vector: vector["name"])
def test_golden_vectors(vector: dict[str, Any]) -> None:
    """Streams sealed by an earlier version open for ever, and their damaged copies never do."""
    keyset = json.dumps(GOLDEN["keys"][vector["key"]])
    key = DataKey(json_proto_keyset_format.parse(keyset, secret_key_access.TOKEN))
    sealed, plaintext = (base64.b64decode(vector[name]) for name in ("sealed", "plaintext"))
    with reader(sealed, vector["size_bytes"], key, vector["associated_data"].encode()) as plain:
        if vector["outcome"] == "opens":
            assert plain.read() == plaintext
        else:
            with pytest.raises(CannotOpen):
                plain.read()


@pytest.mark.parametrize("size_bytes", BOUNDARIES)
def test_sizes_around_a_segment(size_bytes: int) -> None:
    """Every size about a segment's end opens, and has the sealed size that the formula gives."""
    sealed = seal([NOISE[:size_bytes]])
    assert len(sealed) == sealed_size(size_bytes)
    assert _read_all(sealed, size_bytes) == NOISE[:size_bytes]


@pytest.mark.parametrize("size_bytes", [FIRST, FIRST + 1, FIRST + NEXT, 3 << 20])
def test_cut_and_extended_at_segment_boundaries(size_bytes: int) -> None:
    """Whole segments can be neither dropped nor added, although each by itself is authentic."""
    sealed = seal([NOISE[:size_bytes]])
    cuts = {cut for cut in (0, HEADER_BYTES, SEGMENT_BYTES, 2 * SEGMENT_BYTES, len(sealed) - 1) if cut < len(sealed)}
    damaged = [sealed[:cut] for cut in cuts] + [sealed + b"\0", sealed + sealed[-SEGMENT_BYTES:]]
    for stream in damaged:
        with pytest.raises(CannotOpen):
            _read_all(stream, size_bytes)


def test_swapped_segments_do_not_open() -> None:
    """The second and third segments, exchanged, are noticed."""
    sealed = seal([NOISE[: 4 << 20]])
    second, third = (sealed[n * SEGMENT_BYTES : (n + 1) * SEGMENT_BYTES] for n in (1, 2))
    with pytest.raises(CannotOpen):
        _read_all(sealed[:SEGMENT_BYTES] + third + second + sealed[3 * SEGMENT_BYTES :], 4 << 20)


def test_damage_in_the_last_segment_is_found_before_the_end() -> None:
    """A reader of pieces gets the undamaged start, then an error, never an early end; and the error stays."""
    sealed = bytearray(seal([NOISE[: 3 << 20]]))
    sealed[-1] ^= 1
    with reader(bytes(sealed), 3 << 20) as plain:
        assert plain.read(1000) == NOISE[:1000]
        with pytest.raises(CannotOpen):
            _drain(plain)
        plain.seek(-10, os.SEEK_END)
        with pytest.raises(CannotOpen):
            plain.read(10)


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_chunking_and_any_seeking(data: st.DataObject) -> None:
    """However it was written in pieces, seeking and reading behaves as on the plaintext in memory."""
    size = data.draw(st.one_of(st.sampled_from(BOUNDARIES), st.integers(0, 3 << 20)), label="size")
    cuts = sorted(data.draw(st.lists(st.integers(0, size), max_size=5), label="cuts"))
    plaintext = NOISE[:size]
    edges = [0, *cuts, size]
    sealed = seal(plaintext[start:end] for start, end in pairwise(edges))
    model = io.BytesIO(plaintext)
    with reader(sealed, size) as plain:
        for _ in range(data.draw(st.integers(1, 6), label="moves")):
            whence = data.draw(st.sampled_from([os.SEEK_SET, os.SEEK_CUR, os.SEEK_END]), label="whence")
            start = {os.SEEK_SET: 0, os.SEEK_CUR: plain.tell(), os.SEEK_END: size}[whence]
            offset = data.draw(st.integers(-start, size + 10 - start), label="offset")
            wanted = data.draw(st.one_of(st.integers(0, 100), st.integers(0, 1 << 21), st.just(-1)), label="wanted")
            assert plain.seek(offset, whence) == model.seek(offset, whence)
            assert plain.read(wanted) == model.read(wanted)
            assert plain.tell() == model.tell()


def test_seek_before_the_start_is_refused() -> None:
    """Neither a negative position nor an unknown reference point moves the reader."""
    with reader(seal([b"abc"]), 3) as plain:
        for offset, whence in ((-1, os.SEEK_SET), (-4, os.SEEK_END), (0, 9)):
            with pytest.raises(ValueError, match="seek"):
                plain.seek(offset, whence)
        assert plain.tell() == 0


def test_buffered_reading_works_on_top() -> None:
    """It is a proper io class: a buffered reader on top reads lines and seeks."""
    text = b"first\nsecond\nthird\n" * 50_000
    with io.BufferedReader(cast("io.RawIOBase", reader(seal([text]), len(text)))) as plain:
        assert plain.readline() == b"first\n"
        plain.seek(-6, os.SEEK_END)
        assert plain.read() == b"third\n"
        plain.seek(6)
        assert plain.readline() == b"second\n"


def test_seeks_within_what_is_kept_open_nothing_again() -> None:
    """The start and the place last read are kept, so a demultiplexer that probes does not decrypt it all anew."""
    sealed, opened = seal([NOISE[: 3 << 20]]), []

    def open_raw() -> BinaryIO:
        opened.append(1)
        return io.BytesIO(sealed)

    with open_reader(open_raw, KEY, AD, 3 << 20) as plain:
        plain.read(100)
        plain.seek(-100, os.SEEK_END)
        plain.read()
        for _ in range(3):
            plain.seek(0)
            plain.read(1000)
            plain.seek(-50, os.SEEK_END)
            plain.read()
        assert len(opened) == 1
        plain.seek(1 << 20)
        assert plain.read(5) == NOISE[:5]
        assert len(opened) == 2


def test_closed_reader_gives_nothing() -> None:
    """After close, every use is an error, and the stream below is closed."""
    raw = io.BytesIO(seal([b"abc"]))
    plain = open_reader(lambda: raw, KEY, AD, 3)
    plain.read(1)
    plain.close()
    plain.close()
    assert raw.closed
    for use in (plain.read, plain.tell, lambda: plain.seek(0)):
        with pytest.raises(ValueError, match="closed"):
            use()


def test_dropped_writer_leaves_nothing_that_opens() -> None:
    """A writer that goes out of sight without close never completes the stream, not even when it is collected."""
    raw = io.BytesIO()
    writer = seal_writer(raw, KEY, AD)
    writer.write(b"half a recording")
    del writer
    for size_bytes in (0, 16):
        with pytest.raises(CannotOpen):
            _read_all(raw.getvalue(), size_bytes)


def test_aborted_writer_cannot_be_completed() -> None:
    """After abort, writing and closing are errors."""
    writer = seal_writer(io.BytesIO(), KEY, AD)
    writer.abort()
    with pytest.raises(ValueError, match="failed"):
        writer.write(b"x")
    with pytest.raises(ValueError, match="failed"):
        writer.close()


def test_closing_twice_is_closing_once() -> None:
    """A second close changes nothing, and writing after it is an error."""
    raw = io.BytesIO()
    writer = seal_writer(raw, KEY, AD)
    writer.close()
    sealed = raw.getvalue()
    writer.close()
    assert raw.getvalue() == sealed
    with pytest.raises(ValueError, match="closed"):
        writer.write(b"x")


class _Failing(io.RawIOBase):
    """A raw stream that raises on its second use."""

    def __init__(self, error: BaseException, content: bytes = b"") -> None:
        super().__init__()
        self._error, self._content, self._used = error, io.BytesIO(content), False

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        self._fail_second_time()
        return self._content.read(size)

    def write(self, data: Any, /) -> int:
        self._fail_second_time()
        return len(data)

    def _fail_second_time(self) -> None:
        if self._used:
            raise self._error
        self._used = True


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(28, "No space left on device"), StoreUnavailable),
        (StoreUnavailable("gone"), StoreUnavailable),
        (NotFound("gone"), NotFound),
        (KeyboardInterrupt(), KeyboardInterrupt),
        (MemoryError(), MemoryError),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_fails_below_comes_out_as_it_is(error: BaseException, expected: type[BaseException]) -> None:
    """A store's failure and an interrupt are told from a damaged object, in both directions."""
    writer = seal_writer(cast("BinaryIO", _Failing(error)), KEY, AD)
    with pytest.raises(expected):
        writer.write(NOISE)
    with pytest.raises(ValueError, match="failed"):
        writer.close()
    sealed = seal([NOISE])
    with (
        open_reader(lambda: cast("BinaryIO", _Failing(error, sealed)), KEY, AD, len(NOISE)) as plain,
        pytest.raises(expected),
    ):
        plain.read()


def test_error_shows_nothing_of_the_content() -> None:
    """The error of a damaged object is one sentence without bytes, keys or paths."""
    sealed = seal([b"4111 1111 1111 1111"])
    with pytest.raises(CallsealError) as caught:
        _read_all(sealed[:-1], 19)
    assert str(caught.value) == "a sealed object does not open"
    assert caught.value.__cause__ is None


def test_memory_does_not_grow_with_the_stream() -> None:
    """Sealing 200 MiB takes less than 8 MiB more than sealing 4 MiB did."""
    run = subprocess.run([sys.executable, "-c", _MEASURED], check=True, capture_output=True, text=True)
    assert int(run.stdout) < 8
