"""A result file as one self-contained HTML page: tables, and plots as inline SVG. It loads nothing."""

from __future__ import annotations

import html
import io
import re
from typing import TYPE_CHECKING, Any

from benchmarks.suite import tables
from benchmarks.suite.measures import MEASURES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.55 system-ui, sans-serif; max-width: 66rem; margin: 2rem auto; padding: 0 1.2rem; color: #1b1f24; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.4rem; border-bottom: 1px solid #ddd; }
table { border-collapse: collapse; margin: .8rem 0; width: 100%; font-size: 14px; }
td, th { padding: .28rem .6rem; border-bottom: 1px solid #e4e6e9; text-align: left; vertical-align: top; }
td:nth-child(2), td:nth-child(3) { white-space: nowrap; } th { background: #f5f6f8; }
.met { color: #116329; } .not { color: #a40e26; } .note { color: #57606a; }
figure { margin: 1.4rem 0; } figcaption { color: #57606a; } svg { max-width: 100%; height: auto; }
"""
_COLOURS = {
    "decode": "#6e7781",
    "intake": "#8c959f",
    "transcribe": "#0969da",
    "diarize": "#8250df",
    "detect": "#1a7f37",
    "consent": "#9a6700",
    "redact": "#bf8700",
    "verify": "#cf222e",
    "seal": "#57606a",
    "other": "#d0d7de",
}


def page(results: Mapping[str, Any]) -> str:
    """The whole page."""
    title = f"callseal: what was measured on {results['made_at'][:10]}"
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head><body>",
        f'<h1>{html.escape(title)}</h1><p class="note">{html.escape(tables.origin(results))}</p>',
        "<h2>Targets</h2>",
        _targets(results),
        *(f"<figure>{svg}<figcaption>{html.escape(said)}</figcaption></figure>" for said, svg in plots(results)),
        *_measures(results),
        f'<p class="note">{html.escape(tables.WHISPERX)}</p></body></html>\n',
    ]
    return "\n".join(parts)


def _targets(results: Mapping[str, Any]) -> str:
    rows = []
    for each in tables.verdicts(results):
        mark = {True: "met", False: "not met", None: "not measured"}[each.met]
        style = {True: "met", False: "not", None: "note"}[each.met]
        asked = f"{each.target.sense} {tables.quantity(each.target.value, each.target.unit)}"
        cells = [html.escape(each.target.title), html.escape(asked), html.escape(each.measured if each.figure else "")]
        why = f": {html.escape(each.why)}" if each.why else ""
        rows.append([*cells, f'<span class="{style}">{mark}</span>{why}'])
    return _table(["target", "asked for", "measured", ""], rows)


def _measures(results: Mapping[str, Any]) -> Iterator[str]:
    for name, measure in results["measures"].items():
        yield f"<h2>{html.escape(MEASURES[name].title)}</h2>"
        busy = tables.busy_note(measure)
        for note in [*measure["notes"], *([busy] if busy else [])]:
            yield f'<p class="note">{html.escape(note)}</p>'
        rows = [[html.escape(cell) for cell in row] for row in tables.full(measure)]
        yield _table(["measured", "median", "spread", "n"], rows)
        leaks = [[html.escape(cell) for cell in row] for row in tables.leaks(measure)]
        if leaks:
            yield _table(list(tables.LEAKS_HEAD), leaks)


def _table(head: list[str], rows: list[list[str]]) -> str:
    cells = "".join(f"<th>{cell}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"


def plots(results: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Caption and SVG of every plot that the run has figures for."""
    measures = results["measures"]
    drawn = [
        _waterfall(measures, "two_channels"),
        _waterfall(measures, "mono"),
        _roofline(measures),
        _memory(measures),
        _leaks(measures),
        _sweep(measures),
    ]
    return [each for each in drawn if each]


def _detail(measures: Mapping[str, Any], name: str, key: str) -> Any:
    return measures.get(name, {}).get("detail", {}).get(key)


def _waterfall(measures: Mapping[str, Any], name: str) -> tuple[str, str] | None:
    """Where the time of each chain goes, stage after stage."""
    chains = _detail(measures, name, "stages_s")
    if not chains:
        return None
    audio_s = _detail(measures, name, "audio_s")
    figure, axes = _figure(1.3 + 0.62 * len(chains))
    seen: set[str] = set()
    for row, stages in enumerate(chains.values()):
        at = 0.0
        for stage, seconds in stages.items():
            width = 1000 * seconds / audio_s
            label = stage if stage not in seen and width > 0 else None
            axes.barh(row, width, left=at, color=_COLOURS.get(stage, "#d0d7de"), label=label, edgecolor="white", lw=0.4)
            seen.add(stage)
            at += width
        axes.text(at, row, f"  {audio_s / (at * audio_s / 1000):.1f} x real time", va="center", fontsize=9)
    axes.set_yticks(range(len(chains)), list(chains))
    axes.invert_yaxis()
    axes.margins(x=0.16)
    axes.set(xlabel="milliseconds for a second of call")
    axes.legend(
        ncols=5,
        fontsize=8,
        loc="upper center",
        bbox_to_anchor=(0.45, -0.32 if len(chains) > 2 else -0.42),
        frameon=False,
    )
    return f"{MEASURES[name].title}: the stages of each chain, over the same calls.", _svg(figure)


def _roofline(measures: Mapping[str, Any]) -> tuple[str, str] | None:
    """Speed against work: the machine's peaks as lines, whole chains as dots."""
    gflop = _detail(measures, "roofline", "gflop")
    if not gflop:
        return None
    figures = measures["roofline"]["figures"]
    figure, axes = _figure(4.2)
    per_s = gflop["per_audio_s"]
    spread = [per_s / 8, per_s * 32]
    for key, style in (("peak_int8", "-"), ("peak_float16", "-"), ("peak_float32", "--")):
        if key in figures:
            peak = figures[key]["value"]
            label = f"{figures[key]['title']}: {peak:,.0f} GFLOP/s"
            axes.plot(spread, [peak / each for each in spread], style, color="#24292f", lw=1.2, label=label)
    points = {"the encoder alone": figures["encode"]["value"]}
    encode_per_s = (gflop["linear"] + gflop["attention"] + gflop["convolution"]) / 30
    axes.scatter(
        [encode_per_s], [30_000 / points["the encoder alone"]], color="#0969da", zorder=3, label="the encoder alone"
    )
    for name, colour in (("callseal", "#cf222e"), ("batched", "#1a7f37"), ("sequential", "#bf8700")):
        speed = measures.get("transcription", {}).get("figures", {}).get(f"speed_{name}")
        if speed:
            axes.scatter([per_s], [speed["value"]], color=colour, zorder=3, label=speed["title"])
    axes.set(xscale="log", yscale="log", xlabel="GFLOP for a second of audio, windows full", ylabel="times real time")
    axes.legend(fontsize=8, frameon=False)
    axes.grid(which="both", color="#eaeef2", lw=0.6)
    said = (
        "Roofline: no dot can lie above the line of the peak it computes with. The dots of whole recognisers count "
        "every second of the recording, silence too, so leaving silence out lifts them."
    )
    return said, _svg(figure)


def _memory(measures: Mapping[str, Any]) -> tuple[str, str] | None:
    rows = _detail(measures, "memory", "rows")
    if not rows:
        return None
    figure, axes = _figure(3.2)
    minutes, peaks = [row["minutes"] for row in rows], [row["peak_mb"] for row in rows]
    axes.plot(minutes, peaks, "o-", color="#0969da")
    for at, peak in zip(minutes, peaks, strict=True):
        axes.annotate(f"{peak:,.0f} MB", (at, peak), textcoords="offset points", xytext=(0, 8), ha="center", fontsize=9)
    axes.axhspan(peaks[0], peaks[0] * 1.15, color="#1a7f37", alpha=0.1, lw=0, label="within 15 % of the shortest")
    axes.set(xlabel="length of the call, minutes", ylabel="peak memory, MB", ylim=(0, max(peaks) * 1.3))
    axes.legend(fontsize=8, frameon=False, loc="lower right")
    return f"Peak memory of callseal process, {_detail(measures, 'memory', 'model')}, a process for each call.", _svg(
        figure
    )


def _leaks(measures: Mapping[str, Any]) -> tuple[str, str] | None:
    chains = _detail(measures, "accuracy", "chains")
    if not chains:
        return None
    kinds = sorted({kind for chain in chains.values() for kind in chain["by_type"]})
    figure, axes = _figure(1.2 + 0.3 * max(len(kinds), 1))
    height = 0.8 / len(chains)
    for index, (name, chain) in enumerate(chains.items()):
        places = [row + index * height for row in range(len(kinds))]
        shares = [100 * chain["by_type"].get(kind, 0.0) for kind in kinds]
        axes.barh(places, shares, height=height, label=name, color=["#cf222e", "#8c959f"][index % 2])
    axes.set_yticks([row + 0.4 - height / 2 for row in range(len(kinds))], kinds, fontsize=8)
    axes.invert_yaxis()
    axes.set(xlabel="labelled values left audible or readable, %", xlim=(0, 100))
    axes.legend(fontsize=8, frameon=False, loc="lower right")
    return "Leaks by kind of value, in the last run of make bench-accuracy.", _svg(figure)


def _sweep(measures: Mapping[str, Any]) -> tuple[str, str] | None:
    rows = _detail(measures, "gpu", "sweep")
    if not rows:
        return None
    figure, axes = _figure(3.0)
    axes.plot([str(row["batch_size"]) for row in rows], [row["times_real_time"] for row in rows], "o-", color="#8250df")
    axes.set(xlabel="windows in a batch", ylabel="times real time", ylim=(0, None))
    return "Batch sizes: whole calls, several at a time.", _svg(figure)


def _figure(height: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.5, height))
    axes = figure.subplots()
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure, axes


def _svg(figure: Any) -> str:
    import matplotlib as mpl

    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "callseal", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None})
    text = buffer.getvalue()
    return re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
