"""What is still personal in what was heard again: pure but for the models that detection asks.

The words heard again take the place of those that were recognised in the same parts the first time; what is redacted
stays in the talk as it was understood, though nobody can hear it, so that the rest of a number is seen beside its
beginning and an answer after its question. The talk is then read as the first one was. Besides, a value that was
redacted, or a part of it, is a leak wherever it is heard.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from itertools import groupby
from typing import TYPE_CHECKING

from pipeline.pii import detect
from pipeline.pii.asked import UNEXPLAINED
from pipeline.pii.dialogue import talk
from pipeline.pii.known import known_values
from pipeline.pii.lexicon import lexicon, words
from pipeline.pii.lines import fold, read
from pipeline.pii.merge import merge
from pipeline.pii.written import digits_of, write
from pipeline.placeholders import is_placeholder
from pipeline.redact import plan
from pipeline.settle import drawn_in
from pipeline.speakers import attribute
from pipeline.types import Channel, PiiSpan, Segment, TimeSpan, Word, WordRange
from pipeline.verify.spans import middle_in, middles_in, widened, within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pipeline.pii import PiiRecognizer, RedactionPolicy, Tagger
    from pipeline.types import Redaction, SpeakerSpan, Turn
    from pipeline.verify.listen import Hearing

_NUMBER = re.compile(r"_\d+]$")
UNTOLD = 0.5
"""Findings below this score say that words are odd, not what they are: beside a redaction words are cut off, and always
odd. What was odd when all was audible is redacted already. Digits that nothing explains are found with more."""
HARDLY, SURELY = 0.4, 0.8
"""Probability below which an everyday word may be the rest of anything, and from which on it is what it says."""
_NEAR_S = 0.5  # by which two hearings put a word elsewhere
MIN_PART = 4  # digits or letters: less of a value tells nobody anything


@dataclass(frozen=True, slots=True)
class Understood:
    """A call as it was understood, before redaction: held in memory while it is verified, and never written.

    Args:
        turns: what was said.
        findings: which words of it must go.
        speech: per channel, where there is a voice.
        language: ISO 639-1 code.
        known: values known beforehand by entity type.
        speakers: who speaks when, on each channel that more than one person is on.
    """

    turns: tuple[Turn, ...] = field(repr=False)
    findings: tuple[PiiSpan, ...]
    speech: Mapping[Channel, tuple[TimeSpan, ...]]
    language: str
    known: Mapping[str, Sequence[str]] = field(repr=False)
    speakers: Mapping[Channel, Sequence[SpeakerSpan]] = field(default_factory=dict)

    def words(self, channel: Channel) -> list[Word]:
        """Every word of a channel, in order."""
        return sorted((w for turn in self.turns if turn.channel is channel for w in turn.words), key=lambda w: w.span)


def leaks(
    before: Understood,
    redactions: Sequence[Redaction],
    hearing: Hearing,
    recognizer: PiiRecognizer,
    policy: RedactionPolicy,
    tagger: Tagger | None = None,
) -> tuple[Understood, tuple[Redaction, ...]]:
    """The call as it is understood after listening again, and what must be redacted besides.

    Args:
        before: the call as it was understood so far.
        redactions: what is redacted so far.
        hearing: what was heard outside of that.
        recognizer: model of named entities.
        policy: kinds, thresholds, collars.
        tagger: reader of the talk, where there is one.
    """
    gone = _by_channel(redactions)
    fresh = {
        channel: drawn_in(words, within(before.speech.get(channel, ()), hearing.parts[channel]))
        for channel, words in hearing.words.items()
    }
    after = _understood_again(before, gone, hearing, fresh)
    stricter = policy.model_copy(update={"rules": policy.rules.again()})
    found = tuple(
        each
        for each in detect(after.turns, recognizer, before.known, stricter, before.language, tagger)
        if each.score >= UNTOLD and not (each.reason == UNEXPLAINED and _told_before(before, after.turns, each, gone))
    )
    after = replace(after, findings=(*found, *_carried(before, after.turns, gone)))
    new = {id(word) for words in fresh.values() for word in words}
    said_again = [
        replace(each, reason="a value that was redacted")
        for each in known_values(talk(read(after.turns)), values(before))
        if any(id(word) in new for word in _said(after.turns, each))
        and _together(after.turns, each)
        and not _told_before(before, after.turns, each, gone)
    ]
    audible = [
        *parts(after.turns, found, lambda word, channel: id(word) in new or not gone[channel](word.span)),
        *parts(after.turns, said_again, lambda word, _: id(word) in new),
    ]
    leaked = tuple(
        replace(each, reason=f"heard again: {each.reason}")
        for each in merge(audible)
        if _says_more(after.turns, each) and not _told_by_first(before, after.turns, each, gone)
    )
    return after, plan(after.turns, leaked, before.speech, policy)


def values(before: Understood) -> dict[str, list[str]]:
    """What was redacted, by entity type, as far as a part of it would tell anything: digits, or uncommon words."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for each in before.findings:
        written = write([word.text for word in _said(before.turns, each)]).text
        digits = digits_of(written)
        telling = [word for word in written.split() if _tells(fold(word))]
        if len(digits) >= MIN_PART:
            found[each.entity_type][digits] = None
        elif telling and not digits:
            found[each.entity_type][" ".join(telling)] = None
    return {kind: list(once) for kind, once in found.items()}


