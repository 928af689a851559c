"""The centre's own findings: what they are about, whom they concern, and what they are called."""

from __future__ import annotations

from alerts.inhibition.roots import equipment_title
from config.site import Grid, Site

CENTRE = "menshen-centre"
"""Node of the centre's own events, and the subject of what concerns the whole centre."""
AUDIT_LOG = "menshen-audit-log"
"""Subject of what concerns the audit log."""
_DUTY = "duty--"
_NAME_LIMIT = 63


def duty_subject(grid_id: str) -> str:
    """What stands in an event's camera field when it is about the duty of a grid.

    A grid id too long to carry the mark is told of as a matter of the whole centre.
    """
    subject = f"{_DUTY}{grid_id}"
    return subject if len(subject) <= _NAME_LIMIT else CENTRE


def grid_of_subject(site: Site, subject: str) -> Grid | None:
    """The grid whose duty ``subject`` is about; None for everything else."""
    if site.camera(subject) is not None or not subject.startswith(_DUTY):
        return None
    return site.grid(subject.removeprefix(_DUTY))


def is_centre(site: Site, subject: str) -> bool:
    """True when ``subject`` is the whole centre or its log, and no camera of that name."""
    return subject in (CENTRE, AUDIT_LOG) and site.camera(subject) is None


def subject_title(site: Site, subject: str) -> tuple[str, str] | None:
    """What an alert about ``subject`` is called, in both languages; None for a camera's."""
    grid = grid_of_subject(site, subject)
    if grid is not None:
        return f"{grid.name}：24小时内有无人值班的时段", f"{grid.name}: nobody on duty within 24 h"
    if is_centre(site, subject) and subject == AUDIT_LOG:
        return "审计日志不完整", "The audit log is not whole"
    if is_centre(site, subject):
        return "中心：有告警或通知停滞", "Centre: alerts or notices are stuck"
    return equipment_title(site, subject)
