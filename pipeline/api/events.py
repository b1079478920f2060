"""Events of telephone platforms: checks their signatures, reads from them which call ended and where it is recorded.

Signatures: Twilio's is HMAC-SHA1 over the URL and the sorted fields (its request validator checks it); the Standard
Webhooks specification's is HMAC-SHA256 over id, time and body, and not older than five minutes.
"""

from __future__ import annotations

import json
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from pipeline.errors import BadMetadata, MissingExtra, Refused
from pipeline.intake.arrival import Legs
from pipeline.metadata import CallMetadata, parse_metadata
from pipeline.types import Channel

if TYPE_CHECKING:
    from collections.abc import Mapping

Arrived = tuple[Legs, CallMetadata]
_QUERY: Final = ("caller", "callee", "direction", "language")
_LISTS: Final = ("jurisdictions", "channels", "sectors")
_CONSENT: Final = ("recording_notice", "notice_version")


def form(body: bytes) -> dict[str, str]:
    """The fields of a form. Raises BadMetadata if it is none."""
    try:
        return dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True, strict_parsing=True))
    except ValueError as exc:
        raise BadMetadata("the event is no form") from exc


def check_twilio(url: str, fields: Mapping[str, str], signature: str, secret: str) -> None:
    """Raises Refused where the hook is off or the signature is another than that of the URL with the fields."""
    try:
        from twilio.request_validator import RequestValidator
    except ImportError as exc:
        raise MissingExtra("api") from exc
    if not secret or not RequestValidator(secret).validate(url, dict(fields), signature):
        raise Refused("the event is not signed by the platform")


def of_twilio(fields: Mapping[str, str], query: Mapping[str, str]) -> Arrived | None:
    """The call of a recording status callback; None while it is not completed.

    Raises:
        BadMetadata: fields are missing or make no sense.
    """
    if fields.get("RecordingStatus") != "completed":
        return None
    try:
        url, call, recording = fields["RecordingUrl"], fields["CallSid"], fields["RecordingSid"]
        started_at = parsedate_to_datetime(fields["RecordingStartTime"]) if "RecordingStartTime" in fields else None
    except (KeyError, ValueError) as exc:
        raise BadMetadata("the event lacks what every completed recording has") from exc
    stated = flat(query)
    stated["call_id"] = f"{call}-{recording}"  # a call can be recorded more than once
    if started_at is not None:
        stated["started_at"] = started_at.isoformat()
    two = fields.get("RecordingChannels") == "2"
    return Legs(urls=(f"{url}.wav?RequestedChannels={2 if two else 1}",)), parse_metadata(json.dumps(stated).encode())


def flat(stated: Mapping[str, str]) -> dict[str, Any]:
    """Metadata that a platform sends as plain strings: lists are split at commas; other keys are left out."""
    found: dict[str, Any] = {key: stated[key] for key in _QUERY if key in stated}
    found |= {key: stated[key].split(",") for key in _LISTS if key in stated}
    consent = {key: stated[key] for key in _CONSENT if key in stated}
    return found | ({"consent": consent} if consent else {})


def check_standard(body: bytes, headers: Mapping[str, str], secret: str) -> None:
    """Raises Refused where the hook is off, the signature is another than that of the body, or it is too old."""
    try:
        from standardwebhooks import Webhook, WebhookVerificationError
    except ImportError as exc:
        raise MissingExtra("api") from exc
    if not secret:
        raise Refused("the event is not signed by the platform")
    try:
        Webhook(secret).verify(body, dict(headers))
    except WebhookVerificationError as exc:
        raise Refused("the event is not signed by the platform") from exc
    except ValueError:
        return  # signed, and no JSON: the reading of the event says so


def of_standard(body: bytes) -> Arrived | None:
    """The call of an event ``call.finished``; None for other events.

    ``data`` holds ``metadata``, and ``recording_url`` or ``recording_urls`` with ``agent`` and ``customer``.

    Raises:
        BadMetadata: something is missing or makes no sense.
    """
    try:
        event = json.loads(body)
        if event["type"] != "call.finished":
            return None
        data = event["data"]
        metadata = parse_metadata(json.dumps(data["metadata"]).encode())
        if "recording_url" in data:
            return Legs(urls=(str(data["recording_url"]),)), metadata
        urls = (str(data["recording_urls"]["agent"]), str(data["recording_urls"]["customer"]))
    except (ValueError, KeyError, TypeError) as exc:
        raise BadMetadata("the event names no call with its recording") from exc
    return Legs(urls=urls, named=(Channel.AGENT, Channel.CUSTOMER)), metadata
