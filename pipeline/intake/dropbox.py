"""The drop box: takes a finished call on a host that has a public key only, gives it to one that has the private key.

A host that receives calls seals them for the intake key (HPKE, RFC 9180: X25519, HKDF-SHA-256, AES-256-GCM; Tink) and
from then on can read none of them, nor name a caller. Whoever has the private key collects them: each is handed in
(``pipeline.intake.arrival``), which seals it under its caller's key at once, and then goes from the box.

An item of the box is one object: the length of a sealed data key, that key, and a sealed stream (``pipeline.seal``),
whose plaintext is a length, the metadata as JSON, and the recordings one after the other. Both are bound to the
object's name, so that no item can stand for another. Until it is collected nobody knows whose call an item is: an
erasure in the meantime does not remove it, and the ledger of erasures refuses it when it is collected.
"""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Self, cast

import tink  # type: ignore[import-untyped]
from tink import hybrid, json_proto_keyset_format, proto_keyset_format, secret_key_access

from pipeline.errors import BadAudio, CannotOpen, Temporary, UsageError
from pipeline.intake.arrival import Legs
from pipeline.keys import DataKey, binding, new_data_key, private
from pipeline.metadata import parse_metadata
from pipeline.seal import open_reader, plain_size, seal_writer
from pipeline.store import new_key
from pipeline.types import Channel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pipeline.intake.bucket import BucketFile
    from pipeline.intake.ingest import Delivery
    from pipeline.metadata import CallMetadata
    from pipeline.store import Store

_FORMAT: Final = "callseal-intake/1"
_KEY_FORMAT: Final = "callseal-intake-key/1"
_PUBLIC_FORMAT: Final = "callseal-intake-public/1"
_WHAT: Final = "intake key file"
_LENGTH: Final = struct.Struct(">I")
_CHUNK_BYTES: Final = 1 << 20
_MAX_HEAD_BYTES: Final = 1 << 20

hybrid.register()


