"""What the telephone platform says about a call: checked at the door, so that every room can rely on it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from pipeline.errors import BadMetadata, UsageError
from pipeline.numbers import e164, reads_like_a_number
from pipeline.types import Channel, Purpose

if TYPE_CHECKING:
    from pathlib import Path

CALL_ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
_MAX_BYTES = 1 << 20

CallId = Annotated[str, StringConstraints(pattern=CALL_ID_PATTERN)]
_ENTITY_TYPE = r"^[A-Z][A-Z_]{1,40}$"
EntityType = Annotated[str, StringConstraints(pattern=_ENTITY_TYPE)]
KnownValue = Annotated[str, StringConstraints(min_length=2, max_length=200, strip_whitespace=True)]


def _label(value: str) -> str:
    if reads_like_a_number(value):
        raise ValueError("a version must not read like somebody's number")
    return value


Key = Annotated[str, StringConstraints(pattern=r"^[0-9*#A-D]$")]
RetentionName = Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,32}$")]
Number = Annotated[str, StringConstraints(max_length=128)]
_EXTENSION_DIGITS = 6


# A version goes into the record of the call: it is a label, never words, an address or a telephone number.
Version = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$"), AfterValidator(_label)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class ConsentMetadata(_Strict):
    """What the platform did about consent before or outside the recording, and what it knows of the caller.

    Args:
        recording_notice: who told the caller about the recording, if anybody did.
        notice_version: the wording that was played.
        notice_purposes: what it said that the recording is for; the recording and its transcription go without saying.
        given: what the caller answered before the recording began, in a menu, on a form or in an earlier call.
        given_at: when; a significant change of the privacy policy since then makes it void.
        given_by: the caller, or for a minor the guardian.
        given_version: the wording that was agreed to.
        purposes: what the answer was about; None for the recording and its transcription.
        opt_out: purposes that the caller has refused, by the customer records.
        key_to_refuse: the key with which a caller refuses, as the menu offers it.
        key_to_consent: the key with which a caller consents.
        minor: the caller is a minor.
        data_kinds: special kinds of data that the call is about.
    """

    recording_notice: Literal["ivr", "agent", "none"] | None = None
    notice_version: Version | None = None
    notice_purposes: tuple[Purpose, ...] = ()
    given: Literal["yes", "no"] | None = None
    given_at: AwareDatetime | None = None
    given_by: Literal["caller", "guardian"] = "caller"
    given_version: Version | None = None
    purposes: Annotated[tuple[Purpose, ...], Field(min_length=1)] | None = None
    opt_out: tuple[Purpose, ...] = ()
    key_to_refuse: Key | None = None
    key_to_consent: Key | None = None
    minor: bool = False
    data_kinds: tuple[Literal["health", "card"], ...] = ()

    @property
    def conditions(self) -> tuple[str, ...]:
        """What makes the call one that a rule of its own applies to."""
        return (*(("minor",) if self.minor else ()), *self.data_kinds)


class CallMetadata(_Strict):
    """Everything about a call that is not in the recording (DESIGN.md section 4); all of it optional.

    Args:
        call_id: the platform's name for the call.
        started_at: with its time zone.
        direction: who called whom.
        caller: any common spelling of the number; E.164 after the check, None where it was withheld. The
            company's own side may be an extension.
        callee: likewise.
        channels: who is heard on each channel, in the file's order.
        language: ISO 639-1 code; told from the recording where it is missing.
        jurisdictions: of both ends, such as ``US-CA`` or ``DE``.
        consent: what was done about consent outside the recording.
        sectors: trades whose rules of retention apply; the settings' where missing.
        purpose: what the call was recorded for; likewise.
        known_pii: values that must not stay, by entity type; used while the call is processed and never kept.
    """

    call_id: CallId | None = None
    started_at: AwareDatetime | None = None
    direction: Literal["inbound", "outbound"] = "inbound"
    caller: Number | None = Field(default=None, repr=False)
    callee: Number | None = Field(default=None, repr=False)
    channels: Annotated[tuple[Channel, ...], Field(min_length=1, max_length=2)] | None = None
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")] | None = None
    jurisdictions: tuple[Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$")], ...] = ()
    consent: ConsentMetadata = ConsentMetadata()
    sectors: tuple[RetentionName, ...] | None = None
    purpose: RetentionName | None = None
    known_pii: dict[EntityType, tuple[KnownValue, ...]] = Field(default_factory=dict, repr=False)

    @field_validator("caller", "callee")
    @classmethod
    def _number(cls, value: str | None) -> str | None:
        if value is None or (value.isdecimal() and len(value) <= _EXTENSION_DIGITS):
            return value
        try:
            return e164(value)
        except UsageError as exc:
            raise ValueError(str(exc)) from exc

    @model_validator(mode="after")
    def _customer_can_be_found_again(self) -> Self:
        if self.customer_number and not self.customer_number.startswith("+"):
            raise ValueError("the customer's number is an extension, by which nobody can ask for erasure")
        return self

    @field_validator("channels")
    @classmethod
    def _distinct(cls, value: tuple[Channel, ...] | None) -> tuple[Channel, ...] | None:
        if value is not None and (len(set(value)) != len(value) or (len(value) == 2 and Channel.MIXED in value)):
            raise ValueError("two channels are the agent and the customer, once each")
        return value

    @field_validator("started_at")
    @classmethod
    def _in_utc(cls, value: datetime | None) -> datetime | None:
        return value if value is None else value.astimezone(UTC)

    @property
    def customer_number(self) -> str | None:
        """The number of the person whom the call is with, in E.164; None where it was withheld."""
        return self.caller if self.direction == "inbound" else self.callee

    @property
    def agent_number(self) -> str | None:
        """The number of the company's side, in E.164; None where it is an extension or was not said."""
        number = self.callee if self.direction == "inbound" else self.caller
        return number if number and number.startswith("+") else None


