"""Tells a database in trouble, worth waiting for, from data that it will never take."""

from __future__ import annotations

import errno
import sqlite3

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, StatementError

_DEADLOCK = frozenset({"40001", "40P01"})
"""PostgreSQL serialization failure and deadlock: the same transaction may pass now."""

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_DISK_FULL = "53100"
"""PostgreSQL disk_full."""

UNSTORABLE = (OverflowError, ValueError)
"""What Python and the drivers raise for a number or a date that has no place in a column."""


def sqlstate(error: BaseException) -> str:
    """The five-character code of PostgreSQL, or an empty string."""
    original = getattr(error, "orig", None)
    arguments = getattr(original, "args", ())
    if arguments and isinstance(arguments[0], dict):
        return str(arguments[0].get("C", ""))
    return ""


def is_deadlock(error: BaseException) -> bool:
    """True when running the same transaction again, at once, is right."""
    return sqlstate(error) in _DEADLOCK


def is_poison(error: BaseException) -> bool:
    """True when the data itself is refused, so that trying again can never help."""
    if isinstance(error, (IntegrityError, DataError, *UNSTORABLE)):
        return True
    if sqlstate(error)[:2] in ("22", "23"):
        return True
    # A value that the driver could not even bind; a DBAPIError is the database's own answer.
    return isinstance(error, StatementError) and not isinstance(error, DBAPIError)


def is_full(error: BaseException) -> bool:
    """True when there was no room on a disk, the database's own or ours."""
    if isinstance(error, OSError):
        return error.errno in _NO_ROOM
    original = getattr(error, "orig", None)
    code = getattr(original, "sqlite_errorcode", None)
    return sqlstate(error) == _DISK_FULL or code == sqlite3.SQLITE_FULL


def in_words(error: BaseException) -> str:
    """What keeps the database from storing, and what to do; nothing of what it said itself."""
    if is_full(error):
        return (
            "the disk of the database is full: make room there; until then nothing is"
            " acknowledged, and the nodes keep their events"
        )
    code = f"{type(error).__name__} {sqlstate(error)}".strip()
    return f"the database does not store ({code}); its log says more"
