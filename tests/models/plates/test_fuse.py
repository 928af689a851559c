"""The reads of one car's passage become one answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.plates.alphabet import CHARACTERS, UNREADABLE
from models.plates.fuse import fuse_reads
from models.plates.grammar import PlateColour, PlateKind, choose_kind
from models.plates.reading import PlateRead


def read(
    text: str,
    probabilities: list[float] | float = 0.9,
    colour: PlateColour = PlateColour.BLUE,
    rows: int = 1,
) -> PlateRead:
    shares = [probabilities] * len(text) if isinstance(probabilities, float) else probabilities
    return PlateRead(
        text=text,
        raw=text,
        confidence=min(shares, default=0.0),
        characters=tuple(zip(text, shares, strict=True)),
        colour=colour,
        kind=choose_kind(text, colour, rows),
        rows=rows,
    )


def test_each_frame_contributes_the_characters_it_saw_well() -> None:
    left_dirty = read("鄂A12345", [0.3, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9])
    right_dirty = read("皖A12346", [0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.3])
    clear = read("皖A12345", 0.8)
    fused = fuse_reads([left_dirty, right_dirty, clear])
    assert fused.text == "皖A12345"
    assert fused.kind is PlateKind.BLUE
    assert fused.reads == 3
    assert fused.confidence == min(p for _, p in fused.characters)


def test_a_cut_off_read_does_not_shorten_the_answer() -> None:
    fused = fuse_reads([read("皖AD1234", 0.5), read("皖AD12345"), read("皖AD12345")])
    assert fused.text == "皖AD12345"


def test_an_unread_character_is_filled_by_a_frame_that_read_it() -> None:
    fused = fuse_reads([read(f"皖A1{UNREADABLE}345", 0.1), read("皖A12345", 0.6)])
    assert fused.text == "皖A12345"


def test_one_clear_frame_outweighs_two_smeared_ones() -> None:
    smeared = read("皖A12346", [0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.5])
    assert fuse_reads([smeared, read("皖A12345", 0.98), smeared]).text == "皖A12345"


def test_a_text_that_its_colour_never_has_counts_less() -> None:
    short = read("皖AD1234", 0.9, PlateColour.GREEN)
    whole = read("皖AD12345", 0.5, PlateColour.GREEN)
    assert short.standing < whole.standing
    assert fuse_reads([short, whole]).text == "皖AD12345"


def test_disagreement_lowers_confidence_and_repetition_does_not_raise_it() -> None:
    agreed = fuse_reads([read("皖A12345", 0.7)] * 5)
    disputed = fuse_reads([read("皖A12345", 0.7), read("皖A12346", 0.69)])
    assert agreed.confidence == pytest.approx(0.7)
    assert disputed.confidence < 0.5


def test_one_read_stays_itself_and_empty_reads_do_not_vote() -> None:
    single = read("皖A12345")
    assert fuse_reads([single]) == single
    assert fuse_reads([read("", []), single, read("", [])]).text == "皖A12345"
    assert fuse_reads([read("", [])]).text == ""


def test_colour_and_rows_are_voted_too() -> None:
    fused = fuse_reads(
        [
            read("皖A12345", 0.9, PlateColour.YELLOW, 2),
            read("皖A12345", 0.8, PlateColour.YELLOW, 2),
            read("皖A12345", 0.9, PlateColour.GREEN, 1),
        ]
    )
    assert (fused.colour, fused.rows) == (PlateColour.YELLOW, 2)
    assert fused.kind is PlateKind.YELLOW_DOUBLE


def test_nothing_to_fuse_is_a_programming_error() -> None:
    with pytest.raises(ValueError, match="no reads"):
        fuse_reads([])


CHARACTER = st.tuples(st.sampled_from([*CHARACTERS, UNREADABLE]), st.floats(0, 1))


@given(tracks=st.lists(st.lists(CHARACTER, max_size=9), min_size=1, max_size=6))
def test_the_answer_always_hangs_together(tracks: list[list[tuple[str, float]]]) -> None:
    reads = [read("".join(c for c, _ in t), [p for _, p in t]) for t in tracks]
    fused = fuse_reads(reads)
    assert len(fused.characters) == len(fused.text)
    assert len(fused.text) in {len(r.text) for r in reads}
    assert 0 <= fused.confidence <= 1
    for position, (character, _) in enumerate(fused.characters):
        seen = {r.text[position] for r in reads if len(r.text) == len(fused.text)}
        assert character in {*seen, UNREADABLE}
