"""What a plate reading is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from models.plates.grammar import RULES, PlateColour, PlateKind

DISAGREEMENT: Final = 0.4
"""What is left of a read's worth when no kind of plate has such a text on such a colour."""
_ALIKE: Final = {PlateColour.BLUE, PlateColour.BLACK}
"""In the dark a blue plate is black."""


def characters_apart(first: str, second: str) -> int:
    """In how many places two texts differ, read from the left; what one has more counts too."""
    differing = sum(a != b for a, b in zip(first, second, strict=False))
    return differing + abs(len(first) - len(second))


@dataclass(frozen=True, slots=True)
class PlateRead:
    """What is written on one plate, and how sure that is.

    Attributes:
        text: the answer, the grammar of GA 36-2018 weighed in; `?` for a character that cannot be
            read; empty when nothing plate-like is there.
        raw: what the network read by itself, before any grammar.
        confidence: the probability of the weakest character of ``text``, 0 to 1.
        characters: each character of ``text`` with its probability.
        colour: the plate's background.
        kind: what kind of plate has such a text and colour; None when no kind allows the text.
        rows: lines of characters, 1 or 2.
        reads: how many single reads this one was fused from.
    """

    text: str
    raw: str
    confidence: float
    characters: tuple[tuple[str, float], ...]
    colour: PlateColour
    kind: PlateKind | None
    rows: int
    reads: int = 1

    @property
    def standing(self) -> float:
        """How much this read is worth beside others of the same plate, 0 to 1.

        Its confidence, less where text and colour disagree: a plate cut off at one end is often
        read with confidence, a character short.
        """
        if self.kind is None:
            return self.confidence * DISAGREEMENT
        seen = {RULES[self.kind].colour, self.colour}
        agrees = len(seen) == 1 or seen == _ALIKE
        return self.confidence if agrees else self.confidence * DISAGREEMENT
