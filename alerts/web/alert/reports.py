"""Reports: what people filed from the spot, with proof of presence, note and photo."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, delete, insert, select

from alerts.web.schema import reports
from config.clock import Clock
from config.ids import uuid7
from ingest.engine import reading, writing


@dataclass(frozen=True, slots=True)
class FieldReport:
    """One thing somebody filed.

    ``kind`` is ``arrived``, ``reported`` or ``department``; ``proof`` is ``sign`` (the QR code
    at the camera), ``photo`` or empty; ``outcome`` is what the reporter thinks it was.
    """

    id: str
    alert_id: str
    person: str
    kind: str
    at: datetime
    note: str = ""
    outcome: str | None = None
    department: str | None = None
    proof: str = ""
    photo_sha256: str | None = None


class FieldReports:
    """The reports of one county."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def new(self, *, alert_id: str, person: str, kind: str, **filed: str | None) -> FieldReport:
        """A report as of now, not stored yet."""
        now = self._clock.now()
        values = {name: value for name, value in filed.items() if value is not None}
        return FieldReport(
            id=uuid7(now), alert_id=alert_id, person=person, kind=kind, at=now, **values
        )

    def file(self, report: FieldReport) -> None:
        """Store it."""
        values = {name: getattr(report, name) for name in FieldReport.__slots__}
        with writing(self._engine) as connection:
            connection.execute(insert(reports).values(values))

    def withdraw(self, report: FieldReport) -> None:
        """Take it away again: the alert had moved on."""
        with writing(self._engine) as connection:
            connection.execute(delete(reports).where(reports.c.id == report.id))

    def of_alert(self, alert_id: str) -> list[FieldReport]:
        """Everything filed about an alert, oldest first."""
        with reading(self._engine) as connection:
            rows = connection.execute(
                select(reports)
                .where(reports.c.alert_id == alert_id)
                .order_by(reports.c.at, reports.c.id)
            ).all()
        return [
            FieldReport(**{name: getattr(row, name) for name in FieldReport.__slots__})
            for row in rows
        ]
