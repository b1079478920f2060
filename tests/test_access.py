"""Access: every role opens, seals and does what it lists and nothing else, at the archive itself; all is recorded."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pipeline import cli, schema
from pipeline.access import Access
from pipeline.archive import Archive
from pipeline.audit import Trail, entries
from pipeline.build import custody
from pipeline.config import load_settings
from pipeline.connect import connect, writing
from pipeline.errors import CannotOpen, Refused, StoreUnavailable
from pipeline.keys import OpenSubjectKey, anonymous_subject_id, new_subject_key, open_subject_key
from pipeline.keys.file import KeyFile
from pipeline.keys.signing import SigningKey
from pipeline.roles import DOES, OPENS, SEALS, Act, Role
from pipeline.store.memory import MemoryStore
from pipeline.types import ArtifactKind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CALL = "CA1"


@pytest.fixture
def trail(tmp_path: Path) -> Iterator[Trail]:
    """An empty trail."""
    key = SigningKey.load_or_create(tmp_path / "signing.pem")
    trail = Trail(connect(f"sqlite:///{tmp_path}/callseal.db"), key, tmp_path / "audit.json")
    yield trail
    trail.engine.dispose()


@pytest.fixture
def subject(tmp_path: Path) -> OpenSubjectKey:
    """A subject's key."""
    root = KeyFile.load_or_create(tmp_path / "root.json")
    return open_subject_key(root, new_subject_key(root, anonymous_subject_id()))


def deeds(trail: Trail) -> list[tuple[str, str, str]]:
    """Role, action and outcome of everything that was recorded."""
    return [(each.deed.role, each.deed.action, each.deed.outcome) for each in entries(trail.engine)]


@pytest.mark.parametrize("role", Role)
def test_each_role_opens_what_it_lists(trail: Trail, subject: OpenSubjectKey, role: Role) -> None:
    """Of every kind of object; what it does not list is refused, recorded, and not read from the store."""
    store = MemoryStore()
    archive = Archive(store, Access("somebody", role, trail))
    for kind in ArtifactKind:
        sealed = Archive(store).put(CALL, kind, subject, b"content")
        if kind in OPENS[role]:
            assert archive.read(sealed, CALL, subject) == b"content"
            continue
        with pytest.raises(Refused, match=f"{role.value} may not open {kind.value}"):
            archive.open(sealed, CALL, subject)
        *_, last = entries(trail.engine)
        detail = {"call_id": CALL, "subject_id": subject.subject_id, "object_key": sealed.object_key, "kind": kind}
        assert (last.deed.outcome, dict(last.deed.detail)) == ("denied", detail)
    opened = 0 if role is Role.WORKER else len(OPENS[role])
    assert deeds(trail).count((role, "open", "done")) == opened


@pytest.mark.parametrize("role", Role)
def test_each_role_seals_what_it_lists(trail: Trail, subject: OpenSubjectKey, role: Role) -> None:
    """What it does not list is refused, recorded, and leaves nothing in the store."""
    store = MemoryStore()
    archive = Archive(store, Access("somebody", role, trail))
    for kind in ArtifactKind:
        if kind in SEALS[role]:
            archive.put(CALL, kind, subject, b"content", verify=False)
            continue
        with pytest.raises(Refused, match=f"{role.value} may not seal {kind.value}"):
            archive.put(CALL, kind, subject, b"content")
    assert len(list(store.list())) == len(SEALS[role])
    assert deeds(trail) == [(role, "seal", "denied")] * (len(ArtifactKind) - len(SEALS[role]))


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("act", Act)
def test_each_role_does_what_it_lists(trail: Trail, role: Role, act: Act) -> None:
    """An act is recorded before it begins and when it has ended; one that is not the role's does not begin."""
    access, begun = Access("somebody", role, trail), []
    if act in DOES[role]:
        with access.acting(act, call_id=CALL) as found:
            begun = deeds(trail)
            found["objects"] = 3
        assert [*begun, (role, act, "done")] == deeds(trail) == [(role, act, "begun"), (role, act, "done")]
        assert dict(list(entries(trail.engine))[1].deed.detail) == {"call_id": CALL, "objects": 3}
        return
    with pytest.raises(Refused), access.acting(act):
        begun.append(("never", "", ""))
    assert begun == []
    assert deeds(trail) == [(role, act, "denied")]


