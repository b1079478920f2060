"""Diarization with real weights, on the demo call: who is there, how blocks matter, and what must not happen."""

from __future__ import annotations

import socket
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import av
import numpy as np
import platformdirs
import pytest
import torch

from models.campplus import CamPlusPlus, fbank, load_campplus
from models.diarize import DiarizeOptions, PyannoteDiarizer
from models.diarize.cluster import clustered
from models.fetch import resolve
from models.threads import one_torch_thread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pipeline.types import SpeakerSpan

CALL = Path(__file__).resolve().parents[2] / "scripts" / "demo" / "call.wav"
RATE_HZ = 16_000


def folder(name: str) -> Path:
    """Where `make setup` put the weights."""
    return resolve(name, platformdirs.user_cache_path("callseal") / "models")


@pytest.fixture(scope="module")
def diarizer() -> PyannoteDiarizer:
    """Loaded once."""
    return PyannoteDiarizer(folder("segmentation-3.0"), folder("campplus"))


@pytest.fixture(scope="module")
def legs() -> NDArray[np.float32]:
    """(2, time) samples of the demo call's agent and customer."""
    with av.open(str(CALL)) as container:
        resampler = av.AudioResampler("fltp", "stereo", RATE_HZ)
        frames = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
        frames += resampler.resample(None)
    return np.concatenate([frame.to_ndarray() for frame in frames], axis=1).astype(np.float32)


def test_a_mixed_call_has_its_two_speakers_where_they_speak(
    diarizer: PyannoteDiarizer, legs: NDArray[np.float32]
) -> None:
    """Each speaker's time lies on one leg: the one that is louder there."""
    spans = diarizer.diarize([legs.mean(axis=0)])
    share: dict[str, Counter[int]] = {}
    for each in spans:
        heard = slice(round(each.span.start_s * RATE_HZ), round(each.span.end_s * RATE_HZ))
        louder = int(np.argmax((legs[:, heard] ** 2).mean(axis=1)))
        share.setdefault(each.speaker, Counter())[louder] += heard.stop - heard.start
    assert sorted(share) == ["SPEAKER_00", "SPEAKER_01"]
    assert {count.most_common(1)[0][0] for count in share.values()} == {0, 1}
    assert all(count.most_common(1)[0][1] > 0.9 * count.total() for count in share.values())


@pytest.mark.parametrize("leg", [0, 1])
def test_one_person_is_one_speaker(diarizer: PyannoteDiarizer, legs: NDArray[np.float32], leg: int) -> None:
    """A leg alone has one voice on it, however long it goes on."""
    assert {each.speaker for each in diarizer.diarize([legs[leg]])} == {"SPEAKER_00"}


@pytest.mark.parametrize("samples", [0, 1, 399, 4_000, 20 * RATE_HZ])
def test_silence_of_any_length_has_no_speaker(diarizer: PyannoteDiarizer, samples: int) -> None:
    """Neither nothing, nor less than one feature frame, nor digital silence is an error."""
    assert diarizer.diarize([np.zeros(samples, dtype=np.float32)]) == ()


def test_block_length_does_not_matter(diarizer: PyannoteDiarizer, legs: NDArray[np.float32]) -> None:
    """The same call in other blocks gives the same spans."""
    call = legs.mean(axis=0)
    whole = diarizer.diarize([call])
    assert diarizer.diarize(np.split(call, [1, 999, 170_001, 555_555])) == whole
    assert len(whole) > 2


def test_the_limit_on_speakers_holds(legs: NDArray[np.float32]) -> None:
    """With at most one speaker, two voices become one."""
    one = PyannoteDiarizer(folder("segmentation-3.0"), folder("campplus"), options=DiarizeOptions(max_speakers=1))
    assert {each.speaker for each in one.diarize([legs.mean(axis=0)])} == {"SPEAKER_00"}


