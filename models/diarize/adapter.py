"""The adapter: pyannote segmentation-3.0 finds who speaks inside 10 s windows, CAM++ tells their voices apart.

Takes blocks of 16 kHz mono samples, gives exclusive speaker spans. Audio is held for one batch of windows only; voices
live as long as one call to ``diarize`` and leave it as speaker numbers alone. Nothing is downloaded, no socket opens.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from models.diarize.attribute import DiarizeOptions, Frames, WindowSpeakers, exclusive_spans
from models.diarize.cluster import clustered
from models.diarize.windows import WindowBatch, window_batches
from models.threads import one_torch_thread
from pipeline.errors import MissingModel

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from pipeline.types import SpeakerSpan


_SAMPLE_RATE_HZ = 16_000
_EMBEDDING_FILE = "campplus_cn_en_common.pt"
# A window this quiet (-80 dBFS) holds no speech, and the segmentation model normalises it into noise.
_SILENCE_PEAK = 1e-4
# Feature frames: 25 ms every 10 ms. A voice is known by at least this many, and alone if that gives this long.
_FEATURE_WINDOW, _FEATURE_STEP, _FRAMES_PER_S = 400, 160, 100
_MIN_FRAMES, _MIN_ALONE_S = 3, 0.3
_AT_ONCE = 8  # windows that one thread segments together


class PyannoteDiarizer:
    """Diarizes mono calls.

    Args:
        segmentation: folder with pyannote segmentation-3.0 (``pytorch_model.bin``).
        embedding: folder with CAM++ (``campplus_cn_en_common.pt``).
        options: see ``DiarizeOptions``.
        device: torch device, for example ``cpu`` or ``cuda``.
        threads: how many parts of a batch are computed at once, each by one torch thread; as many as torch has threads
            if not given.

    Raises:
        MissingModel: a weight file is not there.
    """

    def __init__(
        self,
        segmentation: Path,
        embedding: Path,
        *,
        options: DiarizeOptions | None = None,
        device: str = "cpu",
        threads: int | None = None,
    ) -> None:
        if not (embedding / _EMBEDDING_FILE).is_file():
            raise MissingModel(f"weights are missing: {_EMBEDDING_FILE}; fetch them with 'callseal models fetch'")
        import torch

        from models.campplus import load_campplus
        from models.segmentation import load_segmentation

        self._options = options or DiarizeOptions()
        self._threads = threads
        self._device = torch.device(device)
        self._segment = load_segmentation(segmentation, device)
        self._embed = load_campplus(embedding / _EMBEDDING_FILE).to(self._device)

    def diarize(self, blocks: Iterable[NDArray[np.float32]]) -> tuple[SpeakerSpan, ...]:
        """Exclusive speaker spans of consecutive (time,) blocks at 16 kHz; see ``pipeline.speakers.Diarizer``."""
        with self._workers() as workers:
            windows = tuple(self._observed(blocks, workers))
        return exclusive_spans(
            windows,
            Frames(self._segment.step_s, self._segment.center_s),
            self._options,
            partial(clustered, options=self._options),
        )

    @contextmanager
    def _workers(self) -> Iterator[ThreadPoolExecutor]:
        import torch

        with one_torch_thread() as threads:
            count = self._threads or (threads if self._device.type == "cpu" else 1)
            with ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,)) as workers:
                yield workers

    def _observed(self, blocks: Iterable[NDArray[np.float32]], workers: ThreadPoolExecutor) -> Iterator[WindowSpeakers]:
        step = round(self._options.step_s * _SAMPLE_RATE_HZ)
        first = 0
        for batch in window_batches(
            blocks, window=self._segment.window, step=step, batch=self._options.windows_per_batch
        ):
            active = self._segmented(batch, step, workers)
            voices = self._voices(batch, step, active, workers)
            for i in range(batch.count):
                yield WindowSpeakers((first + i) * step / _SAMPLE_RATE_HZ, active[i], voices[i])
            first += batch.count

    def _segmented(self, batch: WindowBatch, step: int, workers: ThreadPoolExecutor) -> NDArray[np.bool_]:
        """(windows, frames, local speakers) bool."""
        view = np.lib.stride_tricks.sliding_window_view(batch.samples, self._segment.window)[::step][: batch.count]
        audible = np.flatnonzero(np.abs(view).max(axis=1) > _SILENCE_PEAK)
        frames, speakers = self._segment.frames, self._segment.sets.shape[1]
        active = np.zeros((batch.count, frames, speakers), dtype=bool)
        parts = [part for part in np.array_split(audible, self._options.windows_per_batch // _AT_ONCE) if part.size]
        for part, found in zip(parts, workers.map(lambda part: self._active(view[part]), parts), strict=True):
            active[part] = found
        starts = np.arange(batch.count) * step
        ends_s = (np.arange(frames) + 0.5) * self._segment.step_s + self._segment.center_s
        active &= (starts[:, None] / _SAMPLE_RATE_HZ + ends_s <= batch.valid / _SAMPLE_RATE_HZ)[..., None]
        return active

    def _active(self, windows: NDArray[np.float32]) -> NDArray[np.bool_]:
        import torch

        with torch.inference_mode():
            found: NDArray[np.bool_] = self._segment.active(torch.from_numpy(windows).to(self._device)).cpu().numpy()
        return found

    def _voices(
        self, batch: WindowBatch, step: int, active: NDArray[np.bool_], workers: ThreadPoolExecutor
    ) -> NDArray[np.float32]:
        """(windows, local speakers, dimension) unit vectors; NaN where a speaker is not heard."""
        import torch

        from models.campplus import EMBEDDING_SIZE, FRAME_STEP_SAMPLES, fbank

        voices = np.full((*active.shape[::2], EMBEDDING_SIZE), np.nan, dtype=np.float32)
        chosen = self._voice_frames(active)
        if not chosen:
            return voices
        by_length: dict[int, list[tuple[int, int, NDArray[np.int_]]]] = {}
        for window, local, frames in chosen:
            by_length.setdefault(len(frames), []).append((window, local, frames + window * step // FRAME_STEP_SAMPLES))
        size = self._options.voices_per_batch
        parts = [same[first : first + size] for same in by_length.values() for first in range(0, len(same), size)]
        with torch.inference_mode():
            features = fbank(torch.from_numpy(batch.samples).to(self._device))

        def embedded(part: list[tuple[int, int, NDArray[np.int_]]]) -> NDArray[np.float32]:
            with torch.inference_mode():
                rows = torch.from_numpy(np.stack([frames for _, _, frames in part]))
                found: NDArray[np.float32] = torch.nn.functional.normalize(self._embed(features[rows])).cpu().numpy()
            return found

        for part, found in zip(parts, workers.map(embedded, parts), strict=True):
            for (window, local, _), voice in zip(part, found, strict=True):
                voices[window, local] = voice
        return voices

    def _voice_frames(self, active: NDArray[np.bool_]) -> list[tuple[int, int, NDArray[np.int_]]]:
        """Window, local speaker and the feature frames to know the voice by: alone where that is long enough.

        Frame counts are rounded to whole seconds, so that voices of one length can share a batch.
        """
        per_window = 1 + (self._segment.window - _FEATURE_WINDOW) // _FEATURE_STEP
        middles_s = (np.arange(per_window) * _FEATURE_STEP + _FEATURE_WINDOW / 2) / _SAMPLE_RATE_HZ
        nearest = np.rint((middles_s - self._segment.center_s) / self._segment.step_s).astype(int)
        nearest = np.clip(nearest, 0, active.shape[1] - 1)
        alone = active & (active.sum(axis=2, keepdims=True) == 1)
        longest = round(self._options.max_voice_s * _FRAMES_PER_S)
        chosen = []
        for window, local in zip(*np.nonzero(active.any(axis=1)), strict=True):
            enough = alone[window, :, local].sum() * self._segment.step_s >= _MIN_ALONE_S
            frames = np.flatnonzero((alone if enough else active)[window, nearest, local])
            if len(frames) >= _MIN_FRAMES:
                seconds = max(round(len(frames) / _FRAMES_PER_S), 1)
                count = min(seconds * _FRAMES_PER_S, longest)
                spare = max(len(frames) - count, 0) // 2
                chosen.append((int(window), int(local), np.resize(frames[spare:], count)))
        return chosen
