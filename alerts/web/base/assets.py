"""Assets: our style sheets, scripts and icons, held in memory under one version."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "static"
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file, plain and gzip-compressed (RFC 1952)."""

    body: bytes
    packed: bytes
    media_type: str


class Assets:
    """Files by exact name: a path that is not one of them leads nowhere, whatever its dots."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._files: dict[str, Asset] = {}
        digest = hashlib.sha256()
        for path in sorted(folder.iterdir()):
            if path.suffix in MEDIA_TYPES:
                body = path.read_bytes()
                digest.update(path.name.encode() + b"\0" + body)
                packed = gzip.compress(body, mtime=0)
                self._files[path.name] = Asset(body, packed, MEDIA_TYPES[path.suffix])
        self.version = digest.hexdigest()[:12]
        """Changes when any file does; part of every address, so a browser may keep them."""

    def find(self, name: str) -> Asset | None:
        """The file of that name, or None."""
        return self._files.get(name)

    def url(self, name: str) -> str:
        """Address of a file; scripts import their neighbours relative to it.

        Raises:
            KeyError: there is no such file.
        """
        if name not in self._files:
            raise KeyError(f"no asset is called {name!r}")
        return f"/static/{self.version}/{name}"
