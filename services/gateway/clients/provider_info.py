"""What anybody may know of this provider: who it is, and whether its parts are in rotation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from runtime.breaker import Breaker, closed
from runtime.clock import Clock
from runtime.config import ProviderFile
from runtime.discovery import Watch
from runtime.errors import IsthmusError
from runtime.version import ONEDATA_VERSION
from services.gateway.clients.own_record import OwnRecord

_ZONE_TIMEOUT_S = 2.0
#: One probe of the zone serves everybody who asks within this time.
_ZONE_REMEMBER_S = 2.0
_COMPATIBILITY_REVISION = 2024120100
_RTRANSFER_PORT = 6665


class ProviderInfo:
    """Answers of the public routes."""

    def __init__(
        self,
        provider: ProviderFile,
        own: OwnRecord,
        domain: str,
        watches: Mapping[str, Watch],
        zone_channel: grpc.aio.Channel,
        clock: Clock,
        breaker: Breaker = closed,
    ) -> None:
        self._provider = provider
        self._own = own
        self._domain = domain
        self._watches = watches
        self._zone: Any = health_pb2_grpc.HealthStub(zone_channel)
        self._clock = clock
        self._breaker = breaker
        self._zone_known: tuple[float, bool] = (0.0, False)

    def configuration(self) -> dict[str, Any]:
        """The document of `/configuration`, as Onedata's clients read it."""
        return {
            "providerId": self._provider.provider_id,
            "name": self._own.name,
            "domain": self._domain,
            "onezoneDomain": self._provider.zone_domain,
            "version": ONEDATA_VERSION,
            "build": "unknown",
            "rtransferPort": _RTRANSFER_PORT,
            "compatibilityRegistryRevision": _COMPATIBILITY_REVISION,
            "compatibleOnezoneVersions": [ONEDATA_VERSION],
            "compatibleOneproviderVersions": [ONEDATA_VERSION],
            "compatibleOneclientVersions": [ONEDATA_VERSION],
        }

    def components(self) -> dict[str, bool]:
        """By service, whether at least one instance is in rotation; of the database, whether it has room."""
        up = {name: any(each.healthy for each in watch.instances) for name, watch in self._watches.items()}
        return {**up, "database": not self._breaker()}

    async def zone_connected(self) -> bool:
        """Whether the zone's gRPC answers."""
        until, connected = self._zone_known
        if self._clock.monotonic_s() >= until:
            connected = await self._probe()
            self._zone_known = (self._clock.monotonic_s() + _ZONE_REMEMBER_S, connected)
        return connected

    async def _probe(self) -> bool:
        try:
            answer = await self._zone.Check(health_pb2.HealthCheckRequest(), timeout=_ZONE_TIMEOUT_S)
        except (grpc.aio.AioRpcError, IsthmusError):
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