def _carried(
    before: Understood, turns: Sequence[Turn], gone: Mapping[Channel, Callable[[TimeSpan], bool]]
) -> Iterator[PiiSpan]:
    """What was found before and is redacted, where it stands in the talk now: it stays a value of the call."""
    owners = {id(word): each for each in before.findings for word in _said(before.turns, each)}
    for number, turn in enumerate(turns):
        found = [owners.get(id(word)) if gone[turn.channel](word.span) else None for word in turn.words]
        for each, run in groupby(range(len(found)), key=found.__getitem__):
            indices = list(run)
            if each is not None:
                yield replace(each, turn=number, words=WordRange(indices[0], indices[-1] + 1))


def _said(turns: Sequence[Turn], found: PiiSpan) -> Sequence[Word]:
    return turns[found.turn].words[found.words.first : found.words.end]


def _tells(word: str) -> bool:
    return len(word) >= MIN_PART and not lexicon().is_common(word)


def masked(turns: Sequence[Turn], redactions: Sequence[Redaction], policy: RedactionPolicy) -> tuple[Turn, ...]:
    """The turns, redacted already, with every word in the middle of a further redaction replaced by its placeholder.

    Where values are numbered, what was heard again counts as another value: nobody knows which one it was.
    """
    plain = [(turn.channel, word) for turn in turns for word in turn.words if not is_placeholder(word.text)]
    marks = {word.text for turn in turns for word in turn.words if is_placeholder(word.text)}
    counts = Counter(_NUMBER.sub("]", mark) for mark in marks)
    placeholders: dict[Redaction, str] = {}
    for each in redactions:
        if any(channel is each.channel and middle_in(word.span, (each.span,)) for channel, word in plain):
            rule = policy.rule(each.entity_type)
            counts[rule.replacement] += 1
            number = counts[rule.replacement] if rule.numbered or rule.reversible else 1
            placeholders[each] = rule.replacement if number == 1 else f"{rule.replacement[:-1]}_{number}]"
    by_channel = {turn.channel: {r: t for r, t in placeholders.items() if r.channel is turn.channel} for turn in turns}
    return tuple(_masked(turn, by_channel[turn.channel]) for turn in turns)


def _masked(turn: Turn, placeholders: Mapping[Redaction, str]) -> Turn:
    words: list[Word] = []
    last: Redaction | None = None
    for word in turn.words:
        hit = next((each for each in placeholders if middle_in(word.span, (each.span,))), None)
        if hit is None or is_placeholder(word.text):
            words.append(word)
            hit = None
        elif hit is last:
            span = TimeSpan(words[-1].span.start_s, max(words[-1].span.end_s, word.span.end_s))
            words[-1] = replace(words[-1], span=span)
        else:
            words.append(replace(word, text=placeholders[hit]))
        last = hit
    return replace(turn, words=tuple(words))


def _understood_again(
    before: Understood,
    gone: Mapping[Channel, Callable[[TimeSpan], bool]],
    hearing: Hearing,
    fresh: Mapping[Channel, Sequence[Word]],
) -> Understood:
    words: dict[Channel, list[Word]] = {channel: list(heard) for channel, heard in fresh.items()}
    listened = {channel: middles_in(hearing.parts.get(channel, ())) for channel in Channel}
    for turn in before.turns:
        words.setdefault(turn.channel, []).extend(
            word for word in turn.words if gone[turn.channel](word.span) or not listened[turn.channel](word.span)
        )
    segments = [
        Segment(channel, tuple(sorted(each, key=lambda word: word.span))) for channel, each in words.items() if each
    ]
    return replace(before, turns=attribute(segments, before.speakers))


def _by_channel(redactions: Sequence[Redaction]) -> Mapping[Channel, Callable[[TimeSpan], bool]]:
    """What tells on each channel whether the middle of a span is redacted."""
    spans: dict[Channel, list[TimeSpan]] = {channel: [] for channel in Channel}
    for each in redactions:
        spans[each.channel].append(each.span)
    return {channel: middles_in(each) for channel, each in spans.items()}


