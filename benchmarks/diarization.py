"""`python -m benchmarks.diarization`: our diarizer beside pyannote's own pipeline, speed and error, file by file.

The other side is `SpeakerDiarization` of pyannote.audio with its default step of 0.1 and batch size 1, on the same two
networks. CAM++ is wrapped the way pyannote wraps its own embedding networks: it runs over the whole window and the
speaker's frames are weighted when statistics are pooled. Its clustering threshold, 0.35, is the best for it on these
files; ours is the default of `DiarizeOptions`. Both are timed in one process on one file after the other, with the
same number of threads. pyannote's default is slow, so its result for a file is kept in ``--cache`` and marked `*` when
it is taken from there: its speed is then that of the earlier run.

Error is the diarization error rate without a collar. Our spans are exclusive by contract, so both sides give their
exclusive output, and overlapped speech is left out where there is a reference.

References: RTTM files; for a call with two legs, the energy of each leg before they are mixed.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import platformdirs

from models.diarize import PyannoteDiarizer
from pipeline.types import SpeakerSpan, TimeSpan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

AUDIO = Path(__file__).resolve().parents[2] / "shared" / "data" / "audio"
RATE_HZ = 16_000
DEFAULT_THRESHOLD, DEFAULT_MIN_CLUSTER = 0.35, 12
ENERGY_FRAME_S = 0.010
LEG_FLOOR_DB, LEG_BLEED_DB = -40.0, 15.0  # quieter is no speech; so much quieter than the other leg is its echo
LEG_PAUSE_S, LEG_SHORTEST_S = 0.3, 0.1


@dataclass(frozen=True, slots=True)
class Row:
    """Figures of one file; errors are percent, None where there is nothing to compare with."""

    file: str
    duration_s: float
    speakers: int
    default_speakers: int
    speed: float
    default_speed: float
    default_cached: bool
    error: float | None
    default_error: float | None
    error_to_default: float


@dataclass(frozen=True, slots=True)
class Recording:
    """A mono recording and, where it is known, who speaks when in it."""

    name: str
    samples: NDArray[np.float32]
    truth: tuple[SpeakerSpan, ...] | None

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / RATE_HZ


def main() -> None:
    """Diarize every file twice, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description="speed and error of diarization beside pyannote's own pipeline")
    parser.add_argument("--audio", type=Path, default=AUDIO, help="folder with `calls` and `diar`")
    parser.add_argument("--models", type=Path, default=platformdirs.user_cache_path("callseal") / "models")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "callseal-diarization")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, help="where to write the figures")
    options = parser.parse_args()
    import torch

    folders = options.models / "segmentation-3.0", options.models / "campplus"
    ours = PyannoteDiarizer(*folders, threads=options.threads)
    torch.set_num_threads(options.threads)
    default = default_pipeline(*folders)
    options.cache.mkdir(parents=True, exist_ok=True)
    ours.diarize([np.zeros(RATE_HZ, dtype=np.float32)])
    rows = []
    for recording in recordings(options.audio):
        rows.append(measure(recording, ours, default, options.cache))
        print_row(rows[-1], header=len(rows) == 1)
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")


def recordings(audio: Path) -> list[Recording]:
    """Two-party calls and samples, mixed to mono."""
    legs = [load(audio / "calls" / f"aws_auto_repairs_49_{side}.wav") for side in ("agent", "caller")]
    length = min(map(len, legs))
    mixed = np.mean([leg[:length] for leg in legs], axis=0).astype(np.float32)
    found = [Recording("aws_auto_repairs_49", mixed, leg_truth([leg[:length] for leg in legs]))]
    unlabelled = ("calls/google_commercial_mono.wav", "calls/symbl_newPhonecall.mp3", "diar/azure_katiesteve.wav")
    labelled = [audio / "diar" / "pyannote_sample.wav", *sorted((audio / "diar" / "librimix").glob("*.flac"))]
    found += [Recording(Path(name).stem, load(audio / name), None) for name in unlabelled]
    return found + [Recording(file.stem, load(file), rttm(file.with_suffix(".rttm"))) for file in labelled]


