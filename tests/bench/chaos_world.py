"""Everything that chaos runs and may kill: nodes, proxies, broker, database, ingest, router."""

from __future__ import annotations

import contextlib
import resource
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

from config.site import parse_site
from ingest.engine import open_engine
from ingest.migrate import upgrade
from tests.bench.chaos_actor import Actor
from tests.bench.chaos_configs import LINE, RollOuts
from tests.bench.chaos_plan import ROLL_OUT, Step
from tests.bench.chaos_site import secrets_text, site_text
from tests.bench.nursery import Program
from tests.bench.proxy import Proxy, Weather
from tests.servers import Mosquitto, Postgres
from tests.small_disk import SmallDisk, can_mount

PRELOADED = ("tests.bench.chaos_edge", "tests.bench.chaos_ingest", "menshen", "alerts.cli")
_LOOK_S = 0.1
_READY_S = 20.0
_RUTHLESS = 0.15
_DISK_MB = 512
"""Of the centre: room for everything, until something else takes it."""


class World:
    """Starts everything, keeps it running, and breaks it as it is told.

    Args:
        gateway_url: who is told of alerts.
    """

    def __init__(
        self, folder: Path, gateway_url: str, *, nodes: int, rate: float, is_sqlite: bool
    ) -> None:
        self.folder, self.nodes = folder, nodes
        self.promised: list[tuple[str, int, str]] = []
        self.told_full = 0
        """How often an ingest has said that the disk of its database is full."""
        self.outboxes = folder / "edge"
        self.outboxes.mkdir()
        (folder / "broker").mkdir()
        self.broker = Mosquitto(folder / "broker", is_verbose=False, is_persistent=True)
        self.broker.start()
        self._disk = SmallDisk(folder / "centre", megabytes=_DISK_MB) if can_mount() else None
        centre = folder / "centre"
        centre.mkdir(exist_ok=True)
        self.server = None if is_sqlite else _postgres(folder, centre)
        self.database = (
            self.server.new_database() if self.server else f"sqlite:///{centre / 'centre.db'}"
        )
        self.engine = open_engine(self.database)
        upgrade(self.engine)
        text = site_text(nodes, gateway_url)
        (folder / "site.toml").write_text(text, encoding="utf-8")
        self.site = parse_site(text, where="chaos")
        self.configs = RollOuts(self.site, self.engine, self.broker.url)
        self.proxies = {name: Proxy(self.broker.port) for name in ("edge", "centre")}
        self.actors = self._actors(rate, replicas=1 if is_sqlite else 2)
        self._edge_is_full = False
        self._centre_is_full = False
        self._ending = False
        self._lock = threading.Lock()
        self._keeper = threading.Thread(target=self._keep, name="chaos-keeper")

    def start(self) -> None:
        """Start the actors; from now on who ends is started again."""
        for actor in self.actors.values():
            actor.start()
        self._keeper.start()
        self.configs.start()

    def do(self, step: Step) -> bool:
        """End the last fault, then do ``step``; False when its victim did not run.

        Most kills wait until their victim works; the weakest meet it wherever it is. A roll-out
        ends no fault: it is to be met by it.
        """
        if step.action == ROLL_OUT:
            return self.configs.want(step.strength)
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
        return self._harm(step)

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
        if self._centre_is_full and self._disk is not None:
            self._centre_is_full = False
            self._disk.make_room()
            if self.server is not None and not self.server.is_running:
                # It gives up where it cannot write its log; a service manager starts it again.
                self.server.start()

    def drain(self, timeout_s: float) -> bool:
        """Let no node see anything more; True when all that waits is settled in time.

        That is: every outbox is empty, and every node has said what became of its configuration.
        """
        self.heal()
        with self._lock:
            edge = self.actors["edge"]
            edge.kill()
            words = (*edge.program.arguments[:-1], "0")
            edge.program, edge.may_end = replace(edge.program, arguments=words), True
            edge.start()
        until = time.monotonic() + timeout_s
        while not self.configs.is_settled() and time.monotonic() < until:
            time.sleep(_LOOK_S)
        (self.outboxes / "settled").touch()
        while not edge.is_done() and time.monotonic() < until:
            time.sleep(_LOOK_S)
        return edge.is_done()

    def stop(self) -> None:
        """Kill what runs."""
        self._ending = True
        if self._keeper.is_alive():
            self._keeper.join()
        for actor in self.actors.values():
            actor.kill()
        self.configs.stop()
        for proxy in self.proxies.values():
            proxy.close()
        self.broker.kill()
        self.engine.dispose()
        if self.server is not None:
            self.server.stop()
        if self._disk is not None:
            self._disk.close()

    def _actors(self, rate: float, *, replicas: int) -> dict[str, Actor]:
        urls = {name: f"mqtt://127.0.0.1:{proxy.port}" for name, proxy in self.proxies.items()}
        edge = (str(self.outboxes), urls["edge"], str(self.nodes), str(rate))
        share = ("ingest",) if replicas > 1 else ()
        words = (self.database, urls["centre"], str(self.nodes), *share)
        ingest = Program("tests.bench.chaos_ingest:main", words)
        secrets = self.folder / "secrets.toml"
        secrets.touch(0o600)
        secrets.write_text(secrets_text(), encoding="utf-8")
        site = ("--site", str(self.folder / "site.toml"), "--secrets", str(secrets))
        router = ("centre", "run", *site, "--only", "router")
        return {
            "edge": Actor(Program("tests.bench.chaos_edge:main", edge), reads=self._promise),
            **{
                f"ingest-{number}": Actor(ingest, reads=self._hear_ingest)
                for number in range(replicas)
            },
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
        if line.startswith(LINE):
            self.configs.heard(line)
            return
        node, seq, event = line.split()
        self.promised.append((node, int(seq), event))

    def _hear_ingest(self, line: str) -> None:
        self.told_full += "disk of the database is full" in line

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

    def _harm(self, step: Step) -> bool:
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
        elif step.action == "centre-full" and self._disk is not None:
            self._centre_is_full = True
            self._disk.fill()
        elif step.action == "clock-step":
            number = signal.SIGUSR1 if bad < 0.5 else signal.SIGUSR2
            for actor in self.actors.values():
                if actor.has_handlers():
                    actor.send(number)
        return step.action != "centre-full" or self._disk is not None

    def _limit_files(self, most: int) -> None:
        """Make every file of the nodes refuse to grow beyond ``most`` bytes, or allow it again."""
        self._edge_is_full = most != resource.RLIM_INFINITY
        edge = self.actors.get("edge")
        pid = None if edge is None else edge.pid
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))


def _postgres(folder: Path, centre: Path) -> Postgres:
    place = centre / "postgres"
    place.mkdir()
    folder.chmod(0o755)
    server = Postgres(place, "max_wal_size=64MB", "min_wal_size=32MB")
    server.create()
    server.start()
    return server
