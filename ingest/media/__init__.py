"""Evidence files by content: one interface, on a disk or in an S3-compatible store."""

from __future__ import annotations

from ingest.media.base import LIMIT_BYTES, MediaError, MediaStore, StoredMedia, too_large
from ingest.media.disk import DiskStore

__all__ = ["LIMIT_BYTES", "DiskStore", "MediaError", "MediaStore", "StoredMedia", "too_large"]
