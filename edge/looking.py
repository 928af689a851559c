"""Runs the networks over a batch of pictures, each searched where something is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from edge.watching.regions import Region
from models.planes import Picture, PlanarFrame
from models.types import Detections

BATCH = 4
"""Pictures that are searched at once."""


class Vision(Protocol):
    """Finds plates and faces (:class:`models.core.VisionCore`)."""

    def analyse(
        self, images: Sequence[Picture], *, whole_px: Sequence[int] | None = None
    ) -> list[Detections]:
        """What is in each picture; ``whole_px``: the longer sides of what each is a part of."""


def look(vision: Vision, looks: Sequence[tuple[PlanarFrame, Region]]) -> list[Detections]:
    """What is in a part of each picture, as it lies in the whole; one batch."""
    found = vision.analyse(
        [region.cut(picture) for picture, region in looks],
        whole_px=[max(picture.shape) for picture, _ in looks],
    )
    return [region.back(one) for (_, region), one in zip(looks, found, strict=True)]
