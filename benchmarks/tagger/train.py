"""Learn ``models/tagger.safetensors``: ``python -m benchmarks.tagger.train [--epochs 12] [--out FILE]``.

Low-rank matrices are learnt on every linear layer of the encoder, which itself stays as it is. Names, secrets and
figures are drawn anew in every epoch, names half of the time as everyday words, for that is what the recogniser hears
them as: the network learns where personal data stands, not which. Beside what was heard, every script is read once an
epoch as written, and a share of real talk as people wrote it down (``texts``), with doubts of the recogniser drawn from
what was heard. Some talks lose their capitals, their marks or their turns, as a recogniser's may. What is kept is a
moving average of what was learnt. One script in ten is kept back to be measured on.
"""

from __future__ import annotations

import argparse
import os
import random
import time
import zlib
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as fn

from benchmarks.corpus import pools, script
from benchmarks.tagger.examples import NUMBER, SETS, UNTOLD, Example, examples, written
from benchmarks.tagger.texts import texts
from models.registry import TUNED_FILE
from models.tagger import SORTS, WINDOW, TalkTagger, load_net, padded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pipeline.types import Turn, Word

RANK = 8
AVERAGED = 0.998
"""How much of the moving average a step leaves."""
SHARE_OF_TEXTS = 0.3
"""Of the real talk as written that is read in an epoch."""
UNCASED, UNMARKED, UNTURNED = 0.15, 0.15, 0.08
"""Shares of talks without capitals, without full stops and commas, and without turns."""
RATE, RATE_HEAD = 4e-4, 1e-3
BATCH = 16
WARM = 50
"""Steps over which the rate rises."""
IGNORED = -100
RENAMED, GARBLED = 0.35, 0.2
"""Shares of names that are drawn anew as other names, and as everyday words."""
REFIGURED, RESET = 0.7, 0.5
"""Shares of numbers and of secrets that are drawn anew."""


