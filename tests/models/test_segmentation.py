"""The segmentation network and the clustering beside pyannote's own: the same numbers, without importing it."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import platformdirs
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models import segmentation
from models.diarize import DiarizeOptions
from models.diarize.cluster import clustered
from models.fetch import resolve
from models.segmentation import load_segmentation
from pipeline.errors import MissingModel

CACHE = platformdirs.user_cache_path("callseal") / "models"


def test_the_network_computes_what_pyannote_computes_bit_for_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames, sets of speakers and log probabilities are equal; pyannote loads it with its telemetry off."""
    folder = resolve("segmentation-3.0", CACHE)
    ours = load_segmentation(folder, "cpu")
    monkeypatch.setenv("PYANNOTE_METRICS_ENABLED", "1")
    monkeypatch.setattr(segmentation, "_ARCHITECTURE", ("another", "Network"))
    theirs = load_segmentation(folder, "cpu")
    from pyannote.audio.telemetry.metrics import is_metrics_enabled
    from pyannote.audio.utils.powerset import Powerset

    assert not is_metrics_enabled()
    assert type(ours.net) is not type(theirs.net)
    assert (ours.window, ours.step_s, ours.center_s, ours.frames) == (
        theirs.window,
        theirs.step_s,
        theirs.center_s,
        theirs.frames,
    )
    assert torch.equal(ours.sets, Powerset(3, 2).mapping.bool())
    noise = torch.randn(2, ours.window, generator=torch.Generator().manual_seed(5)) * torch.tensor([[1.0], [0.01]])
    with torch.inference_mode():
        assert torch.equal(ours.net(noise.unsqueeze(1)), theirs.net(noise.unsqueeze(1)))
        assert torch.equal(ours.active(noise), Powerset(3, 2)(theirs.net(noise.unsqueeze(1))) > 0.5)


@settings(max_examples=60, deadline=None)
@given(
    people=st.lists(st.integers(1, 60), min_size=1, max_size=6), spread=st.floats(0.0, 0.4), seed=st.integers(0, 999)
)
def test_voices_are_grouped_as_pyannote_groups_them(people: list[int], spread: float, seed: int) -> None:
    """From one clear speaker to a crowd in which no group is large, the same voices share a speaker."""
    from pyannote.audio.pipelines.clustering import AgglomerativeClustering

    drawn = np.random.default_rng(seed)
    voices = np.repeat(np.eye(8)[: len(people)], people, axis=0) + drawn.normal(size=(sum(people), 8)) * spread
    voices = (voices / np.linalg.norm(voices, axis=1, keepdims=True)).astype(np.float32)
    options = DiarizeOptions()
    found = clustered(voices, options)
    if len(voices) == 1:
        assert found.tolist() == [0]
        return
    smallest = max(options.min_cluster_size, round(options.min_cluster_share * len(voices)))
    asked = {"method": "average", "threshold": options.threshold, "min_cluster_size": smallest}
    theirs = AgglomerativeClustering(metric="cosine").instantiate(asked)
    expected = theirs.cluster(voices.copy(), min_clusters=1, max_clusters=len(voices))
    numbers = {each: number for number, each in enumerate(dict.fromkeys(expected.tolist()))}
    ours = {each: number for number, each in enumerate(dict.fromkeys(found.tolist()))}
    assert [ours[each] for each in found.tolist()] == [numbers[each] for each in expected.tolist()]


def test_neither_voice_activity_nor_diarization_imports_pyannote() -> None:
    """A cold start does not pay for a package of which only the weights are needed."""
    code = (
        "import sys, numpy as np\n"
        "from pathlib import Path\n"
        "from models.vad import PyannoteVad\n"
        "from models.diarize import PyannoteDiarizer\n"
        "segmentation, embedding = map(Path, sys.argv[1:])\n"
        "samples = np.random.default_rng(1).normal(size=192_000).astype(np.float32)\n"
        "PyannoteVad(segmentation).probabilities(samples, None)\n"
        "PyannoteDiarizer(segmentation, embedding).diarize([samples])\n"
        "print(sorted({'pyannote', 'lightning', 'onnxruntime', 'asteroid_filterbanks'} & set(sys.modules)))"
    )
    folders = [str(resolve(name, CACHE)) for name in ("segmentation-3.0", "campplus")]
    done = subprocess.run([sys.executable, "-c", code, *folders], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


class _Planted:
    """Writes a file where it is unpickled."""

    def __init__(self, to: Path) -> None:
        self.to = to

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.to,)


def test_a_weight_file_runs_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a file plants for whoever unpickles it does not run, and such a file is no PyanNet."""
    planted = tmp_path / "planted"
    torch.save({"pyannote.audio": _Planted(planted)}, tmp_path / "pytorch_model.bin", pickle_module=pickle)
    asked: list[Path] = []
    monkeypatch.setattr(segmentation, "_by_pyannote", lambda file, _: asked.append(file))
    load_segmentation(tmp_path, "cpu")
    assert asked == [tmp_path / "pytorch_model.bin"]
    assert not planted.exists()


def test_missing_weights_say_so(tmp_path: Path) -> None:
    """An empty folder is an error that names the command that helps."""
    with pytest.raises(MissingModel, match="callseal models fetch"):
        load_segmentation(tmp_path, "cpu")
