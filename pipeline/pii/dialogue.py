"""What is asked for, and until when: the state of a conversation as windows over its tokens.

Takes: lines. Gives: ``Window`` objects: from a request ("and the three digits on the back?") or an announcement
("my account number is") to the point where the talk has moved on. Promises: pure; a window that is in doubt stays open.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pipeline.pii.lexicon import Field, Shape, lexicon, words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.pii.lines import Line, Token
    from pipeline.pii.policy import DetectionRule

_OWNER = re.compile(r"(?:^| )(my|our|his|her|their)(?: \w+){0,2} ?$")
_STATES = re.compile(
    r"^ ?(?:[\w']+ ){0,3}"
    r"(?:is|was|are|still|it's|its|would be|will be|that's|ends in|ending in|starts with)"
    r"(?! (?:it|that|this|not|on file|correct|right)\b)"
)
_FOLLOWED = re.compile(
    r"^ (?:number |of |in |is |as |with |uh |um )*(?=\S*\d)(?!\d+ (?:digit|number|letter|character))"
)
_ASKS_BACK = re.compile(r"(?:^| )(your|the|that|a)(?: \w+){0,2} ?$")
_SAYS = re.compile(r" (?:(?:(?:to|for|on) (?:\w+ ){1,3})?(?:is|was)|(?:[\w']+ ){0,3}still) ")
_CUE_BEFORE = 14
_CUE_AFTER = 6
_SHORT = 6
_BARE = 4
_NEAR_WORDS = 12
_TAG = 6
_WEAK_WORDS = 25
_TEXT_SHAPES = frozenset((Shape.NAME, Shape.ADDRESS, Shape.EMAIL, Shape.FREE, Shape.SPELLED))


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of talk in which one kind of answer is awaited.

    Args:
        field: what is asked for.
        kind: entity type of the answer.
        strong: it was asked for or announced; else only mentioned.
        asker: speaker who asked; None if it was announced.
        giver: speaker who announced; None if it was asked for, or announced and not given.
        start: first position, in the tokens of the whole call, that can be an answer; ``end`` is past the last.
        near: positions before this follow the mention closely.
    """

    field: Field
    kind: str
    strong: bool
    asker: str | None
    giver: str | None
    start: int
    end: int
    near: int


@dataclass(frozen=True, slots=True)
class Talk:
    """A call as one sequence of tokens.

    Args:
        lines: in the order of their ends, so that an answer whose start was heard too early still follows its question.
        tokens: of all lines in that order.
        turns: the lines by index of their turn.
        firsts: for each turn, where its first token stands in ``tokens``.
        places: for each turn, where its line stands in ``lines``.
    """

    lines: tuple[Line, ...]
    tokens: tuple[Token, ...]
    turns: tuple[Line, ...]
    firsts: tuple[int, ...]
    places: tuple[int, ...]

    @property
    def speakers(self) -> int:
        """How many speakers there are."""
        return len({line.speaker for line in self.turns})

    def line(self, position: int) -> Line:
        """The line of a token."""
        return self.turns[self.tokens[position].line]

    def position(self, token: Token) -> int:
        """Where a token stands in the call."""
        return self.firsts[token.line] + self.turns[token.line].tokens.index(token)

    def last(self, line: Line) -> int:
        """Past the last position of a line."""
        return self.firsts[line.index] + len(line.tokens)


def talk(turns: Sequence[Line]) -> Talk:
    """The talk that lines, one per turn, make."""
    lines = sorted(turns, key=lambda line: (line.end_s, line.index))
    firsts, places = [0] * len(turns), [0] * len(turns)
    tokens: list[Token] = []
    for place, line in enumerate(lines):
        firsts[line.index], places[line.index] = len(tokens), place
        tokens.extend(line.tokens)
    return Talk(tuple(lines), tuple(tokens), tuple(turns), tuple(firsts), tuple(places))


@dataclass(frozen=True, slots=True)
class _Mention:
    """A field named in one sentence of a line; ``end`` is the position in the call past the noun.

    ``gives``: what follows in the line may be the value; else nobody knows who will say it.
    """

    field: Field
    line: Line
    end: int
    strong: bool
    states: bool
    gives: bool


