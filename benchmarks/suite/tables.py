"""A result file as tables: Markdown for README.md and docs/performance.md, and the same cells for the page.

Blocks between ``<!-- bench:NAME -->`` and ``<!-- /bench:NAME -->`` in the documents are made here from the committed
results, and a test holds them against each other, so that no number in them is typed by hand.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from benchmarks.suite.figures import figure_of
from benchmarks.suite.machine import BUSY
from benchmarks.suite.measures import MEASURES, TARGETS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from benchmarks.suite.figures import Figure
    from benchmarks.suite.measures import Target

WHISPERX: Final = (
    "WhisperX is not measured: 3.8.6 asks for torch 2.8 and huggingface-hub below 1, which do not go with what callseal"
    " needs, and the alignment weights that its word times come from are fetched from a hub while it runs."
)
READING: Final = (
    "Medians, with the quartiles as spread; ratios are taken call by call between chains that took turns. "
    f"A tilde marks figures of minutes in which other processes used more than {100 * BUSY:.0f} % of the machine."
)
SUMMARY: Final = (
    ("two_channels", ("speed_callseal", "ratio_batched", "ratio_batched_unverified", "ratio_sequential", "leaked")),
    ("mono", ("speed_callseal", "ratio_pyannote", "ratio_pyannote_unverified")),
    ("transcription", ("ratio_batched", "ratio_sequential", "ratio_sequential_beam1", "word_error_rate")),
    ("layouts", ()),
    ("roofline", ("reached",)),
    ("memory", ("growth",)),
    ("pii", ()),
    ("sealing", ("seal", "seal_ratio")),
    ("erasure", ("erased", "ratio")),
    ("queue", ("handed_in", "carried_by_1", "carried_by_2", "queue_cost")),
    ("hook", ()),
    ("start", ("help",)),
    ("accuracy", ("callseal_leaked_entities_share", "callseal_leaked_s_share", "callseal_over_redaction")),
    ("gpu", ("calls_per_hour", "cost")),
)
"""What the front page shows; an empty tuple shows all figures of a measure, up to MOST of them."""
MOST: Final = 4
LEAKS_HEAD: Final = ("chain", "labelled values", "left", "of them", "of their seconds", "other speech redacted")


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target with what was measured; ``met`` is None where it was not."""

    target: Target
    figure: Figure | None
    met: bool | None
    why: str
    busy: bool = False

    @property
    def measured(self) -> str:
        """The figure with its unit, and a tilde if it was taken on a busy machine."""
        return "not measured" if self.figure is None else ("~" if self.busy else "") + shown(self.figure)


def verdicts(results: Mapping[str, Any]) -> list[Verdict]:
    """Every target, met or not, and what bounds it where it is not."""
    return [_verdict(target, results) for target in TARGETS]


def _verdict(target: Target, results: Mapping[str, Any]) -> Verdict:
    measure = results["measures"].get(target.measure)
    if measure is None:
        return Verdict(target, None, None, "not part of this run")
    plain = measure["figures"].get(target.key)
    if plain is None:
        return Verdict(target, None, None, measure["not_measured"] or "not measured")
    found = figure_of(plain)
    met = found.value >= target.value if target.sense == "at least" else found.value <= target.value
    return Verdict(target, found, met, "" if met else _bounded_by(target, measure, results), _is_busy(found, measure))


def _bounded_by(target: Target, measure: Mapping[str, Any], results: Mapping[str, Any]) -> str:
    """Why, by figures of the same run; empty where it has none that say."""
    reasons = _words_that_differ if target.key == "numbers_behind" else _time_that_is_needed
    return "; ".join(reasons(target, measure, results))


def _words_that_differ(_: Target, measure: Mapping[str, Any], results: Mapping[str, Any]) -> Iterator[str]:
    """Who hears how many numbers, and what is left of them: those calls are among the ones of two channels."""
    heard = measure["detail"].get("numbers_heard", {})
    by = [
        f"{heard[name][0]} by {measure['figures'][f'speed_{name}']['title']}"
        for name in ("sequential", "sequential_beam1", "callseal")
        if name in heard
    ]
    if by:
        yield f"heard of {heard['callseal'][1]}: " + ", ".join(by)
    left = results["measures"].get("two_channels", {}).get("detail", {}).get("leaks", {}).get("callseal")
    if left:
        covered = "" if left["leaked_entities"] else "what is misheard is covered all the same: "
        yield (
            f"{covered}of the {left['entities']} labelled values of the two-channel calls, these among them, "
            f"callseal leaves {left['leaked_entities']}"
        )


