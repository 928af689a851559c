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
"""OpenCV 5 takes at most 128 channels, here three for each pixel of a row that one is taken of."""


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
        height, width = self.luma.shape
        return self.part(0, 0, width, height)

    def part(self, left: int, top: int, right: int, bottom: int) -> Image:
        """The pixels of a rectangle inside the frame, as ``bgr()[top:bottom, left:right]``."""
        # Two by two pixels share a colour: the conversion starts and ends between such blocks.
        x, y = left // 2, top // 2
        across, down = -(-right // 2), -(-bottom // 2)
        stacked, luma, blue, red = _stack(down - y, across - x)
        luma[:] = self.luma[2 * y : 2 * down, 2 * x : 2 * across]
        blue[:] = self.blue[y:down, x:across]
        red[:] = self.red[y:down, x:across]
        whole = np.asarray(cv2.cvtColor(stacked, cv2.COLOR_YUV2BGR_I420), np.uint8)
        return whole[top - 2 * y : bottom - 2 * y, left - 2 * x : right - 2 * x]

    def shrink_into(self, target: Image) -> None:
        """Resize the frame to the size of ``target`` and convert it, into it."""
        height, width = target.shape[:2]
        stacked, luma, blue, red = _stack(-(-height // 2), -(-width // 2))
        rest = np.empty(luma.size, np.uint8)
        for plane, small in ((self.luma, luma), (self.blue, blue), (self.red, red)):
            _shrink_plane(plane, small, rest)
        if luma.shape == (height, width):
            cv2.cvtColor(stacked, cv2.COLOR_YUV2BGR_I420, dst=target)
        else:
            target[:] = cv2.cvtColor(stacked, cv2.COLOR_YUV2BGR_I420)[:height, :width]


def _shrink_plane(source: Plane, target: Plane, rest: Plane) -> None:
    """As ``shrink_into``; ``rest`` is memory for at least as many bytes as ``target``.

    At a factor of 3 (1080p to 640) three bytes in a row are the channels of one pixel, which
    OpenCV parts faster than NumPy steps over them; the first and the third are thrown away.
    """
    height, width = target.shape
    if source.shape != (3 * height, 3 * width):
        shrink_into(source, target)
        return
    unused = rest[: target.size].reshape(target.shape)
    cv2.split(source[1::3].reshape(height, width, 3), [unused, target, unused])


def _stack(height: int, width: int) -> tuple[Plane, Plane, Plane, Plane]:
    """Memory as OpenCV converts it, for so many pixels of colour, and its planes: luma, Cb, Cr."""
    stacked = np.empty((3 * height, 2 * width), np.uint8)
    blue, red = stacked[2 * height :].reshape(2, height, width)
    return stacked, stacked[: 2 * height], blue, red


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
        middle = factor // 2
        if source.ndim == 2:
            target[:] = source[middle::factor, middle::factor]
            return
        # As many pixels as one is taken of are the channels of one: OpenCV picks out the middle.
        channels = source.shape[2]
        groups = source[middle::factor].reshape(height, width, factor * channels)
        pairs = [place for own in range(channels) for place in (middle * channels + own, own)]
        cv2.mixChannels([groups], [target], pairs)
        return
    cv2.resize(source, (width, height), dst=target, interpolation=cv2.INTER_LINEAR)


def _unfit(problem: str) -> UserError:
    return UserError(
        where="frame",
        problem=problem,
        remedy="give the luma plane and two planes of half its height and width",
    )