def windows(call: Talk, rules: DetectionRule) -> tuple[Window, ...]:
    """Every window of a call, in order of their starts."""
    mentions = [mention for line in call.lines for mention in _mentions(call, line)]
    mentions += [asked for mention in mentions if (asked := _asked_whether(call, mention))]
    found = [window for mention in mentions if (window := _window(call, mention, rules))]
    return tuple(sorted((_until_next(window, found, call) for window in found), key=lambda w: (w.start, w.end)))


def _mentions(call: Talk, line: Line) -> Iterator[_Mention]:
    for first, end in sentences(line.tokens):
        tokens = line.tokens[first:end]
        text, at = _spoken(tokens)
        asked = _asked_for_next(line.tokens[end:])
        named = [(item, match) for item in lexicon().fields for match in item.noun.finditer(text)]
        for item, match in named:
            if not any(_is_within(match, longer) for other, longer in named if other.kind != item.kind):
                before, after = text[: match.start()], text[match.end() :]
                told = _FOLLOWED.match(after) is not None
                states = told or (not _only_asks(tokens) and _states(before, match.group(), after))
                by_pronoun = asked > 0 and not states
                strong = states or by_pronoun or _requests(text, match, question=tokens[-1].question)
                if strong or not item.only:
                    noun_end = call.firsts[line.index] + first + at[match.end() - 1] + 1
                    noun_end = call.firsts[line.index] + end + asked if by_pronoun else noun_end
                    rest = line.tokens[noun_end - call.firsts[line.index] :]
                    yield _Mention(item, line, noun_end, strong, states, item.shape in _TEXT_SHAPES or _telling(rest))


def _is_within(match: re.Match[str], longer: re.Match[str]) -> bool:
    """Whether one noun is but a part of another ("insurance number" of "national insurance number")."""
    size = len(match.group())
    return size < len(longer.group()) and longer.start() <= match.start() and match.end() <= longer.end()


def _asked_for_next(tokens: Sequence[Token]) -> int:
    """Past a request that only points back at what was named before it ("Can I have that?"); 0 if there is none."""
    _, end = next(sentences(tokens), (0, 0))
    asks = lexicon().points_back.fullmatch(" ".join(token.fold for token in tokens[:end]))
    return end if asks is not None else 0


def _only_asks(sentence: Sequence[Token]) -> bool:
    """Whether a sentence is a question and no statement with one tied to it ("..., is that right?")."""
    tag = next((at + 1 for at in range(len(sentence) - 2, 0, -1) if sentence[at].pause), 0)
    tied = tag > 0 and len(sentence) - tag <= _TAG and sentence[tag].fold in words("tag_openers")
    return sentence[-1].question and not tied


def _asked_whether(call: Talk, mention: _Mention) -> _Mention | None:
    """What was read out and asked to be confirmed is asked for: the answer may be what is right instead."""
    line = mention.line
    if not (mention.strong and mention.states and line.tokens[-1].question) or call.last(line) <= mention.end:
        return None
    return replace(mention, end=call.last(line), states=False, gives=False)


def _telling(tokens: Sequence[Token]) -> bool:
    """Whether what is said can be a value: a figure, a letter or no everyday word; or nothing more is said."""
    return not tokens or any(t.digits or t.letters or not lexicon().is_common(t.fold) for t in tokens)


def _window(call: Talk, mention: _Mention, rules: DetectionRule) -> Window | None:
    kind = mention.field.kind if mention.field.kind != "ORDER" else rules.order_number
    if not kind:
        return None
    words = rules.window_words if mention.strong else _WEAK_WORDS
    line, start = mention.line, mention.end
    return Window(
        field=mention.field,
        kind=kind,
        strong=mention.strong,
        asker=None if mention.states else line.speaker,
        giver=line.speaker if mention.states and mention.gives else None,
        start=start,
        end=_expiry(call, line, start, words, rules.window_s),
        near=_expiry(call, line, start, _NEAR_WORDS, rules.window_s),
    )


def sentences(tokens: Sequence[Token]) -> Iterator[tuple[int, int]]:
    """Half-open ranges of the sentences of one line."""
    first = 0
    for position, token in enumerate(tokens):
        if token.stop or position == len(tokens) - 1:
            yield first, position + 1
            first = position + 1


def clauses(tokens: Sequence[Token]) -> Iterator[Sequence[Token]]:
    """The tokens of one line, parted at its pauses and the ends of its sentences."""
    first = 0
    for at, token in enumerate(tokens):
        if token.pause or token.stop or at == len(tokens) - 1:
            yield tokens[first : at + 1]
            first = at + 1


