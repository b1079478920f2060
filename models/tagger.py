"""Which words of a talk are personal data: a small transformer that reads question and answer as they were heard.

Takes turns, gives for every word how likely it is personal data, and of what sort. The encoder is MPNet (uncased, 12
layers of 768; Song et al. 2020, arXiv 2004.09297) as tuned for sentences (all-mpnet-base-v2); the low-rank matrices
beside this file (Hu et al. 2021, arXiv 2106.09685), a layer of marks and a head were learnt with ``benchmarks.tagger``
from labelled calls as the recogniser heard them, its misheard names and its doubts included.
Promises: no word leaves this file; what the network holds at once does not grow with the call; no socket is opened.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as fn

from models.registry import TUNED_FILE
from pipeline.errors import MissingModel
from pipeline.pii import WordTag

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pipeline.types import Turn

SORTS: Final = ("", "PERSON", "ACCOUNT_NUMBER", "PASSWORD", "ADDRESS", "EMAIL_ADDRESS")
"""What the head tells apart; the first is no personal data. Numbers of every kind are one sort, secrets another."""
WIDTH, LAYERS, HEADS, INNER, PIECES, PLACES = 768, 12, 12, 3072, 30_527, 514
BUCKETS, FARTHEST = 32, 128
"""Kinds of distance between two pieces, and from which on they are all one kind."""
_FIRST, _BREAK, _UNKNOWN = 0, 2, 104
"""Word pieces that open a window and a turn, and that stand for what has none."""
_FIRST_PLACE = 2
WINDOW, STEP = 256, 192
"""Word pieces that are read together, and from one such window to the next: a word counts where it stands deepest."""
BATCH = 16
DOUBTS: Final = (0.3, 0.5, 0.7)
"""Probabilities of the recogniser below which a word is marked."""
MARKS: Final = 13
PAUSE_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Pieces:
    """A talk as the network reads it.

    Args:
        ids: a word piece each.
        marks: MARKS figures for each: who speaks, how sure the recogniser was, how it wrote the word.
        firsts: where each word's first piece stands, in the order of ``words``.
        words: turn and place in the turn of each word.
    """

    ids: list[int] = field(repr=False)
    marks: list[tuple[float, ...]] = field(repr=False)
    firsts: list[int]
    words: list[tuple[int, int]]


class _Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.widen, self.narrow = nn.Linear(WIDTH, INNER), nn.Linear(INNER, WIDTH)
        self.attended, self.fed = nn.LayerNorm(WIDTH, eps=1e-5), nn.LayerNorm(WIDTH, eps=1e-5)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        batch, length, _ = x.shape
        query, key, value = self.qkv(x).view(batch, length, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        seen = fn.scaled_dot_product_attention(query, key, value, attn_mask=bias.to(query.dtype))
        x = self.attended(x + self.out(seen.transpose(1, 2).reshape(batch, length, WIDTH)))
        return self.fed(x + self.narrow(fn.gelu(self.widen(x))))  # type: ignore[no-any-return]


class TalkNet(nn.Module):
    """(batch, pieces) ids, (batch, pieces, MARKS) marks, (batch, pieces) bool to (batch, pieces, sorts) logits."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces, self.places = nn.Embedding(PIECES, WIDTH), nn.Embedding(PLACES, WIDTH)
        self.embedded = nn.LayerNorm(WIDTH, eps=1e-5)
        self.distance = nn.Embedding(BUCKETS, HEADS)
        self.layers = nn.ModuleList(_Layer() for _ in range(LAYERS))
        self.marked, self.head = nn.Linear(MARKS, WIDTH), nn.Linear(WIDTH, len(SORTS))
        self.drop = nn.Dropout(0.1)

    def forward(self, ids: Tensor, marks: Tensor, mask: Tensor) -> Tensor:
        """Logits of every piece."""
        length = ids.shape[1]
        x = self.pieces(ids) + self.places.weight[_FIRST_PLACE : _FIRST_PLACE + length] + self.marked(marks)
        x = self.drop(self.embedded(x))
        bias = self.distance(distances(length).to(ids.device)).permute(2, 0, 1)[None]
        bias = bias.masked_fill(~mask[:, None, None, :], float("-inf"))
        for layer in self.layers:
            x = layer(x, bias)
        return self.head(self.drop(x))  # type: ignore[no-any-return]


