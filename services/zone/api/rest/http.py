"""One request in, one reply out: callers, bodies, errors and replies as REST has them everywhere."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import orjson
import structlog
from fastapi import Request, Response
from starlette.exceptions import HTTPException

from runtime.errors import IsthmusError
from runtime.http.errors import CATALOGUE, ApiError, from_error
from runtime.http.params import parse_object
from runtime.http.tokens import client_ip, consumer_token, extract_token
from services.zone.domain.access import Caller
from services.zone.domain.authentication import Authenticator
from services.zone.domain.errors import Unauthorized, ZoneError
from services.zone.domain.token_errors import BadBasicCredentials

log = structlog.get_logger(__name__)

BASE_PATH = "/api/v3/onezone"
#: A token of the largest size with something around it.
MAX_BODY_BYTES = 2 << 20

#: What a request may call itself, in logs and notes.
MAX_REQUEST_ID_CHARS = 200

_BASIC = "basic "


def request_id_of(request: Request) -> str:
    """What the request calls itself, as far as notes keep it."""
    return request.headers.get("x-request-id", "")[:MAX_REQUEST_ID_CHARS]


async def caller_of(request: Request, authenticator: Authenticator) -> Caller:
    """Who asks. Raises Unauthorized with the reason nested; no credentials at all make a guest."""
    headers = dict(request.headers.raw)
    peer_ip = client_ip(headers, request.client.host if request.client else "") or None
    token = extract_token(headers)
    if token is not None:
        service = headers.get(b"x-onedata-service-token")
        circumstances: dict[str, Any] = {
            "peer_ip": peer_ip,
            "interface": "rest",
            "service_token": service.decode("latin-1") if service is not None else None,
            "consumer_token": consumer_token(headers),
        }
        if authenticator.is_of_idp(token):
            return await authenticator.by_idp_token(token, request_id=request_id_of(request), **circumstances)
        return await authenticator.by_token(token, **circumstances)
    authorization = headers.get(b"authorization", b"").decode("latin-1")
    if authorization[: len(_BASIC)].lower() == _BASIC:
        username, password = _basic_credentials(authorization[len(_BASIC) :])
        return await authenticator.by_password(username, password, peer_ip=peer_ip)
    return authenticator.guest(peer_ip)


def _basic_credentials(encoded: str) -> tuple[str, str]:
    try:
        username, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeError):
        username, colon, password = "", "", ""
    if not colon:
        raise Unauthorized.because(BadBasicCredentials())
    return username, password


async def json_body(request: Request) -> dict[str, Any]:
    """The body as an object; nothing is an empty one. 415 for another content type with a body."""
    size = 0
    chunks: list[bytes] = []
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            raise HTTPException(413)
        chunks.append(chunk)
    if size and request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise HTTPException(415)
    return parse_object(b"".join(chunks))


def reply(value: Any, status: int = 200) -> Response:
    """A JSON reply."""
    return Response(orjson.dumps(value), status, media_type="application/json")


def created(location: str) -> Response:
    """201 with an empty body: the new id is in the header only."""
    return Response(status_code=201, headers={"location": location})


def done() -> Response:
    """204."""
    return Response(status_code=204)


def to_api_error(error: IsthmusError) -> ApiError:
    """As the catalogue has it: token errors bare, since what stands for 401 is nested already."""
    if isinstance(error, ZoneError) and error.error_id in CATALOGUE:
        return ApiError(error.error_id, error.details)
    return from_error(error, provider_id="")


async def handle_api_error(_request: Request, error: Exception) -> Response:
    """The reply to an error that means something to the caller."""
    if isinstance(error, IsthmusError):
        error = to_api_error(error)
    if not isinstance(error, ApiError):
        raise error
    return Response(error.body(), error.status, headers=error.headers)


async def handle_http_error(_request: Request, error: Exception) -> Response:
    """Unknown routes, wrong methods and the like have empty bodies."""
    if not isinstance(error, HTTPException):
        raise error
    headers: Mapping[str, str] = error.headers or {}
    return Response(status_code=error.status_code, headers=dict(headers))


async def handle_disconnect(_request: Request, _error: Exception) -> Response:
    """The client is gone; nobody reads this."""
    return Response(status_code=400)


async def handle_bug(_request: Request, error: Exception) -> Response:
    """Anything else is a bug: logged whole, told to nobody."""
    log.error("request_failed", exc_info=error)
    told = ApiError("internalServerError")
    return Response(told.body(), told.status, headers=told.headers)
