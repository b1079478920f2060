"""The consent policy: ``configs/consent.toml``, checked and compiled."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

    from pipeline.types import ConsentDecision

Outcome = Literal["keep", "discard", "quarantine"]
_LABELS = {"one_party": "one-party", "notice": "all-party", "opt_in": "opt-in"}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ConsentRule(_Strict):
    """What one place asks for.

    Args:
        needs: ``one_party``, ``notice`` or ``opt_in``.
        source: statute or decision.
        checked: when the row was last read against its source.
        confidence: how sure that reading is.
        notice_must_be_recorded: a notice outside the recording does not count (RCW 9.73.030).
    """

    needs: Literal["one_party", "notice", "opt_in"]
    source: str
    checked: date
    confidence: Literal["high", "medium", "low"]
    notice_must_be_recorded: bool = False

    @property
    def label(self) -> str:
        """``one-party``, ``all-party`` or ``opt-in``."""
        return _LABELS[self.needs]


class Outcomes(_Strict):
    """What becomes of a call by its verdict; ``lawful`` stands for every verdict that the rule accepts."""

    lawful: Outcome
    declined: Outcome
    withdrawn: Outcome
    unknown: Outcome


class Phrases(_Strict):
    """Patterns of one language, on lower-case words without punctuation; ``topic`` is what a question must be about."""

    notice: tuple[re.Pattern[str], ...]
    not_notice: tuple[re.Pattern[str], ...]
    topic: tuple[re.Pattern[str], ...]
    request: tuple[re.Pattern[str], ...]
    yes: tuple[re.Pattern[str], ...]
    no: tuple[re.Pattern[str], ...]
    objection: tuple[re.Pattern[str], ...]


class ConsentPolicy(_Strict):
    """The whole file."""

    version: str
    outcome: Outcomes
    rules: dict[str, ConsentRule]
    members: dict[str, tuple[str, ...]]
    phrases: dict[str, Phrases]

    @model_validator(mode="after")
    def _complete(self) -> Self:
        missing = [name for name in ("unknown", *self.members) if name not in self.rules]
        if missing:
            raise ValueError(f"no rule for {', '.join(missing)}")
        return self

    def rule(self, place: str) -> ConsentRule:
        """The rule of a place, of its country, of the union it belongs to, else that of an unknown place.

        A state without a row of its own follows its country only in the United States, whose federal rule is the floor.
        """
        country = place.split("-", maxsplit=1)[0]
        for name in (place, country, *(whole for whole, members in self.members.items() if country in members)):
            if name in self.rules:
                return self.rules[name]
        return self.rules["unknown"]

    def outcome_of(self, decision: ConsentDecision) -> Outcome:
        """What becomes of a call with this decision; a verdict that the rule does not accept counts as unknown."""
        if decision.lawful:
            return self.outcome.lawful
        return {"declined": self.outcome.declined, "withdrawn": self.outcome.withdrawn}.get(
            decision.verdict.value, self.outcome.unknown
        )


def load_consent_policy(path: Path) -> ConsentPolicy:
    """The policy in a file.

    Raises:
        UsageError: missing, not TOML, or it says something a consent policy does not know.
    """
    try:
        return ConsentPolicy.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as exc:
        raise UsageError(f"the consent policy {path.name} cannot be read: {exc.strerror}") from exc
    except tomllib.TOMLDecodeError as exc:
        raise UsageError(f"the consent policy {path.name} is not TOML: {exc}") from exc
    except ValidationError as exc:
        where = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in exc.errors(include_input=False))
        raise UsageError(f"the consent policy {path.name}: {where}") from exc
