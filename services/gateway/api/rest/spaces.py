"""`/spaces`: the spaces of the caller."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from runtime.http import file_ids
from runtime.http.errors import ApiError
from runtime.http.file_ids import FileId, check_member
from runtime.identity import Identity
from services.gateway.api.http import Answer, json_answer
from services.gateway.api.rest.operations import PlainCall
from services.gateway.domain.confined import leaves_space, require_space
from services.gateway.domain.providers import SpaceProviders, SupportingProvider


class SpaceRoutes:
    """Lists spaces and tells of one."""

    def __init__(self, providers: SpaceProviders) -> None:
        self._providers = providers

    async def list(self, call: PlainCall) -> Answer:
        """`GET /spaces`: all that the token leaves, also those not supported here."""
        space_ids = sorted(id for id in call.identity.spaces if leaves_space(call.identity, id))
        providers = await self._providers.of_spaces(space_ids)
        return json_answer([_told(call.identity, id, providers.get(id, ())) for id in space_ids])

    async def get(self, call: PlainCall) -> Answer:
        """`GET /spaces/{sid}`."""
        space_id = call.path["sid"]
        if space_id == file_ids.ROOT_SPACE_ID:
            raise ApiError("forbidden")
        require_space(call.identity, space_id)
        check_member(call.identity, file_ids.space_root(space_id), provider_id=call.provider_id)
        providers = await self._providers.of_spaces([space_id])
        return json_answer(_told(call.identity, space_id, providers.get(space_id, ())))


def _told(identity: Identity, space_id: str, providers: Sequence[SupportingProvider]) -> dict[str, Any]:
    directory = _encoded(file_ids.space_root(space_id))
    return {
        "name": identity.spaces[space_id].name,
        "spaceId": space_id,
        "fileId": directory,
        "dirId": directory,
        "trashDirId": _encoded(FileId(space_id, f"trash_{space_id}")),
        "archivesDirId": _encoded(FileId(space_id, f"archivesRoot_{space_id}")),
        "providers": [{"providerId": each.provider_id, "providerName": each.name} for each in providers],
    }


def _encoded(file: FileId) -> str:
    return file_ids.encode(file.space_id, file.uuid)
