"""Fidelity of one processed call against its labels: the figures of DESIGN.md section 5, as pure functions.

Takes ``truth.json``, the summary of ``callseal process --json`` and ``transcript.json``; gives a CallScore, and
totals over many. What can be read is compared folded: letters and digits only, accents and case dropped, number words
as digits (``readable``). Reprs never hold a value.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks.folding import readable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Span = tuple[float, float]
LEAK_S = 0.10  # an entity leaks when more than this is left uncovered
EVIDENCE_SLACK_S = 0.5


@dataclass(frozen=True, slots=True)
class EntityScore:
    """What became of one labelled entity; ``reheard`` is None where nobody listened again."""

    entity_type: str
    channel: str
    start_s: float
    end_s: float
    uncovered_s: float
    readable: bool
    reheard: bool | None = None
    sidetone: bool = False

    @property
    def leaked(self) -> bool:
        """More than LEAK_S uncovered, or readable in the transcript."""
        return self.uncovered_s > LEAK_S or self.readable

    @property
    def duration_s(self) -> float:
        """Length of the label, s."""
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True)
class ConsentScore:
    """Whether the verdict is the label's, and how many labelled announcements and answers were found."""

    verdict_right: bool
    labelled: int
    found: int

    @property
    def right(self) -> bool:
        """The verdict is right and every labelled piece of evidence is within EVIDENCE_SLACK_S."""
        return self.verdict_right and self.found == self.labelled


@dataclass(frozen=True, slots=True)
class CallScore:
    """One call: its entities, its other speech, its consent (None where the label has no verdict)."""

    call_id: str
    entities: tuple[EntityScore, ...]
    other_speech_s: float
    over_redacted_s: float
    redacted_s: float
    consent: ConsentScore | None = None