class _LowRank(nn.Module):
    """A linear layer that stays as it is, and the two narrow ones that are learnt beside it."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        rows, columns = linear.weight.shape
        self.register_buffer("weight", linear.weight.detach().bfloat16())
        self.register_buffer("bias", linear.bias.detach().bfloat16())
        self.down = nn.Parameter(torch.randn(RANK, columns) / columns**0.5)
        self.up = nn.Parameter(torch.zeros(rows, RANK))

    def forward(self, x: Tensor) -> Tensor:
        return fn.linear(x, self.weight, self.bias) + fn.linear(fn.linear(x, self.down), self.up)


class Redrawn:
    """Examples with other names, secrets and figures than they were heard with."""

    def __init__(self, rng: random.Random, heard: Sequence[Example]) -> None:
        self._rng = rng
        self._sure = [word.probability for each in heard for turn in each.turns for word in turn.words]
        self._names = pools.listed("given_names"), pools.listed("surnames")
        self._words = pools.listed("common_words")

    def of(self, example: Example) -> Example:
        """The example, drawn anew."""
        turns, labels = [], []
        for turn, marked in zip(example.turns, example.labels, strict=True):
            words: list[Word] = []
            sorts: list[str] = []
            for first, end in _stretches(marked):
                drawn = self._stretch(turn.words[first:end], marked[first])
                words += drawn
                sorts += [marked[first]] * len(drawn)
            turns.append(replace(turn, words=tuple(words)))
            labels.append(tuple(sorts))
        return Example(example.script, tuple(turns), tuple(labels))

    def doubted(self, example: Example) -> Example:
        """The example with its words as unsure as they were in what was heard."""
        turns = [
            replace(turn, words=tuple(replace(word, probability=self._rng.choice(self._sure)) for word in turn.words))
            for turn in example.turns
        ]
        return replace(example, turns=tuple(turns))

    def worn(self, example: Example) -> Example:
        """The example as a recogniser may write it that leaves out capitals, marks or who speaks."""
        turns = example.turns
        if self._rng.random() < UNCASED:
            turns = _rewritten(turns, str.lower)
        if self._rng.random() < UNMARKED:
            turns = _rewritten(turns, lambda text: text.rstrip(".,?!") or text)
        if self._rng.random() < UNTURNED:
            words = tuple(word for turn in turns for word in turn.words)
            labels = tuple(label for marked in example.labels for label in marked)
            return Example(example.script, (replace(turns[0], words=words),), (labels,))
        return replace(example, turns=turns)

    def _stretch(self, words: Sequence[Word], sort: str) -> Sequence[Word]:
        chance = self._rng.random()
        if sort == "PERSON" and chance < RENAMED + GARBLED:
            return self._said(words, self._name(len(words)) if chance < RENAMED else self._garble())
        if sort == "PASSWORD" and chance < RESET:
            return self._said(words, self._garble())
        if sort == NUMBER and chance < REFIGURED:
            return [replace(word, text="".join(map(self._figure, word.text))) for word in words]
        return words

    def _name(self, count: int) -> list[str]:
        given, surnames = self._names
        both = [self._rng.choice(given).title(), self._rng.choice(surnames).title()]
        return both if count > 1 else [self._rng.choice(both)]

    def _garble(self) -> list[str]:
        said = [self._rng.choice(self._words) for _ in range(self._rng.randint(1, 3))]
        return [word.title() for word in said] if self._rng.random() < RENAMED else said

    def _figure(self, char: str) -> str:
        return self._rng.choice("0123456789") if char.isdigit() else char

    def _said(self, words: Sequence[Word], texts: Sequence[str]) -> list[Word]:
        """Other words in the time of these, as surely heard as one of them or as anything may be."""
        ending = words[-1].text[-1:] if words[-1].text[-1:] in tuple(".,?!") else ""
        texts = [*texts[:-1], texts[-1] + ending]
        return [
            replace(words[min(at, len(words) - 1)], text=text, probability=self._rng.uniform(0.15, 1.0))
            for at, text in enumerate(texts)
        ]


def _rewritten(turns: Sequence[Turn], how: Callable[[str], str]) -> tuple[Turn, ...]:
    return tuple(
        replace(turn, words=tuple(replace(word, text=how(word.text)) for word in turn.words)) for turn in turns
    )


def _stretches(labels: Sequence[str]) -> Iterator[tuple[int, int]]:
    first = 0
    for at in range(1, len(labels) + 1):
        if at == len(labels) or labels[at] != labels[first]:
            yield first, at
            first = at


Window = tuple[list[int], list[tuple[float, ...]], list[int]]


def windows(example: Example, reader: TalkTagger, first: int = WINDOW - 1) -> Iterator[Window]:
    """Word pieces, marks and labels of an example; the first window has ``first`` pieces."""
    talk = reader.read(example.turns)
    wanted = [IGNORED] * len(talk.ids)
    for at, (turn, word) in zip(talk.firsts, talk.words, strict=True):
        label = example.labels[turn][word]
        wanted[at] = IGNORED if label == UNTOLD else SORTS.index(label)
    start, end = 0, first
    while start < len(talk.ids):
        yield talk.ids[start:end], talk.marks[start:end], wanted[start:end]
        start, end = end, end + WINDOW - 1


def batches(found: Sequence[Window], rng: random.Random) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Windows of much the same length, as ids, marks, mask and labels."""
    ordered = sorted(found, key=lambda each: len(each[0]) + rng.random() * 20)
    groups = [ordered[at : at + BATCH] for at in range(0, len(ordered), BATCH)]
    rng.shuffle(groups)
    for group in groups:
        ids, marks, mask = padded([(each[0], each[1]) for each in group])
        labels = torch.full(ids.shape, IGNORED)
        for row, (_, _, wanted) in enumerate(group):
            labels[row, 1 : len(wanted) + 1] = torch.tensor(wanted)
        yield ids, marks, mask, labels


def kept_back(name: str) -> bool:
    """Whether a script is measured on and not learnt from."""
    return zlib.crc32(name.encode()) % 10 == 0


