"""Writes many rows of a table with one short statement, whichever database it is."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic_core import to_json
from sqlalchemy import (
    ARRAY,
    BindParameter,
    Column,
    ColumnElement,
    CompoundSelect,
    Connection,
    CursorResult,
    Insert,
    Select,
    String,
    Table,
    TextClause,
    Update,
    any_,
    bindparam,
    insert,
    literal,
    text,
    union_all,
    update,
)
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

Rows = Sequence[dict[str, Any]]
Parts = tuple[tuple[Table, tuple[str, ...], bool], ...]
"""Tables, their columns, and whether rows replace those with the same primary key."""


def insert_rows(connection: Connection, table: Table, rows: Rows) -> None:
    """Insert ``rows``, which all have the same keys, names of columns; none is fine."""
    insert_all(connection, [(table, rows)])


def insert_all(
    connection: Connection,
    parts: Sequence[tuple[Table, Rows]],
    *,
    replacing: Collection[Table] = (),
) -> None:
    """Insert rows of several tables, each at most once, as :func:`insert_rows` does of one.

    Rows of the tables ``replacing`` take the place of those with the same primary key. On
    PostgreSQL in one round trip: foreign keys between them are checked at its end.
    """
    if connection.dialect.name != "postgresql":
        for table, rows in parts:
            if rows:
                is_replacing = table in replacing
                made = _replace(table, tuple(rows[0])) if is_replacing else _insert(table)
                connection.execute(made, rows)
        return
    # pg8000 sends a list row by row, each a round trip, and reads a long statement letter by
    # letter in Python: one parameter with all rows as JSON costs neither.
    inserting, bodies = _parts(parts, replacing)
    if inserting:
        connection.execute(_from_json(inserting), bodies)


def update_rows(
    connection: Connection,
    table: Table,
    rows: Rows,
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
    given = {"rows": _json(rows), **{f"only_{name}": value for name, value in only.items()}}
    statement = _update_from_json(table, tuple(rows[0]), tuple(fits), tuple(only))
    return set(connection.execute(statement, given).scalars())


@dataclass(frozen=True, slots=True)
class Swap:
    """Whole rows to replace that are still at the version ``stored`` for their ``id``.

    ``rows`` have all columns of ``table``.
    """

    table: Table
    rows: Rows
    stored: Mapping[str, int]


def swap_and_insert(
    connection: Connection,
    swap: Swap,
    parts: Sequence[tuple[Table, Rows]],
    *,
    replacing: Collection[Table] = (),
) -> bool:
    """Replace rows, and insert others as :func:`insert_all` does, in one round trip if it can.

    False when a row to be replaced has changed meanwhile: undo all then.
    """
    if not swap.rows:
        insert_all(connection, parts, replacing=replacing)
        return True
    if connection.dialect.name != "postgresql":
        given = [_renamed(row, swap.stored) for row in swap.rows]
        if connection.execute(_swap(swap.table), given).rowcount != len(given):
            return False
        insert_all(connection, parts, replacing=replacing)
        return True
    inserting, bodies = _parts(parts, replacing)
    bodies["rows"] = _json([{"was": swap.stored[row["id"]], "row": row} for row in swap.rows])
    statement = _swap_from_json(swap.table, inserting)
    return connection.execute(statement, bodies).rowcount == len(swap.rows)


def one_of(
    connection: Connection, column: Column[str], values: Collection[str]
) -> ColumnElement[bool]:
    """The condition that a column of text has one of ``values``.

    On PostgreSQL they are one parameter: a statement with one per value is new for each number
    of them, and pg8000 reads it letter by letter.
    """
    if connection.dialect.name != "postgresql":
        return column.in_(values)
    return column == any_(literal(list(values), ARRAY(String)))


class OfThese:
    """A statement, built once, whose rows have in ``column`` one of some texts.

    ``more`` are statements with the same columns, and theirs: their rows come too.
    """

    def __init__(
        self, statement: Select[Any], column: Column[str], *more: tuple[Select[Any], Column[str]]
    ) -> None:
        array = any_(bindparam("these", type_=ARRAY(String)))
        texts: BindParameter[Any] = bindparam("these", expanding=True)
        parts = ((statement, column), *more)
        self._of_array = _all_of([part.where(name == array) for part, name in parts])
        self._of_list = _all_of([part.where(name.in_(texts)) for part, name in parts])

    def of(self, connection: Connection, these: Collection[str]) -> CursorResult[Any]:
        """Run it for ``these`` (see :func:`one_of`)."""
        is_array = connection.dialect.name == "postgresql"
        statement = self._of_array if is_array else self._of_list
        return connection.execute(statement, {"these": list(these)})


def _all_of(parts: Sequence[Select[Any]]) -> Select[Any] | CompoundSelect[Any]:
    return parts[0] if len(parts) == 1 else union_all(*parts)


def _json(rows: Rows) -> str:
    return to_json(rows).decode()


@cache
def _insert(table: Table) -> Insert:
    return insert(table)


@cache
def _replace(table: Table, columns: tuple[str, ...]) -> Insert:
    made = sqlite_insert(table)
    known = {column.name for column in table.primary_key}
    values = {name: made.excluded[name] for name in columns if name not in known}
    return made.on_conflict_do_update(index_elements=sorted(known), set_=values)


# Names in the statements below come from our own schema, never from data.


def _parts(
    parts: Sequence[tuple[Table, Rows]], replacing: Collection[Table]
) -> tuple[Parts, dict[str, str]]:
    """What to insert, without what has no rows, and the parameters with the rows."""
    filled = [(table, rows) for table, rows in parts if rows]
    bodies = {f"rows_{number}": _json(rows) for number, (_, rows) in enumerate(filled)}
    return tuple((table, tuple(rows[0]), table in replacing) for table, rows in filled), bodies


@cache
def _from_json(parts: Parts) -> TextClause:
    *first, last = [_insert_from_json(number, *part) for number, part in enumerate(parts)]
    return text(_together(first, last))


def _together(first: Sequence[str], last: str) -> str:
    others = ", ".join(f"part_{number} AS ({part})" for number, part in enumerate(first))
    return f"WITH {others} {last}" if others else last


def _insert_from_json(
    number: int, table: Table, columns: tuple[str, ...], is_replacing: bool
) -> str:
    names = ", ".join(f'"{table.columns[name].name}"' for name in columns)
    inserting = (
        f'INSERT INTO "{table.name}" ({names}) SELECT {names} FROM '  # noqa: S608
        f'json_populate_recordset(CAST(NULL AS "{table.name}"), CAST(:rows_{number} AS json))'
    )
    if not is_replacing:
        return inserting
    known = {column.name for column in table.primary_key}
    key = ", ".join(f'"{name}"' for name in sorted(known))
    values = _values((name for name in columns if name not in known), "excluded")
    return f"{inserting} ON CONFLICT ({key}) DO UPDATE SET {values}"


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
    values = _values(name for name in columns if name not in ("id", *fits))
    return text(
        f'UPDATE "{table.name}" AS old SET {values} '  # noqa: S608
        f'FROM json_populate_recordset(CAST(NULL AS "{table.name}"), CAST(:rows AS json)) AS new '
        f"WHERE {known} RETURNING old.id"
    )


@cache
def _swap(table: Table) -> Update:
    # What is set are the other keys of the row.
    same = (table.c.id == bindparam("its_id")) & (table.c.version == bindparam("was"))
    return update(table).where(same)


def _renamed(row: Mapping[str, Any], stored: Mapping[str, int]) -> dict[str, Any]:
    others = {name: value for name, value in row.items() if name != "id"}
    return {**others, "its_id": row["id"], "was": stored[row["id"]]}


@cache
def _swap_from_json(table: Table, parts: Parts) -> TextClause:
    values = _values(column.name for column in table.columns if column.name != "id")
    swapping = (
        f'UPDATE "{table.name}" AS old SET {values} '  # noqa: S608
        "FROM json_array_elements(CAST(:rows AS json)) AS item, "
        f"""json_populate_record(CAST(NULL AS "{table.name}"), item -> 'row') AS new """
        "WHERE old.id = new.id AND old.version = CAST(item ->> 'was' AS integer)"
    )
    inserting = [_insert_from_json(number, *part) for number, part in enumerate(parts)]
    return text(_together(inserting, swapping))


def _values(names: Iterable[str], of: str = "new") -> str:
    return ", ".join(f'"{name}" = {of}."{name}"' for name in names)
