"""Tells a database in trouble, worth waiting for, from data that it will never take."""

from __future__ import annotations

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, StatementError

_DEADLOCK = frozenset({"40001", "40P01"})
"""PostgreSQL serialization failure and deadlock: the same transaction may pass now."""

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
