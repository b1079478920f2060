"""Signals: everything in a call that bears on consent, each with its place, speaker, confidence and rule. Pure.

What was said is searched with the phrases of the call's language; what the platform did is in the metadata; what was
pressed and whether a recorder beeped, the tones tell. Nothing here decides anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.consent.announcements import covered_by, notices, requests
from pipeline.consent.keys import keys
from pipeline.consent.outside import outside
from pipeline.consent.reactions import answers, confirmations, continued, objections, refusals, remarks, went_on
from pipeline.consent.speech import Heard, speeches, without_echo
from pipeline.keypresses import beeps
from pipeline.types import ConsentSignal, Evidence, TimeSpan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from pipeline.consent.policy import ConsentPolicy
    from pipeline.metadata import CallMetadata
    from pipeline.tones import Tone
    from pipeline.types import Turn

_START = TimeSpan(0.0, 0.0)


def signals(
    turns: Sequence[Turn],
    metadata: CallMetadata,
    policy: ConsentPolicy,
    language: str,
    at: datetime,
    tones: Sequence[Tone] = (),
) -> tuple[Evidence, ...]:
    """Everything that bears on consent: what the metadata say first, then in order of time.

    Args:
        turns: what was said.
        metadata: what the platform did.
        policy: phrases, purposes and versions.
        language: of the call; one without phrases has no spoken evidence.
        at: when the call was made.
        tones: keys and beeps.
    """
    phrases = policy.phrases.get(language)
    said = speeches(turns)
    told = outside(metadata, policy, at)
    found = [*keys(said, tones, metadata, phrases), *beeps(tones)]
    if phrases:
        found += _spoken(Heard(said, without_echo(said), phrases, policy.least_confidence))
    for notice in told:
        if notice.signal is ConsentSignal.NOTICE_OUTSIDE:
            found += went_on(turns, notice)
    return (*told, *sorted(found, key=lambda each: (each.span or _START, each.signal)))


def _spoken(heard: Heard) -> Iterator[Evidence]:
    announced = tuple(notices(heard))
    asked = tuple(requests(heard, announced))
    answered = tuple(answers(heard, announced, asked))
    yield from (notice for notice in announced if not covered_by(notice, asked))
    yield from (request for request, _ in asked)
    yield from answered
    refused = tuple(refusals(heard, announced, answered))
    yield from refused
    objected = tuple(objections(heard, (*answered, *refused)))
    yield from objected
    yield from remarks(heard, (*answered, *refused, *objected))
    yield from confirmations(heard)
    yield from continued(heard, announced)
