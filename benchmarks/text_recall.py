"""Recall and false positives of detection on text alone: ``python -m benchmarks.text_recall``.

Every set is scored twice in one run: ours, and Presidio as it comes. A labelled value counts as found when every one
of its words is redacted, whatever the label; a false positive is a redacted word outside all labels. Reads
``../shared/data/text``.
"""

from __future__ import annotations

import ast
import csv
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from benchmarks.stock import analyser
from models.fetch import resolve
from models.pii import PresidioRecognizer
from models.registry import ENCODER
from models.tagger import TalkTagger
from pipeline.config import load_settings
from pipeline.pii import detect, load_policy
from pipeline.types import Channel, TimeSpan, Turn, Word

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "text"
Redacted = set[tuple[int, int]]
Detector = Callable[[Sequence[Turn]], Redacted]
WORD_S = 0.35
PRIMOCK_VALUES = {
    "PERSON": (
        "Jessica Smith|Dan Choudhry|John Smith|Tracy Chapman|John Doe|Jim Gowers|Jack Armani|Ayrton Warren|Itha|Robert|"
        "April|Anthony|Atan|Adriana|Adriana Katherine|Amanda Jackson|Laura Parkinson|Mary Richards|Jack Smith|"
        "Deen Mirza|Dean Mesa|Dean Resor|Dean|Doris|Sarah|Oscar|Polly|Tim|Lou|Kim|Dan|John|Jessica|Smith|Parkinson|"
        "Laura|Amanda|Jack"
    ),
    "DATE_OF_BIRTH": (
        "fifth of April, uh, nineteen seventy three|nineteen fifty eight uh on the eighth of August|"
        "sixteenth of May, nineteen, eighty two|thirty first October nineteen ninety|"
        "twelve August nineteen fifty eight|nineteen ninety one, um, seventeenth of November|"
        "second of November, um, nineteen ninety two"
    ),
    "ADDRESS": "fifteen Babylon Street|four Park Avenue",
    "ZIP_CODE": "W six five|AB one CB two",
}
"""Read by hand: names, dates of birth and addresses as they are transcribed; each occurrence of a value is one."""


@dataclass
class Score:
    """Counts of one detector on one set."""

    found: Counter[str] = field(default_factory=Counter)
    total: Counter[str] = field(default_factory=Counter)
    words: int = 0
    false: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Case:
    """A call and its labels: kind, turn, first word, end."""

    turns: tuple[Turn, ...]
    labels: tuple[tuple[str, int, int, int], ...]


def turns_of(texts: Sequence[tuple[Channel, str]]) -> tuple[Turn, ...]:
    """Turns with invented times: one word after the other."""
    at, turns = 0.0, []
    for channel, text in texts:
        words = []
        for word in text.split():
            words.append(Word(word, TimeSpan(at, at + WORD_S), 1.0))
            at += WORD_S
        if words:
            turns.append(Turn(channel.value, channel, tuple(words)))
    return tuple(turns)


def synthetic() -> Iterator[Case]:
    """presidio-research's generated sentences, each a call of one turn."""
    kept = {
        "PERSON", "STREET_ADDRESS", "CREDIT_CARD", "PHONE_NUMBER", "EMAIL_ADDRESS", "US_SSN", "IBAN_CODE", "ZIP_CODE",
        "US_DRIVER_LICENSE", "IP_ADDRESS",
    }  # fmt: skip
    for item in json.loads((DATA / "presidio_synth_dataset_v2.json").read_text(encoding="utf-8")):
        text, labels = item["full_text"], []
        for span in item["spans"]:
            first = len(text[: span["start_position"]].split())
            glued = span["start_position"] > 0 and not text[span["start_position"] - 1].isspace()
            end = len(text[: span["end_position"]].split())
            kind = span["entity_type"] if span["entity_type"] in kept else "-" + span["entity_type"]
            labels.append((kind, 0, first - glued, max(end, first - glued + 1)))
        if text.split():
            yield Case(turns_of([(Channel.CUSTOMER, text)]), tuple(labels))


