"""The drop box: who has the public key only reads nothing; who has the private one gets each call once, whole."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from pipeline import cli
from pipeline.build import custody
from pipeline.config import load_settings
from pipeline.errors import BadAudio, CannotOpen, Refused, UsageError
from pipeline.intake.arrival import hand_in
from pipeline.intake.dropbox import IntakeKey, IntakePublicKey, collect, drop, waiting
from pipeline.intake.ingest import Delivery
from pipeline.keys import binding
from pipeline.metadata import parse_metadata
from pipeline.retention.retain import load_policy
from pipeline.roles import Role
from pipeline.store.local import LocalStore
from pipeline.types import ArtifactKind, Channel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeline.custody import Custody
    from pipeline.intake.arrival import Legs
    from pipeline.metadata import CallMetadata

NOW = datetime(2026, 11, 24, tzinfo=UTC)
SPOKEN = b"an invented recording " * 100_000  # three segments
METADATA = {"call_id": "CA0f", "started_at": "2026-11-20T14:03:00Z", "direction": "inbound", "caller": "+12025550143"}


@pytest.fixture
def box(tmp_path: Path) -> LocalStore:
    """An empty box."""
    return LocalStore(tmp_path / "box")


@pytest.fixture
def key(tmp_path: Path) -> IntakeKey:
    """The private key."""
    return IntakeKey.load_or_create(tmp_path / "keys" / "intake.json")


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    """Two legs of a call."""
    files = (tmp_path / "agent.wav", tmp_path / "customer.wav")
    files[0].write_bytes(SPOKEN)
    files[1].write_bytes(SPOKEN[::-1])
    return Delivery(files, (Channel.AGENT, Channel.CUSTOMER), parse_metadata(json.dumps(METADATA).encode()))


def reading(taken: list[Any]) -> Callable[[Legs, CallMetadata], bool]:
    """A worker that keeps what it is handed."""

    def take(legs: Legs, metadata: CallMetadata) -> bool:
        taken.append((metadata, legs.named, [b"".join(stream) for stream in legs.streams]))
        return True

    return take


def test_what_is_dropped_is_collected_once(box: LocalStore, key: IntakeKey, delivery: Delivery) -> None:
    """Recordings, legs and metadata arrive as they were, and the box is empty then."""
    name = drop(box, key.public, delivery, 1 << 30)
    assert waiting(box) == [name]
    taken: list[Any] = []
    assert collect(name, box, key, reading(taken)) == "CA0f"
    assert taken == [(delivery.metadata, delivery.legs, [SPOKEN, SPOKEN[::-1]])]
    assert waiting(box) == []


def test_the_public_key_opens_nothing(box: LocalStore, key: IntakeKey, delivery: Delivery, tmp_path: Path) -> None:
    """A host with the public key file holds no secret, and neither it nor another private key opens an item."""
    (tmp_path / "public.json").write_bytes(key.public.encoded())
    public = IntakePublicKey.load(tmp_path / "public.json")
    name = drop(box, public, delivery, 1 << 30)
    (file,) = [path for path in (tmp_path / "box").rglob("*") if path.is_file()]
    sealed = file.read_bytes()
    private = json.loads((tmp_path / "keys" / "intake.json").read_text())["keyset"]["key"][0]["keyData"]["value"]
    assert private not in (tmp_path / "public.json").read_text()
    assert not any(secret in sealed for secret in (b"2025550143", b"CA0f", b"invented"))
    with pytest.raises(UsageError, match="no public intake key"):
        IntakePublicKey.load(tmp_path / "keys" / "intake.json")
    (tmp_path / "public.json").chmod(0o600)
    with pytest.raises(CannotOpen, match="damaged or is none"):
        IntakeKey.load_or_create(tmp_path / "public.json")
    with pytest.raises(CannotOpen):
        collect(name, box, IntakeKey.load_or_create(tmp_path / "other.json"), reading([]))
    assert waiting(box) == [name]


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw[:-1],
        lambda raw: raw + b"\0",
        lambda raw: b"",
        lambda raw: raw[:2],
        lambda raw: b"\xff" + raw[1:],
        lambda raw: raw[:10] + bytes([raw[10] ^ 1]) + raw[11:],
        lambda raw: raw[:-200] + bytes([raw[-200] ^ 1]) + raw[-199:],
        lambda raw: raw[: len(raw) // 2],
    ],
)
def test_a_changed_item_is_refused_and_stays(
    box: LocalStore, key: IntakeKey, delivery: Delivery, change: Callable[[bytes], bytes]
) -> None:
    """Cut, extended or changed: no call comes of it, and it lies there for whoever looks into it."""
    name = drop(box, key.public, delivery, 1 << 30)
    with box.open(name) as raw:
        sealed = raw.read()
    box.delete(name)
    with box.put(name) as raw:
        raw.write(change(sealed))
    with pytest.raises(CannotOpen):
        collect(name, box, key, reading([]))
    assert waiting(box) == [name]


def test_an_item_does_not_stand_for_another(box: LocalStore, key: IntakeKey, delivery: Delivery) -> None:
    """Under another name it does not open."""
    name = drop(box, key.public, delivery, 1 << 30)
    with box.open(name) as raw, box.put("0" * 32) as copy:
        copy.write(raw.read())
    with pytest.raises(CannotOpen):
        collect("0" * 32, box, key, reading([]))
    with pytest.raises(CannotOpen):
        key.open(key.public.seal(b"x", binding("one")), binding("two"))


def test_what_cannot_be_received_leaves_nothing(box: LocalStore, key: IntakeKey, delivery: Delivery) -> None:
    """Empty, too large, or not there."""
    with pytest.raises(BadAudio, match="larger"):
        drop(box, key.public, delivery, 100)
    delivery.files[1].write_bytes(b"")
    with pytest.raises(BadAudio, match="empty"):
        drop(box, key.public, delivery, 1 << 30)
    delivery.files[1].unlink()
    with pytest.raises(UsageError, match="cannot be read"):
        drop(box, key.public, delivery, 1 << 30)
    assert waiting(box) == []


def _collected(name: str, box: LocalStore, key: IntakeKey, held: Custody) -> str:
    policy = load_policy(load_settings().policy_file("retention.toml"))
    return collect(name, box, key, lambda legs, said: hand_in(legs, said, held, policy, 1 << 30, NOW))


def test_a_collected_call_is_sealed_under_its_caller(
    box: LocalStore, key: IntakeKey, delivery: Delivery, tmp_path: Path
) -> None:
    """From then on the caller's key is what opens it."""
    held = custody(load_settings(tmp_path / "data"), Role.WORKER)
    name = drop(box, key.public, delivery, 1 << 30)
    assert _collected(name, box, key, held) == "CA0f"
    kinds = sorted(each.sealed.kind for each in held.records.artifacts("CA0f"))
    assert kinds == sorted([ArtifactKind.CALL_METADATA, ArtifactKind.INTAKE, ArtifactKind.INTAKE])
    call = held.records.call("CA0f")
    assert call is not None
    assert call.subject_id == held.root.subject_id("+12025550143")


