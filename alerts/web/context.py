"""Context: the parts one web process is made of, handed to every endpoint."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.templating import Jinja2Templates
from sqlalchemy import Engine

from alerts.auditing.audit import AuditLog
from alerts.seeing.service import AlertService
from alerts.telling.answers import Answers
from alerts.web.alert.broadcast import Broadcaster
from alerts.web.alert.card_cache import CardCache
from alerts.web.alert.reports import FieldReports
from alerts.web.base.assets import Assets
from alerts.web.base.metrics import Metrics
from alerts.web.camera.seen import Seen
from alerts.web.camera.signs import Signs
from alerts.web.grid.calendar_links import CalendarLinks
from alerts.web.grid.leaves import Leaves
from alerts.web.grid.swaps import Swaps
from alerts.web.home.armings import Armings
from alerts.web.home.fallbacks import Fallbacks
from alerts.web.home.homes import Homes
from alerts.web.installer.drawings import Drawings
from alerts.web.people.accounts import Accounts
from alerts.web.people.invitations import Invitations
from alerts.web.people.login_form import LoginForm
from alerts.web.people.oidc import OidcClient
from alerts.web.people.second_factors import SecondFactors
from alerts.web.people.sessions import Sessions
from alerts.web.people.throttle import Throttle
from alerts.web.police.exporting import Exports
from alerts.web.police.watching import WatchList
from config.clock import Clock
from config.site import Role, Site
from ingest.media import MediaStore
from ingest.trouble import Troubles


@dataclass(frozen=True, slots=True)
class Web:
    """Everything an endpoint may use; built once by ``create_app``."""

    service: AlertService
    site: Site
    engine: Engine
    media: MediaStore
    clock: Clock
    zone: ZoneInfo
    accounts: Accounts
    sessions: Sessions
    throttle: Throttle
    login_form: LoginForm
    broadcaster: Broadcaster
    audit: AuditLog
    homes: Homes
    reports: FieldReports
    signs: Signs
    swaps: Swaps
    leaves: Leaves
    calendars: CalendarLinks
    answers: Answers
    armings: Armings
    fallbacks: Fallbacks
    seen: Seen
    drawings: Drawings
    invitations: Invitations
    watch_list: WatchList
    exports: Exports
    second_factors: SecondFactors
    oidc: OidcClient | None
    factor_roles: frozenset[Role]
    cards: CardCache
    metrics: Metrics
    troubles: Troubles
    assets: Assets
    templates: Jinja2Templates


def web_of(request: Request) -> Web:
    """The parts of the application that serves this request."""
    web: Web = request.app.state.web
    return web
