"""Finds the corners of labelled plates that lie askew in loose crops, with the shipped reader."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.catalogue import WEIGHTS
from models.plates.alphabet import CHARACTERS
from models.plates.rectify import moved_corners, rectify
from models.session import Session, open_session

_READER = WEIGHTS / "plate_reader.onnx"
_ROUNDS = 2
"""Corners are moved so often; the second round sees the plate nearly straight."""


class Straightener:
    """Proposes corners; those count that show the label's serial when the plate is cut out by them.

    Without a shipped reader, as before the first training, nothing is proposed.
    """

    def __init__(self) -> None:
        self._session: Session | None = open_session(_READER) if _READER.is_file() else None

    def corners(
        self, picture: NDArray[np.uint8], box: NDArray[np.float32], text: str
    ) -> NDArray[np.float32] | None:
        """Where the plate's own corners (4, 2) lie in its crop, or None when that is not sure.

        Args:
            picture: uint8 (H, W, 3) BGR.
            box: float32 (4, 2), the corners of the crop.
            text: what is written on the plate.
        """
        if self._session is None:
            return None
        found = box
        for _ in range(_ROUNDS):
            outputs = self._session.run({"plates": rectify(picture, found[None], [1])})
            found = moved_corners(found[None], outputs["offsets"].reshape(1, 4, 2))[0]
        outputs = self._session.run({"plates": rectify(picture, found[None], [1])})
        serial = _plain_reading(outputs["characters"][0])[1:]
        return found if serial == text[1:] else None


def _plain_reading(steps: NDArray[np.float32]) -> str:
    """The likeliest class of each step, repeats and blanks left out."""
    best = steps.argmax(1)
    new = np.append(True, best[1:] != best[:-1]) & (best > 0)
    return "".join(CHARACTERS[code - 1] for code in best[new])
