"""One encrypted file with the templates of enrolled people, readable by its user only."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import SecretStr

from config.durable import replace_file, sync_folder
from config.errors import UserError

_MAGIC = b"MSHF1"
_NONCE_BYTES = 12


class Vault:
    """Seals bytes with AES-256-GCM (NIST SP 800-38D), its key made from the node's token by
    HKDF-SHA-256 (RFC 5869): a disk that is taken from the node without its secrets tells nothing.

    Args:
        path: the file; its folder must exist.
        node: its name, which the key and the seal depend on.
        token: the node's token.
    """

    def __init__(self, path: Path, *, node: str, token: SecretStr) -> None:
        self._path = path
        self._about = b"menshen household faces 1\0" + node.encode()
        derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=self._about)
        self._cipher = AESGCM(derived.derive(token.get_secret_value().encode()))

    def read(self) -> bytes | None:
        """What was written last; None when there is nothing.

        Raises:
            UserError: the file is damaged, or was sealed with another token.
        """
        try:
            sealed = self._path.read_bytes()
        except FileNotFoundError:
            return None
        head = len(_MAGIC)
        try:
            if sealed[:head] != _MAGIC:
                raise InvalidTag
            nonce, body = sealed[head : head + _NONCE_BYTES], sealed[head + _NONCE_BYTES :]
            return self._cipher.decrypt(nonce, body, self._about)
        except (InvalidTag, ValueError):
            raise UserError(
                where=str(self._path),
                problem="cannot be opened: it is damaged, or the node's token has changed",
                remedy="let the people of the home enrol again on the page 家人识别",
            ) from None

    def write(self, data: bytes) -> None:
        """Replace what is there, durably; the file before is overwritten first.

        Raises:
            OSError: it cannot be written; what was there is still there.
        """
        nonce = os.urandom(_NONCE_BYTES)
        sealed = _MAGIC + nonce + self._cipher.encrypt(nonce, data, self._about)
        earlier = _open_to_overwrite(self._path)
        try:
            replace_file(self._path, sealed, half=self._path.with_suffix(".part"), mode=0o600)
        except BaseException:
            if earlier is not None:
                os.close(earlier)
            raise
        if earlier is not None:
            _overwrite(earlier)

    def remove(self) -> None:
        """Erase the file."""
        earlier = _open_to_overwrite(self._path)
        if earlier is None:
            return
        self._path.unlink()
        sync_folder(self._path.parent)
        _overwrite(earlier)


def _open_to_overwrite(path: Path) -> int | None:
    try:
        return os.open(path, os.O_WRONLY)
    except FileNotFoundError:
        return None


def _overwrite(handle: int) -> None:
    """Zeros over a file that has lost its name, before its blocks are free.

    A flash disk may keep the old blocks for a while all the same: they are sealed.
    """
    try:
        os.write(handle, bytes(os.fstat(handle).st_size))
        os.fsync(handle)
    finally:
        os.close(handle)
