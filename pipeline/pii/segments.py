"""What is said in reply to a request: its lines, without what leads into the answer, and whether it is a refusal.

Takes: the talk and a window. Gives: tokens. Promises: backchannels and the question itself are none of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.pii.dialogue import Talk, Window, gives
from pipeline.pii.lexicon import lexicon

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.pii.lines import Token

MAX_LEAD = 6
MAX_SEGMENTS = 6
HARDLY = 0.2
"""Probability up to which a word says nothing of what follows."""


def segments(call: Talk, window: Window) -> list[tuple[Token, ...]]:
    """What the answering side says in the window, a line each; its backchannels are left out."""
    speakers = call.speakers
    found = []
    own = call.line(window.start - 1)
    for line in call.lines[call.places[own.index] :]:
        if call.firsts[line.index] >= window.end:
            break
        first = max(call.firsts[line.index], window.start)
        tokens = call.tokens[first : min(call.last(line), window.end)]
        if line.index == own.index and window.giver is None:
            tokens = _after_question(call.tokens[window.start - 1], tokens)
        other = line.index != own.index
        if other and window.giver is not None and line.speaker != window.giver and not line.backchannel:
            break  # the other side has answered; what was announced is over
        if tokens and gives(window, line, speakers) and not (line.backchannel and other):
            found.append(tokens)
    return found[:MAX_SEGMENTS]


def _after_question(noun: Token, tokens: tuple[Token, ...]) -> tuple[Token, ...]:
    """The rest of a line after the sentence that asks; after the noun alone in "Email, violet at ..."."""
    if noun.stop or noun.pause:
        return tokens
    for position, token in enumerate(tokens):
        if token.stop:
            return tokens[position + 1 :]
    return ()


def without_lead(tokens: Sequence[Token]) -> tuple[Token, ...]:
    """The answer without the words that lead into it ("yeah, sure, it's ...")."""
    rest = tuple(tokens)
    lead = lexicon().lead
    while rest:
        taken = 0
        for size in range(min(MAX_LEAD, len(rest)), 0, -1):
            if lead.fullmatch(" ".join(token.fold.replace("-", " ") for token in rest[:size])):
                taken = size
                break
        if not taken:
            break
        rest = rest[taken:]
    return rest


def refuses(tokens: Sequence[Token]) -> bool:
    """Whether an answer begins as a refusal or a question back; a first word that was hardly heard begins neither."""
    if tokens and tokens[0].sure <= HARDLY:
        return False
    said = " ".join(token.fold for token in tokens[:8])
    return lexicon().refusal.match(said) is not None
