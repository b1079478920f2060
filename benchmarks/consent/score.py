"""Consent figures: verdicts against their labels, the wrongly permissive ones, and evidence against its times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.types import Channel, TimeSpan

SLACK_S = 0.5
_LAWFUL = ("granted", "not_required")


@dataclass(frozen=True, slots=True)
class Found:
    """What a chain says of a call: verdict, whether the call would be kept, and evidence by kind, channel and span."""

    verdict: str
    lawful: bool
    evidence: tuple[tuple[str, Channel, TimeSpan], ...]


@dataclass(frozen=True, slots=True)
class CallScore:
    """One call: labelled verdict, found verdict, whether it was kept against its label, evidence found of labelled."""

    call_id: str
    part: str
    label: str
    verdict: str
    permissive: bool
    labelled: int
    found: int
    off_s: float

    @property
    def right(self) -> bool:
        """Whether the verdict is the label's."""
        return self.label == self.verdict


def score(call_id: str, part: str, truth: Mapping[str, Any], jurisdictions: Sequence[str], found: Found) -> CallScore:
    """One call of a part of the set against its label (``truth.json``)."""
    label = truth["consent"]["verdict"]
    wanted = _joined(truth["consent"]["evidence"])
    given = [(kind, str(channel), span) for kind, channel, span in found.evidence]
    offs = [_off(each, given) for each in wanted]
    near = [off for off in offs if off is not None and off <= SLACK_S]
    permissive = found.lawful and not _may_be_kept(label, jurisdictions)
    return CallScore(call_id, part, label, found.verdict, permissive, len(wanted), len(near), max(near, default=0.0))


def _may_be_kept(label: str, jurisdictions: Sequence[str]) -> bool:
    """By the label and the place alone: a notice is enough in the United States and nowhere else in the set."""
    return label in _LAWFUL or (label == "implied" and all(place.startswith("US") for place in jurisdictions))


def _joined(labels: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Labels of one kind that follow each other without a pause are one: a prompt that was spliced."""
    found: list[dict[str, Any]] = []
    for each in labels:
        last = found[-1] if found else None
        alike = last and (last["kind"], last["channel"]) == (each["kind"], each["channel"])
        if last and alike and each["start_s"] - last["end_s"] < SLACK_S:
            last["end_s"] = each["end_s"]
        else:
            found.append(dict(each))
    return found


def _off(wanted: Mapping[str, Any], given: Sequence[tuple[str, str, TimeSpan]]) -> float | None:
    """How far the best piece of the same kind reaches beyond the labelled phrase, s; None if none touches it."""
    start_s, end_s = wanted["start_s"], wanted["end_s"]
    return min(
        (
            max(start_s - span.start_s, span.end_s - end_s, 0.0)
            for kind, channel, span in given
            if kind == wanted["kind"] and channel == wanted["channel"] and span.start_s < end_s and span.end_s > start_s
        ),
        default=None,
    )


def figures(scores: Sequence[CallScore]) -> dict[str, Any]:
    """Totals: calls, verdicts right, wrongly permissive, evidence within the slack."""
    calls = len(scores)
    labelled = sum(each.labelled for each in scores)
    return {
        "calls": calls,
        "verdicts_right": sum(each.right for each in scores),
        "verdict_accuracy": round(sum(each.right for each in scores) / calls, 4) if calls else None,
        "wrongly_permissive": sum(each.permissive for each in scores),
        "evidence_labelled": labelled,
        "evidence_found": sum(each.found for each in scores),
        "evidence_share": round(sum(each.found for each in scores) / labelled, 4) if labelled else None,
        "worst_off_s": round(max((each.off_s for each in scores), default=0.0), 3),
    }
