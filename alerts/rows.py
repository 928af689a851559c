"""Writes many rows of a table with one short statement, whichever database it is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Table, TextClause, insert, text, update


def insert_rows(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert ``rows``, which all have the same keys, names of columns; none is fine."""
    if not rows:
        return
    if connection.dialect.name != "postgresql":
        connection.execute(insert(table), rows)
        return
    # pg8000 sends a list row by row, each a round trip, and reads a long statement letter by
    # letter in Python: one parameter with all rows as JSON costs neither.
    body = json.dumps(rows, default=datetime.isoformat, ensure_ascii=False)
    connection.execute(_from_json(table, tuple(rows[0])), {"rows": body})


@cache
def _from_json(table: Table, columns: tuple[str, ...]) -> TextClause:
    # Both come from our own schema, never from data.
    names = ", ".join(f'"{table.columns[name].name}"' for name in columns)
    return text(
        f'INSERT INTO "{table.name}" ({names}) SELECT {names} '  # noqa: S608
        f'FROM json_populate_recordset(CAST(NULL AS "{table.name}"), CAST(:rows AS json))'
    )


def update_rows(
    connection: Connection,
    table: Table,
    rows: Sequence[dict[str, Any]],
    *,
    fits: Sequence[str],
    only: Mapping[str, str],
) -> set[str]:
    """Set the columns of ``rows`` where the row with their ``id`` still is as expected.

    ``rows`` have the same keys, names of columns, ``id`` among them. A row is changed only if
    its columns ``fits`` equal the given ones and its columns ``only`` the given texts. Returns
    the ids of the rows that were changed.
    """
    if not rows:
        return set()
    if connection.dialect.name != "postgresql":
        return {row["id"] for row in rows if _update_one(connection, table, row, fits, only)}
    body = json.dumps(rows, default=datetime.isoformat, ensure_ascii=False)
    given = {"rows": body, **{f"only_{name}": value for name, value in only.items()}}
    statement = _update_from_json(table, tuple(rows[0]), tuple(fits), tuple(only))
    return set(connection.execute(statement, given).scalars())


def _update_one(
    connection: Connection,
    table: Table,
    row: dict[str, Any],
    fits: Sequence[str],
    only: Mapping[str, str],
) -> bool:
    known = [table.c[name] == row[name] for name in ("id", *fits)]
    known += [table.c[name] == value for name, value in only.items()]
    values = {name: value for name, value in row.items() if name not in ("id", *fits)}
    return connection.execute(update(table).where(*known).values(values)).rowcount == 1


@cache
def _update_from_json(
    table: Table, columns: tuple[str, ...], fits: tuple[str, ...], only: tuple[str, ...]
) -> TextClause:
    known = " AND ".join(
        [f'old."{name}" = new."{name}"' for name in ("id", *fits)]
        + [f'old."{name}" = :only_{name}' for name in only]
    )
    changed = [name for name in columns if name not in ("id", *fits)]
    values = ", ".join(f'"{name}" = new."{name}"' for name in changed)
    # Names come from our own schema, never from data.
    return text(
        f'UPDATE "{table.name}" AS old SET {values} '  # noqa: S608
        f'FROM json_populate_recordset(CAST(NULL AS "{table.name}"), CAST(:rows AS json)) AS new '
        f"WHERE {known} RETURNING old.id"
    )
