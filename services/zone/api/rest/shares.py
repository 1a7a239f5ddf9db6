"""Routes of shares. Making and ending them is the providers' part."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from services.zone.api.rest import schemas
from services.zone.api.rest.audit import NotedRoute
from services.zone.api.rest.door import Door
from services.zone.api.rest.http import BASE_PATH, done, reply
from services.zone.api.rest.views import public_share_view, share_view

_DATA = f"{BASE_PATH}/shares/data/"


def share_routes(door: Door) -> APIRouter:
    """Shares by id, and the way to their data."""
    router = APIRouter(prefix="/shares", tags=["shares"], route_class=NotedRoute)
    shares = door.zone.shares

    @router.get("/data/{file_id}", status_code=307)
    @router.get("/data/{file_id}/{rest:path}", status_code=307)
    async def find_share_data(request: Request, file_id: str) -> Response:
        """Sends anybody on to a provider that has the data."""
        provider = await door.zone.share_roads.provider_for(file_id)
        # As it was sent, so that what was escaped stays so.
        raw: bytes = request.scope["raw_path"] or request.scope["path"].encode()
        rest = raw.decode("latin-1").partition(_DATA)[2]
        query = request.scope["query_string"].decode("latin-1")
        location = f"https://{provider.domain}/api/v3/oneprovider/data/{rest}{'?' if query else ''}{query}"
        return Response(status_code=307, headers={"location": location})

    @router.get("/{share_id}/public")
    async def get_public_share(share_id: str) -> Response:
        """What anybody may know of a share."""
        return reply(public_share_view(await shares.require(share_id), door.info.domain))

    @router.get("/{share_id}")
    async def get_share(request: Request, share_id: str) -> Response:
        """A share."""
        share = await shares.get_as_member(await door.caller(request), share_id)
        return reply(share_view(share, door.info.domain))

    @router.patch("/{share_id}", status_code=204, openapi_extra=schemas.PATCH_SHARE)
    async def update_share(request: Request, share_id: str) -> Response:
        """Name and description."""
        caller, body = await door.caller_and_body(request)
        await shares.update_as_member(caller, share_id, body)
        return done()

    return router
