"""Words that values of some sets are made of, instead of the few lists that the other sets share.

``wide``: names and everyday words from the lists in ``configs/pii``, so that a model that learns from the calls learns
places in a talk and no names. ``kept``: words that stand in no other set, so that what is measured on the calls was not
learnt with the others.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping, Sequence

_LISTS = Path(__file__).parents[2] / "configs" / "pii"
_MIN = 3
"""Letters of a name or word that is drawn from a list."""
_KINDS = ("Lane", "Street", "Avenue", "Drive", "Court", "Road", "Terrace", "Close", "Way", "Crescent")
_KEPT_FIRST = (
    "Alistair Bronwyn Cedric Dolores Emeka Farida Giancarlo Henrietta Isidro Jocasta Kavita Leopold Marisol Nathaniel "
    "Odalys Philippa Quentin Rowena Sanjeev Thandiwe Ulrike Vaughn Wilhelmina Xiomara Yusuf Zelda Brock Caitlin "
    "Darnell Effie Gwendolyn Howard Imogen Jerome Lorraine Mick Norma Pauline Shanice Trevor"
)
_KEPT_LAST = (
    "Abernathy Balogun Carruthers Dhillon Eastwick Fitzsimmons Goldberg Hathaway Ivanova Jankowski Kilpatrick Lombardi "
    "Mwangi Nakagawa Olivares Pemberton Quigley Rasmussen Subramanian Thistlewood Urquhart Valentine Wetherby Yamamoto "
    "Zapata Bosworth Cheung Donnelly Espinoza Gupta Hollis Keller Lacey Moss Nichols Parrish Rooney Salas Tully Vance"
)
_KEPT_WORDS = (
    "raspberry", "harmonica", "granite", "puddle", "cinnamon", "saddle", "telescope", "mustard", "bonfire", "clarinet",
    "hedgehog", "turnip", "compass", "lantern", "velvet", "otter", "thunder", "pebble", "orchard", "kettle drum",
)  # fmt: skip
_KEPT_PETS = ("Waffles", "Captain", "Duchess", "Pepper", "Rolo", "Tinkerbell", "Monty", "Bandit", "Socks", "Luna")
_KEPT_TOWNS = ("Whitby", "Taunton", "Lisburn", "Oban", "Wrexham", "Boise", "Tulsa", "Geelong", "Durham", "Mombasa")
_KEPT_STREETS = (
    "Hawthorn", "Corporation", "Magnolia", "Abbey", "Fisher", "Whitcombe", "Prospect", "Tannery", "Vicarage",
)  # fmt: skip


def pool(name: str | None) -> Mapping[str, Callable[[random.Random], str]]:
    """What makes the values of some kinds anew, by kind; empty for None.

    Raises:
        KeyError: no pool has that name.
    """
    return {None: dict, "wide": _wide, "kept": _kept}[name]()


def _wide() -> Mapping[str, Callable[[random.Random], str]]:
    given, surnames, everyday = listed("given_names"), listed("surnames"), listed("common_words")
    return _makers(
        [each.title() for each in given], [each.title() for each in surnames], everyday, everyday, surnames, surnames
    )


def _kept() -> Mapping[str, Callable[[random.Random], str]]:
    first, last = _KEPT_FIRST.split(), _KEPT_LAST.split()
    return _makers(first, last, _KEPT_WORDS, _KEPT_PETS, _KEPT_TOWNS, _KEPT_STREETS)


@functools.cache
def listed(name: str) -> tuple[str, ...]:
    """Words of three letters or more of a list in ``configs/pii``."""
    lines = (_LISTS / f"{name}.en.txt").read_text(encoding="utf-8").splitlines()
    return tuple(line for line in lines if line.isascii() and line.isalpha() and len(line) >= _MIN)


def _makers(
    first: Sequence[str],
    last: Sequence[str],
    secrets: Sequence[str],
    pets: Sequence[str],
    towns: Sequence[str],
    streets: Sequence[str],
) -> Mapping[str, Callable[[random.Random], str]]:
    def person(rng: random.Random) -> str:
        return f"{rng.choice(first)} {rng.choice(last)}"

    def secret(rng: random.Random) -> str:
        return " ".join(dict.fromkeys(rng.choice(secrets) for _ in range(rng.choice((1, 1, 2)))))

    def town(rng: random.Random) -> str:
        return rng.choice(towns).title()

    def street(rng: random.Random) -> str:
        return f"{rng.randint(2, 1999)} {rng.choice(streets).title()} {rng.choice(_KINDS)}"

    return {
        **dict.fromkeys(("person", "caller"), person),
        **dict.fromkeys(("first", "caller_first"), lambda rng: rng.choice(first)),
        **dict.fromkeys(("last", "caller_last"), lambda rng: rng.choice(last)),
        **dict.fromkeys(("password", "memorable"), secret),
        "pet": lambda rng: rng.choice(pets).title(),
        **dict.fromkeys(("town", "city"), town),
        **dict.fromkeys(("address", "house"), street),
        "username": lambda rng: f"{rng.choice(first).lower()}{rng.choice(secrets)[:4].strip()}",
    }
