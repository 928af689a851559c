"""Roll-out: what each node shall run and does run, what has been drawn since, and sending it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Form, Path, Request
from fastapi.responses import RedirectResponse, Response

from alerts.web.base import errors
from alerts.web.base.errors import Refusal
from alerts.web.base.render import page
from alerts.web.context import Web
from alerts.web.installer.drawings import with_drawing
from alerts.web.people.auth import Installer, WebParts
from config.desired import DesiredConfig
from config.site import Camera, LegalClass, Node
from ingest.configs import ConfigState, ConfigStore

router = APIRouter(prefix="/rollout", include_in_schema=False)
NodeId = Annotated[str, Path(max_length=63)]


@dataclass(frozen=True, slots=True)
class NodePlan:
    """One node: how far it is, and which cameras would change if it were sent everything now.

    ``phase`` is ``never`` (nothing was sent), ``sent`` (no report yet), ``trying``, ``applied``,
    ``refused`` or ``rolled_back``.
    """

    node: Node
    phase: str
    state: ConfigState | None
    changes: tuple[Camera, ...]
    homes: int
    """Cameras of homes among what would change; whose, an installer need not know."""


@router.get("")
def rollout_page(request: Request, web: WebParts, visitor: Installer) -> Response:
    """Every node with what it runs; those that need somebody on top."""
    plans = sorted(_plans(web), key=lambda plan: (_ORDER[plan.phase], plan.node.id))
    return page(request, web, visitor, "rollout.html", plans=plans)


@router.post("/{node_id}")
def roll_out(
    web: WebParts,
    visitor: Installer,
    node_id: NodeId,
    wanted: Annotated[int, Form(ge=0)],
) -> Response:
    """Let a node run its cameras as the site describes them and as they were last drawn.

    ``wanted`` is the revision on the installer's page: who is second learns that before he
    sends something that he has not seen.
    """
    if not any(node.id == node_id for node in web.site.nodes):
        raise errors.not_found()
    store = ConfigStore(web.engine, web.clock)
    newest = next((state.wanted for state in store.states() if state.node == node_id), 0)
    if newest != wanted:
        raise Refusal(
            409,
            "sent_meanwhile",
            zh="别人刚刚下发过，请刷新后再看",
            en="Somebody else has sent a revision meanwhile; reload",
        )
    document = store.want(node_id, _cameras(web, node_id))
    web.audit.append(
        actor=visitor.person.id,
        action="configuration-sent",
        object=f"node {node_id}",
        detail=f"revision {document.revision}, {len(document.cameras)} cameras",
    )
    return RedirectResponse("/rollout", status_code=303)


_ORDER = {"refused": 0, "rolled_back": 0, "trying": 1, "sent": 1, "never": 2, "applied": 3}


def _plans(web: Web) -> list[NodePlan]:
    store = ConfigStore(web.engine, web.clock)
    states = {state.node: state for state in store.states()}
    wanted = {document.node: document for document in store.wanted()}
    plans = []
    for node in web.site.nodes:
        changes = _changes(
            wanted.get(node.id), web.site.cameras_of(node.id), _cameras(web, node.id)
        )
        homes = [camera for camera in changes if camera.legal_class is LegalClass.HOME]
        plans.append(
            NodePlan(
                node=node,
                phase=_phase(states.get(node.id)),
                state=states.get(node.id),
                changes=tuple(camera for camera in changes if camera not in homes),
                homes=len(homes),
            )
        )
    return plans


def _phase(state: ConfigState | None) -> str:
    """A report that is older than what was sent last says nothing of it."""
    if state is None:
        return "never"
    is_answered = state.reported_at is not None and state.reported_at >= state.issued_at
    return state.state if is_answered and state.state is not None else "sent"


def _cameras(web: Web, node_id: str) -> list[Camera]:
    found = []
    for camera in web.site.cameras_of(node_id):
        revision = web.drawings.newest(camera.id)
        found.append(camera if revision is None else with_drawing(camera, revision.drawing))
    return found


def _changes(
    sent: DesiredConfig | None, installed: tuple[Camera, ...], now: list[Camera]
) -> list[Camera]:
    """Cameras that differ from what the node was sent last, or else installed with."""
    before = {camera.id: camera for camera in (installed if sent is None else sent.cameras)}
    return [camera for camera in now if before.get(camera.id) != camera]
