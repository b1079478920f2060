"""Backup and restore: a second place that gives everything back, but nobody who was erased."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from pipeline.archive import Archive
from pipeline.audit import verify_trail
from pipeline.backups.backup import KEEP, back_up, generations
from pipeline.backups.restore import restore
from pipeline.db import Records
from pipeline.erasure.erase import ErasureReport, carry_out
from pipeline.erasure.plan import plan_erasure
from pipeline.errors import CannotOpen, NotFound, UsageError, VerificationFailed
from pipeline.keys.file import KeyFile
from pipeline.store.local import LocalStore
from tests import scripted
from tests.held import LATER, NOW, Held, held_in
from tests.product import SCRIPTED, files, needles, run, sightings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers import PostgresServer


@pytest.fixture(name="held")
def _held(tmp_path: Path) -> Iterator[Held]:
    held = held_in(tmp_path / "data")
    for number, last in enumerate((43, 43, 44), start=1):
        held.store_call(f"CA0{number}", last=last, audio_bytes=5000, agent=90 + number)
    yield held
    held.close()


@pytest.fixture(name="place")
def _place(tmp_path: Path) -> Path:
    return tmp_path / "second site"


def _fresh(held: Held, folder: Path, *, keyside: bool = False) -> Held:
    """A new machine: the root key is there, and the key side where it has survived."""
    (folder / "keys").mkdir(parents=True)
    shutil.copy2(held.folder / "keys" / "root.json", folder / "keys")
    if keyside:
        for path in (held.folder / "keys").glob("keyside.db*"):
            shutil.copy2(path, folder / "keys")
    return held_in(folder)


def _erase(held: Held, last: int) -> ErasureReport:
    return carry_out(plan_erasure(held.records, held.subject_id(last)), held, lambda: LATER)


def test_restore_drill(held: Held, place: Path, tmp_path: Path) -> None:
    """On a new machine, with the root key from elsewhere, everything opens again; twice backed up is copied once."""
    first, second = back_up(held, place, NOW), back_up(held, place, LATER)
    assert (first.copied, second.copied, second.removed) == (9, 0, 0)
    again = _fresh(held, tmp_path / "new")
    done = restore(again, place)
    assert (done.backup_id, done.calls, done.erased, done.unopenable) == (second.generation.backup_id, 3, 0, 0)
    assert (done.objects, done.missing) == (9, 0)
    assert all(again.opens(call_id) for call_id in ("CA01", "CA02", "CA03"))
    assert again.records.call("CA01") == held.records.call("CA01")
    assert again.records.events("CA02") == held.records.events("CA02")
    again.close()


def test_the_audit_trail_comes_back_and_goes_on(held: Held, place: Path, tmp_path: Path) -> None:
    """Also where the new machine has noted something by itself; what came after the backup is counted as lost."""
    signing, checkpoint = held.access.trail.key.public, tmp_path / "new" / "keys" / "audit.json"
    for policy in ("a", "b"):
        held.access.note_policies({"consent": policy * 64})
    done = back_up(held, place, NOW)
    held.access.note_policies({"consent": "c" * 64})
    again = _fresh(held, tmp_path / "new")
    again.access.note_policies({"consent": "d" * 64})
    shutil.copy2(held.access.trail.checkpoint_file, checkpoint)
    restore(again, place)
    again.access.restored(done.generation.backup_id)
    trail = again.access.trail
    newest = trail.checkpoint()
    assert newest is not None
    assert verify_trail(trail.engine, [signing, trail.key.public], [newest]).entries == 3
    assert dict(trail.last("restore").detail) == {"backup_id": done.generation.backup_id, "entries_lost": 1}  # type: ignore[union-attr]
    assert checkpoint.with_name("audit-3.json").exists()
    again.close()


def test_into_another_kind_of_database(held: Held, place: Path, tmp_path: Path, postgres: PostgresServer) -> None:
    """A snapshot of SQLite is restored into PostgreSQL, whose own snapshot is restored into SQLite again."""
    back_up(held, place, NOW)
    new = _fresh(held, tmp_path / "new")
    moved = replace(new, records=Records.open(postgres.url(postgres.database())))
    assert restore(moved, place).calls == 3
    moved.records.note("CA01", "exported", {"files": 5}, LATER)
    back_up(moved, tmp_path / "third", LATER)
    again = _fresh(held, tmp_path / "again")
    assert restore(again, tmp_path / "third").calls == 3
    assert [event.what for event in again.records.events("CA01")][-1] == "exported"
    assert again.opens("CA01")
    for each in (moved, new, again):
        each.close()


def test_an_old_backup_does_not_bring_back(held: Held, place: Path, tmp_path: Path) -> None:
    """A generation from before an erasure, restored after it, lacks that person, on a new machine and on this one."""
    old = back_up(held, place, NOW).generation
    report = _erase(held, 43)
    assert [(each.place_id, each.expires_at, each.opens) for each in report.residual] == [
        ("second site", NOW + KEEP, False)
    ]
    assert {found.key for found in LocalStore(place / "objects").list()} == held.stored_keys()
    for name, keyside in (("new", False), ("same", True)):
        again = _fresh(held, tmp_path / name, keyside=keyside)
        done = restore(again, place, old.backup_id)
        assert (done.calls, done.erased, done.missing) == (1, 2, 0)
        assert (again.records.call("CA01"), again.opens("CA03")) == (None, True)
        assert again.ledger.erased_calls(["CA01", "CA02", "CA03"]) == {"CA01", "CA02"}
        again.close()


def test_copies_of_everything_and_the_key_file_open_nothing(held: Held, place: Path, tmp_path: Path) -> None:
    """Old store, old database, today's key file and the refreshed place: nothing of the person opens."""
    old = back_up(held, place, NOW).generation
    shutil.copytree(place / "objects", tmp_path / "stolen")
    artifacts = held.records.artifacts("CA01")
    _erase(held, 43)
    again = _fresh(held, tmp_path / "new")
    blind = replace(again, ledger=replace(again.ledger, root=KeyFile.create(tmp_path / "blind.json")))
    done = restore(blind, place, old.backup_id)  # without a ledger that knows: the destroyed share is enough
    assert (done.erased, done.unopenable, done.calls) == (0, 2, 1)
    today = again.records.subject_for(again.subject_id(43), again.root, LATER)
    for each in artifacts:
        with pytest.raises(CannotOpen):
            Archive(LocalStore(tmp_path / "stolen")).open(each.sealed, "CA01", today)
    again.close()


