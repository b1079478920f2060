"""Figures of an accuracy run as a table for the terminal and as one self-contained HTML page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from benchmarks import webpage
from benchmarks.score import LEAK_S

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.score import CallScore

_TERMS: Final = (
    f"A labelled value leaks if more than {LEAK_S:.2f} s of it can still be heard, or if it can be read in the "
    "transcript. It is re-heard if a fresh recogniser finds it in the redacted recording. Over-redaction is speech "
    "without a label that was redacted. The stock chain is faster-whisper and Presidio as they come, with the words "
    "found muted."
)
_TUNED: Final = "The rules were tuned on this set; README.md says what is left in calls that nobody tuned on."
_COLOURS: Final = ("#0969da", "#8c959f")


def call_figures(item: CallScore) -> dict[str, Any]:
    """One call's figures for the JSON: counts and seconds, nothing that was said."""
    return {
        "call_id": item.call_id,
        "entities": len(item.entities),
        "leaked_entities": sum(entity.leaked for entity in item.entities),
        "reheard_entities": sum(bool(entity.reheard) for entity in item.entities),
        "leaked_s": round(sum(entity.uncovered_s for entity in item.entities), 3),
        "other_speech_s": round(item.other_speech_s, 3),
        "over_redacted_s": round(item.over_redacted_s, 3),
        "consent_right": None if item.consent is None else item.consent.right,
        "verdict_right": None if item.consent is None else item.consent.verdict_right,
    }


def call_line(item: CallScore) -> str:
    """One line per call while a run goes on."""
    figures = call_figures(item)
    consent = {True: "ok", False: "WRONG", None: "-"}[figures["consent_right"]]
    over = 100 * item.over_redacted_s / item.other_speech_s if item.other_speech_s else 0.0
    return (
        f"{item.call_id:34} entities {figures['entities']:3}  leaked {figures['leaked_entities']:3}  "
        f"{figures['leaked_s']:7.2f} s  "
        f"re-heard {figures['reheard_entities']:3}  over-redaction {over:5.1f} %  consent {consent}"
    )


def percent(value: float | None) -> str:
    """A share as a percentage, a dash for nothing."""
    return "-" if value is None else f"{100 * value:.1f} %"


_ROWS = (
    ("calls scored", "calls", str),
    ("labelled entities", "entities", str),
    ("leaked entities", "leaked_entities", str),
    ("leaked entities, share", "leaked_entities_share", percent),
    (f"  audible for more than {LEAK_S:.2f} s", "audible_entities", str),
    ("  readable in the transcript", "readable_entities", str),
    ("re-heard entities", "reheard_entities", lambda value: "-" if value is None else str(value)),
    ("labelled seconds", "pii_s", lambda value: f"{value:.1f}"),
    ("leaked seconds", "leaked_s", lambda value: f"{value:.2f}"),
    ("leaked seconds, share", "leaked_s_share", percent),
    ("over-redaction", "over_redaction", percent),
    ("verdict accuracy", "verdict_accuracy", percent),
    ("consent accuracy (verdict and evidence)", "consent_accuracy", percent),
)


def overall_rows(results: Mapping[str, Any]) -> list[list[str]]:
    """Name of each figure and its value per chain."""
    rows = []
    for title, key, show in _ROWS:
        rows.append([title, *(show(chain["totals"][key]) for chain in results["chains"].values())])
    rows.append(["calls that failed", *(str(len(chain["failed"])) for chain in results["chains"].values())])
    speeds = [chain["audio_s"] / chain["seconds"] if chain["seconds"] else 0.0 for chain in results["chains"].values()]
    rows.append(["seconds of call handled in a second, whatever else ran", *(f"{speed:.1f}" for speed in speeds)])
    return rows


def type_rows(results: Mapping[str, Any]) -> list[list[str]]:
    """Per entity type: how many, then leaked entities and leaked share of seconds per chain."""
    chains = [chain["totals"].get("by_type", {}) for chain in results["chains"].values()]
    rows = []
    for name in sorted({name for chain in chains for name in chain}):
        row = [name, str(max(chain.get(name, {}).get("entities", 0) for chain in chains))]
        for chain in chains:
            item = chain.get(name)
            row += ["-", "-"] if item is None else [str(item["leaked_entities"]), percent(item["leaked_s_share"])]
        rows.append(row)
    return rows


