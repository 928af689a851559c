"""Per-step probabilities become text; the grammar weighs but never forbids."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray

from models.plates.alphabet import CHARACTER_INDEX, CHARACTERS, UNREADABLE
from models.plates.decode import Decoded, align, beam_search, decode, greedy
from models.plates.grammar import PlateColour

CLASSES = len(CHARACTERS) + 1


def colours(colour: PlateColour, probability: float = 0.95) -> NDArray[np.float32]:
    shares = np.full(len(PlateColour), (1 - probability) / (len(PlateColour) - 1))
    shares[list(PlateColour).index(colour)] = probability
    return np.asarray(np.log(shares), dtype=np.float32)


BLUE = colours(PlateColour.BLUE)


def steps_of(*slots: dict[str, float], blank: float = 0.98) -> NDArray[np.float32]:
    """A blank step before and after each slot; a slot's probabilities by character."""
    shares = np.full((2 * len(slots) + 1, CLASSES), 1e-6)
    shares[::2, 0] = blank
    for i, slot in enumerate(slots):
        for character, probability in slot.items():
            shares[2 * i + 1, CHARACTER_INDEX[character]] = probability
        shares[2 * i + 1, 0] = max(1e-6, 0.999 - sum(slot.values()))
    shares /= shares.sum(1, keepdims=True)
    return np.asarray(np.log(shares), dtype=np.float32)


def read(steps: NDArray[np.float32], seen: NDArray[np.float32]) -> Decoded:
    (decoded,) = decode(steps[None], seen[None], CHARACTERS)
    return decoded


def certain(text: str) -> list[dict[str, float]]:
    return [{character: 0.99} for character in text]


@given(text=st.text(st.sampled_from(CHARACTERS), min_size=1, max_size=10))
@settings(max_examples=60)
def test_what_is_read_surely_is_returned_whatever_the_grammar_says(text: str) -> None:
    decoded = read(steps_of(*certain(text)), BLUE)
    assert decoded.raw == text
    assert decoded.text == text
    assert min(decoded.probabilities) > 0.9


def test_the_old_plates_with_an_o_are_read_where_it_is_clear() -> None:
    slots = [*certain("粤"), {"0": 0.94, "Q": 0.05}, *certain("A2160")]
    assert read(steps_of(*slots), BLUE).text == "粤0A2160"


def test_repeated_characters_are_kept_apart() -> None:
    assert read(steps_of(*certain("皖A11111")), BLUE).text == "皖A11111"


def test_the_grammar_decides_between_zero_and_d_in_the_second_place() -> None:
    slots = [*certain("皖"), {"0": 0.52, "D": 0.46}, *certain("12345")]
    decoded = read(steps_of(*slots), BLUE)
    assert decoded.raw == "皖012345"
    assert decoded.text == "皖D12345"
    # The doubt stays visible: the confidence is that of the character really chosen.
    assert decoded.probabilities[1] == pytest.approx(0.46, abs=0.03)


def test_the_grammar_does_not_overrule_a_clear_picture() -> None:
    slots = [*certain("皖"), {"8": 0.97, "B": 0.02}, *certain("12345")]
    assert read(steps_of(*slots), BLUE).text == "皖812345"


def test_the_colour_weighs_between_seven_and_eight_characters() -> None:
    slots = [*certain("皖A"), {"D": 0.9}, {"1": 0.5}, *certain("2345")]
    shares = np.exp(steps_of(*slots))
    shares[7, 0] = 0.5
    steps = np.log(shares / shares.sum(1, keepdims=True)).astype(np.float32)
    green = read(steps, colours(PlateColour.GREEN))
    blue = read(steps, BLUE)
    assert green.text == "皖AD12345"
    assert blue.text == "皖AD2345"


def test_a_character_that_cannot_be_read_is_a_question_mark() -> None:
    unclear = dict.fromkeys("1234567890", 0.09)
    decoded = read(steps_of(*certain("皖A12"), unclear, *certain("45")), BLUE)
    assert decoded.text == f"皖A12{UNREADABLE}45"
    assert decoded.probabilities[4] < 0.2


def test_plates_of_a_batch_are_read_as_if_alone() -> None:
    steps = np.stack([steps_of(*certain("皖A12345")), steps_of(*certain("京B6789Q"))])
    doubtful = steps_of(*certain("皖"), {"0": 0.52, "D": 0.46}, *certain("12345"))
    batch = np.concatenate([steps, doubtful[None]])
    seen = np.stack([BLUE, colours(PlateColour.YELLOW), BLUE])
    alone = [read(*pair) for pair in zip(batch, seen, strict=True)]
    assert decode(batch, seen, CHARACTERS) == alone
    assert [one.text for one in alone] == ["皖A12345", "京B6789Q", "皖D12345"]


