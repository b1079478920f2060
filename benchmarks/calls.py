"""Labelled calls as the runs use them, and callseal run on one of them through its command line.

Sets: ``dev`` (the generated corpus of a seed), ``fresh``, ``held-out``, ``held-out-2``, ``held-out-3`` and ``wild``
(calls written later, in other words, from scripts of their own; nobody tunes on the held-out ones), ``real`` (labels in
``benchmarks/corpus/real``, recordings outside the repository), ``test`` (the few short calls under
``tests/data/corpus``).
"""

from __future__ import annotations

import contextlib
import io
import json
import random
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.corpus import build, script, sounds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).parents[1]
REAL = Path(__file__).parent / "corpus" / "real"
TEST = ROOT / "tests" / "data" / "corpus"
SETS = (*script.FILES, "real", "test")


@dataclass(frozen=True, slots=True)
class LabelledCall:
    """A recording with its label and the metadata it is processed with; ``folder`` is where ``truth["audio"]`` lies."""

    call_id: str
    folder: Path
    truth: Mapping[str, Any]
    metadata: Mapping[str, Any]

    @property
    def language(self) -> str:
        """ISO 639-1, English unless the metadata says otherwise."""
        return str(self.metadata.get("language", "en"))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came out of a chain for one call; ``transcript`` is None if the call was not kept."""

    exit_code: int
    summary: Mapping[str, Any]
    transcript: Mapping[str, Any] | None
    seconds: float
    heard: Mapping[str, Any] | None = None


def calls_of(
    name: str, *, seed: int = 1, limit: int | None = None, only: Sequence[str] | None = None, make: bool = True
) -> list[LabelledCall]:
    """The calls of a set in a fixed order; the generated ones of mixed kinds first.

    Args:
        name: one of SETS.
        seed: of the generated set.
        limit: how many.
        only: ids of scripts, with or without ``bench-``, or call ids of a committed set.
        make: generate missing calls; without it only those that exist are given.

    Raises:
        MissingSound: a call must be generated and the voice model is not there.
    """
    chosen = None if only is None else {item.removeprefix("bench-").removeprefix("real-") for item in only}
    if name == "real":
        labels = sorted(path for path in REAL.glob("*.truth.json") if _wanted(path.name[:-11], chosen))[:limit]
        return [
            _call(label, sounds.recordings_dir(), label.with_name(label.name.replace("truth", "metadata")))
            for label in labels
        ]
    if name == "test":
        folders = sorted(path.parent for path in TEST.glob("*/truth.json") if _wanted(path.parent.name, chosen))[:limit]
    else:
        ids = [template.id for template in script.of_set(name)]
        random.Random(0).shuffle(ids)  # noqa: S311 - the order in which the corpus is generated
        ids = [item for item in ids if _wanted(item, chosen)]
        folders = [build.corpus_dir(seed) / item for item in ids]
        if make:
            build.build_all(seed, only=set(ids[:limit]))
        folders = [
            folder for folder in folders if (folder / "metadata.json").exists() and (folder / "truth.json").exists()
        ][:limit]
    return [_call(folder / "truth.json", folder, folder / "metadata.json") for folder in folders]


def _wanted(name: str, chosen: set[str] | None) -> bool:
    return chosen is None or name in chosen


def _call(label: Path, folder: Path, metadata: Path) -> LabelledCall:
    truth = json.loads(label.read_text(encoding="utf-8"))
    known = json.loads(metadata.read_text(encoding="utf-8"))
    return LabelledCall(known["call_id"], folder, truth, known)


def arguments(call: LabelledCall, metadata: Path) -> list[str]:
    """Arguments of ``callseal process`` for a call, without ``--data-dir``."""
    audio = call.truth["audio"]
    if len(audio) > 1:
        files = [part for name, file in audio.items() for part in ("--leg", f"{name}={call.folder / file}")]
    else:
        files = [str(call.folder / next(iter(audio.values())))]
    return [*files, "--metadata", str(metadata)]


def invoke(args: Sequence[str]) -> tuple[int, str]:
    """Run ``callseal`` in this process, so that models are loaded once; gives its exit code and standard output.

    An exception that the command line does not turn into an exit code counts as exit 1.
    """
    from pipeline.cli import main

    before, out = sys.argv, io.StringIO()
    sys.argv = ["callseal", *args]
    try:
        with contextlib.redirect_stdout(out):
            main()
        code = 0
    except SystemExit as exc:
        code = exc.code if isinstance(exc.code, int) else int(exc.code is not None)
    except Exception:  # noqa: BLE001 - one call that breaks must not end a run over a hundred
        traceback.print_exc(limit=-4)
        code = 1
    finally:
        sys.argv = before
    return code, out.getvalue()


def process(call: LabelledCall, keep_audio: Path | None = None) -> Outcome:
    """``callseal process`` and ``export`` of one call in a data folder of its own that is removed afterwards.

    Args:
        call: the labelled call.
        keep_audio: folder for the exported redacted recording, or None.
    """
    with tempfile.TemporaryDirectory(prefix="callseal-bench-") as folder:
        data, metadata, out = Path(folder) / "data", Path(folder) / "metadata.json", Path(folder) / "out"
        metadata.write_text(json.dumps(call.metadata), encoding="utf-8")
        began = time.monotonic()
        code, text = invoke(["process", *arguments(call, metadata), "--data-dir", str(data), "--json"])
        seconds = time.monotonic() - began
        summary = json.loads(text) if text.strip() else {}
        transcript = None
        if code == 0 and summary.get("status") == "stored":
            code, _ = invoke(["export", call.call_id, "--to", str(out), "--data-dir", str(data), "--json"])
            if (out / "transcript.json").exists():
                transcript = json.loads((out / "transcript.json").read_text(encoding="utf-8"))
            if keep_audio is not None:
                for path in out.glob("redacted.*"):
                    (keep_audio / path.name).write_bytes(path.read_bytes())
        return Outcome(code, summary, transcript, seconds)