def _spoken(tokens: Sequence[Token]) -> tuple[str, list[int]]:
    """The folded sentence and, for each of its characters, the token it belongs to."""
    text, at = "", []
    for position, token in enumerate(tokens):
        part = token.fold.replace("-", " ") + " "
        text += part
        at.extend([position] * len(part))
    return text.rstrip(), at


def _states(before: str, noun: str, after: str) -> bool:
    if noun.startswith("who"):
        return False
    if noun.endswith(" to") and after:
        return True
    if noun.endswith("'s") and after and not _ASKS_BACK.search(before):
        return True
    if noun.startswith(("i was", "i'm born", "i live", "we live", "he was", "she was")):
        return True
    if _ASKS_BACK.search(before) and not _SAYS.match(after):
        return False
    return bool(_STATES.match(after)) or bool(_OWNER.search(before))


def _requests(text: str, match: re.Match[str], *, question: bool) -> bool:
    """Whether a sentence asks for the field that it names.

    A noun that is an everyday word of its own ("card", "policy") asks only in a short sentence.
    """
    before, after = text[: match.start()].split(), text[match.end() :].split()
    around = len(before) + len(after)
    if match.group() in words("vague_nouns") and around > _SHORT:
        return False
    bare = around <= _BARE and len(before) <= _BARE - 1 and not re.search(r"\d", text[match.end() :])
    if question or (bare and not _tells_where(before)):
        return True
    cue = lexicon().cue
    nearby = " ".join(before[-_CUE_BEFORE:]), " ".join(after[:_CUE_AFTER]), match.group()
    return bool(cue.search(nearby[0]) or cue.search(nearby[1]) or cue.match(nearby[2]))


def _tells_where(before: Sequence[str]) -> bool:
    """Whether what stands before a noun says where something is ("it's on the card")."""
    placed = not {"on", "in"}.isdisjoint(before[-2:])
    return placed and before[0].partition("'")[0] in words("pronouns")


def _expiry(call: Talk, line: Line, start: int, words: int, seconds: float) -> int:
    """Where a window closes: after so many words other than numbers, letters and backchannels, or so many seconds."""
    spent, position = 0, start
    deadline_s = line.end_s + seconds
    while position < len(call.tokens):
        here = call.line(position)
        if here.start_s > deadline_s and here.index != line.index:
            break
        token = call.tokens[position]
        if token.number or token.letters:
            deadline_s = max(deadline_s, here.end_s + seconds / 2)
        elif not here.backchannel:
            spent += 1
            if spent > words:
                break
        position += 1
    return position


def _until_next(window: Window, found: Sequence[Window], call: Talk) -> Window:
    """A question for something else closes a window for words; numbers may still come."""
    if window.field.shape not in _TEXT_SHAPES or not window.strong:
        return window
    own_line = call.line(window.start - 1).index
    end = window.end
    for other in found:
        line = call.line(other.start - 1).index
        if not other.strong or other.start <= window.start or other.field is window.field or line == own_line:
            continue
        if other.giver is None and not _companions(window.field, other.field):
            end = min(end, call.firsts[line])
    return Window(
        window.field,
        window.kind,
        window.strong,
        window.asker,
        window.giver,
        window.start,
        max(end, window.start),
        window.near,
    )


def _companions(first: Field, second: Field) -> bool:
    return {first.kind, second.kind} == {"ADDRESS", "ZIP_CODE"}


def gives(window: Window, line: Line, speakers: int) -> bool:
    """Whether a line can hold the answer: said by the other side, or by the one who announced it.

    On one mixed channel the separation of speakers may be wrong, so there anybody's words can be the answer.
    """
    if speakers < 2 or line.speaker.startswith("mixed:"):
        return True
    return line.speaker == window.giver if window.giver is not None else line.speaker != window.asker


def says_amount(call: Talk, line: Line, window: Window | None) -> bool:
    """Whether a line replies to a question of the other side for a quantity, asked since a window was opened."""
    earlier = reversed(call.lines[: call.places[line.index]])
    before = next((each for each in earlier if not each.backchannel), None)
    if before is None or before.speaker == line.speaker or not before.tokens[-1].question:
        return False
    start, end = list(sentences(before.tokens))[-1]
    asked = lexicon().quantity_asked.search(" ".join(token.fold for token in before.tokens[start:end]))
    return asked is not None and (window is None or window.start <= call.firsts[before.index] + start)