def distances(length: int) -> Tensor:
    """(pieces, pieces) kinds of distance from one piece to another: near ones exact, far ones in steps that grow."""
    half, exact = BUCKETS // 2, BUCKETS // 4
    places = torch.arange(length)
    ahead = places[None, :] - places[:, None]
    far = ahead.abs().clamp(min=1)
    steps = exact + (torch.log(far / exact) / math.log(FARTHEST / exact) * (half - exact)).long()
    return torch.where(far < exact, ahead.abs(), steps.clamp(max=half - 1)) + half * (ahead > 0)


def load_net(folder: Path, tuned: Path | None = TUNED_FILE) -> TalkNet:
    """The network with the encoder of a folder and what was learnt; without ``tuned`` its head says nothing yet.

    Raises:
        MissingModel: the weights are not there.
    """
    from safetensors.torch import load_file

    file = folder / "model.safetensors"
    if not file.is_file():
        raise MissingModel(f"weights are missing: {file.name}; fetch them with 'callseal models fetch'")
    with torch.device("meta"):
        net = TalkNet()
    weights = _encoder(load_file(file))
    learnt = {name: each.float() for name, each in load_file(tuned).items()} if tuned else _unlearnt()
    for name in [name.removesuffix(".down") for name in learnt if name.endswith(".down")]:
        weights[name] += learnt.pop(f"{name}.up") @ learnt.pop(f"{name}.down")
    net.load_state_dict(weights | learnt, assign=True)
    return net


def _unlearnt() -> dict[str, Tensor]:
    """A head at random, and marks that count for nothing."""
    marked, head = nn.Linear(MARKS, WIDTH), nn.Linear(WIDTH, len(SORTS))
    parts = {"marked.weight": torch.zeros_like(marked.weight), "marked.bias": torch.zeros_like(marked.bias)}
    return parts | {"head.weight": head.weight.detach(), "head.bias": head.bias.detach()}


