"""A gateway without sockets for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.gateway import GatewayTwin


@pytest.fixture
async def gateway() -> AsyncIterator[GatewayTwin]:
    """The application, and `gateway.http` to speak to it as the owner of the space `home`."""
    twin = GatewayTwin()
    await twin.start()
    async with twin.http:
        yield twin
        await twin.jobs.stop()
