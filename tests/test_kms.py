"""A root key in AWS KMS, against a real service: it never leaves, and what the service says becomes our own errors."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from botocore.stub import Stubber

from pipeline.build import custody
from pipeline.config import load_settings
from pipeline.errors import CallsealError, CannotOpen, Refused, StoreUnavailable, UsageError
from pipeline.keys import Secret, kms
from pipeline.keys.file import KeyFile
from pipeline.roles import Role
from tests.kms_server import kms_client, kms_key, kms_url, new_kms_key
from tests.root_suite import NUMBER, RootKeySuite

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOW = datetime(2026, 11, 24, tzinfo=UTC)
__all__ = ["kms_client", "kms_key", "kms_url", "new_kms_key"]


class TestRootKeyInAwsKms(RootKeySuite):
    """A root key that never leaves the service."""


def test_the_key_file_alone_opens_nothing(tmp_path: Path, new_kms_key: Callable[[], str]) -> None:
    """The file holds the key's name, and a naming key that only that key of the service opens."""
    kms_key, path = new_kms_key(), tmp_path / "root.json"
    KeyFile.create(path, kms_key)
    content = json.loads(path.read_text())
    assert content["wrapping"] == {"aws_kms": kms_key}
    assert content["naming"].keys() == {"wrapped"}
    path.write_text(path.read_text().replace(kms_key, new_kms_key()))
    with pytest.raises((CannotOpen, Refused)):
        KeyFile.load(path)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("IncorrectKeyException", CannotOpen),
        ("DisabledException", CannotOpen),
        ("KMSInvalidStateException", CannotOpen),
        ("AccessDeniedException", Refused),
        ("ThrottlingException", StoreUnavailable),
        ("KMSInternalException", StoreUnavailable),
    ],
)
def test_what_the_service_says_is_one_of_our_errors(kms_client: Any, code: str, error: type[CallsealError]) -> None:
    """A key that is gone is not retried, a busy service is; the service's own words, which name roles, stay out."""
    with Stubber(kms_client) as stub:
        stub.add_client_error("decrypt", code, "arn:aws:iam::123456789012:user/somebody may not")
        with pytest.raises(error) as caught:
            kms.KmsKey("arn", kms_client).unwrap(b"wrapped", b"ad")
    assert "somebody" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("way", ["into the KMS", "out of it", "to another KMS key"])
def test_a_root_key_moves(tmp_path: Path, new_kms_key: Callable[[], str], way: str) -> None:
    """A rotation can change what kind of root key it is; callers keep their names."""
    before = "" if way == "into the KMS" else new_kms_key()
    after = "" if way == "out of it" else new_kms_key()
    root = KeyFile.create(tmp_path / "root.json", before)
    wrapped, name = root.wrap(Secret(b"k"), b"ad"), root.subject_id(NUMBER)
    root.add_root(after)
    assert (root.kms_key, root.subject_id(NUMBER)) == (after, name)
    assert root.unwrap(wrapped, b"ad").reveal() == b"k"
    root.drop_older()
    assert KeyFile.load(tmp_path / "root.json").subject_id(NUMBER) == name


def test_a_key_that_is_not_there_makes_no_file(tmp_path: Path, kms_key: str, kms_client: Any) -> None:
    """A wrong alias and a disabled key are usage errors that leave nothing behind."""
    for wrong in ("alias/none", kms_key[:-4] + "0000"):
        with pytest.raises(UsageError, match=r"keys\.kms_key"):
            KeyFile.load_or_create(tmp_path / "root.json", wrong)
    kms_client.disable_key(KeyId=kms_key.rpartition("/")[2])
    with pytest.raises(UsageError, match="disabled"):
        KeyFile.load_or_create(tmp_path / "root.json", kms_key)
    assert list(tmp_path.iterdir()) == []


def test_a_service_that_cannot_be_reached_is_temporary(
    tmp_path: Path, kms_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing listens: the error says to try again, and names neither key nor account."""
    root = KeyFile.create(tmp_path / "root.json", kms_key)
    assert root.kms_key == kms_key
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:9")
    kms._client.cache_clear()  # noqa: SLF001
    try:
        with pytest.raises(StoreUnavailable, match="cannot be reached") as caught:
            KeyFile.load(tmp_path / "root.json")
    finally:
        kms._client.cache_clear()  # noqa: SLF001
    assert kms_key not in str(caught.value)


def test_the_settings_and_the_key_file_must_agree(tmp_path: Path, kms_key: str) -> None:
    """Whoever sets a KMS key must not go on with a root key that lies in the file."""
    custody(load_settings(tmp_path), Role.PRIVACY_OFFICER).records.close()
    settings = load_settings(tmp_path)
    asked = settings.model_copy(update={"keys": settings.keys.model_copy(update={"kms_key": kms_key})})
    with pytest.raises(UsageError, match="rotate --root"):
        custody(asked, Role.PRIVACY_OFFICER)


def test_an_installation_lives_under_a_kms_key(tmp_path: Path, kms_key: str) -> None:
    """Made under it, opened again under it, its callers named the same; its subject keys need the service."""
    settings = load_settings(tmp_path)
    asked = settings.model_copy(update={"keys": settings.keys.model_copy(update={"kms_key": kms_key})})
    first = custody(asked, Role.PRIVACY_OFFICER)
    key = first.records.subject_for(first.root.subject_id(NUMBER), first.root, NOW)
    first.records.close()
    again = custody(asked, Role.PRIVACY_OFFICER)
    assert again.root.subject_id(NUMBER) == key.subject_id
    assert again.records.subject_for(key.subject_id, again.root, NOW).key_id == key.key_id
    row = again.records.subject_key(key.subject_id)
    assert row is not None
    with pytest.raises(CannotOpen):
        KeyFile.create(tmp_path / "other.json").unwrap(row.wrapped_key, b"")
    again.records.close()
