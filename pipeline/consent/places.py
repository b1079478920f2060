"""Places: where both ends of a call are, so that the rule of each is known. Pure.

The metadata say it, else the numbers do: the country by its code, a state of the United States by its area code. A
number tells where it was issued, not where its owner stands. The company's own end may be set (``home``). An end
whose place is not known is unknown, and unknown is strict.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pipeline.consent.policy import ConsentPolicy
    from pipeline.metadata import CallMetadata

UNKNOWN: Final = "unknown"
_STATES: Final = {
    "Alabama": "AL", "Alaska": "AK", "Arizona": "AZ", "Arkansas": "AR", "California": "CA", "Colorado": "CO",
    "Connecticut": "CT", "Delaware": "DE", "Florida": "FL", "Georgia": "GA", "Hawaii": "HI", "Idaho": "ID",
    "Illinois": "IL", "Indiana": "IN", "Iowa": "IA", "Kansas": "KS", "Kentucky": "KY", "Louisiana": "LA", "Maine": "ME",
    "Maryland": "MD", "Massachusetts": "MA", "Michigan": "MI", "Minnesota": "MN", "Mississippi": "MS", "Missouri": "MO",
    "Montana": "MT", "Nebraska": "NE", "Nevada": "NV", "New Hampshire": "NH", "New Jersey": "NJ", "New Mexico": "NM",
    "New York": "NY", "North Carolina": "NC", "North Dakota": "ND", "Ohio": "OH", "Oklahoma": "OK", "Oregon": "OR",
    "Pennsylvania": "PA", "Rhode Island": "RI", "South Carolina": "SC", "South Dakota": "SD", "Tennessee": "TN",
    "Texas": "TX", "Utah": "UT", "Vermont": "VT", "Virginia": "VA", "Washington": "WA", "Washington D.C.": "DC",
    "West Virginia": "WV", "Wisconsin": "WI", "Wyoming": "WY",
}  # fmt: skip


def places(metadata: CallMetadata, policy: ConsentPolicy) -> tuple[str, ...]:
    """Places of both ends such as ``US-CA`` or ``DE``; ``unknown`` for an end that nobody knows."""
    if metadata.jurisdictions:
        return metadata.jurisdictions
    inbound = metadata.direction == "inbound"
    company, customer = (metadata.callee, metadata.caller) if inbound else (metadata.caller, metadata.callee)
    if company is None and customer is None:
        return (UNKNOWN,)
    of_company = place_of(company)
    ends = (policy.home or (of_company,)) if of_company == UNKNOWN else (of_company,)
    return tuple(dict.fromkeys((place_of(customer), *ends)))


def place_of(number: str | None) -> str:
    """Where a number was issued.

    Args:
        number: E.164; None or an extension has no place.
    """
    if number is None or not number.startswith("+"):
        return UNKNOWN
    import phonenumbers
    from phonenumbers import geocoder

    parsed = phonenumbers.parse(number)
    country = phonenumbers.region_code_for_number(parsed)
    if country is None or country == "001":
        return UNKNOWN
    if country != "US":
        return str(country)
    described = geocoder.description_for_number(parsed, "en")
    name, _, code = described.rpartition(", ")
    state = code if name and code in _STATES.values() else _STATES.get(described.removesuffix(" State"))
    return f"US-{state}" if state else UNKNOWN
