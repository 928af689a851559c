"""Legal classes of cameras: who answers for one in law."""

from __future__ import annotations

from enum import StrEnum


class LegalClass(StrEnum):
    """Who answers for a camera in law; analytics do not start without it."""

    HOME = "home"
    VILLAGE = "village"
    GATED = "gated"
    STREET = "street"
    SCHOOL = "school"
