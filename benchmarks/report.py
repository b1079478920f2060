"""Figures of an accuracy run as a table for the terminal and as one self-contained HTML page (plots are inline SVG)."""

from __future__ import annotations

import html
import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.score import CallScore

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24; }
table { border-collapse: collapse; margin: 1rem 0; } td, th { padding: .25rem .7rem; border-bottom: 1px solid #ddd; }
td { text-align: right; font-variant-numeric: tabular-nums; } td:first-child, th:first-child { text-align: left; }
figure { margin: 1.5rem 0; } svg { max-width: 100%; height: auto; } .note { color: #57606a; }
"""


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
    ("  audible for more than 0.10 s", "audible_entities", str),
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
    rows.append(["audio seconds per second (contended machine)", *(f"{speed:.1f}" for speed in speeds)])
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
        *(part for name in results["chains"] for part in (f"{name} leaked", f"{name} seconds")),
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


def _html_table(head: list[str], rows: list[list[str]]) -> str:
    cells = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"


def _svg(figure: Any) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def plots(results: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Caption and SVG of each plot: leaked share per kind, and leak against over-redaction per call."""
    from matplotlib.figure import Figure

    chains = results["chains"]
    kinds = sorted({name for chain in chains.values() for name in chain["totals"].get("by_type", {})})
    bars = Figure(figsize=(9, 0.8 + 0.32 * max(1, len(kinds))))
    axes = bars.subplots()
    height = 0.8 / max(1, len(chains))
    for index, (name, chain) in enumerate(chains.items()):
        by_type = chain["totals"].get("by_type", {})
        shares = [100 * by_type.get(kind, {}).get("leaked_entities_share", 0.0) for kind in kinds]
        axes.barh([position + index * height for position in range(len(kinds))], shares, height=height, label=name)
    axes.set_yticks([position + 0.4 - height / 2 for position in range(len(kinds))], kinds)
    axes.set(xlabel="leaked entities, %", xlim=(0, 100))
    axes.invert_yaxis()
    axes.legend()
    cloud = Figure(figsize=(9, 4))
    axes = cloud.subplots()
    for name, chain in chains.items():
        over = [100 * item["over_redacted_s"] / (item["other_speech_s"] or 1) for item in chain["calls"]]
        axes.scatter(over, [item["leaked_s"] for item in chain["calls"]], s=18, alpha=0.7, label=name)
    axes.set(xlabel="other speech redacted, %", ylabel="labelled seconds left audible")
    axes.legend()
    return [
        ("Leaked entities per kind.", _svg(bars)),
        ("Each dot is a call: what was left against what was lost.", _svg(cloud)),
    ]


def page(results: Mapping[str, Any]) -> str:
    """The whole page; it loads nothing."""
    title = f"callseal accuracy, {results['set']} set"
    figures = "".join(
        f"<figure>{svg}<figcaption>{html.escape(text)}</figcaption></figure>" for text, svg in plots(results)
    )
    facts = f"{results['made_at']}, weights {results['weights']}, seed {results['seed']}, {results['machine']}"
    worst = "".join(
        f"<h2>Worst of {html.escape(name)}</h2>{_worst(chain['worst'])}"
        for name, chain in results["chains"].items()
        if chain["worst"]
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f'<style>{_STYLE}</style></head><body><h1>{html.escape(title)}</h1><p class="note">{html.escape(facts)}</p>'
        f"{_html_table(['figure', *results['chains']], overall_rows(results))}{figures}"
        f"<h2>Per entity kind</h2>{_html_table(_type_head(results), type_rows(results))}{worst}</body></html>\n"
    )


def _worst(items: list[dict[str, Any]]) -> str:
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
    return _html_table(head, rows)
