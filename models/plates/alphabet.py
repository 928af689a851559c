"""The characters a plate can carry and the order in which the reader network scores them."""

from __future__ import annotations

from typing import Final

PROVINCES: Final = "京津冀晋蒙辽吉黑沪苏浙皖闽赣鲁豫鄂湘粤桂琼渝川贵云藏陕甘青宁新"
"""The 31 province abbreviations, in the order of GB/T 2260."""

DIGITS: Final = "0123456789"
LETTERS: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ"
"""Latin letters on plates; I and O are never used in serials (GA 36-2018, 5.10.2).

The letter O of the retired "O" series has the same glyph as zero and is read as 0.
"""

MARKS: Final = "警学挂港澳使领应急军"
"""Chinese characters that tell the plate's use rather than its province."""

SERIAL: Final = DIGITS + LETTERS
CHARACTERS: Final = DIGITS + LETTERS + PROVINCES + MARKS
"""Class ``i + 1`` of the reader is ``CHARACTERS[i]``; class 0 is the CTC blank."""

UNREADABLE: Final = "?"
"""Stands for a character that was seen but not read."""

CHARACTER_INDEX: Final = {character: i + 1 for i, character in enumerate(CHARACTERS)}


def encode(text: str) -> list[int]:
    """Class numbers (1 and up) of a plate text; the letters I and O fold into 1 and 0.

    Raises KeyError for a character no plate carries.
    """
    return [CHARACTER_INDEX[{"I": "1", "O": "0"}.get(c, c)] for c in text]
