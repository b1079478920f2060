"""The bundle: everything held of one person, in a folder that they can be given (GDPR Art. 15(3), 20; CCPA 1798.130).

::

    index.html               a page to read, without scripts, that opens from the folder
    data.json                all of it for a machine: calls, consent, dates and reasons, requests, a hash of each file
    calls/ID/audio.<ext>     the redacted recording, everybody else silenced
    calls/ID/transcript.json the person's own turns, with their corrections
    calls/ID/consent.json    the consent decision and its evidence

Promises: it holds nobody else's words (``pipeline.rights.own``); what is left out is listed with its reason;
``index.html`` comes last, so a folder with it is complete. Files are in the clear, readable by their owner only.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from pipeline import audio, encode
from pipeline.amendments import marked, read_amendments
from pipeline.audio import Recording
from pipeline.errors import StoreUnavailable, UsageError
from pipeline.intake.outbox import publishing
from pipeline.keys import open_subject_key
from pipeline.redact import apply_to_audio
from pipeline.rights import own
from pipeline.rights.access import access
from pipeline.rights.page import page
from pipeline.types import ArtifactKind, Channel, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from pathlib import Path

    from pipeline.custody import Custody
    from pipeline.db import CallRecord
    from pipeline.keys import OpenSubjectKey
    from pipeline.pii.policy import AudioRule
    from pipeline.rights.policy import RightsPolicy
    from pipeline.rights.register import Request
    from pipeline.types import Artifact

FORMAT: Final = "callseal-subject-export/1"


@dataclass(frozen=True, slots=True)
class Means:
    """How a bundle is made.

    Args:
        policy: what a person is told.
        audio: what the silence is made with.
        max_duration_s: of a recording.
        speakers: by call id, which speaker of a mixed recording the person is, where somebody has listened.
    """

    policy: RightsPolicy
    audio: AudioRule
    max_duration_s: float
    speakers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bundle:
    """What was written, and what was left out: call id and reason."""

    files: tuple[Path, ...]
    withheld: tuple[tuple[str, str], ...]


class _Hashing:
    """Counts and hashes what is written to a file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._hash, self._size_bytes = file, hashlib.sha256(), 0

    def write(self, data: bytes) -> None:
        """Writes all of it."""
        self._file.write(data)
        self._hash.update(data)
        self._size_bytes += len(data)

    @property
    def entry(self) -> dict[str, Any]:
        """Hash (hex) and size so far."""
        return {"sha256": self._hash.hexdigest(), "size_bytes": self._size_bytes}


