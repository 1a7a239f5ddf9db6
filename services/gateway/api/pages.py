"""The FastAPI part: provider information, health, documentation and the landing page. All of it is public."""

from __future__ import annotations

import base64
import html
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol
from xml.sax.saxutils import quoteattr

import orjson
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from runtime.http.errors import ApiError
from services.gateway.api.openapi import add_file_routes
from services.gateway.api.rest.router import FileRoutes

PREFIX = "/api/v3/oneprovider"

#: One transparent pixel; browsers load it to see whether they reach this provider.
_PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)


class ProviderInfo(Protocol):
    """What anybody may know of this provider."""

    def configuration(self) -> dict[str, Any]:
        """The document of `/configuration`."""
        ...

    def components(self) -> dict[str, bool]:
        """By name, whether each part the gateway needs is in rotation."""
        ...

    async def zone_connected(self) -> bool:
        """Whether the zone answers."""
        ...


def build_pages(info: ProviderInfo, routes: FileRoutes, version: str) -> FastAPI:
    """The application. It holds no state; routes of files are described in its OpenAPI, not served by it."""
    app = FastAPI(
        title="Isthmus provider",
        version=version,
        description="One namespace over islands of storage.",
        docs_url="/docs",
        redoc_url=None,
        redirect_slashes=False,
    )
    _add_provider_routes(app, info)
    _add_host_routes(app, info)
    app.add_exception_handler(HTTPException, _without_body)
    add_file_routes(app, routes)
    return app


async def _without_body(_: Request, error: Exception) -> Response:
    """Unknown routes and methods are answered without a body, as the original does."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for nothing else
    return Response(status_code=error.status_code, headers=dict(error.headers or {}))


def _add_provider_routes(app: FastAPI, info: ProviderInfo) -> None:
    async def configuration() -> Response:
        return _json(info.configuration())

    async def health() -> Response:
        missing = sorted(name for name, up in info.components().items() if not up)
        if missing:
            error = ApiError("internalServerError")
            return Response(error.body(), error.status, media_type="application/json")
        return _json({"status": "healthy"})

    async def test_image() -> Response:
        return Response(_PIXEL, media_type="image/png")

    described = [
        ("/configuration", configuration, "Who this provider is and which versions fit"),
        ("/health", health, "Whether this provider can serve"),
        ("/test_image", test_image, "An image of one pixel, to try the connection"),
    ]
    for path, endpoint, summary in described:
        _add(app, PREFIX + path, endpoint, summary)
    app.add_api_route("/configuration", configuration, methods=["GET"], include_in_schema=False)


def _add_host_routes(app: FastAPI, info: ProviderInfo) -> None:
    async def landing() -> Response:
        return Response(_landing(info.configuration()), media_type="text/html; charset=utf-8")

    async def healthz() -> Response:
        return Response(b"ok", media_type="text/plain")

    async def nagios() -> Response:
        return Response(_nagios(info.components()), media_type="application/xml")

    async def oz_connectivity() -> Response:
        return _json({"status": "ok" if await info.zone_connected() else "error"})

    for path, endpoint in (
        ("/", landing),
        ("/healthz", healthz),
        ("/nagios", nagios),
        ("/nagios/oz_connectivity", oz_connectivity),
    ):
        app.add_api_route(path, endpoint, methods=["GET"], include_in_schema=False)


def _add(app: FastAPI, path: str, endpoint: Callable[[], Awaitable[Response]], summary: str) -> None:
    app.add_api_route(path, endpoint, methods=["GET"], summary=summary, tags=["provider"])


def _json(value: Any) -> Response:
    return Response(orjson.dumps(value), media_type="application/json")


def _nagios(components: dict[str, bool]) -> str:
    """The XML that monitoring reads; 200 even when something is down."""
    status = "ok" if all(components.values()) else "error"
    rows = "".join(
        f"<{name} status={quoteattr('ok' if up else 'error')}/>" for name, up in sorted(components.items())
    )
    now = time.strftime("%Y/%m/%d %H:%M:%S", time.gmtime())
    return (
        '<?xml version="1.0"?>'
        f'<healthdata date="{now}" status="{status}">'
        f'<op_worker name="isthmus" status="{status}">{rows}</op_worker></healthdata>'
    )


def _landing(configuration: dict[str, Any]) -> str:
    name = html.escape(str(configuration.get("name") or "Isthmus"))
    return (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        f"<title>{name}</title>"
        "<style>body{font:16px/1.5 sans-serif;max-width:40em;margin:4em auto;padding:0 1em}</style>"
        f"<h1>{name}</h1><p>This is an Isthmus provider: one namespace over islands of storage.</p>"
        "<ul><li><a href=/docs>REST API</a> under <code>/api/v3/oneprovider</code></li>"
        "<li>CDMI 1.1.1 under <code>/cdmi/</code></li></ul></html>"
    )
