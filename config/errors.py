"""The one exception shown to a person: what is wrong, where, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class UserError(Exception):
    """Something a person can put right.

    Args:
        where: the file, address, topic or camera the problem was found in.
        problem: what is wrong, in one sentence without the place.
        remedy: what to do about it, as an instruction.
        field: the key, column or JSON pointer inside ``where``, if there is one.
        line: 1-based line number inside ``where``, if known.

    The command line prints ``str(error)`` and exits with 2; a server logs it and goes on.
    """

    def __init__(
        self,
        *,
        where: str,
        problem: str,
        remedy: str,
        field: str | None = None,
        line: int | None = None,
    ) -> None:
        self.where = where
        self.problem = problem
        self.remedy = remedy
        self.field = field
        self.line = line
        super().__init__(self._sentence())

    def _sentence(self) -> str:
        place = self.where if self.line is None else f"{self.where}:{self.line}"
        if self.field is not None:
            place = f"{place}: {self.field}"
        return f"{place}: {self.problem} → {self.remedy}"


@contextmanager
def told_of_disk(where: Path, *, problem: str, remedy: str) -> Iterator[None]:
    """Raises what the disk says (OSError) as a UserError about ``where``, its words in brackets."""
    try:
        yield
    except OSError as error:
        words = f"{problem} ({error.strerror})"
        raise UserError(where=str(where), problem=words, remedy=remedy) from None
