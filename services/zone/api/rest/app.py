"""The application: all routes, with what surrounds each request."""

from __future__ import annotations

import time
from typing import Any

import structlog
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runtime.errors import IsthmusError
from runtime.http.errors import ApiError
from services.zone import metrics
from services.zone.api.rest.audit import audit_routes
from services.zone.api.rest.door import Door
from services.zone.api.rest.groups import group_routes
from services.zone.api.rest.http import (
    BASE_PATH,
    MAX_REQUEST_ID_CHARS,
    handle_api_error,
    handle_bug,
    handle_disconnect,
    handle_http_error,
)
from services.zone.api.rest.logins import login_routes
from services.zone.api.rest.providers import current_provider_routes, provider_routes
from services.zone.api.rest.service import host_routes, service_routes
from services.zone.api.rest.shares import share_routes
from services.zone.api.rest.spaces import space_routes
from services.zone.api.rest.tokens import check_routes, record_routes
from services.zone.api.rest.users import current_user_routes, user_routes
from services.zone.api.services import ZoneInfo, ZoneServices


def build_app(zone: ZoneServices, info: ZoneInfo) -> ASGIApp:
    """REST of the zone as an ASGI application."""
    app = FastAPI(
        title=info.name,
        version=info.version,
        openapi_url=f"{BASE_PATH}/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=_operation_id,
    )
    door = Door(zone, info)
    for make in (
        check_routes,
        record_routes,
        current_user_routes,
        user_routes,
        space_routes,
        group_routes,
        share_routes,
        login_routes,
        current_provider_routes,
        provider_routes,
        audit_routes,
        service_routes,
    ):
        app.include_router(make(door), prefix=BASE_PATH)
    app.include_router(host_routes(door))
    app.add_exception_handler(IsthmusError, handle_api_error)
    app.add_exception_handler(ApiError, handle_api_error)
    app.add_exception_handler(HTTPException, handle_http_error)
    app.add_exception_handler(ClientDisconnect, handle_disconnect)
    app.add_exception_handler(Exception, handle_bug)
    return Surroundings(app)


def _operation_id(route: APIRoute) -> str:
    """Readable, and one of its own for each route: a function may serve two paths, or two subjects."""
    path = route.path_format.removeprefix(BASE_PATH).strip("/")
    words = path.replace("{", "").replace("}", "").replace("/", "_")
    return f"{min(route.methods or ()).lower()}_{words}"


class Surroundings:
    """Around the application: request ids in logs, times, CORS, tolerated slashes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path: str = scope["path"]
        if len(path) > 1 and path.endswith("/"):
            scope = {**scope, "path": path.rstrip("/") or "/"}
        headers: dict[bytes, bytes] = dict(scope["headers"])
        request_id = headers.get(b"x-request-id", b"").decode("latin-1")[:MAX_REQUEST_ID_CHARS]

        status = 0
        began_s = time.perf_counter()

        async def send_with_cors(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                fields: list[Any] = [*message.get("headers", ()), (b"access-control-allow-origin", b"*")]
                message = {**message, "headers": fields}
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, send_with_cors)
            finally:
                metrics.REQUESTS.labels(scope["method"], str(status)).observe(time.perf_counter() - began_s)
