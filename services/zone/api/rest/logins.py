"""Log-in by an identity provider, for browsers."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from services.zone.api.rest import schemas
from services.zone.api.rest.door import Door
from services.zone.api.rest.http import BASE_PATH, json_body, reply, request_id_of
from services.zone.domain.logins import LOGIN_LIFE_S, LoggedIn
from services.zone.domain.value_errors import BadData, MissingRequiredValue

_COOKIE = "isthmus_login"


def login_routes(door: Door) -> APIRouter:
    """There and back."""
    router = APIRouter(prefix="/login", tags=["login"])
    logins = door.zone.logins

    def keep(response: Response, cookie: str, *, life_s: int) -> Response:
        # Lax, so that it comes along when the identity provider sends the browser back.
        response.set_cookie(
            _COOKIE,
            cookie,
            max_age=life_s,
            path=f"{BASE_PATH}/login",
            secure=True,
            httponly=True,
            samesite="lax",
        )
        response.headers["cache-control"] = "no-store"
        response.headers["referrer-policy"] = "no-referrer"
        return response

    @router.get("/{idp}", status_code=302)
    async def begin_login(request: Request, idp: str) -> Response:
        """Sends the browser to the identity provider. With credentials, to link an account to the caller.

        With `loopbackPort` and `codeChallenge`, for a program that waits on the browser's machine.
        """
        url, cookie = await logins.begin(await door.caller(request), idp, dict(request.query_params))
        return keep(Response(status_code=302, headers={"location": url}), cookie, life_s=LOGIN_LIFE_S)

    @router.get("/{idp}/callback")
    async def finish_login(request: Request, idp: str) -> Response:
        """Where the browser comes back: who it is, and a token for him."""
        given = request.query_params
        if "error" in given:
            raise BadData.of(key="error")
        if "code" not in given:
            raise MissingRequiredValue.of(key="code")
        done = await logins.finish(
            await door.caller(request),
            idp,
            state=given.get("state", ""),
            code=given["code"],
            cookie=request.cookies.get(_COOKIE, ""),
            request_id=request_id_of(request),
        )
        if done.send_to:
            return keep(Response(status_code=302, headers={"location": done.send_to}), "", life_s=0)
        return keep(_token_reply(done), "", life_s=0)

    @router.post("/redeem", openapi_extra=schemas.REDEEM)
    async def redeem_login(request: Request) -> Response:
        """A token for a program, by the code its browser brought. The verifier shows that it is the one."""
        answer = _token_reply(await logins.redeem(await json_body(request)))
        answer.headers["cache-control"] = "no-store"
        return answer

    return router


def _token_reply(done: LoggedIn) -> Response:
    return reply({"userId": done.user_id, "token": done.token, "validUntil": done.ends_at_s})