def test_a_place_out_of_reach_is_said(held: Held, place: Path, tmp_path: Path) -> None:
    """What an erasure cannot reach is reported as readable and without a date, until a backup reaches it again."""
    old = back_up(held, place, NOW).generation
    place.rename(tmp_path / "away")
    report = _erase(held, 43)
    assert [(each.opens, each.expires_at) for each in report.residual] == [(True, None), (True, NOW + KEEP)]
    (tmp_path / "away").rename(place)
    back_up(held, place, LATER)
    assert {found.key for found in LocalStore(place / "objects").list()} == held.stored_keys()
    again = _fresh(held, tmp_path / "new")
    assert restore(again, place, old.backup_id).erased == 2
    again.close()


def test_a_part_that_stays_is_in_a_new_generation(held: Held, place: Path, tmp_path: Path) -> None:
    """Where a customer's key is replaced because one call goes, the rest is restored from a generation taken then."""
    old = back_up(held, place, NOW).generation
    _erase(held, 91)
    assert len(generations(held)) == 2
    newest, again = _fresh(held, tmp_path / "new"), _fresh(held, tmp_path / "old")
    assert restore(newest, place).calls == 2
    assert newest.opens("CA02")
    done = restore(again, place, old.backup_id)
    assert (done.erased, done.unopenable, done.calls) == (1, 1, 1)
    newest.close()
    again.close()


def test_generations_have_their_time(held: Held, place: Path) -> None:
    """A generation goes with the first backup after its time, and what expired in between leaves the place with it."""
    back_up(held, place, NOW, timedelta(days=1))
    gone = held.records.artifacts("CA03")[0].sealed
    held.archive.destroy(gone)
    held.records.delete_artifacts([gone.object_key], "expired", LATER)
    done = back_up(held, place, LATER)
    assert (done.expired, done.removed, len(generations(held))) == (1, 1, 1)
    assert len(list((place / "snapshots").iterdir())) == 2


