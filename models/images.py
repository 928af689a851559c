"""Turns any picture file or array into the one kind the networks take, or says why not."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import IO, Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import UnidentifiedImageError

from config.errors import UserError
from models.types import Image

PIXEL_LIMIT: Final = 64_000_000
"""Pictures with more pixels are refused before they are decoded; 8K has 33 million."""
SMALLEST_SIDE: Final = 2
_FORMATS: Final = ("JPEG", "PNG", "BMP", "TIFF", "WEBP", "GIF")
"""Pillow knows fifty more, each with a decoder that an attacker may choose."""
_ORIENTATION: Final = 0x0112
_TURNS: Final = {
    2: PillowImage.Transpose.FLIP_LEFT_RIGHT,
    3: PillowImage.Transpose.ROTATE_180,
    4: PillowImage.Transpose.FLIP_TOP_BOTTOM,
    5: PillowImage.Transpose.TRANSPOSE,
    6: PillowImage.Transpose.ROTATE_270,
    7: PillowImage.Transpose.TRANSVERSE,
    8: PillowImage.Transpose.ROTATE_90,
}
"""What turns a picture upright, by the EXIF tag's value; 1 is upright."""


def load_image(path: Path | str) -> Image:
    """Read a picture file as uint8 (H, W, 3) BGR, turned upright by its EXIF orientation.

    Grey, palette, CMYK, transparent and 16-bit pictures are converted; 16 bits keep their
    upper eight.

    Raises:
        UserError: the file is absent, not a picture, cut short, too large or too small.
    """
    return _load(Path(path), str(path))


def decode_image(data: bytes, *, where: str) -> Image:
    """The same of a picture file in memory; ``where`` names it in errors."""
    return _load(io.BytesIO(data), where)


def _load(source: Path | IO[bytes], where: str) -> Image:
    try:
        with PillowImage.open(source, formats=_FORMATS) as picture:
            check_size(picture.width, picture.height, where)
            return _from_pillow(picture)
    except UnidentifiedImageError as error:
        raise UserError(
            where=where,
            problem="not a picture of a known format",
            remedy="use JPEG, PNG, BMP, TIFF, WebP or GIF",
        ) from error
    except PillowImage.DecompressionBombError as error:
        raise _too_large(where, str(error)) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(
            where=where,
            problem=f"cannot be read: {reason}",
            remedy="copy the file again; it may be cut short",
        ) from error
    except UserError:
        raise
    except Exception as error:  # decoders pass on whatever a spoilt file makes them do
        raise UserError(
            where=where,
            problem=f"is corrupt: {error}",
            remedy="copy the file again",
        ) from error


def check_image(image: NDArray[Any], *, where: str) -> None:
    """Hold an array against what networks take: uint8 (H, W, 3), 2x2 to 64 megapixels.

    Raises:
        UserError: it is something else; ``where`` names it.
    """
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        kind = getattr(image, "dtype", type(image).__name__)
        raise UserError(
            where=where, problem=f"is {kind}, not uint8", remedy="scale it to 0..255 as uint8"
        )
    if image.ndim != 3 or image.shape[2] != 3:
        raise UserError(
            where=where,
            problem=f"has shape {image.shape}, not (height, width, 3)",
            remedy="convert it to blue-green-red",
        )
    check_size(image.shape[1], image.shape[0], where)


def check_size(width: int, height: int, where: str) -> None:
    """Refuse a picture of no use or of more pixels than any camera has.

    Raises:
        UserError: it is smaller than 2x2 or larger than 64 megapixels; ``where`` names it.
    """
    if min(width, height) < SMALLEST_SIDE:
        raise UserError(
            where=where,
            problem=f"is {width}x{height} pixels, too small to show anything",
            remedy=f"give a picture of at least {SMALLEST_SIDE}x{SMALLEST_SIDE}",
        )
    if width * height > PIXEL_LIMIT:
        raise _too_large(where, f"{width}x{height} pixels")


def _too_large(where: str, size: str) -> UserError:
    return UserError(
        where=where,
        problem=f"is too large: {size}, the limit is {PIXEL_LIMIT} pixels",
        remedy="shrink it, or cut it into tiles",
    )


def _from_pillow(picture: PillowImage.Image) -> Image:
    upright = _turned_upright(picture)
    if upright.mode.startswith("I") or upright.mode == "F":
        return _from_deep_grey(np.asarray(upright))
    if upright.mode in {"RGBA", "LA", "PA"} or "transparency" in upright.info:
        # What is transparent is shown on black, as a privacy mask would be.
        upright = upright.convert("RGBA")
        black = PillowImage.new("RGBA", upright.size, (0, 0, 0, 255))
        upright = PillowImage.alpha_composite(black, upright)
    rgb = np.asarray(upright.convert("RGB"), dtype=np.uint8)
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), dtype=np.uint8)


def _turned_upright(picture: PillowImage.Image) -> PillowImage.Image:
    """As its EXIF says, if that can be read.

    ``ImageOps.exif_transpose`` writes the EXIF anew as well, and fails where any tag in it holds
    another kind of value than it should; the pixels are good all the same.
    """
    picture.load()
    turn = None
    with contextlib.suppress(Exception):  # whatever spoilt EXIF makes Pillow raise
        turn = _TURNS.get(picture.getexif().get(_ORIENTATION, 1))
    return picture if turn is None else picture.transpose(turn)


def _from_deep_grey(values: NDArray[Any]) -> Image:
    finite = np.nan_to_num(values.astype(np.float64), posinf=0.0, neginf=0.0)
    # 32-bit containers hold 8- or 16-bit data; the largest value tells which.
    full = 65535.0 if finite.max(initial=0.0) > 255.0 else 255.0
    grey = np.clip(finite * (255.0 / full), 0, 255).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)
