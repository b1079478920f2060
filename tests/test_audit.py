"""The audit trail: nothing in it changes, moves or goes unseen, on either database, by however many writers."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from pipeline import schema
from pipeline.audit import Checkpoint, Deed, Trail, entries, read_checkpoint, verify_trail
from pipeline.connect import connect, writing
from pipeline.errors import VerificationFailed
from pipeline.keys.signing import SigningKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlalchemy.engine import Connection

NOW = datetime(2026, 11, 24, 12, 0, 0, 123456, tzinfo=UTC)
AUDIT = schema.audit


def deed(number: int) -> Deed:
    """Something that was done."""
    return Deed(
        "officer-1", "privacy_officer", "open", "done", {"call_id": f"CA{number}", "object_key": f"{number:032}"}
    )


@pytest.fixture
def trail(url: str, tmp_path: Path) -> Iterator[Trail]:
    """A trail of five entries."""
    trail = Trail(connect(url), SigningKey.load_or_create(tmp_path / "signing.pem"), tmp_path / "audit.json")
    for number in range(1, 6):
        trail.record(deed(number), NOW)
    yield trail
    trail.engine.dispose()


def check(trail: Trail, *kept: Checkpoint) -> int:
    """Verifies as the command does; gives how many entries there are."""
    own = trail.checkpoint()
    kept = (*kept, *([own] if own else []))
    return verify_trail(trail.engine, [trail.key.public], kept, own_key_id=trail.key.key_id).entries


def test_what_was_recorded_is_there(trail: Trail) -> None:
    """In its order, with its ids, and whole."""
    assert check(trail) == 5
    found = list(entries(trail.engine))
    assert [each.deed for each in found] == [deed(number) for number in range(1, 6)]
    assert [each.at for each in found] == [NOW] * 5
    assert trail.last("open") == deed(5)
    assert trail.last("erase") is None
    assert list(entries(trail.engine, since=NOW.replace(year=2027))) == []


def _change(column: str, value: object) -> Callable[[Connection], None]:
    def tamper(connection: Connection) -> None:
        connection.execute(AUDIT.update().filter_by(seq=3).values({column: value}))

    return tamper


def _remove(*numbers: int) -> Callable[[Connection], None]:
    return lambda connection: connection.execute(AUDIT.delete().where(AUDIT.c.seq.in_(numbers))) and None


def _swap(connection: Connection) -> None:
    for old, new in ((2, 99), (3, 2), (99, 3)):
        connection.execute(AUDIT.update().filter_by(seq=old).values(seq=new))


def _close_the_gap(connection: Connection) -> None:
    connection.execute(AUDIT.delete().filter_by(seq=3))
    for number in (4, 5):
        connection.execute(AUDIT.update().filter_by(seq=number).values(seq=number - 1))


@pytest.mark.parametrize(
    ("tamper", "words"),
    [
        (_change("actor_id", "somebody-else"), "entry 3 was changed"),
        (_change("role", "admin"), "entry 3 was changed"),
        (_change("action", "list"), "entry 3 was changed"),
        (_change("outcome", "denied"), "entry 3 was changed"),
        (_change("detail", {"call_id": "CA9"}), "entry 3 was changed"),
        (_change("at", NOW.replace(microsecond=0)), "entry 3 was changed"),
        (_change("sha256", "f" * 64), "entry 3 was changed"),
        (_change("previous_sha256", "f" * 64), "entry 3 is missing, or stands"),
        (_remove(3), "entry 3 is missing"),
        (_remove(1), "entry 1 is missing"),
        (_remove(5), "entries 5 to 5 were removed"),
        (_remove(4, 5), "entries 4 to 5 were removed"),
        (_remove(1, 2, 3, 4, 5), "entries 1 to 5 were removed"),
        (_swap, "entry 2 is missing, or stands"),
        (_close_the_gap, "entry 3 is missing, or stands"),
    ],
)
def test_tampering_is_found(trail: Trail, tamper: Callable[[Connection], None], words: str) -> None:
    """A changed, removed, moved or cut entry is named."""
    with writing(trail.engine) as connection:
        tamper(connection)
    with pytest.raises(VerificationFailed, match=words):
        check(trail)


def test_a_chain_that_was_made_anew_is_found(trail: Trail, tmp_path: Path) -> None:
    """Whoever can write to the database but has no signing key makes a chain that nobody has signed."""
    forger = SigningKey.create(tmp_path / "forger.pem")
    with writing(trail.engine) as connection:
        connection.execute(AUDIT.delete())
    forged = Trail(trail.engine, forger, tmp_path / "forged.json")
    for number in range(10, 16):
        forged.record(deed(number), NOW)
    with pytest.raises(VerificationFailed, match="not the one that the checkpoint names"):
        check(trail)
    with pytest.raises(VerificationFailed, match="not known here"):
        verify_trail(trail.engine, [trail.key.public])
    with writing(trail.engine) as connection:
        connection.execute(AUDIT.update().values(key_id=trail.key.key_id))
    with pytest.raises(VerificationFailed, match="signature"):
        verify_trail(trail.engine, [trail.key.public])


def test_a_checkpoint_that_was_kept_elsewhere_finds_a_cut(trail: Trail, tmp_path: Path) -> None:
    """Even where the host's own checkpoint was cut with the trail."""
    (tmp_path / "kept.json").write_bytes(trail.checkpoint_file.read_bytes())
    kept = read_checkpoint(tmp_path / "kept.json")
    with writing(trail.engine) as connection:
        _remove(5)(connection)
    trail.checkpoint_file.unlink()
    with pytest.raises(VerificationFailed, match="checkpoint is missing"):
        check(trail)
    trail.record(deed(6), NOW)
    assert check(trail) == 5
    with pytest.raises(VerificationFailed, match="not the one that the checkpoint names"):
        check(trail, kept)