def _told_before(
    before: Understood, turns: Sequence[Turn], found: PiiSpan, gone: Mapping[Channel, Callable[[TimeSpan], bool]]
) -> bool:
    """Whether digits that nothing explains were heard there the first time, and told from a value by what was around.

    What explained them, such as "a night" behind a price, may be misheard the second time.
    """
    turn, said = turns[found.turn], _said(turns, found)
    near = widened((_extent(said),), _NEAR_S)
    known = [w for w in before.words(turn.channel) if middle_in(w.span, near) and not gone[turn.channel](w.span)]
    now, then = (digits_of(write([word.text for word in words]).text) for words in (said, known))
    same = sum(block.size for block in SequenceMatcher(None, then, now, autojunk=False).get_matching_blocks())
    return same > 0 and len(now) - same < MIN_PART


def _told_by_first(
    before: Understood, turns: Sequence[Turn], found: PiiSpan, gone: Mapping[Channel, Callable[[TimeSpan], bool]]
) -> bool:
    """Whether what was heard the first time, when all was audible, says of each word that it tells nothing of a value.

    With the value out of hearing, "my account number is" reads as a part of it, and what is cut off is heard as
    anything. An everyday word that was heard there and let stand is told beside a redaction, and where the finding is
    no more than a doubt; beside a redaction, one that is hardly heard now and none of the value; any word that is not
    sure where everyday words were, and were let stand. So is a short figure that was written the same both times: with
    the answer out of hearing, the next number would be taken for it. Of a value that is known or was redacted,
    no word or figure is.
    """
    turn, said = turns[found.turn], _said(turns, found)
    beside = turn.words[max(found.words.first - 1, 0) : found.words.end + 1]
    near = widened((_extent(beside),), _NEAR_S)
    once = [word for word in before.words(turn.channel) if any(word.span.overlaps(span) for span in near)]
    hidden, stood = ({fold(w.text) for w in once if gone[turn.channel](w.span) is each} for each in (True, False))

    whole = [text for each in (before.known, values(before)) for many in each.values() for text in many]
    given = {fold(part) for text in whole for part in text.split()}
    figures = "|".join(digits_of(text) for text in whole)

    def told(word: Word) -> bool:
        text, sure = fold(word.text), word.probability
        if text in given:
            return False
        if digits := digits_of(text):
            return text in stood and text.isdecimal() and len(digits) <= MIN_PART and digits not in figures
        if text in stood:
            return _is_everyday(text) and (bool(hidden) or found.score <= UNTOLD)
        if text in hidden:
            return False
        if hidden and sure < HARDLY and _is_everyday(text) and not _is_ambiguous(text):
            return True
        then = [each for each in once if each.span.overlaps(word.span)]
        return sure < SURELY <= min((each.probability for each in then), default=0.0) and all(
            _is_everyday(fold(each.text)) and not gone[turn.channel](each.span) for each in then
        )

    return len(digits_of(write([word.text for word in said]).text)) <= MIN_PART and all(told(word) for word in said)


def _is_everyday(word: str) -> bool:
    return lexicon().is_common(word) and not digits_of(write([word]).text)


def _is_ambiguous(word: str) -> bool:
    """Whether a folded word is a name as well, or what a letter may be heard as."""
    alike = words("heard_letters") | words("letter_words") | words("code_words")
    return len(word) == 1 or word in alike or lexicon().is_name(word)


def _extent(said: Sequence[Word]) -> TimeSpan:
    return TimeSpan(said[0].span.start_s, max(word.span.end_s for word in said))


def _together(turns: Sequence[Turn], found: PiiSpan) -> bool:
    """Whether digits stand together, enough to tell something: in a list of numbers any value can be picked out."""
    said = [word.text for word in _said(turns, found)]
    digits = len(digits_of(write(said).text))
    return digits == 0 or (digits >= MIN_PART and len(said) <= digits)


def _says_more(turns: Sequence[Turn], found: PiiSpan) -> bool:
    """Whether a finding is more than a word that one listens with: "yes" may stand for an answer, but tells nothing."""
    said = [fold(word.text) for word in _said(turns, found)]
    return not all(word != "oh" and lexicon().backchannel.fullmatch(word) for word in said)  # "oh" may be a zero


def parts(
    turns: Sequence[Turn], findings: Sequence[PiiSpan], audible: Callable[[Word, Channel], bool]
) -> Iterator[PiiSpan]:
    """The runs of audible words in each finding."""
    for each in findings:
        turn = turns[each.turn]
        heard = [i for i in range(each.words.first, each.words.end) if audible(turn.words[i], turn.channel)]
        for _, run in groupby(enumerate(heard), key=lambda pair: pair[1] - pair[0]):
            indices = [index for _, index in run]
            yield replace(each, words=WordRange(indices[0], indices[-1] + 1))