@dataclass(frozen=True, slots=True)
class IntakePublicKey:
    """Seals items; opens nothing, its own included."""

    key_id: str
    _content: dict[str, Any] = field(repr=False)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads what ``encoded`` gave. Raises UsageError if it cannot be read or is no public intake key."""
        try:
            content = json.loads(path.read_bytes())
            if content["format"] != _PUBLIC_FORMAT:
                raise ValueError
            handle = json_proto_keyset_format.parse_without_secret(json.dumps(content["keyset"]))
            handle.primitive(hybrid.HybridEncrypt)
        except OSError as exc:
            raise UsageError(f"the public intake key {path.name} cannot be read: {exc.strerror}") from exc
        except (ValueError, KeyError, TypeError, tink.TinkError):
            raise UsageError(f"{path.name} is no public intake key") from None
        return cls(_key_id(content["keyset"]), content["keyset"])

    def encoded(self) -> bytes:
        """As a file, for the hosts that receive."""
        return json.dumps({"format": _PUBLIC_FORMAT, "key_id": self.key_id, "keyset": self._content}, indent=1).encode()

    def seal(self, plaintext: bytes, associated_data: bytes) -> bytes:
        """For the private key only."""
        handle = json_proto_keyset_format.parse_without_secret(json.dumps(self._content))
        sealed: bytes = handle.primitive(hybrid.HybridEncrypt).encrypt(plaintext, associated_data)
        return sealed


@dataclass(frozen=True, slots=True)
class IntakeKey:
    """The private key, in a private file beside the root key; whoever loses it loses what was not collected."""

    public: IntakePublicKey
    _handle: Any = field(repr=False)

    @classmethod
    def load_or_create(cls, path: Path) -> Self:
        """Reads the file, or makes it where there is none.

        Raises:
            UsageError: unreadable, or others may read it.
            CannotOpen: the file holds no intake key.
            StoreUnavailable: it cannot be written.
        """
        if not path.exists():
            handle = tink.new_keyset_handle(
                hybrid.hybrid_key_templates.DHKEM_X25519_HKDF_SHA256_HKDF_SHA256_AES_256_GCM
            )
            keyset = json.loads(json_proto_keyset_format.serialize(handle, secret_key_access.TOKEN))
            private.create(path, json.dumps({"format": _KEY_FORMAT, "keyset": keyset}, indent=1).encode(), _WHAT)
        raw = private.read(path, _WHAT)
        try:
            content = json.loads(raw)
            if content["format"] != _KEY_FORMAT:
                raise ValueError
            handle = json_proto_keyset_format.parse(json.dumps(content["keyset"]), secret_key_access.TOKEN)
            shown = json.loads(json_proto_keyset_format.serialize_without_secret(handle.public_keyset_handle()))
        except (ValueError, KeyError, TypeError, tink.TinkError):
            raise CannotOpen(f"the {_WHAT} {path.name} is damaged or is none") from None
        return cls(IntakePublicKey(_key_id(shown), shown), handle)

    def open(self, sealed: bytes, associated_data: bytes) -> bytes:
        """The opposite of ``IntakePublicKey.seal``. Raises CannotOpen."""
        try:
            plain: bytes = self._handle.primitive(hybrid.HybridDecrypt).decrypt(sealed, associated_data)
        except tink.TinkError:
            raise CannotOpen("a received call was not sealed for this intake key, or was changed") from None
        return plain


def drop(box: Store, public: IntakePublicKey, delivery: Delivery, max_bytes: int) -> str:
    """Seals a finished call into the box; gives the item's name. On failure nothing of it stays.

    Raises:
        BadAudio: a file is empty or larger than ``max_bytes``.
        UsageError: a file cannot be read.
        Temporary: a file changed while it was read, or the box is full or cannot be reached.
    """
    sizes = [_size(path, max_bytes) for path in delivery.files]
    head = {"metadata": delivery.metadata.model_dump(mode="json"), "legs": list(delivery.legs), "sizes_bytes": sizes}
    raw_head = json.dumps(head).encode()
    name, data_key = new_key(), new_data_key()
    where = binding(_FORMAT, name)
    wrapped = public.seal(proto_keyset_format.serialize(data_key.handle, secret_key_access.TOKEN), where)
    with box.put(name) as raw:
        raw.write(_LENGTH.pack(len(wrapped)) + wrapped)
        writer = seal_writer(raw, data_key, where)
        try:
            writer.write(_LENGTH.pack(len(raw_head)) + raw_head)
            for path, size in zip(delivery.files, sizes, strict=True):
                _copy(path, size, writer.write)
            writer.close()
        except BaseException:
            writer.abort()
            raise
    return name


def collect(name: str, box: Store, key: IntakeKey, hand_in: Callable[[Legs, CallMetadata], bool]) -> str:
    """Hands an item in, then removes it from the box; gives the call's id. Done again after a crash, it completes.

    Args:
        name: of the item.
        box: where it lies.
        key: the private key.
        hand_in: ``arrival.hand_in`` with all else that it takes; what is not fully read is not authentic.

    Raises:
        CannotOpen: it was sealed for another key, or was changed; it stays in the box.
        CallsealError: what ``hand_in`` raises; it stays in the box.
    """
    with _open(name, box, key) as plain:
        head = _head(plain)
        metadata = parse_metadata(json.dumps(head["metadata"]).encode())
        streams = [_take(plain, size) for size in head["sizes_bytes"]]
        hand_in(Legs(streams, tuple(map(Channel, head["legs"]))), metadata)
    box.delete(name)
    return str(metadata.call_id)


def _open(name: str, box: Store, key: IntakeKey) -> BinaryIO:
    stat = box.stat(name)
    where = binding(_FORMAT, name)
    with box.open(name) as raw:
        length = _length(raw.read(_LENGTH.size))
        plain_key = key.open(raw.read(length), where)
    skipped = _LENGTH.size + length

    def from_stream() -> BinaryIO:
        source = box.open(name)
        source.read(skipped)
        return source

    data_key = DataKey(proto_keyset_format.parse(plain_key, secret_key_access.TOKEN))
    size_bytes = plain_size(stat.size_bytes - skipped if stat else 0)
    return cast("BinaryIO", open_reader(from_stream, data_key, where, size_bytes))


def _head(plain: BinaryIO) -> dict[str, Any]:
    head: dict[str, Any] = json.loads(plain.read(_length(plain.read(_LENGTH.size))))
    return head


def _length(raw: bytes) -> int:
    length = int(_LENGTH.unpack(raw)[0]) if len(raw) == _LENGTH.size else _MAX_HEAD_BYTES + 1
    if length > _MAX_HEAD_BYTES:
        raise CannotOpen("what lies in the box is no received call")
    return length


def _take(plain: BinaryIO, size: int) -> Iterator[bytes]:
    while size and (chunk := plain.read(min(size, _CHUNK_BYTES))):
        size -= len(chunk)
        yield chunk


def _size(path: Path | BucketFile, max_bytes: int) -> int:
    try:
        size = path.stat().st_size if isinstance(path, Path) else path.size_bytes
    except OSError as exc:
        raise UsageError(f"the recording cannot be read: {exc.strerror}") from exc
    if size == 0:
        raise BadAudio("the file is empty")
    if size > max_bytes:
        raise BadAudio(f"the file is larger than the limit of {max_bytes} bytes")
    return size


def _copy(path: Path | BucketFile, size: int, write: Callable[[bytes], int]) -> None:
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                size -= len(chunk)
                write(chunk)
    except OSError as exc:
        raise UsageError(f"the recording cannot be read: {exc.strerror}") from exc
    if size:
        raise Temporary("the recording changed while it was read")


def _key_id(keyset: dict[str, Any]) -> str:
    material = [each["keyData"]["value"] for each in keyset["key"]]
    return hashlib.sha256(binding(_PUBLIC_FORMAT, *material)).hexdigest()[:32]


def waiting(box: Store) -> Sequence[str]:
    """Names of the items in the box, the longest waiting first."""
    return [found.key for found in sorted(box.list(), key=lambda found: found.modified_at)]
