"""``callseal keys``: lists, rotates and exports; one JSON object, exit codes, no key material."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pipeline import cli
from pipeline.keys.signing import PublicKey, SigningKey

if TYPE_CHECKING:
    from pathlib import Path


def _run(
    arguments: list[str], data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, Any]:
    monkeypatch.setattr("sys.argv", ["callseal", "keys", *arguments, "--data-dir", str(data_dir), "--json"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    return int(caught.value.code or 0), json.loads(capsys.readouterr().out)


def test_list_rotate_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The id before and the id after are told, and the file holds the second only."""
    code, before = _run(["list"], tmp_path, monkeypatch, capsys)
    assert code == 0
    code, done = _run(["rotate", "--root"], tmp_path, monkeypatch, capsys)
    assert (code, done["retired"]) == (0, [before["root_key_id"]])
    _, after = _run(["list"], tmp_path, monkeypatch, capsys)
    assert after["root_key_id"] == done["key_id"]
    assert not after["rotating"]
    assert [each["key_id"] for each in after["root_keys"]] == [before["root_key_id"], done["key_id"]]
    assert before["root_key_id"] not in (tmp_path / "keys" / "root.json").read_text()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["rotate"], 2),
        (["rotate", "--root", "--caller", "+12025550143"], 2),
        (["rotate", "--caller", "anonymous"], 2),
        (["rotate", "--caller", "+12025550143"], 5),
        (["rotate", "--subject", "0" * 40], 5),
    ],
)
def test_what_cannot_be_rotated(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    expected: int,
) -> None:
    """Nothing or two things to rotate is bad usage, a caller who is not held is not found."""
    code, answer = _run(arguments, tmp_path, monkeypatch, capsys)
    assert code == expected
    assert "2025550143" not in json.dumps(answer)


def test_the_public_signing_key_goes_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A PEM file that verifies what the private key signs."""
    out = tmp_path / "public.pem"
    code, answer = _run(["export-signing-public", "--to", str(out)], tmp_path / "data", monkeypatch, capsys)
    key = SigningKey.load(tmp_path / "data" / "keys" / "signing.pem")
    assert (code, answer["key_id"]) == (0, key.key_id)
    assert PublicKey.load(out).check(b"data", key.sign(b"data"))
