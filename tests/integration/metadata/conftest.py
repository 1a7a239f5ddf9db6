"""Instances of the metadata service for integration tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.metadata_instances import Client, Provider


@pytest.fixture
def provider(tmp_path: Path, mongo_url: str, mongo_database: str, consul_url: str) -> Provider:
    return Provider.make(tmp_path, mongo_url, mongo_database, consul_url)


@pytest.fixture
async def client(provider: Provider) -> AsyncIterator[Client]:
    """A client of one instance; the space is supported."""
    async with provider.instance(), provider.client() as client:
        await client.ensure_space()
        yield client


@pytest.fixture
async def pair(provider: Provider) -> AsyncIterator[tuple[Client, Client]]:
    """A client of each of two instances, whatever space they ask about."""
    other = Provider(**{**provider.__dict__, "service": f"{provider.service}-b"})
    async with (
        provider.instance(),
        other.instance("2"),
        provider.client() as one,
        other.client() as two,
    ):
        await one.ensure_space()
        yield one, two
