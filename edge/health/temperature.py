"""How hot the machine is, as the kernel's thermal zones tell."""

from __future__ import annotations

from pathlib import Path

_ZONES = Path("/sys/class/thermal")


def hottest_c(zones: Path = _ZONES) -> float | None:
    """The hottest thermal zone in °C; None where the machine tells none.

    Reads ``thermal_zone*/temp``, in thousandths of a degree (Linux, sysfs-class-thermal). A zone
    that is broken or absurd (outside -40 to 150 °C) is passed over.
    """
    found = []
    for file in zones.glob("thermal_zone*/temp"):
        try:
            degrees = int(file.read_text(encoding="ascii")) / 1000
        except (OSError, ValueError):
            continue
        if -40 <= degrees <= 150:
            found.append(degrees)
    return max(found, default=None)
