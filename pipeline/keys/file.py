"""The key file: takes a path, gives the root key that it holds or names.

``{"format", "key_id", "wrapping", "naming"}``, and during a rotation ``"older": [{"key_id", "wrapping"}]``.
A wrapping key is a Tink keyset (AES-256-GCM), or ``{"aws_kms": <key ARN>}`` where the key never leaves AWS KMS.
The naming key (HMAC-SHA-256), which makes subject ids of numbers, is a Tink keyset, or ``{"wrapped": <base64>}``
under the KMS key.

Whoever loses the file loses every recording, and, without a KMS, whoever copies it can read them: back it up
apart from the data. The file is replaced as a whole, in one step, and only by ``add_root`` and ``drop_older``.
"""

from __future__ import annotations

import base64
import json
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

import tink  # type: ignore[import-untyped]
from tink import aead, json_proto_keyset_format, prf, secret_key_access

from pipeline.errors import CannotOpen, Refused, UsageError
from pipeline.keys import SUBJECT_ID_BYTES, Secret, binding, private

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipeline.keys.kms import KmsKey

_FORMAT: Final = "callseal-key-file/1"
_WHAT: Final = "key file"
_NAMING: Final = binding("callseal-naming-key/1")

prf.register()


@dataclass(frozen=True, slots=True)
class _Ring:
    """What a key file says: the wrapping keys by id, the current one first, and the naming key."""

    keys: Mapping[str, _TinkKey | KmsKey] = field(repr=False)
    naming: Any = field(repr=False)

    @property
    def key_id(self) -> str:
        return next(iter(self.keys))


