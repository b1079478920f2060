"""What was heard of a call so far means: turns without what must go, what to replace in the audio, consent so far.

The same rooms as in ``pipeline.run``, over the last minutes of the call. What lies before them is remembered: evidence
of consent, and the values that were found, which are found again wherever they come up.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.consent import judge, signals, without
from pipeline.cover import cover
from pipeline.doubts import doubts
from pipeline.keypresses import marked
from pipeline.pii import detect
from pipeline.pii.known import MIN_PART
from pipeline.pii.tagged import REASON as TOLD
from pipeline.placeholders import mask
from pipeline.speakers import attribute
from pipeline.types import ConsentSignal, TimeSpan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from pipeline.config import AudioSettings, VerifySettings
    from pipeline.consent import ConsentPolicy
    from pipeline.live.hearing import Hearing
    from pipeline.metadata import CallMetadata
    from pipeline.pii import PiiRecognizer, RedactionPolicy, Tagger, TextEntity
    from pipeline.speech import Vad
    from pipeline.transcribe import Transcriber
    from pipeline.types import ConsentDecision, Evidence, PiiSpan, Redaction, Turn

SETTLED_S = 120.0  # what is so much older than what comes out now is not judged again
_AROUND_S = 120.0  # and this much before it is still read, for what was said after it
_TEXTS = 4_000  # remembered by the model of names
_START = TimeSpan(0.0, 0.0)
_ASKING = threading.Lock()  # calls that are heard at the same time share one model of names


@dataclass(frozen=True, slots=True)
class Ears:
    """The models and policies that a live call is heard with; models load when they are first asked for."""

    vad: Callable[[], Vad]
    transcriber: Callable[[], Transcriber]
    recognizer: Callable[[], PiiRecognizer]
    tagger: Callable[[], Tagger]
    redaction: RedactionPolicy
    consent: ConsentPolicy
    audio: AudioSettings
    verify: VerifySettings


@dataclass(frozen=True, slots=True)
class Sensed:
    """The last minutes of the call as they are understood now.

    ``turns`` are redacted already; ``doubts`` are reasons why nothing that was understood can be relied on.
    """

    turns: tuple[Turn, ...] = field(repr=False)
    redactions: tuple[Redaction, ...]
    decision: ConsentDecision
    doubts: tuple[str, ...]


@dataclass(slots=True)
class Sense:
    """Understands one call again and again.

    Args:
        ears: models and policies.
        metadata: what the platform says.
        before: evidence from before the call.
        at: when the call began.
    """

    ears: Ears
    metadata: CallMetadata
    before: tuple[Evidence, ...]
    at: datetime
    _evidence: tuple[Evidence, ...] = ()
    _values: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set), repr=False)
    _recognizer: _Remembering = field(init=False, repr=False)
    _policy: RedactionPolicy = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._recognizer = _Remembering(self.ears.recognizer())
        self._policy = _live(self.ears.redaction)
        for kind, values in self.metadata.known_pii.items():
            self._values[kind].update(values)

    def of(self, hearing: Hearing) -> Sensed:
        """What the call means by what was heard of it."""
        settled_s = max(hearing.heard_s - hearing.pace.delay_s - SETTLED_S, 0.0)
        since_s = float(max(int(settled_s - _AROUND_S), 0))
        heard, policy = hearing.heard(since_s), self._policy
        turns = attribute(heard.segments, {})
        tones = [tone for tone in hearing.tones if tone.span.start_s >= since_s]
        findings = detect(turns, self._recognizer, self._known(), policy, heard.language, self.ears.tagger())
        self._remember(turns, findings, settled_s)
        heard_of = signals(turns, self.metadata, self.ears.consent, heard.language, self.at, tones)
        decision = judge((*self.before, *self._all(heard_of, settled_s)), self.metadata, self.ears.consent, self.at)
        covered = cover(turns, findings, heard, tones, hearing.channels, policy)
        return Sensed(
            turns=without(marked(mask(turns, findings, policy).turns, covered.keys, policy), decision),
            redactions=tuple(each for each in covered.redactions if each.span.end_s > settled_s),
            decision=decision,
            doubts=doubts(hearing.whole, hearing.channels, self.ears.verify)[0],
        )

    def _known(self) -> Mapping[str, Sequence[str]]:
        return {kind: sorted(values) for kind, values in self._values.items()}

    def _remember(self, turns: Sequence[Turn], findings: Sequence[PiiSpan], until_s: float) -> None:
        """Values that are about to be looked at no more; short numbers would be found everywhere.

        So would the everyday words that a name was heard as, which only the talk around them told.
        """
        for found in findings:
            if found.reason == TOLD:
                continue
            words = turns[found.turn].words[found.words.first : found.words.end]
            value = " ".join(word.text.strip(".,?!") for word in words)
            if words[0].span.end_s < until_s and sum(map(str.isalnum, value)) >= MIN_PART:
                self._values[found.entity_type].add(value)

    def _all(self, heard: Sequence[Evidence], settled_s: float) -> tuple[Evidence, ...]:
        """Evidence of the whole call so far. An objection stays, whatever is made of it later."""
        kept = [e for e in self._evidence if e.span and (e.span.start_s < settled_s or _objects(e))]
        heard = [e for e in heard if e.span is None or e.span.start_s >= settled_s]
        spans = [(e.signal, e.channel, e.span) for e in heard]
        kept = [e for e in kept if (e.signal, e.channel, e.span) not in spans]
        told = [e for e in heard if e.span is None]
        spoken = sorted((*kept, *(e for e in heard if e.span)), key=lambda e: (e.span or _START, e.signal))
        self._evidence = tuple(spoken)
        return (*told, *spoken)


def _objects(found: Evidence) -> bool:
    return found.signal is ConsentSignal.OBJECTION


@dataclass(slots=True)
class _Remembering:
    """A recogniser that is asked about each text once."""

    recognizer: PiiRecognizer
    _people: dict[str, list[TextEntity]] = field(default_factory=dict, repr=False)
    _forms: dict[str, list[TextEntity]] = field(default_factory=dict, repr=False)

    def people(self, texts: Sequence[str]) -> list[list[TextEntity]]:
        return _once(texts, self._people, self.recognizer.people)

    def forms(self, texts: Sequence[str]) -> list[list[TextEntity]]:
        return _once(texts, self._forms, self.recognizer.forms)


def _once(
    texts: Sequence[str],
    known: dict[str, list[TextEntity]],
    ask: Callable[[Sequence[str]], list[list[TextEntity]]],
) -> list[list[TextEntity]]:
    """What is found in texts, asked for those that are not known."""
    fresh = [text for text in dict.fromkeys(texts) if text not in known]
    if fresh:
        with _ASKING:
            known.update(zip(fresh, ask(fresh), strict=True))
    found = [known[text] for text in texts]
    while len(known) > _TEXTS:
        del known[next(iter(known))]
    return found


def _live(policy: RedactionPolicy) -> RedactionPolicy:
    """The policy without what needs the whole call: numbers of values, a way back, a talk that speaks against rules."""
    entities = {
        kind: rule.model_copy(update={"numbered": False, "reversible": False}) for kind, rule in policy.entities.items()
    }
    rules = policy.rules.model_copy(update={"talk_unlikely": 0.0})
    return policy.model_copy(update={"entities": entities, "rules": rules})