def test_a_forged_checkpoint_is_found(trail: Trail) -> None:
    """A checkpoint is signed: one for a shorter trail cannot be made up."""
    newest = trail.checkpoint()
    assert newest is not None
    first = next(iter(entries(trail.engine)))
    with pytest.raises(VerificationFailed, match="signature"):
        check(trail, replace(newest, seq=1, sha256=first.sha256))
    trail.checkpoint_file.write_bytes(newest.encoded().replace(b"audit-checkpoint/1", b"audit-checkpoint/9"))
    with pytest.raises(VerificationFailed, match="damaged"):
        check(trail)


def test_writers_take_turns(trail: Trail, url: str) -> None:
    """Processes that write at once make one chain without a gap, and the checkpoint names its end."""
    trail.engine.dispose()
    children = []
    for child in range(4):
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                own = Trail(connect(url), trail.key, trail.checkpoint_file)
                for number in range(10):
                    own.record(deed(100 * child + number), NOW)
                code = 0
            finally:
                os._exit(code)
        children.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 4
    assert check(trail) == 45
    newest = trail.checkpoint()
    assert newest is not None
    assert newest.seq == 45


def test_content_is_not_recorded(trail: Trail) -> None:
    """A detail that looks like something said is refused, and the trail is as it was."""
    with pytest.raises(VerificationFailed, match="content"):
        trail.record(replace(deed(6), detail={"note": "my card is 4111 1111 1111 1111"}), NOW)
    assert check(trail) == 5


def test_a_restored_trail_is_taken_up(trail: Trail, tmp_path: Path) -> None:
    """Entries newer than the backup are gone; that is counted, their checkpoint is kept aside and still says so."""
    newest = trail.checkpoint()
    assert newest is not None
    assert trail.take_up() == 0
    with writing(trail.engine) as connection:
        _remove(4, 5)(connection)
    assert trail.take_up() == 2
    trail.record(deed(6), NOW)
    assert check(trail) == 4
    assert read_checkpoint(tmp_path / "audit-5.json") == newest
    with pytest.raises(VerificationFailed, match="entries 5 to 5 were removed"):
        check(trail, newest)
