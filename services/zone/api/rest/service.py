"""Routes about the zone itself; all public."""

from __future__ import annotations

import base64

from fastapi import APIRouter, Response

from runtime.errors import Unavailable
from runtime.http.errors import ApiError
from services.zone.api.rest.door import Door
from services.zone.api.rest.http import reply
from services.zone.domain.privileges import ADMIN_ALL, ADMIN_VIEWER

#: A PNG of one white pixel, for pages that want to know whether they reach the zone.
_PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mP8/x8AAwMCAO+ip1sAAAAASUVORK5CYII="
)


def _configuration(door: Door) -> Response:
    info = door.info
    return reply(
        {
            "name": info.name,
            "version": info.version,
            "build": info.build,
            "domain": info.domain,
            "subdomainDelegationSupported": False,
            "supportedIdPs": [{"id": idp, "offlineAccess": False} for idp in door.zone.logins.idps],
            "compatibilityRegistryRevision": 0,
            "compatibleOneproviderVersions": [info.version],
            "openDataXrootdServerDomain": None,
            "bagitUploaderWorkflowSchemaId": None,
            "availableSpaceTags": {},
        }
    )


def service_routes(door: Door) -> APIRouter:
    """Configuration, health and the like."""
    router = APIRouter(tags=["zone"])

    @router.get("/configuration")
    async def get_configuration() -> Response:
        """What the zone offers."""
        return _configuration(door)

    @router.get("/health")
    async def get_health() -> Response:
        """Whether the zone serves. 500 when its database is away."""
        try:
            await door.zone.users.check_store()
        except Unavailable as error:
            raise ApiError("internalServerError") from error
        return reply({"status": "healthy"})

    @router.get("/test_image")
    async def get_test_image() -> Response:
        """A small image."""
        return Response(_PIXEL, media_type="image/png")

    @router.get("/privileges")
    async def get_admin_privileges() -> Response:
        """Privileges over the zone by level."""
        return reply({"viewer": list(ADMIN_VIEWER), "admin": list(ADMIN_ALL)})

    return router


def host_routes(door: Door) -> APIRouter:
    """What stands at the root of the host."""
    router = APIRouter(tags=["zone"])

    @router.get("/configuration", include_in_schema=False)
    async def get_old_configuration() -> Response:
        """The configuration at its old place."""
        return _configuration(door)

    @router.get("/healthz", include_in_schema=False)
    async def get_liveness() -> Response:
        """Whether this process answers, for Consul."""
        return reply({"status": "healthy"})

    return router
