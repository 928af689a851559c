"""Identifiers that sort by time: UUID version 7 (RFC 9562, section 5.7)."""

from __future__ import annotations

import re
import secrets
import uuid
from datetime import UTC, datetime

UUID7_PATTERN = r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"
NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,62}$"
"""Names of nodes, cameras, grids and people: safe as an MQTT topic level and in a file name."""

_UUID7 = re.compile(UUID7_PATTERN)


def uuid7(moment: datetime) -> str:
    """A new UUIDv7 in canonical lower case: 48 bits of Unix milliseconds, 74 random bits."""
    milliseconds = int(moment.timestamp() * 1000)
    if not 0 <= milliseconds < 1 << 48:
        raise ValueError(f"{moment} does not fit in a UUIDv7")
    chance = secrets.randbits(74)
    value = milliseconds << 80
    value |= 0x7 << 76
    value |= (chance >> 62) << 64
    value |= 0b10 << 62
    value |= chance & (1 << 62) - 1
    digits = f"{value:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def is_uuid7(text: str) -> bool:
    """True when ``text`` is a UUIDv7 in canonical lower case."""
    return _UUID7.fullmatch(text) is not None


def uuid7_time(text: str) -> datetime:
    """The moment inside a UUIDv7, in UTC, to the millisecond.

    Raises:
        ValueError: if ``text`` is not a canonical UUIDv7.
    """
    if not is_uuid7(text):
        raise ValueError(f"{text!r} is not a UUIDv7 in canonical form")
    return datetime.fromtimestamp((uuid.UUID(text).int >> 80) / 1000, UTC)
