"""Kinds of plate of GA 36-2018, the texts each kind allows, and random legal texts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from models.plates.alphabet import DIGITS, LETTERS, PROVINCES, SERIAL, UNREADABLE

if TYPE_CHECKING:
    import numpy as np


class PlateColour(StrEnum):
    """The plate's background."""

    BLUE = "blue"
    YELLOW = "yellow"
    GREEN = "green"
    YELLOW_GREEN = "yellow_green"
    WHITE = "white"
    BLACK = "black"


class PlateKind(StrEnum):
    """What the plate is for (GA 36-2018, table 1, and the series in use beside it)."""

    BLUE = "blue"
    YELLOW = "yellow"
    YELLOW_DOUBLE = "yellow_double"
    GREEN_SMALL = "green_small"
    GREEN_LARGE = "green_large"
    POLICE = "police"
    TRAINER = "trainer"
    TRAILER = "trailer"
    HONG_KONG = "hong_kong"
    MACAO = "macao"
    EMBASSY = "embassy"
    CONSULATE = "consulate"
    EMERGENCY = "emergency"
    ARMED_POLICE = "armed_police"
    MILITARY = "military"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class PlateText:
    """A plate's kind and its characters, without dot or space, as `皖A12345`."""

    kind: PlateKind
    text: str


@dataclass(frozen=True, slots=True)
class KindRule:
    """Colour, number of rows and allowed slot sequences of one kind.

    ``patterns`` holds alternatives; each is a tuple of strings, and the character at position i
    must be one of those in string i.
    """

    colour: PlateColour
    rows: int
    patterns: tuple[tuple[str, ...], ...]


MAX_SERIAL_LETTERS: Final = 2
"""Letters allowed among the five serial characters (GA 36-2018, 5.10.2)."""

_NEW_ENERGY = "ABCDEFGHJK"
_P, _L, _D, _S = PROVINCES, LETTERS, DIGITS, SERIAL
_ORDINARY = ((_P, _L, _S, _S, _S, _S, _S),)

RULES: Final[dict[PlateKind, KindRule]] = {
    PlateKind.BLUE: KindRule(PlateColour.BLUE, 1, _ORDINARY),
    PlateKind.YELLOW: KindRule(PlateColour.YELLOW, 1, _ORDINARY),
    PlateKind.YELLOW_DOUBLE: KindRule(PlateColour.YELLOW, 2, _ORDINARY),
    PlateKind.GREEN_SMALL: KindRule(
        PlateColour.GREEN, 1, ((_P, _L, _NEW_ENERGY, _S, _D, _D, _D, _D),)
    ),
    PlateKind.GREEN_LARGE: KindRule(
        PlateColour.YELLOW_GREEN, 1, ((_P, _L, _D, _D, _D, _D, _D, _NEW_ENERGY),)
    ),
    PlateKind.POLICE: KindRule(PlateColour.WHITE, 1, ((_P, _L, _S, _S, _S, _S, "警"),)),
    PlateKind.TRAINER: KindRule(PlateColour.YELLOW, 1, ((_P, _L, _S, _S, _S, _S, "学"),)),
    PlateKind.TRAILER: KindRule(PlateColour.YELLOW, 2, ((_P, _L, _S, _S, _S, _S, "挂"),)),
    PlateKind.HONG_KONG: KindRule(PlateColour.BLACK, 1, (("粤", "Z", _S, _S, _S, _S, "港"),)),
    PlateKind.MACAO: KindRule(PlateColour.BLACK, 1, (("粤", "Z", _S, _S, _S, _S, "澳"),)),
    PlateKind.EMBASSY: KindRule(PlateColour.BLACK, 1, ((_D,) * 6 + ("使",), ("使",) + (_D,) * 6)),
    PlateKind.CONSULATE: KindRule(PlateColour.BLACK, 1, ((_P, _L, _D, _D, _D, _D, "领"),)),
    PlateKind.EMERGENCY: KindRule(PlateColour.WHITE, 1, ((_P, "XS", _S, _D, _D, _D, "应", "急"),)),
    PlateKind.ARMED_POLICE: KindRule(
        PlateColour.WHITE, 1, (("W", "J", _P, _D, _D, _D, _D, _S), ("W", "J", _D, _D, _D, _D, _S))
    ),
    PlateKind.MILITARY: KindRule(
        PlateColour.WHITE, 1, ((_L, _L, _D, _D, _D, _D, _D), ("军", _L, _D, _D, _D, _D, _D))
    ),
    PlateKind.FOREIGN: KindRule(PlateColour.BLACK, 1, _ORDINARY),
}