@dataclass(slots=True)
class _Folder:
    """The folder while it is filled."""

    path: Path
    entries: list[dict[str, Any]] = field(default_factory=list)

    def put(self, name: str, write: Callable[[Callable[[bytes], None]], None]) -> None:
        """Makes one file of what ``write`` writes."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with publishing(path) as raw:
            file = _Hashing(raw)
            write(file.write)
        self.entries.append({"path": name, **file.entry})

    def put_json(self, name: str, value: Any) -> None:
        """Makes one JSON file."""
        raw = json.dumps(value, ensure_ascii=False, indent=1).encode()
        self.put(name, lambda write: write(raw))


def export_person(
    held: Custody,
    request: Request,
    folder: Path,
    means: Means,
    now: datetime,
    observe: Callable[[str], None] = lambda _call_id: None,
) -> Bundle:
    """Writes the bundle of the person who made the request.

    Args:
        held: the installation.
        request: verified.
        folder: does not exist, or is empty: two persons' data are never mixed.
        means: how it is made.
        now: the time of the answer.
        observe: told the id of each call as it begins.

    Raises:
        UsageError: the folder is not empty, or a speaker is named that the call does not have.
        CannotOpen: an artifact does not open.
        StoreUnavailable: the store failed, or the folder cannot be written.
    """
    out = _Folder(folder)
    try:
        if folder.exists() and any(folder.iterdir()):
            raise UsageError("the folder is not empty: a bundle holds one person's data")
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        calls: list[dict[str, Any]] = []
        withheld: list[tuple[str, str]] = []
        for call in held.records.calls_of_subject(request.subject_id):
            observe(call.call_id)
            parts, left_out = _call(held, call, out, means)
            calls.append({"call_id": call.call_id, "files": parts, "withheld": left_out})
            withheld += [(call.call_id, why) for why in left_out]
        told = access(held.records, request.subject_id, means.policy, now)
        data = {"format": FORMAT, "request_id": request.request_id, **told, "bundle": calls, "files": out.entries}
        readable = page(data, {each["path"]: _turns(folder / each["path"]) for each in out.entries})
        out.put_json("data.json", data)
        out.put("index.html", lambda write: write(readable.encode()))
    except OSError as exc:
        raise StoreUnavailable(f"the folder cannot be written: {exc.strerror}") from exc
    for each in calls:
        detail = {"request_id": request.request_id, "files": len(each["files"])}
        held.records.note(each["call_id"], "handed_over", detail, now)
    return Bundle(tuple(folder / each["path"] for each in out.entries), tuple(withheld))


def _call(held: Custody, call: CallRecord, out: _Folder, means: Means) -> tuple[list[str], list[str]]:
    """Writes what may leave of one call; gives the names of its files, and what was left out and why."""
    artifacts = held.records.artifacts(call.call_id)
    sealed = {each.sealed.kind: each.sealed for each in artifacts if each.sealed.wrapped_key}
    key = held.records.subject_key(call.subject_id)
    if key is None or not sealed:
        return [], ["nothing of it is kept but its record"]
    subject = open_subject_key(held.root, key)
    before, left_out = len(out.entries), []
    if ArtifactKind.CONSENT_RECORD in sealed:
        consent = held.archive.read(sealed[ArtifactKind.CONSENT_RECORD], call.call_id, subject)
        out.put(f"calls/{call.call_id}/consent.json", lambda write: write(consent))
    if ArtifactKind.PII_MAP in sealed:
        left_out.append("the values that were replaced are kept apart, and may name others: callseal export --reveal")
    if call.status is not Status.STORED:
        left_out.append("the call waits for a decision or was discarded: there is no redacted recording")
    elif ArtifactKind.TRANSCRIPT not in sealed or ArtifactKind.REDACTED_AUDIO not in sealed:
        left_out.append("the recording or its transcript is kept no longer")
    else:
        left_out += _spoken(held, call, artifacts, subject, out, means)
    return [each["path"] for each in out.entries[before:]], left_out


def _spoken(
    held: Custody,
    call: CallRecord,
    artifacts: tuple[Artifact, ...],
    subject: OpenSubjectKey,
    out: _Folder,
    means: Means,
) -> list[str]:
    """Writes the person's turns and their side of the recording; gives what was left out."""
    sealed = {each.sealed.kind: each.sealed for each in artifacts}
    transcript = json.loads(held.archive.read(sealed[ArtifactKind.TRANSCRIPT], call.call_id, subject))
    recording = Recording((lambda: held.archive.open(sealed[ArtifactKind.REDACTED_AUDIO], call.call_id, subject),))
    channels = tuple(Channel(each) for each in call.summary["channels"])
    speaker = Channel.CUSTOMER.value
    if speaker not in call.summary["channels"]:
        speaker = means.speakers.get(call.call_id, "")
        if not speaker:
            return ["both sides are on one channel: somebody has to listen and name the person's speaker (--speaker)"]
        if speaker not in {turn["speaker"] for turn in transcript["turns"]}:
            raise UsageError(f"call {call.call_id} has no such speaker")
    amendments = read_amendments(held.archive, call.call_id, artifacts, subject)
    turns = own.turns_of(marked(transcript, sealed[ArtifactKind.TRANSCRIPT].sha256, amendments), speaker)
    fields = [each for each in amendments if "field" in each]
    document = {"call_id": call.call_id, "language": transcript["language"], "turns": turns, "corrections": fields}
    fmt = audio.probe(recording)
    silenced = own.others(transcript, channels, speaker, call.duration_s or means.max_duration_s)

    def blocks() -> Any:
        native = audio.decode_native(recording, fmt, means.max_duration_s)
        return apply_to_audio(native, silenced, channels, fmt, means.audio)

    name = f"calls/{call.call_id}/audio.{encode.suffix(fmt)}"
    out.put(name, lambda write: encode.encode(blocks, fmt, write))
    out.put_json(f"calls/{call.call_id}/transcript.json", document)
    return []


def _turns(path: Path) -> list[dict[str, Any]]:
    """The turns of a transcript that was just written; none for any other file."""
    if path.name != "transcript.json":
        return []
    turns: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["turns"]
    return turns
