"""Answering for a home: it is us, false alarm, call the grid head, call the police desk."""

from __future__ import annotations

from alerts.life.state import Outcome, State
from alerts.seeing.service import AlertView
from alerts.seeing.views import Viewer
from alerts.web.base import errors
from alerts.web.base.errors import Refusal
from alerts.web.context import Web
from config.site import Role

GRID_HEAD_STEP, POLICE_STEP = 1, 4
"""Rungs of the ladder (design, section 5) that the call buttons reach."""
HOME_ANSWERS = ("us", "false", "grid", "police")
_GRID = frozenset({Role.GRID_WORKER, Role.GRID_HEAD})


def answers_to(alert: AlertView) -> tuple[str, ...]:
    """What its home may say to an alert as it is: nothing while departments are on their way, and
    nobody is called to one that is reported."""
    if alert.state in (State.OPEN, State.ACKED, State.ONSITE):
        return HOME_ANSWERS
    return ("us", "false") if alert.state is State.DONE else ()


def answer_for_home(web: Web, viewer: Viewer, alert: AlertView, what: str) -> None:
    """Do what the owner, or somebody who shares the home, answered.

    Raises:
        AlertConflict: somebody else answered first.
        Refusal: there is no such answer.
    """
    if what == "us":
        _settle(web, viewer, alert, Outcome.NO_ACTION, "是我们 It is us")
    elif what == "false":
        _settle(web, viewer, alert, Outcome.FALSE_ALARM, "误报 False alarm")
    elif what == "grid":
        grid = web.site.grid(alert.grid_id) if alert.grid_id is not None else None
        if grid is None:
            raise errors.not_found()
        grant_pictures(web, viewer, alert, grid.head)
        _call(web, viewer, alert, "grid head")
        web.service.summon(viewer, alert.id, step=GRID_HEAD_STEP)
    elif what == "police":
        _call(web, viewer, alert, "police desk")
        web.service.summon(viewer, alert.id, step=POLICE_STEP)
    else:
        raise Refusal(422, "no_answer", zh="没有这种回答", en="There is no such answer")


def grant_pictures(web: Web, viewer: Viewer, alert: AlertView, person_id: str) -> None:
    """Let one grid person see this alert's pictures for 30 minutes.

    Raises:
        Refusal: they are none of the grid's people.
    """
    person = web.site.person(person_id)
    camera = web.site.camera(alert.camera_id)
    if person is None or camera is None or camera.owner is None or person.role not in _GRID:
        raise Refusal(422, "no_person", zh="只能给网格员看", en="Only grid people can be let in")
    web.homes.grant(alert_id=alert.id, owner=camera.owner, person=person.id)
    _audit(web, viewer, "view-granted", alert, f"to {person.id} for 30 minutes")


def _call(web: Web, viewer: Viewer, alert: AlertView, whom: str) -> None:
    """Calling for help is consent for this alert, whatever the home agreed to otherwise."""
    camera = web.site.camera(alert.camera_id)
    owner = camera.owner if camera is not None and camera.owner is not None else viewer.person_id
    web.fallbacks.call(alert.id, owner)
    _audit(web, viewer, "owner-called", alert, whom)


def _settle(web: Web, viewer: Viewer, alert: AlertView, outcome: Outcome, note: str) -> None:
    """Answer, report and close in one: each step is audited as its own transition."""
    if alert.state is State.OPEN:
        web.service.acknowledge(viewer, alert.id, version=None)
    if alert.state is not State.DONE:
        web.service.report(viewer, alert.id, note=note)
    web.service.close(viewer, alert.id, outcome=outcome)
    web.reports.file(
        web.reports.new(
            alert_id=alert.id,
            person=viewer.person_id,
            kind="answered",
            note=note,
            outcome=str(outcome),
        )
    )


def _audit(web: Web, viewer: Viewer, action: str, alert: AlertView, detail: str) -> None:
    web.audit.append(
        actor=viewer.person_id, action=action, object=f"alert {alert.id}", detail=detail
    )
