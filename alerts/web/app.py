"""Application: wires pages, API, stream and pictures into one ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from argon2 import PasswordHasher
from fastapi import APIRouter, FastAPI
from fastapi.templating import Jinja2Templates
from sqlalchemy import Engine

from alerts.auditing.audit import AuditLog
from alerts.seeing.service import AlertService
from alerts.telling.answers import KEY_NAME, Answers
from alerts.web.alert import answer_link, api, cards, handling, pages, pictures, stream
from alerts.web.alert.broadcast import Broadcaster
from alerts.web.alert.card_cache import CardCache
from alerts.web.alert.reports import FieldReports
from alerts.web.base import errors, health, shell
from alerts.web.base.assets import Assets
from alerts.web.base.headers import SecurityHeaders
from alerts.web.base.keys import shared_key
from alerts.web.base.limits import BodyLimit
from alerts.web.base.metrics import Metrics
from alerts.web.base.seals import Seals, missing_key
from alerts.web.camera import cameras, notice
from alerts.web.camera.seen import Seen
from alerts.web.camera.signs import Signs
from alerts.web.context import Web
from alerts.web.grid import calendars, duty, leave_pages
from alerts.web.grid.calendar_links import CalendarLinks
from alerts.web.grid.leaves import Leaves
from alerts.web.grid.swaps import Swaps
from alerts.web.home import fallback_pages
from alerts.web.home import pages as home
from alerts.web.home.armings import Armings
from alerts.web.home.fallbacks import Fallbacks
from alerts.web.home.homes import Homes
from alerts.web.installer import devices, draw, rollout
from alerts.web.installer.drawings import Drawings
from alerts.web.notify.choices import choices_router
from alerts.web.notify.receipts import receipts_router
from alerts.web.people import account_pages, invite, login_pages, oidc_pages
from alerts.web.people.accounts import Accounts
from alerts.web.people.invitations import Invitations
from alerts.web.people.login_form import LoginForm
from alerts.web.people.oidc import oidc_client
from alerts.web.people.second_factors import SecondFactors
from alerts.web.people.sessions import Sessions
from alerts.web.people.throttle import Throttle
from alerts.web.police import audit_page, county_map, export, figures, holds, search, watch
from alerts.web.police.exporting import Exports
from alerts.web.police.watching import WatchList
from alerts.web.quiet import digests, silences, wartime
from config.clock import Clock
from config.secrets import Secrets
from config.site import Role, Site
from ingest.media import MediaStore
from ingest.trouble import Troubles

TEMPLATES = Path(__file__).parent / "templates"
MEDIA_PREFIX = "/v1/media/"
OURS = (
    api.router,
    stream.router,
    pictures.router,
    pages.router,
    answer_link.router,
    handling.router,
    duty.router,
    leave_pages.router,
    calendars.router,
    home.router,
    fallback_pages.router,
    devices.router,
    draw.router,
    rollout.router,
    cameras.router,
    invite.router,
    login_pages.router,
    oidc_pages.router,
    account_pages.router,
    watch.router,
    county_map.router,
    search.router,
    export.router,
    holds.router,
    audit_page.router,
    figures.router,
    digests.router,
    silences.router,
    wartime.router,
    notice.router,
    shell.router,
    health.router,
)


def create_app(
    *,
    service: AlertService,
    engine: Engine,
    site: Site,
    secrets: Secrets,
    media: MediaStore,
    clock: Clock,
    routers: Sequence[APIRouter] = (),
    hasher: PasswordHasher | None = None,
    factor_roles: frozenset[Role] = frozenset(),
    troubles: Troubles | None = None,
) -> FastAPI:
    """The web of one county, as an ASGI application.

    Args:
        service: what may be asked of alerts.
        engine: a migrated database; accounts are brought in line with ``secrets`` here.
        site: people and places.
        secrets: passwords of the people who may log in, and the key that seals what is stored.
        media: where evidence files lie.
        clock: the only source of time.
        routers: doors of others served at the same address (the nodes' media door).
        hasher: argon2id parameters, where the default (64 MiB) does not suit the machine.
        factor_roles: roles that work only with a second factor; others may have one.
        troubles: the parts of this process that cannot store, for readiness and metrics.

    Raises:
        UserError: something is stored that is sealed, or must be, and its key is not in
            ``secrets``.

    Run it with :class:`alerts.web.server.WebServer`, which ends open streams when it stops.
    """
    sessions, homes = Sessions(engine, clock), Homes(engine, clock)
    seals = Seals.of(secrets)
    second_factors = SecondFactors(engine, clock, seals)
    second_factors.seal_stored()
    if factor_roles and not seals.available:
        raise missing_key("one-time codes, which are required")
    web = Web(
        service=service,
        site=site,
        engine=engine,
        media=media,
        clock=clock,
        zone=ZoneInfo(site.county.zone),
        accounts=Accounts(engine, clock, hasher),
        sessions=sessions,
        throttle=Throttle(engine, clock),
        login_form=LoginForm(engine, clock),
        broadcaster=Broadcaster(service, sessions, homes),
        audit=AuditLog(engine, clock),
        homes=homes,
        reports=FieldReports(engine, clock),
        signs=Signs(engine, clock),
        swaps=Swaps(engine, site, clock),
        leaves=Leaves(engine, clock),
        calendars=CalendarLinks(engine, clock),
        answers=Answers(engine, clock, shared_key(engine, clock, KEY_NAME)),
        armings=Armings(engine, clock),
        fallbacks=Fallbacks(engine, clock),
        seen=Seen(engine),
        drawings=Drawings(engine, clock),
        invitations=Invitations(engine, clock),
        watch_list=WatchList(engine, clock),
        exports=Exports(engine, clock),
        second_factors=second_factors,
        oidc=oidc_client(site, secrets, clock),
        factor_roles=factor_roles,
        cards=CardCache(),
        metrics=Metrics(secrets.web.metrics_token),
        troubles=troubles or Troubles(clock),
        assets=Assets(),
        templates=_templates(),
    )
    web.templates.env.globals.update(asset=web.assets.url, site=site, assets=web.assets)
    names = partial(_person_name, site, web.homes)
    web.templates.env.globals["person_name"] = names
    web.templates.env.filters["person_name"] = names
    web.accounts.seed(site, secrets)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await web.broadcaster.start()
        try:
            yield
        finally:
            await web.broadcaster.close()

    app = FastAPI(
        title="Menshen 门神",
        summary="Alerts of one county: list, stream, pictures, answers.",
        version="1",
        lifespan=lifespan,
        openapi_url="/api/v1/openapi.json",
        # The documentation pages of the framework load scripts from another host.
        docs_url=None,
        redoc_url=None,
    )
    app.state.web = web
    app.add_middleware(BodyLimit, except_prefix=MEDIA_PREFIX)
    app.add_middleware(SecurityHeaders)
    errors.install(app)
    gateway_keys = {
        name: secret.key for name, secret in secrets.gateways.items() if secret.key is not None
    }
    told = choices_router(engine, site, secrets, clock), receipts_router(gateway_keys)
    for router in (*OURS, *told, *routers):
        app.include_router(router)
    return app


def _person_name(site: Site, homes: Homes, person_id: str | None) -> str:
    """How somebody is called; an id that is nobody's any more is shown as it is."""
    if person_id is None:
        return "—"
    person = site.person(person_id)
    member = homes.member(person_id) if person is None else None
    found = person or (member.person if member is not None else None)
    return found.name if found is not None else person_id


def _templates() -> Jinja2Templates:
    templates = Jinja2Templates(TEMPLATES)
    templates.env.trim_blocks = True
    templates.env.lstrip_blocks = True
    cards.prepare(templates)
    return templates
