r"""Calls as data: templates read from ``scripts/*.toml`` and filled with seeded values.

A turn is one line: ``A:`` the agent, ``C:`` the customer, then text with marks:

=====================  =================================================================================================
``{name}``             a labelled value; ``{name.first}``, ``{mail.local}``, ``{dob.year}``, ``{card[0:4]}`` are parts
                       of it, ``{card:single+uh}`` fixes how it is said, ``{x|TYPE}`` its entity type; ``{card:fsdd}``
                       is real digits, ``{card:allison}`` a real prompt voice, ``{keys:dtmf}`` and ``{keys:dtmf_real}``
                       key tones
``[notice: text]``     labelled consent evidence: ``notice``, ``answer`` or ``objection``
``<pause 0.8>``        silence inside a turn, s
``<prompt NAME>``      a real recorded prompt; ``<prompt NAME notice>`` is evidence as well
``<keys 9>``           these very keys, pressed
``A(gap=1.2):``        silence before the turn, s; negative: it begins before the turn before it has ended
=====================  =================================================================================================
"""

from __future__ import annotations

import random
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.corpus import values

SCRIPTS = Path(__file__).parent / "scripts"
FILES = {  # of a set
    "dev": ("0?_*.toml", "10_*.toml"),
    "fresh": ("11_*.toml", "13_*.toml"),
    "held-out": ("12_*.toml",),
    "held-out-2": ("15_*.toml",),
    "held-out-3": ("17_*.toml",),
    "wild": ("14_*.toml",),
    "asked": ("16_*.toml",),
    "learn": ("18_*.toml",),
}
HELD_OUT = frozenset({"held-out", "held-out-2", "held-out-3"})  # nobody looks at what is missed in these
UNSCORED = frozenset({"asked", "learn"})  # for benchmarks.wording and benchmarks.tagger, nearly all of them with PII
CHANNEL_OF = {"A": "agent", "C": "customer"}
SOUND_STYLES = ("fsdd", "allison", "dtmf", "dtmf_real")
LAYOUTS = (*("stereo",) * 10, *("mono",) * 6, "legs")
CODECS = ("mulaw", "mulaw", "alaw", "gsm", "opus8", "mp3_16", "mp3_32", "pcm8")
_TURN = re.compile(r"^(?P<who>[AC])(?:\(gap=(?P<gap>-?[\d.]+)\))?:\s*(?P<text>.*)$")
_MARK = re.compile(r"(\{[^}]+\}|\[(?:notice|answer|objection):[^\]]+\]|<[^>]+>)")
_VALUE = re.compile(
    r"^(?P<name>\w+)(?:\.(?P<part>first|last|local|domain|day|year))?(?:\[(?P<from>\d*):(?P<to>\d*)\])?(?::(?P<style>[\w+]+))?(?:\|(?P<type>\w+))?$"
)


