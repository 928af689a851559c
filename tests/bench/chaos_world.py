"""Everything that chaos runs and may kill: nodes, proxies, broker, database, ingest, router."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import IO

from ingest.engine import open_engine
from ingest.migrate import upgrade
from tests.bench import nursery
from tests.bench.chaos_plan import Step
from tests.bench.chaos_site import site_text
from tests.bench.nursery import Program
from tests.bench.proxy import Proxy, Weather
from tests.servers import Mosquitto, Postgres

PRELOADED = ("tests.bench.chaos_edge", "tests.bench.chaos_ingest", "menshen", "alerts.cli")
_LOOK_S = 0.1
_RESTART_AFTER_S = 0.5
_READY_S = 20.0
_RUTHLESS = 0.15


@dataclass(slots=True)
class Actor:
    """A process that is started again whenever it has ended, killed or not."""

    program: Program
    environment: dict[str, str] = field(default_factory=dict)
    reads: Callable[[str], None] = lambda _line: None
    process: BaseProcess | None = None
    started_at: float = 0.0
    is_ready: bool = False
    """It has printed a line since its start: it works."""
    may_end: bool = False
    """It has done its work when it ends with 0."""
    _reader: threading.Thread | None = None

    def start(self) -> None:
        """Start it."""
        self.started_at = time.monotonic()
        self.is_ready = False
        self.process, output = nursery.start(self.program, self.environment)
        self._reader = threading.Thread(target=self._read, args=(output,))
        self._reader.start()

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self.process.pid if self.process is not None and self.process.is_alive() else None

    def is_due(self) -> bool:
        """True when it has ended, and not just after its start."""
        is_over = self.pid is None and not self.is_done()
        return is_over and time.monotonic() - self.started_at > _RESTART_AFTER_S

    def is_done(self) -> bool:
        """True when it has ended because its work was done."""
        return self.may_end and self.process is not None and self.process.exitcode == 0

    def send(self, number: int) -> bool:
        """Send it a signal; False when it does not run."""
        pid = self.pid
        if pid is None:
            return False
        os.kill(pid, number)
        return True

    def kill(self) -> bool:
        """``kill -9``; True when it ran. What it has printed is read to the end."""
        was_running = self.send(signal.SIGKILL)
        if self.process is not None:
            self.process.join()
        if self._reader is not None:
            self._reader.join()
        return was_running

    def _read(self, output: IO[str]) -> None:
        with output:
            for line in output:
                self.is_ready = True
                if line.endswith("\n"):  # the last line of a killed process may be cut short
                    self.reads(line)


class World:
    """Starts everything, keeps it running, and breaks it as it is told."""

    def __init__(self, folder: Path, *, nodes: int, rate: float, is_sqlite: bool) -> None:
        self.folder, self.nodes = folder, nodes
        self.promised: list[tuple[str, int, str]] = []
        self.outboxes = folder / "edge"
        self.outboxes.mkdir()
        (folder / "broker").mkdir()
        self.broker = Mosquitto(folder / "broker", is_verbose=False, is_persistent=True)
        self.broker.start()
        self.server = None if is_sqlite else _postgres(folder)
        self.database = (
            self.server.new_database() if self.server else f"sqlite:///{folder / 'centre.db'}"
        )
        engine = open_engine(self.database)
        upgrade(engine)
        engine.dispose()
        self.proxies = {name: Proxy(self.broker.port) for name in ("edge", "centre")}
        self.actors = self._actors(rate, replicas=1 if is_sqlite else 2)
        self._edge_is_full = False
        self._ending = False
        self._lock = threading.Lock()
        self._keeper = threading.Thread(target=self._keep, name="chaos-keeper")

    def start(self) -> None:
        """Start the actors; from now on who ends is started again."""
        for actor in self.actors.values():
            actor.start()
        self._keeper.start()

    def do(self, step: Step) -> bool:
        """End the last fault, then do ``step``; False when its victim did not run.

        Most kills wait until their victim works; the weakest meet it wherever it is.
        """
        self.heal()
        if step.strength > _RUTHLESS and step.action in self.actors:
            self.wait_ready(step.action)
        with self._lock:
            if step.action in self.actors:
                return self.actors[step.action].kill()
            if step.action.startswith("broker"):
                return self._kill_broker(is_wiped=step.action == "broker-wiped")
            if step.action == "database":
                return self._kill_database()
        self._harm(step)
        return True

    def wait_ready(self, name: str) -> None:
        """Wait until the actor works, but not for ever: it may have nobody to work with."""
        until = time.monotonic() + _READY_S
        while not self.actors[name].is_ready and time.monotonic() < until:
            time.sleep(_LOOK_S / 4)

    def heal(self) -> None:
        """End every fault; nobody is killed by it."""
        for proxy in self.proxies.values():
            if proxy.weather != Weather():
                proxy.set(Weather())
        if self._edge_is_full:
            self._limit_files(resource.RLIM_INFINITY)

    def drain(self, timeout_s: float) -> bool:
        """Let no node see anything more; True when every outbox has become empty in time."""
        self.heal()
        with self._lock:
            edge = self.actors["edge"]
            edge.kill()
            words = (*edge.program.arguments[:-1], "0")
            edge.program, edge.may_end = replace(edge.program, arguments=words), True
            edge.start()
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            if edge.is_done():
                return True
            time.sleep(_LOOK_S)
        return False

    def stop(self) -> None:
        """Kill what runs."""
        self._ending = True
        if self._keeper.is_alive():
            self._keeper.join()
        for actor in self.actors.values():
            actor.kill()
        for proxy in self.proxies.values():
            proxy.close()
        self.broker.kill()
        if self.server is not None:
            self.server.stop()

    def _actors(self, rate: float, *, replicas: int) -> dict[str, Actor]:
        urls = {name: f"mqtt://127.0.0.1:{proxy.port}" for name, proxy in self.proxies.items()}
        edge = (str(self.outboxes), urls["edge"], str(self.nodes), str(rate))
        share = ("ingest",) if replicas > 1 else ()
        ingest = Program("tests.bench.chaos_ingest:main", (self.database, urls["centre"], *share))
        site = self.folder / "site.toml"
        site.write_text(site_text(self.nodes), encoding="utf-8")
        router = ("centre", "run", "--site", str(site), "--only", "router")
        return {
            "edge": Actor(Program("tests.bench.chaos_edge:main", edge), reads=self._promise),
            **{f"ingest-{number}": Actor(ingest) for number in range(replicas)},
            "router": Actor(
                Program("menshen:main", router, is_command=True),
                {
                    "MENSHEN_DATABASE": self.database,
                    "MENSHEN_BROKER": urls["centre"],
                    "MENSHEN_DATA_DIR": str(self.folder / "centre"),
                    "MENSHEN_LOG_LEVEL": "error",
                },
            ),
        }

    def _promise(self, line: str) -> None:
        node, seq, event = line.split()
        self.promised.append((node, int(seq), event))

    def _keep(self) -> None:
        while not self._ending:
            with self._lock:
                for actor in self.actors.values():
                    if actor.is_due():
                        actor.start()
            time.sleep(_LOOK_S)

    def _kill_broker(self, *, is_wiped: bool) -> bool:
        self.broker.kill()
        if is_wiped:
            self.broker.wipe()
        self.broker.start()
        return True

    def _kill_database(self) -> bool:
        if self.server is None:
            return False
        self.server.kill()
        self.server.start()
        return True

    def _harm(self, step: Step) -> None:
        bad = step.strength
        weather = {
            "latency": Weather(latency_s=0.05 + bad),
            "slow": Weather(bytes_per_s=2_000 + 50_000 * (1 - bad)),
            "silent": Weather(is_silent=True),
            "cut": Weather(is_cut=True),
        }.get(step.action)
        for name, proxy in self.proxies.items():
            if weather is not None and (bad > 0.3 or name == "edge"):
                proxy.set(weather)
            elif step.action == "reset":
                proxy.reset()
        if step.action == "disk-full":
            self._limit_files(1)
        elif step.action == "clock-step":
            number = signal.SIGUSR1 if bad < 0.5 else signal.SIGUSR2
            for actor in self.actors.values():
                if _has_handlers(actor):
                    actor.send(number)

    def _limit_files(self, most: int) -> None:
        """Make every file of the nodes refuse to grow beyond ``most`` bytes, or allow it again."""
        self._edge_is_full = most != resource.RLIM_INFINITY
        edge = self.actors.get("edge")
        pid = None if edge is None else edge.pid
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))


def _has_handlers(actor: Actor) -> bool:
    """True once the process catches SIGUSR1, which would end it before."""
    try:
        status = Path(f"/proc/{actor.pid}/status").read_text()
    except OSError:
        return False
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGUSR2 - 1) & 1)


def _postgres(folder: Path) -> Postgres:
    place = folder / "postgres"
    place.mkdir()
    folder.chmod(0o755)
    server = Postgres(place)
    server.create()
    server.start()
    return server
