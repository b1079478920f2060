"""Amendments: corrections of a call that stand beside the original, sealed like it; the original is never changed.

An amendment is a JSON document, an artifact of its call: ``{"format", "amendment_id", "call_id", "request_id", "at",
"by", "signature", ...}`` and either ``"turn", "text", "of"`` (a turn of the transcript whose SHA-256 is ``of``, and its
redacted text) or ``"field", "value"`` (something that the platform said about the call). The latest counts. Each is
signed (``signing.signed``) with the key of the host that took it down, so that a third party can tell whose it is.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from pipeline import summary
from pipeline.errors import VerificationFailed
from pipeline.keys.signing import check_signed
from pipeline.types import ArtifactKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pipeline.archive import Archive
    from pipeline.keys import OpenSubjectKey
    from pipeline.keys.signing import PublicKey
    from pipeline.types import Artifact

FORMAT: Final = "callseal-amendment/1"


def read_amendments(
    archive: Archive, call_id: str, artifacts: Sequence[Artifact], subject: OpenSubjectKey
) -> list[dict[str, Any]]:
    """The call's amendments, the oldest first.

    Raises:
        CannotOpen: one does not open.
        StoreUnavailable: the store failed.
    """
    sealed = (each.sealed for each in artifacts if each.sealed.kind is ArtifactKind.AMENDMENT)
    return _in_order(json.loads(archive.read(each, call_id, subject)) for each in sealed)


def marked(transcript: Mapping[str, Any], sha256: str, amendments: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The transcript with each corrected turn marked: ``"amended": {"text", "at", "by", "amendment_id"}``.

    Args:
        transcript: a ``transcript.json``.
        sha256: of its sealed form, hex; amendments of another transcript mark nothing here.
        amendments: of the call.
    """
    turns = [dict(turn) for turn in transcript["turns"]]
    for each in amendments:
        if each.get("of") == sha256 and each["turn"] < len(turns):
            turns[each["turn"]]["amended"] = {key: each[key] for key in ("text", "at", "by", "amendment_id")}
    return {**transcript, "turns": turns}


def unmarked(transcript: Mapping[str, Any]) -> dict[str, Any]:
    """The opposite of ``marked``."""
    turns = [{key: value for key, value in turn.items() if key != "amended"} for turn in transcript["turns"]]
    return {**transcript, "turns": turns}


def document(call_id: str, amendments: Sequence[Mapping[str, Any]]) -> bytes:
    """``amendments.json`` of an exported call."""
    return summary.document({"version": 1, "call_id": call_id, "amendments": amendments})


def check(raw: bytes, call_id: str, *public_keys: PublicKey) -> list[dict[str, Any]]:
    """The amendments of an ``amendments.json``, if it is what ``document`` gives and each of them is signed.

    Raises:
        VerificationFailed: it is changed or of another call, or an amendment has no signature of one of the keys.
    """
    try:
        found: list[dict[str, Any]] = json.loads(raw)["amendments"]
        whole = document(call_id, _in_order(found)) == raw
    except (ValueError, KeyError, TypeError, RecursionError):
        raise VerificationFailed("amendments.json is damaged or is none") from None
    if not whole:
        raise VerificationFailed("amendments.json was changed, or belongs to another call")
    for each in found:
        if (each.get("format"), each.get("call_id")) != (FORMAT, call_id):
            raise VerificationFailed("amendments.json has something that is no amendment of this call")
        check_signed(each, *public_keys)
    return found


def _in_order(amendments: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(amendments, key=lambda each: (each["at"], each["amendment_id"]))