def _time_that_is_needed(target: Target, measure: Mapping[str, Any], results: Mapping[str, Any]) -> Iterator[str]:
    """Where the time of whole calls goes; what listening again costs; what cannot be left out."""
    chains = measure["detail"].get("stages_s", {})
    stages = chains.get("callseal")
    if not stages:
        return
    total_s = sum(stages.values())
    first = sorted(stages, key=lambda name: -stages[name])[:3]
    yield "of callseal's time: " + ", ".join(f"{stage(name)} {share(stages[name] / total_s)}" for name in first)
    unverified = measure["figures"].get(f"{target.key}_unverified")
    if unverified:
        yield f"without listening again, which the other does not do, {quantity(unverified['value'], 'x')}"
    theirs = chains.get(target.key.removeprefix("ratio_"))
    needed_s = stages.get("transcribe", 0.0) + stages.get("diarize", 0.0)
    if theirs and needed_s > sum(theirs.values()) / target.value:
        allowed_s = number(sum(theirs.values()) / target.value)
        what = "first hearing and diarization" if stages.get("diarize") else "first hearing"
        asked = quantity(target.value, target.unit)
        yield f"{asked} would be {allowed_s} s for these calls, {what} alone are {number(needed_s)} s"
    reached = results["measures"].get("roofline", {}).get("figures", {}).get("reached")
    if reached and target.unit == "x":
        yield f"the encoder reaches {reached['value']:.0f} % of its bound"


def stage(name: str) -> str:
    """A stage in words."""
    return _STAGES.get(name, name)


_STAGES: Final = {
    "transcribe": "first hearing",
    "verify": "listening again",
    "detect": "detection",
    "diarize": "diarization",
    "redact": "redaction and encoding",
}


def block(name: str, results: Mapping[str, Any]) -> str:
    """The text between a block's marks."""
    return {"summary": summary, "performance": performance}[name](results)


def written_into(text: str, name: str, results: Mapping[str, Any]) -> str:
    """The document with its block made anew.

    Raises:
        ValueError: the document has no such block.
    """
    begin, end = f"<!-- bench:{name} -->", f"<!-- /bench:{name} -->"
    found = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if len(found.findall(text)) != 1:
        raise ValueError(f"there is no block {begin} ... {end}, or more than one")
    return found.sub(lambda _: f"{begin}\n{block(name, results)}\n{end}", text)


def summary(results: Mapping[str, Any]) -> str:
    """The front page's table: targets first, then the figures that say most."""
    rows = [row for name, keys in SUMMARY for row in _rows(name, keys, results)]
    return "\n".join([_read(results), "", _targets(results), "", _markdown(("measured", "median", "spread"), rows)])


def performance(results: Mapping[str, Any]) -> str:
    """Every figure of every measure, and the stages of a call."""
    parts = [_read(results), "", _targets(results)]
    for name, measure in results["measures"].items():
        parts += ["", f"### {MEASURES[name].title}", ""]
        parts += [busy_note(measure), *measure["notes"], ""] if measure["notes"] or busy_note(measure) else []
        parts += [_markdown(("measured", "median", "spread", "n"), full(measure))]
        parts += ["", _stages(measure)] if measure["detail"].get("stages_s") else []
        parts += ["", _markdown(LEAKS_HEAD, leaks(measure))] if leaks(measure) else []
    return "\n".join([*parts, "", WHISPERX])


