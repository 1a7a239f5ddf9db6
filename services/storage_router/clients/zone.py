"""The zone as the authority on support tokens."""

from __future__ import annotations

from clients.zone import ZoneClient
from services.storage_router.domain.storages import ConsumedToken


class ZoneSupports:
    """`SupportAuthority` of the zone; the caller there is this provider."""

    def __init__(self, zone: ZoneClient) -> None:
        self._zone = zone

    async def consume_support_token(
        self, token: str, *, request_id: str, size_bytes: int, storage_id: str, readonly: bool
    ) -> ConsumedToken:
        space = await self._zone.support_space(
            token,
            request_id=request_id,
            size_bytes=size_bytes,
            storage_id=storage_id,
            readonly=readonly,
        )
        return ConsumedToken(space.space_id, space.name, space.size_bytes or size_bytes)