class ScriptError(ValueError):
    """A script has a line, a mark or a key that means nothing."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """What is sounded in one piece: its words, where the sound comes from, and what it is labelled as.

    Args:
        text: the words as spoken, or the digits of key tones and real digits.
        source: ``voice``, ``prompt`` or one of SOUND_STYLES.
        entity_type: label, or None.
        value: the labelled value as written, or an empty string.
        evidence: kind of consent evidence, or None.
    """

    text: str
    source: str = "voice"
    entity_type: str | None = None
    value: str = ""
    evidence: str | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """Silence inside a turn."""

    length_s: float


@dataclass(frozen=True, slots=True)
class Line:
    """One turn of one speaker; ``gap_s`` is None where the seed chooses it."""

    channel: str
    pieces: tuple[Phrase | Pause, ...]
    gap_s: float | None = None


@dataclass(frozen=True, slots=True)
class Template:
    """A call before its values are known."""

    id: str
    turns: tuple[str, ...]
    values: dict[str, str]
    options: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Script:
    """A call with its values, ready to be sounded."""

    id: str
    seed: int
    lines: tuple[Line, ...]
    verdict: str
    metadata: dict[str, Any]
    layout: str
    codec: str
    language: str
    options: dict[str, Any]


_SPEED = "speed"  # of both voices; no key of _OPTIONS, for the digests of calls that do not have it stand
_POOL = "pool"  # what names are drawn from (``pools.py``); of a whole file, and no key of _OPTIONS as above
_OPTIONS: dict[str, Any] = {
    "layout": None,  # stereo, mono or legs
    "codec": None,
    "language": "en",
    "jurisdictions": None,
    "verdict": None,
    "metadata": {},
    "agent": None,
    "customer": None,
    "noise": None,
    "snr_db": None,
    "sidetone_db": None,
    "known_pii": [],  # names of values that the metadata tells beforehand
}


def load(folder: Path = SCRIPTS, only: str = "*.toml") -> tuple[Template, ...]:
    """Every template of a folder's files, in file and line order.

    Raises:
        ScriptError: an unknown key, or two calls of one name.
    """
    found: dict[str, Template] = {}
    for path in sorted(folder.glob(only)):
        file = tomllib.loads(path.read_text(encoding="utf-8"))
        pool = {_POOL: file[_POOL]} if _POOL in file else {}
        for raw in file["call"]:
            options = {key: value for key, value in raw.items() if key not in {"id", "turns", "values"}}
            if unknown := sorted(set(options) - set(_OPTIONS) - {_SPEED}):
                raise ScriptError(f"{path.name}: {raw['id']}: unknown keys {unknown}")
            if raw["id"] in found:
                raise ScriptError(f"{path.name}: {raw['id']} stands twice")
            lines = tuple(line.strip() for line in raw["turns"].strip().splitlines() if line.strip())
            found[raw["id"]] = Template(raw["id"], lines, raw.get("values", {}), _OPTIONS | options | pool)
    return tuple(found.values())


def of_set(name: str) -> tuple[Template, ...]:
    """The templates of a set (a key of FILES), in file and line order."""
    return tuple(template for only in FILES[name] for template in load(only=only))


def fill(template: Template, seed: int) -> Script:
    """The template with values, styles and effects drawn from ``seed``; the same seed gives the same call.

    Raises:
        ScriptError: a turn or a mark cannot be read.
    """
    rng = random.Random(f"{seed}:{template.id}")  # noqa: S311 - a corpus must be repeatable
    known = _draw(template.values, rng, template.options.get(_POOL))
    lines = tuple(_line(line, known, rng) for line in template.turns)
    options = template.options
    codec = rng.choice(CODECS)
    layout = random.Random(f"{seed}:{template.id}:layout").choice(LAYOUTS)  # noqa: S311 - as above
    snr = rng.choice((None, 10, 15, 20, 25, 25))
    noise = rng.choice(("white", "pink", "babble"))
    sidetone = rng.choice((None, None, -30.0, -35.0, -40.0))
    drawn = {
        "snr_db": options["snr_db"] if options["snr_db"] is not None else snr,
        "noise": options["noise"] or noise,
        "sidetone_db": options["sidetone_db"] if options["sidetone_db"] is not None else sidetone,
    }
    jurisdictions = options["jurisdictions"] or [rng.choice(("US-NY", "US-TX", "US-NJ"))]
    verdict = options["verdict"] or "not_required"
    metadata = {"language": options["language"], "jurisdictions": jurisdictions, **options["metadata"]}
    if options["known_pii"]:
        metadata["known_pii"] = {known[name].entity_type: [known[name].text] for name in options["known_pii"]}
    return Script(
        template.id,
        seed,
        lines,
        verdict,
        metadata,
        options["layout"] or ("stereo" if options["sidetone_db"] is not None else layout),
        options["codec"] or codec,
        options["language"],
        options | drawn,
    )


def _draw(wanted: dict[str, str], rng: random.Random, pool: str | None) -> dict[str, values.Value]:
    known: dict[str, values.Value] = {}
    for name, kind in wanted.items():
        base, _, reference = kind.partition(" ")
        if base not in values.KINDS or (reference and reference not in known):
            raise ScriptError(f"{name}: no kind {kind!r}")
        value = values.make(base, rng, known[reference].text if reference else None, pool)
        while any(other.text == value.text for other in known.values()):
            value = values.make(base, rng, None, pool)
        known[name] = value
    return known


def _line(text: str, known: dict[str, values.Value], rng: random.Random) -> Line:
    match = _TURN.match(text)
    if match is None:
        raise ScriptError(f"no turn: {text!r}")
    pieces: list[Phrase | Pause] = []
    for part in _MARK.split(match["text"]):
        if not part.strip(" ,.?!-"):
            continue
        pieces.append(_piece(part, known, rng))
    return Line(CHANNEL_OF[match["who"]], tuple(pieces), float(match["gap"]) if match["gap"] else None)


def _piece(part: str, known: dict[str, values.Value], rng: random.Random) -> Phrase | Pause:
    if part.startswith("{"):
        return _value(part[1:-1], known, rng)
    if part.startswith("["):
        kind, _, words = part[1:-1].partition(":")
        return Phrase(words.strip(), evidence=kind)
    if part.startswith("<"):
        mark = part[1:-1].split()
        if mark[0] == "pause":
            return Pause(float(mark[1]))
        if mark[0] == "prompt":
            return Phrase(mark[1], source="prompt", evidence=mark[2] if len(mark) > 2 else None)
        if mark[0] == "keys":
            return Phrase(mark[1], "dtmf", "DTMF", mark[1])
        raise ScriptError(f"no mark: {part!r}")
    return Phrase(part.strip().lstrip(",.?!").strip())


def _value(mark: str, known: dict[str, values.Value], rng: random.Random) -> Phrase:
    match = _VALUE.match(mark)
    if match is None or match["name"] not in known:
        raise ScriptError(f"no value: {mark!r}")
    value = known[match["name"]]
    text = value.text
    if match["part"]:
        text = values.part(text, match["part"])
    if match["from"] is not None:
        text = text[int(match["from"] or 0) : int(match["to"] or len(text))]
    if not text:
        raise ScriptError(f"nothing left of {mark!r}")
    part = values.Value(value.kind, match["type"] or value.entity_type, text)
    style = match["style"]
    if style in SOUND_STYLES:
        return Phrase(text, style, part.entity_type, text)
    return Phrase(values.say(part, style, rng), "voice", part.entity_type, text)
