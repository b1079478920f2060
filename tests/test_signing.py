"""Signing: any changed byte is found, with the public key alone, and by another implementation too."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
import tink  # type: ignore[import-untyped]
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from hypothesis import given
from hypothesis import strategies as st
from tink import proto_keyset_format
from tink import signature as signature_api
from tink.proto import ed25519_pb2, tink_pb2

from pipeline.errors import CannotOpen, UsageError, VerificationFailed
from pipeline.keys.signing import PublicKey, SigningKey, canonical, check_signed, signed, verify

GOLDEN = json.loads((Path(__file__).parent / "golden" / "signing.json").read_text(encoding="utf-8"))
EC_KEY = (
    b"-----BEGIN PUBLIC KEY-----\n"
    b"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt\n"
    b"6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==\n"
    b"-----END PUBLIC KEY-----\n"
)


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    """A fresh signing key."""
    return SigningKey.load_or_create(tmp_path / "keys" / "signing.pem")


def test_the_key_file_is_private_and_kept(tmp_path: Path, key: SigningKey) -> None:
    """It is 0600, made once, never overwritten, and the key in it stays the same."""
    path = tmp_path / "keys" / "signing.pem"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert SigningKey.load_or_create(path) == key
    with pytest.raises(UsageError, match="never overwritten"):
        SigningKey.create(path)


@pytest.mark.parametrize("mode", [0o644, 0o620, 0o604])
def test_a_key_file_that_others_can_reach_is_refused(tmp_path: Path, key: SigningKey, mode: int) -> None:
    """A signature that others could have made proves nothing."""
    path = tmp_path / "keys" / "signing.pem"
    path.chmod(mode)
    with pytest.raises(UsageError, match="chmod 600"):
        SigningKey.load_or_create(path)


@pytest.mark.parametrize(
    "content", [b"", b"\x00\xff", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
)
def test_a_damaged_key_file_cannot_open(tmp_path: Path, key: SigningKey, content: bytes) -> None:
    """One sentence, which quotes nothing of the file."""
    path = tmp_path / "keys" / "signing.pem"
    path.write_bytes(content)
    with pytest.raises(CannotOpen, match=r"signing key file signing\.pem") as caught:
        SigningKey.load(path)
    assert caught.value.__cause__ is None


def test_the_public_key_alone_verifies(tmp_path: Path, key: SigningKey) -> None:
    """A third party gets a PEM file, which gives the same key id, and no private key."""
    file = tmp_path / "public.pem"
    file.write_bytes(key.public.pem())
    public = PublicKey.load(file)
    verify(public, b"data", key.sign(b"data"))
    assert public == key.public
    assert public.key_id == key.key_id
    assert b"PRIVATE" not in file.read_bytes()


def test_another_implementation_agrees(key: SigningKey) -> None:
    """Tink reads the raw public key and accepts the signature, and refuses it for other bytes."""
    signature_api.register()
    raw = load_pem_public_key(key.public.pem())
    assert isinstance(raw, Ed25519PublicKey)
    tink_key = ed25519_pb2.Ed25519PublicKey(key_value=raw.public_bytes_raw())
    data = tink_pb2.KeyData(
        type_url="type.googleapis.com/google.crypto.tink.Ed25519PublicKey",
        value=tink_key.SerializeToString(),
        key_material_type=tink_pb2.KeyData.ASYMMETRIC_PUBLIC,
    )
    entry = tink_pb2.Keyset.Key(key_data=data, status=tink_pb2.ENABLED, key_id=1, output_prefix_type=tink_pb2.RAW)
    keyset = tink_pb2.Keyset(primary_key_id=1, key=[entry]).SerializeToString()
    checker = proto_keyset_format.parse_without_secret(keyset).primitive(signature_api.PublicKeyVerify)
    checker.verify(key.sign(b"data"), b"data")
    with pytest.raises(tink.TinkError):
        checker.verify(key.sign(b"data"), b"date")


@given(data=st.binary(min_size=1, max_size=300), place=st.integers(min_value=0), bit=st.integers(0, 7))
def test_a_flipped_bit_is_found(data: bytes, place: int, bit: int) -> None:
    """Whichever bit of the data or of the signature changes, the signature is refused."""
    public = PublicKey.from_pem(GOLDEN["public_key"].encode())
    signature = bytes.fromhex(GOLDEN["signature"])
    signed = GOLDEN["canonical"].encode()
    for target in (signed, signature):
        changed = bytearray(target)
        changed[place % len(target)] ^= 1 << bit
        pair = (bytes(changed), signature) if target is signed else (signed, bytes(changed))
        with pytest.raises(VerificationFailed, match=public.key_id):
            verify(public, *pair)
    with pytest.raises(VerificationFailed):
        verify(public, signed + data, signature)


def test_a_known_signature_stays_valid() -> None:
    """The canonical form and the signature of a value are those of the committed vector, in this and every version."""
    public = PublicKey.from_pem(GOLDEN["public_key"].encode())
    assert public.key_id == GOLDEN["key_id"]
    assert canonical(GOLDEN["value"]).decode() == GOLDEN["canonical"]
    verify(public, canonical(GOLDEN["value"]), bytes.fromhex(GOLDEN["signature"]))


@pytest.mark.parametrize("signature", [b"", b"short", b"\x00" * 64, b"\x00" * 65])
def test_no_signature_is_no_error_of_another_kind(key: SigningKey, signature: bytes) -> None:
    """A signature of the wrong length or of zeros is refused like any other."""
    with pytest.raises(VerificationFailed):
        verify(key.public, b"data", signature)


@pytest.mark.parametrize("pem", [b"", b"nonsense", EC_KEY])
def test_what_is_no_ed25519_key_verifies_nothing(pem: bytes) -> None:
    """Nonsense and keys of another kind are refused by name."""
    with pytest.raises(VerificationFailed, match="public key"):
        PublicKey.from_pem(pem)


def test_nothing_secret_in_repr(key: SigningKey) -> None:
    """The private key shows itself nowhere."""
    assert repr(key) == f"SigningKey(public=PublicKey(key_id='{key.key_id}'))"


@given(st.dictionaries(st.text(), st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text()))
def test_canonical_json_is_one_spelling(value: dict[str, object]) -> None:
    """The order of members does not matter, and the bytes say the value."""
    turned = dict(reversed(list(value.items())))
    assert canonical(value) == canonical(turned)
    assert json.loads(canonical(value)) == value


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**53, {1: 2}, {"a": b"x"}, "\ud800"])
def test_what_is_no_json_is_not_signed(value: object) -> None:
    """What has no canonical form is an error, never a signature over something else."""
    with pytest.raises(ValueError, match=r"."):
        canonical(value)


def test_a_signed_document_cannot_be_changed(key: SigningKey) -> None:
    """Every changed, added or missing member is found; a second signature replaces the first."""
    document = signed({"version": 1, "call_id": "CA-1", "artifacts": [{"size_bytes": 2}]}, key)
    assert check_signed(document, key.public) == key.public
    assert signed(document, key) == document
    wrong = [
        document | {"call_id": "CA-2"},
        document | {"more": 1},
        {k: v for k, v in document.items() if k != "version"},
    ]
    wrong += [{"version": 1}, document | {"signature": {}}, document | {"signature": {"value": "zz"}}]
    wrong += [document | {"call_id": each} for each in (float("nan"), "\ud800", 2**60)]  # JSON to Python, and no more
    for each in wrong:
        with pytest.raises(VerificationFailed):
            check_signed(each, key.public)
