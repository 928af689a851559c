"""Finds the line of a key in TOML text, because tomllib does not keep it."""

from __future__ import annotations

import re

_TABLE = re.compile(r"^\s*(?P<open>\[\[?)\s*(?P<name>[^\]]+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(r"^\s*(?P<key>[A-Za-z0-9_-]+|\"[^\"]+\")\s*=")


def line_of(text: str, path: tuple[int | str, ...]) -> int | None:
    """1-based line of the key at ``path`` (as pydantic reports it), or of the nearest table
    around it that exists; None when not even its first part does.

    Keys inside an inline table or an array are reported at the line that opens it.
    """
    best: tuple[int, int] | None = None
    for number, found in _keys(text):
        depth = _common(found, path)
        if depth == len(found) and (best is None or depth > best[0]):
            best = (depth, number)
    return None if best is None else best[1]


def _common(found: tuple[int | str, ...], path: tuple[int | str, ...]) -> int:
    depth = 0
    for ours, theirs in zip(found, path, strict=False):
        if ours != theirs:
            break
        depth += 1
    return depth


def _keys(text: str) -> list[tuple[int, tuple[int | str, ...]]]:
    """Every table header and key with its full path and line."""
    keys: list[tuple[int, tuple[int | str, ...]]] = []
    counts: dict[tuple[int | str, ...], int] = {}
    table: tuple[int | str, ...] = ()
    inside_string = False
    for number, line in enumerate(text.splitlines(), start=1):
        starts_inside = inside_string
        if (line.count('"""') + line.count("'''")) % 2:
            inside_string = not inside_string
        if starts_inside:
            continue
        if header := _TABLE.match(line):
            table = _table_path(header["name"], header["open"] == "[[", counts)
            keys.append((number, table))
        elif key := _KEY.match(line):
            keys.append((number, (*table, key["key"].strip('"'))))
    return keys


def _table_path(
    name: str, is_array: bool, counts: dict[tuple[int | str, ...], int]
) -> tuple[int | str, ...]:
    """Resolve ``a.b`` to the current element of each array of tables on the way."""
    path: tuple[int | str, ...] = ()
    parts = [part.strip().strip('"') for part in name.split(".")]
    for index, part in enumerate(parts):
        path = (*path, part)
        if index == len(parts) - 1 and is_array:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = (*path, counts[path])
    return path
