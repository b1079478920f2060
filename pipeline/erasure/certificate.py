"""Certificates of erasure: takes a report, gives a document that anyone can check, offline and without callseal.

``{"certificate": {...}, "signature": {"algorithm", "key_id", "value"}}`` in the canonical form of RFC 8785, one line.
Signed (Ed25519, RFC 8032) are the canonical bytes of ``certificate``; the file is those bytes and no others, so that a
change of any byte fails the check, also one that JSON would not see.

Whose data it was is a commitment: HMAC-SHA-256, under a salt of 32 random bytes, of the number in E.164. The salt
is in no certificate but in a file of its own, the disclosure, for the person alone. With both, and the number, a third
party sees that the certificate is about that number. Without the salt the certificate says nothing about it:
numbers are few enough to be tried one by one, which is why the salt is not printed beside the hash.
"""

from __future__ import annotations

import hmac
import importlib.metadata
import json
import re
import secrets
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pipeline.backups.backup import residual_value
from pipeline.errors import VerificationFailed
from pipeline.keys.signing import canonical, verify
from pipeline.summary import stamp

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from pipeline.erasure.erase import ErasureReport
    from pipeline.keys.signing import PublicKey, SigningKey

FORMAT: Final = "callseal-erasure-certificate/1"
DISCLOSURE_FORMAT: Final = "callseal-certificate-disclosure/1"
_COMMITMENT: Final = b"callseal-certificate-subject/1:"
_SALT_BYTES: Final = 32
_MAX_BYTES: Final = 256 << 20  # a certificate of a million objects has about this size
_HEX: Final = re.compile(r"[0-9a-f]{128}")
METHOD: Final = {
    "standard": "NIST SP 800-88 Rev. 2, cryptographic erase, followed by deletion",
    "keys": "AES-256; the shares without which the subject keys do not open were destroyed, and the keys' rows removed",
    "objects": "every version deleted from the store, delete markers and unfinished writes included",
    "rows": "removed from the database and overwritten in its file and log, where the database allows it",
}
REMAINS: Final = (
    "the record of this erasure: the ids and hashes that this certificate names",
    "the ledger: keyed hashes by which what was erased is refused when it is delivered again",
    "the audit trail and the register of requests: ids and times of what was done, never content",
)


@dataclass(frozen=True, slots=True)
class Issued:
    """A signed certificate (bytes of its file), and the disclosure that only the person is given."""

    certificate: bytes
    disclosure: bytes = field(repr=False)


def issue(report: ErasureReport, number: str, key: SigningKey, now: datetime) -> Issued:
    """A signed certificate of a finished erasure.

    Args:
        report: what was erased, and how that was checked.
        number: of the person, in E.164; only the commitment to it is in the certificate.
        key: signs it.
        now: the time of issue.
    """
    salt = secrets.token_bytes(_SALT_BYTES)
    body = _body(report, now) | {
        "subject": {"commitment": commitment(number, salt), "algorithm": "HMAC-SHA-256 of the E.164 number, salted"}
    }
    signature = {"algorithm": "Ed25519", "key_id": key.key_id, "value": key.sign(canonical(body)).hex()}
    disclosure = {"format": DISCLOSURE_FORMAT, "certificate_id": body["certificate_id"], "salt": salt.hex()}
    return Issued(canonical({"certificate": body, "signature": signature}), canonical(disclosure))


def check(raw: bytes, public_key: PublicKey) -> dict[str, Any]:
    """What a certificate says, if it is whole and signed by that key.

    Raises:
        VerificationFailed: it is another key's, was changed, or is no certificate of erasure.
    """
    document = _parsed(raw, "certificate")
    body, signature = document.get("certificate"), document.get("signature")
    if not isinstance(body, dict) or not isinstance(signature, dict) or document.keys() != {"certificate", "signature"}:
        raise VerificationFailed("the file is no certificate")
    if signature.get("key_id") != public_key.key_id:
        raise VerificationFailed(f"the certificate was not signed by key {public_key.key_id}")
    value = signature.get("value")
    if signature.keys() != {"algorithm", "key_id", "value"} or signature["algorithm"] != "Ed25519":
        raise VerificationFailed("the certificate's signature is of an unknown kind")
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        raise VerificationFailed("the certificate's signature is damaged")
    verify(public_key, canonical(body), bytes.fromhex(value))
    if body.get("format") != FORMAT:
        raise VerificationFailed("the key signed this, but it is no certificate of erasure")
    return body


def check_subject(body: Mapping[str, Any], number: str, disclosure: bytes) -> None:
    """Returns if the certificate is about that number.

    Args:
        body: what ``check`` gave.
        number: in E.164.
        disclosure: the file that the person was given.

    Raises:
        VerificationFailed: it is about another number, or the disclosure belongs to another certificate.
    """
    found = _parsed(disclosure, "disclosure")
    salt = found.get("salt")
    if found.get("certificate_id") != body["certificate_id"] or found.get("format") != DISCLOSURE_FORMAT:
        raise VerificationFailed("the disclosure belongs to another certificate")
    if not isinstance(salt, str) or not re.fullmatch(rf"[0-9a-f]{{{2 * _SALT_BYTES}}}", salt):
        raise VerificationFailed("the disclosure is damaged")
    if not hmac.compare_digest(commitment(number, bytes.fromhex(salt)), str(body["subject"]["commitment"])):
        raise VerificationFailed("the certificate is about another number")


def commitment(number: str, salt: bytes) -> str:
    """The hash by which a certificate names a number; hex."""
    return hmac.digest(salt, _COMMITMENT + number.encode(), "sha256").hex()


def _body(report: ErasureReport, now: datetime) -> dict[str, Any]:
    plan, destroyed_at = report.plan, stamp(report.keys_destroyed_at)
    return {
        "format": FORMAT,
        "certificate_id": secrets.token_hex(16),
        "issued_at": stamp(now),
        "issued_by": {"software": "callseal", "version": importlib.metadata.version("callseal")},
        "request": {
            "erasure_id": plan.erasure_id,
            "received_at": stamp(report.requested_at),
            "finished_at": stamp(report.finished_at),
            "scope": "one leg of each call with two channels" if plan.leg_call_ids else "whole calls",
            "identity_check": plan.identity or "none recorded",
        },
        "erased": {
            "calls": list(plan.call_ids),
            "legs_silenced": list(plan.leg_call_ids),
            "objects": [asdict(each) for each in plan.objects],
            "keys": [{"key_id": key_id, "destroyed_at": destroyed_at} for key_id in plan.key_ids],
        },
        "method": METHOD,
        "verification": {
            **asdict(report.proof),
            "copies_opened_after": 0,
            "keys_opened_after": 0,
            "objects_listed_after": 0,
            "rows_found_after": 0,
            "verified_at": stamp(report.finished_at),
        },
        "refused": [{"call_id": each.call_id, "reason": each.reason} for each in plan.kept],
        "residual_copies": [residual_value(each) for each in report.residual],
        "exported_before": list(plan.exported_call_ids),
        "remains": list(REMAINS),
    }


def _parsed(raw: bytes, what: str) -> dict[str, Any]:
    """The object, if the bytes are its canonical form."""
    if len(raw) > _MAX_BYTES:
        raise VerificationFailed(f"the {what} is too large to be one")
    try:
        document = json.loads(raw)
        whole = isinstance(document, dict) and canonical(document) == raw
    except (ValueError, RecursionError):
        raise VerificationFailed(f"the {what} is damaged") from None
    if not whole:
        raise VerificationFailed(f"the {what} was changed, or is none")
    return dict(document)