OLD_O: Final = (_P, "0", _S, _S, _S, _S, _S)
"""Blue plates of authorities had the letter O, here read as 0, for the place's letter. None are
issued any more (the standard has no O), some are still on the road."""

_LENGTHS: Final = frozenset(len(p) for rule in RULES.values() for p in rule.patterns)
_SHARES: Final[dict[PlateKind, float]] = {
    PlateKind.BLUE: 0.60, PlateKind.YELLOW: 0.06, PlateKind.YELLOW_DOUBLE: 0.06,
    PlateKind.GREEN_SMALL: 0.15, PlateKind.GREEN_LARGE: 0.02, PlateKind.POLICE: 0.02,
    PlateKind.TRAINER: 0.02, PlateKind.TRAILER: 0.02, PlateKind.HONG_KONG: 0.005,
    PlateKind.MACAO: 0.005, PlateKind.EMBASSY: 0.005, PlateKind.CONSULATE: 0.005,
    PlateKind.EMERGENCY: 0.01, PlateKind.ARMED_POLICE: 0.01, PlateKind.MILITARY: 0.005,
    PlateKind.FOREIGN: 0.005,
}  # fmt: skip


def matches(text: str, kind: PlateKind) -> bool:
    """Whether a complete text is legal for a kind; `?` fits any slot."""
    if kind is PlateKind.BLUE and _fits(text, OLD_O):
        return True
    return any(_fits(text, pattern) for pattern in RULES[kind].patterns)


def is_old_o(text: str) -> bool:
    """Whether only the rare blue plates with an O have such a text."""
    return text[1:2] == "0" and _fits(text, OLD_O)


@lru_cache(maxsize=4096)
def legal_kinds(text: str) -> tuple[PlateKind, ...]:
    """Every kind whose grammar the text obeys, in the order of `PlateKind`."""
    if len(text) not in _LENGTHS:
        return ()
    return tuple(kind for kind in PlateKind if matches(text, kind))


def choose_kind(text: str, colour: PlateColour, rows: int) -> PlateKind | None:
    """The one kind that fits text, colour and rows best, or None when no kind fits the text.

    The text decides first, then the colour, then the rows: a text is many measurements, a colour
    is one and changes with the light.
    """
    kinds = legal_kinds(text)
    if not kinds:
        return None
    return max(kinds, key=lambda k: (RULES[k].colour == colour, RULES[k].rows == rows))


def random_plate(rng: np.random.Generator, kind: PlateKind | None = None) -> PlateText:
    """A random legal plate; without ``kind`` the kind is drawn with roughly the road's shares."""
    if kind is None:
        shares = list(_SHARES.values())
        total = sum(shares)
        kind = list(_SHARES)[int(rng.choice(len(shares), p=[s / total for s in shares]))]
    patterns = RULES[kind].patterns
    pattern = patterns[int(rng.integers(len(patterns)))]
    serial_slots = [i for i, slot in enumerate(pattern) if slot == SERIAL]
    letters = min(len(serial_slots), int(rng.choice(MAX_SERIAL_LETTERS + 1, p=[0.3, 0.45, 0.25])))
    chosen = {int(i) for i in rng.permutation(serial_slots)[:letters]} if letters else set()
    characters = []
    for i, slot in enumerate(pattern):
        options = slot if slot != SERIAL else (LETTERS if i in chosen else DIGITS)
        characters.append(options[int(rng.integers(len(options)))])
    return PlateText(kind=kind, text="".join(characters))


def _fits(text: str, pattern: tuple[str, ...]) -> bool:
    if len(text) != len(pattern):
        return False
    letters = 0
    for character, slot in zip(text, pattern, strict=True):
        if character == UNREADABLE:
            continue
        if character not in slot:
            return False
        letters += slot == SERIAL and character in LETTERS
    return letters <= MAX_SERIAL_LETTERS
