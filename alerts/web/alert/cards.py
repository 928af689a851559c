"""Cards: one alert as HTML, the same for the first page and for the live stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi.templating import Jinja2Templates

from alerts.life.state import UNANSWERED, State
from alerts.seeing.service import AlertView
from alerts.web.base import words
from alerts.web.context import Web
from alerts.web.people.access import Action
from alerts.web.people.auth import Visitor

UNSURE_BELOW = 0.8
"""A plate character less probable than this is marked as doubtful."""


@dataclass(frozen=True, slots=True)
class Looks:
    """All that a card depends on of the person who sees it, besides the alert as they see it."""

    may_answer: bool
    may_review: bool


def looks(visitor: Visitor) -> Looks:
    """How cards look to this visitor."""
    return Looks(
        may_answer=visitor.may(Action.ANSWER_ALERTS),
        may_review=visitor.may(Action.REVIEW_MATCHES),
    )


def card_html(web: Web, visitor: Visitor, alert: AlertView) -> str:
    """The card of one alert for one visitor, as an HTML fragment."""
    return card_text(web, looks(visitor), alert, visitor.session.csrf_token)


def card_text(web: Web, looks: Looks, alert: AlertView, csrf_token: str) -> str:
    """The card of one alert for everybody to whom it looks so."""
    template = web.templates.env.get_template("_card.html")
    return template.render(
        _facts(web, alert),
        may_answer=looks.may_answer,
        may_review=looks.may_review,
        csrf_token=csrf_token,
    )


def card_context(web: Web, visitor: Visitor, alert: AlertView) -> dict[str, Any]:
    """What the template of one alert's page is given besides the template globals."""
    return {**_facts(web, alert), "visitor": visitor}


def _facts(web: Web, alert: AlertView) -> dict[str, Any]:
    return {
        "alert": alert,
        "what": what(alert),
        "now": web.clock.now(),
        "zone": web.zone,
        "waiting": alert.state in UNANSWERED,
        "over": alert.state in (State.CLOSED, State.SUPPRESSED),
    }


def what(alert: AlertView) -> words.Words:
    """What happened, without the camera's name, which a card shows above it anyway."""
    return words.Words(
        alert.title_zh.removeprefix(f"{alert.camera_name}："),
        alert.title_en.removeprefix(f"{alert.camera_name}: "),
    )


def order(alerts: list[AlertView]) -> list[AlertView]:
    """Unanswered first, then the loudest, then the newest: as the page's script keeps them."""
    return sorted(
        alerts,
        key=lambda a: (a.state in UNANSWERED, a.severity.rank, a.opened_at),
        reverse=True,
    )


def prepare(templates: Jinja2Templates) -> None:
    """Give every template the words and the ways to write time."""
    templates.env.globals.update(
        words=words,
        clock_text=words.clock_text,
        zone_text=words.zone_text,
        span_text=words.span_text,
        channel_words=words.channel_words,
        unsure_below=UNSURE_BELOW,
    )
