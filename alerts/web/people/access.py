"""Access: which role may do what on any page; which objects is decided by scope and permits."""

from __future__ import annotations

from enum import StrEnum

from config.site import Role


class Action(StrEnum):
    """Something a logged-in person may ask of the web."""

    OWN_ACCOUNT = "own_account"
    SEE_ALERTS = "see_alerts"
    ANSWER_ALERTS = "answer_alerts"
    WORK_ALERTS = "work_alerts"
    VIEW_EVIDENCE = "view_evidence"
    SEE_DUTY = "see_duty"
    MANAGE_HOME = "manage_home"
    SEE_MAP = "see_map"
    REVIEW_MATCHES = "review_matches"
    WATCH_LIST = "watch_list"
    SEARCH = "search"
    EXPORT = "export"
    HOLD = "hold"
    READ_AUDIT = "read_audit"
    SEE_STATISTICS = "see_statistics"
    SEE_DEVICES = "see_devices"
    SET_UP_CAMERAS = "set_up_cameras"
    INVITE = "invite"
    SILENCE = "silence"
    ORDER_WARTIME = "order_wartime"


_EVERYBODY = frozenset(Role)
_GRID = frozenset({Role.GRID_WORKER, Role.GRID_HEAD})
_CENTRE = frozenset({Role.TOWNSHIP, Role.POLICE, Role.ADMIN})
_POLICE = frozenset({Role.POLICE})
_CASES = frozenset({Role.POLICE, Role.ADMIN})
_SET_UP = frozenset({Role.INSTALLER, Role.ADMIN})

RIGHTS: dict[Action, frozenset[Role]] = {
    Action.OWN_ACCOUNT: _EVERYBODY,
    Action.SEE_ALERTS: _EVERYBODY,
    Action.ANSWER_ALERTS: _EVERYBODY,
    # An installer mends cameras; an alert about people is none of that work.
    Action.WORK_ALERTS: _EVERYBODY - {Role.INSTALLER},
    Action.VIEW_EVIDENCE: _EVERYBODY - {Role.INSTALLER},
    Action.SEE_DUTY: _GRID | _CENTRE,
    Action.MANAGE_HOME: frozenset({Role.HOME_OWNER}),
    Action.SEE_MAP: _GRID | _CENTRE,
    Action.REVIEW_MATCHES: _POLICE,
    Action.WATCH_LIST: _CASES,
    Action.SEARCH: _POLICE,
    Action.EXPORT: _CASES,
    Action.HOLD: _CASES,
    Action.READ_AUDIT: _CASES,
    Action.SEE_STATISTICS: _CENTRE | {Role.GRID_HEAD},
    Action.SEE_DEVICES: _SET_UP | {Role.POLICE, Role.TOWNSHIP},
    Action.SET_UP_CAMERAS: _SET_UP,
    Action.INVITE: frozenset({Role.ADMIN, Role.TOWNSHIP}),
    Action.SILENCE: _CASES | {Role.GRID_HEAD},
    Action.ORDER_WARTIME: _CENTRE,
}


def may(role: Role, action: Action) -> bool:
    """True when the role may do it on the objects within its scope."""
    return role in RIGHTS[action]
