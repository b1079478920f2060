"""The benchmark suite: its calls, its chains, its tables, and that the documents show what was measured."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile

from benchmarks.suite import calls, command, gpu, joined, page, tables, transcription
from benchmarks.suite.chains import Models
from benchmarks.suite.compositions import Apart
from benchmarks.suite.figures import Result, Setting, figure
from benchmarks.suite.machine import Neighbours, machine
from benchmarks.suite.measures import MEASURES, TARGETS, Measure
from benchmarks.suite.passes import Pass
from benchmarks.suite.roofline import Shape, shape_of, work
from models.fetch import resolve
from pipeline import build
from pipeline.config import load_settings
from pipeline.errors import UsageError
from tests import scripted
from tests.product import run

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.config import Settings


@pytest.fixture(name="small")
def _small(tmp_path: Path) -> Settings:
    """Settings with the small recogniser."""
    settings = load_settings(tmp_path / "data")
    return settings.model_copy(update={"asr": settings.asr.model_copy(update={"model": "tiny.en"})})


def test_joined_calls_are_the_same_everywhere(tmp_path: Path) -> None:
    """Each call has its own order of the shipped recordings, the same on every machine, with the labels moved along."""
    (tmp_path / "again").mkdir()
    made, again = joined.write_calls(tmp_path, 2), joined.write_calls(tmp_path / "again", 2)
    assert [each.path.read_bytes() for each in made] == [each.path.read_bytes() for each in again]
    assert made[0].path.read_bytes() != made[1].path.read_bytes()
    for call in made:
        samples, rate = soundfile.read(call.path)
        assert (samples.shape[1], rate) == (2, joined.RATE_HZ)
        assert call.duration_s == pytest.approx(len(samples) / rate, abs=0.01)
        assert call.duration_s >= 60
        assert call.labelled
        for label in (*call.truth["words"], *call.truth["pii"]):
            assert any(start_s <= label["start_s"] < end_s for start_s, end_s in call.labelled)


def test_mono_calls_hold_both_sides(tmp_path: Path) -> None:
    """One channel, and every label on it."""
    (call,) = joined.write_calls(tmp_path, 1, mono=True, at_least_s=5.0)
    samples, _ = soundfile.read(call.path)
    assert samples.ndim == 1
    assert {label["channel"] for label in (*call.truth["words"], *call.truth["pii"])} <= {"mixed"}


@pytest.mark.parametrize(
    ("shape", "encode", "cross", "token", "per_audio_s"),
    [
        (Shape(384, 4, 4), 36.9, 3.5, 0.066, 1.6),
        (Shape(512, 6, 6), 87.4, 9.4, 0.116, 3.7),
        (Shape(768, 12, 12), 344, 42.5, 0.333, 14.1),
        (Shape(1024, 24, 24), 1138, 151, 0.958, 46.5),
        (Shape(1280, 32, 32, 128), 2274, 315, 1.847, 93.0),
        (Shape(1280, 32, 4, 128), 2274, 39, 0.347, 78.4),
    ],
)
def test_work_of_a_window(shape: Shape, encode: float, cross: float, token: float, per_audio_s: float) -> None:
    """GFLOP by the shapes of tiny, base, small, medium, large-v3 and turbo."""
    found = work(shape)
    assert found.encode == pytest.approx(encode, rel=0.01)
    assert found.cross == pytest.approx(cross, rel=0.02)
    assert found.token == pytest.approx(token, rel=0.01)
    assert found.per_audio_s == pytest.approx(per_audio_s, rel=0.02)


def test_the_shape_is_read_from_the_weights() -> None:
    """Layers are counted in the file; the base model has six on either side."""
    assert shape_of(resolve("base", load_settings().models_dir), 512, 80) == Shape(512, 6, 6)


def test_chains_take_turns(tmp_path: Path) -> None:
    """Every chain has every call, who is first changes, and ratios are taken call by call."""
    made = joined.write_calls(tmp_path, 3, at_least_s=1.0)
    order: list[str] = []

    def chain(name: str, seconds: float) -> Any:
        def through(call: joined.JoinedCall) -> Any:
            order.append(f"{name} {call.name}")
            return Pass(seconds, {"transcribe": seconds / 2, "verify": seconds / 4}, [], None)

        return through

    runs = calls.interleaved(made, {"callseal": chain("a", 2.0), "batched": chain("b", 3.0)})
    assert [each[0] for each in order] == ["a", "b", "b", "a", "a", "b"]
    assert runs.ratios("batched") == [1.5] * 3
    assert runs.ratios("batched", without="verify") == [2.0] * 3
    found = calls.compared(runs)
    assert found.figures["around_models"].value == pytest.approx(25)
    assert found.detail["leaks"]["callseal"]["entities"] == sum(len(call.truth["pii"]) for call in made)


def test_a_composition_redacts_what_it_finds(small: Settings, tmp_path: Path) -> None:
    """The stock chain with real weights gives redactions, a transcript and times of its stages."""
    call = min(joined.write_calls(tmp_path, 4, at_least_s=1.0), key=lambda each: each.duration_s)
    others = Apart(small)
    for batched in (True, False):
        found = others.composed(call, batched=batched)
        assert set(found.stages_s) == {"decode", "transcribe", "detect", "redact"}
        assert found.seconds == pytest.approx(sum(found.stages_s.values()))
        assert found.transcript is not None
        assert found.transcript["turns"]
    others.close()


def test_callseal_goes_through_the_whole_flow(small: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our chain stores the call and reads its transcript back; the same call may come again."""
    monkeypatch.setattr(build, "build", scripted.rooms)
    (call,) = joined.write_calls(tmp_path, 1, at_least_s=30.0)
    models = Models(small)
    for found in (models.callseal(call), models.callseal(call)):
        assert found.status == "stored"
        assert found.transcript is not None
        assert found.stages_s["seal"] > 0


