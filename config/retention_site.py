"""How long a county keeps what its cameras saw, by legal class."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from config.event import Frozen

Days = Annotated[int, Field(ge=1, le=365)]


class Bounds(Frozen):
    """Between these a camera's ``retention_days`` must lie.

    Until ``min_days`` after its capture nothing is deleted, whoever asks; after the camera's
    ``retention_days``, at most ``max_days``, everything is, unless it is held for a case.
    """

    min_days: Annotated[int, Field(ge=0, le=365)]
    max_days: Days

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min_days > self.max_days:
            raise ValueError("min_days is larger than max_days")
        return self


_PUBLIC = Bounds(min_days=30, max_days=90)


class Retention(Frozen):
    """The bounds of each legal class, and what is kept longer because it shows nobody.

    The 30 days of public places are those of article 17 of State Council Order 799 (2025): kept
    for 30 days at least, then deleted when the purpose is reached, unless a law or regulation
    sets another period. It names no maximum; 90 days is our choice. A home keeps what its owner
    wants, for 30 days at most.
    """

    home: Bounds = Bounds(min_days=0, max_days=30)
    village: Bounds = _PUBLIC
    gated: Bounds = _PUBLIC
    street: Bounds = _PUBLIC
    school: Bounds = _PUBLIC
    record_days: Annotated[int, Field(ge=30, le=3650)] = 365
    """A closed alert without its pictures and plate: when it was, who answered, how it ended."""

    def of(self, legal_class: str) -> Bounds:
        """The bounds of one legal class."""
        bounds: Bounds = getattr(self, legal_class)
        return bounds
