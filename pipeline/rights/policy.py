"""The policy of rights: ``configs/rights.toml`` as values, and the dates that follow from it. Pure."""

from __future__ import annotations

import calendar
import tomllib
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

Time = Annotated[int, Field(ge=0, le=3660)]
Words = Annotated[str, Field(min_length=1, max_length=200)]
Name = Annotated[str, Field(pattern=r"^[a-z_]{1,32}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Law(_Part):
    """By when a law wants an answer: months and days from the receipt, and how far that can be put off."""

    months: Time = 0
    days: Time = 0
    extension_months: Time = 0
    extension_days: Time = 0
    source: Words

    @model_validator(mode="after")
    def _some_time(self) -> Self:
        if self.months == self.days == 0:
            raise ValueError("an answer is due after some months or days")
        return self


class Restriction(_Part):
    """After how many days a restriction has to be looked at again."""

    review_days: Annotated[int, Field(ge=1, le=3660)]
    source: Words


class Objection(_Part):
    """What an objection does until it is decided."""

    then: Literal["restrict", "record"]
    source: Words


class Told(_Part):
    """What a person is told beyond the data (GDPR Art. 15(1))."""

    controller: Words
    purposes: tuple[Words, ...]
    recipients: tuple[Words, ...]
    origin: Words
    automated: Words
    complaint: Words


class RightsPolicy(_Part):
    """See ``configs/rights.toml``."""

    version: Annotated[str, Field(pattern=r"^[0-9A-Za-z.-]{1,32}$")]
    law: Name
    identity: Annotated[tuple[Name, ...], Field(min_length=1)]
    laws: dict[Name, Law]
    restriction: Restriction
    objection: Objection
    told: Told

    @model_validator(mode="after")
    def _known_law(self) -> Self:
        if self.law not in self.laws:
            raise ValueError("law is not one of laws")
        return self

    def law_named(self, name: str | None) -> tuple[str, Law]:
        """The law that was asked for, or the policy's own. Raises UsageError if it is unknown."""
        name = name or self.law
        if name not in self.laws:
            raise UsageError(f"the law is one of {', '.join(sorted(self.laws))}")
        return name, self.laws[name]


def load_policy(path: Path) -> RightsPolicy:
    """Reads a policy. Raises UsageError, with the field's name, if it cannot be read or makes no sense."""
    try:
        return RightsPolicy.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as exc:
        raise UsageError(f"the rights policy {path.name} cannot be read: {exc.strerror}") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise UsageError(f"the rights policy {path.name} is not TOML: {exc}") from exc
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "laws"
        raise UsageError(f"the rights policy {path.name}: {where}: {first['msg']}") from exc


def due(received_at: datetime, law: Law) -> datetime:
    """When the answer is due; a month ends on the same day of the next, or on its last (Reg. 1182/71 Art. 3(2)(c))."""
    return _after(received_at, law.months, law.days)


def extended(received_at: datetime, law: Law) -> datetime:
    """When it is due after an extension."""
    return _after(received_at, law.months + law.extension_months, law.days + law.extension_days)


def _after(start: datetime, months: int, days: int) -> datetime:
    year, month0 = divmod(start.year * 12 + start.month - 1 + months, 12)
    day = min(start.day, calendar.monthrange(year, month0 + 1)[1])
    return start.replace(year=year, month=month0 + 1, day=day) + timedelta(days=days)
