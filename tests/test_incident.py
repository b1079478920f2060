"""Incident scope: every subject and object that a key opened since the leak, erased ones included, and no others."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from pipeline.audit import Deed
from pipeline.erasure.erase import carry_out
from pipeline.erasure.plan import plan_erasure
from pipeline.errors import NotFound
from pipeline.incident import scope
from pipeline.keys.file import KeyFile
from pipeline.keys.rotate import rotate_root, rotate_subject
from tests.held import KINDS, LATER, NOW, Held, held_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOUR = timedelta(hours=1)


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Held]:
    """Two callers, the first one with two calls."""
    held = held_in(tmp_path / "data")
    for call_id, last in (("CA01", 43), ("CA02", 43), ("CA03", 44)):
        held.store_call(call_id, last, audio_bytes=100)
    yield held
    held.close()


def _objects(held: Held, *calls: str) -> set[str]:
    return {each.sealed.object_key for call in calls for each in held.records.artifacts(call)}


def test_a_root_key_concerns_everybody(held: Held) -> None:
    """All subjects and all objects, with their calls and kinds."""
    found = scope(held.records.engine, held.root.key_id, NOW)
    assert (found.level, found.until) == ("root", None)
    assert set(found.subject_ids) == {held.subject_id(43), held.subject_id(44)}
    assert {each.object_key for each in found.objects} == _objects(held, "CA01", "CA02", "CA03")
    assert {each.kind for each in found.objects} == set(KINDS)


def test_a_subject_key_concerns_its_subject(held: Held) -> None:
    """That caller's objects only, and how often each person opened them."""
    key = held.records.subject_key(held.subject_id(43))
    assert key is not None
    objects = _objects(held, "CA01", "CA02")
    for object_key in (*objects, *_objects(held, "CA03")):
        held.access.trail.record(Deed("reviewer-1", "reviewer", "open", "done", {"object_key": object_key}), LATER)
    found = scope(held.records.engine, key.key_id, NOW)
    assert (found.level, found.subject_ids) == ("subject", (held.subject_id(43),))
    assert {each.object_key for each in found.objects} == objects
    assert found.opened == {"reviewer-1": len(objects)}
    assert scope(held.records.engine, key.key_id, LATER + HOUR).opened == {}


def test_what_was_erased_since_counts(held: Held) -> None:
    """It could be read until then; an erasure before the leak laid nothing open."""
    key = held.records.subject_key(held.subject_id(43))
    assert key is not None
    objects = _objects(held, "CA01", "CA02")
    carry_out(plan_erasure(held.records, held.subject_id(43)), held, lambda: LATER)
    for key_id, everything in ((key.key_id, objects), (held.root.key_id, objects | _objects(held, "CA03"))):
        found = scope(held.records.engine, key_id, NOW)
        assert {each.object_key for each in found.objects} == everything
        assert {each.object_key for each in found.objects if each.erased} == objects
    assert not any(each.erased for each in scope(held.records.engine, held.root.key_id, LATER + HOUR).objects)
    with pytest.raises(NotFound):
        scope(held.records.engine, key.key_id, LATER + HOUR)


def test_a_replaced_key_concerns_what_was_there_before(held: Held) -> None:
    """A leak before the rotation concerns everything that was; one after it nothing that is held, but old copies."""
    root, subject_id = held.root.key_id, held.subject_id(43)
    key = held.records.subject_key(subject_id)
    assert key is not None
    rotate_subject(held.records.engine, held.root, subject_id, LATER, held.shares)
    rotate_root(held.records.engine, KeyFile.load(held.folder / "keys" / "root.json"), LATER)
    for key_id, calls in ((root, ("CA01", "CA02", "CA03")), (key.key_id, ("CA01", "CA02"))):
        before, after = (scope(held.records.engine, key_id, when) for when in (NOW, LATER + HOUR))
        assert {each.object_key for each in before.objects} == _objects(held, *calls)
        assert before.until == after.until == LATER
        assert after.objects == ()
        assert after.subject_ids == before.subject_ids


def test_an_unknown_key_is_not_found(held: Held) -> None:
    """A mistyped id must not look like a leak that concerns nobody."""
    with pytest.raises(NotFound):
        scope(held.records.engine, "0" * 16, NOW)
