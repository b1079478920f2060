"""A result file as one self-contained HTML page: what each measure found as a table, and drawn where that says more."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any, Final

from benchmarks import webpage
from benchmarks.suite import tables
from benchmarks.suite.measures import MEASURES
from benchmarks.webpage import Markup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_LEAD: Final = (
    "callseal takes finished telephone calls and redacts what is personal in their sound and their words. One run of "
    "its benchmark suite measured it here on one machine, beside other chains of the same parts."
)
_COLOURS: Final = {
    "decode": "#6e7781",
    "intake": "#8c959f",
    "transcribe": "#0969da",
    "diarize": "#8250df",
    "detect": "#1a7f37",
    "consent": "#9a6700",
    "redact": "#bf8700",
    "verify": "#cf222e",
    "seal": "#57606a",
}
_OTHER: Final = "#afb8c1"


def page(results: Mapping[str, Any]) -> str:
    """The whole page: targets, what stays audible, then every other measure."""
    measures = dict(sorted(results["measures"].items(), key=lambda each: each[0] != "accuracy"))
    links = "".join(f'<a href="#{name}">{html.escape(MEASURES[name].title)}</a> ' for name in measures)
    return webpage.document(
        f"callseal: what was measured on {results['made_at'][:10]}",
        [
            f"<p>{_LEAD}</p>",
            *map(webpage.note, (tables.origin(results), tables.READING)),
            f"<nav>{links}</nav>",
            "<h2>Targets</h2>",
            _targets(results),
            webpage.note(tables.WHISPERX),
            *(part for name in measures for part in _measure(name, measures)),
        ],
    )


def _targets(results: Mapping[str, Any]) -> str:
    rows = []
    for each in tables.verdicts(results):
        mark = {True: "met", False: "not met", None: "not measured"}[each.met]
        style = {True: "met", False: "not", None: "note"}[each.met]
        asked = f"{each.target.sense} {tables.quantity(each.target.value, each.target.unit)}"
        why = f": {html.escape(each.why)}" if each.why else ""
        verdict = Markup(f'<span class="{style}">{mark}</span>{why}')
        rows.append([each.target.title, asked, each.measured if each.figure else "", verdict])
    return webpage.table(["target", "asked for", "measured", "verdict"], rows)


def _measure(name: str, measures: Mapping[str, Any]) -> Iterator[str]:
    measure = measures[name]
    yield f'<h2 id="{name}">{html.escape(MEASURES[name].title)}</h2>'
    if measure["not_measured"]:
        yield webpage.note(f"Not measured: {measure['not_measured']}.")
        return
    yield from map(webpage.note, filter(None, [*measure["notes"], tables.busy_note(measure)]))
    if name in _DRAWN:
        yield _DRAWN[name](name, measures)
    leaks = tables.leaks(measure)
    if leaks:
        yield webpage.table(tables.LEAKS_HEAD, leaks)
    yield webpage.table(["what", "median", "spread", "samples"], tables.full(measure))


def _stages(name: str, measures: Mapping[str, Any]) -> str:
    """Where the time of each chain goes, stage after stage."""
    chains = _detail(measures, name, "stages_s")
    if not chains:
        return ""
    longest_s = max(sum(stages.values()) for stages in chains.values())
    audio_s = _detail(measures, name, "audio_s")
    drawn = []
    for chain, stages in chains.items():
        total_s = sum(stages.values())
        title = measures[name]["figures"].get(f"speed_{chain}", {}).get("title", chain)
        parts = [(stage, s, _COLOURS.get(stage, _OTHER)) for stage, s in stages.items() if s / total_s >= 0.005]
        stack = "".join(f'<i style="width:{s / total_s:.2%};background:{colour}"></i>' for _, s, colour in parts)
        named = "".join(
            f'<span><i style="background:{colour}"></i>{tables.stage(stage)} {tables.share(s / total_s)}</span>'
            for stage, s, colour in parts
        )
        speed = f"{tables.number(1000 * total_s / audio_s)} ms for a second of call"
        drawn.append(
            f'<div class="chain"><b>{html.escape(title)}</b>: {speed}'
            f'<div class="stack" style="width:{total_s / longest_s:.1%}">{stack}</div><small>{named}</small></div>'
        )
    return webpage.figure("Where the time goes, all calls together; shorter is faster.", "".join(drawn))


def _leaks(name: str, measures: Mapping[str, Any]) -> str:
    """What each chain left, kind kind by kind."""
    chains = _detail(measures, name, "chains")
    if not chains:
        return ""
    caption = (
        "Labelled values left audible or readable, by kind. callseal is beside the stock chain: faster-whisper and "
        "Presidio as they come, the words found muted."
    )
    if _detail(measures, name, "set") == "dev":
        caption += " The rules were tuned on this set; README.md says what is left in calls that nobody tuned on."
    columns = {chain: found["by_type"] for chain, found in chains.items()}
    return webpage.figure(caption, webpage.bars("kind", columns))


def _roofline(name: str, measures: Mapping[str, Any]) -> str:
    """Speed against work: the machine's peaks as lines, whole chains as dots."""
    gflop = _detail(measures, name, "gflop")
    if not gflop:
        return ""
    figures = measures[name]["figures"]
    figure, axes = webpage.axes(4.4)
    per_s = gflop["per_audio_s"]
    spread = [per_s / 8, per_s * 32]
    for key, style in (("peak_int8", "-"), ("peak_float16", "-"), ("peak_float32", "--")):
        if key in figures:
            peak = figures[key]["value"]
            label = f"{figures[key]['title']}: {peak:,.0f} GFLOP/s"
            axes.plot(spread, [peak / each for each in spread], style, color=webpage.INK, lw=1.2, label=label)
    encode_per_s = (gflop["linear"] + gflop["attention"] + gflop["convolution"]) / 30
    dots = {"the encoder alone": (encode_per_s, 30_000 / figures["encode"]["value"], "#0969da")}
    for chain, colour in (("callseal", "#cf222e"), ("batched", "#1a7f37"), ("sequential", "#bf8700")):
        speed = measures.get("transcription", {}).get("figures", {}).get(f"speed_{chain}")
        if speed:
            dots[speed["title"]] = (per_s, speed["value"], colour)
    said = [f"{title}: {tables.number(speed)} x real time" for title, (_, speed, _) in dots.items()]
    for label, (work, speed, colour) in zip(said, dots.values(), strict=True):
        axes.scatter([work], [speed], color=colour, zorder=3, label=label)
    axes.set(xscale="log", yscale="log", xlabel="GFLOP for a second of audio, windows full", ylabel="times real time")
    axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.45, -0.15))
    axes.grid(which="both", lw=0.6)
    caption = (
        "Roofline: no dot can lie above the line of the peak it computes with. The dots of whole recognisers count "
        "every second of the recording, silence too, so leaving silence out lifts them."
    )
    return webpage.figure(caption, webpage.svg(figure, "Roofline. " + "; ".join(said)))


