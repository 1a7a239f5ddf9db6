"""The FastAPI part: provider information, health, documentation and the landing page. All of it is public."""

from __future__ import annotations

import base64
import html
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol
from xml.sax.saxutils import quoteattr

import orjson
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from runtime.http.errors import ApiError
from services.gateway.api.docs import add_docs
from services.gateway.api.openapi import Entry
from services.gateway.api.rest.described import Schema, Shape, Told, json_object

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


def build_pages(info: ProviderInfo, described: Iterable[Entry], version: str) -> FastAPI:
    """The application. It holds no state. `described`: what others serve, for the document of the API."""
    app = FastAPI(title="Isthmus provider", openapi_url=None, redirect_slashes=False)
    entries = [*described, *_add_provider_routes(app, info), *_add_host_routes(app, info)]
    add_docs(app, entries, version)
    app.add_exception_handler(HTTPException, _without_body)
    return app


async def _without_body(_: Request, error: Exception) -> Response:
    """Unknown routes and methods are answered without a body, as the original does."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for nothing else
    return Response(status_code=error.status_code, headers=dict(error.headers or {}))


def _add_provider_routes(app: FastAPI, info: ProviderInfo) -> list[Entry]:
    async def configuration() -> Response:
        return _json(info.configuration())

    async def health() -> Response:
        missing = sorted(name for name, up in info.components().items() if not up)
        if missing:
            error = ApiError("serviceUnavailable" if missing == ["database"] else "internalServerError")
            return Response(error.body(), error.status, media_type="application/json")
        return _json({"status": "healthy"})

    async def test_image() -> Response:
        return Response(_PIXEL, media_type="image/png")

    who = "Who this provider is and which versions fit"
    return [
        _add(app, f"{PREFIX}/configuration", configuration, who, _CONFIGURATION),
        _add(app, f"{PREFIX}/health", health, "Whether this provider can serve", _HEALTH),
        _add(app, f"{PREFIX}/test_image", test_image, "An image of one pixel, to try the connection", _IMAGE),
        _add(app, "/configuration", configuration, f"{who}, at its old place", _CONFIGURATION),
    ]


def _add_host_routes(app: FastAPI, info: ProviderInfo) -> list[Entry]:
    async def landing() -> Response:
        return Response(_landing(info.configuration()), media_type="text/html; charset=utf-8")

    async def healthz() -> Response:
        return Response(b"ok", media_type="text/plain")

    async def nagios() -> Response:
        return Response(_nagios(info.components()), media_type="application/xml")

    async def oz_connectivity() -> Response:
        return _json({"status": "ok" if await info.zone_connected() else "error"})

    # Neither is for users: a page for people, and a question of Consul's.
    app.add_api_route("/", landing, methods=["GET", "HEAD"])
    app.add_api_route("/healthz", healthz, methods=["GET"])
    return [
        _add(app, "/nagios", nagios, "How the parts are, for monitoring", _NAGIOS),
        _add(
            app, "/nagios/oz_connectivity", oz_connectivity, "Whether the zone can be reached", _CONNECTIVITY
        ),
    ]


_TEXT: Schema = {"type": "string"}
_VERSIONS: Schema = {"anyOf": [{"type": "array", "items": _TEXT}, {"const": "unknown"}]}
_MAYBE_TEXT: Schema = {"type": ["string", "null"]}
_CONFIGURATION = json_object(
    {
        "providerId": _MAYBE_TEXT,
        "name": _MAYBE_TEXT,
        "domain": _MAYBE_TEXT,
        "onezoneDomain": _MAYBE_TEXT,
        "version": _TEXT,
        "build": _TEXT,
        "rtransferPort": {"type": "integer"},
        "compatibilityRegistryRevision": {"type": "integer"},
        "compatibleOnezoneVersions": _VERSIONS,
        "compatibleOneproviderVersions": _VERSIONS,
        "compatibleOneclientVersions": _VERSIONS,
    },
    {
        "providerId": "provider1", "name": "krakow", "domain": "provider.example.org",
        "onezoneDomain": "zone.example.org", "version": "21.02.8", "build": "unknown", "rtransferPort": 6665,
        "compatibilityRegistryRevision": 2024120100, "compatibleOnezoneVersions": ["21.02.8"],
        "compatibleOneproviderVersions": ["21.02.8"], "compatibleOneclientVersions": ["21.02.8"],
    },
    name="Configuration",
)  # fmt: skip
_HEALTH = json_object({"status": {"const": "healthy"}}, {"status": "healthy"})
_IMAGE = Shape({"type": "string", "format": "binary"}, media="image/png")
_NAGIOS = Shape(_TEXT, '<?xml version="1.0"?><healthdata status="ok"></healthdata>', "application/xml")
_CONNECTIVITY = json_object({"status": {"enum": ["ok", "error"]}}, {"status": "ok"})


def _add(
    app: FastAPI, path: str, endpoint: Callable[[], Awaitable[Response]], summary: str, shape: Shape
) -> Entry:
    app.add_api_route(path, endpoint, methods=["GET"])
    return Entry(path, "GET", summary, Told((shape,), tag="provider", public=True))


def _json(value: Any) -> Response:
    return Response(orjson.dumps(value), media_type="application/json")


#: What it means when one of these is not as it should be; of all others no instance is in rotation.
_TROUBLES = {"database": "error: its disk is full, changes are refused"}


def _nagios(components: dict[str, bool]) -> str:
    """The XML that monitoring reads; 200 even when something is down."""
    down = sorted(name for name, up in components.items() if not up)
    status = "ok"
    if down:
        full = down == ["database"]
        status = _TROUBLES["database"] if full else f"error: not in rotation: {', '.join(down)}"
    rows = "".join(
        f"<{name} status={quoteattr('ok' if up else _TROUBLES.get(name, 'error: not in rotation'))}/>"
        for name, up in sorted(components.items())
    )
    now = time.strftime("%Y/%m/%d %H:%M:%S", time.gmtime())
    return (
        '<?xml version="1.0"?>'
        f'<healthdata date="{now}" status={quoteattr(status)}>'
        f'<op_worker name="isthmus" status={quoteattr(status)}>{rows}</op_worker></healthdata>'
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
