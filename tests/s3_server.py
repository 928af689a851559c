"""Real servers that speak S3, for tests: moto's, and that of rclone over a folder."""

from __future__ import annotations

import subprocess
import sys
from abc import ABC, abstractmethod
from pathlib import Path

from minio import Minio
from minio.commonconfig import ENABLED
from minio.versioningconfig import VersioningConfig
from moto.server import ThreadedMotoServer
from pydantic import SecretStr

from ingest.media.s3 import Bucket, S3Store
from tests.servers import free_port, wait_for_port

REGION = "us-east-1"
KEY, SECRET = "tester", "tester-secret"


class S3Server(ABC):
    """``stop`` and ``start`` keep its buckets."""

    def __init__(self) -> None:
        self.port = free_port()

    @property
    def endpoint(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @abstractmethod
    def start(self) -> None:
        """Begin to listen."""

    @abstractmethod
    def stop(self) -> None:
        """End to listen."""

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
            access_key=SecretStr(KEY),
            secret_key=SecretStr(SECRET),
            region=REGION,
        )

    def client(self) -> Minio:
        """Somebody else who looks into the buckets."""
        return Minio(
            f"127.0.0.1:{self.port}",
            access_key=KEY,
            secret_key=SECRET,
            secure=False,
            region=REGION,
        )

    def store(self, bucket: Bucket, folder: Path) -> S3Store:
        """The store under test."""
        return S3Store(bucket, folder / "spool")


class MotoServer(S3Server):
    """moto's server in a thread; it believes every signature, and can keep versions."""

    _server: ThreadedMotoServer | None = None

    def start(self) -> None:
        """Begin to listen."""
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=self.port, verbose=False)
        self._server.start()

    def stop(self) -> None:
        """End to listen."""
        if self._server is not None:
            self._server.stop()
            self._server = None


class RcloneServer(S3Server):
    """``rclone serve s3`` over ``folder``: checks signatures, and has no versions at all."""

    _process: subprocess.Popen[bytes] | None = None

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def start(self) -> None:
        """Begin to listen."""
        binary = Path(sys.executable).with_name("rclone")
        place = ("--addr", f"127.0.0.1:{self.port}", "--config", str(self._folder / "no.conf"))
        data = self._folder / "buckets"
        data.mkdir(exist_ok=True)
        with (self._folder / "rclone.log").open("ab") as log:
            self._process = subprocess.Popen(
                [binary, "serve", "s3", *place, "--auth-key", f"{KEY},{SECRET}", str(data)],
                stdout=log,
                stderr=log,
            )
        wait_for_port(self.port, self._process)

    def stop(self) -> None:
        """End to listen."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
