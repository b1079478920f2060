"""Export: redacted recording, transcript, consent record and manifest of a stored call, in the clear, to a folder."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pipeline import amendments, summary
from pipeline.connect import reading
from pipeline.errors import CannotOpen, NotFound, Refused, StoreUnavailable
from pipeline.intake.outbox import publishing
from pipeline.keys import open_subject_key
from pipeline.retention.holds import refuse_restricted
from pipeline.types import ArtifactKind, Purpose, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime
    from pathlib import Path

    from pipeline.archive import Archive
    from pipeline.db import CallRecord, Records
    from pipeline.keys import OpenSubjectKey, RootKey
    from pipeline.types import SealedObject

_CHUNK_BYTES = 1 << 20


def export_call(
    call_id: str, folder: Path, archive: Archive, records: Records, root: RootKey, now: datetime
) -> tuple[Path, ...]:
    """Write ``redacted.<ext>``, ``transcript.json``, ``transcript.vtt``, ``consent.json``, ``manifest.json``.

    Each file appears whole or not at all, readable by its owner only. Where the caller had something corrected,
    ``amendments.json`` says what, each signed, and the turns of the transcript are marked.

    Raises:
        NotFound: no such call.
        Refused: the call was not kept, so there is nothing that may leave, or its caller restricts its use or withdrew
            consent to it.
        CannotOpen: an artifact does not open.
        StoreUnavailable: the store failed, or the folder cannot be written.
    """
    call = _stored(call_id, records)
    artifacts = records.artifacts(call_id)
    sealed = {each.sealed.kind: each.sealed for each in artifacts}
    subject = _key(call, records, root)
    documents = {
        name: archive.read(_need(sealed, kind, call_id), call_id, subject)
        for name, kind in (
            ("transcript.json", ArtifactKind.TRANSCRIPT),
            ("consent.json", ArtifactKind.CONSENT_RECORD),
            ("manifest.json", ArtifactKind.MANIFEST),
        )
    }
    suffix = json.loads(documents["manifest.json"])["audio_suffix"]
    corrected = amendments.read_amendments(archive, call_id, artifacts, subject)
    if corrected:
        documents["amendments.json"] = amendments.document(call_id, corrected)
        of = sealed[ArtifactKind.TRANSCRIPT].sha256
        documents["transcript.json"] = summary.document(
            amendments.marked(json.loads(documents["transcript.json"]), of, corrected)
        )
    documents["transcript.vtt"] = summary.vtt(json.loads(documents["transcript.json"])).encode()
    audio = archive.open(_need(sealed, ArtifactKind.REDACTED_AUDIO, call_id), call_id, subject)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with audio:
            written = [_publish(folder / f"redacted.{suffix}", iter(lambda: audio.read(_CHUNK_BYTES), b""))]
        written += [_publish(folder / name, [content]) for name, content in documents.items()]
    except OSError as exc:
        raise StoreUnavailable(f"the folder cannot be written: {exc.strerror}") from exc
    records.note(call_id, "exported", {"files": len(written)}, now)
    return tuple(written)


def reveal_originals(
    call_id: str, folder: Path, archive: Archive, records: Records, root: RootKey, now: datetime
) -> Path:
    """Write ``originals.json``: what the placeholders of a stored call stand for, where the policy let it be kept.

    The call's history says so before the file appears.

    Raises:
        NotFound: no such call, or no such map is kept.
        Refused: the call was not kept, or its caller restricts its use.
        CannotOpen: it does not open.
        StoreUnavailable: the store failed, or the folder cannot be written.
    """
    call = _stored(call_id, records)
    sealed = {each.sealed.kind: each.sealed for each in records.artifacts(call_id)}
    raw = archive.read(_need(sealed, ArtifactKind.PII_MAP, call_id), call_id, _key(call, records, root))
    records.note(call_id, "revealed", {"originals": len(json.loads(raw)["originals"])}, now)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _publish(folder / "originals.json", [raw])
    except OSError as exc:
        raise StoreUnavailable(f"the folder cannot be written: {exc.strerror}") from exc


def _stored(call_id: str, records: Records) -> CallRecord:
    call = records.call(call_id)
    if call is None or call.status is None:
        raise NotFound(f"there is no call {call_id}")
    if call.status is not Status.STORED:
        raise Refused(f"call {call_id} is {call.status.value}: nothing of it may leave")
    if "withdrawn_at" in call.summary.get("consent", {}):
        raise Refused(f"call {call_id}: its caller withdrew consent, nothing of it may leave")
    with reading(records.engine) as connection:
        refuse_restricted(connection, call.subject_id)
    return call


def require_purpose(call_id: str, purpose: Purpose, records: Records) -> None:
    """Nothing, for a call that may be used for a purpose.

    Raises:
        NotFound: no such call.
        Refused: its caller has not consented to the purpose, or withdrew from it.
    """
    call = records.call(call_id)
    if call is None or call.status is None:
        raise NotFound(f"there is no call {call_id}")
    decision = call.summary.get("consent", {}).get("purposes", {}).get(purpose.value)
    if decision is None or not decision["lawful"]:
        why = decision["reason"] if decision else "nothing was decided about it"
        raise Refused(f"call {call_id} may not be used for {purpose.value}: {why}")


def with_words(description: Mapping[str, Any], archive: Archive, records: Records, root: RootKey) -> dict[str, Any]:
    """The description of a call with the words of its consent evidence, where the sealed record still has them.

    A record that does not open any more is said to (``consent_record``), and the rest is described all the same.

    Raises:
        StoreUnavailable: the store failed.
    """
    call_id, consent = description["call_id"], description.get("consent")
    call = records.call(call_id)
    sealed = [e.sealed for e in records.artifacts(call_id) if e.sealed.kind is ArtifactKind.CONSENT_RECORD]
    if call is None or not consent or not sealed or records.subject_key(call.subject_id) is None:
        return dict(description)
    try:
        document = json.loads(archive.read(sealed[-1], call_id, _key(call, records, root)))
    except (CannotOpen, NotFound):
        return {**description, "consent_record": "does not open"}
    told = [each for each in (*document["evidence"], *document.get("observed", ())) if each.get("said")]
    keys = ("signal", "channel", "start_s", "said")
    return {**description, "consent_words": [{key: each[key] for key in keys} for each in told]}


def _key(call: CallRecord, records: Records, root: RootKey) -> OpenSubjectKey:
    key = records.subject_key(call.subject_id)
    if key is None:
        raise NotFound(f"the key of call {call.call_id} was destroyed")
    return open_subject_key(root, key)


def _need(sealed: dict[ArtifactKind, SealedObject], kind: ArtifactKind, call_id: str) -> SealedObject:
    if kind not in sealed:
        raise NotFound(f"no {kind.value} of call {call_id} is kept")
    return sealed[kind]


def _publish(path: Path, chunks: Iterable[bytes]) -> Path:
    with publishing(path) as file:
        for chunk in chunks:
            file.write(chunk)
    return path


def describe_call(call_id: str, records: Records) -> dict[str, Any]:
    """Everything that is known of a call, without content: record, artifacts, history.

    Raises:
        NotFound: no such call.
    """
    call = records.call(call_id)
    if call is None:
        raise NotFound(f"there is no call {call_id}")
    return {
        "call_id": call.call_id,
        "status": call.status.value if call.status else "in_progress",
        "received_at": summary.stamp(call.received_at),
        "started_at": summary.stamp(call.started_at) if call.started_at else None,
        "source_sha256": call.source_sha256,
        **{key: value for key, value in call.summary.items() if key not in ("call_id", "status", "artifacts")},
        "artifacts": summary.artifacts(records.artifacts(call_id)),
        "history": [{"at": summary.stamp(e.at), "what": e.what, **e.detail} for e in records.events(call_id)],
    }
