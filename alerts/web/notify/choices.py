"""Notifications: one's own ways of being told, push on this browser, and hours of quiet."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Engine, delete, select

from alerts.channels.contacts import Contacts
from alerts.channels.push import public_key
from alerts.channels.schema import push_subscriptions, quiet_hours
from alerts.channels.subscriptions import Subscriptions
from alerts.web.base import errors
from alerts.web.base.errors import Refusal
from alerts.web.base.render import page
from alerts.web.people.auth import AnyVisitor, Reader, WebParts
from config.channel_site import EMAIL, WEBPUSH
from config.clock import Clock
from config.errors import UserError
from config.secrets import Secrets
from config.site import Site
from ingest.engine import insert_into, reading, writing

_HOUR = r"^([01]\d|2[0-3]):[0-5]\d$"


class PushKeys(BaseModel):
    """As ``PushSubscription.toJSON()`` gives them."""

    p256dh: str = Field(max_length=100)
    auth: str = Field(max_length=32)


class PushBody(BaseModel):
    """A browser that takes push messages (W3C Push API)."""

    model_config = ConfigDict(extra="ignore")
    endpoint: str = Field(max_length=1000)
    keys: PushKeys


class EndpointBody(BaseModel):
    """A browser that no longer does."""

    endpoint: str = Field(max_length=1000)


@dataclass(frozen=True, slots=True)
class Way:
    """One way of the page's list: ``is_usable`` when there is an address for it."""

    name: str
    kind: str
    is_usable: bool


def choices_router(engine: Engine, site: Site, secrets: Secrets, clock: Clock) -> APIRouter:
    """The page and the API behind its buttons."""
    router = APIRouter()
    kinds: dict[str, str] = {gateway.id: gateway.kind for gateway in site.gateways}
    own = {WEBPUSH: secrets.push is not None, EMAIL: secrets.smtp is not None}
    contacts = Contacts(site, secrets, {*kinds, *(name for name, there in own.items() if there)})
    hosts = secrets.push.hosts if secrets.push is not None else ()
    subscriptions = Subscriptions(engine, clock, hosts)
    key = public_key(secrets.push) if secrets.push is not None else None

    @router.get("/account/notifications", include_in_schema=False)
    def notifications_page(request: Request, web: WebParts, visitor: AnyVisitor) -> Response:
        with reading(engine) as connection:
            person = contacts.load(connection, [visitor.person.id])[visitor.person.id]
        ways = [Way(name, kinds.get(name, name), name in person.has) for name in person.order]
        return page(
            request,
            web,
            visitor,
            "notifications.html",
            ways=ways,
            quiet=person.quiet,
            has_push=key is not None,
            browsers=subscriptions.count(visitor.person.id),
        )

    @router.post("/account/notifications/quiet", include_in_schema=False)
    def set_quiet(
        visitor: AnyVisitor,
        starts: Annotated[str, Form(pattern=_HOUR)],
        ends: Annotated[str, Form(pattern=_HOUR)],
    ) -> Response:
        _set_quiet(engine, clock, visitor.person.id, starts, ends)
        return RedirectResponse("/account/notifications", status_code=303)

    @router.post("/account/notifications/quiet/end", include_in_schema=False)
    def end_quiet(visitor: AnyVisitor) -> Response:
        with writing(engine) as connection:
            mine = quiet_hours.c.person == visitor.person.id
            connection.execute(delete(quiet_hours).where(mine))
        return RedirectResponse("/account/notifications", status_code=303)

    @router.get("/api/v1/push/key", responses=errors.RESPONSES)
    def push_key(_: AnyVisitor) -> dict[str, str]:
        """Our public key, with which a browser subscribes; 404 where push is not set up."""
        if key is None:
            raise errors.not_found()
        return {"key": key}

    @router.post("/api/v1/push/subscriptions", status_code=204, responses=errors.RESPONSES)
    def subscribe(request: Request, visitor: Reader, body: PushBody) -> Response:
        """This browser takes push messages for whoever is logged in."""
        if key is None:
            raise errors.not_found()
        try:
            subscriptions.add(
                visitor.person.id,
                endpoint=body.endpoint,
                p256dh=body.keys.p256dh,
                auth=body.keys.auth,
                device=request.headers.get("user-agent", ""),
            )
        except UserError as error:
            raise Refusal(
                422, "bad_subscription", zh="不能使用这个浏览器的推送服务", en=str(error)
            ) from None
        return Response(status_code=204)

    @router.post("/api/v1/push/subscriptions/end", status_code=204, responses=errors.RESPONSES)
    def unsubscribe(visitor: AnyVisitor, body: EndpointBody) -> Response:
        """This browser takes none any more."""
        if not subscriptions.remove(visitor.person.id, body.endpoint):
            raise errors.not_found()
        return Response(status_code=204)

    return router


def forget_browsers(engine: Engine, person: str, *, like: str | None = None) -> int:
    """End push to a person's browsers; returns to how many.

    A message shows on a locked screen and can be answered there without a login, so ending the
    session of a lost phone is not enough. Which browser a session was of, only the browser's own
    words tell: ``like`` ends push to all that say the same of themselves but for numbers, which
    change with every version. The person's next way takes over.
    """
    table = push_subscriptions
    with writing(engine) as connection:
        rows = connection.execute(
            select(table.c.id, table.c.device).where(table.c.person == person)
        ).all()
        ended = [row.id for row in rows if like is None or _kind(row.device) == _kind(like)]
        connection.execute(delete(table).where(table.c.id.in_(ended)))
    return len(ended)


def _kind(device: str) -> str:
    return re.sub(r"[\d._]+", "", device)


def _set_quiet(engine: Engine, clock: Clock, person: str, starts: str, ends: str) -> None:
    values = {"person": person, "starts": starts, "ends": ends, "set_at": clock.now()}
    with writing(engine) as connection:
        statement = insert_into(connection, quiet_hours).values(values)
        connection.execute(statement.on_conflict_do_update(index_elements=["person"], set_=values))