def test_the_sweep_finds_the_fastest_batch(tmp_path: Path, small: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a CPU, with models that cost nothing: speed, calls an hour and cost belong together."""
    monkeypatch.setattr(build, "build", scripted.rooms)
    found = gpu.gpu(Setting(small, tmp_path, quick=True, price_per_hour=2.0, sweep=True))
    speed = found.figures["times_real_time"].value
    assert found.figures["calls_per_hour"].value == pytest.approx(12 * speed)
    assert found.figures["cost"].value == pytest.approx(2000 / speed)
    assert [row["batch_size"] for row in found.detail["sweep"]] == list(gpu.QUICK_BATCHES)
    assert max(row["times_real_time"] for row in found.detail["sweep"]) == speed


def test_without_a_gpu_nothing_is_claimed(tmp_path: Path, small: Settings) -> None:
    """The table says why there is no figure."""
    assert gpu.gpu(Setting(small, tmp_path)).not_measured == "no GPU on this machine"


def test_words_and_numbers_are_held_against_the_labels(tmp_path: Path) -> None:
    """The labels themselves have no errors and every number; silence has all errors and none."""
    (call,) = joined.write_calls(tmp_path, 1)
    said = {name: [word for word in call.truth["words"] if word["channel"] == name] for name in call.truth["channels"]}
    nothing: transcription.Words = {name: [] for name in call.truth["channels"]}
    assert transcription.error_rate([call], [said]) == 0
    assert transcription.error_rate([call], [nothing]) == 1
    found, there = transcription.numbers_heard([call], [said])
    assert found == there > 0
    assert transcription.numbers_heard([call], [nothing]) == (0, there)


def test_neighbours_are_told_from_oneself() -> None:
    """What this process computes is not what others use."""
    with Neighbours() as watched:
        np.linalg.svd(np.random.default_rng(0).standard_normal((200, 200)))
    assert watched.share is not None
    assert 0 <= watched.share <= 1


def test_the_machine_is_described_without_its_name() -> None:
    """Processor, cores, memory, flags and versions."""
    found = machine()
    assert found["cores"] >= 1
    assert found["memory_gb"] > 0
    assert found["versions"]["ctranslate2"]


def test_every_target_belongs_to_a_measure() -> None:
    """Targets and the front page's rows name measures that exist."""
    assert {target.measure for target in TARGETS} <= MEASURES.keys()
    assert [name for name, _ in tables.SUMMARY] == list(MEASURES)


def test_a_run_leaves_json_and_a_page(tmp_path: Path) -> None:
    """The command measures, writes both files and prints the table; an operator's database is not touched."""
    done = run(
        *("bench", "run", "--quick", "--only", "sealing", "--only", "gpu", "--to", tmp_path / "b.json", "--json"),
        CALLSEAL_DATABASE__URL="postgresql://nobody@127.0.0.1:1/none",
        CALLSEAL_DATA_DIR=str(tmp_path / "data"),
    )
    assert done.code == 0, done.err
    results = done.json
    assert json.loads((tmp_path / "b.json").read_text()) == results
    assert list(results["measures"]) == ["sealing", "gpu"]
    assert results["measures"]["sealing"]["figures"]["seal_ratio"]["value"] > 0
    assert results["measures"]["gpu"]["not_measured"]
    assert "<table" in (tmp_path / "b.html").read_text()
    assert not (tmp_path / "data").exists()


def test_a_run_that_was_cut_off_goes_on(tmp_path: Path, small: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is measured already by the same code is kept; what failed is tried again, and so is all of other code."""
    tried: list[str] = []

    def measure(name: str) -> Measure:
        def measured(_: Setting) -> Result:
            tried.append(name)
            if name == "hook" and tried.count("hook") == 1:
                raise OSError
            return Result({"a": figure("a", [1.0], "x")})

        return Measure(name, measured)

    for name in ("sealing", "hook", "start"):
        monkeypatch.setitem(MEASURES, name, measure(name))
    to = tmp_path / "b.json"
    command.measure(small, command.Wanted(("sealing", "hook")), to, lambda _: None)
    assert command.read(to)["measures"]["hook"]["not_measured"] == "failed: OSError"
    everything = command.Wanted(("sealing", "hook", "start"), resume=True)
    found = command.measure(small, everything, to, lambda _: None)
    assert tried == ["sealing", "hook", "hook", "start"]
    assert list(found["measures"]) == ["sealing", "hook", "start"]
    to.write_text(json.dumps(found | {"commit": "other"}))
    command.measure(small, everything, to, lambda _: None)
    assert tried[4:] == ["sealing", "hook", "start"]


def test_an_unknown_measure_is_bad_usage() -> None:
    """The message names those that there are."""
    done = run("bench", "run", "--only", "none", "--json")
    assert (done.code, "two_channels" in done.err) == (2, True)


def _results(**measures: Result) -> dict[str, Any]:
    """A result file with these measures."""
    plain = {name: {**found.as_dict(), "seconds": 1.0, "others": 0.0} for name, found in measures.items()}
    top = {"made_at": "2026-11-24T12:00:00+00:00", "commit": "abc", "quick": False, "machine": machine()}
    return {"schema": 1, **top, "measures": plain}


@pytest.mark.parametrize(
    ("value", "said"), [(1.6, "1.6 x | met |"), (1.2, "1.2 x | not met: of callseal's time: listening again 60 %")]
)
def test_a_target_is_met_or_the_reason_is_measured(value: float, said: str) -> None:
    """Where it is not met, the table says where the time goes."""
    found = Result({"ratio_batched": figure("ratio", [value], "x", "higher", depends=False)})
    found.detail |= {"stages_s": {"callseal": {"transcribe": 4.0, "verify": 6.0}}, "audio_s": 60.0}
    assert said in tables.summary(_results(two_channels=found))


def test_a_ratio_that_is_missed_says_what_it_would_take() -> None:
    """What listening again costs, and the time that is left at the target if hearing alone takes more."""
    found = Result(
        {
            "ratio_pyannote": figure("ratio", [2.0], "x", "higher", depends=False),
            "ratio_pyannote_unverified": figure("the same", [2.5], "x", "higher", depends=False),
        }
    )
    stages = {"transcribe": 4.0, "diarize": 3.0, "verify": 2.0}
    found.detail |= {"stages_s": {"callseal": stages, "pyannote": {"transcribe": 18.0}}, "audio_s": 60.0}
    said = tables.summary(_results(mono=found))
    assert "without listening again, which the other does not do, 2.5 x" in said
    assert "10 x would be 1.8 s for these calls, first hearing and diarization alone are 7 s" in said
    found.detail["stages_s"]["pyannote"] = {"transcribe": 71.0}
    assert "would be" not in tables.summary(_results(mono=found))


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (0, "; what is misheard is covered all the same: of the 9 labelled values of the two-channel calls"),
        (2, "2 by callseal; of the 9 labelled values of the two-channel calls, these among them, callseal leaves 2"),
    ],
)
def test_numbers_that_are_missed_are_held_against_what_is_left(left: int, said: str) -> None:
    """Who heard how many, and what the same run left of them; that they are covered is said only if they are."""
    heard = Result({"numbers_behind": figure("behind", [1.0], "count", "lower")})
    heard.figures |= {f"speed_{name}": figure(name, [1.0], "x real time") for name in ("callseal", "sequential")}
    heard.detail["numbers_heard"] = {"callseal": [2, 4], "sequential": [3, 4]}
    whole = Result(detail={"leaks": {"callseal": {"entities": 9, "leaked_entities": left}}})
    whole.detail["leaks"]["callseal"] |= dict.fromkeys(("leaked_entities_share", "leaked_s_share", "over_redaction"), 0)
    shown = tables.summary(_results(transcription=heard, two_channels=whole))
    assert "not met: heard of 4: 3 by sequential, 2 by callseal" in shown
    assert said in shown


def test_the_page_loads_nothing() -> None:
    """One file, no script, no address but the names of SVG's namespaces."""
    committed = command.latest()
    assert committed is not None
    results = command.read(committed)
    shown = page.page(results)
    assert shown.count("<svg") == 2
    assert "<script" not in shown
    assert not re.search(r"(\bsrc=|@import|url\(['\"]?http|<link)", shown)
    assert set(re.findall(r"https?://[\w.]+", shown)) <= {"http://www.w3.org"}


def test_the_page_shows_the_committed_results() -> None:
    """What is committed is what the generator makes; plots may differ in a digit between machines."""
    committed = command.latest()
    assert committed is not None
    kept = (command.RESULTS / "report.html").read_text(encoding="utf-8")
    made = page.page(command.read(committed))
    words_kept, words_made = (re.sub(r"<svg.*?</svg>", "", each, flags=re.DOTALL) for each in (kept, made))
    assert words_kept == words_made


@pytest.mark.parametrize("document", command.BLOCKS)
def test_the_documents_show_the_committed_results(document: Path) -> None:
    """Tables are made from the last result that is committed; nobody types a number."""
    committed = command.latest()
    assert committed is not None
    text = document.read_text(encoding="utf-8")
    assert tables.written_into(text, command.BLOCKS[document], command.read(committed)) == text


def test_no_result_is_no_result(tmp_path: Path) -> None:
    """Anything else than a result of this schema is refused."""
    for content in ("", "[]", '{"schema": 99}'):
        (tmp_path / "a.json").write_text(content)
        with pytest.raises(UsageError):
            command.read(tmp_path / "a.json")
