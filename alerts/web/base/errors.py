"""Refusals: every "no" of the web in both languages, as a page or as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exception_handlers import request_validation_exception_handler
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from alerts.seeing.service import AlertConflict, AlertNotVisible
from ingest.media import MediaError


class ErrorWords(BaseModel):
    """Why not, for a program (``code``) and for a person."""

    code: str
    zh: str
    en: str


class ErrorBody(BaseModel):
    """The body of every answer that is not a success."""

    error: ErrorWords


class Refusal(Exception):  # noqa: N818 - an answer, not a fault
    """The web says no: status, a code for programs, and words in both languages."""

    def __init__(
        self, status: int, code: str, *, zh: str, en: str, headers: Mapping[str, str] | None = None
    ) -> None:
        self.status = status
        self.words = ErrorWords(code=code, zh=zh, en=en)
        self.headers = dict(headers or {})
        super().__init__(f"{status} {code}")


def not_logged_in() -> Refusal:
    """401: no living session."""
    return Refusal(
        401, "not_logged_in", zh="登录已失效，请重新登录", en="Your session has ended; log in again"
    )


def not_found() -> Refusal:
    """404: absent, or not this person's to see; which of the two is not told."""
    return Refusal(
        404, "not_found", zh="找不到，或不在您的范围内", en="Not found, or not yours to see"
    )


def forbidden() -> Refusal:
    """403: the role may not do this."""
    return Refusal(403, "forbidden", zh="您的角色不能这样做", en="Your role may not do this")


def csrf_refused() -> Refusal:
    """403: the request did not come from our own page."""
    return Refusal(
        403,
        "csrf",
        zh="页面已过期，请刷新后再试",
        en="This page is out of date; reload it and try again",
    )


def wrong_code() -> Refusal:
    """401: the second factor's code is wrong, old or used."""
    return Refusal(
        401,
        "wrong_code",
        zh="动态码不对或已用过，请等下一个",
        en="The code is wrong or was used; wait for the next one",
    )


def enrol_first() -> Refusal:
    """403: this role works only with a second factor."""
    return Refusal(
        403,
        "enrol_first",
        zh="请先绑定手机动态码",
        en="Confirm a phone for one-time codes first",
    )


def conflict(error: AlertConflict) -> Refusal:
    """409: somebody was first."""
    who = error.first_by
    zh = f"{who} 已先接手" if who else "这条告警已不在待处理状态"
    return Refusal(409, "conflict", zh=zh, en=error.problem)


RESPONSES: dict[int | str, dict[str, object]] = {
    status: {"model": ErrorBody, "description": text}
    for status, text in {
        401: "No living session",
        403: "The role may not, or the CSRF token is missing",
        404: "Absent, or not yours to see",
    }.items()
}
"""What every private endpoint of the API may answer besides success, for OpenAPI."""


def wants_page(request: Request) -> bool:
    """True for a person's browser moving between pages."""
    return not request.url.path.startswith("/api/") and "text/html" in request.headers.get(
        "accept", ""
    )


def install(app: FastAPI) -> None:
    """Answer refusals of the web, of the service and of the framework in one form."""

    @app.exception_handler(Refusal)
    async def refused(request: Request, error: Refusal) -> Response:
        if error.status == 401 and request.method == "GET" and wants_page(request):
            target = quote(request.url.path, safe="/")
            return RedirectResponse(f"/login?next={target}", status_code=303)
        if error.words.code == "enrol_first" and wants_page(request):
            return RedirectResponse("/account/second-factor", status_code=303)
        if wants_page(request):
            page: Response = request.app.state.web.templates.TemplateResponse(
                request, "error.html", {"error": error}, status_code=error.status
            )
            page.headers.update(error.headers)
            return page
        body = ErrorBody(error=error.words).model_dump()
        return JSONResponse(body, status_code=error.status, headers=error.headers)

    @app.exception_handler(AlertNotVisible)
    async def not_visible(request: Request, _: AlertNotVisible) -> Response:
        return await refused(request, not_found())

    @app.exception_handler(AlertConflict)
    async def conflicted(request: Request, error: AlertConflict) -> Response:
        return await refused(request, conflict(error))

    @app.exception_handler(MediaError)
    async def media_away(request: Request, error: MediaError) -> Response:
        zh = "证据存储暂时无法访问" if error.status == 503 else "文件无法接收"
        return await refused(request, Refusal(error.status, "media", zh=zh, en=error.problem))

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> Response:
        known = {
            404: not_found(),
            405: Refusal(405, "method", zh="不支持", en="Method not allowed"),
        }
        words = Refusal(
            error.status_code,
            "http",
            zh="请求无法处理",
            en=str(error.detail),
            headers=error.headers,
        )
        return await refused(request, known.get(error.status_code, words))

    @app.exception_handler(RequestValidationError)
    async def not_as_asked(request: Request, error: RequestValidationError) -> Response:
        if not wants_page(request):
            return await request_validation_exception_handler(request, error)
        fields = ", ".join(dict.fromkeys(str(one["loc"][-1]) for one in error.errors()))
        words = Refusal(
            422,
            "form",
            zh=f"填写不完整或不正确（{fields}），请返回修改",
            en=f"Something is missing or wrong ({fields}); go back and change it",
        )
        return await refused(request, words)

    @app.exception_handler(500)
    async def broken(request: Request, _: Exception) -> Response:
        words = Refusal(
            500, "broken", zh="服务器出错，已记录，请稍后再试", en="Something broke here; try again"
        )
        return await refused(request, words)
