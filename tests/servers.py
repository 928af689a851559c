"""Starts real mosquitto and PostgreSQL servers for tests, on free ports, in own folders."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SETUP = "run: make test-setup"
_START_TIMEOUT_S = 120.0


def free_port() -> int:
    """A TCP port on the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until ``process`` listens; fails the test when it ends or takes too long."""
    until = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < until:
        if process.poll() is not None:
            pytest.fail(f"{process.args!r} ended with {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    pytest.fail(f"{process.args!r} does not listen on {port}")


def _runs(pid: int) -> bool:
    """True while the process can still do something: a zombie cannot."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


class Mosquitto:
    """A mosquitto that keeps nothing on disk; ``kill`` and ``start`` again lose all its state.

    With ``is_persistent`` it writes a database each second, until :meth:`wipe`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        extra: str = "allow_anonymous true\n",
        is_verbose: bool = True,
        is_persistent: bool = False,
    ) -> None:
        binary = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
        if binary is None:
            pytest.fail(f"mosquitto is not installed; {SETUP}")
        self.port = free_port()
        self._config = folder / "mosquitto.conf"
        # As root it would become another user, who cannot read this folder.
        user = "user root\n" if os.geteuid() == 0 else ""
        self._config.write_text(
            f"{user}listener {self.port} 127.0.0.1\n"
            f"max_inflight_messages 200\npersistence {str(is_persistent).lower()}\n"
            f"persistence_location {folder}/\nautosave_interval 1\n{extra}"
        )
        self._database = folder / "mosquitto.db"
        self._words = [binary, "-c", str(self._config), *(["-v"] if is_verbose else [])]
        self._log = folder / "mosquitto.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What the broker has said."""
        return self._log.read_text()

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Start it and wait until it listens."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._words, stdout=log, stderr=log)
        wait_for_port(self.port, self._process)

    def kill(self) -> None:
        """``kill -9``."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def wipe(self) -> None:
        """Remove what a killed one has kept."""
        self._database.unlink(missing_ok=True)


class Postgres:
    """One PostgreSQL cluster in a folder; databases in it are cheap.

    Args:
        settings: of the server, as ``name=value``.
    """

    def __init__(self, folder: Path, *settings: str) -> None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        if not found:
            pytest.fail(f"PostgreSQL is not installed; {SETUP}")
        self._bin = found[-1].parent
        self._folder = folder
        self._data = folder / "data"
        self._settings = ["shared_buffers=32MB", "max_connections=60", *settings]
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._process.pid if self._process is not None else None

    @property
    def is_running(self) -> bool:
        """True until the server has ended, by itself or not."""
        return self._process is not None and self._process.poll() is None

    def create(self) -> None:
        """Make the cluster: trusting, as only this machine can reach it."""
        if os.geteuid() == 0:
            shutil.chown(self._folder, "postgres", "postgres")
            # The server's user must be able to pass through the folders above it.
            for parent in (self._folder, *self._folder.parents):
                if parent.stat().st_uid == 0 and parent.name.startswith("pytest-"):
                    parent.chmod(parent.stat().st_mode | 0o711)
        done = self._as_server(
            "initdb", "-D", str(self._data), "-U", "menshen", "-A", "trust", "-N"
        )
        if done.wait() != 0:
            pytest.fail("initdb failed; see its output above")

    def start(self) -> None:
        """Start it and wait until it listens.

        Just after ``kill`` the old backends still hold the folder: it is tried until they let go.
        """
        until = time.monotonic() + _START_TIMEOUT_S
        self._process = self._run()
        while not self._is_ready():
            if time.monotonic() > until:
                pytest.fail("PostgreSQL does not become ready")
            time.sleep(0.05)
            if self._process.poll() is not None:
                self._process = self._run()

    def _is_ready(self) -> bool:
        # It listens a moment before it lets anybody in.
        return self._as_server("pg_isready", "-h", "127.0.0.1", "-p", str(self.port)).wait() == 0

    def _run(self) -> subprocess.Popen[bytes]:
        return self._as_server(
            "postgres",
            "-D",
            str(self._data),
            *("-p", str(self.port), "-h", "127.0.0.1", "-k", str(self._folder)),
            *(word for setting in self._settings for word in ("-c", setting)),
        )

    def kill(self) -> None:
        """``kill -9`` of the server and of its backends, one of which could commit once more.

        Stopped first, so that it starts no other backend meanwhile; returns when all are gone.
        """
        if self._process is None:
            return
        self._process.send_signal(signal.SIGSTOP)
        listing = subprocess.run(
            ["pgrep", "-P", str(self._process.pid)], capture_output=True, check=False
        )
        backends = [int(pid) for pid in listing.stdout.split()]
        for pid in [*backends, self._process.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        self._process = None
        until = time.monotonic() + _START_TIMEOUT_S
        while any(_runs(pid) for pid in backends):
            if time.monotonic() > until:
                pytest.fail("a backend of PostgreSQL survives kill -9")
            time.sleep(0.005)

    def stop(self) -> None:
        """Stop at once, orderly."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGQUIT)
            self._process.wait()
            self._process = None

    def new_database(self, *, template: str | None = None) -> str:
        """The address of an empty database, or of a copy of the one at ``template``."""
        self._databases += 1
        name = f"test_{self._databases}"
        copied = ["-T", template.rpartition("/")[2]] if template is not None else []
        done = self._as_server(
            "createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "menshen", *copied, name
        )
        if done.wait() != 0:
            pytest.fail("createdb failed; see its output above")
        return f"postgresql://menshen@127.0.0.1:{self.port}/{name}"

    def _as_server(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        # setpriv, unlike su and runuser, becomes the server and leaves no process above it.
        to_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        before = to_user if os.geteuid() == 0 else []
        with (self._folder / "postgres.log").open("ab") as log:
            return subprocess.Popen(
                [*before, str(self._bin / program), *arguments],
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )


@contextmanager
def running_postgres(folder: Path, *settings: str) -> Iterator[Postgres]:
    """A new cluster in ``folder``, which is made if need be, for as long as the block lasts."""
    folder.mkdir(exist_ok=True)
    server = Postgres(folder, *settings)
    server.create()
    server.start()
    try:
        yield server
    finally:
        server.stop()
