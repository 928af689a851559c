"""Keeps what each node shall run, publishes it, and reads what the nodes say they run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import SecretStr
from sqlalchemy import Connection, Engine, Row, insert, select, update

from config.clock import Clock
from config.desired import DesiredConfig, ReportedConfig, Seen, seal
from config.site import Camera
from config.tls import TlsFiles
from config.topics import Topics
from ingest.documents import DocumentService
from ingest.engine import reading, writing
from ingest.schema import node_configs


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
            last = _row(connection, node)
            # A node takes only what is newer than what it runs: after a restored backup, too.
            newest = max(last.revision, last.running or 0) if last is not None else 0
            document = DesiredConfig(
                node=node, revision=newest + 1, issued_at=now, cameras=tuple(cameras)
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
        """Keep a node's newest report.

        A node that knows a later revision than ours (after a restored backup) has passed over what
        was wanted since it was last heard of: that is wanted anew, above what it knows. What the
        backup itself wanted is not: it may lack the newest mask, so somebody decides.
        """
        values: dict[str, object] = {
            "running": report.running,
            "state": report.state,
            "problem": report.problem.replace("\0", ""),
            "reported_at": self._clock.now(),
        }
        newest = max(report.running, report.wanted)
        with writing(self._engine) as connection:
            row = _row(connection, report.node)
            if row is None:
                return
            is_unheard = row.reported_at is None or row.reported_at < row.issued_at
            if newest > row.revision and is_unheard:
                values |= _renumbered(row.body, newest + 1)
            connection.execute(
                update(node_configs).where(node_configs.c.node == report.node).values(**values)
            )


def _row(connection: Connection, node: str) -> Row[Any] | None:
    wanted = select(node_configs).where(node_configs.c.node == node)
    return connection.execute(wanted.with_for_update()).one_or_none()


def _renumbered(body: str, revision: int) -> dict[str, object]:
    document = DesiredConfig.model_validate_json(body).model_copy(update={"revision": revision})
    return {"revision": revision, "body": document.model_dump_json()}


class ConfigService(DocumentService[DesiredConfig, ReportedConfig]):
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
        topics = Topics(county)
        super().__init__(
            name="configs",
            kind=ReportedConfig,
            down=topics.desired,
            up=topics.reported,
            broker_url=broker_url,
            keys=keys,
            clock=clock,
            tls=tls,
        )
        self._store = store

    def wanted(self) -> Iterable[DesiredConfig]:
        """The newest document of every node."""
        return self._store.wanted()

    def mark(self, document: DesiredConfig) -> object:
        """Each change is a new revision."""
        return document.revision

    def record(self, report: ReportedConfig) -> None:
        """Keep how far a node is."""
        self._store.record(report)

    def answer(self, report: ReportedConfig) -> None:
        """Tell a node on trial that the centre has read it: that proves the way here and back."""
        if report.state == "trying":
            seen = Seen(node=report.node, seen=report.wanted)
            self._link.publish(self._down(report.node), seal(seen, self._keys[report.node]))
