"""Correction: takes what a person says is wrong, keeps it as a sealed amendment beside the original (GDPR Art. 16).

A corrected turn goes through the same search for personal data as the call did, in its place in the conversation, and
is kept redacted: a correction cannot bring back what was taken out.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from pipeline.amendments import FORMAT
from pipeline.errors import NotFound, Refused, UsageError
from pipeline.keys import open_subject_key
from pipeline.keys.signing import signed
from pipeline.metadata import CallMetadata
from pipeline.pii import detect
from pipeline.placeholders import mask
from pipeline.store import Label
from pipeline.summary import stamp
from pipeline.types import Artifact, ArtifactKind, Channel, TimeSpan, Turn, Word
from pipeline.unclaimed import undo

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from pipeline.custody import Custody
    from pipeline.keys import OpenSubjectKey
    from pipeline.pii import PiiRecognizer, RedactionPolicy
    from pipeline.rights.register import Request

FIELDS: Final = ("started_at", "direction", "language", "jurisdictions")
_MOST_CHARS: Final = 10_000


@dataclass(frozen=True, slots=True)
class NewText:
    """What a turn of the transcript, counted from 0, ought to say."""

    turn: int
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class NewValue:
    """What a field of the metadata, one of ``FIELDS``, ought to be."""

    name: str
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Searcher:
    """How personal data is found and replaced in a corrected turn; the model loads when it is needed."""

    recognizer: Callable[[], PiiRecognizer]
    policy: RedactionPolicy


def correct(
    held: Custody, request: Request, call_id: str, change: NewText | NewValue, searcher: Searcher, now: datetime
) -> str:
    """Keeps the correction; gives the amendment's id.

    Raises:
        NotFound: the person has no such call, or it has no such turn.
        UsageError: the change makes no sense.
        Refused: the call's transcript is kept no longer, or the person was erased meanwhile.
    """
    call = held.records.call(call_id)
    if call is None or call.subject_id != request.subject_id:
        raise NotFound(f"this caller has no call {call_id}")
    artifacts = {each.sealed.kind: each for each in held.records.artifacts(call_id)}
    like = artifacts.get(ArtifactKind.TRANSCRIPT) or artifacts.get(ArtifactKind.CONSENT_RECORD)
    key = held.records.subject_key(call.subject_id)
    if like is None or key is None:
        raise Refused(f"nothing is kept of call {call_id} that could be corrected")
    subject = open_subject_key(held.root, key)
    amendment_id = f"amend-{secrets.token_hex(8)}"
    document = {
        "format": FORMAT,
        "amendment_id": amendment_id,
        "call_id": call_id,
        "request_id": request.request_id,
        "at": stamp(now),
        "by": request.verified_by_id,
        **_content(change, held, call_id, artifacts, subject, searcher),
    }
    raw = json.dumps(signed(document, held.access.trail.key), ensure_ascii=False).encode()
    label = Label(like.retention_rule, like.retain_until)  # kept as long as what it corrects
    sealed = held.archive.put(call_id, ArtifactKind.AMENDMENT, subject, raw, label=label)
    artifact = Artifact(sealed, now, like.retain_until, like.retention_rule)
    try:
        held.records.add_artifacts(call_id, [artifact])
    except BaseException as exc:
        undo([sealed], held.archive, held.records, exc)
        raise
    held.archive.lock(artifact)
    held.records.note(call_id, "amended", {"amendment_id": amendment_id, "request_id": request.request_id}, now)
    return amendment_id


def _content(
    change: NewText | NewValue,
    held: Custody,
    call_id: str,
    artifacts: Mapping[ArtifactKind, Artifact],
    subject: OpenSubjectKey,
    searcher: Searcher,
) -> dict[str, Any]:
    if isinstance(change, NewValue):
        return {"field": change.name, "value": checked_value(change)}
    transcript = artifacts.get(ArtifactKind.TRANSCRIPT)
    if transcript is None:
        raise Refused(f"the transcript of call {call_id} is kept no longer")
    document = json.loads(held.archive.read(transcript.sealed, call_id, subject))
    return {"turn": change.turn, "text": redacted(change, document, searcher), "of": transcript.sealed.sha256}


def checked_value(change: NewValue) -> Any:
    """The value in the form of the metadata; several jurisdictions are separated by commas.

    Raises:
        UsageError: no such field can be corrected, or the value is of the wrong form.
    """
    if change.name not in FIELDS:
        raise UsageError(f"what can be corrected is {', '.join(FIELDS)}, or a turn of the transcript")
    value: Any = change.value.split(",") if change.name == "jurisdictions" else change.value
    try:
        return CallMetadata.model_validate({change.name: value}).model_dump(mode="json")[change.name]
    except ValidationError as exc:
        raise UsageError(f"{change.name}: {exc.errors(include_input=False)[0]['msg']}") from None


def redacted(change: NewText, document: Mapping[str, Any], searcher: Searcher) -> str:
    """The corrected turn without personal data.

    Args:
        change: the turn and its text.
        document: the call's ``transcript.json``.
        searcher: how personal data is found.

    Raises:
        NotFound: there is no such turn.
        UsageError: the text is empty or far too long.
    """
    turns = [_turn(each) for each in document["turns"]]
    if not 0 <= change.turn < len(turns):
        raise NotFound(f"the transcript has {len(turns)} turns, counted from 0")
    words = change.text.split()
    if not words or len(change.text) > _MOST_CHARS:
        raise UsageError(f"a corrected turn has 1 to {_MOST_CHARS} characters")
    before = turns[change.turn]
    turns[change.turn] = Turn(before.speaker, before.channel, _spread(words, before.span))
    found = detect(turns, searcher.recognizer(), {}, searcher.policy, document["language"])
    return mask(turns, found, searcher.policy).turns[change.turn].text


def _turn(value: Mapping[str, Any]) -> Turn:
    words = (Word(each["text"], TimeSpan(each["start_s"], each["end_s"]), 1.0) for each in value["words"])
    return Turn(value["speaker"], Channel(value["channel"]), tuple(words))


def _spread(words: list[str], span: TimeSpan) -> tuple[Word, ...]:
    """The words at even times within the span."""
    step_s = span.duration_s / len(words)
    edges = [span.start_s + step_s * index for index in range(len(words) + 1)]
    return tuple(Word(word, TimeSpan(edges[at], edges[at + 1]), 1.0) for at, word in enumerate(words))
