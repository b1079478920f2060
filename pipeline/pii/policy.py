"""The redaction policy: what ``configs/redaction.toml`` may say, checked.

Takes: a TOML file. Gives: a frozen ``RedactionPolicy``. Promises: an unknown key, a wrong type or a value out of range
is an error that names the key; a kind of entity that the file does not name is redacted with the strictest settings.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline.errors import UsageError
from pipeline.types import Action

NEVER_REVERSIBLE = frozenset(
    ("CREDIT_CARD", "CARD_EXPIRY", "CVV", "PIN", "DTMF", "UNHEARD", "PASSWORD", "SECURITY_ANSWER")
)
"""Card data, what unlocks something, and what may be either (keys that were pressed, speech nobody understood)."""

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EntityRule(_Strict):
    """How one kind of entity is treated.

    Args:
        threshold: the least score at which it is redacted.
        action: what is put in the place of its sound.
        replacement: what stands in the transcript, for the first value of the kind if they are numbered.
        redact: False keeps it.
        numbered: further values of a call become ``[KIND_2]`` and so on; the same value keeps its number.
        reversible: its values are sealed by themselves, to be shown on request; they are numbered then.
    """

    threshold: Share
    action: Action = Action.TONE
    replacement: str = Field(pattern=r"^\[[A-Z][A-Z0-9_]*\]$")
    redact: bool = True
    numbered: bool = False
    reversible: bool = False


class AudioRule(_Strict):
    """How a span of words becomes a span of sound; seconds, hertz and dB full scale."""

    collar_s: float = Field(default=0.35, ge=0.0, le=5.0)
    onset_s: float = Field(default=0.2, ge=0.0, le=5.0)
    overrun_s: float = Field(default=0.2, ge=0.0, le=1.0)
    unworded_s: float = Field(default=0.35, ge=0.1, le=5.0)
    merge_gap_s: float = Field(default=1.0, ge=0.0, le=10.0)
    tone_hz: float = Field(default=1000.0, gt=0.0, lt=4000.0)
    tone_dbfs: float = Field(default=-26.0, ge=-90.0, le=0.0)


class DetectionRule(_Strict):
    """Decisions of taste in detection: see the comments of ``configs/redaction.toml``."""

    place_alone: bool = False
    order_number: str = "ACCOUNT_NUMBER"
    unexplained_digits: int = Field(default=5, ge=4, le=9)
    window_words: int = Field(default=60, ge=5, le=500)
    window_s: float = Field(default=75.0, ge=5.0, le=600.0)
    talk_sure: Share = 0.05
    talk_near: Share = 0.03
    talk_secret: Share = 0.4
    talk_unlikely: Share = 0.005
    talk_again: float = Field(default=5.0, ge=1.0)

    def again(self) -> DetectionRule:
        """The rules for what is heard beside redactions, where words are cut off: all that adds findings asks more."""
        sure, near = (min(each * self.talk_again, 1.0) for each in (self.talk_sure, self.talk_near))
        secret = max(self.talk_secret, sure)
        return self.model_copy(update={"talk_sure": sure, "talk_near": near, "talk_secret": secret})


class RedactionPolicy(_Strict):
    """The whole file."""

    version: str = Field(min_length=1)
    audio: AudioRule = AudioRule()
    rules: DetectionRule = DetectionRule()
    entities: Mapping[str, EntityRule]

    @model_validator(mode="after")
    def _order_kind_is_known(self) -> RedactionPolicy:
        if self.rules.order_number and self.rules.order_number not in self.entities:
            raise ValueError("rules.order_number names a kind that [entities] does not have")
        return self

    @model_validator(mode="after")
    def _secrets_are_never_kept(self) -> RedactionPolicy:
        kept = sorted(kind for kind in NEVER_REVERSIBLE if self.rule(kind).reversible)
        if kept:
            raise ValueError(f"{', '.join(kept)} can never be reversible: PCI DSS 4.0.1, 3.3.1 and 3.5.1")
        return self

    def rule(self, entity_type: str) -> EntityRule:
        """The rule of a kind; one that the file does not name is redacted at any score."""
        found = self.entities.get(entity_type)
        return found or EntityRule(threshold=0.0, replacement=f"[{entity_type}]")

    def wants(self, entity_type: str, score: float) -> bool:
        """Whether a finding of that kind and score is redacted."""
        rule = self.rule(entity_type)
        return rule.redact and score >= rule.threshold


def config_dir() -> Path:
    """The folder of the shipped policies: beside the packages in a checkout, inside ``pipeline`` in a wheel."""
    inside = Path(__file__).resolve().parents[1] / "configs"
    return inside if inside.is_dir() else inside.parents[1] / "configs"


def load_policy(path: Path | None = None) -> RedactionPolicy:
    """The policy of a file; the shipped one by default.

    Raises:
        UsageError: the file is missing, is not TOML, or says something that the policy does not know.
    """
    source = path or config_dir() / "redaction.toml"
    try:
        return RedactionPolicy.model_validate(tomllib.loads(source.read_text(encoding="utf-8")))
    except OSError as exc:
        raise UsageError(f"redaction policy {source.name} cannot be read") from exc
    except tomllib.TOMLDecodeError as exc:
        raise UsageError(f"redaction policy {source.name} is not TOML: {exc}") from exc
    except ValidationError as exc:
        where = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in exc.errors())
        raise UsageError(f"redaction policy {source.name}: {where}") from exc
