"""ProviderService: what a provider tells the zone about itself and its supports."""

from __future__ import annotations

from typing import Any

from isthmus.zone.v1 import providers_pb2, providers_pb2_grpc

from runtime.request import request_id
from services.zone.api.provider_door import ProviderDoor
from services.zone.domain.audit import AuditLog
from services.zone.domain.entities import Provider, Space
from services.zone.domain.providers import Providers
from services.zone.domain.support_parameters import SupportParameterRules
from services.zone.domain.supports import Supports
from services.zone.domain.value_errors import BadValueNotInRange

_DEFAULT_PAGE_SIZE = 100
_MAX_PAGE_SIZE = 1000


class ProviderServicer(providers_pb2_grpc.ProviderServiceServicer):
    """Decode, ask, encode."""

    def __init__(
        self,
        providers: Providers,
        supports: Supports,
        parameters: SupportParameterRules,
        audit: AuditLog,
        door: ProviderDoor,
    ) -> None:
        self._providers = providers
        self._supports = supports
        self._parameters = parameters
        self._audit = audit
        self._door = door

    async def ReportStatus(
        self, request: providers_pb2.ReportStatusRequest, context: Any
    ) -> providers_pb2.ReportStatusResponse:
        time_ms = await self._providers.report(self._door.current(), request.version, request.build)
        return providers_pb2.ReportStatusResponse(time_ms=time_ms)

    async def SupportSpace(
        self, request: providers_pb2.SupportSpaceRequest, context: Any
    ) -> providers_pb2.SupportSpaceResponse:
        caller = self._door.current()
        body: dict[str, object] = {
            "token": request.token,
            "size": request.size_bytes,
            "storageId": request.storage_id,
            "requestId": request.request_id,
        }
        about = (request.storage_id,)
        noted = self._audit.noted(caller, "support_space", about, body, request_id=request_id())
        async with noted as outcome:
            space, begun = await self._supports.begin(caller, body)
            outcome.also_about.append(space.id)
            outcome.unchanged = not begun
        return providers_pb2.SupportSpaceResponse(space=_to_proto(space, caller.as_provider()))

    async def ResizeSupport(
        self, request: providers_pb2.ResizeSupportRequest, context: Any
    ) -> providers_pb2.ResizeSupportResponse:
        caller = self._door.current()
        body: dict[str, object] = {"size": request.size_bytes}
        about = (request.space_id,)
        async with self._audit.noted(caller, "resize_support", about, body, request_id=request_id()):
            space = await self._supports.resize(caller, request.space_id, body)
        return providers_pb2.ResizeSupportResponse(space=_to_proto(space, caller.as_provider()))

    async def RevokeSupport(
        self, request: providers_pb2.RevokeSupportRequest, context: Any
    ) -> providers_pb2.RevokeSupportResponse:
        caller = self._door.current()
        about = (request.space_id,)
        noted = self._audit.noted(caller, "withdraw_support", about, {}, request_id=request_id())
        async with noted as outcome:
            revision, ended = await self._supports.end(caller, request.space_id)
            outcome.unchanged = not ended
        return providers_pb2.RevokeSupportResponse(revision=revision)

    async def SwitchDirStats(
        self, request: providers_pb2.SwitchDirStatsRequest, context: Any
    ) -> providers_pb2.SwitchDirStatsResponse:
        caller = self._door.current()
        provider_id = caller.as_provider()
        about = (request.space_id, provider_id)
        body = {"dirStatsServiceEnabled": request.enabled}
        action = "update_support_parameters"
        async with self._audit.noted(caller, action, about, body, request_id=request_id()):
            await self._parameters.update(caller, request.space_id, provider_id, body)
        return providers_pb2.SwitchDirStatsResponse()

    async def ReportDirStatsStatus(
        self, request: providers_pb2.ReportDirStatsStatusRequest, context: Any
    ) -> providers_pb2.ReportDirStatsStatusResponse:
        # How far a machine is with its work is no decision of anybody, so nothing is noted.
        caller = self._door.current()
        body = {"dirStatsServiceStatus": request.status}
        await self._parameters.update(caller, request.space_id, caller.as_provider(), body)
        return providers_pb2.ReportDirStatsStatusResponse()

    async def ListSupportedSpaces(
        self, request: providers_pb2.ListSupportedSpacesRequest, context: Any
    ) -> providers_pb2.ListSupportedSpacesResponse:
        if request.page_size > _MAX_PAGE_SIZE:
            raise BadValueNotInRange.of(key="page_size", low=1, high=_MAX_PAGE_SIZE)
        caller = self._door.current()
        limit = request.page_size or _DEFAULT_PAGE_SIZE
        spaces = await self._providers.supported(caller, after=request.page_token, limit=limit)
        provider_id = caller.as_provider()
        return providers_pb2.ListSupportedSpacesResponse(
            spaces=[_to_proto(space, provider_id) for space in spaces],
            next_page_token=spaces[-1].id if len(spaces) == limit else "",
        )

    async def ListSpaceProviders(
        self, request: providers_pb2.ListSpaceProvidersRequest, context: Any
    ) -> providers_pb2.ListSpaceProvidersResponse:
        if len(request.space_ids) > _MAX_PAGE_SIZE:
            raise BadValueNotInRange.of(key="space_ids", low=0, high=_MAX_PAGE_SIZE)
        found = await self._providers.of_spaces(self._door.current(), request.space_ids)
        return providers_pb2.ListSpaceProvidersResponse(
            spaces=[
                providers_pb2.SpaceProviders(
                    space_id=space.id, providers=[_supporting(space, each) for each in providers]
                )
                for space, providers in found
            ]
        )


def _supporting(space: Space, provider: Provider) -> providers_pb2.SupportingProvider:
    return providers_pb2.SupportingProvider(
        provider_id=provider.id,
        name=provider.name,
        storage_ids=sorted(each.storage_id for each in space.supports if each.provider_id == provider.id),
    )


def _to_proto(space: Space, provider_id: str) -> providers_pb2.SupportedSpace:
    return providers_pb2.SupportedSpace(
        space_id=space.id,
        name=space.name,
        size_bytes=space.sizes().get(provider_id, 0),
        revision=space.revision,
    )
