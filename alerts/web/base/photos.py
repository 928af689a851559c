"""Photos: what a person's phone sends becomes a plain JPEG without place, device or surprises."""

from __future__ import annotations

import hashlib
import io
import warnings

from PIL import Image, ImageOps, UnidentifiedImageError

from alerts.web.base.errors import Refusal
from ingest.media import MediaStore

UPLOAD_LIMIT_BYTES = 12_000_000
PIXEL_LIMIT = 50_000_000
"""A phone's largest picture; a small file that claims more is a decompression bomb."""
SIDE_PX = 1920
FORMATS = ("JPEG", "PNG", "WEBP")


def clean(data: bytes) -> bytes:
    """Re-encode an uploaded photo: upright, at most 1920 px a side, JPEG, no metadata.

    Nothing of the upload survives but its pixels: position, camera and thumbnails in the EXIF
    block (JEITA CP-3451) go, and so does whatever was appended to the file.

    Raises:
        Refusal: 413 when it is too large in bytes or pixels, 415 when it is no photo.
    """
    if len(data) > UPLOAD_LIMIT_BYTES:
        raise _too_large()
    try:
        with warnings.catch_warnings():
            # Pillow warns above its own limit; ours is lower and checked before any decoding.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=FORMATS)
        if image.width * image.height > PIXEL_LIMIT:
            raise _too_large()
        image.draft("RGB", (SIDE_PX, SIDE_PX))
        upright = ImageOps.exif_transpose(image).convert("RGB")
        upright.thumbnail((SIDE_PX, SIDE_PX))
        # A fresh picture has no info dictionary: nothing of the old file can follow.
        plain = Image.new("RGB", upright.size)
        plain.paste(upright)
        out = io.BytesIO()
        plain.save(out, "JPEG", quality=82, optimize=True)
    except Image.DecompressionBombError:
        raise _too_large() from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError, MemoryError):
        raise Refusal(
            415,
            "no_photo",
            zh="这不是可用的照片，请用 JPEG、PNG 或 WebP",
            en="This is no photo we can read; send JPEG, PNG or WebP",
        ) from None
    return out.getvalue()


def keep(media: MediaStore, jpeg: bytes) -> str:
    """Store a cleaned photo; returns its sha256, durable."""
    sha256 = hashlib.sha256(jpeg).hexdigest()
    with media.begin(sha256) as upload:
        upload.write(jpeg)
        upload.finish(declared="image/jpeg")
    return sha256


def _too_large() -> Refusal:
    return Refusal(
        413,
        "photo_too_large",
        zh="照片太大，请用普通清晰度重拍",
        en="The photo is too large; take it at normal resolution",
    )
