"""Metadata: what the platform may say is accepted, anything else is named, and no value is ever shown."""

from __future__ import annotations

import json
import traceback
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import BadMetadata, UsageError
from pipeline.metadata import CallMetadata, parse_metadata, read_metadata
from pipeline.types import Channel

if TYPE_CHECKING:
    from pathlib import Path

FULL: dict[str, Any] = {
    "call_id": "CA0f31",
    "started_at": "2026-11-20T14:03:00Z",
    "direction": "inbound",
    "caller": "+12025550143",
    "callee": "+18005550100",
    "channels": ["agent", "customer"],
    "language": "en",
    "jurisdictions": ["US-CA"],
    "consent": {"recording_notice": "ivr", "notice_version": "2026-03"},
    "known_pii": {"PERSON": ["Dana Whitfield"], "ACCOUNT_NUMBER": ["88231907"]},
}
PLANTED = "Quackenbush"


def parsed(**changes: Any) -> CallMetadata:
    """The documented example with changes."""
    return parse_metadata(json.dumps({**FULL, **changes}).encode())


def test_the_documented_example() -> None:
    """Every key of the contract is accepted with the value of its example."""
    metadata = parsed()
    assert metadata.call_id == "CA0f31"
    assert metadata.started_at == datetime(2026, 11, 20, 14, 3, tzinfo=UTC)
    assert metadata.channels == (Channel.AGENT, Channel.CUSTOMER)
    assert (metadata.caller, metadata.callee) == ("+12025550143", "+18005550100")
    assert metadata.consent.recording_notice == "ivr"
    assert metadata.known_pii == {"PERSON": ("Dana Whitfield",), "ACCOUNT_NUMBER": ("88231907",)}


@pytest.mark.parametrize("missing", FULL)
def test_every_key_is_optional(missing: str) -> None:
    """Any key may be left out, and all of them."""
    parse_metadata(json.dumps({key: value for key, value in FULL.items() if key != missing}).encode())
    assert parse_metadata(b"{}") == CallMetadata()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"calller": "+12025550143"}, "calller"),
        ({"consent": {"recording_notise": "ivr"}}, "consent.recording_notise"),
        ({"consent": {"recording_notice": "ivr", "by": "x"}}, "consent.by"),
    ],
)
def test_an_unknown_key_is_named(changes: dict[str, Any], named: str) -> None:
    """A key that is not documented is an error that names it, at any depth."""
    with pytest.raises(BadMetadata, match=f"unknown key '{named}'"):
        parsed(**changes)


@pytest.mark.parametrize(
    "spelled",
    ["+1 (202) 555-0143", "202-555-0143", "(202) 555 0143", "tel:+1-202-555-0143", "0012025550143", "+1.202.555.0143"],
)
def test_one_caller_one_spelling(spelled: str) -> None:
    """Any common spelling of a number becomes the one under which the caller can be found again."""
    assert parsed(caller=spelled).caller == "+12025550143"


@pytest.mark.parametrize("spelled", ["anonymous", "Restricted", "unknown", "sip:anonymous@anonymous.invalid"])
def test_a_withheld_number_is_none(spelled: str) -> None:
    """A caller who withheld the number has none."""
    assert parsed(caller=spelled).customer_number is None


def test_the_company_may_have_an_extension() -> None:
    """The company's own end may be an extension, the customer's may not: nobody could ask for its erasure."""
    assert parsed(callee="4711").callee == "4711"
    assert parsed(direction="outbound", caller="4711", callee="+12025550143").customer_number == "+12025550143"
    for changes in ({"caller": "4711"}, {"direction": "outbound", "callee": "4711"}):
        with pytest.raises(BadMetadata, match="extension") as failed:
            parsed(**changes)
        assert "4711" not in str(failed.value)


def test_the_customer_is_the_other_end() -> None:
    """The customer called on an inbound call and was called on an outbound one."""
    assert parsed(direction="inbound").customer_number == FULL["caller"]
    assert parsed(direction="outbound").customer_number == FULL["callee"]


@pytest.mark.parametrize("call_id", ["12025550143", "call-5550143", "x202-555-01.43", "a1b8005550100c"])
def test_an_id_must_not_spell_a_number(call_id: str) -> None:
    """A call id that holds a number of the call is refused, for ids are written to logs."""
    with pytest.raises(BadMetadata, match="call_id") as failed:
        parsed(call_id=call_id)
    assert "555" not in str(failed.value)


