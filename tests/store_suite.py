"""What every store must do; a store's test class inherits this and gives the ``store`` fixture."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, BinaryIO

import pytest

from pipeline.errors import NotFound
from pipeline.store import Label, new_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.store import Store


class _StopError(Exception):
    """Ends a writer early."""


def put(store: Store, content: bytes, key: str | None = None) -> str:
    """Stores ``content`` and gives its name."""
    key = key or new_key()
    with store.put(key) as raw:
        raw.write(content)
    return key


def keys(store: Store, prefix: str = "") -> set[str]:
    """Names of what is stored."""
    return {found.key for found in store.list(prefix)}


def _write_and_raise(raw: BinaryIO, content: bytes, error: type[BaseException]) -> None:
    raw.write(content)
    raise error


def _write_while(raw: BinaryIO, other: Callable[[], object]) -> None:
    raw.write(b"second" * (2 << 20))
    other()


class StoreSuite:
    """The conformance suite."""

    @pytest.mark.parametrize("content", [b"", b"x", b"0123456789" * 100_000, b"x" * (8 << 20), os.urandom(17 << 20)])
    def test_what_is_put_is_read_back(self, store: Store, content: bytes) -> None:
        """An object is what was written, also when that is nothing."""
        key = put(store, content)
        with store.open(key) as raw:
            assert raw.read() == content

    def test_pieces_are_joined(self, store: Store) -> None:
        """Several writes make one object, and reading in pieces gives it back and then the end."""
        key = new_key()
        with store.put(key) as raw:
            raw.write(b"ab")
            raw.write(memoryview(b"cd"))
        with store.open(key) as raw:
            assert [raw.read(3), raw.read(3), raw.read(3)] == [b"abc", b"d", b""]

    def test_stat_knows_size_and_time(self, store: Store) -> None:
        """Size in bytes and a time in UTC that is about now."""
        key = put(store, b"12345")
        found = store.stat(key)
        assert found is not None
        assert (found.key, found.size_bytes) == (key, 5)
        assert abs(datetime.now(UTC) - found.modified_at) < timedelta(minutes=1)

    def test_what_is_not_there(self, store: Store) -> None:
        """Opening nothing is NotFound, asking about it gives None, listing gives nothing."""
        key = new_key()
        with pytest.raises(NotFound):
            store.open(key)
        assert store.stat(key) is None
        assert keys(store, key) == set()
        assert keys(store) == set()

    def test_unfinished_is_invisible(self, store: Store) -> None:
        """Until the block ends, the object is in no listing and cannot be opened."""
        key = new_key()
        with store.put(key) as raw:
            for size_bytes in (4, 9 << 20):
                raw.write(b"x" * size_bytes)
                assert store.stat(key) is None
                assert keys(store) == set()
                with pytest.raises(NotFound):
                    store.open(key)
        assert keys(store) == {key}

    @pytest.mark.parametrize("error", [_StopError, KeyboardInterrupt, GeneratorExit])
    @pytest.mark.parametrize("size_bytes", [4, 9 << 20])
    def test_failed_leaves_nothing(self, store: Store, error: type[BaseException], size_bytes: int) -> None:
        """A block that raises, for whatever reason and however late, stores nothing, and the name stays free."""
        key = new_key()
        with pytest.raises(error), store.put(key) as raw:
            _write_and_raise(raw, b"x" * size_bytes, error)
        assert store.stat(key) is None
        assert put(store, b"whole", key) == key

    def test_names_are_used_once(self, store: Store) -> None:
        """A second object of the same name is refused and the first stays as it was."""
        key = put(store, b"first")
        with pytest.raises(ValueError, match="exists"), store.put(key) as raw:
            raw.write(b"second")
        with store.open(key) as raw:
            assert raw.read() == b"first"

    def test_two_writers_of_one_name(self, store: Store) -> None:
        """The one that ends first has the name; the other is told so, and nothing of it is there."""
        key = new_key()
        with pytest.raises(ValueError, match="exists"), store.put(key) as slow:
            _write_while(slow, lambda: put(store, b"first", key))
        with store.open(key) as raw:
            assert raw.read() == b"first"
        store.delete(key)
        assert keys(store) == set()

    def test_label_changes_nothing(self, store: Store) -> None:
        """An object with a label is the same object; labels take rules as they are written."""
        key = new_key()
        until = datetime(2027, 11, 20, tzinfo=UTC)
        with store.put(key, Label('2026-11 recording: 16 CFR § 310.5, "five years"', until)) as raw:
            raw.write(b"x")
        store.lock(key, until)
        with store.open(key) as raw:
            assert raw.read() == b"x"
        store.delete(key)

    def test_listing_by_prefix(self, store: Store) -> None:
        """A prefix of any length selects, the empty one selects all."""
        names = {first + "0" * 28 + last for first in ("aa0", "ab1", "b00") for last in "12"}
        for name in names:
            put(store, b"x", name)
        assert keys(store) == names
        for prefix in ("a", "aa", "ab0", "ab1", "c", "b0", *names):
            assert keys(store, prefix) == {name for name in names if name.startswith(prefix)}

    def test_delete_is_final_and_repeatable(self, store: Store) -> None:
        """A deleted object is gone from everywhere, deleting it again is no error, others stay."""
        key, other = put(store, b"x"), put(store, b"y")
        store.delete(key)
        store.delete(key)
        assert store.stat(key) is None
        assert keys(store) == {other}
        with pytest.raises(NotFound):
            store.open(key)

    def test_open_reader_outlives_nothing_it_should_not(self, store: Store) -> None:
        """A reader that was opened before the removal gives the object or fails; it never gives other bytes."""
        key = put(store, b"x" * 100)
        with store.open(key) as raw:
            store.delete(key)
            assert raw.read() in {b"x" * 100, b""}

    @pytest.mark.parametrize("key", ["", "short", "../../../../etc/passwd", "A" * 32, "0" * 33, "0" * 31 + "\n"])
    def test_strange_names_are_refused(self, store: Store, key: str) -> None:
        """A name that ``new_key`` cannot have made is refused by every method."""
        with pytest.raises(ValueError, match="hex"), store.put(key):
            pass
        for method in (store.open, store.stat, store.delete):
            with pytest.raises(ValueError, match="hex"):
                method(key)

    def test_nothing_partial_to_remove(self, store: Store) -> None:
        """Complete objects are not leftovers."""
        key = put(store, b"x")
        assert store.remove_partial(datetime.now(UTC) + timedelta(days=1)) == 0
        assert keys(store) == {key}
