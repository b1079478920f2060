"""Manifest: what anybody can check of an exported call with the public key alone, offline.

Takes a folder that ``callseal export`` wrote, or a manifest alone; gives what was checked. Anything that is not as it
was signed is an error; a file that was not handed over is said to be missing, for a recording may be shown alone.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from pipeline import amendments, audio, summary
from pipeline.consent.clips import Clips
from pipeline.errors import BadAudio, NotFound, VerificationFailed
from pipeline.keys.signing import check_signed
from pipeline.types import Channel, ConsentSignal, Evidence, TimeSpan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pipeline.keys.signing import PublicKey

_FILES: Final = {"transcript": "transcript.json", "consent_record": "consent.json"}
_AMENDMENTS: Final = "amendments.json"
_PARTS: Final = {"call_id", "artifacts", "audio_suffix", "consent"}  # what else is signed is no manifest
_CHUNK_BYTES: Final = 1 << 20


def check_export(path: Path, *public_keys: PublicKey) -> dict[str, Any]:
    """The call, what became of each of its files, and how many clips of consent evidence were heard to be the same.

    Args:
        path: an exported folder, or its ``manifest.json``.
        public_keys: of the hosts that processed the call or made its corrections.

    Raises:
        NotFound: no manifest is there.
        VerificationFailed: a signature is none of those keys', or a file or a clip is not the one that was signed for.
    """
    file = path / "manifest.json" if path.is_dir() else path
    try:
        manifest = json.loads(file.read_bytes())
    except OSError:
        raise NotFound(f"there is no {file.name}") from None
    except (ValueError, RecursionError):
        raise VerificationFailed("the manifest is damaged or is none") from None
    if not isinstance(manifest, dict) or not manifest.keys() >= _PARTS:
        raise VerificationFailed("the manifest is damaged or is none")
    key = check_signed(manifest, *public_keys)
    clips = 0
    files = {}
    if path.is_dir():
        corrected = _amendments(path, manifest, public_keys)
        for each in manifest["artifacts"]:
            files[_name(each["kind"], manifest)] = _state(path, each, manifest, corrected)
        if corrected:
            files[_AMENDMENTS] = "as signed"
        recording = path / _name("redacted_audio", manifest)
        clips = _check_clips(recording, manifest) if recording.exists() else 0
    return {"valid": True, "call_id": manifest["call_id"], "key_id": key.key_id, "files": files, "clips": clips}


def _name(kind: str, manifest: Mapping[str, Any]) -> str:
    return f"redacted.{manifest['audio_suffix']}" if kind == "redacted_audio" else _FILES.get(kind, kind)


def _amendments(folder: Path, manifest: Mapping[str, Any], public_keys: Sequence[PublicKey]) -> list[dict[str, Any]]:
    path = folder / _AMENDMENTS
    return amendments.check(path.read_bytes(), manifest["call_id"], *public_keys) if path.exists() else []


def _state(
    folder: Path, artifact: Mapping[str, Any], manifest: Mapping[str, Any], corrected: Sequence[Mapping[str, Any]]
) -> str:
    path = folder / _name(artifact["kind"], manifest)
    if not path.exists():
        return "missing"
    digest = sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    if digest.hexdigest() == artifact["sha256"]:
        return "as signed"
    if artifact["kind"] == "transcript" and _is_marked(path.read_bytes(), artifact["sha256"], corrected):
        return "as signed, with signed amendments"
    raise VerificationFailed(f"{path.name} is not the file that the manifest was signed for")


def _is_marked(raw: bytes, sha256_hex: str, corrected: Sequence[Mapping[str, Any]]) -> bool:
    """Whether it is the transcript of that hash with just the marks that its amendments make."""
    try:
        plain = amendments.unmarked(json.loads(raw))
        original = summary.document(plain)
        same = raw == summary.document(amendments.marked(plain, sha256_hex, corrected))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False
    return same and sha256(original).hexdigest() == sha256_hex


def _check_clips(recording: Path, manifest: Mapping[str, Any]) -> int:
    """Cuts every clip from the recording again; returns how many there are."""
    shown = (*manifest["consent"]["evidence"], *manifest["consent"].get("observed", ()))
    signed = [each for each in shown if "clip_sha256" in each]
    evidence = [
        Evidence(
            ConsentSignal(each["signal"]),
            each["rule"],
            Channel(each["channel"]),
            TimeSpan(each["start_s"], each["end_s"]),
        )
        for each in signed
    ]
    channels = [Channel(name) for name in manifest["source"]["channels"]]
    source = audio.Recording((lambda: recording.open("rb"),))
    try:
        fmt = audio.probe(source)
        clips = Clips(evidence, channels, fmt.rate_hz)
        for _ in clips.listen(audio.decode_native(source, fmt, float("inf"))):
            pass
    except BadAudio as exc:
        raise VerificationFailed(f"{recording.name} cannot be decoded") from exc
    wrong = sum(clips.sha256(index) != each["clip_sha256"] for index, each in enumerate(signed))
    if wrong:
        raise VerificationFailed(f"{wrong} of {len(signed)} clips are not those that the manifest was signed for")
    return len(signed)
