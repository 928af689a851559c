"""Metrics of the web for Prometheus: logins, open streams, alerts sent and answered."""

from __future__ import annotations

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, generate_latest


class Metrics:
    """Counters of one web process, in a registry of their own so that two may share a process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.logins = Counter(
            "menshen_web_logins_total",
            "Login attempts by result.",
            ["result"],
            registry=self._registry,
        )
        self.streams = Gauge("menshen_web_streams", "Open alert streams.", registry=self._registry)
        self.sent = Counter(
            "menshen_web_stream_alerts_total",
            "Alert changes written to streams.",
            registry=self._registry,
        )
        self.acknowledged = Counter(
            "menshen_web_acknowledged_total",
            "Acknowledgements by result.",
            ["result"],
            registry=self._registry,
        )
        self.evidence = Counter(
            "menshen_web_evidence_views_total",
            "Full evidence files shown.",
            registry=self._registry,
        )

    def text(self) -> bytes:
        """Ours and the process's own, in the Prometheus text format 0.0.4."""
        return generate_latest(self._registry) + generate_latest(REGISTRY)
