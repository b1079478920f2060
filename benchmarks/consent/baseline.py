"""The keyword baseline: what a script over the transcript does that looks for the usual words.

It is what the projects that we compared ship, where they ship anything: a list of phrases for the notice, for yes, for
no and for an objection, without regard to who speaks, to what a yes answers, or to what else is recorded.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from benchmarks.consent.score import Found
from pipeline.types import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.types import Channel, TimeSpan, Turn

_NOTICE = re.compile(r"\b(recorded|recording|record this|grabada|grabar|grabando)\b", re.IGNORECASE)
_YES = re.compile(r"\b(yes|yeah|sure|okay|ok|fine|i agree|go ahead|sí|claro|de acuerdo)\b", re.IGNORECASE)
_NO = re.compile(r"\b(no|nope|don't|do not|not comfortable|rather not|prefiero que no)\b", re.IGNORECASE)
_OBJECTION = re.compile(r"\b(stop recording|don't record|not be recorded|deje de grabar)\b", re.IGNORECASE)
_QUESTION = re.compile(r"\?|\b(is it okay|do you consent|may i|may we|can we|permission)\b", re.IGNORECASE)
_ALL_PARTY = frozenset(["CA", "CT", "DE", "FL", "IL", "MD", "MA", "MI", "MT", "NV", "NH", "OR", "PA", "VT", "WA"])


def guess(turns: Sequence[Turn], jurisdictions: Sequence[str]) -> Found:
    """The verdict by keywords, with turns as evidence."""
    states = {place.removeprefix("US-") for place in jurisdictions if place.startswith("US")}
    abroad = any(not place.startswith("US") for place in jurisdictions)
    found: list[tuple[str, Channel, TimeSpan]] = []
    verdict = Verdict.UNKNOWN if abroad or states & _ALL_PARTY else Verdict.NOT_REQUIRED
    asked = False
    for turn in turns:
        text = turn.text
        if _OBJECTION.search(text):
            found.append(("objection", turn.channel, turn.span))
            return Found("withdrawn", lawful=False, evidence=tuple(found))
        if asked and _NO.search(text):
            found.append(("answer", turn.channel, turn.span))
            return Found("declined", lawful=False, evidence=tuple(found))
        if asked and _YES.search(text):
            found.append(("answer", turn.channel, turn.span))
            verdict = Verdict.GRANTED
        asked = False
        if _NOTICE.search(text):
            found.append(("notice", turn.channel, turn.span))
            asked = bool(_QUESTION.search(text))
            verdict = verdict if verdict is Verdict.GRANTED else Verdict.IMPLIED
    lawful = verdict in (Verdict.GRANTED, Verdict.NOT_REQUIRED) or (verdict is Verdict.IMPLIED and not abroad)
    return Found(verdict.value, lawful, tuple(found))
