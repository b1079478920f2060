"""Amendments: corrections of a call that stand beside the original, sealed like it; the original is never changed.

An amendment is a JSON document, an artifact of its call: ``{"version": 1, "amendment_id", "call_id", "request_id",
"at", "by", ...}`` and either ``"turn", "text", "of"`` (a turn of the transcript whose SHA-256 is ``of``, and its
redacted text) or ``"field", "value"`` (something that the platform said about the call). The latest counts.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from pipeline.types import ArtifactKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.archive import Archive
    from pipeline.keys import OpenSubjectKey
    from pipeline.types import Artifact

VERSION: Final = 1


def read_amendments(
    archive: Archive, call_id: str, artifacts: Sequence[Artifact], subject: OpenSubjectKey
) -> list[dict[str, Any]]:
    """The call's amendments, the oldest first.

    Raises:
        CannotOpen: one does not open.
        StoreUnavailable: the store failed.
    """
    sealed = (each.sealed for each in artifacts if each.sealed.kind is ArtifactKind.AMENDMENT)
    found = [json.loads(archive.read(each, call_id, subject)) for each in sealed]
    return sorted(found, key=lambda each: (each["at"], each["amendment_id"]))


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