def test_least_privilege() -> None:
    """What the roles are for: nobody reads an original but worker and privacy officer, and nobody can do everything."""
    assert [role for role in Role if ArtifactKind.INTAKE in OPENS[role]] == [Role.WORKER, Role.PRIVACY_OFFICER]
    assert not OPENS[Role.INGEST]
    assert not OPENS[Role.ADMIN]
    assert not SEALS[Role.REVIEWER]
    assert [role for role in Role if Act.ERASE in DOES[role]] == [Role.PRIVACY_OFFICER]
    assert [role for role in Role if Act.ROTATE in DOES[role]] == [Role.ADMIN]
    assert all(DOES[role] != frozenset(Act) for role in Role)


def test_what_does_not_open_is_recorded_too(trail: Trail, subject: OpenSubjectKey) -> None:
    """An object that was put in another's place fails and leaves a trace."""
    archive = Archive(MemoryStore(), Access("somebody", Role.PRIVACY_OFFICER, trail))
    sealed = archive.put(CALL, ArtifactKind.TRANSCRIPT, subject, b"content", verify=False)
    with pytest.raises(CannotOpen):
        archive.open(replace(sealed, kind=ArtifactKind.MANIFEST), CALL, subject)
    *_, last = entries(trail.engine)
    assert (last.deed.action, last.deed.outcome, last.deed.detail["error"]) == ("open", "failed", "CannotOpen")


def test_what_cannot_be_recorded_does_not_open(trail: Trail, subject: OpenSubjectKey) -> None:
    """Without a trail there is no plaintext."""
    archive = Archive(MemoryStore(), Access("somebody", Role.REVIEWER, trail))
    sealed = Archive(archive.store).put(CALL, ArtifactKind.TRANSCRIPT, subject, b"content")
    with writing(trail.engine) as connection:
        schema.audit.drop(connection)
    with pytest.raises(StoreUnavailable):
        archive.open(sealed, CALL, subject)


def test_a_failed_act_is_recorded(trail: Trail) -> None:
    """With the kind of error and nothing of its message."""
    with pytest.raises(ValueError, match="secret"), Access("somebody", Role.ADMIN, trail).acting(Act.ROTATE):
        raise ValueError("secret")
    assert deeds(trail)[-1] == ("admin", "rotate", "failed")
    assert dict(list(entries(trail.engine))[-1].deed.detail) == {"error": "ValueError"}


def test_a_host_acts_in_its_roles_only(tmp_path: Path) -> None:
    """A role that the settings do not list is refused before anything opens, and that is recorded."""
    settings = load_settings(tmp_path)
    narrow = settings.model_copy(update={"access": settings.access.model_copy(update={"roles": (Role.WORKER,)})})
    held = custody(narrow, Role.WORKER)
    with pytest.raises(Refused, match="does not act as reviewer"):
        custody(narrow, Role.REVIEWER)
    assert deeds(held.access.trail) == [("reviewer", "act_as", "denied")]


def test_a_change_of_policy_is_recorded_once(trail: Trail) -> None:
    """The first policies in force and every change of them, by their hashes."""
    access = Access("somebody", Role.WORKER, trail)
    for digest in ("a" * 64, "a" * 64, "b" * 64):
        access.note_policies({"consent": digest, "redaction": "c" * 64})
    found = [dict(each.deed.detail) for each in entries(trail.engine)]
    assert [each["consent_sha256"] for each in found] == ["a" * 64, "b" * 64]


def _run(
    arguments: list[str], data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, Any]:
    monkeypatch.setattr("sys.argv", ["callseal", *arguments, "--data-dir", str(data_dir), "--json"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    return int(caught.value.code or 0), json.loads(capsys.readouterr().out)


def test_the_command_verifies_lists_and_exports_a_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 0 for a whole trail and 6 for one that was tampered with."""
    data, kept = tmp_path / "data", tmp_path / "kept.json"
    assert _run(["audit", "checkpoint", "--to", str(kept)], data, monkeypatch, capsys)[0] == 5
    assert _run(["keys", "rotate", "--root"], data, monkeypatch, capsys)[0] == 0
    code, listed = _run(["audit", "list"], data, monkeypatch, capsys)
    assert (code, [each["outcome"] for each in listed["entries"]]) == (0, ["begun", "done"])
    assert _run(["audit", "checkpoint", "--to", str(kept)], data, monkeypatch, capsys)[0] == 0
    code, found = _run(["audit", "verify", "--checkpoint", str(kept)], data, monkeypatch, capsys)
    assert (code, found["entries"], found["checkpoints"]) == (0, 2, [2, 2])
    engine = connect(load_settings(data).database_url)
    with writing(engine) as connection:
        connection.execute(schema.audit.delete().filter_by(seq=2))
    engine.dispose()
    code, found = _run(["audit", "verify"], data, monkeypatch, capsys)
    assert (code, "entries 2 to 2 were removed" in found["error"]["message"]) == (6, True)
