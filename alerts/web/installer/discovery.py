"""Discovery: a node searches its own network for cameras, and the installer reads what answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Header, Path, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import SecretStr, TypeAdapter
from sqlalchemy import Engine, delete, insert, select, update

from alerts.web.base import errors
from alerts.web.base.errors import Refusal
from alerts.web.base.node_door import stranger, told_by
from alerts.web.base.render import page
from alerts.web.people.auth import Installer, WebParts
from alerts.web.schema import discoveries
from config.clock import Clock
from config.discovery import DOOR_PATH, DiscoveryReport, FoundCamera
from config.live import Discover
from ingest.engine import reading, writing
from ingest.live import LiveRelay

NodeId = Annotated[str, Path(max_length=63)]
PATIENCE = timedelta(seconds=30)
"""A search takes a few seconds; after this it has failed."""
BY_HAND = "node"
"""Who asked for a search that was started at the node itself."""
_CAMERAS: TypeAdapter[tuple[FoundCamera, ...]] = TypeAdapter(tuple[FoundCamera, ...])


@dataclass(frozen=True, slots=True)
class Search:
    """The newest search of one node; ``phase`` is ``running``, ``failed`` or ``done``."""

    node: str
    phase: str
    asked_at: datetime
    reported_at: datetime | None
    cameras: tuple[FoundCamera, ...]
    problem: str


class Discoveries:
    """The newest search of every node."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def begin(self, node: str, *, by: str) -> None:
        """A search was asked for; what the one before it found is forgotten."""
        self._replace(node, by=by, reported_at=None, report=DiscoveryReport())

    def report(self, node: str, report: DiscoveryReport) -> None:
        """A node says what it has found, whether it was asked or not."""
        values = {
            "reported_at": self._clock.now(),
            "body": _CAMERAS.dump_json(report.cameras).decode(),
            "problem": report.problem.replace("\0", ""),
        }
        with writing(self._engine) as connection:
            change = update(discoveries).where(discoveries.c.node == node).values(**values)
            if connection.execute(change).rowcount:
                return
        self._replace(node, by=BY_HAND, reported_at=values["reported_at"], report=report)

    def all(self) -> dict[str, Search]:
        """By node."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(discoveries)).all()
        late = self._clock.now() - PATIENCE
        found = {}
        for row in rows:
            phase = "done" if not row.problem else "failed"
            if row.reported_at is None:
                phase = "running" if row.asked_at > late else "failed"
            cameras = _CAMERAS.validate_json(row.body)
            found[row.node] = Search(
                row.node, phase, row.asked_at, row.reported_at, cameras, row.problem
            )
        return found

    def _replace(self, node: str, *, by: str, reported_at: object, report: DiscoveryReport) -> None:
        with writing(self._engine) as connection:
            connection.execute(delete(discoveries).where(discoveries.c.node == node))
            connection.execute(
                insert(discoveries).values(
                    node=node,
                    asked_at=self._clock.now(),
                    asked_by=by,
                    reported_at=reported_at,
                    body=_CAMERAS.dump_json(report.cameras).decode(),
                    problem=report.problem.replace("\0", ""),
                )
            )


def discovery_router(relay: LiveRelay, tokens: Mapping[str, SecretStr]) -> APIRouter:
    """The installer's page, and the door where nodes report.

    Args:
        relay: through it a node is asked: its live link is the only way in behind NAT.
        tokens: the bearer token of each node.
    """
    router = APIRouter(include_in_schema=False)

    @router.get("/discovery")
    def discovery_page(request: Request, web: WebParts, visitor: Installer) -> Response:
        """Every node with what its last search has found."""
        searches = Discoveries(web.engine, web.clock).all()
        known = {host_of(camera.url): camera.name for camera in web.site.cameras}
        nodes = [(node, relay.is_online(node.id)) for node in web.site.nodes]
        return page(
            request, web, visitor, "discovery.html", nodes=nodes, searches=searches, known=known
        )

    @router.post("/discovery/{node_id}")
    async def ask(web: WebParts, visitor: Installer, node_id: NodeId) -> Response:
        """Ask a node to search now."""
        if not any(node.id == node_id for node in web.site.nodes):
            raise errors.not_found()
        if not relay.tell(node_id, Discover()):
            raise Refusal(
                409,
                "node_not_linked",
                zh="节点现在没有连上中心；可在节点上运行 menshen edge discover --centre …",
                en="The node is not linked now; run menshen edge discover --centre … on it",
            )
        call = web.broadcaster.call
        await call(lambda: Discoveries(web.engine, web.clock).begin(node_id, by=visitor.person.id))
        await call(
            lambda: web.audit.append(
                actor=visitor.person.id, action="discovery-asked", object=f"node {node_id}"
            )
        )
        return RedirectResponse("/discovery", status_code=303)

    @router.put(DOOR_PATH)
    async def report(
        request: Request,
        web: WebParts,
        node: Annotated[str, Header(alias="x-menshen-node", max_length=63)] = "",
        authorization: Annotated[str, Header()] = "",
    ) -> Response:
        """A node reports (``DiscoveryReport``, at most 256 KiB)."""
        if (refusal := stranger(tokens, node=node, authorization=authorization)) is not None:
            return refusal
        told = await told_by(request, DiscoveryReport)
        if isinstance(told, Response):
            return told
        store = Discoveries(web.engine, web.clock)
        await web.broadcaster.call(lambda: store.report(node, told))
        return Response(status_code=204)

    return router


def host_of(url: str) -> str:
    """The host of a camera's stream address."""
    return url.split("://", 1)[1].split("/", 1)[0].rpartition("@")[2].rsplit(":", 1)[0]
