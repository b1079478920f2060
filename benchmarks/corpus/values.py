"""Invented values: no number here belongs to anybody.

Cards are the payment processors' published test numbers; telephone numbers are 555-01xx; social security numbers
begin with 000, 666 or are of the block 987-65-432x kept for advertising; e-mail addresses end in example.com,
example.org or a made-up domain; IP addresses are of the documentation ranges; NHS numbers begin with 999 (test
range). British telephone numbers are those kept for drama (07700 900xxx, 020 7946 0xxx), sort codes begin with 00,
plates with QQ, chips with the test country 999; an Aadhaar number never begins with 0 or 1, and a PAN's fourth letter
is never Z.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.corpus import pools, spoken

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

FIRST = [
    "Dana",
    "Priya",
    "Marcus",
    "Elena",
    "Tobias",
    "Ingrid",
    "Rashid",
    "Noelle",
    "Callum",
    "Beatriz",
    "Winston",
    "Harriet",
    "Dmitri",
    "Yolanda",
    "Gareth",
    "Simone",
    "Lionel",
    "Amara",
    "Felix",
    "Rosalind",
    "Omar",
    "Bridget",
    "Stefan",
    "Naomi",
    "Kwame",
    "Lucinda",
    "Pedro",
    "Margot",
    "Desmond",
    "Anita",
    "Victor",
    "Leona",
    "Hector",
    "Mei",
    "Russell",
    "Tamsin",
]
LAST = [
    "Whitfield",
    "Okafor",
    "Delgado",
    "Brennan",
    "Castellano",
    "Hargrove",
    "Lindqvist",
    "Mukherjee",
    "Sandoval",
    "Pruitt",
    "Vandermeer",
    "Ashworth",
    "Kowalski",
    "Thackeray",
    "Montrose",
    "Beaumont",
    "Fairbanks",
    "Quintero",
    "Aldridge",
    "Nakamura",
    "Holloway",
    "Petrov",
    "Winslow",
    "Rutherford",
    "Ibarra",
    "Stanhope",
    "Delacroix",
    "Engström",
    "Farrow",
    "Gallagher",
    "Huxley",
    "Jennings",
    "Kimball",
    "Lockhart",
    "Mercer",
    "Novak",
]
STREETS = (
    "Larkspur",
    "Juniper",
    "Hollyhock",
    "Meadowbrook",
    "Sycamore",
    "Old Mill",
    "Foxglove",
    "Harborview",
    "Cedar Hill",
)
STREET_KINDS = ("Lane", "Street", "Avenue", "Drive", "Court", "Road", "Terrace", "Boulevard")
CITIES = (
    "Springfield",
    "Fairview",
    "Riverton",
    "Ashland",
    "Greenville",
    "Clayton",
    "Milford",
    "Brookhaven",
    "Lakewood",
)
CARDS = [
    "4242424242424242",
    "4111111111111111",
    "4012888881881881",
    "4000056655665556",
    "5555555555554444",
    "2223003122003222",
    "5200828282828210",
    "5105105105105100",
    "378282246310005",
    "371449635398431",
    "6011111111111117",
    "6011000990139424",
    "30569309025904",
    "3566002020360505",
]
_CALLERS = (
    "Aoife Deepika Oluwaseun Graham Doreen Tyrone Guadalupe Hiroshi Fatima Zbigniew Mackenzie Brandi Ashok Padma Nigel "
    "Sinead Rajesh Latoya Cody Wei Siobhan Percival Ngozi Ruben Chandra Eloise Moses Petra Jarvis Soledad Keith Maureen"
)
_CALLER_NAMES = (
    "Postlethwaite Venkataraman Brannigan Adeyemi Reyes Tanaka Haddad Wojcik Oakes Iyer Featherstone Macleod Chaudhry "
    "Boateng Villanueva Zielinski Hallworth Ramaswamy Cartwright Nguyen Stubbs Kavanagh Bhattacharya Redfern Osei "
    "Trelawney Munoz Applegate Dunphy Sorensen Sengupta Wainwright"
)
CALLERS, CALLER_NAMES = _CALLERS.split(), _CALLER_NAMES.split()
HOUSES = (
    "Primrose Gardens", "Elmfield Road", "Wharf Close", "Saint Aidan's Crescent", "Bramble Way", "Kestrel Grove",
    "Station Parade", "The Spinney", "Gladstone Terrace", "Plum Tree Walk", "Quarry Hill", "Marine Drive",
)  # fmt: skip
TOWNS = ("Harrogate", "Dunstable", "Kettering", "Ludlow", "Bideford", "Falkirk", "Swaffham", "Chester", "Penzance")
MEMORABLE = ("lighthouse", "Mrs Pemberton", "marmalade", "Ford Anglia", "tangerine", "Saint Brendan's", "walnut tree")
PASSWORDS = (
    "blue heron", "copper kettle", "midnight lantern", "seven sisters", "paper moon", "winter orchid", "sandpiper",
    "velvet anchor",
)  # fmt: skip
PETS = ("Biscuit", "Mister Whiskers", "Pickles", "Chewy", "Snowball", "Ginger", "Barnaby", "Noodle")
DOMAINS = ("example.com", "example.org", "example.net", "maplepost.example", "quillmail.example")
AREAS = ("202", "312", "415", "617", "713", "206", "404", "503")


@dataclass(frozen=True, slots=True)
class Value:
    """One invented value: its kind, its entity type and its written form."""

    kind: str
    entity_type: str
    text: str


def digits(rng: random.Random, count: int, first: str = "123456789") -> str:
    """``count`` random digits, the first one of ``first``."""
    return rng.choice(first) + "".join(rng.choice("0123456789") for _ in range(count - 1))


def letters(rng: random.Random, count: int) -> str:
    """``count`` random capital letters, without I and O."""
    return "".join(rng.choice("ABCDEFGHJKLMNPQRSTUVWXYZ") for _ in range(count))


def _ssn(rng: random.Random) -> str:
    if rng.random() < 0.3:
        return "98765432" + rng.choice("0123456789")
    return rng.choice(("666", "000")) + digits(rng, 6)


def _email(rng: random.Random, person: str | None) -> str:
    first, last = (person or f"{rng.choice(FIRST)} {rng.choice(LAST)}").lower().replace("ö", "o").split()
    local = rng.choice(
        (f"{first}.{last}", f"{first[0]}{last}", f"{first}_{last}", f"{last}{rng.randrange(10, 99)}", f"{first}-{last}")
    )
    return f"{local}@{rng.choice(DOMAINS)}"


def _licence(rng: random.Random) -> str:
    """A British driving licence's sixteen characters; its birth month is 00, so it is nobody's."""
    name = rng.choice(CALLER_NAMES).upper().ljust(5, "9")[:5]
    return f"{name}{digits(rng, 1)}00{digits(rng, 3, '012')}{letters(rng, 2)}{digits(rng, 1)}{letters(rng, 2)}"


def _date(rng: random.Random, first_year: int, last_year: int) -> str:
    return f"{rng.randint(first_year, last_year)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"


_MAKERS: dict[str, tuple[str, Callable[[random.Random], str]]] = {
    "person": ("PERSON", lambda r: f"{r.choice(FIRST)} {r.choice(LAST)}"),
    "first": ("PERSON", lambda r: r.choice(FIRST)),
    "last": ("PERSON", lambda r: r.choice(LAST)),
    "card": ("CREDIT_CARD", lambda r: r.choice(CARDS)),
    "card16": ("CREDIT_CARD", lambda r: r.choice([c for c in CARDS if len(c) == 16])),
    "card_misread": ("CREDIT_CARD", lambda r: not_luhn("4" + digits(r, 15))),
    "card_last4": ("CREDIT_CARD", lambda r: digits(r, 4)),
    "expiry": ("CARD_EXPIRY", lambda r: f"{r.randint(1, 12):02d}/{r.randint(26, 31)}"),
    "cvv": ("CVV", lambda r: digits(r, 3, "0123456789")),
    "cvv4": ("CVV", lambda r: digits(r, 4, "0123456789")),
    "ssn": ("US_SSN", _ssn),
    "ssn_last4": ("US_SSN", lambda r: digits(r, 4)),
    "itin": ("US_ITIN", lambda r: "9" + digits(r, 2) + "70" + digits(r, 4)),
    "phone": ("PHONE_NUMBER", lambda r: r.choice(AREAS) + "55501" + digits(r, 2, "0123456789")),
    "phone_local": ("PHONE_NUMBER", lambda r: "55501" + digits(r, 2, "0123456789")),
    "dob": ("DATE_OF_BIRTH", lambda r: _date(r, 1938, 2006)),
    "address": ("ADDRESS", lambda r: f"{r.randint(11, 4999)} {r.choice(STREETS)} {r.choice(STREET_KINDS)}"),
    "unit": ("ADDRESS", lambda r: f"{r.choice(('Apartment', 'Unit', 'Suite'))} {r.randint(2, 39)}{r.choice('ABCD')}"),
    "city": ("LOCATION", lambda r: r.choice(CITIES)),
    "zip": ("ZIP_CODE", lambda r: digits(r, 5, "0123456789")),
    "postcode": ("ZIP_CODE", lambda r: f"{letters(r, 2)}{r.randint(1, 19)}{r.randint(1, 9)}{letters(r, 2)}"),
    "account": ("ACCOUNT_NUMBER", lambda r: digits(r, r.choice((7, 8, 9, 10)))),
    "policy": ("POLICY_NUMBER", lambda r: f"{letters(r, 2)}-{digits(r, 6)}"),
    "claim": ("POLICY_NUMBER", lambda r: f"{letters(r, 1)}{digits(r, 7)}"),
    "mrn": ("MEDICAL_RECORD", lambda r: digits(r, r.choice((6, 7, 8)))),
    "plate": ("VEHICLE_ID", lambda r: f"{letters(r, 3)}{digits(r, 4)}"),
    "vin": ("VEHICLE_ID", lambda r: f"1{letters(r, 2)}ZZ{digits(r, 2)}{letters(r, 1)}{digits(r, 9)}"),
    "pin": ("PIN", lambda r: digits(r, 4, "0123456789")),
    "password": ("PASSWORD", lambda r: r.choice(PASSWORDS)),
    "pet": ("SECURITY_ANSWER", lambda r: r.choice(PETS)),
    "licence": ("US_DRIVER_LICENSE", lambda r: f"{letters(r, 1)}{digits(r, 7)}"),
    "passport": ("US_PASSPORT", lambda r: digits(r, 9)),
    "bank": ("US_BANK_NUMBER", lambda r: digits(r, r.choice((9, 10, 12)))),
    "routing": ("ABA_ROUTING_NUMBER", lambda r: r.choice(("110000000", "123456780", "000123456"))),
    "iban": (
        "IBAN_CODE",
        lambda r: r.choice(("GB82WEST12345698765432", "GB29NWBK60161331926819", "IE29AIBK93115212345678")),
    ),
    "ip": ("IP_ADDRESS", lambda r: f"{r.choice(('192.0.2', '198.51.100', '203.0.113'))}.{r.randint(2, 254)}"),
    "nhs": ("UK_NHS", lambda r: "999" + digits(r, 7)),
    "nino": ("UK_NINO", lambda r: f"QQ{digits(r, 6)}{r.choice('ABCD')}"),
    "npi": ("MEDICAL_LICENSE", lambda r: f"{letters(r, 2)}{digits(r, 7)}"),
    "member": ("ACCOUNT_NUMBER", lambda r: f"{letters(r, 3)}{digits(r, 6)}"),
    "url": ("URL", lambda r: f"www.{r.choice(FIRST).lower()}{r.choice(LAST).lower().replace('ö', 'o')}.example"),
    "caller": ("PERSON", lambda r: f"{r.choice(CALLERS)} {r.choice(CALLER_NAMES)}"),
    "caller_first": ("PERSON", lambda r: r.choice(CALLERS)),
    "caller_last": ("PERSON", lambda r: r.choice(CALLER_NAMES)),
    "booking": ("ACCOUNT_NUMBER", lambda r: f"{letters(r, 2)}{digits(r, 1)}{letters(r, 2)}{digits(r, 1)}"),
    "uk_mobile": ("PHONE_NUMBER", lambda r: f"07700900{digits(r, 3, '0123456789')}"),
    "uk_landline": ("PHONE_NUMBER", lambda r: f"02079460{digits(r, 3, '0123456789')}"),
    "sort_code": ("UK_SORT_CODE", lambda r: f"00{digits(r, 4)}"),
    "uk_account": ("ACCOUNT_NUMBER", lambda r: digits(r, 8)),
    "uk_licence": ("UK_DRIVING_LICENCE", _licence),
    "uk_plate": ("VEHICLE_ID", lambda r: f"QQ{digits(r, 2, '1267')}{letters(r, 3)}"),
    "pan": ("IN_PAN", lambda r: f"{letters(r, 3)}Z{letters(r, 1)}{digits(r, 4)}{letters(r, 1)}"),
    "aadhaar": ("IN_AADHAAR", lambda r: digits(r, 12, "01")),
    "passcode": ("PIN", lambda r: digits(r, 6)),
    "house": ("ADDRESS", lambda r: f"{r.randint(2, 219)} {r.choice(HOUSES)}"),
    "flat": ("ADDRESS", lambda r: f"Flat {r.randint(2, 39)}{r.choice('ABCD')}"),
    "town": ("LOCATION", lambda r: r.choice(TOWNS)),
    "memorable": ("SECURITY_ANSWER", lambda r: r.choice(MEMORABLE)),
    "username": ("USERNAME", lambda r: f"{r.choice(CALLERS).lower()}{r.choice(MEMORABLE)[:4].lower().strip()}"),
    "rx": ("MEDICAL_RECORD", lambda r: digits(r, 7)),
    "chip": ("ACCOUNT_NUMBER", lambda r: f"999{digits(r, 12)}"),
    "staff": ("ACCOUNT_NUMBER", lambda r: f"{letters(r, 1)}{digits(r, 5)}"),
    "keys": ("DTMF", lambda r: digits(r, r.choice((4, 6, 8)))),
    "card_keys": ("DTMF", lambda r: r.choice(CARDS)),
}
KINDS = (*_MAKERS, "email")
_CHUNKS: dict[str, tuple[tuple[int, ...], ...]] = {
    "card": ((4,), (4,), (4,), (2,), (16,), (8,)),
    "ssn": ((3, 2, 4), (3, 2, 4), (9,)),
    "itin": ((3, 2, 4),),
    "phone": ((3, 3, 4), (3, 3, 4), (3, 3, 2, 2), (10,)),
    "phone_local": ((3, 4),),
    "nhs": ((3, 3, 4),),
    "uk_mobile": ((5, 3, 3), (5, 6)),
    "uk_landline": ((3, 4, 4),),
    "sort_code": ((2,),),
    "aadhaar": ((4,),),
}
_STYLES: dict[str, tuple[str, ...]] = {
    "dob": ("month", "month", "dayfirst", "numeric", "slash"),
    "expiry": ("numeric", "numeric", "slash", "month"),
    "email": ("plain", "plain", "spelled"),
}
_DIGIT_STYLES = ("single", "single", "double", "pairs", "mixed", "single+uh")


def luhn(number: str) -> bool:
    """Whether a digit string passes the Luhn check (ISO/IEC 7812-1 annex B)."""
    total = 0
    for index, char in enumerate(reversed(number)):
        doubled = int(char) * (1 + index % 2)
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def not_luhn(number: str) -> str:
    """The number, its last digit changed if need be so that it cannot be a real card."""
    return number if not luhn(number) else number[:-1] + str((int(number[-1]) + 1) % 10)


def make(kind: str, rng: random.Random, person: str | None = None, pool: str | None = None) -> Value:
    """An invented value of a kind; an e-mail address is built on ``person`` if one is given, names are of a ``pool``.

    Raises:
        KeyError: the kind or the pool is not known.
    """
    own = pools.pool(pool)
    if kind == "email":
        return Value(kind, "EMAIL_ADDRESS", _email(rng, person or (own["person"](rng) if own else None)))
    entity_type, maker = _MAKERS[kind]
    return Value(kind, entity_type, own.get(kind, maker)(rng))


def part(text: str, name: str) -> str:
    """A part of a value: ``first`` or ``last`` word, ``local`` part or ``domain``, ``day`` (``MM-DD``) or ``year``."""
    if name in {"local", "domain"}:
        return text.split("@")[name == "domain"]
    if name in {"day", "year"}:
        year, day = text.split("-", 1)
        return day if name == "day" else year
    return text.split()[0 if name == "first" else -1]


SPELLED = ("spelled", "nato", "for", "like", "alphabet")


def say(value: Value, style: str | None, rng: random.Random) -> str:  # noqa: PLR0911
    """The value in words, in the given style or in one drawn for its kind."""
    kind, text = value.kind, value.text
    if style and set(style.split("+")) & set(SPELLED) and kind != "email":
        return spoken.spelled(text, style, rng)
    if kind in {"email", "url"}:
        return spoken.say_address_text(text, style or rng.choice(_STYLES["email"]), rng)
    if kind == "dob":
        return spoken.say_date(text, style or rng.choice(_STYLES[kind]))
    if kind == "expiry":
        return spoken.say_expiry(text, style or rng.choice(_STYLES[kind]))
    if kind in {"address", "house"}:
        number, street = text.split(" ", 1)
        return f"{spoken.say_house(number)} {street}"
    if kind in {"unit", "flat"}:
        word, number = text.split(" ")
        return f"{word} {spoken.below_hundred(int(number[:-1]))} {number[-1]}"
    if kind == "ip":
        return " dot ".join(spoken.singly(part, "zero") for part in text.split("."))
    style = style or rng.choice(_DIGIT_STYLES)
    if text.isdigit():
        family = "card" if kind.startswith("card") else kind
        short = ((len(text),),) if len(text) <= 5 else ((3, 3, 4), (2,), (4,), (3,))
        return spoken.say_digits(text, style, rng.choice(_CHUNKS.get(family, short)), rng)
    if any(char.isdigit() for char in text):
        return spoken.say_code(text, style, rng)
    return text