@dataclass(slots=True)
class KeyFile:
    """The root key that a file holds or names; see ``keys.RootKey``.

    A process that meets a key id it does not know reads the file again, so that it lives through a rotation.
    """

    path: Path
    _ring: _Ring = field(repr=False)

    @classmethod
    def create(cls, path: Path, kms_key: str = "") -> Self:
        """Makes a new key file (0600, in a folder made 0700) that appears complete or not at all.

        Args:
            path: where.
            kms_key: ARN, id or alias of an AWS KMS key that is to be the root key; empty for one in the file.

        Raises:
            UsageError: a file of that name exists (it is left as it is), or there is no such KMS key.
            StoreUnavailable: the file cannot be written, or the KMS cannot be reached.
        """
        naming = _keyset_text(prf.prf_key_templates.HMAC_SHA256)
        private.create(path, _encoded(_with_new_root({}, Secret(naming), kms_key)), _WHAT)
        return cls.load(path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads a key file.

        Raises:
            UsageError: no such file, unreadable, or others may read it.
            CannotOpen: the file is not a key file or was damaged, or its KMS key does not open its naming key.
            StoreUnavailable: the KMS cannot be reached.
        """
        return cls(path, _parsed(_content(path), path))

    @classmethod
    def load_or_create(cls, path: Path, kms_key: str = "") -> Self:
        """Reads the key file, or makes it where there is none; safe when several processes start at once."""
        if not path.exists():
            try:
                return cls.create(path, kms_key)
            except UsageError:
                if not path.exists():
                    raise
        return cls.load(path)

    @property
    def key_id(self) -> str:
        """See RootKey."""
        return self._ring.key_id

    @property
    def kms_key(self) -> str:
        """ARN of the AWS KMS key that is the root key; empty for a root key in the file."""
        key = self._ring.keys[self.key_id]
        return "" if isinstance(key, _TinkKey) else key.arn

    @property
    def older(self) -> tuple[str, ...]:
        """Ids of the root keys that a rotation has not yet done away with."""
        return tuple(self._ring.keys)[1:]

    def opens(self, key_id: str) -> bool:
        """See RootKey."""
        if key_id not in self._ring.keys:
            with suppress(UsageError):  # the file may be on its way to another place; what was read stays good
                self._ring = _parsed(_content(self.path), self.path)
        return key_id in self._ring.keys

    def wrap(self, plaintext: Secret, associated_data: bytes) -> bytes:
        """See RootKey."""
        ring = self._ring
        return ring.keys[ring.key_id].wrap(plaintext, associated_data)

    def unwrap(self, wrapped: bytes, associated_data: bytes) -> Secret:
        """See RootKey."""
        refused: Refused | None = None
        for key in self._ring.keys.values():
            try:
                return key.unwrap(wrapped, associated_data)
            except CannotOpen:
                continue
            except Refused as exc:  # a KMS may refuse what another of its keys has wrapped
                refused = exc
        raise refused or CannotOpen(f"root key {self.key_id} does not open this subject key")

    def subject_id(self, e164: str) -> str:
        """See RootKey."""
        digest: bytes = self._ring.naming.primary().compute(binding("callseal-subject/1", e164), SUBJECT_ID_BYTES)
        return digest.hex()

    def add_root(self, kms_key: str = "") -> None:
        """Puts a new root key in front of the one that is; nothing where a rotation was begun and not ended.

        Raises:
            StoreUnavailable: the file cannot be written.
        """
        content = _content(self.path)
        if not content.get("older"):
            naming = _naming(content, _wrapping(content["wrapping"]))
            private.replace(self.path, _encoded(_with_new_root(content, naming, kms_key)), _WHAT)
        self._ring = _parsed(_content(self.path), self.path)

    def drop_older(self) -> None:
        """Takes every root key but the current one out of the file: what is still wrapped under them is lost.

        Raises:
            StoreUnavailable: the file cannot be written.
        """
        content = _content(self.path)
        if content.pop("older", None):
            private.replace(self.path, _encoded(content), _WHAT)
        self._ring = _parsed(content, self.path)


@dataclass(frozen=True, slots=True)
class _TinkKey:
    """A wrapping key that is in the file itself."""

    _aead: Any = field(repr=False)

    def wrap(self, plaintext: Secret, associated_data: bytes) -> bytes:
        wrapped: bytes = self._aead.encrypt(plaintext.reveal(), associated_data)
        return wrapped

    def unwrap(self, wrapped: bytes, associated_data: bytes) -> Secret:
        try:
            return Secret(self._aead.decrypt(wrapped, associated_data))
        except tink.TinkError as exc:
            raise CannotOpen("the root key does not open this subject key") from exc


def _with_new_root(content: Mapping[str, Any], naming: Secret, kms_key: str) -> dict[str, Any]:
    """The content of a file with a new root key, the one of ``content`` behind it."""
    wrapping: dict[str, Any]
    if kms_key:
        from pipeline.keys.kms import KmsKey

        key = KmsKey.find(kms_key)
        wrapping = {"aws_kms": key.arn}
        kept: dict[str, Any] = {"wrapped": base64.b64encode(key.wrap(naming, _NAMING)).decode()}
    else:
        wrapping = json.loads(_keyset_text(aead.aead_key_templates.AES256_GCM))
        kept = json.loads(naming.reveal())
    fresh = {"format": _FORMAT, "key_id": secrets.token_hex(8), "wrapping": wrapping, "naming": kept}
    before = [{"key_id": content["key_id"], "wrapping": content["wrapping"]}] if content else []
    return {**fresh, **({"older": before} if before else {})}


def _content(path: Path) -> dict[str, Any]:
    raw = private.read(path, _WHAT)
    try:
        content: dict[str, Any] = json.loads(raw)
        ids = [content["key_id"], *(each["key_id"] for each in content.get("older", ()))]
        if content["format"] != _FORMAT or not all(isinstance(key_id, str) for key_id in ids):
            raise ValueError
    except (ValueError, KeyError, TypeError):
        raise _damaged(path) from None
    return content


def _parsed(content: Mapping[str, Any], path: Path) -> _Ring:
    try:
        keys = {each["key_id"]: _wrapping(each["wrapping"]) for each in (content, *content.get("older", ()))}
        naming = _naming(content, keys[content["key_id"]])
        return _Ring(keys, _keyset(json.loads(naming.reveal())).primitive(prf.PrfSet))
    except (ValueError, KeyError, TypeError, AttributeError, tink.TinkError):
        raise _damaged(path) from None


def _damaged(path: Path) -> CannotOpen:
    """To be raised without a cause: a parser's message can quote the bytes that it stumbled over."""
    return CannotOpen(f"the key file {path.name} is damaged or is no callseal key file")


def _wrapping(content: Mapping[str, Any]) -> _TinkKey | KmsKey:
    if "aws_kms" in content:
        from pipeline.keys.kms import KmsKey

        return KmsKey.at(content["aws_kms"])
    return _TinkKey(_keyset(content).primitive(aead.Aead))


def _naming(content: Mapping[str, Any], key: _TinkKey | KmsKey) -> Secret:
    naming = content["naming"]
    if "wrapped" in naming:
        return key.unwrap(base64.b64decode(naming["wrapped"], validate=True), _NAMING)
    return Secret(json.dumps(naming).encode())


def _keyset_text(template: Any) -> bytes:
    handle = tink.new_keyset_handle(template)
    text: str = json_proto_keyset_format.serialize(handle, secret_key_access.TOKEN)
    return text.encode()


def _keyset(content: Mapping[str, Any]) -> Any:
    return json_proto_keyset_format.parse(json.dumps(content), secret_key_access.TOKEN)


def _encoded(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, indent=1).encode()
