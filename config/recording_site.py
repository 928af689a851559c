"""The long recording of a camera on its node's disk: how much of it, for how long."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from config.event import Frozen


class Recording(Frozen):
    """Budgets of one camera's recording; the oldest minutes go when either is used up.

    A camera with masks has no recording: it is kept as the camera sends it, without decoding,
    and nothing can be hidden in that.
    """

    budget_bytes: Annotated[int, Field(ge=100_000_000, le=10**14)]
    keep_days: Annotated[int, Field(ge=1, le=365)]
    """No longer than the camera's ``retention_days``, and so than its legal class allows."""
