"""One leg: takes a stored call with two channels and a party, seals it again without what that party said.

The party's channel becomes silence, their turns leave the transcript, their words the record of consent; times, the
other channel and the decision stay. What is made is sealed under the key of the other party or, where nobody knows
their number, of a subject of its own. The call then belongs to that party: the one whose leg went is not found by it
any more, and what was sealed before is destroyed by the erasure that asked for this (``pipeline.erasure.erase``).

Order of writes: new objects, checked -> one transaction puts them in the place of the old rows. Dying in between leaves
objects without a row. Done already, it changes nothing. A faint echo of one channel on the other is not removed.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pipeline import audio, encode, summary
from pipeline.errors import NotFound
from pipeline.keys import anonymous_subject_id, open_subject_key
from pipeline.keys.signing import signed
from pipeline.store import Label
from pipeline.types import Action, Artifact, ArtifactKind, Channel, Redaction, TimeSpan
from pipeline.unclaimed import undo
from pipeline.verify import correlation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from pipeline.audio import AudioFormat, Samples
    from pipeline.custody import Custody
    from pipeline.db import CallRecord
    from pipeline.keys import OpenSubjectKey
    from pipeline.types import SealedObject

_SLACK_S: Final = 1.0


def silence_leg(held: Custody, call_id: str, subject_id: str, now: datetime) -> None:
    """Silences the leg of ``subject_id`` in one call; see the module.

    Raises:
        NotFound: the key of the call is gone.
        CannotOpen: an artifact does not open; the call stays as it was.
        VerificationFailed: what was written is not what was meant; likewise.
        StoreUnavailable: likewise.
    """
    call = held.records.call(call_id)
    if call is None or subject_id not in (call.subject_id, call.agent_subject_id):
        return
    channel = Channel.CUSTOMER if call.subject_id == subject_id else Channel.AGENT
    remaining = call.subject_id if channel is Channel.AGENT else call.agent_subject_id or anonymous_subject_id()
    wrapped = held.records.subject_key(call.subject_id)
    if wrapped is None:
        raise NotFound(f"the key of call {call_id} was destroyed")
    before = open_subject_key(held.root, wrapped)
    after = held.records.subject_for(remaining, held.root, now)
    made: list[Artifact] = []
    try:
        for artifact in _in_order(held.records.artifacts(call_id)):
            made.append(_again(held, call, artifact, channel, (before, after), made, now))
        for each in made:
            held.archive.lock(each)
        without = _summary(call.summary, channel, made)
        kept = replace(call, subject_id=remaining, agent_subject_id=None, summary=without)
        held.records.finish_call(kept, made, now)
    except BaseException as exc:
        undo([each.sealed for each in made], held.archive, held.records, exc)
        raise


def _in_order(artifacts: Iterable[Artifact]) -> list[Artifact]:
    """Those that are made again; the manifest last, for it names the others. What is not named here goes."""
    order = [ArtifactKind.REDACTED_AUDIO, ArtifactKind.TRANSCRIPT, ArtifactKind.CONSENT_RECORD, ArtifactKind.MANIFEST]
    found = [each for each in artifacts if each.sealed.kind in order and each.sealed.wrapped_key]
    return sorted(found, key=lambda each: order.index(each.sealed.kind))


def _again(  # noqa: PLR0913, PLR0917 -- one artifact, made again
    held: Custody,
    call: CallRecord,
    old: Artifact,
    channel: Channel,
    keys: tuple[OpenSubjectKey, OpenSubjectKey],
    made: list[Artifact],
    now: datetime,
) -> Artifact:
    before, after = keys
    if old.sealed.kind is ArtifactKind.REDACTED_AUDIO:
        sealed = _audio(held, call, old, channel, keys)
    else:
        document = json.loads(held.archive.read(old.sealed, call.call_id, before))
        shown = _DOCUMENTS[old.sealed.kind](document, channel, made)
        if old.sealed.kind is ArtifactKind.MANIFEST:
            shown = signed(shown, held.access.trail.key)
        data = json.dumps(shown, ensure_ascii=False).encode()
        sealed = held.archive.put(call.call_id, old.sealed.kind, after, data, label=_label(old))
    return Artifact(sealed, now, old.retain_until, old.retention_rule)


def _audio(
    held: Custody, call: CallRecord, old: Artifact, channel: Channel, keys: tuple[OpenSubjectKey, OpenSubjectKey]
) -> SealedObject:
    before, after = keys
    channels = tuple(Channel(name) for name in call.summary["channels"])
    original = audio.Recording((lambda: held.archive.open(old.sealed, call.call_id, before),))
    fmt = audio.probe(original)
    limit_s = (call.duration_s or 0.0) + _SLACK_S
    row = channels.index(channel)

    def silenced() -> Iterator[Samples]:
        return _silenced(audio.decode_native(original, fmt, limit_s), row)

    with held.archive.write(call.call_id, old.sealed.kind, after, label=_label(old)) as writer:
        encode.encode(silenced, fmt, writer.write)
    try:
        _check(held, call, writer.sealed, after, (original, fmt, channels, channel))
    except BaseException:
        held.archive.destroy(writer.sealed)
        raise
    return writer.sealed


def _check(
    held: Custody,
    call: CallRecord,
    sealed: SealedObject,
    key: OpenSubjectKey,
    meant: tuple[audio.Recording, AudioFormat, tuple[Channel, ...], Channel],
) -> None:
    """The leg is gone, the other is as it was."""
    original, fmt, channels, channel = meant
    limit_s = (call.duration_s or 0.0) + _SLACK_S
    written = audio.Recording((lambda: held.archive.open(sealed, call.call_id, key),))
    whole = Redaction("LEG", channel, TimeSpan(0.0, limit_s), Action.SILENCE, "one leg was erased")
    correlation.check_audio(
        audio.decode_native(original, fmt, limit_s),
        audio.decode_native(written, audio.probe(written), limit_s),
        (whole,),
        channels,
        fmt.rate_hz,
    )


def _silenced(blocks: Iterable[Samples], row: int) -> Iterator[Samples]:
    for block in blocks:
        quiet = block.copy()
        quiet[row] = 128 if block.dtype == np.uint8 else 0  # unsigned samples rest in the middle
        yield quiet


def _transcript(document: Mapping[str, Any], channel: Channel, made: list[Artifact]) -> dict[str, Any]:
    del made
    return {**document, "turns": [turn for turn in document["turns"] if turn["channel"] != channel.value]}


def _consent(document: Mapping[str, Any], channel: Channel, made: list[Artifact]) -> dict[str, Any]:
    """When something was said stays, for the decision rests on it; what was said goes."""
    del made
    return {**document, "evidence": _evidence(document["evidence"], channel)}


def _manifest(document: Mapping[str, Any], channel: Channel, made: list[Artifact]) -> dict[str, Any]:
    sealed = [each.sealed for each in made]
    return {
        **document,
        "silenced": [channel.value],
        "artifacts": [{"kind": s.kind.value, "sha256": s.sha256, "size_bytes": s.size_bytes} for s in sealed],
        "redactions": _other(document["redactions"], channel),
        "consent": {**document["consent"], "evidence": _evidence(document["consent"]["evidence"], channel)},
    }


def _summary(shown: Mapping[str, Any], channel: Channel, made: list[Artifact]) -> dict[str, Any]:
    return {
        **shown,
        "silenced": [channel.value],
        "redactions": _other(shown["redactions"], channel),
        "review": _other(shown["review"], channel),
        "artifacts": summary.artifacts(made),
    }


def _other(items: Iterable[Mapping[str, Any]], channel: Channel) -> list[Mapping[str, Any]]:
    return [each for each in items if each["channel"] != channel.value]


def _evidence(items: Iterable[Mapping[str, Any]], channel: Channel) -> list[dict[str, Any]]:
    words = {"said", "clip_sha256", "intact"}
    return [
        {name: value for name, value in each.items() if each.get("channel") != channel.value or name not in words}
        for each in items
    ]


def _label(artifact: Artifact) -> Label:
    return Label(artifact.retention_rule, artifact.retain_until)


_DOCUMENTS: Final[dict[ArtifactKind, Callable[[Mapping[str, Any], Channel, list[Artifact]], dict[str, Any]]]] = {
    ArtifactKind.TRANSCRIPT: _transcript,
    ArtifactKind.CONSENT_RECORD: _consent,
    ArtifactKind.MANIFEST: _manifest,
}
