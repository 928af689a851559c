"""Context: the parts one web process is made of, handed to every endpoint."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.templating import Jinja2Templates
from sqlalchemy import Engine

from alerts.audit import AuditLog
from alerts.service import AlertService
from alerts.web.accounts import Accounts
from alerts.web.armings import Armings
from alerts.web.assets import Assets
from alerts.web.broadcast import Broadcaster
from alerts.web.card_cache import CardCache
from alerts.web.drawings import Drawings
from alerts.web.exporting import Exports
from alerts.web.homes import Homes
from alerts.web.invitations import Invitations
from alerts.web.login_form import LoginForm
from alerts.web.metrics import Metrics
from alerts.web.reports import FieldReports
from alerts.web.second_factors import SecondFactors
from alerts.web.seen import Seen
from alerts.web.sessions import Sessions
from alerts.web.signs import Signs
from alerts.web.swaps import Swaps
from alerts.web.throttle import Throttle
from alerts.web.watching import WatchList
from config.clock import Clock
from config.site import Role, Site
from ingest.media import MediaStore


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
    armings: Armings
    seen: Seen
    drawings: Drawings
    invitations: Invitations
    watch_list: WatchList
    exports: Exports
    second_factors: SecondFactors
    factor_roles: frozenset[Role]
    cards: CardCache
    metrics: Metrics
    assets: Assets
    templates: Jinja2Templates


def web_of(request: Request) -> Web:
    """The parts of the application that serves this request."""
    web: Web = request.app.state.web
    return web
