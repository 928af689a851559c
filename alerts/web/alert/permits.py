"""Permits: who may go on with one alert, beyond seeing it; pure."""

from __future__ import annotations

from alerts.life.state import State
from alerts.seeing.views import AlertView, Viewer
from config.site import Role, Site

_CENTRE = frozenset({Role.TOWNSHIP, Role.POLICE, Role.ADMIN})


def may_work(site: Site, viewer: Viewer, alert: AlertView) -> bool:
    """Arrive, report, whistle: who took it, the grid's head, and the centre."""
    return alert.acked_by == viewer.person_id or may_verify(site, viewer, alert)


def may_verify(site: Site, viewer: Viewer, alert: AlertView) -> bool:
    """Close a reported alert: the grid's head or deputy, the centre, or the home's owner."""
    if viewer.role in _CENTRE:
        return True
    if owns(site, viewer, alert):
        return True
    grid = site.grid(alert.grid_id) if alert.grid_id is not None else None
    return grid is not None and viewer.person_id in (grid.head, grid.deputy)


def owns(site: Site, viewer: Viewer, alert: AlertView) -> bool:
    """True when the alert is of this person's own home, or of the home they share."""
    camera = site.camera(alert.camera_id)
    return camera is not None and camera.owner is not None and camera.owner in viewer.owners


def next_steps(site: Site, viewer: Viewer, alert: AlertView) -> frozenset[str]:
    """What this person may do to the alert as it is: names of the forms its page shows."""
    steps: set[str] = set()
    if alert.state in (State.ACKED, State.ONSITE) and may_work(site, viewer, alert):
        steps |= {"report", "whistle"} | ({"arrive"} if alert.state is State.ACKED else set())
    if alert.state is State.WAITING and may_work(site, viewer, alert):
        steps.add("department")
    if alert.state is State.DONE and may_verify(site, viewer, alert):
        steps.add("verify")
    if alert.state is State.CLOSED and may_verify(site, viewer, alert):
        steps.add("reopen")
    return frozenset(steps)
