"""Opens the store of evidence that the settings name."""

from __future__ import annotations

from urllib.parse import urlsplit

from config.errors import UserError
from config.settings import Settings
from ingest.media.base import MediaStore
from ingest.media.disk import DiskStore


def open_media(settings: Settings) -> MediaStore:
    """``MENSHEN_MEDIA``, or the folder ``media`` below ``MENSHEN_DATA_DIR``.

    Raises:
        UserError: it cannot be used, or its keys or the package for S3 are missing.
    """
    if settings.media is None:
        return DiskStore(settings.data_dir / "media")
    place = urlsplit(settings.media)
    if settings.s3_access_key is None or settings.s3_secret_key is None:
        raise _missing("MENSHEN_S3_ACCESS_KEY and MENSHEN_S3_SECRET_KEY are not both set")
    if settings.s3_endpoint is None:
        raise _missing("MENSHEN_S3_ENDPOINT is not set")
    try:
        from ingest.media.s3 import Bucket, S3Store
    except ModuleNotFoundError as error:
        raise UserError(
            where="environment",
            field="MENSHEN_MEDIA",
            problem=f"needs the Python package {error.name!r}, which is not installed",
            remedy="run: pip install 'menshen[s3]'",
        ) from None
    bucket = Bucket(
        endpoint=settings.s3_endpoint,
        name=place.netloc,
        prefix=place.path.strip("/"),
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key,
        region=settings.s3_region,
    )
    return S3Store(bucket, settings.data_dir / "media-incoming")


def _missing(problem: str) -> UserError:
    return UserError(
        where="environment",
        field="MENSHEN_MEDIA",
        problem=problem,
        remedy="set MENSHEN_S3_ENDPOINT, MENSHEN_S3_ACCESS_KEY and MENSHEN_S3_SECRET_KEY",
    )
