"""A frame as the decoder has it: luma and two half-size colour planes, converted only if needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from config.errors import UserError
from models.types import Image

Plane = NDArray[np.uint8]
_MOST_SKIPPED: Final = 31
"""OpenCV takes at most 512 channels, here three for each pixel of a row that one is taken of."""


@dataclass(frozen=True, slots=True, eq=False)
class PlanarFrame:
    """One picture in YUV 4:2:0 (I420), as nearly every camera's stream decodes to.

    Converting a 1080p frame to blue-green-red costs more than shrinking it for a network; here
    the planes are shrunk first and only the small picture is converted.

    Attributes:
        luma: uint8 (H, W), H and W even, rows contiguous in themselves.
        blue, red: uint8 (H / 2, W / 2): Cb and Cr.

    Raises:
        UserError: the planes do not fit together.
    """

    luma: Plane
    blue: Plane
    red: Plane

    def __post_init__(self) -> None:
        planes = (self.luma, self.blue, self.red)
        if any(plane.dtype != np.uint8 or plane.ndim != 2 for plane in planes):
            raise _unfit("planes must be uint8 (height, width)")
        height, width = self.luma.shape
        half = (height // 2, width // 2)
        if height % 2 or width % 2 or self.blue.shape != half or self.red.shape != half:
            shapes = [plane.shape for plane in planes]
            raise _unfit(f"planes of {shapes} are not 4:2:0")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width, 3: as the picture would have it in blue-green-red."""
        return (*self.luma.shape, 3)

    def bgr(self) -> Image:
        """The whole frame as uint8 (H, W, 3) blue-green-red (BT.601, studio range)."""
        planes = [plane.reshape(-1) for plane in (self.luma, self.blue, self.red)]
        height, width = self.luma.shape
        stacked = np.concatenate(planes).reshape(height * 3 // 2, width)
        return np.asarray(cv2.cvtColor(stacked, cv2.COLOR_YUV2BGR_I420), np.uint8)

    def part(self, left: int, top: int, right: int, bottom: int) -> Image:
        """The pixels of a rectangle inside the frame, as ``bgr()[top:bottom, left:right]``."""
        # Two by two pixels share a colour: the conversion starts and ends between such blocks.
        x, y = left // 2, top // 2
        across, down = -(-right // 2), -(-bottom // 2)
        inside = PlanarFrame(
            self.luma[2 * y : 2 * down, 2 * x : 2 * across],
            self.blue[y:down, x:across],
            self.red[y:down, x:across],
        )
        whole = inside.bgr()
        return whole[top - 2 * y : bottom - 2 * y, left - 2 * x : right - 2 * x]

    def shrink_into(self, target: Image) -> None:
        """Resize the frame to the size of ``target`` and convert it, into it."""
        height, width = target.shape[:2]
        even = height + height % 2, width + width % 2
        half = even[0] // 2, even[1] // 2
        stacked = np.empty((even[0] * 3 // 2, even[1]), np.uint8)
        colour = stacked[even[0] :].reshape(2, *half)
        shrink_into(self.luma, stacked[: even[0]])
        shrink_into(self.blue, colour[0])
        shrink_into(self.red, colour[1])
        if even == (height, width):
            cv2.cvtColor(stacked, cv2.COLOR_YUV2BGR_I420, dst=target)
        else:
            target[:] = cv2.cvtColor(stacked, cv2.COLOR_YUV2BGR_I420)[:height, :width]


Picture = Image | PlanarFrame
"""What detectors look at."""


def part_of(picture: Picture, left: int, top: int, right: int, bottom: int) -> Image:
    """The blue-green-red pixels of a rectangle inside a picture; of planes only those are made."""
    if isinstance(picture, PlanarFrame):
        return picture.part(left, top, right, bottom)
    return picture[top:bottom, left:right]


def shrink_into(source: NDArray[np.uint8], target: NDArray[np.uint8]) -> None:
    """Resize a picture or a plane to the size of ``target``, into it, by linear interpolation.

    At an odd whole factor (1920 to 640) the centre of every target pixel is that of a source
    pixel: taking those rows and columns is the same to the bit and costs a third.
    """
    height, width = target.shape[:2]
    factor = source.shape[1] // width
    exact = source.shape[0] == factor * height and source.shape[1] == factor * width
    if exact and factor % 2 == 1 and 1 < factor <= _MOST_SKIPPED:
        # As many pixels as one is taken of are the channels of one: OpenCV picks out the middle.
        channels = source.size // (source.shape[0] * source.shape[1])
        groups = source[factor // 2 :: factor].reshape(height, width, factor * channels)
        first = factor // 2 * channels
        pairs = [place for channel in range(channels) for place in (first + channel, channel)]
        cv2.mixChannels([groups], [target], pairs)
        return
    cv2.resize(source, (width, height), dst=target, interpolation=cv2.INTER_LINEAR)


def _unfit(problem: str) -> UserError:
    return UserError(
        where="frame",
        problem=problem,
        remedy="give the luma plane and two planes of half its height and width",
    )