def test_diarizing_opens_no_socket_and_prints_nothing(
    legs: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Loading and running stay on this machine."""

    def refuse(*_args: object, **_kwargs: object) -> NoReturn:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    fresh = PyannoteDiarizer(folder("segmentation-3.0"), folder("campplus"))
    assert fresh.diarize([legs.mean(axis=0)[: 12 * RATE_HZ]])
    assert capfd.readouterr().out == ""


def test_neither_the_count_of_threads_nor_torch_s_own_is_changed_by_diarizing(
    diarizer: PyannoteDiarizer, legs: NDArray[np.float32]
) -> None:
    """One thread or three give the same spans, and torch has as many threads after as before."""
    before, call = torch.get_num_threads(), legs.mean(axis=0)[: 20 * RATE_HZ]
    one, three = (
        PyannoteDiarizer(folder("segmentation-3.0"), folder("campplus"), threads=count).diarize([call])
        for count in (1, 3)
    )
    assert one == three == diarizer.diarize([call])
    assert torch.get_num_threads() == before


def test_python_memory_does_not_hold_the_call(diarizer: PyannoteDiarizer, legs: NDArray[np.float32]) -> None:
    """Twice the call costs far less than the samples that came with it."""
    call = legs.mean(axis=0)[: 20 * RATE_HZ]

    def peak(times: int) -> int:
        def blocks() -> Iterator[NDArray[np.float32]]:
            for _ in range(times):
                yield from (part.copy() for part in np.split(call, 20))

        tracemalloc.start()
        diarizer.diarize(blocks())
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    short, long = peak(3), peak(6)
    assert long - short < 0.25 * 3 * call.nbytes


def test_folding_normalisations_changes_no_embedding() -> None:
    """The network in inference form computes what the published weights compute."""
    weights = folder("campplus") / "campplus_cn_en_common.pt"
    plain = CamPlusPlus()
    plain.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    plain.eval()
    features = torch.randn(2, 300, 80, generator=torch.Generator().manual_seed(3))
    with one_torch_thread(), torch.inference_mode():
        assert torch.allclose(plain(features), load_campplus(weights)(features), atol=1e-4)


def test_two_utterances_of_one_person_are_closer_than_two_people(
    diarizer: PyannoteDiarizer, legs: NDArray[np.float32]
) -> None:
    """Embeddings of one leg are alike, embeddings of different legs are not."""
    net = load_campplus(folder("campplus") / "campplus_cn_en_common.pt")

    def voice(leg: int, spans: tuple[SpeakerSpan, ...]) -> torch.Tensor:
        parts = [legs[leg, round(s.span.start_s * RATE_HZ) : round(s.span.end_s * RATE_HZ)] for s in spans]
        with one_torch_thread(), torch.inference_mode():
            found = net(fbank(torch.from_numpy(np.concatenate(parts)))[None])
        return torch.nn.functional.normalize(found, dim=1)[0]

    voices = []
    for leg in (0, 1):
        spans = diarizer.diarize([legs[leg]])
        voices.append((voice(leg, spans[::2]), voice(leg, spans[1::2])))
    same = min(float(one @ other) for one, other in voices)
    across = max(float(one @ other) for one in voices[0] for other in voices[1])
    assert same > across + 0.15


@pytest.mark.parametrize(
    ("counts", "speakers"),
    [
        pytest.param((1,), 1, id="one voice"),
        pytest.param((60, 60), 2, id="two people"),
        pytest.param((300, 300, 7), 2, id="stray voices in a long call"),
        pytest.param((60, 60, 7), 3, id="a third person in a short one"),
    ],
)
def test_a_speaker_needs_enough_voices_for_the_length_of_the_call(counts: tuple[int, ...], speakers: int) -> None:
    """Stray voices add up with time: a handful founds a speaker in a short call and joins another in a long one."""
    voices = np.concatenate([np.repeat(np.eye(4, dtype=np.float32)[[who]], n, axis=0) for who, n in enumerate(counts)])
    assert len(set(clustered(voices, DiarizeOptions()).tolist())) == speakers
