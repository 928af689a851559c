"""Checkpoints of the audit log: its end, written to a file and an address outside the database."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx

from alerts.auditing.audit import AuditLog, Finding, Head
from config.clock import Clock
from config.errors import UserError
from config.logs import get_logger

EVERY_S = 60.0
TIMEOUT_S = 10.0
FILE_NAME = "audit-checkpoints.jsonl"
_HEX = frozenset("0123456789abcdef")

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The end of the log at a moment."""

    head: Head
    at: datetime

    def as_json(self, county: str) -> str:
        """One line: county, rows, hash, and the moment in UTC (ISO 8601)."""
        at = self.at.astimezone(UTC).isoformat(timespec="seconds")
        body = {"county": county, "rows": self.head.rows, "hash": self.head.hash, "at": at}
        return json.dumps(body, ensure_ascii=False)


def parse_head(text: str) -> Head | None:
    """``ROWS:HASH``, as ``menshen audit checkpoint`` prints it; None when it is not that."""
    rows, _, digest = text.strip().partition(":")
    return _head(int(rows), digest) if rows.isascii() and rows.isdigit() else None


def read_checkpoints(path: Path) -> list[Head]:
    """The checkpoints of a file, in order: JSON lines, or lines of ``ROWS:HASH``.

    Raises:
        UserError: the file cannot be read, or a line is neither; it names the line. A line that
            a power cut ended early is passed over.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            where=str(path),
            problem=f"cannot be read ({type(error).__name__})",
            remedy=f"give the file of checkpoints, by default {FILE_NAME} in the data folder",
        ) from None
    found: list[Head] = []
    for number, line in enumerate(lines, start=1):
        head = _parse_line(line)
        if head is not None:
            found.append(head)
        elif line.strip() and not _is_cut_off(line):
            raise UserError(
                where=str(path),
                line=number,
                problem="is no checkpoint",
                remedy="give the file as it was written; a changed line proves nothing",
            )
    return found


class CheckpointExport:
    """Writes the end of the log down whenever it has moved; one line per look at most.

    Args:
        path: file to append to, best on another disk or machine; made with mode 600.
        url: address that gets each line as the body of a POST; None: nobody. It may hold a
            token, so it is never logged.
        client: how to call it.
    """

    def __init__(
        self,
        log: AuditLog,
        clock: Clock,
        *,
        county: str,
        path: Path,
        url: str | None = None,
        client: httpx.Client | None = None,
    ) -> None:
        self._log = log
        self._clock = clock
        self._county = county
        self._path = path
        self._url = url
        self._client = client or httpx.Client(timeout=TIMEOUT_S, follow_redirects=False)
        self._written: Head | None = None
        self._sent: Head | None = None

    def run_once(self) -> int:
        """Write and send the end of the log if it is new; always 0: there is no more to do."""
        head = self._log.head()
        if head.rows == 0:
            return 0
        line = Checkpoint(head, self._clock.now()).as_json(self._county)
        if head != self._written:
            self._append(line)
            self._written = head
        if self._url is not None and head != self._sent and self._send(self._url, line):
            self._sent = head
        return 0

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _append(self, line: str) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            # A line cut off by a power cut stays alone on its line.
            before = b"" if file.tell() == 0 or _ends_well(self._path) else b"\n"
            file.write(before + line.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def _send(self, url: str, line: str) -> bool:
        headers = {"content-type": "application/json"}
        try:
            response = self._client.post(url, content=line.encode(), headers=headers)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            _log.warning("a checkpoint was not heard", problem=type(error).__name__)
            return False
        if not response.is_success:
            _log.warning("a checkpoint was not accepted", answered=response.status_code)
        return response.is_success


def verify_against(log: AuditLog, path: Path | None, more: Head | None = None) -> Finding | None:
    """Check the log against the checkpoints of a file, where there is one, and one more."""
    known = read_checkpoints(path) if path is not None and path.exists() else []
    return log.verify([*known, *([more] if more is not None else [])])


def _ends_well(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _is_cut_off(line: str) -> bool:
    return line.startswith("{") and not line.rstrip().endswith("}")


def _parse_line(line: str) -> Head | None:
    if not line.lstrip().startswith("{"):
        return parse_head(line)
    try:
        body = json.loads(line)
        return _head(int(body["rows"]), str(body["hash"]))
    except (ValueError, KeyError, TypeError):
        return None


def _head(rows: int, digest: str) -> Head | None:
    return Head(rows, digest) if rows >= 0 and len(digest) == 64 and set(digest) <= _HEX else None
