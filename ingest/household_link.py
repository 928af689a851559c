"""Publishes to each node whom it may recognise, and keeps what the nodes report of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic import SecretStr

from config.clock import Clock
from config.household import HouseholdList, HouseholdReport
from config.tls import TlsFiles
from config.topics import Topics
from ingest.documents import DocumentService
from ingest.households import Households


class HouseholdService(DocumentService[HouseholdList, HouseholdReport]):
    """A list that has changed in any way is published, also one that a restored centre numbers
    as it did another before."""

    def __init__(
        self,
        *,
        broker_url: str,
        county: str,
        households: Households,
        keys: Mapping[str, SecretStr],
        clock: Clock,
        tls: TlsFiles | None = None,
    ) -> None:
        topics = Topics(county)
        super().__init__(
            name="households",
            kind=HouseholdReport,
            down=topics.household,
            up=topics.enrolled,
            broker_url=broker_url,
            keys=keys,
            clock=clock,
            tls=tls,
        )
        self._households = households

    def wanted(self) -> Iterable[HouseholdList]:
        """Whom each node may recognise."""
        return self._households.lists()

    def record(self, report: HouseholdReport) -> None:
        """Keep whom a node holds."""
        self._households.record(report)
