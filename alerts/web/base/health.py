"""Health: is the process alive, can it do its work, and how much has it done."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header
from fastapi.responses import JSONResponse, Response
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from alerts.web.base import errors
from alerts.web.base.store_metrics import store_metrics, trouble_metrics
from alerts.web.people.auth import WebParts
from ingest.engine import reading

router = APIRouter(tags=["health"])


@router.get("/healthz", summary="Is the process alive")
def healthz() -> dict[str, str]:
    """Always 200 while the process answers."""
    return {"status": "ok"}


@router.get("/readyz", summary="Can it do its work", responses={503: {"description": "Not now"}})
def readyz(web: WebParts) -> JSONResponse:
    """200 when the database answers, the stream runs and what came is stored, else 503.

    ``checks`` says which does not, ``problems`` why a part of this process cannot store.
    """
    problems = {part: trouble.problem for part, trouble in web.troubles.now().items()}
    checks = {
        "database": _database_answers(web),
        "stream": web.broadcaster.running,
        "storing": not problems,
    }
    ready = all(checks.values())
    body = {
        "status": "ready" if ready else "not ready",
        "checks": checks,
        "problems": problems,
    }
    return JSONResponse(body, status_code=200 if ready else 503)


@router.get(
    "/metrics",
    summary="Metrics in the Prometheus text format",
    response_class=Response,
    responses={
        401: {"description": "Not the token"},
        404: {"description": "No token is configured"},
    },
)
def metrics(web: WebParts, authorization: Annotated[str, Header()] = "") -> Response:
    """Counts only, for whoever holds the bearer token ``web.metrics_token`` of the secrets."""
    if not web.metrics.is_open:
        raise errors.not_found()
    if not web.metrics.may_read(authorization):
        return JSONResponse(
            {"problem": "wrong token", "remedy": "send web.metrics_token as a bearer token"},
            status_code=401,
            headers={"WWW-Authenticate": 'Bearer realm="metrics"'},
        )
    told = trouble_metrics(web.troubles) + web.metrics.text() + store_metrics(web.engine, web.clock)
    return Response(told, media_type="text/plain; version=0.0.4; charset=utf-8")


def _database_answers(web: WebParts) -> bool:
    try:
        with reading(web.engine) as connection:
            connection.execute(text("SELECT 1"))
    except SQLAlchemyError:
        return False
    return True
