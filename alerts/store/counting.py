"""The counters of audit and stream: under their locks rows are numbered without a gap."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import BigInteger, Connection, String, bindparam, case, select, update

from alerts.store.schema import counters

_NAME, _VALUE, _HASH = counters.c.name, counters.c.value, counters.c.hash
_AUDIT, _STREAM = "audit", "stream"
# Locked in the order of their names, everywhere.
_TAKE = (
    select(_NAME, _VALUE, _HASH)
    .where(_NAME.in_((_AUDIT, _STREAM)))
    .order_by(_NAME)
    .with_for_update()
)
_MOVE = (
    update(counters)
    .where(_NAME.in_((_AUDIT, _STREAM)))
    .values(
        value=case(
            (_NAME == _AUDIT, bindparam("rows", type_=BigInteger)),
            else_=bindparam("stream", type_=BigInteger),
        ),
        hash=case((_NAME == _AUDIT, bindparam("digest", type_=String)), else_=_HASH),
    )
)


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the audit's chain: how many rows, and the hash of the last."""

    rows: int
    hash: str


@dataclass(frozen=True, slots=True)
class Counted:
    """What both counters stand at: the audit's end, and the last position of the stream."""

    audit: Head
    stream: int


def take_counters(connection: Connection) -> Counted:
    """Lock both counters until the transaction ends, and read them; call it late."""
    rows = {row.name: row for row in connection.execute(_TAKE)}
    audit = Head(rows[_AUDIT].value, rows[_AUDIT].hash)
    return Counted(audit, rows[_STREAM].value)


def move_counters(connection: Connection, to: Counted) -> None:
    """Write where the counters stand now; :func:`take_counters` holds their locks."""
    given = {"rows": to.audit.rows, "stream": to.stream, "digest": to.audit.hash}
    connection.execute(_MOVE, given)