def _type_head(results: Mapping[str, Any]) -> list[str]:
    return [
        "entity kind",
        "labelled",
        *(part for name in results["chains"] for part in (f"{name} leaked", f"{name}, share of seconds")),
    ]


def _aligned(head: list[str], rows: list[list[str]]) -> str:
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    return "\n".join(
        row[0].ljust(widths[0])
        + "".join("  " + cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
        for row in [head, *rows]
    )


def table(results: Mapping[str, Any]) -> str:
    """Both tables as text, and the five worst leaks of each chain by call and time, if any are told."""
    out = [
        "",
        _aligned(["figure", *results["chains"]], overall_rows(results)),
        "",
        _aligned(_type_head(results), type_rows(results)),
    ]
    for name, chain in results["chains"].items():
        if chain["worst"]:
            out += ["", f"worst of {name}:", *(_worst_line(item) for item in chain["worst"])]
    return "\n".join(out)


def _worst_line(item: Mapping[str, Any]) -> str:
    place = f"{item['channel']:9} {item['start_s']:7.2f} .. {item['end_s']:7.2f} s"
    marks = [name for name, set_ in (("readable", item["readable"]), ("re-heard", item["reheard"])) if set_]
    return ", ".join(
        [f"  {item['call_id']:34} {item['entity_type']:18} {place}", f"{item['uncovered_s']:.2f} s uncovered", *marks]
    )


def page(results: Mapping[str, Any]) -> str:
    """The whole page; it loads nothing."""
    tuned = _TUNED if results["set"] == "dev" else ""
    return webpage.document(
        f"callseal accuracy, {results['set']} set",
        [
            webpage.note(
                f"{results['made_at']}, weights {results['weights']}, seed {results['seed']}, {results['machine']}"
            ),
            webpage.note(f"{_TERMS} {tuned}"),
            webpage.table(["figure", *results["chains"]], overall_rows(results)),
            _leaks(results),
            _calls(results),
            "<h2>By kind</h2>",
            webpage.table(_type_head(results), type_rows(results)),
            *(_worst(name, chain["worst"]) for name, chain in results["chains"].items() if chain["worst"]),
        ],
    )


def _leaks(results: Mapping[str, Any]) -> str:
    columns = {
        name: {kind: found["leaked_entities_share"] for kind, found in chain["totals"].get("by_type", {}).items()}
        for name, chain in results["chains"].items()
    }
    return webpage.figure("Leaked values by kind.", webpage.bars("kind", columns))


def _calls(results: Mapping[str, Any]) -> str:
    """Every call as a dot: what was left against what was lost."""
    drawn, axes = webpage.axes(3.6)
    for (name, chain), colour in zip(results["chains"].items(), _COLOURS, strict=False):
        over = [100 * item["over_redacted_s"] / (item["other_speech_s"] or 1) for item in chain["calls"]]
        axes.scatter(over, [item["leaked_s"] for item in chain["calls"]], s=18, alpha=0.7, label=name, color=colour)
    axes.set(xlabel="other speech redacted, %", ylabel="labelled seconds left audible")
    axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, 1.14), ncols=len(_COLOURS))
    said = [
        f"{name} leaves up to {max((item['leaked_s'] for item in chain['calls']), default=0.0):.1f} s of a call"
        for name, chain in results["chains"].items()
    ]
    caption = "Each dot is a call: what was left against what was lost."
    return webpage.figure(caption, webpage.svg(drawn, f"{caption} {'; '.join(said)}"))


def _worst(name: str, items: list[dict[str, Any]]) -> str:
    head = ["call", "kind", "channel", "from, s", "to, s", "uncovered, s", "readable", "re-heard"]
    rows = [
        [
            item["call_id"],
            item["entity_type"],
            item["channel"],
            f"{item['start_s']:.2f}",
            f"{item['end_s']:.2f}",
            f"{item['uncovered_s']:.2f}",
            "yes" if item["readable"] else "no",
            {True: "yes", False: "no", None: "-"}[item["reheard"]],
        ]
        for item in items
    ]
    return f"<h2>Worst of {name}</h2>{webpage.table(head, rows)}"
