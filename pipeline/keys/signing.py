"""Signing: takes bytes and the signing key, gives an Ed25519 signature; takes the public key, checks one, offline.

Certificates of erasure, manifests and checkpoints of the audit trail are signed here. What is signed is the canonical
JSON (``canonical``, RFC 8785) of a value that names its own format, so that a signature for one purpose fits no other.
Signatures are plain Ed25519 (RFC 8032, 64 bytes) and keys are PEM (RFC 8410), which OpenSSL reads too: a third party
needs the public key file and nothing of callseal.

Promises: the private key is in a private file and in memory, nowhere else, and shows itself in no ``repr`` and no
error. A key id is computed from the public key, so no file can claim another key's id.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

import rfc8785
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from pipeline.errors import CannotOpen, UsageError, VerificationFailed
from pipeline.keys import private

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_WHAT: Final = "signing key file"


def canonical(value: Any) -> bytes:
    """The one spelling of a JSON value, as RFC 8785 (JSON Canonicalization Scheme) has it; this is what is signed.

    Object members sorted by the UTF-16 code units of their names, no space between tokens, numbers as ECMAScript
    prints them, UTF-8. Two values that are equal as JSON give the same bytes.

    Raises:
        ValueError: not JSON: an unknown type, NaN, an integer beyond 2**53, a lone surrogate.
    """
    return rfc8785.dumps(value)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The key that checks signatures; may be given to anyone.

    Args:
        key_id: first 32 hex digits of the SHA-256 of the key's DER form (SubjectPublicKeyInfo).
    """

    key_id: str
    _key: Ed25519PublicKey = field(repr=False, compare=False)

    @classmethod
    def from_pem(cls, pem: bytes) -> Self:
        """Reads the PEM form. Raises VerificationFailed if it is no Ed25519 public key."""
        try:
            key = load_pem_public_key(pem)
        except (ValueError, UnsupportedAlgorithm):
            raise VerificationFailed("the public key is no PEM public key") from None
        if not isinstance(key, Ed25519PublicKey):
            raise VerificationFailed("the public key is no Ed25519 key")
        return cls.of(key)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads a PEM file. Raises UsageError if it cannot be read, VerificationFailed if it holds no Ed25519 key."""
        try:
            return cls.from_pem(path.read_bytes())
        except OSError as exc:
            raise UsageError(f"the public key file {path.name} cannot be read: {exc.strerror}") from exc

    @classmethod
    def of(cls, key: Ed25519PublicKey) -> Self:
        """The key with its id."""
        der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return cls(hashlib.sha256(der).hexdigest()[:32], key)

    def pem(self) -> bytes:
        """The form in which the key is given to third parties: ``-----BEGIN PUBLIC KEY-----`` and so on."""
        return self._key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def check(self, data: bytes, signature: bytes) -> bool:
        """Whether ``signature`` is this key's for ``data``."""
        try:
            self._key.verify(signature, data)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The private key, from a PEM file (PKCS#8) beside the root key.

    Whoever copies the file can sign in this installation's name. Losing it loses no recording: signatures that were
    made stay valid under the old public key, so that is what to keep.
    """

    public: PublicKey
    _key: Ed25519PrivateKey = field(repr=False, compare=False)

    @property
    def key_id(self) -> str:
        """See PublicKey."""
        return self.public.key_id

    def sign(self, data: bytes) -> bytes:
        """64 bytes: the Ed25519 signature of ``data``, the same every time."""
        return self._key.sign(data)

    @classmethod
    def create(cls, path: Path) -> Self:
        """Makes a new key in a new private file.

        Raises:
            UsageError: a file of that name exists (it is left as it is).
            StoreUnavailable: the file cannot be written.
        """
        key = Ed25519PrivateKey.generate()
        private.create(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), _WHAT)
        return cls.load(path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads a signing key file.

        Raises:
            UsageError: no such file, unreadable, or others may read it.
            CannotOpen: the file holds no Ed25519 private key.
        """
        raw = private.read(path, _WHAT)
        try:
            key = load_pem_private_key(raw, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            # The cause is left out: a parser's message can quote the bytes that it stumbled over.
            raise CannotOpen(f"the {_WHAT} {path.name} is damaged or is none") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise CannotOpen(f"the {_WHAT} {path.name} holds another kind of key")
        return cls(PublicKey.of(key.public_key()), key)

    @classmethod
    def load_or_create(cls, path: Path) -> Self:
        """Reads the file, or makes it where there is none; safe when several processes start at once."""
        if not path.exists():
            with suppress(UsageError):
                return cls.create(path)
        return cls.load(path)


def signed(document: Mapping[str, Any], key: SigningKey) -> dict[str, Any]:
    """The document with ``signature`` in it, over the canonical form of all the rest; one that it had is replaced."""
    body = {name: value for name, value in document.items() if name != "signature"}
    value = key.sign(canonical(body)).hex()
    return {**body, "signature": {"algorithm": "Ed25519", "key_id": key.key_id, "value": value}}


def check_signed(document: Mapping[str, Any], *public_keys: PublicKey) -> PublicKey:
    """The one of the keys by which the document is as ``signed`` made it.

    Raises:
        VerificationFailed: anything in it has changed, or none of the keys signed it.
    """
    body = {name: value for name, value in document.items() if name != "signature"}
    try:
        key_id, value = document["signature"]["key_id"], bytes.fromhex(document["signature"]["value"])
        data = canonical(body)
    except (KeyError, TypeError, ValueError):
        raise VerificationFailed("the document has no signature, or is damaged") from None
    key = next((each for each in public_keys if each.key_id == key_id), None)
    if key is None:
        raise VerificationFailed("the signature is not that of a key that was given")
    verify(key, data, value)
    return key


def verify(public_key: PublicKey, data: bytes, signature: bytes) -> None:
    """Returns if ``signature`` is ``public_key``'s for exactly ``data``. Raises VerificationFailed otherwise."""
    if not public_key.check(data, signature):
        raise VerificationFailed(
            f"the signature is not that of key {public_key.key_id}, or what was signed has changed"
        )
