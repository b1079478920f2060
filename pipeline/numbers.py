"""Telephone numbers: takes any common spelling, gives E.164 or None for a withheld number.

Promises: one caller, one spelling, so that an erasure finds every call. A number that cannot be one is refused, and
no error quotes it. Numbers only have to be possible, not assigned: test ranges and new prefixes count.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from pipeline.errors import UsageError

_WITHHELD: Final = frozenset(
    {"anonymous", "private", "restricted", "unavailable", "unknown", "withheld", "blocked", "none", "null", "na", "n/a"}
    | {"nocallerid", "noid", "outofarea", "payphone"}
)
# ANONYMOUS, RESTRICTED, BLOCKED, UNKNOWN and UNAVAILABLE on a keypad: some platforms send these as numbers. Only with
# the plus sign, as they send them: without it, the second is a subscriber's number in Texas.
_WITHHELD_KEYPAD: Final = frozenset({"+266696687", "+7378742833", "+2562533", "+8656696", "+86282452253"})
_URI: Final = re.compile(r"^<?\s*(?:tel|sips?|callto):(?://)?([^;:?>@]*)(?:[;:][^@>]*)?(?:@([^;?>]*))?", re.IGNORECASE)
_EXTENSION: Final = re.compile(r"\s*(?:;ext=|,|;|#|\bx|\bext\.?|\bextension)\s*\d{0,7}\s*$", re.IGNORECASE)
# A card, an account, a social security or a telephone number; and a date, as policies and notices are named by.
_DIGITS: Final = re.compile(r"\d(?:[\s().-]?\d){6,}")
_DATE: Final = re.compile(r"\b20[2-9]\d-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01]))?(?![\d.-])")


def e164(number: str, region: str = "US") -> str | None:
    """``number`` in E.164 form (``+12025550143``), None if it says that the caller withheld it.

    Args:
        number: any common spelling: national, ``+``, ``00`` or the region's own prefix, ``tel:`` or ``sip:``.
        region: ISO 3166 two-letter code, for spellings without a country code.

    Raises:
        UsageError: it is no telephone number. The message does not quote it.
    """
    import phonenumbers

    spelled = _bare(number)
    if _is_withheld(spelled):
        return None
    try:
        parsed = phonenumbers.parse(_international(spelled), region)
    except phonenumbers.NumberParseException:
        raise UsageError("that is no telephone number") from None
    if phonenumbers.is_possible_number_with_reason(parsed) != phonenumbers.ValidationResult.IS_POSSIBLE:
        raise UsageError("that is no telephone number: it lacks its area code, or is too short or too long")
    parsed.extension = None
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def _bare(number: str) -> str:
    text = unicodedata.normalize("NFKC", number).strip()
    uri = _URI.match(text)
    if uri is not None:
        user, host = uri.group(1).strip(), (uri.group(2) or "").strip().lower()
        text = "anonymous" if host == "anonymous.invalid" else user
    return _EXTENSION.sub("", text).strip(" \"'<>")


def _is_withheld(text: str) -> bool:
    folded = re.sub(r"[\s_.-]", "", text).lower().removesuffix("number").removesuffix("caller")
    return not folded or folded in _WITHHELD or folded in _WITHHELD_KEYPAD


def _international(text: str) -> str:
    """``00`` is dialled for abroad in most of the world, also by people who write for a region where it is not."""
    digits = text.lstrip("(").lstrip()
    return f"+{digits[2:]}" if digits.startswith("00") else text


def reads_like_a_number(text: str) -> bool:
    """Whether a card, account, social security or telephone number may be in a text; a date since 2020 is none."""
    return _DIGITS.search(_DATE.sub("", text)) is not None
