"""Labelled calls as the recogniser heard them: ``python -m benchmarks.tagger.examples [--set learn] [--seed 1]``.

Each call is sounded, heard as ``callseal process`` hears it up to the point where the tagger is asked, and kept in
the cache folder as turns of words with a label each. The recording is not kept.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import tempfile
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import wording
from benchmarks.corpus import build, script, sounds
from pipeline.build import build as rooms_of
from pipeline.config import load_settings
from pipeline.intake.ingest import Delivery
from pipeline.metadata import CallMetadata
from pipeline.run import Rooms, process
from pipeline.types import Channel, TimeSpan, Turn, Word

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pipeline.pii import WordTag

SETS = ("learn", "asked", "wild", "fresh", "dev")
"""Those that may be learnt from; never a set that is held out."""
SORT_OF = {
    "PERSON": "PERSON",
    "PASSWORD": "PASSWORD",
    "USERNAME": "PASSWORD",
    "SECURITY_ANSWER": "PASSWORD",
    "ADDRESS": "ADDRESS",
    "LOCATION": "ADDRESS",
    "EMAIL_ADDRESS": "EMAIL_ADDRESS",
    "URL": "EMAIL_ADDRESS",
}
NUMBER = "ACCOUNT_NUMBER"
"""The sort of every other kind."""
UNTOLD = "?"
"""Stands for a sort where nobody knows whether a word is personal."""
MIN_OVERLAP = 0.4
"""Share of a word's time that must lie in a label: the recogniser moves its words."""


@dataclass(frozen=True, slots=True)
class Example:
    """A call as it was heard, and for each word of each turn the sort of personal data that it is, or nothing."""

    script: str
    turns: tuple[Turn, ...]
    labels: tuple[tuple[str, ...], ...]


def examples(names: Sequence[str] = SETS) -> Iterator[Example]:
    """Every example of the sets that was made, in the order of their scripts and seeds."""
    for name in names:
        for template in script.of_set(name):
            for path in sorted(_folder().glob(f"{template.id}-seed*.json")):
                yield _read(template.id, json.loads(path.read_text(encoding="utf-8")))


def _folder() -> Path:
    return sounds.cache_dir() / "examples"


def _read(name: str, kept: Sequence[Mapping[str, Any]]) -> Example:
    turns = (
        Turn(
            each["speaker"],
            Channel(each["channel"]),
            tuple(Word(text, TimeSpan(start_s, end_s), sure) for text, sure, start_s, end_s, _ in each["words"]),
        )
        for each in kept
    )
    return Example(name, tuple(turns), tuple(tuple(word[-1] for word in each["words"]) for each in kept))


def _kept(example: Example) -> list[dict[str, Any]]:
    return [
        {
            "speaker": turn.speaker,
            "channel": turn.channel.value,
            "words": [
                (word.text, round(word.probability, 4), round(word.span.start_s, 3), round(word.span.end_s, 3), label)
                for word, label in zip(turn.words, labels, strict=True)
            ],
        }
        for turn, labels in zip(example.turns, example.labels, strict=True)
    ]


def labelled(turns: Sequence[Turn], truth: Mapping[str, Any]) -> tuple[tuple[str, ...], ...]:
    """For each word of each turn the sort of the label, of its channel, that most of it lies in."""
    return tuple(
        tuple(
            _label(word.span, [each for each in truth["pii"] if each["channel"] == turn.channel.value])
            for word in turn.words
        )
        for turn in turns
    )


def _label(span: TimeSpan, pii: Sequence[Mapping[str, Any]]) -> str:
    def shared_s(each: Mapping[str, Any]) -> float:
        return float(min(span.end_s, each["end_s"]) - max(span.start_s, each["start_s"]))

    best = max((each for each in pii if each["entity_type"] != "DTMF"), key=shared_s, default=None)
    if best is None or shared_s(best) <= 0 or shared_s(best) < MIN_OVERLAP * (span.end_s - span.start_s):
        return ""
    return SORT_OF.get(best["entity_type"], NUMBER)


def written(template: script.Template, seed: int) -> Example:
    """A call as a recogniser writes one that it hears perfectly: no sound, and every word as sure as the next."""
    call = script.fill(replace(template, options=template.options | {"pool": "wide"}), seed)
    lines = wording.spoken(call)
    turns = [
        Turn(channel.value, channel, tuple(word for said in phrases for word in said.words))
        for channel, phrases in lines
    ]
    labels = [
        tuple(SORT_OF.get(said.entity_type, NUMBER) if said.entity_type else "" for said in phrases for _ in said.words)
        for _, phrases in lines
    ]
    return Example(template.id, tuple(turns), tuple(labels))


class _Heard(Exception):
    """The call was heard, and what comes after is of no interest."""


class _Listener:
    """A tagger that keeps the turns it is shown and goes no further."""

    def __init__(self) -> None:
        self.turns: tuple[Turn, ...] = ()

    def tag(self, turns: Sequence[Turn]) -> list[list[WordTag]]:
        """Keeps the turns, and raises ``_Heard``."""
        self.turns = tuple(turns)
        raise _Heard


def hear(template: script.Template, seed: int, pool: str | None, rooms: Rooms) -> Example:
    """A call, sounded and heard; of one in another language than English there is nothing.

    Args:
        template: of the call.
        seed: of its values, voices and line.
        pool: what its names are drawn from; None is what its set draws them from.
        rooms: models; nothing is kept in their archive.

    Raises:
        MissingSound: a voice model or recording is not on this machine.
    """
    changed: dict[str, Any] = {"known_pii": []} | ({"pool": pool} if pool else {})
    call = script.fill(replace(template, options=template.options | changed), seed)
    listener = _Listener()
    with tempfile.TemporaryDirectory(prefix="callseal-examples-") as made:
        truth = build.build(call, Path(made))
        files = tuple(Path(made) / name for name in truth["audio"].values())
        legs = tuple(map(Channel, truth["audio"])) if len(files) > 1 else ()
        metadata = CallMetadata.model_validate(json.loads((Path(made) / "metadata.json").read_text(encoding="utf-8")))
        with contextlib.suppress(_Heard):
            process(Delivery(files, legs, metadata), replace(rooms, tagger=lambda: listener), datetime.now(UTC))
    return Example(template.id, listener.turns, labelled(listener.turns, truth))


def main() -> None:
    """Make the examples that are missing, and print one line for each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tagger.examples", description=__doc__)
    parser.add_argument("--set", nargs="*", choices=SETS, default=SETS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pool", help="draw names from this pool and not as the set does")
    parser.add_argument("--part", type=int, nargs=2, default=(0, 1), metavar=("N", "OF"), help="every OF-th call")
    args = parser.parse_args()
    _folder().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="callseal-examples-") as data:
        rooms = rooms_of(load_settings(Path(data)))
        templates = [template for name in args.set for template in script.of_set(name)]
        for template in templates[args.part[0] :: args.part[1]]:
            path = _folder() / f"{template.id}-seed{args.seed}-{args.pool or 'own'}.json"
            if not path.exists():
                began = time.monotonic()
                example = hear(template, args.seed, args.pool, rooms)
                path.write_text(json.dumps(_kept(example)), encoding="utf-8")
                print(f"{time.monotonic() - began:6.1f} s  {template.id}", flush=True)


if __name__ == "__main__":
    main()