def plain(results: Mapping[str, Any]) -> list[str]:
    """The same for a terminal: targets, then every figure."""
    lines = ["", _read(results), ""]
    lines += _aligned([["target", "asked for", "measured", ""], *_target_rows(results)])
    for name, measure in results["measures"].items():
        lines += ["", MEASURES[name].title, *(f"  {row}" for row in _aligned(full(measure)))]
    return lines


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def origin(results: Mapping[str, Any]) -> str:
    """When and where the figures come from."""
    machine = results["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    gpus = ", ".join(gpu["name"] for gpu in machine["gpus"]) or "no GPU"
    quick = " The short version of the suite." if results["quick"] else ""
    return (
        f"Commit {results['commit']}, {results['made_at'][:10]}; {machine['processor']}, {machine['cores']} cores "
        f"({', '.join(machine['flags'])}), {machine['memory_gb']:.0f} GB, {gpus}. {versions}.{quick}"
    )


def _read(results: Mapping[str, Any]) -> str:
    return f"{origin(results)} {READING}"


def _targets(results: Mapping[str, Any]) -> str:
    return _markdown(("target", "asked for", "measured", ""), _target_rows(results))


def _target_rows(results: Mapping[str, Any]) -> list[list[str]]:
    rows = []
    for each in verdicts(results):
        target = f"{each.target.sense} {quantity(each.target.value, each.target.unit)}"
        met = {True: "met", False: "not met", None: ""}[each.met]
        rows.append([each.target.title, target, each.measured, ": ".join(filter(None, (met, each.why)))])
    return rows


def _rows(name: str, keys: tuple[str, ...], results: Mapping[str, Any]) -> list[list[str]]:
    measure, title = results["measures"].get(name), MEASURES[name].title
    if measure is None or measure["not_measured"]:
        why = "not part of this run" if measure is None else measure["not_measured"]
        return [[title, f"not measured: {why}", ""]]
    wanted = keys or tuple(measure["figures"])[:MOST]
    return [_row(title, measure, key)[:3] for key in wanted if key in measure["figures"]]


def full(measure: Mapping[str, Any]) -> list[list[str]]:
    """A row for each figure of a measure: what, median, spread, samples."""
    if measure["not_measured"]:
        return [[f"not measured: {measure['not_measured']}", "", "", ""]]
    return [_row("", measure, key) for key in measure["figures"]]


def _row(title: str, measure: Mapping[str, Any], key: str) -> list[str]:
    found = figure_of(measure["figures"][key])
    mark = "~" if _is_busy(found, measure) else ""
    said = f"{title}: {found.title}" if title else found.title
    spread = "" if found.n == 1 else f"{number(found.low)} .. {number(found.high)}"
    return [said, mark + shown(found), spread, str(found.n)]


def _is_busy(figure: Figure, measure: Mapping[str, Any]) -> bool:
    return figure.depends and (measure["others"] or 0.0) > BUSY


def busy_note(measure: Mapping[str, Any]) -> str:
    """A sentence about what else ran; empty for a quiet machine."""
    busy = measure["others"]
    return "" if busy is None or busy <= BUSY else f"Other processes used {share(busy)} of the machine meanwhile."


def _stages(measure: Mapping[str, Any]) -> str:
    """Seconds by stage and chain, and their share."""
    chains: Mapping[str, Mapping[str, float]] = measure["detail"]["stages_s"]
    audio_s = measure["detail"]["audio_s"]
    rows = []
    for chain, stages in chains.items():
        total = sum(stages.values())
        parts = ", ".join(
            f"{name} {share(seconds / total)}" for name, seconds in stages.items() if seconds / total >= 0.005
        )
        rows.append([chain, f"{number(total)} s", f"{number(1000 * total / audio_s)} ms", parts])
    return _markdown(("chain", f"for {number(audio_s)} s of calls", "per second of call", "stages"), rows)


def leaks(measure: Mapping[str, Any]) -> list[list[str]]:
    """What each chain left of the labelled values, and what it took of other speech; no rows if nobody counted."""
    chains = measure["detail"].get("leaks") or measure["detail"].get("chains") or {}
    keys = ("leaked_entities_share", "leaked_s_share", "over_redaction")
    return [
        [chain, str(found["entities"]), str(found["leaked_entities"]), *(share(found[key], 1) for key in keys)]
        for chain, found in chains.items()
    ]


def shown(figure: Figure) -> str:
    """A median with its unit."""
    return quantity(figure.value, figure.unit)


def quantity(value: float, unit: str) -> str:
    """A number with its unit; a count has none."""
    return number(value) if unit == "count" else f"{number(value)} {unit}"


def share(value: float, digits: int = 0) -> str:
    """A share of 1 as a percentage."""
    return f"{100 * value:.{digits}f} %"


def number(value: float) -> str:
    """Three significant digits, without an exponent."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{float(f'{value:.3g}'):g}"


def _markdown(head: tuple[str, ...], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(cell.replace("|", "/") for cell in row) + " |" for row in rows]
    return "\n".join(lines)
