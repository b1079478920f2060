"""Values that cross from one room to the next: frozen, typed, without behaviour of their own.

Times are seconds from the start of the recording and end in ``_s``. Positions in text are a different type,
so that a checker can tell them apart. Fields that hold what somebody said are left out of ``repr``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


class Channel(StrEnum):
    """One audio channel, named by who is heard on it."""

    MIXED = "mixed"
    AGENT = "agent"
    CUSTOMER = "customer"


class Status(StrEnum):
    """What became of a call."""

    STORED = "stored"
    QUARANTINED = "quarantined"
    DISCARDED = "discarded"


class Verdict(StrEnum):
    """What the evidence of consent shows, the strongest first (DESIGN.md section 4)."""

    WITHDRAWN = "withdrawn"
    DECLINED = "declined"
    GRANTED = "granted"
    IMPLIED = "implied"
    NOT_REQUIRED = "not_required"
    UNKNOWN = "unknown"


class EvidenceKind(StrEnum):
    """What a piece of consent evidence is."""

    NOTICE = "notice"
    ANSWER = "answer"
    OBJECTION = "objection"
    METADATA = "metadata"
    TONE = "tone"
    CONTINUED = "continued"
    CONFIRMATION = "confirmation"


class Purpose(StrEnum):
    """What a recording is used for; consent is asked, given and withdrawn for each."""

    RECORDING = "recording"
    TRANSCRIPTION = "transcription"
    QUALITY = "quality"
    TRAINING = "training"
    ANALYTICS = "analytics"
    SHARING = "sharing"


class ConsentSignal(StrEnum):
    """What exactly a piece of consent evidence shows."""

    NOTICE = "notice"
    REQUEST = "request"
    YES = "yes"
    NO = "no"
    SILENCE = "silence"
    UNCLEAR = "unclear"
    CONTINUED = "continued"
    REMARK = "remark"  # a caller speaks of the recording, and no phrase tells what they mean
    OBJECTION = "objection"
    CONFIRMATION = "confirmation"  # that the recording has stopped
    KEY_TO_CONSENT = "key_to_consent"
    KEY_TO_REFUSE = "key_to_refuse"
    BEEP = "beep"
    NOTICE_OUTSIDE = "notice_outside"  # the rest is told by the platform or known from before
    NO_NOTICE_OUTSIDE = "no_notice_outside"
    CONSENT_OUTSIDE = "consent_outside"
    CONSENT_OUTDATED = "consent_outdated"
    REFUSAL_OUTSIDE = "refusal_outside"
    WITHDRAWAL = "withdrawal"

    @property
    def kind(self) -> EvidenceKind:
        """The kind of evidence that it is."""
        return _KINDS.get(self, EvidenceKind.METADATA)


_KINDS = {
    ConsentSignal.NOTICE: EvidenceKind.NOTICE,
    ConsentSignal.REQUEST: EvidenceKind.NOTICE,
    ConsentSignal.YES: EvidenceKind.ANSWER,
    ConsentSignal.NO: EvidenceKind.ANSWER,
    ConsentSignal.SILENCE: EvidenceKind.ANSWER,
    ConsentSignal.UNCLEAR: EvidenceKind.ANSWER,
    ConsentSignal.REMARK: EvidenceKind.ANSWER,
    ConsentSignal.CONTINUED: EvidenceKind.CONTINUED,
    ConsentSignal.OBJECTION: EvidenceKind.OBJECTION,
    ConsentSignal.CONFIRMATION: EvidenceKind.CONFIRMATION,
    ConsentSignal.KEY_TO_CONSENT: EvidenceKind.TONE,
    ConsentSignal.KEY_TO_REFUSE: EvidenceKind.TONE,
    ConsentSignal.BEEP: EvidenceKind.TONE,
}


class Action(StrEnum):
    """What is put in the place of redacted audio."""

    TONE = "tone"
    SILENCE = "silence"
    NOISE = "noise"


class ArtifactKind(StrEnum):
    """What a sealed object holds."""

    INTAKE = "intake"
    CALL_METADATA = "call_metadata"
    REDACTED_AUDIO = "redacted_audio"
    TRANSCRIPT = "transcript"
    CONSENT_RECORD = "consent_record"
    MANIFEST = "manifest"
    AMENDMENT = "amendment"
    PII_MAP = "pii_map"


@dataclass(frozen=True, slots=True, order=True)
class TimeSpan:
    """A half-open span of time, in seconds from the start of the recording."""

    start_s: float
    end_s: float

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.end_s - self.start_s

    def overlaps(self, other: TimeSpan) -> bool:
        """Whether the two spans share more than an instant."""
        return self.start_s < other.end_s and other.start_s < self.end_s


@dataclass(frozen=True, slots=True, order=True)
class CharSpan:
    """A half-open span of code points in one text."""

    start: int
    end: int


@dataclass(frozen=True, slots=True, order=True)
class WordRange:
    """A half-open range of word indices in one turn."""

    first: int
    end: int

    def overlaps(self, other: WordRange) -> bool:
        """Whether the two ranges share a word."""
        return self.first < other.end and other.first < self.end


@dataclass(frozen=True, slots=True)
class Word:
    """One recognised word. ``text`` has no surrounding space; ``probability`` is in [0, 1]."""

    text: str = field(repr=False)
    span: TimeSpan
    probability: float


@dataclass(frozen=True, slots=True)
class SpokenLanguage:
    """An ISO 639-1 code, and how certain it is, in [0, 1]."""

    code: str
    certainty: float


@dataclass(frozen=True, slots=True)
class Segment:
    """Words of one channel that were recognised together, in order of time; ``words`` is never empty."""

    channel: Channel
    words: tuple[Word, ...]

    @property
    def span(self) -> TimeSpan:
        """From the first word's start to the last word's end."""
        return TimeSpan(self.words[0].span.start_s, self.words[-1].span.end_s)


@dataclass(frozen=True, slots=True)
class SpeakerSpan:
    """Who speaks when on one channel; spans of one channel do not overlap (exclusive diarization)."""

    speaker: str
    span: TimeSpan


@dataclass(frozen=True, slots=True)
class Turn:
    """What one speaker says without being interrupted; ``words`` is never empty."""

    speaker: str
    channel: Channel
    words: tuple[Word, ...]

    @property
    def text(self) -> str:
        """The words joined by single spaces."""
        return " ".join(word.text for word in self.words)

    @property
    def span(self) -> TimeSpan:
        """From the first word's start to the last word's end."""
        return TimeSpan(self.words[0].span.start_s, self.words[-1].span.end_s)


@dataclass(frozen=True, slots=True)
class PiiSpan:
    """Words of one turn that must go. Never holds the words themselves.

    Args:
        entity_type: Presidio's name where it has one (DESIGN.md section 4).
        turn: index of the turn in the call.
        words: which words of that turn.
        score: confidence in [0, 1].
        reason: which rule found it, in words fit for a reviewer and free of content.
    """

    entity_type: str
    turn: int
    words: WordRange
    score: float
    reason: str


@dataclass(frozen=True, slots=True)
class Redaction:
    """A span of one channel that is replaced in the audio."""

    entity_type: str
    channel: Channel
    span: TimeSpan
    action: Action
    reason: str


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """A span that was redacted, or left, in doubt, and that a person should look at."""

    channel: Channel
    span: TimeSpan
    reason: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """One fact that a consent decision rests on.

    Args:
        signal: what it shows.
        rule: the phrase or the statement of the platform that shows it; free of content.
        channel: where it was heard; None for what the platform says.
        span: when, likewise.
        speaker: who said it.
        confidence: the recogniser's, in [0, 1].
        purposes: those it names; none of them for one that is about the recording as a whole.
        version: of the wording that was played or agreed to, by the platform.
        at: when it was given or taken back, if that was outside the call.
    """

    signal: ConsentSignal
    rule: str
    channel: Channel | None = None
    span: TimeSpan | None = None
    speaker: str | None = None
    confidence: float | None = None
    purposes: frozenset[Purpose] = frozenset()
    version: str | None = None
    at: datetime | None = None

    @property
    def kind(self) -> EvidenceKind:
        """What kind of evidence it is."""
        return self.signal.kind


@dataclass(frozen=True, slots=True)
class PurposeDecision:
    """The verdict for one purpose."""

    verdict: Verdict
    lawful: bool
    reason: str


@dataclass(frozen=True, slots=True)
class ConsentDecision:
    """Whether the call may be kept, and why (DESIGN.md section 4).

    Args:
        verdict: for the recording itself.
        lawful: whether the rule that applies accepts that verdict.
        rule: the place whose rule applies, and what it asks for.
        reason: what decided, and the rule's source.
        policy_version: of the rules.
        evidence: what it rests on.
        decided_at: when it was made.
        purposes: the verdict for every purpose.
        privacy_policy: version of the company's privacy policy in force at the call; None where none is on file.
        untold: the platform says that nobody told the caller, and nothing in the recording says otherwise.
        lawful_before: of a withdrawn call, whether what was recorded before the objection is lawful.
    """

    verdict: Verdict
    lawful: bool
    rule: str
    reason: str
    policy_version: str
    evidence: tuple[Evidence, ...]
    decided_at: datetime
    purposes: Mapping[Purpose, PurposeDecision] = field(default_factory=dict)
    privacy_policy: str | None = None
    untold: bool = False
    lawful_before: bool = False


@dataclass(frozen=True, slots=True)
class SealedObject:
    """A sealed object in the store and what is needed, with the subject's key, to open it.

    Args:
        kind: what it holds.
        object_key: opaque name in the store.
        sha256: of the plaintext, hex.
        size_bytes: of the plaintext.
        subject_key_id: the key under which the data key is wrapped.
        wrapped_key: the data key, encrypted with that subject key and bound to the call and kind.
    """

    kind: ArtifactKind
    object_key: str
    sha256: str
    size_bytes: int
    subject_key_id: str
    wrapped_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Artifact:
    """A sealed object that is kept until a date, for a reason."""

    sealed: SealedObject
    created_at: datetime
    retain_until: datetime
    retention_rule: str
