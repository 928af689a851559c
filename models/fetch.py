"""Brings model files here, from a mirror folder or the internet, resumed and hash-checked."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import httpx

from config.clock import Clock, SystemClock
from config.errors import UserError
from config.logs import get_logger
from models.catalogue import Entry, sha256_of

Progress = Callable[[int, int | None], None]
"""Told the bytes that are here and the bytes there will be, if known."""

_TRIES: Final = 4
_SIZE_LIMIT: Final = 1 << 30
"""No model file is larger; a server that sends more is not sending the model."""
_TIMEOUT: Final = httpx.Timeout(20.0, connect=10.0)
_log = get_logger(__name__)


def pull(
    entry: Entry,
    *,
    models_dir: Path,
    mirror: Path | None = None,
    progress: Progress = lambda _done, _total: None,
    client: httpx.Client | None = None,
    clock: Clock | None = None,
) -> Path:
    """Put the file of ``entry`` into ``models_dir`` and return its path.

    A file already there with the right hash is left alone. The mirror is tried before the
    internet. A broken download keeps what it has in ``<file>.part`` and goes on from there, now
    and in the next run. Only a complete file with the right hash gets the final name. Who pulls
    into a folder that another process pulls into waits for it.

    Raises:
        UserError: the file is nowhere, the network failed again and again, or what came has
            another hash (it is deleted then).
    """
    target = models_dir / entry.file
    if target.is_file() and sha256_of(target) == entry.sha256:
        return target
    _make_folder(models_dir)
    source = mirror / entry.file if mirror is not None else None
    with _alone_in(models_dir):
        if target.is_file() and sha256_of(target) == entry.sha256:
            # Another process brought it while this one waited.
            return target
        if source is not None and source.is_file():
            return _from_mirror(entry, source, target, progress)
        if not entry.addresses:
            raise _nowhere(entry, mirror)
        opened = client or _client()
        try:
            return _from_network(entry, target, opened, progress, clock or SystemClock())
        finally:
            if client is None:
                opened.close()


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Lets one process at a time pull into a folder: two would write into one ``.part``."""
    try:
        place = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise _cannot_write(folder, error) from error
    try:
        with contextlib.suppress(OSError):  # some network file systems lock no folders
            fcntl.flock(place, fcntl.LOCK_EX)
        yield
    finally:
        os.close(place)


def _client() -> httpx.Client:
    try:
        return httpx.Client(timeout=_TIMEOUT, follow_redirects=True)
    except (ImportError, OSError, ValueError, httpx.InvalidURL) as error:
        raise UserError(
            where="environment",
            field="HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY, SSL_CERT_FILE",
            problem=f"cannot be used for a download: {_unusable(error)}",
            remedy="name the proxy as HTTPS_PROXY=http://HOST:PORT, unset what is not needed, "
            "and pull again; or copy the file and use --mirror FOLDER",
        ) from error


def _unusable(error: Exception) -> str:
    if isinstance(error, ImportError):
        return "a SOCKS proxy is named, and only HTTP proxies are spoken here"
    if isinstance(error, httpx.InvalidURL):
        # Its text may quote what stands before the host: a password.
        return "an address in it is not valid"
    return str(error)


def _from_mirror(entry: Entry, source: Path, target: Path, progress: Progress) -> Path:
    found = sha256_of(source)
    if found != entry.sha256:
        raise _wrong_hash(entry, str(source), found, "replace this file in the mirror")
    part = _part_of(target)
    try:
        shutil.copyfile(source, part)
        _finish(part, target)
    except OSError as error:
        raise _cannot_write(target, error) from error
    progress(target.stat().st_size, target.stat().st_size)
    return target


def _from_network(
    entry: Entry, target: Path, client: httpx.Client, progress: Progress, clock: Clock
) -> Path:
    failures: list[str] = []
    for address in entry.addresses:
        for attempt in range(_TRIES):
            try:
                _download(address, _part_of(target), client, progress, entry.size_bytes)
            except httpx.HTTPError as error:
                failures.append(f"{address}: {_cause(error)}")
                if _is_final(error):
                    break
                _log.warning("download broke off", model=entry.name, cause=_cause(error))
                if attempt + 1 < _TRIES:
                    _pause(clock, 2.0**attempt)
                continue
            except OSError as error:
                raise _cannot_write(target, error) from error
            return _accept(entry, address, target)
    raise UserError(
        where=entry.name,
        problem=f"could not be downloaded ({failures[-1]})",
        remedy=(
            "check the connection and pull again (it resumes), or copy the file from a machine "
            f"that has it into a folder and run: menshen models pull {entry.name} --mirror FOLDER"
        ),
    )


def _download(
    address: str, part: Path, client: httpx.Client, progress: Progress, expected: int | None
) -> None:
    have = part.stat().st_size if part.exists() else 0
    if expected and have >= expected:
        # Complete, or spoilt by another file's bytes: the hash will tell.
        return
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    with client.stream("GET", address, headers=headers) as answer:
        if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            return
        answer.raise_for_status()
        resumed = answer.status_code == httpx.codes.PARTIAL_CONTENT and have > 0
        done = have if resumed else 0
        total = _total(answer, done)
        with part.open("ab" if resumed else "wb") as file:
            progress(done, total)
            for piece in answer.iter_raw():
                done += len(piece)
                if done > (expected or _SIZE_LIMIT):
                    break
                file.write(piece)
                progress(done, total)
            file.flush()
            os.fsync(file.fileno())


def _accept(entry: Entry, address: str, target: Path) -> Path:
    part = _part_of(target)
    found = sha256_of(part)
    if found != entry.sha256:
        part.unlink()
        raise _wrong_hash(
            entry, address, found, "pull again; if it stays, the server has another file"
        )
    try:
        _finish(part, target)
    except OSError as error:
        raise _cannot_write(target, error) from error
    return target


def _finish(part: Path, target: Path) -> None:
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(target)


def _part_of(target: Path) -> Path:
    return target.with_name(target.name + ".part")


def _total(answer: httpx.Response, done: int) -> int | None:
    length = answer.headers.get("Content-Length", "")
    return done + int(length) if length.isdigit() else None


def _pause(clock: Clock, seconds: float) -> None:
    clock.wait(threading.Event(), seconds)


def _is_final(error: httpx.HTTPError) -> bool:
    """A refusal (404 and the like) stays one; a broken connection may not."""
    return (
        isinstance(error, httpx.HTTPStatusError)
        and 400 <= error.response.status_code < 500
        and error.response.status_code not in {408, 425, 429}
    )


def _cause(error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        return f"the server answered {error.response.status_code}"
    return str(error) or type(error).__name__


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(folder, error) from error


def _cannot_write(path: Path, error: OSError) -> UserError:
    return UserError(
        where=str(path),
        problem=f"cannot be written ({error.strerror or error})",
        remedy="free space or give MENSHEN_MODELS_DIR a folder you may write to",
    )


def _nowhere(entry: Entry, mirror: Path | None) -> UserError:
    place = "no mirror folder was given" if mirror is None else f"{mirror} does not have it"
    return UserError(
        where=entry.name,
        field=entry.file,
        problem=f"has no address to download from, and {place}",
        remedy=entry.by_hand or "restore models/weights from the repository",
    )


def _wrong_hash(entry: Entry, where: str, found: str, remedy: str) -> UserError:
    return UserError(
        where=where,
        field="sha256",
        problem=f"{entry.file} has {found}, the catalogue says {entry.sha256}",
        remedy=remedy,
    )
