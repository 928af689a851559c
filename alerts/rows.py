"""Writes many rows of a table with one short statement, whichever database it is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Table, TextClause, insert, text


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
