"""The consent policy: ``configs/consent.toml`` and the phrases beside it, checked and compiled."""

from __future__ import annotations

import tomllib
from datetime import date
from typing import TYPE_CHECKING, Annotated, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, InstanceOf, ValidationError, model_validator

from pipeline.consent.phrases import Phrases, load_phrases
from pipeline.errors import UsageError
from pipeline.types import Purpose, Verdict

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path
    from typing import Self

    from pipeline.types import ConsentDecision

Outcome = Literal["keep", "discard", "quarantine", "keep_before"]
Needs = Literal["one_party", "notice", "opt_in", "guardian"]
NEEDS: Final = get_args(Needs)  # the more, the further on
_LABELS = {"one_party": "one-party", "notice": "all-party", "opt_in": "opt-in", "guardian": "guardian's consent"}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ConsentRule(_Strict):
    """What one place, or one kind of call, asks for.

    Args:
        needs: ``one_party`` nothing of the caller, ``notice`` to go on after one, ``opt_in`` an express yes,
            ``guardian`` a guardian's.
        source: statute or decision.
        checked: when the row was last read against its source.
        confidence: how sure that reading is.
        notice_must_be_recorded: a notice outside the recording does not count (RCW 9.73.030).
        before_recording: a yes inside the recording comes too late.
        purposes: whether consent to the recording covers ``all`` of its purposes or only those that were ``named``.
        withhold: purposes that no consent given in or before a call allows.
    """

    needs: Needs
    source: str
    checked: date
    confidence: Literal["high", "medium", "low"]
    notice_must_be_recorded: bool = False
    before_recording: bool = False
    purposes: Literal["all", "named"] = "all"
    withhold: tuple[Purpose, ...] = ()

    @property
    def label(self) -> str:
        """``one-party``, ``all-party``, ``opt-in`` or ``guardian's consent``."""
        return _LABELS[self.needs]

    @property
    def strictness(self) -> tuple[int, bool, bool]:
        """Sorts rules by how much they ask."""
        return NEEDS.index(self.needs), self.before_recording, self.notice_must_be_recorded


class Outcomes(_Strict):
    """What becomes of a call by its verdict; see ``configs/consent.toml``."""

    lawful: Literal["keep"]
    declined: Literal["discard"]
    withdrawn: Literal["keep_before", "discard"]
    no_evidence: Literal["discard", "quarantine"]
    unknown: Literal["discard", "quarantine"]


class Withdrawal(_Strict):
    """What a later withdrawal does to calls that are stored already."""

    stored: Literal["discard", "keep"]


class PrivacyPolicy(_Strict):
    """One version of the company's privacy policy.

    Args:
        version: as published.
        effective: the first day on which it is in force.
        significant: consents that were given before it have to be asked for again.
    """

    version: str
    effective: date
    significant: bool = False


class ConsentPolicy(_Strict):
    """The whole file, with the phrases that lie beside it."""

    version: str
    home: tuple[str, ...]
    least_confidence: Annotated[float, Field(ge=0, le=1)]
    with_recording: tuple[Purpose, ...]
    outcome: Outcomes
    withdrawal: Withdrawal
    privacy_policies: tuple[PrivacyPolicy, ...] = ()
    rules: dict[str, ConsentRule]
    overrides: dict[str, ConsentRule] = {}
    when: dict[Literal["minor", "health", "card"], ConsentRule]
    members: dict[str, tuple[str, ...]]
    phrases: dict[str, InstanceOf[Phrases]] = {}

    @model_validator(mode="after")
    def _complete(self) -> Self:
        missing = [name for name in ("unknown", *self.members) if name not in self.rules]
        missing += [name for name in ("minor", "health", "card") if name not in self.when]
        if missing:
            raise ValueError(f"no rule for {', '.join(missing)}")
        return self

    def rule(self, place: str) -> ConsentRule:
        """The rule of a place, of its country, of the union it belongs to, else that of an unknown place.

        An operator's override comes before the rule of the same name. A state without a row of its own follows its
        country only in the United States, whose federal rule is the floor.
        """
        country = place.split("-", maxsplit=1)[0]
        for name in (place, country, *(whole for whole, members in self.members.items() if country in members)):
            for rules in (self.overrides, self.rules):
                if name in rules:
                    return rules[name]
        return self.overrides.get("unknown", self.rules["unknown"])

    def knows(self, place: str) -> bool:
        """Whether a place has a rule of its own, of its country or of its union."""
        return self.rule(place) is not self.rule("unknown")

    def privacy_policy_at(self, at: datetime) -> str | None:
        """Version of the privacy policy in force at a time; None where none is on file."""
        in_force = [each for each in self.privacy_policies if each.effective <= at.date()]
        return max(in_force, key=lambda each: each.effective).version if in_force else None

    def asked_again_since(self, at: datetime) -> date | None:
        """Since when consent has to have been given to count at a time; None where it never had to be asked again."""
        changes = [each.effective for each in self.privacy_policies if each.significant and each.effective <= at.date()]
        return max(changes, default=None)

    def outcome_of(self, decision: ConsentDecision) -> Outcome:
        """What becomes of a call with this decision; a verdict that the rule does not accept counts as unknown."""
        if decision.lawful:
            return self.outcome.lawful
        if decision.verdict is Verdict.WITHDRAWN:
            return self.outcome.withdrawn if decision.lawful_before else "discard"
        if decision.verdict is Verdict.DECLINED:
            return self.outcome.declined
        return self.outcome.no_evidence if decision.untold else self.outcome.unknown


def load_consent_policy(path: Path) -> ConsentPolicy:
    """The policy in a file.

    Raises:
        UsageError: missing, not TOML, or it says something a consent policy does not know.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        phrases = {file.name.split(".")[1]: load_phrases(file) for file in path.parent.glob(f"{path.stem}.*.toml")}
        return ConsentPolicy.model_validate({**raw, "phrases": phrases})
    except OSError as exc:
        raise UsageError(f"the consent policy {path.name} cannot be read: {exc.strerror}") from exc
    except tomllib.TOMLDecodeError as exc:
        raise UsageError(f"the consent policy {path.name} is not TOML: {exc}") from exc
    except ValidationError as exc:
        where = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in exc.errors(include_input=False))
        raise UsageError(f"the consent policy {path.name}: {where}") from exc
