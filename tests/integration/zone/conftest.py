"""One zone for each test file, over a database of its own."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.zone import RunningZone, running_zone, zone_settings


@pytest.fixture
async def zone(
    tmp_path: Path, mongo_url: str, mongo_database: str, consul_url: str
) -> AsyncIterator[RunningZone]:
    """A running zone with its first administrator."""
    instance = f"zone-{secrets.token_hex(4)}"
    settings = zone_settings(tmp_path, mongo_url, mongo_database, consul_url, instance_id=instance)
    async with running_zone(settings) as running:
        yield running
