"""The archive: takes plaintext streams, gives sealed objects in a store, and opens and destroys them.

Order of writes: seal into the store, let the store make it durable, open it again and compare the hash, and only then
hand out the SealedObject for a row. Whatever fails on the way leaves nothing in the store, or, if the process
dies, an object without a row, whose key exists nowhere; ``unreferenced`` finds those.
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final, TypedDict, Unpack, cast

from pipeline.errors import CannotOpen, VerificationFailed
from pipeline.keys import OpenSubjectKey, binding, new_data_key
from pipeline.seal import SealWriter, open_reader, seal_writer
from pipeline.store import new_key
from pipeline.types import SealedObject

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from datetime import datetime

    from _typeshed import ReadableBuffer

    from pipeline.access import Access
    from pipeline.store import Label, Store
    from pipeline.types import Artifact, ArtifactKind


class _Options(TypedDict, total=False):
    verify: bool
    label: Label | None


FORMAT: Final = "callseal-object/1"
_CHUNK_BYTES: Final = 1 << 20
_SMALL_BYTES: Final = 64 << 20


class ArtifactWriter:
    """Takes plaintext; ``sealed`` is there once the block of ``Archive.write`` has ended well."""

    def __init__(self, sink: SealWriter) -> None:
        self._sink = sink
        self._hash = hashlib.sha256()
        self._size_bytes = 0
        self._sealed: SealedObject | None = None

    def write(self, data: ReadableBuffer, /) -> int:
        """Seals all of ``data``, gives its length in bytes. Raises StoreUnavailable; the object is then lost."""
        self._sink.write(data)
        view = memoryview(data).cast("B")
        self._hash.update(view)
        self._size_bytes += len(view)
        return len(view)

    def finish(self, sealed: SealedObject | None = None) -> tuple[str, int]:
        """For the archive: sets ``sealed``; gives hash (hex) and length in bytes of what was written."""
        self._sealed = sealed
        return self._hash.hexdigest(), self._size_bytes

    @property
    def sealed(self) -> SealedObject:
        """The finished object. Raises ValueError before the end of the block, or after a failure."""
        if self._sealed is None:
            raise ValueError("the object is not finished")
        return self._sealed


@dataclass(frozen=True, slots=True)
class Archive:
    """Sealed objects in ``store``; ``access`` decides who may seal and open them, None lets everybody."""

    store: Store
    access: Access | None = None

    @contextmanager
    def write(
        self,
        call_id: str,
        kind: ArtifactKind,
        subject: OpenSubjectKey,
        *,
        verify: bool = True,
        label: Label | None = None,
    ) -> Iterator[ArtifactWriter]:
        """A writer for one new object; if the block raises, nothing is left in the store.

        Args:
            call_id: the call it belongs to; part of what the seal is bound to.
            kind: what it holds; likewise.
            subject: whose key it is sealed under.
            verify: read it back and compare the hash before it counts as written.
            label: what the store may show beside it.

        Raises:
            Refused: the role that acts here does not seal such objects.
            StoreUnavailable: nothing was written.
            VerificationFailed: it did not read back as written, and was removed.
        """
        key = new_key()
        where = place(call_id, kind, key)
        if self.access is not None:
            self.access.sealing(kind, {"call_id": call_id, "subject_id": subject.subject_id})
        data_key = new_data_key()
        wrapped_key = subject.wrap(data_key, where)
        with self.store.put(key, label) as raw:
            sink = seal_writer(raw, data_key, where)
            writer = ArtifactWriter(sink)
            try:
                yield writer
                sink.close()
            except BaseException:
                sink.abort()
                raise
        sha256, size_bytes = writer.finish()
        sealed = SealedObject(kind, key, sha256, size_bytes, subject.key_id, wrapped_key)
        if verify:
            self._verify(sealed, call_id, subject)
        writer.finish(sealed)

    def put(
        self, call_id: str, kind: ArtifactKind, subject: OpenSubjectKey, data: bytes, **options: Unpack[_Options]
    ) -> SealedObject:
        """Seals ``data`` as one object; see ``write``, also for the options."""
        with self.write(call_id, kind, subject, **options) as writer:
            writer.write(data)
        return writer.sealed

    def open(self, sealed: SealedObject, call_id: str, subject: OpenSubjectKey) -> BinaryIO:
        """A seekable reader of the plaintext (see ``seal.SealReader`` for what reading raises).

        Raises:
            Refused: the role that acts here does not open such objects.
            NotFound: the object is not in the store (when first read).
            CannotOpen: ``subject`` is another key, or the object belongs to another call or kind.
        """
        where = place(call_id, sealed.kind, sealed.object_key)
        ids = {"call_id": call_id, "subject_id": subject.subject_id, "object_key": sealed.object_key}
        with nullcontext() if self.access is None else self.access.opening(sealed.kind, ids):
            data_key = subject.unwrap(sealed.wrapped_key, where)
        reader = open_reader(lambda: self.store.open(sealed.object_key), data_key, where, sealed.size_bytes)
        return cast("BinaryIO", reader)

    def read(self, sealed: SealedObject, call_id: str, subject: OpenSubjectKey) -> bytes:
        """The whole plaintext of a small object (64 MiB at most, ValueError beyond), its hash checked.

        Raises:
            NotFound: the object is not in the store.
            CannotOpen: it does not open, or its hash is another.
            StoreUnavailable: the store failed.
        """
        if sealed.size_bytes > _SMALL_BYTES:
            raise ValueError("too large to hold in memory: open it instead")
        with self.open(sealed, call_id, subject) as reader:
            data = reader.read()
        if hashlib.sha256(data).hexdigest() != sealed.sha256:
            raise CannotOpen(f"object {sealed.object_key} has another hash than its row")
        return data

    def lock(self, artifact: Artifact) -> None:
        """Has the store keep the object until its retention ends, where it was set up to."""
        self.store.lock(artifact.sealed.object_key, artifact.retain_until)

    def destroy(self, sealed: SealedObject) -> None:
        """Removes the object with all its versions; no error if it is gone already."""
        self.store.delete(sealed.object_key)

    def unreferenced(self, known: Collection[str], before: datetime) -> tuple[str, ...]:
        """Objects that no row knows, written before ``before`` (UTC): far enough back for no writer to be at them."""
        return tuple(found.key for found in self.store.list() if found.key not in known and found.modified_at < before)

    def _verify(self, sealed: SealedObject, call_id: str, subject: OpenSubjectKey) -> None:
        try:
            with self.open(sealed, call_id, subject) as reader:
                same = _sha256(reader) == sealed.sha256
        except BaseException:
            self.store.delete(sealed.object_key)
            raise
        if not same:
            self.store.delete(sealed.object_key)
            raise VerificationFailed(f"object {sealed.object_key} did not read back as written")


def _sha256(reader: BinaryIO) -> str:
    digest = hashlib.sha256()
    while chunk := reader.read(_CHUNK_BYTES):
        digest.update(chunk)
    return digest.hexdigest()


def place(call_id: str, kind: ArtifactKind, object_key: str) -> bytes:
    """The associated data of an object and of its wrapped key: where it belongs."""
    return binding(FORMAT, call_id, kind.value, object_key)
