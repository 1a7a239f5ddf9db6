"""Routes of providers, and of the caller as one."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from services.zone.api.rest import schemas
from services.zone.api.rest.audit import NotedRoute
from services.zone.api.rest.door import Door, ids
from services.zone.api.rest.http import done, reply
from services.zone.api.rest.tokens import add_subject_routes
from services.zone.api.rest.views import group_view, provider_view, shared_user_view, space_view
from services.zone.domain.access import Caller
from services.zone.domain.entities import Kind, Provider, Ref
from services.zone.domain.errors import NotFound
from services.zone.domain.identifiers import Subject, provider_subject


def _domain_config(provider: Provider) -> dict[str, object]:
    return {
        "domain": provider.domain,
        "subdomainDelegation": False,
        "subdomain": None,
        "ipList": [],
    }


def provider_routes(door: Door) -> APIRouter:
    """Providers by id, and their registration."""
    router = APIRouter(prefix="/providers", tags=["providers"], route_class=NotedRoute)
    providers = door.zone.providers

    @router.post("", openapi_extra=schemas.REGISTER_PROVIDER)
    async def register_provider(request: Request) -> Response:
        """A new provider. The invitation authorises; the answer is 200 and holds the root token."""
        provider, token = await providers.register(*await door.caller_and_body(request))
        return reply({"providerId": provider.id, "providerRootToken": token, "macaroon": token})

    @router.get("")
    async def list_providers(request: Request) -> Response:
        """All providers."""
        return reply(ids("providers", await providers.list_ids(await door.caller(request))))

    @router.get("/{provider_id}")
    async def get_provider(request: Request, provider_id: str) -> Response:
        """A provider."""
        provider = await providers.get(await door.caller(request), provider_id)
        return reply(provider_view(provider, online=providers.is_online(provider)))

    @router.delete("/{provider_id}", status_code=204)
    async def delete_provider(request: Request, provider_id: str) -> Response:
        """Ends a registration, and all its supports."""
        await providers.delete(await door.caller(request), provider_id)
        return done()

    @router.get("/{provider_id}/spaces")
    async def list_provider_spaces(request: Request, provider_id: str) -> Response:
        """Spaces it supports."""
        found = await providers.supported_of(await door.caller(request), provider_id)
        return reply(ids("spaces", (space.id for space in found)))

    def add_looking(kind: Kind, word: str) -> None:
        @router.get(f"/{{provider_id}}/effective_{word}")
        async def list_provider_members(request: Request, provider_id: str) -> Response:
            """Users, or groups, with a space it supports."""
            return reply(
                ids(word, await providers.effective_ids(await door.caller(request), provider_id, kind))
            )

        @router.get(f"/{{provider_id}}/effective_{word}/{{member_id}}")
        async def get_provider_member(request: Request, provider_id: str, member_id: str) -> Response:
            """One of those."""
            caller = await door.caller(request)
            await providers.ways_to(caller, provider_id, Ref(kind, member_id))
            if kind is Kind.USER:
                return reply(shared_user_view(await door.zone.users.require(member_id)))
            return reply(group_view(await door.zone.groups.require(member_id)))

        @router.get(f"/{{provider_id}}/effective_{word}/{{member_id}}/membership")
        async def get_provider_membership(request: Request, provider_id: str, member_id: str) -> Response:
            """By which spaces it serves somebody."""
            caller = await door.caller(request)
            spaces = await providers.ways_to(caller, provider_id, Ref(kind, member_id))
            ways = [{"type": Kind.SPACE.entity, "id": space_id} for space_id in spaces]
            return reply({"intermediaries": ways})

    add_looking(Kind.USER, "users")
    add_looking(Kind.GROUP, "groups")

    @router.get("/{provider_id}/spaces/{space_id}")
    async def get_provider_space(request: Request, provider_id: str, space_id: str) -> Response:
        """A space it supports."""
        found = await providers.supported_of(await door.caller(request), provider_id)
        space = next((space for space in found if space.id == space_id), None)
        if space is None:
            raise NotFound
        return reply(space_view(space))

    @router.get("/{provider_id}/domain_config")
    async def get_provider_domain(request: Request, provider_id: str) -> Response:
        """Its domain."""
        caller = await door.caller(request)
        return reply(_domain_config(await providers.get(caller, provider_id, "domain_config")))

    async def subject_of(request: Request, _caller: Caller) -> Subject:
        return provider_subject((await providers.require(request.path_params["provider_id"])).id)

    add_subject_routes(router, door, "/{provider_id}", subject_of)
    return router


def current_provider_routes(door: Door) -> APIRouter:
    """The caller, as a provider."""
    router = APIRouter(prefix="/provider", tags=["current provider"], route_class=NotedRoute)
    providers = door.zone.providers

    @router.get("")
    async def get_current_provider(request: Request) -> Response:
        """The caller."""
        provider = await providers.current(await door.caller(request))
        return reply(provider_view(provider, online=providers.is_online(provider)))

    @router.patch("", status_code=204, openapi_extra=schemas.PATCH_PROVIDER)
    async def update_current_provider(request: Request) -> Response:
        """The caller's details."""
        await providers.update(*await door.caller_and_body(request))
        return done()

    @router.delete("", status_code=204)
    async def delete_current_provider(request: Request) -> Response:
        """Ends the caller's registration."""
        await providers.delete_current(await door.caller(request))
        return done()

    @router.get("/domain_config")
    async def get_own_domain(request: Request) -> Response:
        """The caller's domain."""
        caller = await door.caller(request)
        return reply(_domain_config(await providers.current(caller, aspect="domain_config")))

    _add_support_routes(router, door)
    _add_public_routes(router, door)

    async def subject_of(_request: Request, caller: Caller) -> Subject:
        return provider_subject(caller.as_provider())

    add_subject_routes(router, door, "", subject_of)
    return router


def _add_support_routes(router: APIRouter, door: Door) -> None:
    providers, supports = door.zone.providers, door.zone.supports

    @router.get("/spaces")
    async def list_supported_spaces(request: Request) -> Response:
        """Spaces the caller supports."""
        caller = await door.caller(request)
        return reply(ids("spaces", await providers.supported_ids(caller)))

    @router.get("/spaces/{space_id}")
    async def get_supported_space(request: Request, space_id: str) -> Response:
        """One of those."""
        return reply(space_view(await providers.get_supported(await door.caller(request), space_id)))

    @router.patch("/spaces/{space_id}", status_code=204, openapi_extra=schemas.SUPPORT_SIZE)
    async def resize_support(request: Request, space_id: str) -> Response:
        """What the caller promises to it."""
        caller, body = await door.caller_and_body(request)
        await supports.resize(caller, space_id, body)
        return done()

    @router.delete("/spaces/{space_id}", status_code=204)
    async def withdraw_support(request: Request, space_id: str) -> Response:
        """Ends the caller's support."""
        await supports.withdraw(await door.caller(request), space_id)
        return done()


def _add_public_routes(router: APIRouter, door: Door) -> None:
    @router.get("/public/check_my_ip")
    async def check_my_ip(request: Request) -> Response:
        """The caller's address."""
        return reply((await door.caller(request)).peer_ip or "")

    @router.get("/public/get_current_time")
    async def get_current_time() -> Response:
        """The zone's clock."""
        return reply({"timeMillis": door.zone.clock.now_ms()})

    @router.post("/public/verify_provider_identity", status_code=204, openapi_extra=schemas.VERIFY_PROVIDER)
    async def verify_provider_identity(request: Request) -> Response:
        """Whether an identity token is that of a provider."""
        await door.zone.providers.verify_identity(*await door.caller_and_body(request))
        return done()
