"""Uploads evidence by HTTP PUT until the centre has every file, then deletes it here."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from enum import Enum

import httpx
from pydantic import SecretStr

from config.clock import Clock
from config.logs import get_logger
from edge.delivery.evidence import EvidenceStore, StoredFile
from edge.streams.backoff import Backoff, RetryPolicy

log = get_logger(__name__)

_CHUNK_BYTES = 256 * 1024
_IDLE_S = 5.0
_OF_ALL = frozenset({401, 403, 429, 502, 503, 504, 507})
"""Wrong token, too fast, no centre behind the proxy, no room: no other file would fare better."""
_FEW = 8
_TIMEOUT = httpx.Timeout(30.0, connect=10.0)


class _Outcome(Enum):
    STORED = "stored"
    REFUSED = "refused"
    LATER = "later"
    UNREACHABLE = "unreachable"
    BROKEN_OFF = "broken off"


class Uploader:
    """One thread that sends the newest file first and tries again for ever.

    Args:
        centre_url: ``http(s)://host:port`` of the centre's door.
        token: the node's bearer token; never logged.
        http: a client to use in place of one of our own (a CA bundle, a test's transport).
    """

    def __init__(
        self,
        *,
        evidence: EvidenceStore,
        centre_url: str,
        node: str,
        token: SecretStr,
        clock: Clock,
        http: httpx.Client | None = None,
    ) -> None:
        self._evidence = evidence
        self._url = centre_url.rstrip("/")
        self._headers = {
            "Authorization": f"Bearer {token.get_secret_value()}",
            "X-Menshen-Node": node,
        }
        self._clock = clock
        self._http = http or httpx.Client(timeout=_TIMEOUT)
        self._backoff = Backoff(RetryPolicy(first_s=1.0, longest_s=60.0), random.Random())
        self._broken_off: set[str] = set()
        self._stopping = False
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="evidence-uploader")

    def start(self) -> None:
        """Begin to upload what waits, and what comes."""
        self._evidence.listen(self._wake.set)
        self._thread.start()

    def stop(self) -> None:
        """Finish the file in hand and end; what waits stays on the disk."""
        self._stopping = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        self._http.close()

    def upload_waiting(self) -> bool:
        """Try every waiting file once; False when some could not be taken just now.

        A centre that cannot be reached, or takes nothing, ends the round; one file that it
        cannot take does not hold up the others, nor does one at which the line breaks each time.
        """
        all_settled = True
        for stored in self._in_turn():
            if self._stopping:
                return True
            outcome = self._put(stored)
            self._broken_off.discard(stored.sha256)
            if outcome is _Outcome.BROKEN_OFF:
                if len(self._broken_off) >= _FEW:  # then it is the line
                    self._broken_off.clear()
                self._broken_off.add(stored.sha256)
            if outcome in (_Outcome.UNREACHABLE, _Outcome.BROKEN_OFF):
                return False
            if outcome is _Outcome.STORED:
                self._evidence.uploaded(stored)
            elif outcome is _Outcome.REFUSED:
                self._evidence.refused(stored)
            else:
                all_settled = False
        return all_settled

    def _in_turn(self) -> Iterator[StoredFile]:
        """Each file once: the newest that there is by then, at last those that broke rounds off.

        A round after a long outage takes hours, and what happens meanwhile must not wait for it.
        """
        tried: set[str] = set()
        later = frozenset(self._broken_off)
        while (stored := self._evidence.newest(but=(tried, later))) is not None:
            tried.add(stored.sha256)
            yield stored
        while (stored := self._evidence.newest(but=(tried,))) is not None:
            tried.add(stored.sha256)
            yield stored

    def _run(self) -> None:
        while not self._stopping:
            self._wake.clear()
            if self.upload_waiting():
                self._backoff.succeeded()
                pause = _IDLE_S
            else:
                pause = self._backoff.failed()
                # New files must not shorten the pause: the centre is in trouble.
                self._wake.clear()
                self._pause_in_trouble(pause)
                continue
            if not self._stopping:
                self._clock.wait(self._wake, pause)

    def _pause_in_trouble(self, seconds: float) -> None:
        until = self._clock.monotonic() + seconds
        while not self._stopping and (left := until - self._clock.monotonic()) > 0:
            self._clock.wait(self._wake, left)
            self._wake.clear()

    def _put(self, stored: StoredFile) -> _Outcome:
        headers = {
            **self._headers,
            "Content-Type": stored.media_type,
            "Content-Length": str(stored.size_bytes),
        }
        try:
            answer = self._http.put(
                f"{self._url}/v1/media/{stored.sha256}", content=_chunks(stored), headers=headers
            )
        except FileNotFoundError:
            return _Outcome.STORED  # dropped by the budget meanwhile: nothing is left to send
        except OSError as error:
            log.error("evidence cannot be read", sha256=stored.sha256, why=str(error.strerror))
            return _Outcome.REFUSED
        except httpx.HTTPError as error:
            log.warning("evidence not uploaded", sha256=stored.sha256, why=type(error).__name__)
            is_down = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
            return _Outcome.UNREACHABLE if is_down else _Outcome.BROKEN_OFF
        return _outcome(answer, stored)


def _chunks(stored: StoredFile) -> Iterator[bytes]:
    with stored.path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


def _outcome(answer: httpx.Response, stored: StoredFile) -> _Outcome:
    if answer.status_code in (200, 201):
        return _Outcome.STORED
    # 413, 415, 422: this file will never be taken. Everything else can be mended at the centre.
    is_final = answer.status_code in (413, 415, 422)
    log.warning(
        "evidence refused" if is_final else "evidence not uploaded",
        sha256=stored.sha256,
        status=answer.status_code,
        answer=answer.text[:300],
    )
    if answer.status_code in _OF_ALL:
        return _Outcome.UNREACHABLE
    return _Outcome.REFUSED if is_final else _Outcome.LATER
