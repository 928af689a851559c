"""How many notices somebody is sent one by one before they are gathered into a digest."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from config.event import Frozen


class Pace(Frozen):
    """Limits for one person. What is critical is always told at once and by itself.

    Of one grid and kind, ``group_after`` notices within ``window_s`` seconds are sent one by
    one; the rest of the window goes out as one digest of that grid and kind. Beyond
    ``storm_after`` notices of any sort, everything of a grid goes out as one digest. 0 in
    either turns that limit off.
    """

    group_after: Annotated[int, Field(ge=0, le=10_000)] = 3
    storm_after: Annotated[int, Field(ge=0, le=10_000)] = 20
    window_s: Annotated[int, Field(ge=5, le=600)] = 60