def _memory(name: str, measures: Mapping[str, Any]) -> str:
    rows = _detail(measures, name, "rows")
    if not rows:
        return ""
    figure, axes = webpage.axes(3.0)
    minutes, peaks = [row["minutes"] for row in rows], [row["peak_mb"] for row in rows]
    axes.plot(minutes, peaks, "o-", color="#0969da")
    for at, peak in zip(minutes, peaks, strict=True):
        axes.annotate(f"{peak:,.0f} MB", (at, peak), textcoords="offset points", xytext=(0, 8), ha="center")
    axes.axhspan(peaks[0], peaks[0] * 1.15, color="#1a7f37", alpha=0.15, lw=0, label="within 15 % of the shortest")
    axes.margins(x=0.12)
    axes.set(xlabel="length of the call, minutes", ylabel="peak memory, MB", ylim=(0, max(peaks) * 1.3))
    axes.legend(frameon=False, loc="lower right")
    said = ", ".join(f"{peak:,.0f} MB for {at:g} minutes" for at, peak in zip(minutes, peaks, strict=True))
    caption = f"Peak memory of callseal process, {_detail(measures, name, 'model')}, a process for each call."
    return webpage.figure(caption, webpage.svg(figure, f"Peak memory: {said}"))


def _sweep(name: str, measures: Mapping[str, Any]) -> str:
    rows = _detail(measures, name, "sweep")
    if not rows:
        return ""
    figure, axes = webpage.axes(3.0)
    axes.plot([str(row["batch_size"]) for row in rows], [row["times_real_time"] for row in rows], "o-", color="#8250df")
    axes.set(xlabel="windows in a batch", ylabel="times real time", ylim=(0, None))
    said = ", ".join(f"{row['batch_size']} windows {tables.number(row['times_real_time'])} x real time" for row in rows)
    return webpage.figure("Batch sizes: whole calls, several at a time.", webpage.svg(figure, f"Batch sizes: {said}"))


def _detail(measures: Mapping[str, Any], name: str, key: str) -> Any:
    return measures[name]["detail"].get(key)


_DRAWN: Final[dict[str, Callable[[str, Mapping[str, Any]], str]]] = {
    "two_channels": _stages,
    "mono": _stages,
    "roofline": _roofline,
    "memory": _memory,
    "accuracy": _leaks,
    "gpu": _sweep,
}
