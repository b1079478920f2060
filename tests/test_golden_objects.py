"""Whole objects that an earlier version sealed: they open for ever, and nothing put in their place ever does."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.archive import Archive
from pipeline.errors import CannotOpen
from pipeline.keys import SubjectKey, open_subject_key
from pipeline.keys.file import KeyFile
from pipeline.store.memory import MemoryStore
from pipeline.types import ArtifactKind, SealedObject

if TYPE_CHECKING:
    from pipeline.keys import OpenSubjectKey

GOLDEN = json.loads((Path(__file__).parent / "golden" / "objects.json").read_text(encoding="utf-8"))


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, OpenSubjectKey]:
    """The subjects' keys, opened with the golden key file."""
    path = tmp_path / "root.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(GOLDEN["key_file"]))
    root = KeyFile.load(path)
    rows = {
        name: SubjectKey(**{**row, "wrapped_key": base64.b64decode(row["wrapped_key"])})
        for name, row in GOLDEN["subjects"].items()
    }
    assert rows["caller"].subject_id == root.subject_id("+12025550143")
    return {name: open_subject_key(root, row) for name, row in rows.items()}


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=[case["name"] for case in GOLDEN["cases"]])
def test_objects_open_as_they_were_sealed_and_not_otherwise(
    case: dict[str, Any], keys: dict[str, OpenSubjectKey]
) -> None:
    """Swapped, truncated, flipped, replayed and re-labelled objects are refused, and so is a row that was changed."""
    row = GOLDEN["rows"][case["row"]] | case["changed"]
    key = keys[row["subject"]]
    sealed = SealedObject(
        kind=ArtifactKind(row["kind"]),
        object_key=row["object_key"],
        sha256=row["sha256"],
        size_bytes=row["size_bytes"],
        subject_key_id=key.key_id,
        wrapped_key=base64.b64decode(row["wrapped_key"]),
    )
    archive = Archive(MemoryStore())
    with archive.store.put(sealed.object_key) as raw:
        raw.write(base64.b64decode(case["object"]))
    if case["outcome"] == "opens":
        assert archive.read(sealed, row["call_id"], key).decode() == GOLDEN["plaintext"]
        return
    with pytest.raises(CannotOpen):
        archive.read(sealed, row["call_id"], key)
