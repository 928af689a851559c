"""A simulated camera: its name, its streams and what they show."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from config.errors import UserError
from edge.simulator.loop import EncodedLoop
from edge.simulator.truth import Appearance

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class CameraSource:
    """Served as ``/NAME/main`` and, if there is one, ``/NAME/sub``.

    Raises:
        UserError: ``name`` is not letters, digits, dot, dash or underscore (at most 64).
    """

    name: str
    main: EncodedLoop
    sub: EncodedLoop | None = None
    appearances: Sequence[Appearance] = ()

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise UserError(
                where="simulated camera",
                field="name",
                problem=f"{self.name!r} cannot be part of an address",
                remedy="use letters, digits, dots, dashes and underscores, at most 64",
            )

    def streams(self) -> dict[str, EncodedLoop]:
        """The loops by the last part of their address."""
        return {"main": self.main} | ({} if self.sub is None else {"sub": self.sub})
