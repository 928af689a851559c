"""Keeps what each node shall run, publishes it, and reads what the nodes say they run."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import SecretStr
from sqlalchemy import Engine, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from config.clock import Clock
from config.desired import DesiredConfig, ReportedConfig, Seen, seal, unseal
from config.errors import UserError
from config.logs import get_logger
from config.mqtt import BrokerAddress, Delivery, MqttLink
from config.site import Camera
from config.tls import TlsFiles
from config.topics import Topics
from ingest.engine import reading, writing
from ingest.failures import UNSTORABLE, is_poison
from ingest.schema import node_configs

log = get_logger(__name__)

_LOOK_S = 1.0


@dataclass(frozen=True, slots=True)
class ConfigState:
    """How far one node is: what was wanted last, and what it has reported last."""

    node: str
    wanted: int
    issued_at: datetime
    running: int | None
    state: str | None
    problem: str
    reported_at: datetime | None


class ConfigStore:
    """The rows of ``node_configs``: what an installer's page reads and writes."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine, self._clock = engine, clock

    def want(self, node: str, cameras: Sequence[Camera]) -> DesiredConfig:
        """Let ``node`` run ``cameras`` from now on, as its next revision.

        Raises:
            pydantic.ValidationError: a camera is of another node, or named twice.
        """
        now = self._clock.now()
        with writing(self._engine) as connection:
            last = connection.execute(
                select(node_configs.c.revision).where(node_configs.c.node == node).with_for_update()
            ).scalar_one_or_none()
            document = DesiredConfig(
                node=node, revision=(last or 0) + 1, issued_at=now, cameras=tuple(cameras)
            )
            values = {
                "revision": document.revision,
                "body": document.model_dump_json(),
                "issued_at": now,
            }
            if last is None:
                connection.execute(insert(node_configs).values(node=node, problem="", **values))
            else:
                connection.execute(
                    update(node_configs).where(node_configs.c.node == node).values(**values)
                )
        return document

    def wanted(self) -> list[DesiredConfig]:
        """The newest document of every node."""
        with reading(self._engine) as connection:
            bodies = connection.execute(select(node_configs.c.body)).scalars().all()
        return [DesiredConfig.model_validate_json(body) for body in bodies]

    def states(self) -> list[ConfigState]:
        """One line per node, by name."""
        columns = node_configs.c
        with reading(self._engine) as connection:
            rows = connection.execute(select(node_configs).order_by(columns.node)).all()
        return [
            ConfigState(
                node=row.node,
                wanted=row.revision,
                issued_at=row.issued_at,
                running=row.running,
                state=row.state,
                problem=row.problem,
                reported_at=row.reported_at,
            )
            for row in rows
        ]

    def record(self, report: ReportedConfig) -> None:
        """Keep a node's newest report."""
        with writing(self._engine) as connection:
            connection.execute(
                update(node_configs)
                .where(node_configs.c.node == report.node)
                .values(
                    running=report.running,
                    state=report.state,
                    problem=report.problem.replace("\0", ""),
                    reported_at=self._clock.now(),
                )
            )


class ConfigService:
    """Publishes what is wanted (retained, signed), records reports and answers those of a trial."""

    def __init__(
        self,
        *,
        broker_url: str,
        county: str,
        store: ConfigStore,
        keys: Mapping[str, SecretStr],
        clock: Clock,
        tls: TlsFiles | None = None,
    ) -> None:
        self._topics, self._store, self._keys, self._clock = Topics(county), store, keys, clock
        self._published: dict[str, int] = {}
        self._reports: dict[str, ReportedConfig] = {}
        self._work = threading.Event()
        self._is_new = threading.Event()
        self._link = MqttLink(
            address=BrokerAddress.parse(broker_url),
            client_id=f"configs-{secrets.token_hex(4)}",
            clock=clock,
            on_up=self._up,
            on_message=self._arrived,
            tls=tls,
        )
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="configs")

    def start(self) -> None:
        """Publish, and listen to reports, in threads of its own."""
        self._link.start()
        self._thread.start()

    def stop(self) -> None:
        """End; retained documents stay at the broker."""
        self._stopping.set()
        self._work.set()
        if self._thread.is_alive():
            self._thread.join()
        self._link.stop()

    def _up(self) -> None:
        self._link.subscribe([self._topics.reported("+")])
        self._is_new.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._clock.wait(self._work, _LOOK_S)
            self._work.clear()
            if self._is_new.is_set():
                self._is_new.clear()
                self._published.clear()
            try:
                self._record()
                self._publish()
            except SQLAlchemyError as error:
                log.warning("configurations wait for the database", why=type(error).__name__)

    def _publish(self) -> None:
        for document in self._store.wanted() if self._link.is_up else []:
            key = self._keys.get(document.node)
            if key is None or self._published.get(document.node) == document.revision:
                continue
            topic = self._topics.desired(document.node)
            if self._link.publish(topic, seal(document, key), retain=True) >= 0:
                self._published[document.node] = document.revision

    def _arrived(self, delivery: Delivery) -> None:
        node = delivery.topic.rpartition("/")[2]
        key = self._keys.get(node)
        if key is None:
            log.warning("report of an unknown node", topic=delivery.topic)
            self._link.acknowledge(delivery)
            return
        try:
            report = unseal(
                ReportedConfig, delivery.payload, node=node, key=key, where=delivery.topic
            )
        except UserError as error:
            log.warning("report not kept", topic=delivery.topic, why=str(error)[:300])
        else:
            self._reports[node] = report
            self._work.set()
        self._link.acknowledge(delivery)

    def _record(self) -> None:
        """Keep the newest report of each node, and answer those of a trial.

        One that the database does not take just now is tried again: the node says it only once.
        """
        for node, report in list(self._reports.items()):
            try:
                self._store.record(report)
            except (SQLAlchemyError, *UNSTORABLE) as error:
                if not is_poison(error):
                    raise
                log.warning("report cannot be stored", node=node, why=type(error).__name__)
            if report.state == "trying":
                answer = Seen(node=node, seen=report.wanted)
                self._link.publish(self._topics.desired(node), seal(answer, self._keys[node]))
            if self._reports.get(node) is report:
                del self._reports[node]
