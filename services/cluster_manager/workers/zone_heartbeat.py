"""Tells the zone that this provider is up: one instance does, as long as it leads."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc.aio
import structlog

from clients.zone import ZoneReporter
from clients.zone_client import ProviderCredentials, ZoneClient
from runtime.leadership import Leadership

log = structlog.get_logger(__name__)

FILE_POLL_S = 1.0


class ZoneHeartbeat:
    """Begins once the provider has been registered, which needs this service to run already."""

    def __init__(
        self, zone: grpc.aio.Channel, provider_file: Path, leadership: Leadership, *, interval_s: float
    ) -> None:
        self._zone = zone
        self._provider_file = provider_file
        self._leadership = leadership
        self._interval_s = interval_s
        self._reporter: ZoneReporter | None = None
        self._waiting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._waiting = asyncio.create_task(self._begin(), name="zone-heartbeat")

    async def stop(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            await asyncio.gather(self._waiting, return_exceptions=True)
        if self._reporter is not None:
            await self._reporter.stop()
        await self._zone.close()

    async def _begin(self) -> None:
        while not self._provider_file.exists():
            await asyncio.sleep(FILE_POLL_S)
        client = ZoneClient(self._zone, ProviderCredentials.load(self._provider_file))
        self._reporter = ZoneReporter(client, leadership=self._leadership, interval_s=self._interval_s)
        await self._reporter.start()
        log.info("zone_heartbeat_begins", provider_id=client.provider.provider_id)