def test_blanks_alone_are_no_text() -> None:
    decoded = read(steps_of(), BLUE)
    assert (decoded.text, decoded.raw, decoded.probabilities) == ("", "", ())


@given(
    seed=st.integers(0, 2**32 - 1),
    spread=st.floats(0.1, 12),
    length=st.integers(1, 40),
)
@settings(max_examples=60)
def test_no_probabilities_upset_it(seed: int, spread: float, length: int) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, spread, (length, CLASSES))
    steps = (logits - np.log(np.exp(logits).sum(1, keepdims=True))).astype(np.float32)
    decoded = read(steps, BLUE)
    assert len(decoded.text) == len(decoded.probabilities)
    assert all(0 <= p <= 1 for p in decoded.probabilities)
    assert set(decoded.text) <= {*CHARACTERS, UNREADABLE}


def test_the_search_finds_the_text_that_many_paths_share() -> None:
    # Two steps: the single best path is blank-blank (0.36), yet "A" has 0.64 over three paths.
    shares = np.full((2, CLASSES), 1e-9)
    shares[:, 0], shares[:, CHARACTER_INDEX["A"]] = 0.6, 0.4
    steps = np.log(shares).astype(np.float32)
    assert greedy(steps[None], CHARACTERS) == [("", [])]
    text, score = beam_search(steps, CHARACTERS)[0]
    assert text == "A"
    assert np.exp(score) == pytest.approx(0.64, abs=1e-3)


@given(seed=st.integers(0, 2**32 - 1), spread=st.floats(0.5, 9))
@settings(max_examples=60)
def test_the_plain_reading_is_its_own_best_alignment(seed: int, spread: float) -> None:
    logits = np.random.default_rng(seed).normal(0, spread, (40, CLASSES))
    steps = (logits - np.log(np.exp(logits).sum(1, keepdims=True))).astype(np.float32)
    ((text, probabilities),) = greedy(steps[None], CHARACTERS)
    assert align(steps, [CHARACTER_INDEX[c] for c in text]) == pytest.approx(probabilities)


def test_a_sure_text_of_the_wrong_colour_is_weighed_against_others() -> None:
    # The last character of a green plate is a little less likely there than not: seven characters
    # would be a blue plate.
    slots = [*certain("皖AD0143"), {"9": 0.4}]
    green = read(steps_of(*slots), colours(PlateColour.GREEN))
    assert (green.raw, green.text) == ("皖AD0143", "皖AD01439")
    assert read(steps_of(*slots), BLUE).text == "皖AD0143"


def test_alignment_gives_each_character_its_own_step() -> None:
    rivals = {"A": {"A": 0.9, "B": 0.1}, "a": {"A": 0.6, "B": 0.4}, "B": {"B": 0.7, "A": 0.3}}
    steps = steps_of(rivals["A"], rivals["a"], rivals["B"])
    codes = [CHARACTER_INDEX[c] for c in "AAB"]
    assert align(steps, codes) == pytest.approx([0.9, 0.6, 0.7], abs=0.01)
    assert align(steps, []) == []


@given(shares=npst.arrays(np.float64, (5, 3), elements=st.floats(0.01, 1)))
@settings(max_examples=30)
def test_a_wide_beam_finds_every_text_with_the_sum_of_all_its_paths(
    shares: NDArray[np.float64],
) -> None:
    shares /= shares.sum(1, keepdims=True)
    expected: dict[str, float] = {}
    for path in itertools.product(range(3), repeat=5):
        text = "".join("-AB"[c] for c, _ in itertools.groupby(path) if c)
        probability = math.prod(float(shares[t, c]) for t, c in enumerate(path))
        expected[text] = expected.get(text, 0.0) + probability
    found = beam_search(np.log(shares).astype(np.float32), "AB", width=100)
    assert {text: math.exp(score) for text, score in found} == pytest.approx(expected, rel=1e-4)
    scores = [score for _, score in found]
    assert scores == pytest.approx(sorted(scores, reverse=True))
    narrow = beam_search(np.log(shares).astype(np.float32), "AB", width=4)
    assert len(narrow) <= 4
    assert math.exp(narrow[0][1]) <= expected[narrow[0][0]] * (1 + 1e-4)


def test_steps_that_are_no_numbers_are_an_empty_text() -> None:
    ((text, _),) = beam_search(np.full((6, 3), np.nan, np.float32), "AB")
    assert text == ""
