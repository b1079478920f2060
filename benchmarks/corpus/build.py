"""One labelled call, end to end: the recording in its codec, ``truth.json`` and ``metadata.json``."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.corpus import codecs, effects, sounds
from benchmarks.corpus import script as scripts
from benchmarks.corpus.assemble import assemble

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.corpus.script import Script

SUBSET: dict[str, dict[str, str]] = {
    "card_plain": {"layout": "stereo", "codec": "mp3_16"},
    "name_spelled": {"layout": "legs", "codec": "gsm"},
    "none_prices": {"layout": "mono", "codec": "opus8"},
    "consent_granted": {"layout": "stereo", "codec": "mp3_16"},
}  # small files of four kinds, for the tests
VERSION = 1  # of the generator: raise it when the same script and seed give another call


def corpus_dir(seed: int) -> Path:
    """Where the calls of one seed are kept."""
    return sounds.cache_dir() / f"calls-v{VERSION}-seed{seed}"


def digest(script: Script) -> str:
    """Of everything that decides a call, so that a changed script or generator is noticed."""
    return hashlib.sha256(f"{VERSION}:{script!r}".encode()).hexdigest()[:16]


def is_current(script: Script, folder: Path) -> bool:
    """Whether the folder holds this very call, complete."""
    path = folder / "truth.json"
    return path.exists() and json.loads(path.read_text(encoding="utf-8")).get("script_digest") == digest(script)


def build(script: Script, folder: Path) -> dict[str, Any]:
    """Write the call's files to ``folder``; returns its truth.

    Raises:
        MissingSound: a voice model or recording is not on this machine.
    """
    clean, laid = assemble(script)
    rate = codecs.rate_of(script.codec)
    tracks = {name: effects.to_rate(samples, rate, band=script.codec != "wide") for name, samples in clean.items()}
    seed = np.frombuffer(f"{script.seed}:{script.id}".encode(), dtype=np.uint8)
    pii = list(laid.pii)
    keys = [(int(p["start_s"] * rate), int(p["end_s"] * rate) + 1) for p in pii if p["entity_type"] == "DTMF"]
    line, floors = effects.apply_line(tracks, script.options, keys, np.random.default_rng(seed.tolist()))
    if script.layout != "mono":
        pii += effects.bleed_labels(laid.pii, tracks, floors, script.options["sidetone_db"], rate)
    folder.mkdir(parents=True, exist_ok=True)
    audio, channels = _write_audio(script, line, folder)
    mixed = script.layout == "mono"
    truth = {
        "call_id": f"bench-{script.id}",
        "seed": script.seed,
        "script_digest": digest(script),
        "audio": audio,
        "channels": channels,
        "duration_s": round(len(line["agent"]) / rate, 3),
        "codec": script.codec,
        "effects": {key: script.options[key] for key in ("noise", "snr_db", "sidetone_db")},
        "words": _on(sorted(laid.words, key=_start), mixed=mixed),
        "pii": _on(sorted(pii, key=_start), mixed=mixed),
        "consent": {"verdict": script.verdict, "evidence": _on(laid.evidence, mixed=mixed)},
    }
    metadata = {"call_id": f"bench-{script.id}", "channels": channels, **script.metadata}
    (folder / "metadata.json").write_text(json.dumps(metadata, indent=1) + "\n", encoding="utf-8")
    (folder / "truth.json").write_text(json.dumps(truth, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return truth


def _start(item: dict[str, Any]) -> float:
    return float(item["start_s"])


def _on(items: list[dict[str, Any]], *, mixed: bool) -> list[dict[str, Any]]:
    return [item | {"channel": "mixed"} for item in items] if mixed else items


def _write_audio(script: Script, line: dict[str, Any], folder: Path) -> tuple[dict[str, str], list[str]]:
    if script.layout == "mono":
        mix = np.clip(line["agent"] + line["customer"], -1, 1)[:, None]
        return {"mixed": codecs.write(folder / "audio", mix, script.codec)}, ["mixed"]
    if script.layout == "legs":
        return {n: codecs.write(folder / n, line[n][:, None], script.codec) for n in ("agent", "customer")}, [
            "agent",
            "customer",
        ]
    both = np.stack([line["agent"], line["customer"]], axis=1)
    return {"stereo": codecs.write(folder / "audio", both, script.codec)}, ["agent", "customer"]


def build_all(seed: int, *, only: set[str] | None = None, limit: int | None = None, again: bool = False) -> list[Path]:
    """Folders of the first ``limit`` calls of a seed; those that are missing or out of date are built."""
    templates = [item for item in scripts.load() if only is None or item.id in only][:limit]
    folders = []
    for template in templates:
        folder = corpus_dir(seed) / template.id
        script = scripts.fill(template, seed)
        if again or not is_current(script, folder):
            build(script, folder)
        folders.append(folder)
    return folders


def build_subset(folder: Path, seed: int = 1) -> list[Path]:
    """The four calls of SUBSET, written to ``folder``: what the tests carry (tests/data/corpus)."""
    built = []
    for template in scripts.load():
        if template.id in SUBSET:
            chosen = dataclasses.replace(template, options=template.options | SUBSET[template.id])
            build(scripts.fill(chosen, seed), folder / template.id)
            built.append(folder / template.id)
    return built
