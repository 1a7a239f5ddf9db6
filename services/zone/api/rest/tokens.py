"""Routes of tokens."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from services.zone.api.rest import schemas
from services.zone.api.rest.audit import NotedRoute
from services.zone.api.rest.door import Door, ids
from services.zone.api.rest.http import done, json_body, reply
from services.zone.api.rest.views import scope_view, token_view
from services.zone.domain.verification import Verified


def check_routes(door: Door) -> APIRouter:
    """What anybody may ask about a token he has."""
    router = APIRouter(prefix="/tokens", tags=["tokens"])
    checks = door.zone.checks

    def verdict(verified: Verified) -> Response:
        ttl = None
        if verified.expires_at_s is not None:
            ttl = max(0, verified.expires_at_s - door.zone.clock.now_ms() // 1000)
        return reply({"subject": verified.subject.to_json(), "ttl": ttl})

    @router.post("/infer_access_token_scope", openapi_extra=schemas.INFER_SCOPE)
    async def infer_access_token_scope(request: Request) -> Response:
        """What data an access token reaches, and where."""
        caller, body = await door.caller_and_body(request)
        scope = await checks.scope(caller, body)
        providers = await checks.providers(scope)
        online = {each.id: door.zone.providers.is_online(each) for each in providers}
        return reply(scope_view(scope, providers, online))

    @router.post("/verify_access_token", openapi_extra=schemas.VERIFY_ACCESS)
    async def verify_access_token(request: Request) -> Response:
        """Whether an access token is good, and whose it is."""
        return verdict(await checks.access(*await door.caller_and_body(request)))

    @router.post("/verify_identity_token", openapi_extra=schemas.VERIFY_IDENTITY)
    async def verify_identity_token(request: Request) -> Response:
        """Whether an identity token is good, and whose it is."""
        return verdict(await checks.identity(*await door.caller_and_body(request)))

    @router.post("/verify_invite_token", openapi_extra=schemas.VERIFY_INVITE)
    async def verify_invite_token(request: Request) -> Response:
        """Whether an invite token is good, and whose it is."""
        return verdict(await checks.invite(*await door.caller_and_body(request)))

    @router.post("/examine", openapi_extra=schemas.ONE_TOKEN)
    async def examine_token(request: Request) -> Response:
        """What a token says about itself; nothing of it is verified."""
        return reply(checks.examine(await json_body(request)))

    @router.post("/confine", openapi_extra=schemas.CONFINE)
    async def confine_token(request: Request) -> Response:
        """The token with more caveats."""
        return reply({"token": checks.confine(await json_body(request))})

    return router


def record_routes(door: Door) -> APIRouter:
    """Records of named tokens by id."""
    router = APIRouter(prefix="/tokens/named", tags=["tokens"], route_class=NotedRoute)
    tokens = door.zone.tokens

    @router.get("")
    async def list_all_tokens(request: Request) -> Response:
        """Named tokens of everybody."""
        return reply(ids("tokens", await tokens.list_all(await door.caller(request))))

    @router.get("/{token_id}")
    async def get_token(request: Request, token_id: str) -> Response:
        """The record of a token."""
        return reply(token_view(*await tokens.get(await door.caller(request), token_id)))

    @router.get("/{token_id}/status")
    async def get_token_status(request: Request, token_id: str) -> Response:
        """Whether it is revoked."""
        return reply({"revoked": await tokens.is_revoked(await door.caller(request), token_id)})

    @router.patch("/{token_id}", status_code=204, openapi_extra=schemas.PATCH_TOKEN)
    async def update_token(request: Request, token_id: str) -> Response:
        """Name, metadata, revocation."""
        caller, body = await door.caller_and_body(request)
        await tokens.update(caller, token_id, body)
        return done()

    @router.delete("/{token_id}", status_code=204)
    async def delete_token(request: Request, token_id: str) -> Response:
        """Ends the token for good."""
        await tokens.delete(await door.caller(request), token_id)
        return done()

    return router


def add_subject_routes(router: APIRouter, door: Door, prefix: str, subject_of: Any) -> None:
    """The same routes for each kind of subject: oneself, any user, any provider.

    `subject_of(request, caller)` is the subject whose tokens they are; it raises when there is none.
    """
    tokens = door.zone.tokens
    named, temporary = f"{prefix}/tokens/named", f"{prefix}/tokens/temporary"

    @router.post(named, status_code=201, openapi_extra=schemas.NAMED_TOKEN)
    async def create_named_token(request: Request) -> Response:
        """A named token: id and text."""
        caller, body = await door.caller_and_body(request)
        token_id, text = await tokens.create_named(caller, await subject_of(request, caller), body)
        made = reply({"tokenId": token_id, "token": text}, 201)
        made.headers["location"] = door.created(f"/tokens/named/{token_id}").headers["location"]
        return made

    @router.get(named)
    async def list_named_tokens(request: Request) -> Response:
        """Ids of named tokens."""
        caller = await door.caller(request)
        return reply(ids("tokens", await tokens.list_ids(caller, await subject_of(request, caller))))

    @router.delete(named, status_code=204)
    async def delete_named_tokens(request: Request) -> Response:
        """Ends all named tokens."""
        caller = await door.caller(request)
        await tokens.delete_all(caller, await subject_of(request, caller))
        return done()

    @router.get(named + "/name/{name}")
    async def get_named_token(request: Request, name: str) -> Response:
        """The record of a token by its name."""
        caller = await door.caller(request)
        subject = await subject_of(request, caller)
        return reply(token_view(*await tokens.get_by_name(caller, subject, name)))

    @router.post(temporary, status_code=201, openapi_extra=schemas.TEMPORARY_TOKEN)
    async def create_temporary_token(request: Request) -> Response:
        """A token that ends by itself and is kept nowhere."""
        caller, body = await door.caller_and_body(request)
        text = await tokens.create_temporary(caller, await subject_of(request, caller), body)
        return reply({"token": text}, 201)

    @router.get(temporary)
    async def get_temporary_generation(request: Request) -> Response:
        """The generation of temporary tokens that is good now."""
        caller = await door.caller(request)
        generation = await tokens.generation(caller, await subject_of(request, caller))
        return reply({"generation": generation})

    @router.delete(temporary, status_code=204)
    async def revoke_temporary_tokens(request: Request) -> Response:
        """Ends all temporary tokens."""
        caller = await door.caller(request)
        await tokens.revoke_temporary(caller, await subject_of(request, caller))
        return done()
