"""Checks that names in a site file are used once, and name something that exists."""

from __future__ import annotations

from collections.abc import Iterable


def unique(kind: str, names: Iterable[str]) -> frozenset[str]:
    """The names as a set.

    Raises:
        ValueError: one of them is used twice.
    """
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"{kind}: id {name!r} is used twice")
        seen.add(name)
    return frozenset(seen)


def known(place: str, name: str | None, names: frozenset[str]) -> None:
    """Check a reference at ``place``; None refers to nothing.

    Raises:
        ValueError: there is no such name.
    """
    if name is not None and name not in names:
        raise ValueError(f"{place}: there is no {name!r}")