def _run(
    arguments: list[str], data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, Any]:
    monkeypatch.setattr("sys.argv", ["callseal", *arguments, "--data-dir", str(data_dir), "--json"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    return int(caught.value.code or 0), json.loads(capsys.readouterr().out)


def test_two_hosts(
    delivery: Delivery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One drops with the public key and has no other; one collects, where the call then waits."""
    edge, inside, public = tmp_path / "edge", tmp_path / "inside", tmp_path / "public.json"
    metadata = tmp_path / "call.json"
    metadata.write_text(json.dumps(METADATA))
    arguments = ["intake", "drop", str(delivery.files[0]), "--metadata", str(metadata)]
    assert _run(arguments, edge, monkeypatch, capsys)[0] == 2
    assert _run(["keys", "export-intake-public", "--to", str(public)], inside, monkeypatch, capsys)[0] == 0
    monkeypatch.setenv("CALLSEAL_INTAKE__PUBLIC_KEY", str(public))
    monkeypatch.setenv("CALLSEAL_INTAKE__BOX", str(tmp_path / "shared"))
    code, dropped = _run(arguments, edge, monkeypatch, capsys)
    assert code == 0
    assert not edge.exists(), "the receiving host has no key and no database"
    code, collected = _run(["intake", "collect"], inside, monkeypatch, capsys)
    assert (code, collected["left"]) == (0, [])
    assert collected["collected"] == [{"received_id": dropped["received_id"], "call_id": "CA0f"}]
    code, shown = _run(["show", "CA0f"], inside, monkeypatch, capsys)
    assert (code, shown["status"]) == (0, "in_progress")
    monkeypatch.setenv("CALLSEAL_ACCESS__ROLES", '["worker"]')
    assert _run(arguments, edge, monkeypatch, capsys)[0] == Refused.exit_code
