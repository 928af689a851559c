"""Sets Python's lock and its garbage collector for a process that serves."""

from __future__ import annotations

import gc
import sys

SWITCH_INTERVAL_S = 0.0005
"""How long a thread may keep the interpreter's lock from the others; Python's own value is ten
times that, and each loop waits for the lock after each answer of the database."""
COLLECT_AFTER = (200_000, 10, 10)
"""New containers, and rounds of each younger generation, before the collector looks for circles.

A group of 4,000 events is about 120,000 containers, none of which is in a circle. After 700 new
ones, as is Python's own value, the collector went through all of them again and again, which was
half of the time of reading a group.
"""


def prepare_to_serve() -> None:
    """Pass the lock on soon, and look for circles seldom."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.set_threshold(*COLLECT_AFTER)
