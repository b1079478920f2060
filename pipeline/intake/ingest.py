"""Intake: a recording, in a file or a bucket, is hashed, then sealed; from there on only the sealed object is read.

One that changes while it is taken in, is empty or too large is refused, and nothing of it stays.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.audio import OpenSource, Recording
from pipeline.errors import BadAudio, Temporary, UsageError
from pipeline.types import ArtifactKind, Channel, SealedObject

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from pipeline.archive import Archive
    from pipeline.intake.bucket import BucketFile
    from pipeline.keys import OpenSubjectKey
    from pipeline.metadata import CallMetadata

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Delivery:
    """A finished call as it arrives.

    Args:
        files: one recording, or one mono recording per leg; their names may be those of people.
        legs: who is heard on each file, where there is one per leg; else empty.
        metadata: what the platform says about the call.
    """

    files: tuple[Path | BucketFile, ...] = field(repr=False)
    legs: tuple[Channel, ...]
    metadata: CallMetadata


@dataclass(frozen=True, slots=True)
class Source:
    """Fingerprint of a delivery: ``sha256`` over everything, ``parts`` for each file, and their sizes in bytes."""

    sha256: str
    parts: tuple[str, ...]
    sizes_bytes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Intake:
    """The sealed originals of a call."""

    objects: tuple[SealedObject, ...]
    recording: Recording = field(repr=False)


def inspect(delivery: Delivery, max_bytes: int) -> Source:
    """Hash the files of a delivery.

    Raises:
        UsageError: a file cannot be read.
        BadAudio: a file is empty or larger than ``max_bytes``.
    """
    parts, sizes = [], []
    for path in delivery.files:
        digest, size = hashlib.sha256(), 0
        try:
            with path.open("rb") as raw:
                while chunk := raw.read(_CHUNK_BYTES):
                    digest.update(chunk)
                    size += len(chunk)
                    if size > max_bytes:
                        raise BadAudio(f"the file is larger than the limit of {max_bytes} bytes")
        except OSError as exc:
            raise UsageError(f"the recording cannot be read: {exc.strerror}") from exc
        if size == 0:
            raise BadAudio("the file is empty")
        parts.append(digest.hexdigest())
        sizes.append(size)
    whole = parts[0] if len(parts) == 1 else hashlib.sha256("".join(parts).encode()).hexdigest()
    return Source(whole, tuple(parts), tuple(sizes))


def seal_intake(delivery: Delivery, source: Source, call_id: str, archive: Archive, subject: OpenSubjectKey) -> Intake:
    """Seal the files of a delivery, each as an object of its own; on failure none of them stays.

    Raises:
        StoreUnavailable: the store is full or cannot be reached.
        Temporary: a file changed since it was hashed.
    """
    objects: list[SealedObject] = []
    try:
        for path, sha256 in zip(delivery.files, source.parts, strict=True):
            objects.append(seal_stream(reread(path, sha256), call_id, archive, subject, max_bytes=None))
    except BaseException:
        for sealed in objects:
            archive.destroy(sealed)
        raise
    return Intake(tuple(objects), reopen(objects, call_id, archive, subject))


def seal_stream(
    chunks: Iterable[bytes], call_id: str, archive: Archive, subject: OpenSubjectKey, max_bytes: int | None
) -> SealedObject:
    """Seal an original as it is read; on failure nothing of it stays.

    Raises:
        BadAudio: it is empty or larger than ``max_bytes``.
        StoreUnavailable: the store is full or cannot be reached.
    """
    size = 0
    with archive.write(call_id, ArtifactKind.INTAKE, subject, verify=False) as writer:
        for chunk in chunks:
            size += writer.write(chunk)
            if max_bytes is not None and size > max_bytes:
                raise BadAudio(f"the recording is larger than the limit of {max_bytes} bytes")
        if size == 0:
            raise BadAudio("the recording is empty")
    return writer.sealed


def reread(path: Path | BucketFile, sha256: str) -> Iterator[bytes]:
    """A file that was hashed, in chunks. Raises Temporary at its end if it changed since."""
    digest = hashlib.sha256()
    with path.open("rb") as raw:
        while chunk := raw.read(_CHUNK_BYTES):
            digest.update(chunk)
            yield chunk
    if digest.hexdigest() != sha256:
        raise Temporary("the recording changed while it was read")


def reopen(objects: Sequence[SealedObject], call_id: str, archive: Archive, subject: OpenSubjectKey) -> Recording:
    """The recording that sealed originals hold."""

    def source(sealed: SealedObject) -> OpenSource:
        return lambda: archive.open(sealed, call_id, subject)

    return Recording(tuple(source(sealed) for sealed in objects))
