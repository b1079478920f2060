"""The ledger and the shares: what was erased stays erased, whatever is put back."""

from __future__ import annotations

import multiprocessing
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from pipeline.erasure.ledger import CALL, SOURCE, SUBJECT, Entry
from pipeline.errors import CannotOpen, Refused, VerificationFailed
from pipeline.keys import binding, new_subject_key, open_subject_key
from pipeline.keys.file import KeyFile
from pipeline.keys.shares import Shares, SplitRoot
from tests.held import LATER, NOW, Held, held_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

SOON = NOW + timedelta(hours=1)
SUBJECT_ID = "5" * 40


@pytest.fixture(name="held")
def _held(tmp_path: Path) -> Iterator[Held]:
    held = held_in(tmp_path / "data")
    yield held
    held.close()


@pytest.mark.parametrize(
    ("call_id", "source", "subject_id", "started_at", "refused"),
    [
        ("CA01", "b" * 64, None, None, True),
        ("CA02", "a" * 64, None, None, True),
        ("CA02", "b" * 64, SUBJECT_ID, NOW - timedelta(days=900), True),
        ("CA02", "b" * 64, SUBJECT_ID, NOW, True),
        ("CA02", "b" * 64, SUBJECT_ID, SOON, False),
        ("CA02", "b" * 64, SUBJECT_ID, None, False),
        ("CA02", "b" * 64, "6" * 40, NOW, False),
        ("CA02", "b" * 64, None, NOW, False),
    ],
)
def test_what_is_refused(
    held: Held, call_id: str, source: str, subject_id: str | None, started_at: datetime | None, *, refused: bool
) -> None:
    """Refused are an erased call by its id, its recording by its hash, and what its caller said before the request."""
    held.ledger.enter("e1", [Entry(CALL, "CA01"), Entry(SOURCE, "a" * 64), Entry(SUBJECT, SUBJECT_ID)], NOW)
    if refused:
        with pytest.raises(Refused, match="was erased on request"):
            held.ledger.refuse_erased(call_id, source, subject_id, started_at)
    else:
        held.ledger.refuse_erased(call_id, source, subject_id, started_at)


def test_a_second_erasure_moves_the_time_on(held: Held) -> None:
    """A caller who is erased again is refused up to the later request; an earlier one takes nothing back."""
    for at in (NOW, LATER, NOW):
        held.ledger.enter("e1", [Entry(SUBJECT, SUBJECT_ID)], at)
    with pytest.raises(Refused):
        held.ledger.refuse_erased("CA09", "9" * 64, SUBJECT_ID, SOON)
    assert len(held.ledger.rows()) == 1


def test_keyed_hashes_only(held: Held) -> None:
    """The file of the key side holds neither a call id nor a hash of a recording nor the name of a subject."""
    held.ledger.enter("e1", [Entry(CALL, "CA-unmistakable"), Entry(SOURCE, "a1" * 32), Entry(SUBJECT, SUBJECT_ID)], NOW)
    content = b"".join(path.read_bytes() for path in (held.folder / "keys").glob("keyside.db*"))
    assert b"e1" in content
    assert not any(each in content for each in (b"CA-unmistakable", b"a1" * 32, SUBJECT_ID.encode()))
    assert held.ledger.erased_calls(["CA-other", "CA-unmistakable"]) == {"CA-unmistakable"}


def test_another_root_key_knows_nothing(held: Held, tmp_path: Path) -> None:
    """The hashes are keyed: under another root key the same call has another one."""
    held.ledger.enter("e1", [Entry(CALL, "CA01")], NOW)
    other = replace(held.ledger, root=KeyFile.create(tmp_path / "other.json"))
    assert other.erased_calls(["CA01"]) == frozenset()


def test_put_back_adds_only(held: Held, tmp_path: Path) -> None:
    """Entries and shares of a copy are added where they are missing; what is there is left as it is."""
    held.ledger.enter("e1", [Entry(CALL, "CA01"), Entry(CALL, "CA02")], NOW)
    share = held.shares.share_for("k1")
    again = held_in(tmp_path / "again")
    again.shares.share_for("k2")
    assert [again.ledger.put_back(held.ledger.rows()) for _ in range(2)] == [2, 0]
    assert [again.shares.put_back(held.shares.all()) for _ in range(2)] == [1, 0]
    assert again.shares.held() == {"k1", "k2"}
    found = again.shares.share_of("k1")
    assert found
    assert found.reveal() == share.reveal()
    again.close()


def test_split_key_needs_all_three(held: Held, tmp_path: Path) -> None:
    """A wrapped subject key opens with root key and share together; neither alone, nor another's share, opens it."""
    assert isinstance(held.root, SplitRoot)
    key = new_subject_key(held.root, SUBJECT_ID)
    assert open_subject_key(held.root, key).key_id == key.key_id
    elsewhere = Shares.open(f"sqlite:///{tmp_path}/elsewhere.db")
    with pytest.raises(CannotOpen, match="destroyed"):
        open_subject_key(SplitRoot(held.root.whole, elsewhere), key)
    elsewhere.share_for(key.key_id)
    with pytest.raises(CannotOpen, match="not wrapped under this share"):
        open_subject_key(SplitRoot(held.root.whole, elsewhere), key)
    with pytest.raises(CannotOpen):
        open_subject_key(SplitRoot(KeyFile.create(tmp_path / "other.json"), held.shares), replace(key))
    elsewhere.close()


def test_wrapped_again_it_keeps_its_share(held: Held, tmp_path: Path) -> None:
    """Moving a subject key to another root key, with or without its share at hand, leaves its share as it is."""
    assert isinstance(held.root, SplitRoot)
    key = new_subject_key(held.root, SUBJECT_ID)
    where = binding("callseal-subject-key/1", SUBJECT_ID, key.key_id)
    new = KeyFile.create(tmp_path / "new.json")
    bare = new.wrap(held.root.whole.unwrap(key.wrapped_key, where), where)
    whole = SplitRoot(new, held.shares).wrap(held.root.unwrap(key.wrapped_key, where), where)
    for wrapped in (bare, whole):
        moved = replace(key, root_key_id=new.key_id, wrapped_key=wrapped)
        assert open_subject_key(SplitRoot(new, held.shares), moved).key_id == key.key_id
    assert held.shares.held() == {key.key_id}


def test_destroyed_share_is_in_no_file(held: Held) -> None:
    """A destroyed share is gone from the key side's file and its log; the others are there."""
    shares = {name: held.shares.share_for(name).reveal() for name in ("k1", "k2")}
    assert held.shares.destroy(["k1", "unknown"]) == 1
    assert held.shares.destroy(["k1"]) == 0
    content = b"".join(path.read_bytes() for path in (held.folder / "keys").glob("keyside.db*"))
    assert shares["k1"] not in content
    assert shares["k1"][-20:] not in content
    assert shares["k2"] in content


def _share(url: str, _index: int) -> bytes:
    shares = Shares.open(url)
    try:
        return shares.share_for("the same").reveal()
    finally:
        shares.close()


def test_made_once_by_many(tmp_path: Path) -> None:
    """Processes that need the share of one key at the same time all get the same one."""
    url = f"sqlite:///{tmp_path}/keyside.db"
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        assert len(set(pool.starmap(_share, [(url, index) for index in range(8)]))) == 1


def test_of_another_version(held: Held) -> None:
    """A key side that another version made is not touched."""
    with held.shares.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE keyside SET version = '99'")
    with pytest.raises(VerificationFailed, match="version"):
        Shares.open(f"sqlite:///{held.folder}/keys/keyside.db")
