"""`/openapi.json`, and a page to browse it that needs nothing from any other host."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from functools import cache
from importlib import resources

import orjson
from fastapi import FastAPI, Response
from fastapi.openapi.docs import get_swagger_ui_html

from services.gateway.api.openapi import Entry, document

_TITLE = "Isthmus REST API"
#: Swagger UI as it is packed into a distribution on PyPI.
_PACKAGE = "fastapi_swagger"
_ASSETS = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon-32x32.png": "image/png",
}
_READING = ["GET", "HEAD"]
#: The assets change with a release only.
_CACHED = {"cache-control": "public, max-age=3600"}


def add_docs(app: FastAPI, entries: Iterable[Entry], version: str) -> None:
    """Adds the document, the page and what the page loads."""
    app.openapi_schema = document(entries, version)
    described = orjson.dumps(app.openapi_schema)

    async def openapi() -> Response:
        return Response(described, media_type="application/json")

    async def docs() -> Response:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title=_TITLE,
            swagger_js_url="/docs/swagger-ui-bundle.js",
            swagger_css_url="/docs/swagger-ui.css",
            swagger_favicon_url="/docs/favicon-32x32.png",
            swagger_ui_parameters={"docExpansion": "none", "tryItOutEnabled": True},
        )

    app.add_api_route("/openapi.json", openapi, methods=_READING)
    app.add_api_route("/docs", docs, methods=_READING)
    for name, media in _ASSETS.items():
        app.add_api_route(f"/docs/{name}", _asset(name, media), methods=_READING)


def _asset(name: str, media: str) -> Callable[[], Awaitable[Response]]:
    async def asset() -> Response:
        return Response(_read(name), media_type=media, headers=_CACHED)

    return asset


@cache
def _read(name: str) -> bytes:
    return (resources.files(_PACKAGE) / "resources" / name).read_bytes()
