"""Plate texts: what is drawn at random is legal, what is legal is known by its kind."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.plates.alphabet import CHARACTERS, UNREADABLE, encode
from models.plates.grammar import (
    RULES,
    PlateColour,
    PlateKind,
    choose_kind,
    legal_kinds,
    matches,
    random_plate,
)

SEEDS = st.integers(0, 2**32 - 1)


@given(seed=SEEDS, kind=st.sampled_from(PlateKind))
def test_a_random_plate_is_legal_for_its_kind_and_in_the_alphabet(
    seed: int, kind: PlateKind
) -> None:
    plate = random_plate(np.random.default_rng(seed), kind)
    assert matches(plate.text, kind)
    assert kind in legal_kinds(plate.text)
    assert all(0 < code <= len(CHARACTERS) for code in encode(plate.text))


@given(seed=SEEDS)
def test_the_same_seed_draws_the_same_plate(seed: int) -> None:
    first, second = (random_plate(np.random.default_rng(seed)) for _ in range(2))
    assert first == second


@given(seed=SEEDS, kind=st.sampled_from(PlateKind))
def test_text_colour_and_rows_together_name_a_kind_that_allows_them(
    seed: int, kind: PlateKind
) -> None:
    text = random_plate(np.random.default_rng(seed), kind).text
    found = choose_kind(text, RULES[kind].colour, RULES[kind].rows)
    assert found is not None
    assert matches(text, found)
    assert (RULES[found].colour, RULES[found].rows) == (RULES[kind].colour, RULES[kind].rows)


@pytest.mark.parametrize(
    ("text", "colour", "rows", "kind"),
    [
        ("皖A12345", PlateColour.BLUE, 1, PlateKind.BLUE),
        ("粤0A2160", PlateColour.BLUE, 1, PlateKind.BLUE),
        ("皖A12345", PlateColour.YELLOW, 1, PlateKind.YELLOW),
        ("皖A12345", PlateColour.YELLOW, 2, PlateKind.YELLOW_DOUBLE),
        ("皖AD12345", PlateColour.GREEN, 1, PlateKind.GREEN_SMALL),
        ("皖A12345D", PlateColour.YELLOW_GREEN, 1, PlateKind.GREEN_LARGE),
        ("京A1234警", PlateColour.WHITE, 1, PlateKind.POLICE),
        ("渝B3587学", PlateColour.YELLOW, 1, PlateKind.TRAINER),
        ("鲁H123A挂", PlateColour.YELLOW, 2, PlateKind.TRAILER),
        ("粤Z1234港", PlateColour.BLACK, 1, PlateKind.HONG_KONG),
        ("粤Z1234澳", PlateColour.BLACK, 1, PlateKind.MACAO),
        ("224578使", PlateColour.BLACK, 1, PlateKind.EMBASSY),
        ("使014578", PlateColour.BLACK, 1, PlateKind.EMBASSY),
        ("沪A0023领", PlateColour.BLACK, 1, PlateKind.CONSULATE),
        ("浙X0103应急", PlateColour.WHITE, 1, PlateKind.EMERGENCY),
        ("WJ京12345", PlateColour.WHITE, 1, PlateKind.ARMED_POLICE),
        ("VA12345", PlateColour.WHITE, 1, PlateKind.MILITARY),
    ],
)
def test_known_plates_are_known(text: str, colour: PlateColour, rows: int, kind: PlateKind) -> None:
    assert choose_kind(text, colour, rows) is kind


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A",
        "12345",
        "皖112345",
        "皖A1234",
        "皖A123456",
        "皖ABCDEF1",
        "皖AI2345",
        "皖A12O45",
        "警A12345",
        "皖A12345" * 30,
        "🚗A12345",
    ],
)
def test_no_kind_allows_what_no_plate_carries(text: str) -> None:
    assert legal_kinds(text) == ()
    assert choose_kind(text, PlateColour.BLUE, 1) is None


def test_an_unread_character_fits_anywhere() -> None:
    assert matches(f"皖A{UNREADABLE}2345", PlateKind.BLUE)
    assert not matches(f"皖1{UNREADABLE}2345", PlateKind.BLUE)


@given(text=st.text(max_size=12))
def test_no_text_upsets_the_grammar(text: str) -> None:
    for kind in legal_kinds(text):
        assert matches(text, kind)


def test_the_letters_that_look_like_digits_fold_into_them() -> None:
    assert encode("粤OI1") == encode("粤011")
    with pytest.raises(KeyError):
        encode("粤a1234")
