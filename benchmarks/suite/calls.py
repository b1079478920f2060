"""Measures of whole calls: two channels, and one channel with diarization, callseal beside compositions.

The chains take turns on each call, each of them first as often as the others, and a ratio is taken per call: what
else runs on the machine slows all chains of a call alike. What each chain left audible of the labelled values is
counted in the same run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from benchmarks import score
from benchmarks.suite import joined
from benchmarks.suite.chains import models_of
from benchmarks.suite.compositions import apart_of
from benchmarks.suite.figures import Result, figure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from benchmarks.suite.figures import Setting
    from benchmarks.suite.joined import JoinedCall
    from benchmarks.suite.passes import Pass

CALLS, QUICK_CALLS = 10, 2
MONO_CALLS, QUICK_MONO_CALLS = 2, 1
MODEL_STAGES: Final = ("transcribe", "diarize", "detect", "verify")
DEFAULT_DIARIZED: Final = "pyannote"
OURS, BATCHED, SEQUENTIAL = "callseal", "batched", "sequential"
TITLES: Final = {
    OURS: "callseal",
    BATCHED: "faster-whisper batched + Presidio + mute",
    SEQUENTIAL: "faster-whisper sequential + Presidio + mute",
    DEFAULT_DIARIZED: "pyannote defaults + faster-whisper batched + Presidio + mute",
}


@dataclass(slots=True)
class Runs:
    """Every pass of every chain over the same calls, in the same order."""

    calls: Sequence[JoinedCall]
    passes: dict[str, list[Pass]] = field(default_factory=dict)

    def seconds(self, chain: str, *, without: str = "") -> list[float]:
        """Of each call, without one stage if it is named."""
        return [each.seconds - each.stages_s.get(without, 0.0) for each in self.passes[chain]]

    def speeds(self, chain: str, *, without: str = "") -> list[float]:
        """Of each call, in times real time."""
        taken = self.seconds(chain, without=without)
        return [call.duration_s / seconds for call, seconds in zip(self.calls, taken, strict=True)]

    def ratios(self, other: str, *, without: str = "") -> list[float]:
        """How many times as long the other chain takes for a call as callseal does."""
        return [
            theirs / ours for theirs, ours in zip(self.seconds(other), self.seconds(OURS, without=without), strict=True)
        ]


def two_channels(setting: Setting) -> Result:
    """Ten two-channel calls: callseal, the batched and the sequential composition."""
    models, others = models_of(setting.settings), apart_of(setting.settings)
    models.warm()
    others.warm()
    calls = joined.write_calls(setting.folder, QUICK_CALLS if setting.quick else CALLS)
    chains: dict[str, Callable[[JoinedCall], Pass]] = {
        OURS: models.callseal,
        BATCHED: lambda call: others.composed(call, batched=True),
        SEQUENTIAL: lambda call: others.composed(call, batched=False),
    }
    found = compared(interleaved(calls, chains))
    found.notes.append(_settings_note(setting))
    return found


def mono(setting: Setting) -> Result:
    """One-channel calls with diarization: callseal, and pyannote's defaults with the batched composition."""
    models, others = models_of(setting.settings), apart_of(setting.settings)
    models.warm(diarized=True)
    others.warm(diarized=True)
    count = QUICK_MONO_CALLS if setting.quick else MONO_CALLS
    calls = joined.write_calls(setting.folder, count, mono=True, at_least_s=15.0 if setting.quick else 40.0)
    chains: dict[str, Callable[[JoinedCall], Pass]] = {
        OURS: models.callseal,
        DEFAULT_DIARIZED: lambda call: others.composed(call, batched=True, diarized=True),
    }
    found = compared(interleaved(calls, chains))
    found.notes.append(_settings_note(setting))
    return found


def interleaved(calls: Sequence[JoinedCall], chains: Mapping[str, Callable[[JoinedCall], Pass]]) -> Runs:
    """Every call through every chain, one chain after the other; who is first changes with the call."""
    runs = Runs(calls, {name: [] for name in chains})
    names = list(chains)
    for number, call in enumerate(calls):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            runs.passes[name].append(chains[name](call))
    return runs


def compared(runs: Runs) -> Result:
    """Speeds, ratios, stages and leaks of all chains over the same calls."""
    found = Result()
    add = found.figures
    for name in runs.passes:
        add[f"speed_{name}"] = figure(TITLES[name], runs.speeds(name), "x real time", "higher")
    for name in (each for each in runs.passes if each != OURS):
        add[f"ratio_{name}"] = figure(
            f"callseal against {TITLES[name]}", runs.ratios(name), "x", "higher", depends=False
        )
        add[f"ratio_{name}_unverified"] = figure(
            f"the same, callseal without listening again, which {TITLES[name]} does not do",
            runs.ratios(name, without="verify"),
            "x",
            "higher",
            depends=False,
        )
    around = [100 * (1 - _in_models(each) / each.seconds) for each in runs.passes[OURS]]
    add["around_models"] = figure(
        "time around the models: intake, decode, consent, redact, encode, seal, store, database",
        around,
        "%",
        "lower",
        depends=False,
    )
    diarized = [
        call.duration_s / each.stages_s["diarize"]
        for call, each in zip(runs.calls, runs.passes[OURS], strict=True)
        if DEFAULT_DIARIZED in runs.passes and each.stages_s.get("diarize")
    ]
    if diarized:
        add["diarization"] = figure("diarization alone", diarized, "x real time", "higher")
    found.detail["stages_s"] = {name: _by_stage(passes) for name, passes in runs.passes.items()}
    found.detail["audio_s"] = sum(call.duration_s for call in runs.calls)
    found.detail["calls"] = len(runs.calls)
    found.detail["statuses"] = sorted({each.status for each in runs.passes[OURS]})
    _count_leaks(runs, found)
    return found


def _in_models(each: Pass) -> float:
    return sum(each.stages_s.get(stage, 0.0) for stage in MODEL_STAGES)


def _by_stage(passes: Sequence[Pass]) -> dict[str, float]:
    """Seconds of all calls by stage; what no stage claims is ``other``."""
    stages: dict[str, float] = {}
    for each in passes:
        for stage, seconds in each.stages_s.items():
            stages[stage] = stages.get(stage, 0.0) + seconds
    stages["other"] = max(sum(each.seconds for each in passes) - sum(stages.values()), 0.0)
    return stages


def _count_leaks(runs: Runs, found: Result) -> None:
    """What each chain left of the labelled values of the same calls: the quality that its speed comes with."""
    table: dict[str, Any] = {}
    for name, passes in runs.passes.items():
        scores = [
            score.score_call(call.truth, {"redactions": each.redactions}, each.transcript)
            for call, each in zip(runs.calls, passes, strict=True)
        ]
        totals = score.total(scores).as_dict()
        wanted = (
            "entities",
            "leaked_entities",
            "leaked_entities_share",
            "leaked_s",
            "leaked_s_share",
            "over_redaction",
        )
        table[name] = {key: totals[key] for key in wanted}
    found.detail["leaks"] = table
    ours = table[OURS]
    found.figures["leaked"] = figure(
        f"labelled values that callseal left in these calls, of {ours['entities']}",
        [float(ours["leaked_entities"])],
        "count",
        "lower",
    )


def _settings_note(setting: Setting) -> str:
    asr = setting.settings.asr
    return (
        f"Weights {asr.model}, {asr.compute_type} on {asr.device}, the same for every chain, all cores; callseal "
        f"decodes with beam {asr.beam_size}, the compositions with their default of 5. callseal's time includes "
        "consent, listening again, sealing and the database."
    )