def test_nothing_readable_and_no_root_key(held: Held, place: Path) -> None:
    """No file of a place holds a call id, a wrapped key, a share or the root key in the clear."""
    back_up(held, place, NOW)
    wrapped = held.records.artifacts("CA01")[0].sealed.wrapped_key
    share = next(iter(held.shares.all().values())).reveal()
    secrets = (b"CA01", wrapped, share, share.hex().encode(), *_key_material(held.folder / "keys" / "root.json"))
    assert not [path for path in files(place) if any(secret in path.read_bytes() for secret in secrets)]


def _key_material(key_file: Path) -> list[bytes]:
    content = json.loads(key_file.read_text())
    return [key["keyData"]["value"].encode() for name in ("wrapping", "naming") for key in content[name]["key"]]


@pytest.mark.parametrize("at", [0, 100, -1])
def test_a_changed_backup_restores_nothing(held: Held, place: Path, tmp_path: Path, at: int) -> None:
    """One changed bit anywhere in a snapshot, or another root key, and no row is written."""
    back_up(held, place, NOW)
    sealed = next((place / "snapshots").glob("*.sealed"))
    raw = bytearray(sealed.read_bytes())
    raw[at] ^= 1
    sealed.write_bytes(raw)
    again = _fresh(held, tmp_path / "new")
    with pytest.raises(CannotOpen):
        restore(again, place)
    assert again.records.root_key_ids() == frozenset()
    assert again.shares.held() == frozenset()
    again.close()


MANIFESTS = [("created_at", "2026-11-30T00:00:00+00:00"), ("version", "0001"), ("kind", "keyside"), ("size_bytes", 1)]


@pytest.mark.parametrize(("name", "value"), MANIFESTS)
def test_a_changed_manifest_restores_nothing(
    held: Held, place: Path, tmp_path: Path, name: str, value: str | int
) -> None:
    """What the manifest says is bound to what it speaks of: no date, version or kind can be changed."""
    back_up(held, place, NOW)
    manifest = next((place / "snapshots").glob("*.json"))
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {name: value}))
    again = _fresh(held, tmp_path / "new")
    with pytest.raises(CannotOpen):
        restore(again, place)
    assert again.records.root_key_ids() == frozenset()
    again.close()


def test_what_a_restore_refuses(held: Held, place: Path, tmp_path: Path) -> None:
    """It goes into no data folder with calls, finds no unknown generation, and takes no newer version."""
    back_up(held, place, NOW)
    with pytest.raises(UsageError, match="without records"):
        restore(held, place)
    again = _fresh(held, tmp_path / "new")
    for wrong in (tmp_path / "nowhere", place):
        with pytest.raises(NotFound):
            restore(again, wrong, "0" * 32)
    manifest = next((place / "snapshots").glob("*.json"))
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"version": "9999"}))
    with pytest.raises(VerificationFailed, match="version 9999"):
        restore(again, place)
    again.close()


def test_the_commands(tmp_path: Path) -> None:
    """Process, back up, delete, restore elsewhere: the deleted call is not there and cannot be processed again."""
    (tmp_path / "call.wav").write_bytes(scripted.recording())
    (tmp_path / "call.json").write_bytes(scripted.metadata())
    process = ("process", tmp_path / "call.wav", "--metadata", tmp_path / "call.json", "--json", "--data-dir")
    assert run(*process, tmp_path / "data", program=SCRIPTED).code == 0
    for _ in range(2):
        done = run("backup", "--to", tmp_path / "place", "--data-dir", tmp_path / "data", "--json")
        assert done.code == 0, done.err
    assert sightings(needles(scripted.NAME, scripted.CARD, scripted.CALLER), tmp_path / "place") == []
    done = run("delete", "--caller", scripted.CALLER, "--yes", "--data-dir", tmp_path / "data", "--json")
    assert [each["opens"] for each in done.json["residual_copies"]] == [False, False]
    restored = ("restore", "--from", tmp_path / "place", "--data-dir", tmp_path / "new", "--json")
    assert run(*restored).code == 2  # the root key is not there
    (tmp_path / "new" / "keys").mkdir(parents=True)
    shutil.copy2(tmp_path / "data" / "keys" / "root.json", tmp_path / "new" / "keys")
    done = run(*restored)
    assert (done.code, done.json["calls"], done.json["left_out_erased"]) == (0, 0, 1)
    assert run("show", "CA-scripted", "--data-dir", tmp_path / "new").code == 5
    assert run(*process, tmp_path / "new", program=SCRIPTED).code == 4
    assert Records.open(f"sqlite:///{tmp_path}/new/callseal.db").root_key_ids() == frozenset()
