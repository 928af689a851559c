"""Metrics of what is stored, read from the database when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Engine, func, select

from alerts.auditing.auditor import unheard_homes
from config.clock import Clock
from ingest.engine import reading
from ingest.letters.bury import totals
from ingest.retention.proof import read_head
from ingest.retention.schema import doomed_media
from ingest.schema import routing_queue
from ingest.trouble import Troubles


class StoreCollector(Collector):
    """The same from every replica, as the database counts."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        """Read the counts."""
        letters = totals(self._engine)
        with reading(self._engine) as connection:
            waiting = [
                int(connection.execute(select(func.count()).select_from(table)).scalar_one())
                for table in (routing_queue, doomed_media)
            ]
            proofs = read_head(connection).rows
        yield GaugeMetricFamily("menshen_dead_letters", "Dead letters kept.", letters.kept)
        yield GaugeMetricFamily(
            "menshen_dead_letters_bytes", "Bytes of dead letters kept.", letters.kept_bytes
        )
        yield CounterMetricFamily(
            "menshen_dead_letters_dropped", "Dead letters dropped as too many.", letters.dropped
        )
        yield GaugeMetricFamily(
            "menshen_events_undecided", "Events not decided about yet.", waiting[0]
        )
        yield GaugeMetricFamily(
            "menshen_files_to_remove", "Files whose deletion is ordered.", waiting[1]
        )
        yield GaugeMetricFamily(
            "menshen_home_alerts_unheard",
            "Alerts of homes unanswered for an hour, of which nobody else may be told.",
            unheard_homes(self._engine, self._clock.now()),
        )
        yield CounterMetricFamily("menshen_deletion_proofs", "Rows of proof of deletion.", proofs)


def store_metrics(engine: Engine, clock: Clock) -> bytes:
    """In the Prometheus text format 0.0.4."""
    registry = CollectorRegistry()
    registry.register(StoreCollector(engine, clock))
    return generate_latest(registry)


def trouble_metrics(troubles: Troubles) -> bytes:
    """Which parts of this process cannot store, in the Prometheus text format 0.0.4."""
    registry = CollectorRegistry()
    gauge = Gauge("menshen_cannot_store", "1: the part cannot store.", ["part"], registry=registry)
    for part in troubles.now():
        gauge.labels(part).set(1)
    return generate_latest(registry)