def load(path: Path) -> NDArray[np.float32]:
    """(time,) samples at 16 kHz, all channels mixed."""
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("fltp", "mono", RATE_HZ)
        frames = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
        frames += resampler.resample(None)
    return np.concatenate([frame.to_ndarray()[0] for frame in frames]).astype(np.float32)


def rttm(path: Path) -> tuple[SpeakerSpan, ...]:
    """The spans of an RTTM file."""
    fields = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("SPEAKER")]
    return tuple(SpeakerSpan(row[7], TimeSpan(float(row[3]), float(row[3]) + float(row[4]))) for row in fields)


def leg_truth(legs: Sequence[NDArray[np.float32]]) -> tuple[SpeakerSpan, ...]:
    """Speech of each leg by its energy, the echo of the other leg left out."""
    hop = round(ENERGY_FRAME_S * RATE_HZ)
    levels = []
    for leg in legs:
        power = (leg[: len(leg) // hop * hop].reshape(-1, hop) ** 2).mean(axis=1)
        levels.append(10 * np.log10(np.convolve(power, np.full(5, 0.2), "same") + 1e-10))
    spans = []
    for index, level in enumerate(levels):
        speech = (level > LEG_FLOOR_DB) & (level > levels[1 - index] - LEG_BLEED_DB)
        spans += [SpeakerSpan(f"leg{index}", span) for span in active_spans(speech)]
    return tuple(spans)


def active_spans(speech: NDArray[np.bool_]) -> list[TimeSpan]:
    """Spans of a frame-wise decision, short pauses bridged and clicks left out."""
    edges = np.flatnonzero(np.diff(speech.astype(np.int8), prepend=0, append=0)) * ENERGY_FRAME_S
    joined: list[TimeSpan] = []
    for start_s, end_s in edges.reshape(-1, 2).tolist():
        near = joined and start_s - joined[-1].end_s < LEG_PAUSE_S
        joined.append(TimeSpan(joined.pop().start_s if near else start_s, end_s))
    return [span for span in joined if span.duration_s > LEG_SHORTEST_S]


def measure(recording: Recording, ours: PyannoteDiarizer, default: Any, cache: Path) -> Row:
    """One file through both."""
    second = RATE_HZ
    blocks = [recording.samples[at : at + second] for at in range(0, len(recording.samples), second)]
    spans, seconds = timed(lambda: ours.diarize(blocks))
    kept = cache / f"{recording.name}.json"
    cached = kept.exists()
    if not cached:
        theirs, their_seconds = timed(lambda: run_default(default, recording.samples))
        flat = [(each.speaker, each.span.start_s, each.span.end_s) for each in theirs]
        kept.write_text(json.dumps({"seconds": their_seconds, "spans": flat}), encoding="utf-8")
    found = json.loads(kept.read_text(encoding="utf-8"))
    theirs = tuple(SpeakerSpan(who, TimeSpan(start_s, end_s)) for who, start_s, end_s in found["spans"])
    truth, length_s = recording.truth, recording.duration_s
    return Row(
        file=recording.name,
        duration_s=round(length_s, 1),
        speakers=len({each.speaker for each in spans}),
        default_speakers=len({each.speaker for each in theirs}),
        speed=length_s / seconds,
        default_speed=length_s / found["seconds"],
        default_cached=cached,
        error=None if truth is None else error(truth, spans, length_s, skip_overlap=True),
        default_error=None if truth is None else error(truth, theirs, length_s, skip_overlap=True),
        error_to_default=error(theirs, spans, length_s, skip_overlap=False),
    )


def timed(work: Callable[[], tuple[SpeakerSpan, ...]]) -> tuple[tuple[SpeakerSpan, ...], float]:
    """What the work gives, and the seconds it takes."""
    started = time.perf_counter()
    spans = work()
    return spans, time.perf_counter() - started


def error(truth: Sequence[SpeakerSpan], spans: Sequence[SpeakerSpan], length_s: float, *, skip_overlap: bool) -> float:
    """Diarization error rate in percent, without a collar."""
    from pyannote.core import Annotation, Segment, Timeline  # type: ignore[import-untyped]
    from pyannote.metrics.diarization import DiarizationErrorRate

    def annotation(of: Sequence[SpeakerSpan]) -> Any:
        made = Annotation()
        for index, each in enumerate(of):
            made[Segment(each.span.start_s, each.span.end_s), index] = each.speaker
        return made

    rate = DiarizationErrorRate(skip_overlap=skip_overlap)
    return 100 * float(rate(annotation(truth), annotation(spans), uem=Timeline([Segment(0.0, length_s)])))


def default_pipeline(segmentation: Path, embedding: Path) -> Any:
    """The stock pipeline on our weights; nothing is fetched and no telemetry is sent."""
    os.environ["PYANNOTE_METRICS_ENABLED"] = "0"
    import torch
    from pyannote.audio import Model
    from pyannote.audio.core.plda import PLDA
    from pyannote.audio.core.task import Problem, Resolution, Specifications
    from pyannote.audio.models.blocks.pooling import StatsPool
    from pyannote.audio.pipelines import SpeakerDiarization

    from models.campplus import EMBEDDING_SIZE, fbank, load_campplus

    class WindowEmbedding(Model):
        """CAM++ over a whole window, pooled over the frames of one speaker."""

        def __init__(self) -> None:
            super().__init__(sample_rate=RATE_HZ, num_channels=1)
            self.net = load_campplus(embedding / "campplus_cn_en_common.pt")
            self.pool = StatsPool()
            self.specifications = Specifications(
                problem=Problem.REPRESENTATION, resolution=Resolution.CHUNK, duration=10.0
            )

        @property
        def dimension(self) -> int:
            return EMBEDDING_SIZE

        def forward(self, waveforms: Any, weights: Any = None, **_kwargs: Any) -> Any:
            features = torch.stack([fbank(samples[0]) for samples in waveforms])
            found = self.net.head(features - features.mean(dim=1, keepdim=True))
            for name, layer in self.net.xvector.named_children():
                found = self.pool(found, weights=weights) if name == "stats" else layer(found)
            return found

    pipeline = SpeakerDiarization(
        segmentation=str(segmentation / "pytorch_model.bin"),
        embedding=WindowEmbedding(),
        plda=PLDA.__new__(PLDA),  # only another clustering uses it; without one it would be fetched
        clustering="AgglomerativeClustering",
    )
    clustering = {"method": "average", "threshold": DEFAULT_THRESHOLD, "min_cluster_size": DEFAULT_MIN_CLUSTER}
    return pipeline.instantiate({"segmentation": {"min_duration_off": 0.0}, "clustering": clustering})


def run_default(pipeline: Any, samples: NDArray[np.float32]) -> tuple[SpeakerSpan, ...]:
    """The exclusive output of pyannote's pipeline."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = pipeline({"waveform": torch.from_numpy(samples)[None], "sample_rate": RATE_HZ, "uri": "call"})
    tracks = found.exclusive_speaker_diarization.itertracks(yield_label=True)
    return tuple(SpeakerSpan(who, TimeSpan(segment.start, segment.end)) for segment, _, who in tracks)


def print_row(row: Row, *, header: bool) -> None:
    """One line of the table; speed is times real time, errors are percent."""
    if header:
        print(f"{'file':24} {'dur s':>6} {'speakers':>9} {'ours x':>7} {'default x':>10} ", end="")
        print(f"{'ours DER':>9} {'default DER':>12} {'ours to default':>16}")
    mark = "*" if row.default_cached else " "
    errors = ["-" if value is None else f"{value:.1f}" for value in (row.error, row.default_error)]
    print(f"{row.file:24} {row.duration_s:6.1f} {row.speakers:4} /{row.default_speakers:3} {row.speed:7.1f} ", end="")
    print(f"{row.default_speed:9.2f}{mark} {errors[0]:>9} {errors[1]:>12} {row.error_to_default:16.1f}", flush=True)


if __name__ == "__main__":
    main()
