"""Keys: takes a root key and subject ids, gives subject keys and data keys.

Three levels, each wrapped (encrypted) under the one above::

    root key        in a key file, or in AWS KMS (pipeline.keys.kms) with a key file that names it
      subject key   one per caller, random; kept wrapped in the database, bound to subject id and key id
        data key    one per sealed object, random; kept wrapped beside the object's row, bound to call, kind and name

Promises: destroying the wrapped subject key makes every object of that caller unreadable, in backups of the store
too. A telephone number is never kept: a subject id is a keyed hash of it, which nobody can compute without the key
file. Nothing in this room shows key material in a ``repr``, a log or an error. The associated data of every wrapping
is a JSON list, so no two bindings can spell the same bytes.

Rotation (pipeline.keys.rotate) puts a new root key beside the one before in the file, and takes that one out when
nothing is wrapped under it any more. The naming key, which makes the subject ids, is carried over: a caller keeps the
name.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import tink  # type: ignore[import-untyped]
from tink import aead, proto_keyset_format, secret_key_access, streaming_aead

from pipeline.errors import CannotOpen

SUBJECT_ID_BYTES: Final = 20
SUBJECT_KEY_PURPOSE: Final = "callseal-subject-key/1"  # first part of the associated data of a wrapped subject key

aead.register()
streaming_aead.register()


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """Bytes that are never shown; ``reveal`` is the only way to them."""

    _value: bytes

    def reveal(self) -> bytes:
        """The bytes themselves."""
        return self._value

    def __repr__(self) -> str:
        return "**redacted**"


class RootKey(Protocol):
    """The key that wraps every subject key and names every subject."""

    @property
    def key_id(self) -> str:
        """Names the key under which ``wrap`` wraps, says nothing about it."""

    def opens(self, key_id: str) -> bool:
        """Whether this root opens what was wrapped under ``key_id``: its own id, or one that it is taking over from."""

    def wrap(self, plaintext: Secret, associated_data: bytes) -> bytes:
        """``plaintext`` (under 4 KiB) encrypted and bound to ``associated_data``."""

    def unwrap(self, wrapped: bytes, associated_data: bytes) -> Secret:
        """The opposite of ``wrap``. Raises CannotOpen for another key, other associated data or changed bytes."""

    def subject_id(self, e164: str) -> str:
        """Keyed hash of a number in E.164 form: 40 hex digits, the same for ever under this key."""


@dataclass(frozen=True, slots=True)
class DataKey:
    """The key of one sealed object (Tink keyset AES256_GCM_HKDF_1MB)."""

    handle: Any = field(repr=False)


@dataclass(frozen=True, slots=True)
class SubjectKey:
    """A subject key as the database keeps it: of no use without the root key ``root_key_id``."""

    subject_id: str
    key_id: str
    root_key_id: str
    wrapped_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class OpenSubjectKey:
    """A subject key in use; wraps and unwraps the data keys of that subject's objects."""

    subject_id: str
    key_id: str
    _aead: Any = field(repr=False)

    def wrap(self, data_key: DataKey, associated_data: bytes) -> bytes:
        """The data key encrypted under this subject key, bound to ``associated_data``."""
        wrapped: bytes = proto_keyset_format.serialize_encrypted(data_key.handle, self._aead, associated_data)
        return wrapped

    def unwrap(self, wrapped: bytes, associated_data: bytes) -> DataKey:
        """The opposite of ``wrap``. Raises CannotOpen for another key, other associated data or changed bytes."""
        try:
            return DataKey(proto_keyset_format.parse_encrypted(wrapped, self._aead, associated_data))
        except tink.TinkError as exc:
            raise CannotOpen(f"subject key {self.key_id} does not open this object's key") from exc


def binding(*parts: str) -> bytes:
    """Associated data that binds a ciphertext to ``parts``: a JSON list, so that no two lists give the same bytes."""
    return json.dumps(parts, separators=(",", ":")).encode()


def new_data_key() -> DataKey:
    """A fresh random key for one object."""
    return DataKey(tink.new_keyset_handle(streaming_aead.streaming_aead_key_templates.AES256_GCM_HKDF_1MB))


def anonymous_subject_id() -> str:
    """A random subject id for a caller whose number is withheld; it cannot be found again by any number."""
    return secrets.token_hex(SUBJECT_ID_BYTES)


def new_subject_key(root: RootKey, subject_id: str) -> SubjectKey:
    """A fresh random key for ``subject_id``, wrapped under ``root``."""
    return make_subject_key(root, subject_id)[0]


def new_key_id() -> str:
    """A name for a subject key."""
    return secrets.token_hex(16)


def make_subject_key(root: RootKey, subject_id: str, key_id: str | None = None) -> tuple[SubjectKey, OpenSubjectKey]:
    """A fresh random key for ``subject_id``, wrapped under ``root``, and the same ready for use."""
    handle = tink.new_keyset_handle(aead.aead_key_templates.AES256_GCM)
    key_id = key_id or new_key_id()
    plain = Secret(proto_keyset_format.serialize(handle, secret_key_access.TOKEN))
    wrapped = root.wrap(plain, subject_binding(subject_id, key_id))
    opened = OpenSubjectKey(subject_id, key_id, handle.primitive(aead.Aead))
    return SubjectKey(subject_id, key_id, root.key_id, wrapped), opened


def open_subject_key(root: RootKey, key: SubjectKey) -> OpenSubjectKey:
    """The key, ready for use. Raises CannotOpen for another root key than it was wrapped under, or changed bytes."""
    if not root.opens(key.root_key_id):
        raise CannotOpen(f"subject key {key.key_id} was made under root key {key.root_key_id}, not {root.key_id}")
    plain = root.unwrap(key.wrapped_key, subject_binding(key.subject_id, key.key_id))
    handle = proto_keyset_format.parse(plain.reveal(), secret_key_access.TOKEN)
    return OpenSubjectKey(key.subject_id, key.key_id, handle.primitive(aead.Aead))


def subject_binding(subject_id: str, key_id: str) -> bytes:
    """Associated data of a wrapped subject key: whose it is, and its id."""
    return binding(SUBJECT_KEY_PURPOSE, subject_id, key_id)
