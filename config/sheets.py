"""Reads lists as spreadsheets write them: CSV in UTF-8 or GB 18030, titles in the first row."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from config.errors import UserError

LIMIT_BYTES = 10_000_000
Columns = Mapping[str, tuple[str, ...]]
"""Field and the titles it is known by; case and surrounding blanks do not matter."""


def read_sheet(path: Path, columns: Columns, *, what: str) -> list[tuple[int, dict[str, str]]]:
    """The rows below the titles: 1-based line number, and the cells that are not empty by field.

    The text may be UTF-8 (with or without a byte order mark) or GB 18030, separated by comma,
    semicolon or tab. ``what`` names what stands in a row, for errors.

    Raises:
        UserError: names the file, the row and the column of the first mistake.
    """
    rows = _rows(path, what)
    heading = _heading(path, rows[0][1], columns)
    return [(line, _fields(path, line=line, heading=heading, cells=c)) for line, c in rows[1:]]


def _rows(path: Path, what: str) -> list[tuple[int, list[str]]]:
    """Non-empty rows with their 1-based line numbers; at least a heading and one row."""
    text = _text(path)
    first = text.splitlines()[0] if text.strip() else ""
    separator = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows: list[tuple[int, list[str]]] = []
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((reader.line_num, [cell.strip() for cell in cells]))
    except csv.Error as error:
        raise UserError(
            where=str(path),
            line=reader.line_num,
            problem=f"not a CSV row ({error})",
            remedy="save the sheet as CSV again",
        ) from None
    if len(rows) < 2:
        raise UserError(
            where=str(path),
            problem=f"has no {what} in it",
            remedy=f"put the column names in the first row and one {what} in each row below",
        )
    return rows


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > LIMIT_BYTES:
            raise UserError(
                where=str(path),
                problem=f"is larger than {LIMIT_BYTES // 1_000_000} MB",
                remedy="split the list if it really is that long",
            )
        data = path.read_bytes()
    except OSError as error:
        raise UserError(
            where=str(path),
            problem=f"cannot be read ({type(error).__name__})",
            remedy="give the path of a CSV file",
        ) from None
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise UserError(
        where=str(path),
        problem="is neither UTF-8 nor GB 18030 text",
        remedy="save the sheet as CSV (UTF-8)",
    )


def _heading(path: Path, cells: list[str], columns: Columns) -> list[str]:
    names = {title: field for field, titles in columns.items() for title in titles}
    heading: list[str] = []
    for cell in cells:
        field = names.get(cell.lower())
        if field is None or field in heading:
            known = "、".join(
                titles[1] if len(titles) > 1 else titles[0] for titles in columns.values()
            )
            raise UserError(
                where=str(path),
                line=1,
                field=cell or "(empty heading)",
                problem="is used twice" if field else "is not a known column",
                remedy=f"use these columns: {known}",
            )
        heading.append(field)
    return heading


def _fields(path: Path, *, line: int, heading: list[str], cells: list[str]) -> dict[str, str]:
    if len(cells) > len(heading):
        raise UserError(
            where=str(path),
            line=line,
            problem=f"has {len(cells)} cells under {len(heading)} column names",
            remedy="quote cells that contain the separator",
        )
    return {field: cell for field, cell in zip(heading, cells, strict=False) if cell}
