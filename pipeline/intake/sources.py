"""Where the calls of an archive are: a folder of recordings, a prefix of a bucket, or a manifest that names them.

A recording may have a sidecar of the same name and the suffix ``.json`` with its metadata. Two mono files whose names
differ only in a last part that says whose leg it is (``call7_agent.wav``, ``call7_customer.wav``) are one call. Each
row of a manifest names a recording by ``audio``, or by ``agent`` and ``customer``, relative to the manifest, and may
state any metadata beside it. Names of files are never shown: they may be those of people.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from pipeline.errors import UsageError
from pipeline.intake import bucket, manifests
from pipeline.intake.ingest import Delivery
from pipeline.metadata import CallMetadata, parse_metadata, read_metadata
from pipeline.types import Channel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import PurePath

    from pipeline.intake.bucket import BucketFile
    from pipeline.intake.fetch_object import BucketRule

SUFFIXES: Final = frozenset({".wav", ".mp3", ".ogg", ".opus", ".oga", ".flac", ".m4a", ".mp4", ".gsm", ".au", ".webm"})
_LEG: Final = re.compile(r"(?P<call>.+)[_.-](?P<leg>agent|customer|caller)", re.IGNORECASE)
_FILES: Final = frozenset({"audio", "agent", "customer"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One call of an archive; ``number`` is its place in it, by which a report names it."""

    number: int
    files: tuple[Path | BucketFile, ...] = field(repr=False)
    legs: tuple[Channel, ...]
    sidecar: Path | BucketFile | None = field(repr=False)
    stated: dict[str, Any] = field(repr=False, default_factory=dict)

    def delivery(self) -> Delivery:
        """The call as it arrives.

        Raises:
            BadMetadata: what is stated of it makes no sense.
            StoreUnavailable: the bucket cannot be used.
        """
        return Delivery(self.files, self.legs, self._metadata())

    def _metadata(self) -> CallMetadata:
        if isinstance(self.sidecar, Path):
            return read_metadata(self.sidecar)
        if self.sidecar:
            return parse_metadata(self.sidecar.read_bytes())
        return parse_metadata(json.dumps(self.stated).encode()) if self.stated else CallMetadata()

    @property
    def size_bytes(self) -> int:
        """Of its files, as far as they are there."""
        sizes = (each.stat().st_size if each.is_file() else 0 for each in self.files if isinstance(each, Path))
        return sum(sizes) + sum(each.size_bytes for each in self.files if not isinstance(each, Path))


def entries(source: str, rule: BucketRule) -> list[Entry]:
    """The calls of an archive, in the order of their names or rows.

    Args:
        source: a folder, with all its folders; a manifest; ``s3://bucket/prefix``; or a manifest in a bucket.
        rule: how buckets are reached.

    Raises:
        UsageError: there is no such folder or manifest, or it names no recording.
        StoreUnavailable: the bucket cannot be reached or used.
    """
    found = _of_bucket(source, rule) if source.startswith(bucket.SCHEME) else _of_disk(Path(source))
    if not found:
        raise UsageError("there is no recording in the source")
    return found


def _of_disk(source: Path) -> list[Entry]:
    suffix = source.suffix.lower()
    if source.is_dir():
        names = (each for each in source.rglob("*") if each.suffix.lower() in SUFFIXES and each.is_file())
        return list(_of_names(names, Path, lambda name: Path(name) if Path(name).is_file() else None))
    if suffix not in manifests.SUFFIXES:
        raise UsageError("a source is a folder, s3://bucket/prefix, or a manifest in .csv, .jsonl or .parquet")
    if suffix == ".parquet":
        rows = manifests.rows_of_parquet(source)
    else:
        try:
            rows = manifests.rows_of_text(source.read_bytes(), suffix)
        except OSError as exc:
            raise UsageError(f"the manifest cannot be read: {exc.strerror}") from exc
    return list(_of_rows(rows, lambda name: source.parent / name))


def _of_bucket(source: str, rule: BucketRule) -> list[Entry]:
    manifest = PurePosixPath(source).suffix.lower() in manifests.SUFFIXES
    below = source.rpartition("/")[0] + "/" if manifest else source
    held = {each.name: each for each in bucket.objects(below, rule)}
    if not manifest:
        names = (name for name in held if name.suffix.lower() in SUFFIXES)
        return list(
            _of_names(names, lambda name: held[PurePosixPath(name)], lambda name: held.get(PurePosixPath(name)))
        )
    listed = next((each for name, each in held.items() if source.endswith(f"/{name}")), None)
    if listed is None or listed.name.suffix.lower() == ".parquet":
        raise UsageError("there is no manifest in .csv or .jsonl under that name in the bucket")

    def named(name: str) -> BucketFile:
        file = held.get(listed.name.parent / name)
        if file is None:
            raise UsageError("the manifest names a recording that is not in the bucket")
        return file

    return list(_of_rows(manifests.rows_of_text(listed.read_bytes(), listed.name.suffix.lower()), named))


def _of_names(
    names: Iterable[PurePath],
    file_of: Callable[[PurePath], Path | BucketFile],
    sidecar_of: Callable[[PurePath], Path | BucketFile | None],
) -> Iterator[Entry]:
    for number, (found, legs) in enumerate(_calls(sorted(names)), 1):
        stem = found[0].with_suffix("") if not legs else found[0].with_name(_leg_of(found[0])[0])
        yield Entry(number, tuple(map(file_of, found)), legs, sidecar_of(stem.with_name(stem.name + ".json")))


def _of_rows(rows: Iterable[Mapping[str, Any]], file_of: Callable[[str], Path | BucketFile]) -> Iterator[Entry]:
    for number, row in enumerate(rows, 1):
        stated = {key: value for key, value in row.items() if key not in _FILES}
        legs = () if "audio" in row else (Channel.AGENT, Channel.CUSTOMER)
        names = [row.get(name) for name in (legs or ("audio",))]
        if not all(names):
            raise UsageError(f"row {number} of the manifest names no recording")
        yield Entry(number, tuple(file_of(str(name)) for name in names), legs, None, stated)


def _calls(recordings: Iterable[PurePath]) -> Iterator[tuple[tuple[PurePath, ...], tuple[Channel, ...]]]:
    """Recordings one by one, and the two legs of a call together."""
    waiting: dict[tuple[PurePath, str, str], dict[Channel, PurePath]] = {}
    for path in recordings:
        call, channel = _leg_of(path)
        if channel is not None:
            waiting.setdefault((path.parent, call, path.suffix.lower()), {})[channel] = path
        else:
            yield (path,), ()
    for legs in waiting.values():
        if len(legs) == 2:
            channels = tuple(sorted(legs))
            yield tuple(legs[channel] for channel in channels), channels
        else:
            yield from (((path,), ()) for path in legs.values())


def _leg_of(path: PurePath) -> tuple[str, Channel | None]:
    match = _LEG.fullmatch(path.stem)
    if match is None:
        return path.stem, None
    return match["call"], Channel.AGENT if match["leg"].lower() == "agent" else Channel.CUSTOMER
