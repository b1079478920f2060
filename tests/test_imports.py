"""Who may import whom, and what importing the package costs."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
JOINS_MODELS = {"pipeline.build", "pipeline.cli", "pipeline.cli.models", "pipeline.cli.subject_data"}
ABOVE_ROOMS = JOINS_MODELS | {"pipeline.run", "pipeline.publish", "pipeline.sweep"}
HEAVY = {
    *("torch", "torchaudio", "av", "soundfile", "ctranslate2", "faster_whisper", "pyannote", "numpy", "scipy"),
    *(
        "presidio_analyzer",
        "presidio_anonymizer",
        "spacy",
        "sqlalchemy",
        "alembic",
        "tink",
        "pydantic",
        "boto3",
        "botocore",
    ),
}


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {
    _name(path): ast.parse(path.read_text(encoding="utf-8"))
    for package in ("pipeline", "models")
    for path in (ROOT / package).rglob("*.py")
}


def _imports(tree: ast.Module) -> set[str]:
    """Every module of the project that is imported, wherever in the file, for types too."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            within = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (within & SOURCES.keys()) or {str(node.module)}
    return {name for name in found if name.split(".")[0] in ("pipeline", "models", "tests", "benchmarks", "scripts")}


@pytest.mark.parametrize(
    "module", [name for name in SOURCES if name.startswith("pipeline") and name not in JOINS_MODELS]
)
def test_rooms_do_not_know_models(module: str) -> None:
    """A room declares the protocol it needs; only the rooms that join the two import an implementation."""
    assert not {name for name in _imports(SOURCES[module]) if name.split(".")[0] == "models"}


@pytest.mark.parametrize("module", [name for name in SOURCES if name.startswith("models")])
def test_models_do_not_know_the_story(module: str) -> None:
    """An adapter implements a room's protocol and knows nothing of what uses it."""
    assert not _imports(SOURCES[module]) & ABOVE_ROOMS


@pytest.mark.parametrize("module", ["pipeline.types", "pipeline.errors"])
def test_values_and_errors_stand_at_the_bottom(module: str) -> None:
    """Values and errors import nothing of the project."""
    assert not _imports(SOURCES[module]) - {"pipeline.types", "pipeline.errors"}


@pytest.mark.parametrize("module", list(SOURCES))
def test_the_product_stands_alone(module: str) -> None:
    """Nothing that is installed needs the tests, the benchmarks or the scripts."""
    assert not {n for n in _imports(SOURCES[module]) if n.split(".")[0] not in ("pipeline", "models")}


def _calls(name: str) -> set[str]:
    """Modules of the product that call something by that name."""
    calls = (
        (module, node) for module, tree in SOURCES.items() for node in ast.walk(tree) if isinstance(node, ast.Call)
    )
    return {module for module, node in calls if isinstance(node.func, ast.Name) and node.func.id == name}


def test_no_archive_opens_without_a_role() -> None:
    """Archives are made where roles are given, but for the copies in memory that an erasure proves itself on."""
    assert _calls("Archive") <= {"pipeline.build", "pipeline.erasure.proof"}


def _loaded_by(statement: str) -> set[str]:
    """Top-level names of all modules that a fresh interpreter has after a statement."""
    program = (
        f"{statement}\nimport json, sys\nprint(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("module", ["pipeline", "pipeline.types", "pipeline.errors", "pipeline.cli", "models"])
def test_a_cold_import_is_light(module: str) -> None:
    """Importing the package or its command loads no model library, no codec, no database and no cipher."""
    assert not _loaded_by(f"import {module}") & HEAVY


@pytest.mark.parametrize("module", ["pipeline.run", "pipeline.build", "pipeline.export", "pipeline.erasure.erase"])
def test_the_story_is_imported_without_models(module: str) -> None:
    """Model libraries and codecs are loaded by the adapter or the room that needs them, when it does."""
    models = {"torch", "torchaudio", "ctranslate2", "faster_whisper", "pyannote", "presidio_analyzer", "spacy", "av"}
    assert not _loaded_by(f"import {module}") & models
