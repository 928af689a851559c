"""Shell: static files, manifest, service worker and the page shown without a network."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from alerts.web.base import errors
from alerts.web.people.auth import WebParts

FOREVER = "public, max-age=31536000, immutable"
BRIEFLY = "public, max-age=300"

router = APIRouter(include_in_schema=False)


@router.get("/static/{version}/{name}")
def asset(request: Request, web: WebParts, version: str, name: str) -> Response:
    """One of our files; an address with the current version may be kept for ever."""
    found = web.assets.find(name)
    if found is None:
        raise errors.not_found()
    headers = {
        "Cache-Control": FOREVER if version == web.assets.version else BRIEFLY,
        "Vary": "Accept-Encoding",
    }
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        return Response(found.packed, media_type=found.media_type, headers=headers)
    return Response(found.body, media_type=found.media_type, headers=headers)


@router.get("/favicon.ico")
def favicon(web: WebParts) -> Response:
    """Browsers ask for it by itself."""
    icon = web.assets.find("icon.svg")
    if icon is None:
        raise errors.not_found()
    return Response(icon.body, media_type=icon.media_type, headers={"Cache-Control": BRIEFLY})


@router.get("/sw.js")
def service_worker(web: WebParts) -> Response:
    """The service worker, from the root so that its scope is the whole site."""
    script = web.assets.find("sw.js")
    if script is None:
        raise errors.not_found()
    return Response(
        script.body, media_type=script.media_type, headers={"Cache-Control": "no-cache"}
    )


@router.get("/offline")
def offline_page(request: Request, web: WebParts) -> Response:
    """Shown by the service worker when there is no network; holds nothing about anybody."""
    page = web.templates.TemplateResponse(request, "offline.html", {})
    page.headers["Cache-Control"] = BRIEFLY
    return page


@router.get("/manifest.webmanifest")
def manifest(web: WebParts) -> Response:
    """What installs the page as an app (W3C Web Application Manifest)."""
    body = {
        "id": "/",
        "name": f"门神 · {web.site.county.name}",
        "short_name": "门神",
        "description": "告警接收与处理 Alerts, received and answered",
        "lang": "zh-CN",
        "start_url": "/",
        "scope": "/",
        "display": "standalone",
        "background_color": "#10161c",
        "theme_color": "#10161c",
        "icons": [
            {
                "src": web.assets.url("icon.svg"),
                "sizes": "any",
                "type": "image/svg+xml",
                "purpose": "any",
            },
            {
                "src": web.assets.url("icon-maskable.svg"),
                "sizes": "any",
                "type": "image/svg+xml",
                "purpose": "maskable",
            },
            *(
                {
                    "src": web.assets.url(f"icon-{side}.png"),
                    "sizes": f"{side}x{side}",
                    "type": "image/png",
                    "purpose": "any",
                }
                for side in (192, 512)
            ),
        ],
    }
    return JSONResponse(
        body, media_type="application/manifest+json", headers={"Cache-Control": BRIEFLY}
    )