def evi() -> Iterator[Case]:
    """Telephone answers to a prompt for a postcode, a name or a date of birth, each turn after its prompt."""
    prompts = {
        "postcode": "What is your postcode?",
        "name": "What is your full name?",
        "dob": "What is your date of birth?",
    }
    kinds = {"postcode": "ZIP_CODE", "name": "PERSON", "dob": "DATE_OF_BIRTH"}
    with (DATA / "evi_dialogues.en.dev.tsv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    for _, dialogue in groupby(rows, key=lambda row: row["dialogue_id"]):
        texts, labels = [], []
        for row in dialogue:
            heard = row["transcription"] or next(iter(ast.literal_eval(row["nbest"] or "[]")), "")
            if row["item"] not in prompts or not heard.split():
                continue
            texts += [(Channel.AGENT, prompts[row["item"]]), (Channel.CUSTOMER, heard)]
            labels.append((kinds[row["item"]], len(texts) - 1, *_core(heard, row["item"])))
        if texts:
            yield Case(turns_of(texts), tuple(label for label in labels if label[3] > label[2]))


_FRAME = frozenset(
    [
        "my",
        "name",
        "is",
        "it's",
        "its",
        "the",
        "a",
        "i",
        "i'm",
        "am",
        "yes",
        "yeah",
        "no",
        "okay",
        "ok",
        "sure",
        "hi",
        "hello",
        "um",
        "uh",
        "so",
        "of",
        "please",
        "postcode",
        "post",
        "code",
        "date",
        "birth",
        "was",
        "born",
        "on",
        "full",
        "that's",
        "that",
        "correct",
        "thanks",
        "thank",
        "you",
        "sorry",
        "for",
        "what",
        "right",
        "and",
        "in",
        "at",
        "be",
        "an",
    ]
)


def _core(heard: str, item: str) -> tuple[int, int]:
    """The words of an answer less what frames it; the label of a telephone answer is the answer."""
    words = [word.strip(".,?!").lower() for word in heard.split()]
    content = [at for at, word in enumerate(words) if word not in _FRAME or (len(word) == 1 and item == "postcode")]
    if item == "dob" and not any(any(char.isdigit() for char in word) or len(word) > 4 for word in words):
        return 0, 0
    return (content[0], content[-1] + 1) if content else (0, 0)


def primock() -> Iterator[Case]:
    """Mock consultations, labelled by reading."""
    values = [(kind, value.split()) for kind, listed in PRIMOCK_VALUES.items() for value in listed.split("|")]
    for doctor in sorted((DATA / "primock57").glob("*_doctor.TextGrid")):
        said = [
            *_grid(doctor, Channel.AGENT),
            *_grid(doctor.with_name(doctor.name.replace("doctor", "patient")), Channel.CUSTOMER),
        ]
        turns = turns_of([(channel, text) for _, channel, text in sorted(said, key=lambda one: one[0])])
        labels = []
        for index, turn in enumerate(turns):
            plain = [word.text.strip(".,?!").lower() for word in turn.words]
            for kind, value in values:
                wanted = [word.strip(".,?!").lower() for word in value]
                labels += [
                    (kind, index, at, at + len(wanted))
                    for at in range(len(plain) - len(wanted) + 1)
                    if plain[at : at + len(wanted)] == wanted and turn.words[at].text[0] == value[0][0]
                ]
        yield Case(turns, tuple(_longest(labels)))


def _longest(labels: Sequence[tuple[str, int, int, int]]) -> list[tuple[str, int, int, int]]:
    """The labels that lie in no longer one: "Smith" is not another value where "John Smith" is."""
    return [
        each
        for each in labels
        if not any(
            other[1] == each[1] and other[2] <= each[2] and each[3] <= other[3] and other[2:] != each[2:]
            for other in labels
        )
    ]


def _grid(path: Path, channel: Channel) -> Iterator[tuple[float, Channel, str]]:
    text = path.read_text(encoding="utf-8", errors="replace")
    for start, said in re.findall(r'xmin = ([\d.]+)\s+xmax = [\d.]+\s+text = "([^"]*)"', text):
        plain = re.sub(r"<[^>]*>", " ", said)
        if plain.strip():
            yield float(start), channel, plain


def earnings() -> Iterator[Case]:
    """Conference calls, cased and punctuated; names are labelled, so what else is redacted is false."""
    for path in sorted((DATA / "earnings21" / "nlp_references").glob("*.nlp")):
        names = json.loads((DATA / "earnings21" / "wer_tags" / f"{path.stem}.wer_tag.json").read_text(encoding="utf-8"))
        rows = [line.split("|") for line in path.read_text(encoding="utf-8").splitlines()[1:]]
        turns, labels = [], []
        for _, part in groupby(rows, key=lambda row: row[1]):
            spoken = list(part)
            for start in range(0, len(spoken), 60):
                chunk = spoken[start : start + 60]
                turns.append((Channel.MIXED, " ".join(row[0] + row[4] for row in chunk)))
                for at, row in enumerate(chunk):
                    tagged = {names[tag]["entity_type"] for tag in re.findall(r"'(\d+)", row[7]) if tag in names}
                    labels += [("PERSON", len(turns) - 1, at, at + 1)] if "PERSON" in tagged else []
        yield Case(turns_of(turns), tuple(labels))


SPOKEN = {"evi": evi, "primock57": primock, "earnings21": earnings}
"""What people really said, as it was written down."""


def scored(cases: Sequence[Case]) -> Sequence[Case]:
    """Every other case of what was spoken; the reader of talks may learn from the rest.

    The halves share no talk, but some of those who talk: two in five dialogues of EVI have their speaker in the other
    half, one in five their name, postcode and date as well, and one doctor of primock57 is in both.
    """
    return cases[1::2]


def unscored(cases: Sequence[Case]) -> Sequence[Case]:
    """The cases that are not scored, for ``benchmarks.tagger``."""
    return cases[::2]


def ours() -> Detector:
    """Our detection with the shipped policy."""
    settings = load_settings()
    tagger = TalkTagger(resolve(ENCODER, settings.models_dir), settings.diarization.device)
    recognizer, policy = PresidioRecognizer(), load_policy()

    def run(turns: Sequence[Turn]) -> Redacted:
        found = detect(turns, recognizer, {}, policy, tagger=tagger)
        return {(span.turn, at) for span in found for at in range(span.words.first, span.words.end)}

    return run


def stock() -> Detector:
    """Presidio's default engine, turn by turn; kinds that we keep by policy are kept here too."""
    engine = analyser()
    kept = {"DATE_TIME", "NRP", "ORGANIZATION", "LOCATION"}

    def run(turns: Sequence[Turn]) -> Redacted:
        redacted: Redacted = set()
        for index, turn in enumerate(turns):
            for result in engine.analyze(text=turn.text, language="en"):
                if result.entity_type in kept:
                    continue
                first = turn.text[: result.start].count(" ")
                redacted |= {(index, at) for at in range(first, turn.text[: result.end].count(" ") + 1)}
        return redacted

    return run


def score(cases: Sequence[Case], detector: Detector) -> Score:
    """Recall per kind and words redacted outside every label."""
    result = Score()
    for case in cases:
        begun = time.perf_counter()
        redacted = detector(case.turns)
        result.seconds += time.perf_counter() - begun
        labelled = {(turn, at) for _, turn, first, end in case.labels for at in range(first, end)}
        for kind, turn, first, end in case.labels:
            if not kind.startswith("-"):
                result.total[kind] += 1
                result.found[kind] += all((turn, at) in redacted for at in range(first, end))
        result.words += sum(len(turn.words) for turn in case.turns)
        result.false += len(redacted - labelled)
    return result


def main(chosen: Sequence[str]) -> None:
    """Print the table of every set, or of those named."""
    sets = {"synthetic": synthetic, **SPOKEN}
    detectors = {"ours": ours(), "stock": stock()}
    for name, read in sets.items():
        if chosen and name not in chosen:
            continue
        cases = list(read())
        cases = list(scored(cases)) if name in SPOKEN else cases
        for who, detector in detectors.items():
            result = score(cases, detector)
            per_thousand = 1000 * result.false / max(1, result.words)
            found, total = sum(result.found.values()), sum(result.total.values())
            print(
                f"{name:11} {who:6} recall {found}/{total} = {found / max(1, total):.3f}  "
                f"false words per 1,000 {per_thousand:.2f}  words/s {result.words / result.seconds:,.0f}"
            )
            print(
                "   ", "  ".join(f"{kind} {result.found[kind]}/{count}" for kind, count in sorted(result.total.items()))
            )


if __name__ == "__main__":
    main(sys.argv[1:])
