"""A real server that speaks S3, on a port of its own, for tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from minio import Minio
from minio.commonconfig import ENABLED
from minio.versioningconfig import VersioningConfig
from moto.server import ThreadedMotoServer
from pydantic import SecretStr

from ingest.media.s3 import Bucket, S3Store

REGION = "us-east-1"


@dataclass
class S3Server:
    """moto's server in a thread; ``stop`` and ``start`` keep its buckets."""

    port: int
    _server: ThreadedMotoServer | None = None

    @property
    def endpoint(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Begin to listen."""
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=self.port, verbose=False)
        self._server.start()

    def stop(self) -> None:
        """End to listen."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def new_bucket(self, name: str, *, has_versions: bool = False) -> Bucket:
        """A fresh bucket, below the folder ``evidence``."""
        client = self.client()
        client.make_bucket(name)
        if has_versions:
            client.set_bucket_versioning(name, VersioningConfig(ENABLED))
        return Bucket(
            endpoint=self.endpoint,
            name=name,
            prefix="evidence",
            access_key=SecretStr("tester"),
            secret_key=SecretStr("tester-secret"),
            region=REGION,
        )

    def client(self) -> Minio:
        """Somebody else who looks into the buckets."""
        return Minio(
            f"127.0.0.1:{self.port}",
            access_key="other",
            secret_key="other-secret",
            secure=False,
            region=REGION,
        )

    def store(self, bucket: Bucket, folder: Path) -> S3Store:
        """The store under test."""
        return S3Store(bucket, folder / "spool")
