"""Keeps evidence files in a bucket that speaks the S3 protocol; the only importer of minio."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import urlsplit
from xml.etree.ElementTree import ParseError

import urllib3
from minio import Minio
from minio.commonconfig import ENABLED
from minio.datatypes import Object
from minio.error import MinioException, S3Error
from minio.versioningconfig import SUSPENDED
from pydantic import SecretStr

from config.errors import UserError
from ingest.media.base import (
    ENDINGS,
    ListedMedia,
    MediaError,
    MediaStore,
    StoredMedia,
    is_sha256,
    name_of,
    parse_name,
)

_ABSENT = frozenset({"NoSuchKey", "NoSuchObject", "NoSuchVersion", "ResourceNotFound"})
_VERSIONED = frozenset({ENABLED, SUSPENDED})
_CONNECT_S = 5.0
_READ_S = 30.0


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where the bucket is and how to get in."""

    endpoint: str
    """``https://host[:port]``; with ``http`` only inside one machine room."""
    name: str
    prefix: str
    """Folder inside the bucket, without slashes around it; may be empty."""
    access_key: SecretStr
    secret_key: SecretStr
    region: str = "us-east-1"


class S3Store(MediaStore):
    """Files below ``prefix`` in one bucket, named as on a disk.

    Uploads pass over ``spool`` on this machine, so that nothing unverified reaches the bucket;
    the request is signed over the sha256 of its bytes (AWS Signature Version 4), so that a
    store that receives other bytes refuses them.

    Raises:
        UserError: the endpoint is malformed, the bucket is absent, or the keys are refused.
    """

    def __init__(self, bucket: Bucket, spool: Path) -> None:
        super().__init__(spool)
        self._bucket = bucket.name
        self._prefix = f"{bucket.prefix}/" if bucket.prefix else ""
        self._pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=_CONNECT_S, read=_READ_S),
            retries=urllib3.Retry(total=2, backoff_factor=0.2, status_forcelist=(500, 502, 503)),
            maxsize=16,
        )
        place = urlsplit(bucket.endpoint)
        try:
            self._client = Minio(
                place.netloc,
                access_key=bucket.access_key.get_secret_value(),
                secret_key=bucket.secret_key.get_secret_value(),
                secure=place.scheme == "https",
                region=bucket.region,
                http_client=self._pool,
            )
            is_there = self._client.bucket_exists(bucket.name)
        except (MinioException, urllib3.exceptions.HTTPError, ValueError) as error:
            raise _unusable(bucket, _brief(error)) from None
        if not is_there:
            raise _unusable(bucket, "there is no such bucket")

    def find(self, sha256: str) -> StoredMedia | None:
        """See :meth:`MediaStore.find`."""
        if not is_sha256(sha256):
            return None
        for media_type in ENDINGS:
            with _answering(sha256):
                try:
                    about = self._client.stat_object(self._bucket, self._key(sha256, media_type))
                except S3Error as error:
                    if error.code in _ABSENT:
                        continue
                    raise
            if not about.size:
                # No file of ours is empty: a node that was told it is here would delete its own.
                raise _silent(sha256, "it names a file without bytes")
            return StoredMedia(sha256, media_type, about.size)
        return None

    def open(self, sha256: str) -> BinaryIO:
        """See :meth:`MediaStore.open`; bytes are fetched as they are read."""
        found = self.find(sha256)
        if found is None:
            raise FileNotFoundError(f"no evidence of sha256 {sha256[:64]!r}")
        with _answering(sha256):
            answer = self._client.get_object(self._bucket, self._key(sha256, found.media_type))
        return cast("BinaryIO", io.BufferedReader(_Body(answer, sha256)))

    def keep(self, half: Path, sha256: str, media_type: str) -> None:
        """Send the file, then ask for its size: only what the store has counts."""
        key, size = self._key(sha256, media_type), half.stat().st_size
        with _answering(sha256):
            self._client.fput_object(self._bucket, key, str(half), content_type=media_type)
            stored = self._client.stat_object(self._bucket, key).size
        if stored != size:
            raise _silent(sha256, f"it holds {stored} bytes of {size}")
        half.unlink(missing_ok=True)

    def remove(self, sha256: str) -> bool:
        """See :meth:`MediaStore.remove`; in a bucket with versions, all of them go."""
        found = False
        for media_type in ENDINGS:
            key = self._key(sha256, media_type)
            with _answering(sha256):
                for version in self._versions(key):
                    if version.object_name != key:
                        continue
                    found |= not version.is_delete_marker
                    # A store without versions names the only one "null".
                    number = version.version_id if version.version_id != "null" else None
                    self._client.remove_object(self._bucket, key, version_id=number)
        return found

    def _versions(self, key: str) -> list[Object]:
        try:
            return list(
                self._client.list_objects(
                    self._bucket, prefix=key, recursive=True, include_version=True
                )
            )
        except MinioException:
            # A store that has no versions may not know the question; only then is the object all.
            if self._client.get_bucket_versioning(self._bucket).status in _VERSIONED:
                raise
            return list(self._client.list_objects(self._bucket, prefix=key, recursive=True))

    def walk(self) -> Iterator[ListedMedia]:
        """See :meth:`MediaStore.walk`."""
        with _answering("the bucket"):
            for item in self._client.list_objects(
                self._bucket, prefix=self._prefix or None, recursive=True
            ):
                parsed = parse_name((item.object_name or "").removeprefix(self._prefix))
                if parsed is not None:
                    changed_at = item.last_modified or datetime.now(UTC)
                    yield ListedMedia(StoredMedia(*parsed, item.size or 0), changed_at)

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()

    def _key(self, sha256: str, media_type: str) -> str:
        return f"{self._prefix}{name_of(sha256, media_type)}"


class _Body(io.RawIOBase):
    """The bytes of one answer; closing gives the connection back."""

    def __init__(self, answer: urllib3.BaseHTTPResponse, sha256: str) -> None:
        self._answer, self._sha256 = answer, sha256

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        with _answering(self._sha256):
            data = self._answer.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._answer.close()
            self._answer.release_conn()
        super().close()


@contextmanager
def _answering(sha256: str) -> Iterator[None]:
    try:
        yield
    # The client raises ValueError and ParseError for answers that are no S3 at all.
    except (
        MinioException,
        urllib3.exceptions.HTTPError,
        OSError,
        ValueError,
        ParseError,
    ) as error:
        raise _silent(sha256, _brief(error)) from None


def _silent(sha256: str, problem: str) -> MediaError:
    return MediaError(
        status=503,
        where=sha256,
        problem=f"the store of evidence does not answer ({problem})",
        remedy="send it again later; at the centre, look at MENSHEN_S3_ENDPOINT and the store",
    )


def _unusable(bucket: Bucket, problem: str) -> UserError:
    return UserError(
        where="environment",
        field="MENSHEN_MEDIA",
        problem=f"the bucket {bucket.name!r} at {bucket.endpoint} cannot be used: {problem}",
        remedy="check MENSHEN_S3_ENDPOINT and both keys, and make the bucket",
    )


def _brief(error: Exception) -> str:
    if isinstance(error, S3Error):
        return f"{error.code}"
    return type(error).__name__
