"""Access: which role may do what on any page; which alerts, the service's scope decides."""

from __future__ import annotations

from enum import StrEnum

from config.site import Role


class Action(StrEnum):
    """Something a logged-in person may ask of the web."""

    OWN_ACCOUNT = "own_account"
    SEE_ALERTS = "see_alerts"
    ANSWER_ALERTS = "answer_alerts"
    VIEW_EVIDENCE = "view_evidence"


_EVERYBODY = frozenset(Role)

RIGHTS: dict[Action, frozenset[Role]] = {
    Action.OWN_ACCOUNT: _EVERYBODY,
    Action.SEE_ALERTS: _EVERYBODY,
    Action.ANSWER_ALERTS: _EVERYBODY,
    # An installer mends cameras; the pictures of people are none of that work.
    Action.VIEW_EVIDENCE: _EVERYBODY - {Role.INSTALLER},
}


def may(role: Role, action: Action) -> bool:
    """True when the role may do it on the objects within its scope."""
    return role in RIGHTS[action]