@dataclass(slots=True)
class Totals:
    """Sums over entities or calls; shares are 0 where there is nothing to share."""

    calls: int = 0
    entities: int = 0
    leaked: int = 0
    uncovered: int = 0
    readable: int = 0
    listened: int = 0
    reheard: int = 0
    pii_s: float = 0.0
    leaked_s: float = 0.0
    other_speech_s: float = 0.0
    over_redacted_s: float = 0.0
    consents: int = 0
    verdicts_right: int = 0
    consents_right: int = 0
    by_type: dict[str, Totals] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Figures for a report: counts, seconds and shares, and the same per entity type."""
        out: dict[str, Any] = {
            "calls": self.calls,
            "entities": self.entities,
            "leaked_entities": self.leaked,
            "leaked_entities_share": _share(self.leaked, self.entities),
            "audible_entities": self.uncovered,
            "readable_entities": self.readable,
            "reheard_entities": self.reheard if self.listened else None,
            "listened_entities": self.listened,
            "pii_s": round(self.pii_s, 3),
            "leaked_s": round(self.leaked_s, 3),
            "leaked_s_share": _share(self.leaked_s, self.pii_s),
            "other_speech_s": round(self.other_speech_s, 3),
            "over_redacted_s": round(self.over_redacted_s, 3),
            "over_redaction": _share(self.over_redacted_s, self.other_speech_s),
            "consent_calls": self.consents,
            "verdict_accuracy": _share(self.verdicts_right, self.consents) if self.consents else None,
            "consent_accuracy": _share(self.consents_right, self.consents) if self.consents else None,
        }
        if self.by_type:
            keep = {"entities", "leaked_entities", "leaked_entities_share", "audible_entities", "readable_entities"}
            keep |= {"reheard_entities", "pii_s", "leaked_s", "leaked_s_share"}
            out["by_type"] = {
                name: {key: value for key, value in item.as_dict().items() if key in keep}
                for name, item in sorted(self.by_type.items())
            }
        return out


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def merged(spans: Iterable[Span]) -> list[Span]:
    """Sorted union: spans that neither touch nor overlap. Empty and inverted spans are dropped."""
    out: list[Span] = []
    for start, end in sorted(span for span in spans if span[1] > span[0]):
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], end))
        else:
            out.append((start, end))
    return out


def overlap_s(left: Iterable[Span], right: Iterable[Span]) -> float:
    """Seconds that the unions of the two share."""
    a, b = merged(left), merged(right)
    i = j = 0
    total = 0.0
    while i < len(a) and j < len(b):
        total += max(0.0, min(a[i][1], b[j][1]) - max(a[i][0], b[j][0]))
        if a[i][1] < b[j][1]:
            i += 1
        else:
            j += 1
    return total


def length_s(spans: Iterable[Span]) -> float:
    """Length of the union, s."""
    return sum(end - start for start, end in merged(spans))


def without(spans: Iterable[Span], removed: Iterable[Span]) -> list[Span]:
    """The union of ``spans`` with ``removed`` cut out."""
    cuts = merged(removed)
    out: list[Span] = []
    for start, end in merged(spans):
        at = start
        for cut_start, cut_end in cuts:
            if cut_end <= at or cut_start >= end:
                continue
            if cut_start > at:
                out.append((at, cut_start))
            at = max(at, cut_end)
        if at < end:
            out.append((at, end))
    return out


def _spans(items: Iterable[Mapping[str, Any]], channel: str) -> list[Span]:
    return [(float(item["start_s"]), float(item["end_s"])) for item in items if item["channel"] == channel]


def speech_spans(truth: Mapping[str, Any], channel: str) -> list[Span]:
    """Where somebody speaks on a channel: ``speech`` if the label has it (real calls), else its words."""
    return _spans(truth.get("speech") or truth.get("words") or (), channel)


def score_entity(
    label: Mapping[str, Any],
    redactions: Sequence[Mapping[str, Any]],
    transcript: Mapping[str, Any] | None,
    heard: Mapping[str, Any] | None = None,
) -> EntityScore:
    """One label against the redactions of its channel, the redacted transcript and, if given, a second hearing."""
    span = (float(label["start_s"]), float(label["end_s"]))
    uncovered = length_s([span]) - overlap_s([span], _spans(redactions, label["channel"]))
    return EntityScore(
        entity_type=label["entity_type"],
        channel=label["channel"],
        start_s=span[0],
        end_s=span[1],
        uncovered_s=max(0.0, round(uncovered, 6)),
        readable=transcript is not None and readable(label, transcript),
        reheard=None if heard is None else readable(label, heard, same_channel=True),
        sidetone=bool(label.get("sidetone")),
    )


def score_consent(label: Mapping[str, Any], consent: Mapping[str, Any]) -> ConsentScore | None:
    """The verdict and each labelled announcement, answer and objection; None where the label has no verdict.

    A label counts as found when evidence of its kind on its channel overlaps it and does not reach more than
    EVIDENCE_SLACK_S beyond either end.
    """
    if "verdict" not in label:
        return None
    labelled = label.get("evidence") or ()
    found = sum(any(_matches(item, candidate) for candidate in consent.get("evidence") or ()) for item in labelled)
    return ConsentScore(consent.get("verdict") == label["verdict"], len(labelled), found)


def _matches(label: Mapping[str, Any], candidate: Mapping[str, Any]) -> bool:
    if candidate.get("kind") != label["kind"] or candidate.get("channel") != label["channel"]:
        return False
    if candidate.get("start_s") is None or candidate.get("end_s") is None:
        return False
    inside = (
        candidate["start_s"] >= label["start_s"] - EVIDENCE_SLACK_S
        and candidate["end_s"] <= label["end_s"] + EVIDENCE_SLACK_S
    )
    return bool(inside and candidate["start_s"] < label["end_s"] and candidate["end_s"] > label["start_s"])


def score_call(
    truth: Mapping[str, Any],
    summary: Mapping[str, Any],
    transcript: Mapping[str, Any] | None,
    heard: Mapping[str, Any] | None = None,
) -> CallScore:
    """All figures of one call.

    Args:
        truth: the label (DESIGN.md section 5).
        summary: ``process --json``; only ``redactions`` and ``consent`` are read.
        transcript: ``transcript.json`` of the export, or None if the call was not kept.
        heard: a fresh transcription of the redacted audio in the same shape, or None.
    """
    redactions = summary.get("redactions") or ()
    entities = tuple(score_entity(label, redactions, transcript, heard) for label in truth["pii"])
    other_s = over_s = redacted_s = 0.0
    for channel in truth["channels"]:
        other = without(speech_spans(truth, channel), _spans(truth["pii"], channel))
        covered = _spans(redactions, channel)
        other_s += length_s(other)
        over_s += overlap_s(other, covered)
        redacted_s += length_s(covered)
    consent = score_consent(truth.get("consent") or {}, summary.get("consent") or {})
    return CallScore(str(truth.get("call_id", "")), entities, other_s, over_s, redacted_s, consent)


def total(scores: Iterable[CallScore]) -> Totals:
    """Sums over calls, and per entity type."""
    out = Totals()
    types: defaultdict[str, Totals] = defaultdict(Totals)
    for call in scores:
        out.calls += 1
        out.other_speech_s += call.other_speech_s
        out.over_redacted_s += call.over_redacted_s
        for entity in call.entities:
            _add(out, entity)
            _add(types[entity.entity_type], entity)
        if call.consent is not None:
            out.consents += 1
            out.verdicts_right += call.consent.verdict_right
            out.consents_right += call.consent.right
    out.by_type = dict(types)
    return out


def _add(totals: Totals, entity: EntityScore) -> None:
    totals.entities += 1
    totals.leaked += entity.leaked
    totals.uncovered += entity.uncovered_s > LEAK_S
    totals.readable += entity.readable
    totals.listened += entity.reheard is not None
    totals.reheard += bool(entity.reheard)
    totals.pii_s += entity.duration_s
    totals.leaked_s += entity.uncovered_s


def worst(scores: Iterable[CallScore], count: int = 5) -> list[tuple[str, EntityScore]]:
    """The entities that leak most, by uncovered seconds, readable ones first among equals."""
    leaks = [(call.call_id, entity) for call in scores for entity in call.entities if entity.leaked or entity.reheard]
    return sorted(leaks, key=lambda item: (-item[1].uncovered_s, not item[1].readable, item[0]))[:count]