def learn(
    heard: Sequence[Example], scripts: Sequence[script.Template], encoder: Path, epochs: int, seed: int, out: Path
) -> None:
    """Learn, and after every epoch write what was learnt and print what it is worth."""
    from safetensors.torch import save_file

    torch.manual_seed(seed)
    rng = random.Random(seed)  # noqa: S311 - must be repeatable
    reader, redrawn = TalkTagger(encoder, tuned=None), Redrawn(rng, heard)
    measured = [window for each in heard if kept_back(each.script) for window in windows(each, reader)]
    learnt = [each for each in heard if not kept_back(each.script)]
    scripts = [each for each in scripts if not kept_back(each.id)]
    net = load_net(encoder, None).requires_grad_(requires_grad=False)
    for layer in net.layers:
        for name, part in list(layer.named_children()):
            if isinstance(part, nn.Linear):
                setattr(layer, name, _LowRank(part))
    head = [*net.marked.requires_grad_().parameters(), *net.head.requires_grad_().parameters()]
    low = [each for name, each in net.named_parameters() if name.endswith((".up", ".down"))]
    optimizer = torch.optim.AdamW([{"params": low}, {"params": head}], weight_decay=0.01)
    averaged = {name: each.detach().clone() for name, each in net.named_parameters() if each.requires_grad}
    taken, whole = 0, 0
    for epoch in range(epochs):
        began, lost = time.monotonic(), 0.0
        read = [redrawn.doubted(written(each, rng.randrange(1 << 30))) for each in scripts]
        real = [redrawn.doubted(each) for each in texts(rng.randrange(1 << 30)) if rng.random() < SHARE_OF_TEXTS]
        redone = [redrawn.worn(redrawn.of(each)) for each in (*learnt, *read, *real)]
        found = [window for each in redone for window in windows(each, reader, rng.randint(40, WINDOW - 1))]
        steps = list(batches(found, rng))
        whole = whole or len(steps) * epochs
        net.train()
        for ids, marks, mask, labels in steps:
            taken += 1
            share = min(1.0, taken / WARM) * max(0.02, 1 - taken / whole)
            for group, rate in zip(optimizer.param_groups, (RATE, RATE_HEAD), strict=True):
                group["lr"] = rate * share
            with torch.autocast("cpu", dtype=torch.bfloat16):
                logits = net(ids, marks, mask)
            loss = fn.cross_entropy(logits.float().flatten(0, 1), labels.flatten(), ignore_index=IGNORED)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_([*low, *head], 1.0)
            optimizer.step()
            _average(averaged, net, taken)
            lost += loss.item()
        net.eval()
        kept = partial(functional_call, net, averaged)
        spent = f"{time.monotonic() - began:.0f} s, loss {lost / len(steps):.4f}"
        print(f"epoch {epoch}: {spent}, {worth(kept, list(batches(measured, rng)))}", flush=True)
        unfinished = out.with_suffix(".part")
        save_file(learnt_of(averaged), unfinished)
        unfinished.replace(out)


def _average(averaged: dict[str, Tensor], net: nn.Module, taken: int) -> None:
    """Move the average on by a step; its first steps forget sooner, for they began at nothing."""
    kept = min(AVERAGED, taken / (taken + 10))
    for name, each in net.named_parameters():
        if name in averaged:
            averaged[name].lerp_(each.detach(), 1 - kept)


def worth(
    kept: Callable[[tuple[Tensor, Tensor, Tensor]], Tensor], measured: Sequence[tuple[Tensor, Tensor, Tensor, Tensor]]
) -> str:
    """Recall and false alarms over words, at a few thresholds."""
    rows = []
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        for ids, marks, mask, labels in measured:
            likely = 1 - kept((ids, marks, mask)).float().softmax(dim=-1)[..., 0]
            told = labels != IGNORED
            rows.append(torch.stack([likely[told], (labels[told] > 0).float()]))
    likely, personal = torch.cat(rows, dim=1)
    return ", ".join(
        f"at {least}: {100 * (likely[personal > 0] >= least).float().mean():.1f} % of PII and "
        f"{100 * (likely[personal == 0] >= least).float().mean():.1f} % of other words"
        for least in (0.5, 0.25, 0.05)
    )


def learnt_of(averaged: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The low-rank matrices by the weights that they are added to, and the new layers, in half precision."""
    found = {}
    for name, each in averaged.items():
        part, _, which = name.rpartition(".")
        found[f"{part}.weight.{which}" if which in {"up", "down"} else name] = each.half().contiguous()
    return found


def main() -> None:
    """Learn from every example that was made, and write what was learnt."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tagger.train", description=__doc__)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--set", nargs="*", choices=SETS, default=SETS)
    parser.add_argument("--encoder", type=Path, required=True, help="folder of the encoder")
    parser.add_argument("--out", type=Path, default=TUNED_FILE)
    args = parser.parse_args()
    torch.set_num_threads(os.cpu_count() or 1)
    heard = list(examples(args.set))
    scripts = [each for name in args.set for each in script.of_set(name) if each.options["language"] == "en"]
    print(f"{len(heard)} examples of what was heard, {len(scripts)} scripts", flush=True)
    learn(heard, scripts, args.encoder, args.epochs, args.seed, args.out)


if __name__ == "__main__":
    main()
