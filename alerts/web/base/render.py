"""Render: a page for one visitor, with the menu of what their role may open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from alerts.wartime.orders import WartimeOrders
from alerts.web.context import Web
from alerts.web.people.access import Action
from alerts.web.people.auth import Visitor


@dataclass(frozen=True, slots=True)
class Place:
    """One entry of the menu; ``icon`` names a symbol of ``_icons.html``."""

    path: str
    zh: str
    en: str
    icon: str
    action: Action


MENU = (
    Place("/", "告警", "Alerts", "bell", Action.SEE_ALERTS),
    Place("/home", "我的家", "My home", "home", Action.MANAGE_HOME),
    Place("/duty", "值班", "Duty", "duty", Action.SEE_DUTY),
    Place("/map", "地图", "Map", "map", Action.SEE_MAP),
    Place("/review", "核对", "Review", "review", Action.REVIEW_MATCHES),
    Place("/watch", "布控", "Watch list", "watch", Action.WATCH_LIST),
    Place("/search", "查询", "Search", "search", Action.SEARCH),
    Place("/exports", "导出", "Exports", "export", Action.EXPORT),
    Place("/holds", "保全", "Holds", "hold", Action.HOLD),
    Place("/statistics", "统计", "Figures", "figures", Action.SEE_STATISTICS),
    Place("/silences", "静默", "Silences", "moon", Action.SILENCE),
    Place("/wartime", "战时", "Wartime", "shield", Action.ORDER_WARTIME),
    Place("/audit", "审计", "Audit", "audit", Action.READ_AUDIT),
    Place("/devices", "设备", "Devices", "camera", Action.SEE_DEVICES),
    Place("/discovery", "找摄像机", "Find cameras", "search", Action.SET_UP_CAMERAS),
    Place("/rollout", "下发", "Roll out", "rollout", Action.SET_UP_CAMERAS),
    Place("/cameras/import", "导入", "Import", "import", Action.SET_UP_CAMERAS),
    Place("/people", "人员", "People", "people", Action.INVITE),
)


def menu_of(visitor: Visitor) -> list[Place]:
    """What this person may open; a menu of one entry is none."""
    places = [place for place in MENU if visitor.may(place.action)]
    return places if len(places) > 1 else []


def page(
    request: Request, web: Web, visitor: Visitor, name: str, *, status: int = 200, **values: Any
) -> Response:
    """A template filled for one visitor."""
    context = {
        "visitor": visitor,
        "zone": web.zone,
        "now": web.clock.now(),
        "menu": menu_of(visitor),
        "here": request.url.path,
        "wartime": WartimeOrders(web.engine, web.site, web.clock).posture().orders,
        **values,
    }
    return web.templates.TemplateResponse(request, name, context, status_code=status)