@pytest.mark.parametrize("version", ["2026-03", "2026-11-20", "v2.1", "ivr:en_US:4", "Fall-2026"])
def test_a_version_is_a_label(version: str) -> None:
    """The names that people give to wordings are taken as they are."""
    assert parsed(consent={"notice_version": version}).consent.notice_version == version


@pytest.mark.parametrize("call_id", ["", "a/b", "../x", ".hidden", "a b", "x" * 129, "a\nb", "é"])
def test_an_id_is_a_name(call_id: str) -> None:
    """An id that could be a path, or is longer than a name, is refused."""
    with pytest.raises(BadMetadata, match="call_id"):
        parsed(call_id=call_id)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("started_at", "2026-11-20T14:03:00"),
        ("started_at", "yesterday"),
        ("direction", "sideways"),
        ("caller", "555-01"),
        ("caller", 12025550143),
        ("channels", []),
        ("channels", ["agent", "agent"]),
        ("channels", ["agent", "mixed"]),
        ("channels", ["agent", "customer", "agent"]),
        ("channels", ["boss"]),
        ("language", "english"),
        ("jurisdictions", ["California"]),
        ("jurisdictions", "US-CA"),
        ("consent", {"recording_notice": "email"}),
        ("consent", {"notice_version": "as read to Dana Whitfield"}),
        ("consent", {"notice_version": "dana@example.com"}),
        ("consent", {"given_version": "202-555-0143"}),
        ("consent", {"given_version": "1984-03-07"}),
        ("known_pii", {"person": ["Dana"]}),
        ("known_pii", {"PERSON": "Dana"}),
        ("known_pii", {"PERSON": ["D"]}),
    ],
)
def test_a_wrong_value_is_named_by_its_key(key: str, value: object) -> None:
    """A value of the wrong form is an error that names its key."""
    with pytest.raises(BadMetadata, match=key):
        parsed(**{key: value})


PLACES = st.sampled_from([*FULL, "known key", "known value", "notice", "version", "list"])


@settings(max_examples=150)
@given(PLACES, st.text(alphabet=st.characters(codec="utf-8"), max_size=8), st.booleans())
def test_no_value_is_ever_shown(place: str, around: str, inside: bool) -> None:  # noqa: FBT001
    """Whatever is planted where, a refusal does not repeat it."""
    value: Any = around + PLANTED + around if inside else [PLANTED, {"x": PLANTED}]
    plants: dict[str, dict[str, Any]] = {
        "known key": {"known_pii": {f"{around}{PLANTED}": ["x"]}},
        "known value": {"known_pii": {"PERSON": [value, 1]}},
        "notice": {"consent": {"recording_notice": value}},
        "version": {"consent": {"notice_version": [value]}},
        "list": {"jurisdictions": [value]},
    }
    try:
        found = parsed(**plants.get(place, {place: value}))
    except BadMetadata as exc:
        shown = "".join(traceback.format_exception(exc))
        assert PLANTED not in shown
    else:
        assert place == "call_id" or PLANTED not in repr(found)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"3",
        b"{",
        b'"text"',
        b"\xff\xfe\x00",
        b"null",
        b"[" * 100_000,
        b'{"caller": NaN}',
        b'{"call_id": "\\ud800"}',
    ],
    ids=["empty", "list", "number", "open", "string", "bytes", "null", "deep", "nan", "surrogate"],
)
def test_what_is_no_metadata(raw: bytes) -> None:
    """What is not a JSON object is bad metadata, whatever it is."""
    with pytest.raises(BadMetadata):
        parse_metadata(raw)


def test_too_large() -> None:
    """Metadata of more than a mebibyte is refused before it is read."""
    with pytest.raises(BadMetadata, match="larger"):
        parse_metadata(b" " * (1 << 20) + b"{}")


def test_files(tmp_path: Path) -> None:
    """Metadata is read from a file; one that is not there is a usage error."""
    file = tmp_path / "metadata.json"
    file.write_text(json.dumps(FULL))
    assert read_metadata(file) == parsed()
    with pytest.raises(UsageError):
        read_metadata(tmp_path / "none.json")


def test_reprs_hold_no_pii() -> None:
    """Metadata can be logged: neither numbers nor known values are in its repr."""
    shown = repr(parsed())
    for value in ("2025550143", "8005550100", "Whitfield", "88231907"):
        assert value not in shown