def _encoder(file: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights of an MPNet by the names they have here."""
    weights = {
        "pieces.weight": file["embeddings.word_embeddings.weight"],
        "places.weight": file["embeddings.position_embeddings.weight"],
        "distance.weight": file["encoder.relative_attention_bias.weight"],
    }
    parts = {
        "out": "attention.attn.o",
        "attended": "attention.LayerNorm",
        "widen": "intermediate.dense",
        "narrow": "output.dense",
        "fed": "output.LayerNorm",
    }
    for end in ("weight", "bias"):
        weights[f"embedded.{end}"] = file[f"embeddings.LayerNorm.{end}"]
        for number in range(LAYERS):
            layer = f"encoder.layer.{number}"
            joined = [file[f"{layer}.attention.attn.{part}.{end}"] for part in "qkv"]
            weights[f"layers.{number}.qkv.{end}"] = torch.cat(joined)
            weights |= {f"layers.{number}.{ours}.{end}": file[f"{layer}.{part}.{end}"] for ours, part in parts.items()}
    return weights


class TalkTagger:
    """The network behind ``pipeline.pii.Tagger``.

    Args:
        folder: of the encoder.
        device: of torch.
        tuned: file of what was learnt; None to learn it.

    Raises:
        MissingModel: the weights are not there.
    """

    def __init__(self, folder: Path, device: str = "cpu", tuned: Path | None = TUNED_FILE) -> None:
        from tokenizers import Tokenizer

        self._device = device
        self._precision = torch.bfloat16 if device == "cpu" and _halves() else torch.float32
        net = load_net(folder, tuned).eval().requires_grad_(requires_grad=False)
        self._net = net.to(device, self._precision)
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def tag(self, turns: Sequence[Turn]) -> list[list[WordTag]]:
        """For each word of each turn, the likeliest sort of personal data and how likely the word is any."""
        talk = self.read(turns)
        unread = WordTag(SORTS[1], 1.0)  # a word that no window held would go
        tags = [[unread] * len(turn.words) for turn in turns]
        deepest = [-1] * len(talk.words)
        windows = list(_windows(len(talk.ids)))
        for batch in (windows[at : at + BATCH] for at in range(0, len(windows), BATCH)):
            for (start, end), sorts in zip(batch, self._likely(talk, batch), strict=True):
                for word in range(bisect_left(talk.firsts, start), bisect_left(talk.firsts, end)):
                    first = talk.firsts[word]
                    depth = min(first - start, end - 1 - first)
                    if depth > deepest[word]:
                        deepest[word] = depth
                        turn, at = talk.words[word]
                        nothing, *others = sorts[first - start + 1]
                        best = max(range(len(others)), key=others.__getitem__)
                        tags[turn][at] = WordTag(SORTS[best + 1], 1 - nothing)
        return tags

    def read(self, turns: Sequence[Turn]) -> Pieces:
        """The talk in the order of its turns' starts, a break before each turn."""
        talk = Pieces([], [], [], [])
        speakers: dict[str, int] = {}
        ended_s = 0.0
        for index in sorted(range(len(turns)), key=lambda at: (turns[at].span.start_s, at)):
            turn = turns[index]
            side = float(speakers.setdefault(f"{turn.channel}:{turn.speaker}", len(speakers)) % 2)
            talk.ids.append(_BREAK)
            talk.marks.append((side, 1 - side, 1.0, *[0.0] * (MARKS - 3)))
            for at, word in enumerate(turn.words):
                marks = (side, 1 - side, 0.0, *_marks(word.text, word.probability, word.span.start_s - ended_s))
                pieces = self._tokenizer.encode(word.text.strip(), add_special_tokens=False).ids or [_UNKNOWN]
                talk.firsts.append(len(talk.ids))
                talk.words.append((index, at))
                talk.ids.extend(pieces)
                talk.marks.extend([(*marks, 0.0), *[(*marks, 1.0)] * (len(pieces) - 1)])
                ended_s = word.span.end_s
        return talk

    def _likely(self, talk: Pieces, windows: Sequence[tuple[int, int]]) -> list[list[list[float]]]:
        ids, marks, mask = padded([(talk.ids[a:b], talk.marks[a:b]) for a, b in windows])
        with torch.inference_mode():
            logits = self._net(ids.to(self._device), marks.to(self._device, self._precision), mask.to(self._device))
        return logits.float().softmax(dim=-1).cpu().tolist()  # type: ignore[no-any-return]


def _halves() -> bool:
    """Whether the processor reckons in bfloat16 of its own, which is three times as fast and no less right."""
    found = torch.cpu.get_capabilities()
    return bool(found.get("avx512_bf16") or found.get("amx_bf16"))


def padded(windows: Sequence[tuple[Sequence[int], Sequence[Sequence[float]]]]) -> tuple[Tensor, Tensor, Tensor]:
    """Windows, each behind its opening piece, as ids, marks and where there is something."""
    length = 1 + max(len(ids) for ids, _ in windows)
    ids = torch.zeros(len(windows), length, dtype=torch.long)
    marks = torch.zeros(len(windows), length, MARKS)
    mask = torch.zeros(len(windows), length, dtype=torch.bool)
    for row, (each, marked) in enumerate(windows):
        ids[row, : len(each) + 1] = torch.tensor([_FIRST, *each])
        marks[row, 1 : len(each) + 1] = torch.tensor(marked)
        mask[row, : len(each) + 1] = True
    return ids, marks, mask


def _windows(length: int) -> Iterator[tuple[int, int]]:
    for start in range(0, length, STEP):
        yield start, min(start + WINDOW - 1, length)
        if start + WINDOW - 1 >= length:
            break


def _marks(text: str, probability: float, gap_s: float) -> tuple[float, ...]:
    """How sure a word is and how it is written."""
    word = text.strip()
    return (
        probability,
        *(float(probability < doubt) for doubt in DOUBTS),
        float(word[:1].isupper()),
        float(word.isupper() and len(word) > 1),
        float(any(char.isdigit() for char in word)),
        float(word[-1:] in tuple(".?!")),
        float(gap_s > PAUSE_S),
    )
