"""Contact of whoever answers for a camera, as its public notice shows it."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import StringConstraints, model_validator

from config.event import Frozen

_Line = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]


class Contact(Frozen):
    """Where people who were recorded turn to; it is shown to everybody, so no private number."""

    name: _Line
    phone: Annotated[str, StringConstraints(pattern=r"^\+?[0-9][0-9 -]{2,19}$")] | None = None
    email: Annotated[str, StringConstraints(pattern=r"^[^@\s]{1,64}@[^@\s]{1,190}$")] | None = None
    address: _Line | None = None

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.phone is None and self.email is None and self.address is None:
            raise ValueError("a contact needs a phone, an e-mail or an address")
        return self
