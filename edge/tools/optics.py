"""How many pixels a plate or a face gets, against what the networks need; and the sub-stream."""

from __future__ import annotations

import re
from dataclasses import dataclass

PLATE_WIDTH_M = 0.44
"""GA 36-2018: 440 mm."""
FACE_HEIGHT_M = 0.22
PLATE_NEEDS_PX = 64
"""Width of a plate 20 pixels high: from there on height no longer matters (docs/models.md)."""
FACE_NEEDS_PX = 40
"""Height at which a face is found and usable as evidence."""


@dataclass(frozen=True, slots=True)
class Pixels:
    """Expected sizes in pixels where the picture shows ``scene_m`` metres across."""

    scene_m: float
    plate_px: float
    face_px: float

    @property
    def plate_enough(self) -> bool:
        """Whether plates can be read there."""
        return self.plate_px >= PLATE_NEEDS_PX

    @property
    def face_enough(self) -> bool:
        """Whether faces are of use there."""
        return self.face_px >= FACE_NEEDS_PX


def pixels(width_px: int, scene_m: float) -> Pixels:
    """Sizes in a picture ``width_px`` wide, at the distance where it shows ``scene_m`` metres.

    Raises:
        ValueError: the scene has no width.
    """
    if scene_m <= 0:
        raise ValueError("a scene is more than 0 m wide")
    per_m = width_px / scene_m
    return Pixels(scene_m, round(PLATE_WIDTH_M * per_m, 1), round(FACE_HEIGHT_M * per_m, 1))


def widest_for_plates(width_px: int) -> float:
    """Metres across the picture at which a plate still gets the pixels it needs."""
    return round(width_px * PLATE_WIDTH_M / PLATE_NEEDS_PX, 1)


_SUB_PATHS = (
    (re.compile(r"(/Streaming/Channels/\d+)01(?=$|[?/])", re.I), r"\g<1>02"),  # Hikvision
    (re.compile(r"([?&]subtype=)0", re.I), r"\g<1>1"),  # Dahua
    (re.compile(r"(/ch\d+/)main(?=/)", re.I), r"\g<1>sub"),  # Hikvision, old
    (re.compile(r"(/main)(?=$|[?/])", re.I), "/sub"),
    (re.compile(r"(/stream)1(?=$|[?/])", re.I), r"\g<1>2"),  # TP-Link, Tiandy
    (re.compile(r"(/media/video)1(?=$|[?/])", re.I), r"\g<1>2"),  # Uniview
    (re.compile(r"(/av\d+_)0(?=$|[?/])", re.I), r"\g<1>1"),
    (re.compile(r"(/profile)1(?=$|[?/])", re.I), r"\g<1>2"),
)


def guess_sub_stream(url: str) -> str | None:
    """Where the sub-stream of a main stream is with the common makers; None when unknown."""
    for pattern, replacement in _SUB_PATHS:
        guessed, count = pattern.subn(replacement, url, count=1)
        if count and guessed != url:
            return guessed
    return None
