"""Search: past alerts by place, kind and time, with a stated purpose; audited before it runs."""

from __future__ import annotations

import json
from datetime import datetime, time, timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response
from sqlalchemy import ColumnElement

from alerts.seeing import reading
from alerts.seeing.service import AlertView
from alerts.store.schema import alerts
from alerts.web.base.errors import Refusal
from alerts.web.base.render import page
from alerts.web.context import Web
from alerts.web.people.auth import Searcher, Visitor, WebParts
from config.event import EventKind

router = APIRouter(prefix="/search", include_in_schema=False)
LONGEST_DAYS = 7
"""A search across cameras for longer would be somebody's trail."""
LIMIT = 200


@router.get("")
def search_page(request: Request, web: WebParts, visitor: Searcher) -> Response:
    """The empty form."""
    today = web.clock.now().astimezone(web.zone).date()
    form = {"first": str(today), "last": str(today)}
    return page(request, web, visitor, "search.html", form=form, found=None, kinds=EventKind)


@router.post("")
def search(
    request: Request,
    web: WebParts,
    visitor: Searcher,
    purpose: Annotated[str, Form(max_length=300)] = "",
    case_number: Annotated[str, Form(max_length=64)] = "",
    first: Annotated[str, Form(max_length=10)] = "",
    last: Annotated[str, Form(max_length=10)] = "",
    camera: Annotated[str, Form(max_length=63)] = "",
    grid: Annotated[str, Form(max_length=63)] = "",
    kind: Annotated[str, Form(max_length=16)] = "",
    plate: Annotated[str, Form(max_length=16)] = "",
) -> Response:
    """Run it: a purpose always, a case number for a plate, at most seven days."""
    text = "".join(plate.split()).upper().replace("·", "")
    if len(purpose.strip()) < 4:
        raise _refused("请写明查询目的", "State the purpose")
    if text and not case_number.strip():
        raise _refused("按车牌查询需要案件编号", "Searching for a plate needs a case number")
    conditions = [*_span(web, first, last)]
    if camera:
        conditions.append(alerts.c.camera == camera)
    if grid:
        conditions.append(alerts.c.grid == grid)
    if kind:
        conditions.append(alerts.c.kind == kind)
    if text:
        # Before the newest are taken: else hundreds of other plates would hide the one asked for.
        wanted = f'"text":{json.dumps(text, ensure_ascii=False)}'
        conditions.append(alerts.c.plate.contains(wanted, autoescape=True))
    asked = f"{first}..{last} camera={camera} grid={grid} kind={kind} plate={text}"
    # Written first: a search that cannot be audited does not happen.
    web.audit.append(
        actor=visitor.person.id,
        action="search",
        object=f"case {case_number.strip()}" if case_number.strip() else "alerts",
        detail=f"purpose: {purpose.strip()}; {asked}",
    )
    found = _find(web, visitor, conditions)
    is_cut = len(found) > LIMIT
    found = found[:LIMIT]
    if text:
        found = [alert for alert in found if alert.plate is not None and alert.plate.text == text]
    form = {
        "purpose": purpose,
        "case_number": case_number,
        "first": first,
        "last": last,
        "camera": camera,
        "grid": grid,
        "kind": kind,
        "plate": plate,
    }
    return page(
        request,
        web,
        visitor,
        "search.html",
        form=form,
        found=found,
        shown_only=LIMIT if is_cut else None,
        kinds=EventKind,
    )


def _find(web: Web, visitor: Visitor, conditions: list[ColumnElement[bool]]) -> list[AlertView]:
    rows = reading.found_rows(web.engine, visitor.viewer, conditions, LIMIT + 1)
    return reading.build_views(web.engine, web.site, visitor.viewer, rows)


def _span(web: Web, first: str, last: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    try:
        days = [datetime.strptime(text, "%Y-%m-%d").date() for text in (first, last)]
        start = datetime.combine(days[0], time(), web.zone)
        end = datetime.combine(days[1], time(), web.zone) + timedelta(days=1)
    except (ValueError, OverflowError):
        raise _refused("请选择起止日期", "Choose the first and the last day") from None
    if not timedelta(0) < end - start <= timedelta(days=LONGEST_DAYS):
        raise _refused("起止日期最多相隔 7 天", "At most seven days")
    return alerts.c.opened_at >= start, alerts.c.opened_at < end


def _refused(zh: str, en: str) -> Refusal:
    return Refusal(422, "search_rules", zh=zh, en=en)
