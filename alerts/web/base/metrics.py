"""Metrics of the web for Prometheus: logins, open streams, alerts sent and answered."""

from __future__ import annotations

import hmac

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, generate_latest
from pydantic import SecretStr


class Metrics:
    """Counters of one web process, in a registry of their own so that two may share a process.

    Args:
        token: who sends it may read them; None: nobody may.
    """

    def __init__(self, token: SecretStr | None = None) -> None:
        self._token = token
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

    @property
    def is_open(self) -> bool:
        """True when there is a token, and so somebody who may read."""
        return self._token is not None

    def may_read(self, authorization: str) -> bool:
        """True for the header value of who holds the token (RFC 6750, section 2.1)."""
        if self._token is None:
            return False
        expected = f"Bearer {self._token.get_secret_value()}"
        return hmac.compare_digest(expected.encode(), authorization.encode())

    def text(self) -> bytes:
        """Ours and the process's own, in the Prometheus text format 0.0.4."""
        return generate_latest(self._registry) + generate_latest(REGISTRY)