def parse_metadata(raw: bytes) -> CallMetadata:
    """The metadata of a JSON text.

    Raises:
        BadMetadata: not JSON, an unknown key, or a value of the wrong form; the message names keys, not values.
    """
    if len(raw) > _MAX_BYTES:
        raise BadMetadata(f"the metadata is larger than {_MAX_BYTES} bytes")
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError) as exc:
        raise BadMetadata("the metadata is not JSON") from exc
    try:
        metadata = CallMetadata.model_validate_json(json.dumps(found))
    except ValidationError as exc:
        raise BadMetadata(
            "metadata: "
            + "; ".join(_complaint(each["loc"], each["type"], each["msg"]) for each in exc.errors(include_input=False))
        ) from None  # the library's own message names keys of known_pii as they came
    _refuse_number_in_id(metadata)
    return metadata


def read_metadata(path: Path) -> CallMetadata:
    """The metadata in a file.

    Raises:
        UsageError: there is no such file.
        BadMetadata: see :func:`parse_metadata`.
    """
    try:
        return parse_metadata(path.read_bytes())
    except OSError as exc:
        raise UsageError(f"the metadata file cannot be read: {exc.strerror}") from exc


def _complaint(where: tuple[int | str, ...], kind: str, message: str) -> str:
    """One complaint; of ``known_pii`` no key is named that is no entity type, for it may be a value."""
    if where[:1] == ("known_pii",) and not all(re.fullmatch(_ENTITY_TYPE, str(part)) for part in where[1:2]):
        where = where[:1]
    key = ".".join(str(part) for part in where)
    return f"unknown key {key!r}" if kind == "extra_forbidden" else f"{key or 'metadata'}: {message}"


def _refuse_number_in_id(metadata: CallMetadata) -> None:
    """Ids are written to logs and rows, so they must not spell a telephone number of the call."""
    digits = "".join(filter(str.isdigit, metadata.call_id or ""))
    for number in (metadata.caller, metadata.callee):
        if number and number[-7:] in digits:
            raise BadMetadata("call_id: spells a telephone number of the call; use an opaque id")
